"""AWS CodePipeline in the practice world, with the CodeBuild, CloudWatch Logs and STS calls that lead to its logs."""

from quarterdeck_demo.codepipeline.server import CodePipelineServer

__all__ = ["CodePipelineServer"]
