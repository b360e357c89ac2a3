"""Targets of releases on a Docker engine: one container, or one Swarm service."""
