"""The window before an instant against the window after it, series by series. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

LEAST_S = 60.0

Points = Iterable[tuple[float, float | None]]
"""(epoch seconds, value or None for a gap)."""


class Side(NamedTuple):
    """One window of a series: mean, lowest and highest of its `samples`; None without any."""

    mean: float | None
    lowest: float | None
    highest: float | None
    samples: int


class Compared(NamedTuple):
    """A series before and after. `percent` is how far the mean moved, in percent of the one before.

    None where either side has no sample, or the mean before is zero: no percentage of that is a number.
    """

    name: str
    before: Side
    after: Side
    percent: float | None


def width(at: float, window: float, now: float) -> float:
    """Seconds on either side that can be compared: the window, or what has passed since. Raises ValueError."""
    passed = now - at
    if passed < LEAST_S:
        when = "has not come yet" if passed < 0 else f"was {passed:.0f} s ago"
        raise ValueError(f"that instant {when}: {LEAST_S:.0f} s after it are needed to compare with")
    return min(window, passed)


def side(points: Points, since: float, until: float) -> Side:
    """The samples from `since` (inclusive) to `until` (exclusive); gaps, NaN and infinities are no samples."""
    values = [value for at, value in points if since <= at < until and value is not None and math.isfinite(value)]
    if not values:
        return Side(None, None, None, 0)
    return Side(math.fsum(values) / len(values), min(values), max(values), len(values))


def compared(name: str, points: Points, at: float, seconds: float) -> Compared:
    """A series in the `seconds` before `at` and in as many from `at` on."""
    known = list(points)
    before, after = side(known, at - seconds, at), side(known, at, at + seconds)
    percent = None
    if before.mean is not None and after.mean is not None and before.mean:
        percent = (after.mean - before.mean) / abs(before.mean) * 100
    return Compared(name, before, after, percent)
