"""Docker engines: containers, images, volumes, networks (https://docs.docker.com/reference/api/engine/)."""

from quarterdeck_adapters.docker.adapter import DockerSource
from quarterdeck_adapters.docker.discovery import discover

__all__ = ["DockerSource", "discover"]
