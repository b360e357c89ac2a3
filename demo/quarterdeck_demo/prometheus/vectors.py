"""Vectors against vectors: PromQL's binary operators and aggregations, on values already evaluated.

Source: https://prometheus.io/docs/prometheus/latest/querying/operators/ .
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable

from quarterdeck_demo.prometheus.functions import quantile
from quarterdeck_demo.prometheus.parse import COMPARISONS, SET_OPERATORS
from quarterdeck_demo.prometheus.syntax import Aggregate, Binary, ExecutionError, Matching
from quarterdeck_demo.prometheus.values import Labels, Sample, Vector, braces, unnamed

__all__ = ["aggregated", "combined"]

Value = float | str | Vector


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values) / len(values)


def _variance(values: list[float]) -> float:
    mean = _mean(values)
    return _mean([(value - mean) ** 2 for value in values])


def _extreme(pick: Callable[[Iterable[float]], float]) -> Callable[[list[float]], float]:
    def of(values: list[float]) -> float:
        known = [value for value in values if value == value]
        return pick(known) if known else math.nan

    return of


REDUCE: dict[str, Callable[[list[float]], float]] = {
    "sum": lambda values: float(sum(values)),
    "avg": _mean,
    "max": _extreme(max),
    "min": _extreme(min),
    "count": lambda values: float(len(values)),
    "group": lambda _values: 1.0,
    "stddev": lambda values: math.sqrt(_variance(values)),
    "stdvar": _variance,
}


def aggregated(expr: Aggregate, found: Vector, param: float | None) -> Vector:
    """An aggregation over a vector; `param` is the k of topk or the q of quantile."""
    groups: dict[Labels, Vector] = {}
    for one in found:
        if expr.without:
            key = tuple(pair for pair in unnamed(one.labels) if pair[0] not in expr.labels)
        else:
            key = tuple(pair for pair in one.labels if pair[0] in expr.labels)
        groups.setdefault(key, []).append(one)
    if expr.op in ("topk", "bottomk"):
        count, top = max(0, int(param or 0)), expr.op == "topk"
        ranked = (sorted(group, key=lambda one: one.value, reverse=top) for group in groups.values())
        return [one for group in ranked for one in group[:count]]
    if expr.op == "quantile":
        q = math.nan if param is None else param
        return [Sample(labels, quantile(q, [s.value for s in group])) for labels, group in groups.items()]
    reduce = REDUCE[expr.op]
    return [Sample(labels, reduce([s.value for s in group])) for labels, group in groups.items()]


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    if a == 0 or a != a or b != b:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b)


def _modulo(a: float, b: float) -> float:
    return math.fmod(a, b) if b and math.isfinite(a) else math.nan


def _power(a: float, b: float) -> float:
    try:
        found = a**b
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return found if isinstance(found, float) else math.nan


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": _modulo,
    "^": _power,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def combined(expr: Binary, left: Value, right: Value) -> float | Vector:
    """A binary operator on two values; ExecutionError when the series do not pair one to one."""
    if isinstance(left, float) and isinstance(right, float):
        return float(ARITHMETIC[expr.op](left, right))
    filters = expr.op in COMPARISONS and not expr.bool_
    if isinstance(left, list) and isinstance(right, list):
        if expr.op in SET_OPERATORS:
            return set_operation(expr.op, left, right, expr.matching)
        return paired(expr, left, right, filters)
    found: Vector = []
    for sample in left if isinstance(left, list) else right if isinstance(right, list) else ():
        a = left if isinstance(left, float) else sample.value
        b = right if isinstance(right, float) else sample.value
        value = ARITHMETIC[expr.op](a, b)
        if not filters:
            found.append(Sample(unnamed(sample.labels), float(value)))
        elif value:
            found.append(sample)
    return found


def signature(labels: Labels, matching: Matching) -> Labels:
    if matching.on:
        return tuple(pair for pair in labels if pair[0] in matching.labels)
    return tuple(pair for pair in unnamed(labels) if pair[0] not in matching.labels)


def set_operation(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    there = {signature(one.labels, matching) for one in right}
    if op == "or":
        ours = {signature(one.labels, matching) for one in left}
        return left + [one for one in right if signature(one.labels, matching) not in ours]
    return [one for one in left if (signature(one.labels, matching) in there) == (op == "and")]


def paired(expr: Binary, left: Vector, right: Vector, filters: bool) -> Vector:
    partners: dict[Labels, Sample] = {}
    for one in right:
        key = signature(one.labels, expr.matching)
        if key in partners:
            raise ExecutionError(duplicates(key, partners[key], one))
        partners[key] = one
    taken: dict[Labels, Sample] = {}
    found: Vector = []
    for one in left:
        key = signature(one.labels, expr.matching)
        if key not in partners:
            continue
        value = ARITHMETIC[expr.op](one.value, partners[key].value)
        if filters and not value:
            continue
        if key in taken:
            raise ExecutionError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )
        taken[key] = one
        keeps_name = filters and not expr.matching.on
        labels = one.labels if keeps_name else unnamed(one.labels)
        if expr.matching.on:
            labels = tuple(pair for pair in labels if pair[0] in expr.matching.labels)
        else:
            labels = tuple(pair for pair in labels if pair[0] not in expr.matching.labels)
        found.append(Sample(labels, one.value if filters else float(value)))
    return found


def duplicates(key: Labels, first: Sample, second: Sample) -> str:
    return (
        f"found duplicate series for the match group {braces(key)} on the right hand-side of the operation: "
        f"[{braces(second.labels)}, {braces(first.labels)}];many-to-many matching not allowed: "
        "matching labels must be unique on one side"
    )
