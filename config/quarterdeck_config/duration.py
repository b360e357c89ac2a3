"""Durations as people write them in the config: ``2s``, ``10m``, ``1h30m``, ``250ms``; seconds inside."""

from __future__ import annotations

import re

PATTERN = r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?$"
EXPECTED = "a duration such as 500ms, 2s, 10m or 1h30m"
LONGEST_S = 366 * 86_400.0

_SHAPE = re.compile(
    r"(?:(?P<d>\d{1,5})d)?(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,8})m)?"
    r"(?:(?P<s>\d{1,9}(?:\.\d{1,6})?)s)?(?:(?P<ms>\d{1,12})ms)?",
    re.ASCII,
)
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> float:
    """Seconds in ``text``: units d, h, m, s, ms, largest first, each at most once, no spaces.

    Raises ValueError (its message says what is expected) for anything else, for a bare number, whose unit
    would be a guess, and for more than 366 days.
    """
    match = _SHAPE.fullmatch(text)
    if not text or match is None:
        raise ValueError(EXPECTED)
    seconds = sum(_SECONDS[unit] * float(amount) for unit, amount in match.groupdict().items() if amount)
    if seconds > LONGEST_S:
        raise ValueError("a duration of at most 366d")
    return seconds


def format_duration(seconds: float) -> str:
    """``seconds`` (0 or more) in the form that `parse_duration` reads back, to the millisecond."""
    if seconds < 0:
        raise ValueError("a duration is never negative")
    rest = round(seconds * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
