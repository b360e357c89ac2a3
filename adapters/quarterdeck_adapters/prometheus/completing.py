"""What may continue a half-typed PromQL expression."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import ascii_letters, digits

from quarterdeck_adapters.prometheus.api import Api
from quarterdeck_adapters.prometheus.values import texts
from quarterdeck_lifecycle.errors import Conflict

MOST = 100
KEPT_S = 60.0
MOST_KEPT = 50
# https://prometheus.io/docs/prometheus/latest/querying/operators/ and /functions/
AGGREGATIONS = (
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values",
)  # fmt: skip
FUNCTIONS = (
    "abs", "absent", "absent_over_time", "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min",
    "count_over_time", "day_of_month", "day_of_week", "days_in_month", "delta", "deriv", "exp", "floor",
    "histogram_quantile", "holt_winters", "hour", "idelta", "increase", "irate", "label_join", "label_replace",
    "last_over_time", "ln", "log10", "log2", "max_over_time", "min_over_time", "minute", "month", "predict_linear",
    "present_over_time", "quantile_over_time", "rate", "resets", "round", "scalar", "sgn", "sort", "sort_desc", "sqrt",
    "stddev_over_time", "stdvar_over_time", "sum_over_time", "time", "timestamp", "vector", "year",
)  # fmt: skip
WORDS = (*AGGREGATIONS, *FUNCTIONS, "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool",
         "and", "or", "unless")  # fmt: skip
_LABEL = f"{ascii_letters}{digits}_"
_MATCHES = ("=~", "!~", "!=", "=")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\Z")
_PLAIN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Completer:
    """Metric names, label names and values are the server's own, asked for once a minute."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: dict[tuple[str, str], tuple[float, list[str]]] = {}

    async def complete(self, prefix: str, now: float) -> list[str]:
        """Whole texts that begin with `prefix`, at most 100. Raises QuarterdeckError."""
        before, brace, matchers = prefix.rpartition("{")
        if brace and "}" not in matchers:
            metric = last_word(before.rstrip())
            if value := _value(matchers):
                label, begun = value
                return continued(prefix, begun, await self._ask(f"label/{label}/values", metric, now))
            if matchers.count('"') % 2:
                return []
            return continued(prefix, last_word(matchers), await self._ask("labels", metric, now))
        if prefix.count('"') % 2:
            return []
        word = last_word(prefix)
        if _GROUPING.search(prefix):
            return continued(prefix, word, await self._ask("labels", "", now))
        names = await self._ask("label/__name__/values", "", now)
        return continued(prefix, word, (*(name for name in WORDS if word), *names)) if word else []

    async def _ask(self, path: str, metric: str, now: float) -> list[str]:
        key = (path, metric)
        kept = self._kept.get(key)
        if kept is None or not 0 <= now - kept[0] < KEPT_S:
            params = {"match[]": metric} if _PLAIN.fullmatch(metric) else None
            try:
                found = texts(await self._api.data(path, params))
            except Conflict:
                found = []
            self._kept.pop(key, None)
            kept = self._kept[key] = (now, [name for name in found if name.isprintable() and not {'"', "\\"} & {*name}])
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept[1]


def last_word(text: str) -> str:
    """The identifier that is being typed."""
    return _ends(text, f"{_LABEL}:")


def _ends(text: str, alphabet: str) -> str:
    # Taken off the end: a search from the beginning tries each place, and whatever was pasted may be long.
    return text[len(text.rstrip(alphabet)) :].lstrip(digits)


def _value(matchers: str) -> tuple[str, str] | None:
    """Label and beginning of the value whose quotes are open at the end."""
    before, quote, begun = matchers.rpartition('"')
    before = before.rstrip()
    how = next((how for how in _MATCHES if before.endswith(how)), "")
    label = _ends(before[: -len(how)].rstrip(), _LABEL) if how else ""
    return (label, begun) if quote and label and "\\" not in begun else None


def continued(prefix: str, word: str, names: Iterable[str]) -> list[str]:
    """`prefix` with its last word completed by each name that begins with it."""
    head = prefix[: len(prefix) - len(word)]
    return [head + name for name in dict.fromkeys(names) if name.startswith(word)][:MOST]
