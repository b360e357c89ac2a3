"""Part of the changes at a time: a window on the list that moves with who walks through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from quarterdeck_lifecycle.changelog import KEPT, ChangeFilter, ChangeLog, ChangeRow

PAGE = 200
HELD = 1200
"""So many rows are held at the most: of the others the database is asked again."""


class ChangePages:
    """`rows` are neighbours in the list of seven days, newest first. `newest` and `oldest` say that an end is reached.

    What was read for another `asked`, or to be joined to other rows, than there are when it comes, is left.

    Every method that reads raises StateError and then leaves all as it was.
    """

    def __init__(self, log: ChangeLog, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self.asked = ChangeFilter()
        self.rows: list[ChangeRow] = []
        self.newest = True
        self.oldest = False

    @property
    def since(self) -> datetime:
        """Where the seven days begin."""
        return datetime.fromtimestamp(self._now(), UTC) - KEPT

    async def first(self) -> None:
        """The newest ones."""
        asked, newest = self.asked, self.newest
        read = await self._log.recent(self.since, PAGE, asked)
        if asked is not self.asked:
            return
        told = self.rows if newest and self.newest else []
        # What was told while it was read may not be written yet.
        known, last = {row.id for row in read}, read[0].at if read else self.since
        ahead = [row for row in told if row.id not in known and row.at >= last and self.asked.keeps(row)]
        self.rows, self.newest, self.oldest = [*ahead, *read], True, len(read) < PAGE

    async def last(self) -> None:
        """The oldest ones."""
        asked = self.asked
        read = await self._log.oldest(PAGE, self.since, asked)
        if asked is not self.asked:
            return
        self.rows, self.newest, self.oldest = read, len(read) < PAGE, True

    async def around(self, at: float) -> ChangeRow | None:
        """Those on both sides of an instant in epoch seconds; answers the last one that was not after it."""
        moment, asked = _nowhere(at), self.asked
        below = await self._log.recent(self.since, PAGE, asked, before=moment)
        above = await self._log.recent(self.since, PAGE, asked, after=moment)
        if asked is not self.asked:
            return None
        self.rows = [*above, *below]
        self.newest, self.oldest = len(above) < PAGE, len(below) < PAGE
        return below[0] if below else above[-1] if above else None

    async def older(self) -> bool:
        """More at the lower end; False when there are none."""
        if self.oldest or not self.rows:
            return False
        asked, rows = self.asked, self.rows
        more = await self._log.recent(self.since, PAGE, asked, before=rows[-1])
        if asked is not self.asked or rows is not self.rows:
            return False
        self.oldest = len(more) < PAGE
        self.rows = [*self.rows, *more]
        if len(self.rows) > HELD:
            self.rows, self.newest = self.rows[-HELD:], False
        return bool(more)

    async def newer(self) -> bool:
        """More at the upper end; False when there are none."""
        if self.newest or not self.rows:
            return False
        asked, rows = self.asked, self.rows
        more = await self._log.recent(self.since, PAGE, asked, after=rows[0])
        if asked is not self.asked or rows is not self.rows:
            return False
        self.newest = len(more) < PAGE
        self.rows = [*more, *self.rows]
        if len(self.rows) > HELD:
            self.rows, self.oldest = self.rows[:HELD], False
        return bool(more)

    def told(self, rows: Sequence[ChangeRow]) -> bool:
        """Changes that were seen now, in the order of time; whether they are to be shown."""
        if not self.newest:
            return False
        known = {row.id for row in self.rows}
        fresh = [row for row in reversed(rows) if row.id not in known and self.asked.keeps(row)]
        self.rows = [*fresh, *self.rows]
        if len(self.rows) > HELD:
            self.rows, self.oldest = self.rows[:HELD], False
        return bool(fresh)


def _nowhere(at: float) -> ChangeRow:
    """A place in the list behind every change of that instant, and before any later one."""
    return ChangeRow("\U0010ffff", datetime.fromtimestamp(at, UTC), *([""] * 9))  # type: ignore[arg-type]
