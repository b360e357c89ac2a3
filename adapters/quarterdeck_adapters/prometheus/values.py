"""Reading what a server sent without trusting its shape: a wrong type reads as nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

SEPARATOR = "\x1f"


def text(value: Any) -> str:
    """A string, or an empty one."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of an array."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The strings of an array."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def labels(value: Any) -> dict[str, str]:
    """A label set, sorted by name."""
    return {name: each for name, each in sorted(mapping(value).items()) if isinstance(each, str)}


def seconds(value: Any) -> float | None:
    """A number of seconds, or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else None


def moment(value: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time; None for no time and for Go's zero time (the year 1)."""
    try:
        at = datetime.fromisoformat(text(value))
        return at.timestamp() if at.year > 1 and at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def identity(name: str, found: Mapping[str, str], *more: str) -> str:
    """A name with its sorted labels: the same for the same series, whatever the order it comes in."""
    return SEPARATOR.join((name, ",".join(f"{key}={value}" for key, value in sorted(found.items())), *more))


def shown(value: float) -> str:
    """A sample as people read it."""
    return f"{value:.4g}"
