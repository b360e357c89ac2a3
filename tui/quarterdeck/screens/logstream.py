"""Lines from several sources into one log, with what the operator should know of gaps and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from quarterdeck.widgets.logbuffer import MARKER
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.instant import parse_time
from quarterdeck_lifecycle.ports import LogBatch, LogOptions, TailsLogs
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine, clean_line

OLDER_S = 20
_ERRORS = r"ERR|ERROR|CRIT|CRITICAL|FATAL|PANIC|EMERG|SEVERE"
_USUAL = ("time", "ts", "timestamp", "level", "severity", "logger", "message", "msg", "event")
_STYLES = {"time": "dim", "ts": "dim", "timestamp": "dim", "logger": "accent"}
_LEVEL_STYLES = {"w": "warn", "d": "debug", "t": "debug", "i": "info", **dict.fromkeys("efcps", "error")}


def _level(words: str) -> str:
    """Lines of these levels: the word in capitals, or as the value of a level field, or an exception's name."""
    field = rf'\b(?:level|lvl|severity)"?\s?[=:]\s?"?(?i:{words})\b'
    return rf"\b(?:{words}|Traceback|\w*(?:Error|Exception))\b|{field}"


LEVELS: tuple[tuple[str, str], ...] = (
    ("all", ""),
    ("warnings", _level(f"WARN|WARNING|{_ERRORS}")),
    ("errors", _level(_ERRORS)),
)
"""Name and regular expression of each step of the level key."""


class Ask(NamedTuple):
    """What is read from one source."""

    source: TailsLogs
    refs: Sequence[Ref]
    options: LogOptions


First = dict[tuple[int, str], float]
"""The time of the first line that is kept of each thing: by the place of its source, and its name there."""


async def merged(asks: Sequence[Ask]) -> AsyncGenerator[tuple[int, LogBatch], None]:
    """Batches of all sources as they come, each with the place of its source in `asks`.

    Each source merges its own by time. A failing source becomes a notice.
    """
    queue: asyncio.Queue[tuple[int, LogBatch] | None] = asyncio.Queue(maxsize=64)

    async def pump(place: int, ask: Ask) -> None:
        try:
            async for batch in ask.source.logs(ask.refs, ask.options):
                await queue.put((place, batch))
        except QuarterdeckError as error:
            await queue.put((place, LogBatch(notice=str(error))))
        except Exception as error:
            why = f"{type(error).__name__}: {clean_line(str(error))}"
            await queue.put((place, LogBatch(notice=f"the log broke off: {why}")))
        await queue.put(None)

    tasks = [asyncio.create_task(pump(place, ask)) for place, ask in enumerate(asks)]
    left = len(tasks)
    try:
        while left:
            found = await queue.get()
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def older(asks: Sequence[Ask], first: First) -> tuple[list[tuple[int, LogLine]], str]:
    """The lines before the first known ones, in the order of time, each with the place of its source.

    As many of each source as its ask's `tail`. With them what there is to say: that one failed or was too slow.
    """
    found, said = list[tuple[float, int, LogLine]](), ""
    ends = [max((at for (known, _), at in first.items() if known == place), default=0.0) for place in range(len(asks))]
    bounded = [
        ask._replace(options=msgspec.structs.replace(ask.options, until=end, follow=False))
        for ask, end in zip(asks, ends, strict=True)
    ]
    try:
        async with asyncio.timeout(OLDER_S):
            async for place, batch in merged(bounded):
                for line in batch.lines:
                    if line.at is not None and line.at < first.get((place, line.source), ends[place]):
                        found.append((line.at, place, line))
                said = batch.notice or said
    except TimeoutError:
        said = f"no answer within {OLDER_S} s"
    return [(place, line) for _, place, line in sorted(found, key=itemgetter(0))], said


def json_columns(text: str) -> list[tuple[str, str]]:
    """A line that is a JSON object as (text, style): the values of the usual fields, then the others with their names.

    Empty for any other line, which then shows as it came.
    """
    start = text.find("{")
    if start < 0 or not text.rstrip().endswith("}"):
        return []
    try:
        found: Any = msgspec.json.decode(text[start:])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return []
    if not isinstance(found, dict):
        return []
    columns = [(text[:start].rstrip(), "dim")] if start else []
    for key in _USUAL:
        if key in found:
            value = _value(found[key])
            if key in ("level", "severity"):
                columns.append((f"{value.upper():<7}", _LEVEL_STYLES.get(value[:1].lower(), "")))
            else:
                columns.append((f"{value:<12}" if key == "logger" else value, _STYLES.get(key, "")))
    columns += [(f"{clean_line(str(k), 40)}={_value(v)}", "dim") for k, v in found.items() if k not in _USUAL]
    return columns


def _value(found: Any) -> str:
    if not isinstance(found, str):
        found = msgspec.json.encode(found).decode()
    return clean_line(found, 400)


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
        if line.source == MARKER:
            out.append(f"{stamp}── {line.text} ──")
        else:
            out.append(f"{stamp}{line.source + ' ' if several and line.source else ''}{line.text}")
    return "\n".join(out) + "\n"
