"""GitHub and GitHub Enterprise as a source of workflow runs and pull requests."""

from quarterdeck_adapters.github.adapter import GithubSource
from quarterdeck_adapters.github.discovery import discover

__all__ = ["GithubSource", "discover"]
