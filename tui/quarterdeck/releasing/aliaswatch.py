"""Watching aliases: every look at a model registry that the hub takes is compared with the one before, and kept.

Nothing is asked of a registry for this. What is known lies in the state, so that the next deck goes on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec

from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import ModelVersion, RegisteredModel
from quarterdeck_lifecycle.records import State
from quarterdeck_lifecycle.release.aliasbook import AliasBook
from quarterdeck_lifecycle.release.aliases import Move, Watched
from quarterdeck_lifecycle.release.aliaslooks import WATCHED_S, Key, Look, Seen, extend, observe
from quarterdeck_lifecycle.served import MOVE_TAG, move_told
from quarterdeck_lifecycle.state import StateError

LOOK_S = 60.0
KEEP_S = 300.0
"""How long a watched time may grow in memory before it is kept: what a deck that is killed forgets."""


class AliasWatch:
    """Keeps moves of aliases, and for how long each was watched. `changed` is for `hub.changes`."""

    def __init__(self, hub: Hub, book: AliasBook, now: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._book = book
        self._now = now
        self._looks: dict[str, Look | None] = {}
        self._watched: dict[str, dict[Key, Watched]] = {}
        self._fresh: set[tuple[str, Key]] = set()
        self._moves: list[Move] = []
        self._kept_at = now()
        self._one = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[int]] = set()

    def start(self) -> None:
        """Look once a minute from now on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._tick(), name="alias watch")

    def changed(self, rows: Sequence[ChangeRow]) -> None:
        """Look at once when something about a model changed."""
        if any(row.kind in ("model", "version") for row in rows):
            task = asyncio.get_running_loop().create_task(self.look(), name="alias look")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def look(self) -> int:
        """Compare what the hub shows with the look before; how many moves that told of. Never raises StateError."""
        told = 0
        async with self._one:
            with suppress(StateError):
                for snapshot in self._hub.snapshots("version"):
                    if snapshot.state is State.FRESH and snapshot.fetched_at is not None:
                        moves = await self._compare(snapshot, snapshot.fetched_at)
                        self._moves += moves
                        told += len(moves)
                if self._moves or self._now() - self._kept_at >= KEEP_S or self._new():
                    await self._keep()
        return told

    async def close(self) -> None:
        """Look once more at what the hub has, and keep what is not kept yet. Takes no longer than the state does."""
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
        await self.look()
        with suppress(StateError):
            async with self._one:
                await self._keep()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S if self._looks else LOOK_S / 12)
            await self.look()

    async def _compare(self, snapshot: Snapshot, at: float) -> list[Move]:
        source = snapshot.source
        if source not in self._looks:
            await self._remember(source)
        previous = self._looks[source]
        if previous is not None and at <= previous.at:
            return []
        where = seen_in(snapshot.rows)
        watched = self._watched[source]
        found = {key: seen.version for key, seen in where.items()}
        found.update({key: "" for key, each in watched.items() if not each.version and key not in where})
        for key, was in (previous.where if previous is not None else {}).items():
            if key in where:
                continue
            if (unlisted := self._elsewhere(source, key, was, at)) is not None:
                where[key] = unlisted
            else:
                found[key] = ""
        current = Look(source=source, at=at, where=where)
        moves = observe(previous, current)
        self._looks[source] = current
        for key, version in found.items():
            watched[key] = extend(watched.get(key), source, key, version, at)
            self._fresh.add((source, key))
        return moves

    def _elsewhere(self, source: str, key: Key, was: Seen, at: float) -> Seen | None:
        """An alias that no listed version has: None when its model says that it is gone, else where it may be."""
        for snapshot in self._hub.snapshots("model"):
            if snapshot.source != source:
                continue
            if snapshot.state is not State.FRESH or (snapshot.fetched_at or 0.0) < at - WATCHED_S:
                return was
            models = (row for row in snapshot.rows if isinstance(row, RegisteredModel))
            model = next((row for row in models if row.name == key[0]), None)
            if model is None:
                return was if snapshot.partial else None
            version = model.aliases.get(key[1])
            return None if version is None else was if version == was.version else Seen(version=version)
        return was

    async def _remember(self, source: str) -> None:
        known = await self._book.last(source)
        self._watched[source] = {(each.model, each.alias): each for each in known}
        newest = max((each.last for each in known), default=0.0)
        recent = [each for each in known if each.last >= newest - WATCHED_S]
        self._looks[source] = None
        if recent:
            where = {(each.model, each.alias): Seen(version=each.version) for each in recent if each.version}
            self._looks[source] = Look(source=source, at=min(each.last for each in recent), where=where)

    def _new(self) -> bool:
        return any(self._watched[source][key].first == self._watched[source][key].last for source, key in self._fresh)

    async def _keep(self) -> None:
        await self._book.add(self._moves, [self._watched[source][key] for source, key in self._fresh])
        self._moves, self._fresh = [], set()
        self._kept_at = self._now()


def seen_in(rows: Iterable[msgspec.Struct]) -> dict[Key, Seen]:
    """Where the aliases are that the listed versions have, with what the tags of those tell."""
    found: dict[Key, Seen] = {}
    for row in rows:
        if isinstance(row, ModelVersion):
            for alias in row.aliases:
                told = move_told(alias, row.tags)
                origin = row.tags.get(f"{MOVE_TAG}.{alias}.from")
                found[row.model, alias] = Seen(
                    version=row.version, at=told.at if told is not None else None,
                    by=told.by if told is not None else "", op=row.tags.get(f"{MOVE_TAG}.{alias}.op", ""),
                    origin=told.origin if told is not None and origin else None,
                )  # fmt: skip
    return found
