"""Guards of a release read from the sources of series: the last value from after the switch, or no data and why."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import QueriesSeries, SeriesAnswer
from quarterdeck_lifecycle.release.model import GuardRule
from quarterdeck_lifecycle.release.ports import Reading
from quarterdeck_lifecycle.text import clean_line

STEP_S = 15.0
"""Between two points that are counted: Prometheus scrapes that often where nobody said otherwise."""
DEADLINE_S = 10.0
Key = tuple[tuple[str, str], ...]


class NoData(Exception):
    """Nothing can be said of the guard, in words."""


class Latest(msgspec.Struct, frozen=True):
    """The last value of one series, None for an infinite one, and how many points it has since the switch."""

    labels: dict[str, str]
    value: float | None
    samples: int


def key(labels: Mapping[str, str]) -> Key:
    """What a series and its timestamps have in common: functions take the metric's name away."""
    return tuple(sorted((name, value) for name, value in labels.items() if name != "__name__"))


def series(answer: SeriesAnswer, what: str) -> list[Series]:
    """The series of an answer. Raises NoData for a partial one: what is missing could be what is bad."""
    if answer.warnings:
        raise NoData(f"{what} is partial: {'; '.join(answer.warnings)}")
    return [row for row in answer.rows if isinstance(row, Series)]


def latest(rows: Iterable[Series], clocks: Mapping[Key, Series], since: float) -> list[Latest]:
    """Of each series that still lives the last value, where it is from after `since`.

    A series of `clocks` has as values when its namesake was sampled; without one the points' own times stand.
    """
    found = []
    for row in rows:
        clock = clocks.get(key(row.labels))
        known = [at for at, value in row.points if value is not None] if clock is None else values(clock)
        if row.state != "live":
            continue
        last = known[-1] if known else row.points[-1][0]
        if last > since:
            found.append(Latest(row.labels, row.value, len({at for at in known if at > since})))
    return found


def values(row: Series) -> list[float]:
    """The values that there are."""
    return [value for _, value in row.points if value is not None]


def beyond(guard: GuardRule, value: float) -> float:
    """How far a value is beyond its limits; negative within them."""
    over = -math.inf if guard.max is None else value - guard.max
    return max(over, -math.inf if guard.min is None else guard.min - value)


def worst(guard: GuardRule, found: Sequence[Latest]) -> Latest:
    """The series that decides: one beyond a limit, the farthest first; else one without enough data; else the one
    nearest to a limit."""
    sure = [one for one in found if one.value is not None and one.samples >= guard.min_samples]
    unsure = [one for one in found if one.value is None or one.samples < guard.min_samples]
    nearest = max(sure, key=lambda one: beyond(guard, one.value or 0.0), default=None)
    if nearest is not None and (not unsure or beyond(guard, nearest.value or 0.0) > 0):
        return nearest
    return min(unsure, key=lambda one: -1 if one.value is None else one.samples)


class HubMeasures:
    """Satisfies `ports.Measures`. `configs` are the sources' configs by name: a guard's `query` (and `samples`) may be
    the name of one of its source's series.

    - Only a value from after `since` counts. Where the expression is a plain selector, Prometheus is asked when it was
      sampled; a computed one has the time of asking, so its range (`rate(...[1m])`) should be shorter than the soak.
    - Of several series the worst one decides (`worst`). A series that ended, NaN, or has nothing from after `since` is
      left out while another one is there.
    - A warning means partial data, and that is no data. So is an error, a source that does not answer within 10 s, and
      an infinite value.
    - Observations: the last value of `guard.samples` (the smallest, of several), else the points since the switch, one
      every 15 s and none twice: a selector that is scraped more seldom has fewer.
    """

    def __init__(
        self,
        hub: Hub,
        configs: Mapping[str, SourceConfig] | None = None,
        *,
        now: Callable[[], float] = time.time,
        step: float = STEP_S,
        deadline: float = DEADLINE_S,
    ) -> None:
        self._hub = hub
        self._configs = configs if configs is not None else {}
        self._now = now
        self._step = step
        self._deadline = deadline

    async def read(self, guard: GuardRule, since: float) -> Reading:
        """The guard's value now, from data since `since` (epoch seconds). Never raises: trouble is no data."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._read(guard, since)
        except TimeoutError:
            why = f"{guard.source} gave no answer within {self._deadline:g} s"
        except (NoData, QuarterdeckError) as error:
            why = str(error)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        return Reading(value=None, said=clean_line(redact(why), 300))

    async def _read(self, guard: GuardRule, since: float) -> Reading:
        source = self._hub.sources.get(guard.source)
        if source is None:
            raise NoData(f"there is no source {guard.source}")
        if not isinstance(source, QueriesSeries):
            raise NoData(f"{guard.source} ({source.system}) has no series")
        now, expr = self._now(), self._expression(guard.source, guard.query)
        counted = guard.min_samples > 1 and not guard.samples
        steps = int(max(0.0, now - since) / self._step) if counted else 0
        start = now - steps * self._step
        rows = series(await source.query(expr, start, now, self._step), "the answer")
        clocks = await self._clocks(source, expr, start, now) if source.system == "prometheus" and rows else {}
        found = latest(rows, clocks, since)
        if not found:
            ended = " since the switch" if rows else ""
            raise NoData(f"{guard.query}: no value{ended}")
        if guard.samples:
            observed = await self._observed(source, self._expression(guard.source, guard.samples), now)
            found = [msgspec.structs.replace(one, samples=observed) for one in found]
        one = worst(guard, found)
        return Reading(value=one.value, samples=one.samples, said=self._said(one, len(found)))

    def _expression(self, source: str, query: str) -> str:
        config = self._configs.get(source)
        named = config.series.get(query) if config is not None else None
        return named.query if named is not None else query

    async def _clocks(self, source: QueriesSeries, expr: str, start: float, now: float) -> dict[Key, Series]:
        """When each series was sampled; nothing for what is no vector (a scalar), whose value is of its moment."""
        try:
            answer = await source.query(f"timestamp({expr})", start, now, self._step)
        except Conflict:
            return {}
        return {key(row.labels): row for row in series(answer, "the answer")}

    async def _observed(self, source: QueriesSeries, expr: str, now: float) -> int:
        rows = series(await source.query(expr, now, now, self._step), "the number of samples")
        return int(min((row.value for row in rows if row.value is not None), default=0.0))

    @staticmethod
    def _said(one: Latest, count: int) -> str:
        named = ",".join(f"{name}={value}" for name, value in one.labels.items())
        what = f"the worst of {count} series: {named}" if count > 1 else named
        return clean_line(f"an infinite value; {what}" if one.value is None else what, 300)
