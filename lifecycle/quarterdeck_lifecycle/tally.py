"""How many rows are in which state, and which are in trouble: made once for all who ask. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from quarterdeck_lifecycle.records import TROUBLE, Record, Status


class Tally(NamedTuple):
    """Counts by status, and the rows that are broken or wait for somebody, the worst and newest first."""

    counts: Mapping[Status, int]
    troubled: tuple[Record, ...]


NOTHING = Tally({}, ())


def tally(records: Iterable[Record]) -> Tally:
    """Count rows. What only sums up other rows (a service its targets) is left out, and releases that have ended."""
    rows = [row for row in records if row.counts]
    counts = Counter([row.status for row in rows])
    troubled: list[Record] = []
    if counts[Status.BAD] or counts[Status.WAITING]:
        troubled = [row for row in rows if row.status in (Status.BAD, Status.WAITING)]
        troubled.sort(key=lambda row: (TROUBLE[row.status], -(row.updated_at or 0.0)))
    return Tally(counts, tuple(troubled))
