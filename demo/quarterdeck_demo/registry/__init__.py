"""An OCI registry that answers as Docker's registry 2.8 does."""

from quarterdeck_demo.registry.auth import BasicAuth, TokenAuth
from quarterdeck_demo.registry.server import RegistryServer
from quarterdeck_demo.registry.store import Store

__all__ = ["BasicAuth", "RegistryServer", "Store", "TokenAuth"]
