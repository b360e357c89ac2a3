"""Reading the API's JSON without trusting it: a field of another type counts as absent. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from quarterdeck_lifecycle.text import clean_line

Json = Mapping[str, Any]
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def text(value: Any) -> str:
    """A string or a number as text; anything else as an empty string."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def whole(value: Any) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def section(value: Any, *keys: str) -> Json:
    """The object under `keys`, one inside the other, or an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def rows(value: Any, key: str = "") -> list[Json]:
    """The objects of a list, or of the list under `key`."""
    found = (value.get(key) if isinstance(value, Mapping) else None) if key else value
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def known(value: Any, key: str = "") -> dict[int, Json]:
    """The objects of a list that have an id, once each, in order: pages overlap when something is added."""
    found: dict[int, Json] = {}
    for each in rows(value, key):
        id = whole(each.get("id"))
        if id is not None and id > 0:
            found.setdefault(id, each)
    return found


def login(value: Any, key: str = "user") -> str:
    """The login of the account under `key`; an account that is gone has none."""
    return text(section(value, key).get("login"))


def epoch(value: Any) -> float | None:
    """An ISO 8601 time in epoch seconds; None for what is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def sha_of(value: Any) -> str:
    """A commit's id; an empty string for anything else, as it becomes a part of a path."""
    return value if isinstance(value, str) and _SHA.fullmatch(value) else ""


def shown(value: Any, limit: int = 200) -> str:
    """One line, safe to show, where no record gates it: titles and impacts of previews, notices of logs."""
    return clean_line(text(value), limit)


def size(count: Any) -> str:
    """A count of bytes for people."""
    number = whole(count)
    if number is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024  # type: ignore[assignment]
    return f"{number:.3g} {unit}"
