"""Lines from several sources into one log, with what the operator should know of gaps and ends."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import LogBatch, LogOptions, TailsLogs
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine, clean_line

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?Z?")
_AGO = re.compile(r"-\s*(\d+)\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

LEVELS: tuple[tuple[str, str], ...] = (
    ("all", ""),
    ("warnings", r"\b(WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|FATAL|PANIC|EMERG|Traceback|Exception)\b"),
    ("errors", r"\b(ERR|ERROR|CRIT|CRITICAL|FATAL|PANIC|EMERG|Traceback|Exception)\b"),
)


async def merged(sources: Sequence[tuple[TailsLogs, Sequence[Ref]]], options: LogOptions) -> AsyncIterator[LogBatch]:
    """Batches of all sources as they come; each source merges its own by time. A failing source becomes a notice."""
    queue: asyncio.Queue[LogBatch | None] = asyncio.Queue(maxsize=64)

    async def pump(source: TailsLogs, refs: Sequence[Ref]) -> None:
        try:
            async for batch in source.logs(refs, options):
                await queue.put(batch)
        except QuarterdeckError as error:
            await queue.put(LogBatch(notice=str(error)))
        finally:
            await queue.put(None)

    tasks = [asyncio.create_task(pump(source, refs)) for source, refs in sources]
    left = len(tasks)
    try:
        while left:
            batch = await queue.get()
            if batch is None:
                left -= 1
            else:
                yield batch
    finally:
        for task in tasks:
            task.cancel()


def json_fields(text: str) -> list[tuple[str, str]]:
    """The fields of a line that is a JSON object, the usual ones first; empty for any other line."""
    start = text.find("{")
    if start < 0 or not text.rstrip().endswith("}"):
        return []
    try:
        found: Any = msgspec.json.decode(text[start:])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return []
    if not isinstance(found, dict):
        return []
    usual = ("time", "ts", "timestamp", "level", "severity", "logger", "message", "msg", "event")
    keys = [key for key in usual if key in found] + [key for key in found if key not in usual]
    return [
        (clean_line(str(key), 40), clean_line(v if isinstance(v := found[key], str) else str(v), 400)) for key in keys
    ]


def parse_time(text: str, now: float | None = None) -> float:
    """`02:14:31` (UTC, the last one that was), `-10m`, or an ISO date and time, as epoch seconds. Raises ValueError."""
    present = time.time() if now is None else now
    text = text.strip()
    if match := _AGO.fullmatch(text):
        return present - int(match[1]) * _UNITS[match[2]]
    if match := _CLOCK.fullmatch(text):
        base = datetime.fromtimestamp(present, UTC)
        when = base.replace(hour=int(match[1]), minute=int(match[2]), second=int(match[3] or 0), microsecond=0)
        return (when if when <= base else when - timedelta(days=1)).timestamp()
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def parse_range(text: str, now: float | None = None) -> tuple[float | None, float | None]:
    """`-1h..-30m`, `02:00..02:15`, `-10m..` as (since, until); empty sides are open. Raises ValueError."""
    since, sep, until = text.partition("..")
    if not sep:
        raise ValueError("a range is written FROM..TO, such as -1h..-30m or 02:00..02:15")
    start = parse_time(since, now) if since.strip() else None
    end = parse_time(until, now) if until.strip() else None
    if start is not None and end is not None and start >= end:
        raise ValueError("the range ends before it begins")
    return start, end


def as_text(lines: Sequence[LogLine], several: bool) -> str:
    """Lines for a file or the clipboard: time, source where there are several, text."""
    out = []
    for line in lines:
        stamp = ""
        if line.at is not None:
            stamp = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") + " "
        out.append(f"{stamp}{line.source + ' ' if several and line.source else ''}{line.text}")
    return "\n".join(out) + "\n"
