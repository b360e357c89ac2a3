"""Curves and noise: pure functions of time or step."""

from __future__ import annotations

import hashlib
import math
from bisect import insort
from dataclasses import dataclass, field
from typing import NamedTuple

RISE = 240.0
"""Seconds from the release of a broken version to its full effect."""
FALL = 120.0
"""Seconds from its replacement to good health."""


def noise(key: str, tick: int) -> float:
    """A number in [-1, 1) that depends on nothing but its arguments."""
    raw = hashlib.blake2b(f"{key}/{tick}".encode(), digest_size=4).digest()
    return int.from_bytes(raw) / 2**31 - 1


class Deployed(NamedTuple):
    """From `at` on, `version` runs as `service` in `environment`."""

    at: float
    service: str
    environment: str
    version: str
    broken: bool


@dataclass(slots=True)
class Timeline:
    """What ran when. The one thing in a story that changes: deployments in the practice world go here."""

    entries: list[Deployed] = field(default_factory=list)
    rise: float = RISE
    fall: float = FALL

    def deployed(self, at: float, service: str, environment: str, version: str, *, broken: bool) -> None:
        """Note that another version took over."""
        insort(self.entries, Deployed(at, service, environment, version, broken))

    def version(self, service: str, environment: str, at: float) -> str:
        """What ran at a moment; empty before the first entry."""
        found = [e for e in self.entries if e.at <= at and (e.service, e.environment) == (service, environment)]
        return found[-1].version if found else ""

    def knees(self, service: str, environment: str) -> list[tuple[float, float]]:
        """The trouble of a service as a piecewise linear function: (time, trouble in 0..1), ascending."""
        knees = [(-math.inf, 0.0)]
        for entry in self.entries:
            if (entry.service, entry.environment) != (service, environment):
                continue
            level = _level(knees, entry.at)
            while knees[-1][0] >= entry.at:
                knees.pop()
            knees.append((entry.at, level))
            if entry.broken:
                knees.append((entry.at + self.rise * (1 - level), 1.0))
            elif level > 0:
                knees.append((entry.at + self.fall * level, 0.0))
        return knees

    def trouble(self, service: str, environment: str, at: float) -> float:
        """How bad it is at a moment, 0 (well) to 1."""
        return _level(self.knees(service, environment), at)

    def troubled_seconds(self, service: str, environment: str, at: float) -> float:
        """The integral of `trouble` until `at`, in seconds."""
        total = 0.0
        knees = self.knees(service, environment)[1:]
        for (start, low), (end, high) in zip(
            knees, [*knees[1:], (math.inf, knees[-1][1] if knees else 0.0)], strict=True
        ):
            if at <= start:
                break
            stop = min(at, end)
            level = low if math.isinf(end) else low + (high - low) * (stop - start) / max(end - start, 1e-9)
            total += (low + level) / 2 * (stop - start)
        return total


def _level(knees: list[tuple[float, float]], at: float) -> float:
    before, after = knees[0], None
    for knee in knees:
        if knee[0] > at:
            after = knee
            break
        before = knee
    if after is None or math.isinf(before[0]):
        return before[1]
    return before[1] + (after[1] - before[1]) * (at - before[0]) / (after[0] - before[0])


