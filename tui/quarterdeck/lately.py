"""What changed lately, in memory for the line and the list of changes: the newest changes, and the last good hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quarterdeck_lifecycle.changelog import KEPT, ChangeRow
from quarterdeck_lifecycle.goodhour import CONDITION, Hour, Spell, joined, last_good_hour, spells, standing
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

MOST = 200


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

    async def read(self) -> None:
        """Take in what the state has of the last seven days."""
        with suppress(StateError):
            since = datetime.fromtimestamp(self._looked, UTC) - KEPT
            log = self._boot.changelog
            told = list(self.recent)
            known = {row.id for row in told}
            read = await log.recent(since, MOST)
            self.recent = deque([*told, *(row for row in read if row.id not in known)][:MOST], MOST)
            found = await log.that(CONDITION, since)
            known = {row.id for row in found}
            self._trouble = [*found, *(row for row in self._trouble if row.id not in known)]
            oldest = await log.oldest(1, since)
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
