"""Container output: which lines a request asks for, and following them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from quarterdeck_demo.docker import tick
from quarterdeck_demo.docker.state import Container, Line
from quarterdeck_demo.docker.wire import NANO, STDERR, STDOUT, EngineError, frame, nanos, parse_unix, rfc3339, truthy
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request

KEPT_S = 6 * 3600.0
"""Seconds of output that the log file holds, as a rotated json-file does."""
KEPT_LINES = 20_000
MOST_FRAME = 16_384
PULSE_S = 0.1


class Wanted(NamedTuple):
    """The parameters of a log request."""

    streams: frozenset[int]
    since: int
    """Unix nanoseconds, like `until`."""
    until: int | None
    tail: int | None
    follow: bool
    timestamps: bool


def wanted(request: Request) -> Wanted:
    """Read the parameters; raises EngineError 400 without a stream, 500 for a broken time."""
    streams = {STDOUT: truthy(request.arg("stdout")), STDERR: truthy(request.arg("stderr"))}
    chosen = frozenset(stream for stream, on in streams.items() if on)
    if not chosen:
        raise EngineError(400, "Bad parameters: you must choose at least one stream")
    since, until, tail = request.arg("since"), request.arg("until"), request.arg("tail")
    last = parse_unix(until) if until not in ("", "0") else None
    return Wanted(
        chosen,
        parse_unix(since) if since else 0,
        last,
        int(tail) if tail.isdigit() else None,
        truthy(request.arg("follow")),
        truthy(request.arg("timestamps")),
    )


def between(container: Container, start: float, end: float) -> list[Line]:
    """The lines with start <= at <= end."""
    found: list[Line] = []
    for run in container.runs:
        last = end if run.ended is None else min(end, run.ended)
        if run.started <= last and start <= last:
            found += container.life.lines(run, max(start, run.started), last)
    return found


def select(container: Container, want: Wanted, now: float) -> list[Line]:
    """The lines that the log file holds now, cut to what is wanted."""
    end = _end(want, now)
    if not container.runs or want.tail == 0:
        return []
    last_output = min(end, container.run.ended or now)
    oldest = max(want.since / NANO - 1e-6, last_output - KEPT_S, container.runs[0].started)
    if want.tail is None:
        lines = _of(between(container, oldest, end), want)
    else:
        window = 60.0
        lines = _of(between(container, max(oldest, last_output - window), end), want)
        while len(lines) < want.tail and last_output - window > oldest:
            window *= 4
            lines = _of(between(container, max(oldest, last_output - window), end), want)
        lines = lines[-want.tail :]
    return lines[-KEPT_LINES:]


async def stream(world: World, container: Container, want: Wanted) -> AsyncIterator[bytes]:
    """The frames of a log answer; a followed log ends with the container's process."""
    tty, epoch, now = container.config["Tty"], world.epoch, world.now
    for line in select(container, want, now):
        for chunk in encode(line, tty=tty, timestamps=want.timestamps):
            yield chunk
    seen = now
    while want.follow and world.epoch == epoch:
        tick.advance(world)
        now = _end(want, world.now)
        for line in _of(between(container, seen, now), want):
            if line.at > seen:
                for chunk in encode(line, tty=tty, timestamps=want.timestamps):
                    yield chunk
        seen = max(seen, now)
        if (
            container.gone
            or not container.running
            or (want.until is not None and nanos(world.now) + 1_000 >= want.until)
        ):
            return
        await world.wait(PULSE_S)


def encode(line: Line, *, tty: bool, timestamps: bool) -> list[bytes]:
    """A line as frames of at most 16 KiB, bare with a TTY (which ends lines with CR LF)."""
    data = line.text.encode("utf-8", "surrogateescape")
    if timestamps:
        data = f"{rfc3339(line.at)} ".encode() + data
    if tty:
        return [data[:-1] + b"\r\n" if data.endswith(b"\n") else data]
    parts = [data[at : at + MOST_FRAME] for at in range(0, len(data), MOST_FRAME)]
    return [frame(line.stream, part) for part in parts]


def _of(lines: list[Line], want: Wanted) -> list[Line]:
    until = want.until
    return [
        line
        for line in lines
        if line.stream in want.streams and nanos(line.at) >= want.since and (until is None or nanos(line.at) <= until)
    ]


def _end(want: Wanted, now: float) -> float:
    return now if want.until is None else min(now, want.until / NANO + 1e-6)
