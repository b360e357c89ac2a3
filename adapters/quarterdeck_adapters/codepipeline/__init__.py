"""AWS CodePipeline: pipelines, their executions, stages and actions; logs through CodeBuild and CloudWatch."""

from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource

__all__ = ["CodePipelineSource"]
