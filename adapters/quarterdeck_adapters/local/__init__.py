"""Pipelines of this machine, for those without a CI server. Importing this imports nothing: runners stay small."""
