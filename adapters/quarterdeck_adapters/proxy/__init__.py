"""Proxies in front of containers: what routes traffic to the new one before the old one is let go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck_adapters.proxy.base import Proxy, Run, Server, Settings, settings_of, wait_healthy, wait_idle
from quarterdeck_lifecycle.errors import Unsupported

__all__ = ["Proxy", "Run", "Server", "Settings", "make", "settings_of", "wait_healthy", "wait_idle"]


def make(source_name: str, settings: Mapping[str, Any], run: Run | None = None) -> Proxy:
    """The proxy that a target's settings name (the config's `proxy`, as a mapping). Sends nothing.

    `source_name` is the target's source, whose permit the writes need. `run` runs `drain_exec` in the container that
    is being drained. Raises Refused for a name or address that must not be sent, Unsupported for an unknown kind.
    """
    read = settings_of(source_name, settings)
    if read.kind == "haproxy":
        from quarterdeck_adapters.proxy.haproxy import Haproxy

        return Haproxy(source_name, read)
    if read.kind == "traefik":
        from quarterdeck_adapters.proxy.traefik import Traefik

        return Traefik(source_name, read, run)
    raise Unsupported(f"no proxy of the kind {read.kind}", source=source_name, mend="kind: haproxy, or kind: traefik")
