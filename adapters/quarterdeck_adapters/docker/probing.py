"""What an engine says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quarterdeck_adapters.docker.client import Engine
from quarterdeck_lifecycle.ports import Probe


async def probe(engine: Engine, env: Mapping[str, str]) -> Probe:
    """Ask /version and /info. Raises QuarterdeckError."""
    version, info = await asyncio.gather(
        engine.call(lambda c: c.version(), what="asking for the version"),
        engine.call(lambda c: c.info(), what="asking who it is"),
    )
    parts = [info.get("Name") or "", f"API {version.get('ApiVersion')}", info.get("OperatingSystem") or ""]
    counts = f"{info.get('Containers', 0)} containers, {info.get('Images', 0)} images"
    return Probe(
        version=str(version.get("Version") or ""),
        identity=" · ".join(part for part in parts if part),
        evidence=f"{engine.endpoint.evidence or 'the config'}: {engine.address} answered; {counts}",
        warnings=tuple(warnings(engine, info)),
        can=await compose(engine, env),
    )


def warnings(engine: Engine, info: Mapping[str, Any]) -> list[str]:
    """What an operator should know before acting on this engine."""
    found = [text.removeprefix("WARNING: ") for text in info.get("Warnings") or ()]
    swarm = info.get("Swarm") or {}
    if swarm.get("LocalNodeState") == "active":
        role = "manager" if swarm.get("ControlAvailable") else "worker"
        found.append(f"a Swarm {role}: Swarm starts the containers of services again when they are removed")
    if info.get("ExperimentalBuild"):
        found.append("experimental features are on")
    if engine.endpoint.scheme == "http":
        found.append(f"{engine.address} has no TLS: whoever reaches it is root on that machine")
    if engine.endpoint.scheme == "https" and not engine.endpoint.verify:
        found.append("its certificate is not verified (insecure: true)")
    if any(str(option).startswith("name=rootless") for option in info.get("SecurityOptions") or ()):
        found.append("rootless: ports below 1024 and some networks are not to be had")
    return found


async def compose(engine: Engine, env: Mapping[str, str]) -> dict[str, str | None]:
    """Whether the verbs on compose projects can be done here."""
    from quarterdeck_adapters.docker.compose import missing

    why = await missing(engine, env)
    return {f"project.{word}": why for word in ("up", "down", "pull")}
