"""The machine that the deck runs on, by psutil (https://psutil.readthedocs.io), and its GPUs by NVML."""

from quarterdeck_adapters.host.adapter import HostSource, discover

__all__ = ["HostSource", "discover"]
