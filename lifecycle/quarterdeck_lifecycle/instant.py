"""One time cursor: the instant that metrics, logs, changes and runs are shown at, and the words for times. Pure.

Instants are epoch seconds in UTC. An instant stays where it was put whatever the clock does later: only what is live
follows the clock.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from quarterdeck_lifecycle.records import Record

Origin = Literal["chart", "change", "log line", "run", "row", "time"]
LOG_HALF_S = 900.0
"""How much of a log is read on either side of the instant, in seconds."""
TODAY_S = 20 * 3600.0

RUNS = frozenset({"run", "training_run", "operation"})
"""Kinds of rows that began at some time: of these an instant shows those that had begun by then."""
_BEGAN = ("began_at", "started_at", "created_at", "updated_at")
_HAPPENED = ("active_at", "finished_at", "ended_at", *_BEGAN[:2], "committed_at", *_BEGAN[2:])

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?Z?")
_AGO = re.compile(r"-\s*(\d+)\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Instant(NamedTuple):
    """A moment in epoch seconds, what kind of thing it was taken from, and that thing's name."""

    at: float
    origin: Origin = "time"
    name: str = ""


class TimeCursor:
    """Where the deck is in time: `instant`, or None while all is live. The one place that holds it."""

    def __init__(self) -> None:
        self.instant: Instant | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def at(self) -> float | None:
        """The instant in epoch seconds; None while all is live."""
        return None if self.instant is None else self.instant.at

    def put(self, instant: Instant) -> None:
        """Move everything to an instant."""
        self._move(instant)

    def live(self) -> bool:
        """Everything shows now again; False when it did already."""
        was = self.instant is not None
        self._move(None)
        return was

    def listen(self, moved: Callable[[], None]) -> Callable[[], None]:
        """Be told when it moved. Answers the function that ends the listening."""
        self._listeners.append(moved)
        return lambda: self._listeners.remove(moved)

    def _move(self, instant: Instant | None) -> None:
        if instant != self.instant:
            self.instant = instant
            for moved in list(self._listeners):
                moved()


def words(at: float, now: float) -> str:
    """An instant as the deck writes times: hours and minutes in UTC, with the date when it is not today's."""
    when = datetime.fromtimestamp(at, UTC)
    return when.strftime("%H:%M" if abs(now - at) < TODAY_S else "%b %d %H:%M")


def banner(instant: Instant | None, now: float, key: str) -> str:
    """`at 02:04 (n live again)`; empty while all is live. One that the clock has not reached says so."""
    if instant is None:
        return ""
    ahead = ", ahead of this clock" if instant.at > now + 60 else ""
    return f"at {words(instant.at, now)}{ahead} ({key} live again)"


def right_edge(at: float | None, window: float, now: float) -> float:
    """Where a chart of `window` seconds ends: now, or so that the instant is in its middle as far as time went."""
    return now if at is None else max(at, min(at + window / 2, now))


def around(at: float) -> tuple[float, float]:
    """From when until when a log is read to show an instant."""
    return at - LOG_HALF_S, at + LOG_HALF_S


def happened(record: Record) -> float | None:
    """When what a row tells of happened, in epoch seconds: a run's end, an alert's begin, else what is known."""
    return _first(record, _HAPPENED)


def up_to(records: Sequence[Record], at: float | None) -> Sequence[Record]:
    """Without the runs that had not begun by then; the very sequence while all is live."""
    if at is None:
        return records
    return [row for row in records if row.kind not in RUNS or (_first(row, _BEGAN) or 0.0) <= at]


def _first(record: Record, names: Sequence[str]) -> float | None:
    return next((at for name in names if (at := getattr(record, name, None)) is not None), None)


def parse_time(text: str, now: float | None = None) -> float:
    """`02:14:31` (UTC, the last one that was), `-10m`, or an ISO date and time, as epoch seconds. Raises ValueError."""
    try:
        return _parsed(text.strip(), time.time() if now is None else now)
    except (ValueError, OverflowError):
        raise ValueError(f"not a time: {text.strip()[:40]}; write 02:14:31, -10m or 2024-05-01T02:14") from None


def _parsed(text: str, present: float) -> float:
    if match := _AGO.fullmatch(text):
        return present - int(match[1]) * _UNITS[match[2]]
    if match := _CLOCK.fullmatch(text):
        base = datetime.fromtimestamp(present, UTC)
        when = base.replace(hour=int(match[1]), minute=int(match[2]), second=int(match[3] or 0), microsecond=0)
        return (when if when <= base else when - timedelta(days=1)).timestamp()
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
