"""What a container could go back to: those that releases replaced and kept; and letting the oldest of them go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.mapping import name_of as listed_name
from quarterdeck_adapters.docker.release import images
from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.moves import ALIVE, ending, name_of
from quarterdeck_adapters.docker.release.naming import kept_name, new_name, old_name, op_part, retired_by
from quarterdeck_lifecycle.release.model import Candidate, Change, Identity, Marks
from quarterdeck_lifecycle.release.ports import Say

SHOWN_LINES = 10


def marks_of(found: Json) -> Marks | None:
    """The marks of a container, from inspect."""
    return Marks.read((found.get("Config") or {}).get("Labels") or {})


def served_until(found: Json) -> float:
    """When it ended, epoch seconds; when it was made, where it never ran."""
    state = found.get("State") or {}
    return epoch(state.get("FinishedAt")) or epoch(found.get("Created")) or 0.0


def is_retained(entry: Json, name: str, service: str, environment: str, ops: set[str]) -> bool:
    """Whether an entry of the engine's list is one that a release of this service replaced under this name.

    One that no release made has no marks: then the release that its name speaks of must have left one that is marked.
    """
    by = retired_by(name, listed_name(entry))
    if not by or entry.get("State") in ALIVE:
        return False
    marks = Marks.read(entry.get("Labels") or {})
    if marks is not None:
        return (marks.service, marks.env) == (service, environment)
    return by in ops


async def retained(calls: Calls, name: str, service: str, environment: str) -> list[dict[str, Any]]:
    """The inspects of those that are kept, the last replaced first. Raises QuarterdeckError."""
    entries = await calls.containers()
    marked = [Marks.read(entry.get("Labels") or {}) for entry in entries]
    ops = {op_part(each.op) for each in marked if each and (each.service, each.env) == (service, environment)}
    ids = [str(entry["Id"]) for entry in entries if is_retained(entry, name, service, environment, ops)]
    found = await asyncio.gather(*(calls.container(id) for id in ids))
    return sorted((each for each in found if each is not None), key=served_until, reverse=True)


async def candidates(calls: Calls, current: Json, target: str, service: str, environment: str) -> Sequence[Candidate]:
    """What runs now, then what is kept, newest first. Raises QuarterdeckError."""
    kept = await retained(calls, name_of(current), service, environment)
    names = {name_of(each) for each in kept}
    said = await asyncio.gather(*(images.running(calls, each) for each in (current, *kept)))
    return [
        _candidate(found, target, identity, gone=image is None, proven=is_proven(found, current, names))
        for found, (identity, image) in zip((current, *kept), said, strict=True)
    ]


def is_proven(found: Json, current: Json, names: set[str]) -> bool:
    """Whether the release that made it passed its gate: the name of what it replaced says so. Where that was removed
    since: what is retained was proven, of what runs it cannot be told."""
    marks, name = marks_of(found), name_of(current)
    if marks is None:
        return False
    if kept_name(name, marks.op) in names:
        return True
    return old_name(name, marks.op) not in names and found["Id"] != current["Id"]


def _candidate(found: Json, target: str, identity: Identity, *, gone: bool, proven: bool) -> Candidate:
    marks = marks_of(found)
    made = epoch(found.get("Created"))
    why = f"its image {identity.image_id[7:19]} is gone from this engine" if gone else ""
    return Candidate(
        target=target, identity=identity, revision=marks.revision if marks else 0, op=marks.op if marks else "",
        at=epoch(marks.at) or made if marks else made, proven=proven,
        ready=not gone, why_not=why, id=str(found["Id"]),
    )  # fmt: skip


async def leftovers(calls: Calls, change: Change) -> str:
    """Remove what earlier releases created and never started: a request that was under way when its runner died may
    have made it afterwards. Answers what was done, empty for nothing."""
    gone = []
    for entry in await calls.containers():
        marks, name = Marks.read(entry.get("Labels") or {}), listed_name(entry)
        if marks is None or marks.op == change.op or entry.get("State") != "created":
            continue
        ours = (marks.service, marks.env) == (change.service, change.environment)
        if ours and name == new_name(change.place.name, marks.op):
            await calls.remove(str(entry["Id"]))
            gone.append(name)
    return f"removed {', '.join(gone)}, never started" if gone else ""


async def prune(calls: Calls, kept: Sequence[Json], keep: int, spared: set[str], say: Say) -> str:
    """Remove all but the first `keep` and those in `spared`; volumes and images stay. Raises QuarterdeckError."""
    gone = []
    for found in kept[max(keep, 1) :]:
        id = str(found["Id"])
        if id in spared:
            continue
        for line in await calls.log(id, SHOWN_LINES):
            await say(line)
        await calls.remove(id)
        image = str((found.get("Config") or {}).get("Image") or "")
        gone.append(f"{name_of(found)} ({id[:12]}, {image}, {ending(found)})")
    return f"removed {'; '.join(gone)}" if gone else f"nothing to remove, {len(kept)} kept"
