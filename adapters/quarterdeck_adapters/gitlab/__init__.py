"""GitLab: pipelines, merge requests and deployments over its REST API v4."""

from quarterdeck_adapters.gitlab.adapter import GitlabSource

__all__ = ["GitlabSource"]
