"""The series pane: named queries, each with its last hour, its limits and what is missing of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import islice

import msgspec

from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.prometheus.api import Api, Matrix
from quarterdeck_adapters.prometheus.defaults import MOST, Defaults, Named
from quarterdeck_adapters.prometheus.values import identity, shown
from quarterdeck_adapters.prometheus.window import Points, Window
from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError, Unavailable
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import TROUBLE, Link, Ref, Status, utc

MOST_OF_ONE = 8
NEAR = 0.1
"""The part of a limit within which a value deserves a look."""
DOWN = "count(up) or (up == 0)"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one query: `asked` when the server was, `error` when it refused."""

    warnings: tuple[str, ...] = ()
    error: QuarterdeckError | None = None
    asked: bool = True


def configured(config: SourceConfig) -> list[Named]:
    """The series that the config names; a limit of its own goes before one under `thresholds`."""
    made = []
    for name, series in config.series.items():
        limit = config.thresholds.get(name)
        maximum = series.max if series.max is not None or limit is None else limit.max
        minimum = series.min if series.min is not None or limit is None else limit.min
        made.append(
            Named(name=name, query=series.query, unit=series.unit, label=series.label, maximum=maximum, minimum=minimum)
        )
    return made


def limited(named: Named, config: SourceConfig) -> Named:
    """A default series with the limits under `thresholds`, if its name is there."""
    limit = config.thresholds.get(named.name)
    return msgspec.structs.replace(named, maximum=limit.max, minimum=limit.min) if limit else named


def judged(value: float | None, named: Named, warnings: Sequence[str]) -> Status:
    """How a series is doing by its last value."""
    if value is None:
        return Status.UNKNOWN
    top, bottom = named.maximum, named.minimum
    if (top is not None and value > top) or (bottom is not None and value < bottom):
        return Status.BAD
    near_top = top is not None and value > top - NEAR * abs(top)
    near_bottom = bottom is not None and value < bottom + NEAR * abs(bottom)
    return Status.LOOK if warnings or (named.near and (near_top or near_bottom)) else Status.OK


def telling(group: Sequence[dict[str, str]]) -> list[str]:
    """What tells each label set of a group from the others, in words; empty for a lone one."""
    if len(group) < 2:
        return ["" for _ in group]
    names = sorted({name for found in group for name in found})
    differing = [name for name in names if len({found.get(name) for found in group}) > 1]
    if len(differing) == 1:
        return [found.get(differing[0], "-") for found in group]
    return [" ".join(f"{name}={found[name]}" for name in differing if name in found) for found in group]


def limit_note(value: float | None, named: Named) -> str:
    """Which limit is passed, in words."""
    if value is None:
        return ""
    if named.maximum is not None and value > named.maximum:
        return f"over {shown(named.maximum)}{named.unit}"
    if named.minimum is not None and value < named.minimum:
        return f"under {shown(named.minimum)}{named.unit}"
    return ""


def links(labels: dict[str, str]) -> tuple[Link, ...]:
    """What the labels say about where a series or an alert belongs."""
    made = [
        Link(kind="service", value=labels[key], evidence=f"label {key}")
        for key in ("service", "app", "job") if labels.get(key)
    ][:1]  # fmt: skip
    made += [
        Link(kind="environment", value=labels[key], evidence=f"label {key}")
        for key in ("env", "environment") if labels.get(key)
    ][:1]  # fmt: skip
    made += [
        Link(kind="container", value=labels[key], evidence=f"label {key}")
        for key in ("container", "container_name") if labels.get(key)
    ][:1]  # fmt: skip
    return tuple(made)


def row(
    source: str, environment: str, named: Named, labels: dict[str, str], points: Points, tells: str, answered: Answered
) -> Series:
    """One series as a row."""
    latest = points[-1][1] if points else None
    clean = tuple((at, value if value is not None and math.isfinite(value) else None) for at, value in points)
    status, note = judged(latest, named, answered.warnings), limit_note(latest, named)
    if answered.error is not None:
        status = Status.LOOK if status is Status.OK else status
        note = f"not asked anew: {answered.error.short}"
    elif latest is None:
        last = next((at for at, value in reversed(points) if value is not None), None)
        note = f"no sample since {utc(last)}" if last is not None else "no data in the window"
    elif math.isinf(latest):
        note = f"{'+' if latest > 0 else '-'}Inf {note}".strip()
    name = f"{named.name} {tells}".strip()
    return Series(
        ref=Ref(source, "series", identity(named.name, labels)),
        name=name,
        label=f"{named.label} {tells}".strip() if named.label else name,
        status=status,
        state="" if latest is None else "live",
        environment=environment,
        note=note,
        links=links(labels),
        unit=named.unit,
        expr=named.query,
        labels=labels,
        points=clean,
        value=latest if latest is not None and math.isfinite(latest) else None,
        minimum=named.minimum,
        maximum=named.maximum,
        warnings=answered.warnings,
    )


