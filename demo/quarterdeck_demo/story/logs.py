"""What containers write: lines as a pure function of the container, the moment and its trouble."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from quarterdeck_demo.story.curves import Timeline, noise
from quarterdeck_demo.story.records import Container


class LogLine(NamedTuple):
    """A line, without its end, as the engine keeps it; `stream` is stdout or stderr."""

    at: float
    stream: str
    text: str


PLAIN: dict[str, tuple[str, ...]] = {
    "fraud-api": ("INFO  POST /score 200 {ms}ms req={req}", "INFO  POST /score 200 {ms}ms req={req} cached",
                  "DEBUG pool: 3 of 20 in use"),
    "scorer": ("INFO  predict model=fraud rows=1 {ms}ms", "INFO  predict model=fraud rows=8 {ms}ms"),
    "redis": ("1:M * 100 changes in 300 seconds. Saving...", "1:M * Background saving terminated with success"),
    "db": ("LOG:  checkpoint complete: wrote {ms} buffers",),
    "etl": ("INFO  batch {req}: {ms}000 rows", "WARN  batch {req}: resident 4{ms} MiB"),
    "mlflow": ('INFO:     127.0.0.1 - "GET /api/2.0/mlflow/runs/search HTTP/1.1" 200 OK',),
}  # fmt: skip
TROUBLED = (
    "\x1b[31mERROR\x1b[0m pool: timeout after 400ms req={req}",
    "\x1b[33mWARN\x1b[0m  score fallback model=v17 req={req}",
    "\x1b[31mERROR\x1b[0m pool: timeout after 400ms req={req}",
)
TICK = 1.0
SPARSE = {"redis": 40, "db": 30, "mlflow": 9, "dashboards": 15, "churn": 5}
"""Ticks between lines of the quieter services."""


def log_lines(container: Container, since: float, until: float, timeline: Timeline) -> Iterator[LogLine]:
    """The lines with `since` < at <= `until`, oldest first."""
    first = int(max(since, container.started_at) // TICK)
    for tick in range(first, int(_end(container, until) // TICK) + 1):
        for line in _tick(container, tick, timeline):
            if since < line.at <= until:
                yield line


def last_lines(container: Container, count: int, until: float, timeline: Timeline) -> list[LogLine]:
    """The newest `count` lines up to `until`, oldest first."""
    found: list[LogLine] = []
    tick = int(_end(container, until) // TICK)
    while len(found) < count and tick >= int(container.started_at // TICK):
        found.extend(line for line in reversed(_tick(container, tick, timeline)) if line.at <= until)
        tick -= 1
    return found[:count][::-1]


def _end(container: Container, until: float) -> float:
    return min(until, container.finished_at) if container.finished_at else until


def _tick(container: Container, tick: int, timeline: Timeline) -> list[LogLine]:
    start = int(container.started_at // TICK)
    if tick == start:
        version = container.release.version if container.release else container.image.tags[0]
        return [_line(container.started_at + 0.2, "stdout", f"INFO  starting {container.service} {version}")]
    if container.finished_at and tick == int(container.finished_at // TICK) and container.exit_code:
        return [_line(container.finished_at - 0.01, "stderr", "ERROR worker was killed (signal 9)")]
    if tick % SPARSE.get(container.service, 1):
        return []
    roll = noise(container.id, tick)
    if roll < -0.55:
        return []
    request = format(int((roll + 1) * 2**15) & 0xFFFF, "04x")
    trouble = timeline.trouble(container.service, container.environment, tick * TICK)
    broken = container.release is not None and container.release.broken
    if broken and noise(container.id + "!", tick) < trouble * 1.1 - 1:
        text, stream = TROUBLED[tick % len(TROUBLED)], "stderr"
    else:
        texts = PLAIN.get(container.service, ("INFO  GET / 200 {ms}ms",))
        text, stream = texts[tick % len(texts)], "stdout"
    slow = 40 + int((roll + 1) * 60 * (1 + 3 * trouble))
    return [_line(tick * TICK + (roll + 1) / 2 * 0.9, stream, text.format(req=request, ms=slow))]


def _line(at: float, stream: str, text: str) -> LogLine:
    clock = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
    return LogLine(at, stream, f"{clock} {text}")
