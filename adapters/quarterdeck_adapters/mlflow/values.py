"""Reading MLflow's JSON without trusting it: a field of another type counts as absent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

Json = Mapping[str, Any]
NAN = math.nan
"""The one NaN used in records: a record is equal to itself only with the same object."""
STORED_INFINITY = 1.7976931348623157e308
"""How MLflow's SQL stores keep an infinite value."""
_WORDS = {"nan": NAN, "infinity": math.inf, "inf": math.inf, "-infinity": -math.inf, "-inf": -math.inf}


def text(value: Any) -> str:
    """A string or a number as text; anything else as an empty string."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def section(value: Any, key: str) -> Json:
    """The object under `key`, or an empty one."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def rows(value: Any, key: str) -> list[Json]:
    """The objects of the list under `key`."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def pairs(value: Any, key: str) -> dict[str, str]:
    """A list of `{key, value}` objects (tags, params) as a mapping."""
    return {text(each.get("key")): text(each.get("value")) for each in rows(value, key) if each.get("key")}


def whole(value: Any) -> int | None:
    """A whole number; protobuf's JSON writes int64 as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def epoch(value: Any) -> float | None:
    """Milliseconds since 1970 as seconds; 0 and what no calendar holds as None."""
    number = whole(value)
    return number / 1000 if number is not None and 0 < number < 253_402_300_800_000 else None


def measured(value: Any) -> float | None:
    """A metric's value. NaN and the infinities travel as JSON strings (protobuf's JSON mapping)."""
    if isinstance(value, str):
        word = _WORDS.get(value.strip().lower())
        if word is not None:
            return word
        try:
            number = float(value)
        except ValueError:
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        return None
    if math.isnan(number):
        return NAN
    return math.copysign(math.inf, number) if abs(number) >= STORED_INFINITY else number


def without_user(address: str) -> str:
    """An address without the user and password that some people put into it."""
    try:
        parts = urlsplit(address)
        if "@" not in parts.netloc:
            return address
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return ""


def quoted(value: str) -> str | None:
    """`value` as a string of MLflow's filter language, or None where it can't be written in it.

    The language has no escapes (https://mlflow.org/docs/latest/ml/search/search-runs/).
    """
    for quote in ("'", '"'):
        if quote not in value:
            return f"{quote}{value}{quote}"
    return None
