"""Git working copies on this machine, by git's own plumbing (https://git-scm.com/docs)."""

from quarterdeck_adapters.git.finding import discover
from quarterdeck_adapters.git.source import GitSource

__all__ = ["GitSource", "discover"]
