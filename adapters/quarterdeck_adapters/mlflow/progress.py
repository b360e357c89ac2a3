"""How a training run goes: its rate, whether it stalled, where it went wrong. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec

from quarterdeck_adapters.mlflow.mapping import number_word
from quarterdeck_adapters.mlflow.primary import Latest
from quarterdeck_adapters.mlflow.values import Json, measured, rows, whole

KEPT = 64
"""Points of a history that are kept and shown."""
TAIL = 16
"""Points, one after the other, that the rate is taken from."""
PATIENCE_S = 300.0
PATIENCE_INTERVALS = 5
FIRST_METRIC_S = 3600.0
STEPS = ((86_400.0, "1d"), (21_600.0, "6h"), (3600.0, "1h"), (900.0, "15m"), (300.0, "5m"), (60.0, "1m"))


class Point(msgspec.Struct, frozen=True, order=True):
    """One logged value; `at` in epoch seconds."""

    step: int
    at: float
    value: float


class Track(msgspec.Struct):
    """The history of one metric of one run, as far as it was read.

    `points` span the whole run, `tail` are the last ones without a gap. `changed_at` is when a new point was seen
    to arrive (0: never seen), by our clock. `offset` counts the points that the plain call has given.
    """

    key: str
    points: list[Point] = msgspec.field(default_factory=list)
    tail: list[Point] = msgspec.field(default_factory=list)
    changed_at: float = 0.0
    offset: int = 0

    @property
    def last_step(self) -> int | None:
        """The last step that was read."""
        return self.points[-1].step if self.points else None

    def begin(self, sample: Sequence[Point], tail: Sequence[Point]) -> None:
        """Take the sampled history, and the points after its last gap."""
        self.points = thinned(sample)
        self.tail = list(tail)[-TAIL:]

    def extend(self, new: Sequence[Point], now: float) -> None:
        """Take points that were logged since."""
        fresh = [p for p in new if self.last_step is None or p.step > self.last_step]
        if fresh:
            self.points = thinned([*self.points, *fresh])
            self.tail = [*self.tail, *fresh][-TAIL:]
            self.changed_at = now

    def rate(self) -> float | None:
        """Steps a second over the last points; None with fewer than two moments."""
        if len(self.tail) < 2:
            return None
        first, last = self.tail[0], self.tail[-1]
        return (last.step - first.step) / (last.at - first.at) if last.at > first.at else None

    def usual_s(self) -> float:
        """Seconds that usually pass between two points; 0 when nobody knows."""
        gaps = [b.at - a.at for a, b in zip(self.tail, self.tail[1:], strict=False) if b.at > a.at]
        return median(gaps) if gaps else 0.0

    def history(self) -> tuple[float | None, ...]:
        """The values for a chart, a gap where one is no finite number."""
        return tuple(p.value if math.isfinite(p.value) else None for p in self.points)


def points(body: Json, field: str = "metrics") -> list[Point]:
    """The points of an answer, by step, each step once: its last value. A step that was logged twice comes twice."""
    found: dict[int, Point] = {}
    for each in rows(body, field):
        value, step = measured(each.get("value")), whole(each.get("step")) or 0
        if value is None:
            continue
        point = Point(step, (whole(each.get("timestamp")) or 0) / 1000, value)
        if step not in found or found[step].at <= point.at:
            found[step] = point
    return [found[step] for step in sorted(found)]


def thinned(found: Sequence[Point]) -> list[Point]:
    """At most `KEPT` points, evenly, always with the first and the last."""
    if len(found) <= KEPT:
        return list(found)
    step = (len(found) - 1) / (KEPT - 1)
    return [found[round(i * step)] for i in range(KEPT)]


def broken(metrics: Mapping[str, Latest], shown: str) -> Latest | None:
    """A metric whose last value is no finite number, the shown one first."""
    bad = [m for m in metrics.values() if not math.isfinite(m.value)]
    return next((m for m in bad if m.name == shown), bad[0] if bad else None)


def broken_note(bad: Latest, step: int | None) -> str:
    """`loss is NaN at step 8,812`."""
    return f"{bad.name} is {number_word(bad.value)} at step {bad.step if step is None else step:,}"


def newest(metrics: Iterable[Latest]) -> Latest | None:
    """The metric that was logged last."""
    return max(metrics, key=lambda m: (m.at, m.step, m.name), default=None)


def age_word(seconds: float) -> str:
    """An age in steps, so that no text on the screen ticks."""
    return next((word for least, word in STEPS if seconds >= least), "")


def stalled(
    metrics: Mapping[str, Latest], started_at: float | None, track: Track | None, now: float, *, parent: bool = False
) -> str:
    """Why a running run seems to stand still, or an empty string.

    Quiet for five of its usual intervals and at least five minutes; one that never logged anything has an hour,
    and a parent of other runs logs nothing itself. A point that was seen to arrive counts by our clock, whatever
    the run's own clock says.
    """
    if not metrics:
        if parent or started_at is None or now - started_at < FIRST_METRIC_S:
            return ""
        return f"stalled: no metric since it began {age_word(now - started_at)} ago"
    last = max((m.at for m in metrics.values() if m.at <= now), default=0.0)
    quiet = now - max(last, track.changed_at if track else 0.0)
    patience = max(PATIENCE_S, PATIENCE_INTERVALS * (track.usual_s() if track else 0.0))
    return f"stalled: no metric for {age_word(quiet)}" if quiet >= patience else ""
