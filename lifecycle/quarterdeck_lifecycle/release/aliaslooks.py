"""Looking at aliases: what two looks at one registry say of moves, and for how long an alias was watched. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from quarterdeck_lifecycle.records import Gated, utc
from quarterdeck_lifecycle.release.aliases import Move, Watched, place

WATCHED_S = 180.0
"""Two looks that are further apart are a gap in which nobody watched."""
SKEW_S = 120.0
"""How far the clock of whoever tells of a move may be off; a tag that is older than the look before it is stale."""
Key = tuple[str, str]
"""A model and an alias of it."""


class Seen(Gated, frozen=True, kw_only=True):
    """Where one look found an alias: `version`, and what that version's tags tell of the move there.

    `at` and `by` are empty where no tag tells; `origin` is the version before, empty for none, None for untold.
    """

    version: str
    at: float | None = None
    by: str = ""
    origin: str | None = None
    op: str = ""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """All aliases of one source, as found at `at`. An alias that is not in it was on no version then."""

    source: str
    at: float
    where: Mapping[Key, Seen]


def observe(previous: Look | None, current: Look) -> list[Move]:
    """The moves that two looks at one source tell of, the first look's too, as far as tags tell of those."""
    found = []
    before = previous.where if previous is not None else {}
    for key, seen in current.where.items():
        was = before.get(key)
        if previous is not None and was is not None and (was.version, was.at) == (seen.version, seen.at):
            continue
        move = _move(key, seen, was, previous, current)
        if move.at is not None or (previous is not None and (was is None or was.version != seen.version)):
            found.append(move)
    if previous is not None:
        for key, was in before.items():
            if key not in current.where:
                found.append(_move(key, Seen(version=""), was, previous, current))
    return found


def _move(key: Key, seen: Seen, was: Seen | None, previous: Look | None, current: Look) -> Move:
    at = _told(seen, was, previous, current)
    looked = f"found on {place(seen.version)} at {utc(current.at)}"
    if previous is not None:
        looked += f", on {place(was.version if was else '')} at {utc(previous.at)}"
    by_tags = f"tags of {place(seen.version)} tell: by {seen.by or 'somebody'} at {utc(seen.at)}; "
    origin = was.version if was is not None else "" if previous is not None else None
    return Move(
        source=current.source, model=key[0], alias=key[1], version=seen.version,
        origin=seen.origin if at is not None else origin, at=at,
        seen_from=previous.at if previous is not None else None, seen_to=current.at,
        by=seen.by if at is not None else "", op=seen.op if at is not None else "",
        how="us" if at is not None else "outside", evidence=(by_tags if at is not None else "") + looked,
    )  # fmt: skip


def _told(seen: Seen, was: Seen | None, previous: Look | None, current: Look) -> float | None:
    """When the tags say that it moved, where that can be: tags of an earlier stay on the same version are stale."""
    at = seen.at
    if at is None or at > current.at + SKEW_S or (was is not None and at == was.at):
        return None
    if previous is None or (was is not None and was.version == seen.version):
        return min(at, current.at)
    return min(max(at, previous.at), current.at) if at >= previous.at - SKEW_S else None


def extend(known: Watched | None, source: str, key: Key, version: str, at: float) -> Watched:
    """The watched time after another look: the same one, longer, or a new one."""
    if known is not None and known.version == version and 0 <= at - known.last <= WATCHED_S:
        return msgspec.structs.replace(known, last=at, widest=max(known.widest, at - known.last))
    return Watched(source=source, model=key[0], alias=key[1], version=version, first=at, last=at)
