"""Jenkins: folders, multibranch projects, the queue, stages, inputs and progressive logs."""

from quarterdeck_adapters.jenkins.adapter import JenkinsSource

__all__ = ["JenkinsSource"]
