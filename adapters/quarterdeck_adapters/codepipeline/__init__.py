"""AWS CodePipeline: pipelines, their executions, stages and actions; logs through CodeBuild and CloudWatch."""
