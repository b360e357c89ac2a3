"""GitHub and GitHub Enterprise as a source of workflow runs and pull requests."""
