"""PromQL over series that are functions of time. Times are milliseconds since 1970."""

from __future__ import annotations

import math
from collections.abc import Callable

from quarterdeck_demo.prometheus.functions import ELEMENTWISE, OVER_RANGE, Points, bucket_quantile, quantile, regression
from quarterdeck_demo.prometheus.syntax import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Negate,
    Number,
    Paren,
    QueryError,
    Selector,
    Text,
)
from quarterdeck_demo.prometheus.values import LOOKBACK_MS, Labels, Sample, Storage, Vector, unnamed
from quarterdeck_demo.prometheus.vectors import aggregated, combined

__all__ = ["evaluate", "matrix_of"]


def matrix_of(expr: Expr, storage: Storage, time: int) -> list[tuple[Labels, Points]]:
    """What a range selector holds at `time`; series without a sample are left out."""
    while isinstance(expr, Paren):
        expr = expr.inner
    if not isinstance(expr, Selector) or expr.range_ms is None:
        raise QueryError("the practice server evaluates ranges of plain selectors alone", limit=True)
    end = time - expr.offset_ms
    found = ((one.labels, one.between(end - expr.range_ms, end)) for one in storage.select(expr.matchers))
    return [(labels, points) for labels, points in found if points]


def evaluate(expr: Expr, storage: Storage, time: int) -> float | str | Vector:
    """The value at one instant: a float for a scalar, a string or a vector; QueryError on many-to-many."""
    match expr:
        case Number(value=number):
            return number
        case Text(value=text):
            return text
        case Paren(inner=inner):
            return evaluate(inner, storage, time)
        case Negate():
            value = evaluate(expr.inner, storage, time)
            if isinstance(value, list):
                return [
                    Sample(unnamed(one.labels) if expr.sign < 0 else one.labels, expr.sign * one.value) for one in value
                ]
            assert isinstance(value, float)
            return expr.sign * value
        case Selector():
            at = time - expr.offset_ms
            values = ((one.labels, one.at(at)) for one in storage.select(expr.matchers))
            return [Sample(labels, value) for labels, value in values if value is not None]
        case Call():
            return called(expr, storage, time)
        case Aggregate():
            param = None if expr.param is None else scalar(expr.param, storage, time)
            return aggregated(expr, vector(expr.inner, storage, time), param)
        case Binary():
            return combined(expr, evaluate(expr.left, storage, time), evaluate(expr.right, storage, time))


def vector(expr: Expr, storage: Storage, time: int) -> Vector:
    value = evaluate(expr, storage, time)
    assert isinstance(value, list)
    return value


def scalar(expr: Expr, storage: Storage, time: int) -> float:
    value = evaluate(expr, storage, time)
    assert isinstance(value, float)
    return value


def called(expr: Call, storage: Storage, time: int) -> float | Vector:
    name, args = expr.name, expr.args
    if name in OVER_RANGE:
        selector = args[0]
        matrix = matrix_of(selector, storage, time)
        while isinstance(selector, Paren):
            selector = selector.inner
        assert isinstance(selector, Selector)
        end = time - selector.offset_ms
        start = end - (selector.range_ms or 0)
        values = [
            (
                labels if name == "last_over_time" else unnamed(labels),
                OVER_RANGE[name](p, start, end),
            )
            for labels, p in matrix
        ]
        return [Sample(labels, value) for labels, value in values if value is not None]
    if name in ELEMENTWISE:
        return [Sample(unnamed(one.labels), ELEMENTWISE[name](one.value)) for one in vector(args[0], storage, time)]
    return SPECIAL[name](args, storage, time)


def _clamped(name: str) -> Special:
    def clamp(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
        bounds = [scalar(arg, storage, time) for arg in args[1:]]
        least = -math.inf if name == "clamp_max" else bounds[0]
        most = math.inf if name == "clamp_min" else bounds[-1]
        found = vector(args[0], storage, time) if least <= most else []
        return [Sample(unnamed(one.labels), max(least, min(most, one.value))) for one in found]

    return clamp


def _histogram(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
    q = scalar(args[0], storage, time)
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for one in vector(args[1], storage, time):
        bound = dict(one.labels).get("le")
        if bound is None:
            continue
        rest = tuple(pair for pair in unnamed(one.labels) if pair[0] != "le")
        groups.setdefault(rest, []).append((float(bound), one.value))
    return [Sample(labels, bucket_quantile(q, buckets)) for labels, buckets in groups.items()]


def _round(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
    inverse = 1 / (scalar(args[1], storage, time) if len(args) > 1 else 1.0)
    return [
        Sample(unnamed(one.labels), math.floor(one.value * inverse + 0.5) / inverse)
        for one in vector(args[0], storage, time)
    ]


def _absent(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
    if vector(args[0], storage, time):
        return []
    known = args[0].matchers if isinstance(args[0], Selector) else ()
    labels = sorted((m.name, m.value) for m in known if m.op == "=" and m.name != "__name__")
    return [Sample(tuple(labels), 1.0)]


def _sorted(descending: bool) -> Special:
    def ordered(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
        return sorted(vector(args[0], storage, time), key=lambda one: one.value, reverse=descending)

    return ordered


def _scalar(args: tuple[Expr, ...], storage: Storage, time: int) -> float:
    found = vector(args[0], storage, time)
    return found[0].value if len(found) == 1 else math.nan


def _timestamp(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
    if not isinstance(args[0], Selector):
        return [Sample(unnamed(one.labels), time / 1000) for one in vector(args[0], storage, time)]
    at = time - args[0].offset_ms
    return [
        Sample(unnamed(one.labels), one.between(at - LOOKBACK_MS, at)[-1][0] / 1000)
        for one in storage.select(args[0].matchers)
        if one.at(at) is not None
    ]


def _predict(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
    ahead = scalar(args[1], storage, time)
    lines = [(labels, regression(points, time)) for labels, points in matrix_of(args[0], storage, time)]
    return [Sample(unnamed(labels), line[0] * ahead + line[1]) for labels, line in lines if line is not None]


def _quantile_over_time(args: tuple[Expr, ...], storage: Storage, time: int) -> Vector:
    q = scalar(args[0], storage, time)
    matrix = matrix_of(args[1], storage, time)
    return [Sample(unnamed(labels), quantile(q, [v for _, v in points])) for labels, points in matrix]


Special = Callable[[tuple[Expr, ...], Storage, int], float | Vector]
SPECIAL: dict[str, Special] = {
    "histogram_quantile": _histogram,
    **{name: _clamped(name) for name in ("clamp", "clamp_min", "clamp_max")},
    "round": _round,
    "absent": _absent,
    "sort": _sorted(False),
    "sort_desc": _sorted(True),
    "scalar": _scalar,
    "vector": lambda args, storage, time: [Sample((), scalar(args[0], storage, time))],
    "time": lambda _args, _storage, time: time / 1000,
    "pi": lambda _args, _storage, _time: math.pi,
    "timestamp": _timestamp,
    "predict_linear": _predict,
    "quantile_over_time": _quantile_over_time,
}
