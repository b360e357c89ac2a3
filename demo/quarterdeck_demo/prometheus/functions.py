"""PromQL's functions: their arguments, and the arithmetic of those over ranges and histograms.

Source: https://prometheus.io/docs/prometheus/latest/querying/functions/ ; the extrapolation and the
interpolation follow promql/functions.go and promql/quantile.go of Prometheus 2.42. Times are milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

__all__ = ["ARGUMENTS", "ELEMENTWISE", "OVER_RANGE", "UNSUPPORTED", "bucket_quantile", "quantile"]

Points = Sequence[tuple[int, float]]
INSTANT: Final = "instant vector"
RANGE: Final = "range vector"
SCALAR: Final = "scalar"

RANGE_FUNCTIONS = (
    "rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets",
    "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time",
    "stddev_over_time",
)  # fmt: skip
VECTOR_FUNCTIONS = (
    "abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn",
    "absent", "sort", "sort_desc", "timestamp",
)  # fmt: skip
ARGUMENTS: dict[str, tuple[tuple[str, ...], int]] = {
    **dict.fromkeys(RANGE_FUNCTIONS, ((RANGE,), 0)),
    **dict.fromkeys(VECTOR_FUNCTIONS, ((INSTANT,), 0)),
    "histogram_quantile": ((SCALAR, INSTANT), 0),
    "predict_linear": ((RANGE, SCALAR), 0),
    "quantile_over_time": ((SCALAR, RANGE), 0),
    "clamp": ((INSTANT, SCALAR, SCALAR), 0),
    "clamp_min": ((INSTANT, SCALAR), 0),
    "clamp_max": ((INSTANT, SCALAR), 0),
    "round": ((INSTANT, SCALAR), 1),
    "scalar": ((INSTANT,), 0),
    "vector": ((SCALAR,), 0),
    "time": ((), 0),
    "pi": ((), 0),
}
"""Name to (types of the arguments, how many of the last ones may be left out)."""

UNSUPPORTED = frozenset(
    (
        "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "day_of_month",
        "day_of_week", "day_of_year", "days_in_month", "deg", "histogram_count", "histogram_fraction",
        "histogram_sum", "holt_winters", "hour", "label_join", "label_replace", "minute", "month",
        "present_over_time", "rad", "sin", "sinh", "stdvar_over_time", "tan", "tanh", "year",
    )
)  # fmt: skip
"""Functions of Prometheus 2.42 that the practice server refuses, naming itself as the limit."""


def _ln(value: float) -> float:
    return math.log(value) if value > 0 else (-math.inf if value == 0 else math.nan)


ELEMENTWISE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": lambda v: float(math.ceil(v)) if math.isfinite(v) else v,
    "floor": lambda v: float(math.floor(v)) if math.isfinite(v) else v,
    "exp": lambda v: math.exp(v) if v < 709 else math.inf,
    "ln": _ln,
    "log2": lambda v: _ln(v) / math.log(2),
    "log10": lambda v: _ln(v) / math.log(10),
    "sqrt": lambda v: math.sqrt(v) if v >= 0 else math.nan,
    "sgn": lambda v: float((v > 0) - (v < 0)) if v == v else v,
}


def extrapolated(points: Points, start: int, end: int, *, counter: bool, per_second: bool) -> float | None:
    """rate, increase and delta: the change over [start, end], extrapolated; None under two points."""
    if len(points) < 2:
        return None
    (first_at, first), (last_at, last) = points[0], points[-1]
    change = last - first
    if counter:
        previous = first
        for _, value in points[1:]:
            if value < previous:
                change += previous
            previous = value
    to_start, to_end = (first_at - start) / 1000, (end - last_at) / 1000
    sampled = (last_at - first_at) / 1000
    average = sampled / (len(points) - 1)
    if counter and change > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / change))
    threshold = average * 1.1
    covered = sampled
    covered += to_start if to_start < threshold else average / 2
    covered += to_end if to_end < threshold else average / 2
    factor = covered / sampled
    if per_second:
        factor /= (end - start) / 1000
    return change * factor


def instant(points: Points, *, counter: bool) -> float | None:
    """irate and idelta: from the last two points alone."""
    if len(points) < 2:
        return None
    (before_at, before), (last_at, last) = points[-2], points[-1]
    change = last if counter and last < before else last - before
    return change / ((last_at - before_at) / 1000) if counter else change


def regression(points: Points, origin: int) -> tuple[float, float] | None:
    """Slope per second and value at `origin` of the least-squares line; None under two points."""
    if len(points) < 2:
        return None
    xs = [(at - origin) / 1000 for at, _ in points]
    count = len(points)
    mean_x = sum(xs) / count
    mean_y = sum(value for _, value in points) / count
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (value - mean_y) for x, (_, value) in zip(xs, points, strict=True)) / spread
    return slope, mean_y - slope * mean_x


def _deriv(points: Points) -> float | None:
    line = regression(points, points[0][0] if points else 0)
    return None if line is None else line[0]


def _stddev(points: Points) -> float:
    values = [value for _, value in points]
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _pairs(points: Points, counts: Callable[[float, float], bool]) -> float:
    return float(sum(counts(a[1], b[1]) for a, b in pairwise(points)))


OverRange = Callable[[Points, int, int], float | None]


def _changing(*, counter: bool, per_second: bool) -> OverRange:
    return lambda points, start, end: extrapolated(points, start, end, counter=counter, per_second=per_second)


def _of(function: Callable[[Points], float | None]) -> OverRange:
    return lambda points, _start, _end: function(points)


OVER_RANGE: dict[str, OverRange] = {
    "rate": _changing(counter=True, per_second=True),
    "increase": _changing(counter=True, per_second=False),
    "delta": _changing(counter=False, per_second=False),
    "irate": _of(lambda points: instant(points, counter=True)),
    "idelta": _of(lambda points: instant(points, counter=False)),
    "deriv": _of(_deriv),
    "changes": _of(lambda points: _pairs(points, lambda a, b: a != b and not (a != a and b != b))),
    "resets": _of(lambda points: _pairs(points, lambda a, b: b < a)),
    "avg_over_time": _of(lambda points: math.fsum(value for _, value in points) / len(points)),
    "sum_over_time": _of(lambda points: math.fsum(value for _, value in points)),
    "min_over_time": _of(lambda points: min(value for _, value in points)),
    "max_over_time": _of(lambda points: max(value for _, value in points)),
    "count_over_time": _of(lambda points: float(len(points))),
    "last_over_time": _of(lambda points: points[-1][1]),
    "stddev_over_time": _of(_stddev),
}
"""Name to (points, start, end of the range) -> value, or None when the series answers nothing."""


def quantile(q: float, values: Sequence[float]) -> float:
    """The q-quantile with linear interpolation; -Inf and +Inf outside 0..1, NaN for no values."""
    if not values or q != q:
        return math.nan
    if q < 0 or q > 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    lower = max(0, math.floor(rank))
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - math.floor(rank)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def bucket_quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The q-quantile of cumulative (upper bound, count) buckets, interpolated inside the one that holds it."""
    if q != q:
        return math.nan
    if q < 0 or q > 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(buckets)
    if not ordered or ordered[-1][0] != math.inf:
        return math.nan
    merged: list[tuple[float, float]] = []
    highest = 0.0
    for bound, count in ordered:
        count += merged.pop()[1] if merged and merged[-1][0] == bound else 0.0
        highest = max(highest, count)
        merged.append((bound, highest))
    if len(merged) < 2 or merged[-1][1] == 0 or merged[-1][1] != merged[-1][1]:
        return math.nan
    rank = q * merged[-1][1]
    index = next((i for i, (_, count) in enumerate(merged[:-1]) if count >= rank), len(merged) - 1)
    if index == len(merged) - 1:
        return merged[-2][0]
    end, count = merged[index]
    if index == 0 and end <= 0:
        return end
    start = 0.0
    if index > 0:
        start, below = merged[index - 1]
        count -= below
        rank -= below
    return start + (end - start) * (rank / count)
