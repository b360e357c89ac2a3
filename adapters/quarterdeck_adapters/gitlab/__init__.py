"""GitLab: pipelines, merge requests and deployments over its REST API v4."""
