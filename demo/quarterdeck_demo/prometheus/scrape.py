"""The story's series as a Prometheus has them: samples at scrape times, targets, and who is down."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from quarterdeck_demo.prometheus.values import Labels, Storage
from quarterdeck_demo.story import Series, Timeline

__all__ = ["INTERVAL_MS", "Scraped", "Target", "storage", "targets"]

INTERVAL_MS = 15_000
KEPT = 4_096


class Target(NamedTuple):
    """One scrape target."""

    job: str
    instance: str
    up: bool

    @property
    def labels(self) -> dict[str, str]:
        return {"instance": self.instance, "job": self.job}

    @property
    def phase(self) -> int:
        """Milliseconds after each full interval at which it is scraped."""
        return zlib.crc32(f"{self.job}/{self.instance}".encode()) % INTERVAL_MS


@dataclass(slots=True)
class Scraped:
    """One series, sampled every 15 s; samples are remembered until a deployment changes the timeline."""

    series: Series
    timeline: Timeline
    phase: int
    labels: Labels = field(init=False)
    _samples: dict[int, float | None] = field(default_factory=dict)
    _changes: int = 0

    def __post_init__(self) -> None:
        self.labels = tuple(sorted({"__name__": self.series.name, **self.series.labels}.items()))

    def at(self, time: int) -> float | None:
        """The newest value not older than five minutes; None when the series has ended by then."""
        return self._sample(time - (time - self.phase) % INTERVAL_MS)

    def between(self, start: int, end: int) -> list[tuple[int, float]]:
        """Every sample from `start` to `end`, both included."""
        first = start + (self.phase - start) % INTERVAL_MS
        found = ((tick, self._sample(tick)) for tick in range(first, end + 1, INTERVAL_MS))
        return [(tick, value) for tick, value in found if value is not None]

    def alive(self, start: int, end: int) -> bool:
        """Whether there is a sample from `start` to `end`, looked for where a deployment may have changed it."""
        last = end - (end - self.phase) % INTERVAL_MS
        if last < start:
            return False
        return any(self._sample(tick) is not None for tick in (last, *self._changes_in(start, last)))

    def _changes_in(self, start: int, last: int) -> Iterator[int]:
        """The first and the last scrape of each time between two deployments."""
        yield start + (self.phase - start) % INTERVAL_MS
        for entry in self.timeline.entries:
            after = math.ceil(entry.at * 1000)
            first = after + (self.phase - after) % INTERVAL_MS
            for tick in (first - INTERVAL_MS, first):
                if start <= tick <= last:
                    yield tick

    def _sample(self, tick: int) -> float | None:
        if self._changes != len(self.timeline.entries) or len(self._samples) > KEPT:
            self._samples.clear()
            self._changes = len(self.timeline.entries)
        if tick not in self._samples:
            at = tick / 1000
            there = self.series.present(at, self.timeline)
            self._samples[tick] = self.series.value(at, self.timeline) if there else None
        return self._samples[tick]


def targets(every: Iterable[Series]) -> list[Target]:
    """The targets behind the series: one for each job and instance, down where its `up` is 0."""
    found: dict[tuple[str, str], bool] = {}
    for series in every:
        job = series.labels.get("job")
        if job is not None:
            key = (job, series.labels.get("instance", f"{job}:8080"))
            found[key] = found.get(key, True) and not (series.name == "up" and series.base == 0)
    return [Target(job, instance, up) for (job, instance), up in sorted(found.items())]


def storage(every: Iterable[Series], timeline: Timeline) -> Storage:
    """All series, with an `up` for every target."""
    known = list(every)
    found = {(target.job, target.instance): target for target in targets(known)}
    since = min((series.since for series in known), default=0.0)
    there = {(s.labels.get("job"), s.labels.get("instance")) for s in known if s.name == "up"}
    known += [
        Series("up", target.labels, "gauge", "", float(target.up), since=since)
        for key, target in found.items()
        if key not in there
    ]
    made = []
    for series in known:
        job = series.labels.get("job", "")
        target = found.get((job, series.labels.get("instance", f"{job}:8080")))
        made.append(Scraped(series, timeline, target.phase if target else 0))
    return Storage(made)
