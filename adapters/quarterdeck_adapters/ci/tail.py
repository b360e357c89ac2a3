"""Following a log that is asked for again and again: whole each time, or from an offset; it may grow, shrink or change.

What was shown is not shown again while the log only grows. Where it shrank or was rewritten that is said, and it is
shown from its start: what is lost of a log is never passed over.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

from quarterdeck_lifecycle.errors import RateLimited, Unavailable
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.text import LineGate, LogLine

TRIES = 5
BATCH = 500


class Piece(NamedTuple):
    """What one question brought: new bytes, whether the log begins anew with them, and whether it has ended."""

    data: bytes
    ended: bool
    anew: str = ""
    """Why it begins anew, for the operator; empty while it only grew."""


class Whole:
    """A log that answers whole each time: what is new of it. Remembers a digest of what was seen, not the bytes."""

    def __init__(self) -> None:
        self.seen = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def piece(self, body: bytes, *, ended: bool) -> Piece:
        """What is new in `body`."""
        seen, known = self.seen, self._digest.digest()
        same = hashlib.blake2b(body[:seen], digest_size=16)
        if len(body) >= seen and same.digest() == known:
            self._digest.update(body[seen:])
            self.seen = len(body)
            return Piece(body[seen:], ended)
        anew = (
            f"the log shrank from {seen:,} to {len(body):,} bytes" if len(body) < seen else "the log was written anew"
        )
        self._digest = hashlib.blake2b(body, digest_size=16)
        self.seen = len(body)
        return Piece(body, ended, f"{anew}: from its start")


Lines = Callable[[LogLine], LogLine | None]


def _same(line: LogLine) -> LogLine | None:
    return line


class _Reading:
    """The lines of a log whose bytes come in pieces; `limit` lines at most are kept of what came before."""

    def __init__(self, read_line: Lines, options: LogOptions) -> None:
        self._gate = LineGate()
        self._read_line = read_line
        self._options = options

    def anew(self) -> None:
        self._gate = LineGate()

    def lines(self, piece: Piece) -> Iterator[LogLine]:
        options = self._options
        for raw in self._all(piece):
            line = self._read_line(raw)
            if line is None:
                continue
            if line.at is not None and (
                (options.since is not None and line.at < options.since)
                or (options.until is not None and line.at >= options.until)
            ):
                continue
            yield line

    def _all(self, piece: Piece) -> Iterator[LogLine]:
        yield from self._gate.feed(piece.data)
        if piece.ended:
            yield from self._gate.flush()


async def follow(
    ask: Callable[[], Awaitable[Piece]],
    options: LogOptions,
    *,
    sleep: Callable[[float], Awaitable[None]],
    pause_s: float,
    read_line: Lines = _same,
    name: str = "",
) -> AsyncIterator[LogBatch]:
    """The lines of one log: its last `options.tail` first, then what comes, until it has ended.

    `ask` brings the next piece; `read_line` reads a gated line (its time, its colours) or drops it. A system that is
    away for a while is asked again, which is said. Raises QuarterdeckError.
    """
    reading = _Reading(read_line, options)
    first, failures = True, 0
    prefix = f"{name}: " if name else ""
    while True:
        try:
            piece = await ask()
            failures = 0
        except (Unavailable, RateLimited) as error:
            failures += 1
            if first or not options.follow or failures > TRIES:
                raise
            wait = max(pause_s, (error.retry_after or 0.0) if isinstance(error, RateLimited) else 0.0)
            yield LogBatch(notice=f"{prefix}{error}; asking again in {wait:.0f} s")
            await sleep(wait)
            continue
        if piece.anew:
            reading.anew()
            yield LogBatch(notice=f"{prefix}{piece.anew}")
        if first or piece.anew:
            kept: deque[LogLine] = deque(maxlen=max(1, options.tail))
            count = 0
            for line in reading.lines(piece):
                kept.append(line)
                count += 1
            if count > len(kept):
                yield LogBatch(notice=f"{prefix}{count - len(kept):,} earlier lines are not shown")
            if kept:
                yield LogBatch(lines=list(kept))
        else:
            batch: list[LogLine] = []
            for line in reading.lines(piece):
                batch.append(line)
                if len(batch) == BATCH:
                    yield LogBatch(lines=batch)
                    batch = []
            if batch:
                yield LogBatch(lines=batch)
        first = False
        if piece.ended or not options.follow:
            return
        await sleep(pause_s)
