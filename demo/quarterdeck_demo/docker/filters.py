"""The `filters` parameter: a JSON object of lists, or of objects whose keys count."""

from __future__ import annotations

import json
import re

from quarterdeck_demo.docker.wire import EngineError

Filters = dict[str, list[str]]


def parse(text: str, allowed: frozenset[str]) -> Filters:
    """The filters of a request.

    Raises EngineError 400 for a filter that the engine does not take, 500 for what is not JSON.
    """
    if not text:
        return {}
    try:
        raw = json.loads(text)
    except ValueError:
        raise EngineError(500, f"invalid character '{text[0]}' looking for beginning of value") from None
    if not isinstance(raw, dict):
        raise EngineError(400, "invalid filter")
    found: Filters = {}
    for name, values in raw.items():
        if name not in allowed:
            raise EngineError(400, f"Invalid filter '{name}'")
        found[name] = [str(value) for value in values if not isinstance(values, dict) or values[value]]
    return found


def labels_fit(wanted: list[str], labels: dict[str, str]) -> bool:
    """Whether every `key` or `key=value` is among the labels."""
    for item in wanted:
        key, has_value, value = item.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True


def any_fits(wanted: list[str], text: str) -> bool:
    """Whether one of the patterns is found in the text; a broken pattern is taken literally."""
    for pattern in wanted:
        try:
            if re.search(pattern, text):
                return True
        except re.error:
            if pattern in text:
                return True
    return False


def flag(filters: Filters, name: str, default: bool = False) -> bool:
    """A boolean filter such as `dangling`."""
    values = filters.get(name)
    if not values:
        return default
    if values[0].lower() in ("1", "true"):
        return True
    if values[0].lower() in ("0", "false"):
        return False
    raise EngineError(400, f"invalid value for '{name}': {values[0]!r}")
