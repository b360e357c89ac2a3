"""What changed lately, in memory for the line and the list of changes: the newest changes, and the last good hour."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quarterdeck_lifecycle.changelog import KEPT, ChangeFilter, ChangeRow
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.goodhour import CONDITION, Hour, Spell, joined, last_good_hour, spells, standing
from quarterdeck_lifecycle.pastchanges import LATER, past
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

MOST = 200
WATCHED = ChangeFilter(matching=f"!{LATER}")
"""What was seen when it happened: how far back anything was watched."""


class Lately:
    """Reads the state once, then listens. Nothing here asks a system."""

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self.recent: deque[ChangeRow] = deque(maxlen=MOST)
        """The newest ones, newest first."""
        self._trouble: list[ChangeRow] = []
        self._looked = self._first = boot.now()
        self._told: tuple[int, list[Spell]] | None = None
        boot.hub.changes.append(self.changed)
        boot.hub.firsts.append(self._first_look)
        self._looks: list[Snapshot] = []
        self._reader: asyncio.Task[None] | None = None
        self.moved: list[Callable[[], None]] = []
        """Called when more of the past was read."""

    def _first_look(self, snapshot: Snapshot) -> None:
        self._looks.append(snapshot)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.get_running_loop().create_task(self._take_past())

    async def _take_past(self) -> None:
        """Keep what rows that were seen first tell of the days before."""
        with self._boot.busy.work("past changes"), suppress(StateError):
            added = 0
            while self._looks:
                looks, self._looks = self._looks, []
                rows = [row for look in looks for row in past(look, self._boot.now())]
                added += await self._boot.changelog.add_past(rows)
            if added:
                await self.read()
                for moved in list(self.moved):
                    moved()

    async def read(self) -> None:
        """Take in what the state has of the last seven days."""
        with suppress(StateError):
            since = datetime.fromtimestamp(self._looked, UTC) - KEPT
            log = self._boot.changelog
            read = await log.recent(since, MOST)
            known = {row.id for row in read}
            told = [row for row in self.recent if row.id not in known]
            self.recent = deque(sorted([*told, *read], key=lambda row: row.at, reverse=True)[:MOST], MOST)
            found = await log.that(CONDITION, since)
            known = {row.id for row in found}
            self._trouble = [*found, *(row for row in self._trouble if row.id not in known)]
            oldest = await log.oldest(1, since, WATCHED)
            if oldest:
                self._first = min(self._looked, oldest[0].at.timestamp())
            self._told = None

    def changed(self, rows: Sequence[ChangeRow]) -> None:
        """What was seen now."""
        self.recent.extendleft(rows)
        self._trouble.extend(row for row in rows if row.kind in ("alert", "run", "container"))
        self._told = None

    def good_hour(self) -> Hour | None:
        """The last good hour, or None while none is known."""
        generation = self._boot.hub.generation
        if self._told is None or self._told[0] != generation:
            now = standing(self._boot.hub.records())
            self._told = generation, joined(spells(self._trouble), now, self._looked)
        return last_good_hour(self._told[1], self._first, self._boot.now())

    def since_good(self) -> str:
        """How much changed since the last good hour, in words; empty while none is known."""
        hour = self.good_hour()
        if hour is None:
            return ""
        count = sum(row.at.timestamp() >= hour.end for row in self.recent)
        if count == self.recent.maxlen:
            return f"since last good hour: {count}+ changes"
        return f"since last good hour: {count or 'no'} change{'' if count == 1 else 's'}"