def down_text(matrix: Matrix) -> str:
    """`1 of 3 targets down: job/instance`; empty when all are up."""
    total, down = 0, []
    for found in matrix.series:
        value = found.values[-1][1] if found.values else None
        if not found.labels:
            total = int(value or 0)
        elif value == 0:
            down.append(f"{found.labels.get('job', '')}/{found.labels.get('instance', '')}".strip("/"))
    if not down:
        return ""
    more = f" and {len(down) - 3} more" if len(down) > 3 else ""
    return f"{len(down)} of {max(total, len(down))} targets down: {', '.join(sorted(down)[:3])}{more}"


class SeriesList:
    """Keeps each query's window and asks for what is new of it."""

    def __init__(self, api: Api, config: SourceConfig, environment: str, span: float, step: float) -> None:
        self.rows: dict[Ref, Series] = {}
        self._api = api
        self._config = config
        self._environment = environment
        self._span, self._step = span, step
        self._defaults = Defaults(api)
        self._windows: dict[Named, Window] = {}

    async def listing(self, now: float) -> Listing:
        """Every series. Raises QuarterdeckError when nothing could be asked."""
        given = configured(self._config)
        named = given or [limited(each, self._config) for each in await self._defaults.named(now)]
        self._windows = {each: self._windows.get(each) or Window(self._span, self._step) for each in named}
        answers, down = await asyncio.gather(asyncio.gather(*(self._ask(each, now) for each in named)), self._down(now))
        failed = [answer.error for answer in answers if answer.error is not None]
        if isinstance(down, QuarterdeckError):
            if all(answer.error or not answer.asked for answer in answers):
                raise failed[0] if failed else down
            down = ""
        if failed and len(failed) == len(answers) and not all(isinstance(error, Conflict) for error in failed):
            raise failed[0]
        groups, said = [], [down]
        for each, answer in zip(named, answers, strict=True):
            rows, cut = self._rows(each, answer, bool(given))
            groups.append(rows)
            said += [cut, *(f"{each.name}: {warning}" for warning in answer.warnings)]
        found = [one for group in groups for one in group]
        if not given and len(found) > MOST:
            said.append(f"{MOST} of {len(found)} default series shown; name yours under series: in the config")
            found = spread(groups)
        self.rows = {one.ref: one for one in found}
        return Listing(rows=found, partial="; ".join(text for text in dict.fromkeys(said) if text))

    async def _ask(self, named: Named, now: float) -> Answered:
        window = self._windows[named]
        steps = window.wanted(now)
        if steps is None:
            return Answered(asked=False)
        first, last = steps
        try:
            matrix = await self._api.query_range(named.query, first * self._step, last * self._step, self._step)
        except (Conflict, Unavailable) as error:
            return Answered(error=error)
        window.add(matrix.series, first, last)
        window.partial = bool(matrix.warnings)
        return Answered(warnings=matrix.warnings)

    async def _down(self, now: float) -> str | QuarterdeckError:
        try:
            return down_text(await self._api.query(DOWN, now))
        except Conflict:
            return ""
        except Unavailable as error:
            return error

    def _rows(self, named: Named, answered: Answered, given: bool) -> tuple[list[Series], str]:
        found = list(self._windows[named])
        if not found and (given or answered.error):
            found = [({}, ())]
        tells = telling([labels for labels, _ in found]) if given else [" ".join(each.values()) for each, _ in found]
        rows = [
            row(self._api.source, self._environment, named, labels, points, tell, answered)
            for (labels, points), tell in zip(found, tells, strict=True)
        ]
        total = max(self._windows[named].total, len(rows))
        if len(rows) > MOST_OF_ONE:
            rows = sorted(rows, key=lambda one: one.status is not Status.BAD)[:MOST_OF_ONE]
        return rows, f"{named.name}: {len(rows)} of {total} series shown" if total > len(rows) else ""


def spread(groups: Sequence[Sequence[Series]]) -> list[Series]:
    """At most `MOST` series: of every query the worst, then of every query the next, in the queries' order."""
    ordered = [sorted(group, key=lambda one: TROUBLE[one.status]) for group in groups]
    turns = ((turn, place) for turn in range(MOST_OF_ONE) for place in range(len(groups)) if turn < len(ordered[place]))
    chosen = {ordered[place][turn].ref for turn, place in islice(turns, MOST)}
    return [one for group in groups for one in group if one.ref in chosen]
