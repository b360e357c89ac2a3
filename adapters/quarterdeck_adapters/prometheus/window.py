"""The last stretch of one query in memory, on steps aligned to the epoch, so that only what is new is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from quarterdeck_adapters.prometheus.api import Found

OVERLAP = 2
"""Steps asked for again: a scrape or a rule may be late for a step that has just gone by."""
MOST_KEPT = 50

Key = tuple[tuple[str, str], ...]
Points = tuple[tuple[float, float | None], ...]


class Track(msgspec.Struct):
    """One series: its values by step number."""

    labels: dict[str, str]
    values: dict[int, float]


class Window:
    """`span` seconds of a query's series, `step` seconds apart. Step number n stands for the instant n * step.

    `total` series were there, of which at most `MOST_KEPT` are kept. With `partial` set the newest steps are asked
    for again, even when no new one has come.
    """

    def __init__(self, span: float, step: float) -> None:
        self.step = step
        self.total = 0
        self.partial = False
        self._count = max(1, round(span / step)) + 1
        self._end: int | None = None
        self._tracks: dict[Key, Track] = {}

    def wanted(self, now: float) -> tuple[int, int] | None:
        """The first and last step to ask for, or None while the newest step is the same."""
        last = int(now // self.step)
        if self._end is None or last < self._end or last - self._end >= self._count:
            return last - self._count + 1, last
        if last == self._end and not self.partial:
            return None
        return max(self._end - OVERLAP + 1, last - self._count + 1), last

    def add(self, found: Iterable[Found], first: int, last: int) -> None:
        """Take the answer for these steps: what is not in it is a gap."""
        if self._end is not None and last < self._end:
            self._tracks.clear()
        self._end = last
        oldest = last - self._count + 1
        for track in self._tracks.values():
            track.values = {n: value for n, value in track.values.items() if oldest <= n < first}
        there: set[Key] = set()
        for one in sorted(found, key=lambda each: sorted(each.labels.items())):
            key = tuple(sorted(one.labels.items()))
            values = {round(at / self.step): value for at, value in one.values if value is not None}
            there.add(key)
            track = self._tracks.get(key) or Track(one.labels, {})
            track.values |= values
            self._tracks[key] = track
        alive = {key: track for key, track in sorted(self._tracks.items()) if track.values or key in there}
        self.total = len(alive)
        self._tracks = dict(list(alive.items())[:MOST_KEPT])

    def __iter__(self) -> Iterator[tuple[dict[str, str], Points]]:
        """Each series with a point for every step, oldest first."""
        if self._end is None:
            return
        steps = range(self._end - self._count + 1, self._end + 1)
        for track in self._tracks.values():
            yield track.labels, tuple((n * self.step, track.values.get(n)) for n in steps)
