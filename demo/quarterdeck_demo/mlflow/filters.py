"""MLflow's search filters and orders.

Source: https://mlflow.org/docs/latest/search-runs.html#search-query-syntax .
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from quarterdeck_demo.mlflow.wire import MlflowError, invalid

__all__ = ["Clause", "Lookup", "Value", "fits_all", "parse_filter", "sorted_by"]

KINDS = {
    "attribute": "attribute", "attributes": "attribute", "attr": "attribute", "run": "attribute",
    "metric": "metric", "metrics": "metric", "param": "param", "params": "param", "parameter": "param",
    "parameters": "param", "tag": "tag", "tags": "tag",
}  # fmt: skip
CLAUSE = re.compile(
    r"""\s*(?:(?P<kind>\w+)\s*\.\s*)?(?P<key>[\w.\-/]+|`[^`]+`|"[^"]+")\s*
    (?P<op>>=|<=|!=|=|>|<|(?:NOT\s+)?IN\b|I?LIKE\b)\s*
    (?P<value>'[^']*'|"[^"]*"|-?[\d.]+(?:[eE][-+]?\d+)?|\([^)]*\))\s*""",
    re.VERBOSE | re.IGNORECASE,
)
Value = str | float | None
Lookup = Callable[[str, str], Value]
"""(attribute, metric, param or tag; key) to the value of one row; None when it has none."""


class Clause(NamedTuple):
    """One comparison."""

    kind: str
    key: str
    op: str
    value: str
    choices: tuple[str, ...] = ()

    def fits(self, lookup: Lookup) -> bool:
        there = lookup(self.kind, self.key)
        if there is None:
            return False
        if self.op in ("IN", "NOT IN"):
            return (str(there) in self.choices) == (self.op == "IN")
        if self.op in ("LIKE", "ILIKE"):
            pattern = re.escape(self.value).replace("%", ".*").replace("_", ".")
            flags = re.DOTALL | (re.IGNORECASE if self.op == "ILIKE" else 0)
            return re.fullmatch(pattern, str(there), flags) is not None
        if isinstance(there, str):
            return {"=": there == self.value, "!=": there != self.value}.get(self.op, False)
        wanted = float(self.value)
        return {
            "=": there == wanted, "!=": there != wanted, "<": there < wanted, "<=": there <= wanted,
            ">": there > wanted, ">=": there >= wanted,
        }[self.op]  # fmt: skip


def parse_filter(text: str, refusal: Callable[[str], MlflowError]) -> list[Clause]:
    """The clauses of a filter, all of which must hold; `refusal` words the error for one that is none."""
    if not text.strip():
        return []
    clauses = []
    for part in re.split(r"\s+AND\s+(?=(?:[^'\"]|'[^']*'|\"[^\"]*\")*$)", text.strip(), flags=re.IGNORECASE):
        match = CLAUSE.fullmatch(part)
        kind = KINDS.get((match["kind"] or "attribute").lower()) if match else None
        if match is None or kind is None:
            raise refusal(part)
        raw = match["value"]
        choices = tuple(re.findall(r"'([^']*)'|\"([^\"]*)\"", raw)) if raw.startswith("(") else ()
        value = raw[1:-1] if raw[0] in "'\"(" else raw
        op = " ".join(match["op"].upper().split())
        clauses.append(Clause(kind, match["key"].strip('`"'), op, value, tuple(a or b for a, b in choices)))
    return clauses


def fits_all(clauses: Iterable[Clause], lookup: Lookup) -> bool:
    return all(clause.fits(lookup) for clause in clauses)


def sorted_by(rows: list[Any], orders: Iterable[str], lookup: Callable[[Any], Lookup]) -> list[Any]:
    """Rows by `order_by` clauses such as `metrics.loss ASC`; rows without the value come last."""
    for order in reversed(list(orders)):
        match = re.fullmatch(
            r"\s*(?:(?P<kind>\w+)\.)?(?P<key>[\w.\-/]+|`[^`]+`|\"[^\"]+\")(?:\s+(?P<way>ASC|DESC))?\s*",
            order,
            re.IGNORECASE,
        )
        kind = KINDS.get((match["kind"] or "attribute").lower()) if match else None
        if match is None or kind is None:
            raise invalid(f"Invalid order_by clause '{order}'.")
        key, falling = match["key"].strip('`"'), (match["way"] or "").upper() == "DESC"

        def rank(row: Any, kind: str = kind, key: str = key) -> Any:
            value = lookup(row)(kind, key)
            return value if value is not None else ""

        def absent(row: Any, kind: str = kind, key: str = key) -> bool:
            value = lookup(row)(kind, key)
            return value is None or (isinstance(value, float) and math.isnan(value))

        there = sorted((row for row in rows if not absent(row)), key=rank, reverse=falling)
        rows = there + [row for row in rows if absent(row)]
    return rows
