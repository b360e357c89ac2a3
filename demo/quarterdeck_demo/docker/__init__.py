"""A contract server for the Docker Engine API: https://docs.docker.com/reference/api/engine/.

The shapes, status codes and messages were recorded from Docker Engine 20.10.24 (API 1.41); what later versions
changed follows https://docs.docker.com/reference/api/engine/version-history/ up to API 1.47.
"""

from quarterdeck_demo.docker.server import DockerServer
from quarterdeck_demo.docker.settings import EngineSettings

__all__ = ["DockerServer", "EngineSettings"]