class Point(NamedTuple):
    """One logged value of a training metric; `value` may be NaN."""

    step: int
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Learning:
    """A training metric: from `start` towards `end` with `noise`, one point every `seconds` until `steps`."""

    key: str
    start: float
    end: float
    steps: int
    seconds: float
    began_at: float
    wobble: float = 0.02
    nan_from: int | None = None

    def value(self, step: int) -> float:
        """The value at a step."""
        if self.nan_from is not None and step >= self.nan_from:
            return math.nan
        course = (math.exp(-4.0 * step / self.steps) - math.exp(-4.0)) / (1 - math.exp(-4.0))
        return self.end + (self.start - self.end) * (
            course + self.wobble * noise(self.key, step) * course * (1 - course)
        )

    def points(self, now: float, first: int = 0) -> list[Point]:
        """The points logged until `now`, from step `first` on."""
        last = min(self.steps, int((now - self.began_at) / self.seconds))
        return [Point(s, self.value(s), self.began_at + s * self.seconds) for s in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training run; one without `ended_at` goes on, and ends by itself at its curves' last step."""

    id: str
    name: str
    experiment: str
    user: str
    status: str
    started_at: float
    ended_at: float | None
    params: dict[str, str]
    tags: dict[str, str]
    curves: dict[str, Learning]

    def status_at(self, now: float) -> str:
        """RUNNING, FINISHED, FAILED or KILLED: a running one is FINISHED after its last step."""
        if self.status == "RUNNING" and now >= self.ends_at:
            return "FINISHED"
        return self.status

    @property
    def ends_at(self) -> float:
        """When it ended or, for a running one, will."""
        if self.ended_at is not None:
            return self.ended_at
        return max(curve.began_at + curve.steps * curve.seconds for curve in self.curves.values())


@dataclass(frozen=True, slots=True)
class Series:
    """A Prometheus time series. value = base + swing * daily wave + wobble * noise + hurt * trouble.

    A counter's formula is its rate a second; its value is the integral from `since`.
    """

    name: str
    labels: dict[str, str]
    kind: str
    help: str
    base: float
    swing: float = 0.0
    wobble: float = 0.0
    hurt: float = 0.0
    slope: float = 0.0
    """Gauge only: what is added a second since `since`."""
    since: float = 0.0
    service: str = ""
    environment: str = ""
    version: str = ""
    """If set, the series exists only while this version of the service runs in the environment."""
    low: float = 0.0
    high: float = math.inf

    def present(self, at: float, timeline: Timeline) -> bool:
        """Whether the series has samples at a moment."""
        if at < self.since:
            return False
        return not self.version or timeline.version(self.service, self.environment, at) == self.version

    def value(self, at: float, timeline: Timeline) -> float:
        """The sample at a moment."""
        day = 2 * math.pi / 86_400
        key = self.name + repr(sorted(self.labels.items()))
        if self.kind == "counter":
            span = max(at - self.since, 0.0)
            wave = self.swing / day * (math.cos(day * self.since) - math.cos(day * at))
            hurt = self.hurt * timeline.troubled_seconds(self.service, self.environment, at) if self.hurt else 0.0
            return max(self.base * span + wave + hurt, 0.0)
        tick, part = divmod(at / 15.0, 1.0)
        rough = noise(key, int(tick)) * (1 - part) + noise(key, int(tick) + 1) * part
        hurt = self.hurt * timeline.trouble(self.service, self.environment, at) if self.hurt else 0.0
        drift = self.slope * (at - self.since)
        value = self.base + self.swing * math.sin(day * at) + self.wobble * rough + hurt + drift
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule over one series: `series` compared with `threshold`, held for `hold` seconds."""

    name: str
    expr: str
    hold: float
    labels: dict[str, str]
    annotations: dict[str, str]
    series: Series
    threshold: float
    above: bool = True

    def breached(self, at: float, timeline: Timeline) -> bool:
        """Whether the expression holds at a moment."""
        value = self.series.value(at, timeline)
        return value > self.threshold if self.above else value < self.threshold

    def active_since(self, at: float, timeline: Timeline, step: float = 15.0, reach: float = 21_600.0) -> float | None:
        """Since when the expression holds without a break, looking back `reach` seconds; None: not now."""
        tick = at - at % step
        if not self.breached(tick, timeline):
            return None
        oldest = at - reach
        while tick - step > oldest and self.breached(tick - step, timeline):
            tick -= step
        return tick

    def state(self, at: float, timeline: Timeline) -> str:
        """inactive, pending or firing."""
        since = self.active_since(at, timeline)
        if since is None:
            return "inactive"
        return "firing" if at - since >= self.hold else "pending"
