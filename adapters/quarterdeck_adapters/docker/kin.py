"""Which container took another's place, and which one it replaced. Pure, over the engine's list of containers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quarterdeck_adapters.docker.mapping import PROJECT, SERVICE, name_of

NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
OURS = "quarterdeck.service"
Json = Mapping[str, Any]


def _role(entry: Json) -> tuple[str, ...]:
    """What a container is there for, where its labels say it."""
    labels = entry.get("Labels") or {}
    if labels.get(OURS):
        return ("quarterdeck", labels[OURS], labels.get("quarterdeck.env", ""))
    if labels.get(SERVICE) and labels.get(ONE_OFF, "False") != "True":
        return ("compose", labels.get(PROJECT, ""), labels[SERVICE], labels.get(NUMBER, ""))
    return ()


def successor(entries: Iterable[Json], old: Json) -> Json | None:
    """The newest container that was made after `old`, under its name or for the same service."""
    kin = [
        entry
        for entry in entries
        if entry["Id"] != old["Id"]
        and entry.get("Created", 0) >= old.get("Created", 0)
        and entry.get("State") in ("running", "restarting", "paused")
        and (name_of(entry) == name_of(old) or (_role(old) != () and _role(entry) == _role(old)))
    ]
    return max(kin, key=lambda entry: (entry.get("Created", 0), entry["Id"]), default=None)


def predecessor(entries: Iterable[Json], new: Json) -> Json | None:
    """The newest container that is older than `new` and kept: for the same service, or renamed from its name."""
    name = name_of(new)
    kin = [
        entry
        for entry in entries
        if entry["Id"] != new["Id"]
        and entry.get("Created", 0) <= new.get("Created", 0)
        and ((_role(new) != () and _role(entry) == _role(new)) or _renamed(name_of(entry), name))
    ]
    return max(kin, key=lambda entry: (entry.get("Created", 0), entry["Id"]), default=None)


def _renamed(old: str, name: str) -> bool:
    """`NAME-previous`, `NAME.3f2a`, or compose's `3f2a1b9c8d7e_NAME`."""
    return old.startswith((f"{name}-", f"{name}_", f"{name}.")) or old.endswith((f"_{name}", f"-{name}"))
