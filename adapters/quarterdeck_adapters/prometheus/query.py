"""One query over a window of the operator's choice."""

from __future__ import annotations

import math
from collections.abc import Iterator

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.prometheus.api import Matrix, Values
from quarterdeck_adapters.prometheus.defaults import Named
from quarterdeck_adapters.prometheus.series import Answered, row, telling
from quarterdeck_adapters.prometheus.window import Points
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import SeriesAnswer

MOST_POINTS = 11_000
"""What Prometheus answers at most for a series."""
MOST_SERIES = 50
INLINE = 20_000
"""Points that are turned into rows on the loop; more go to a thread."""


def checked(start: float, end: float, step: float, source: str) -> tuple[float, float, float]:
    """Start, end and a step that asks for no more points than are answered. Raises Conflict."""
    if not all(map(math.isfinite, (start, end, step))) or end < start or step <= 0:
        raise Conflict("the query was not sent", source=source, why=f"no window: {start:g} to {end:g} by {step:g} s")
    least = max(step, 0.001, (end - start) / (MOST_POINTS - 1))
    return start, end, math.ceil(least * 1000) / 1000


def filled(values: Values, start: float, end: float, step: float) -> Iterator[tuple[float, float | None]]:
    """The values with None for every step between the first of them and the window's end that has none."""
    known = {round((at - start) / step): value for at, value in values}
    if known:
        for number in range(min(known), math.floor((end - start) / step + 1e-6) + 1):
            value = known.get(number)
            yield start + number * step, value


async def answer_of(
    matrix: Matrix, source: str, environment: str, expr: str, start: float, end: float, step: float
) -> SeriesAnswer:
    """Rows for at most 50 series, in the order of the answer. Large answers are turned into rows on a thread."""

    def made() -> tuple[Series, ...]:
        named = Named(name=expr, query=expr)
        shown = matrix.series[:MOST_SERIES]
        tells = telling([found.labels for found in shown])
        rows: list[tuple[dict[str, str], Points, str]] = [
            (found.labels, tuple(filled(found.values, start, end, step)), tell)
            for found, tell in zip(shown, tells, strict=True)
        ]
        answered = Answered(warnings=matrix.warnings)
        return tuple(row(source, environment, named, *each, answered) for each in rows)

    points = sum(len(found.values) for found in matrix.series[:MOST_SERIES])
    if points > INLINE:
        found = await call(made, deadline=30, source=source, what="reading the answer")
    else:
        found = made()
    warnings = matrix.warnings
    if len(matrix.series) > MOST_SERIES:
        warnings += (f"{MOST_SERIES} of {len(matrix.series)} series shown; aggregate, or use topk()",)
    return SeriesAnswer(rows=found, warnings=warnings)
