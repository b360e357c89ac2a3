"""OCI registries: repositories and tags, copies, deletes (https://github.com/opencontainers/distribution-spec)."""

from quarterdeck_adapters.registry.discovery import discover
from quarterdeck_adapters.registry.source import RegistrySource

__all__ = ["RegistrySource", "discover"]
