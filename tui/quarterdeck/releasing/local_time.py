"""The local time beside UTC, for the people who were there. Pure but for the machine's time zone."""

from __future__ import annotations

from datetime import datetime


def local_words(text: str) -> str:
    """An instant (RFC 3339) as the clock of this machine shows it, `21:04 JST`; empty where that is UTC's."""
    try:
        here = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except ValueError:
        return ""
    return f"{here:%H:%M %Z}" if here.utcoffset() else ""
