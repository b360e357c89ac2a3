"""What is looked at before a container's release: nothing here writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from quarterdeck_adapters.docker.acting import size
from quarterdeck_adapters.docker.mapping import ANYWHERE, name_of
from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.modes import bindings, fixed_ports
from quarterdeck_adapters.docker.release.references import read
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError
from quarterdeck_lifecycle.release.model import Check, Identity

FACTOR = 2.0
"""A pull holds the compressed layers and what they unpack to at once."""
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "i386": "386"}


async def preflight(
    calls: Calls, old: Json, others: Sequence[Json], to: Identity, old_image: Json | None, *, new: Json | None,
    source: Json,
) -> tuple[Check, ...]:  # fmt: skip
    """Image, architecture, disk and ports. `new` is the image here, None when it must be pulled; `source` the container
    whose configuration the new one gets."""
    info = await calls.info()
    return (
        *await _registry(calls, to, new, info),
        _disk(calls, info, new, old_image),
        *_ports(calls, old, source, others),
    )


async def _registry(calls: Calls, to: Identity, new: Json | None, info: Json) -> list[Check]:
    if not to.digest:
        return [Check(name="image", ok=new is not None, said="no registry is known to have it; this engine "
                      + ("has it" if new else "does not have it either"))]  # fmt: skip
    try:
        platforms = (await calls.distribution(to.reference)).get("Platforms") or ()
    except QuarterdeckError as error:
        if new is None:
            return [Check(name="image", ok=False, said=f"the registry does not give it: {error.why or error}")]
        said = (
            "the registry does not have it any more" if isinstance(error, NotFound) else "its registry does not answer"
        )
        tag = f"; {to.wanted} is what this engine knew last" if to.wanted and to.wanted != to.digest else ""
        return [Check(name="image", ok=None, said=f"{said}, the image is here{tag}", blocks=False)]
    found = [Check(name="image", ok=True, said=f"the registry has {to.short}" + (", and it is here" if new else ""))]
    named = {str(each.get("architecture") or "") for each in platforms} - {""}
    machine = MACHINES.get(str(info.get("Architecture")), str(info.get("Architecture")))
    if named:
        found.append(
            Check(name="architecture", ok=machine in named, said=f"{', '.join(sorted(named))} on a {machine} engine")
        )
    return found


def _disk(calls: Calls, info: Json, new: Json | None, old_image: Json | None) -> Check:
    if new is not None:
        return Check(name="disk", ok=True, said="nothing has to be pulled")
    root = str(info.get("DockerRootDir") or "")
    if not calls.engine.endpoint.local or not os.path.isdir(root):
        return Check(name="disk", ok=None, said="the engine's disk cannot be seen from here", blocks=False)
    free = shutil.disk_usage(root).free
    guess = (old_image or {}).get("Size")
    if not isinstance(guess, int):
        return Check(
            name="disk", ok=None, said=f"{size(free)} free on {root}, the image's size is unknown", blocks=False
        )
    needed = int(guess * FACTOR)
    said = f"{size(free)} free on {root}, about {size(needed)} needed if it is as large as the old image"
    return Check(name="disk", ok=free >= needed, said=said)


def _ports(calls: Calls, old: Json, source: Json, others: Sequence[Json]) -> list[Check]:
    wanted = fixed_ports(source)
    if not wanted:
        return []
    bound = bindings(source)
    taken = [
        f"{port['PublicPort']} is held by {name_of(other)}"
        for other in others
        if other["Id"] != old["Id"]
        for port in other.get("Ports") or ()
        if any(_same(port, *each) for each in bound)
    ]
    if not taken and calls.engine.endpoint.local:
        own = _numbers(old) if (old.get("State") or {}).get("Running") else set()
        numbers = _numbers(source) - own
        held = numbers & _listening() if numbers else set()
        taken = [f"{number} is held by a program on this host" for number in sorted(held)]
    said = "; ".join(dict.fromkeys(taken)) or f"{', '.join(wanted)} is the old one's, or free"
    return [Check(name="port", ok=not taken, said=said)]


def _numbers(found: Json) -> set[int]:
    return {int(port) for _, port, protocol in bindings(found) if protocol == "tcp" and port.isdigit()}


def _same(port: Json, address: str, number: str, protocol: str) -> bool:
    if str(port.get("PublicPort")) != number or (port.get("Type") or "tcp") != protocol:
        return False
    other = str(port.get("IP") or "")
    return other == address or other in ANYWHERE or address in ("", *ANYWHERE)


def _listening() -> set[int]:
    """The TCP ports that programs of this host listen on (proc_pid_net(5)); psutil reads every open file for them."""
    found = set()
    for table in _TABLES:
        try:
            rows = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for _, local, _, state, *_ in map(str.split, rows):
            if state == _LISTENS:
                found.add(int(local.rpartition(":")[2], 16))
    return found


async def tag_moved(calls: Calls, to: Identity) -> str:
    """What the wanted tag means now, where it means another digest than planned; empty when it does not, when the
    registry does not answer (the image is pinned by digest), and for what is no tag."""
    if not to.wanted or not to.digest or "sha256:" in to.wanted:
        return ""
    try:
        asked = await calls.distribution(str(read(to.wanted, to.name, source=calls.name)))
    except QuarterdeckError:
        return ""
    now = str((asked.get("Descriptor") or {}).get("digest") or "")
    return now if now != to.digest else ""
