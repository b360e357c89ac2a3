"""Following the logs of local runs: files that grow, looked at twice a second while a run goes on, else not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck_adapters.ci.values import shown
from quarterdeck_adapters.local import mapping
from quarterdeck_adapters.local.book import Kept
from quarterdeck_adapters.local.runner import log_name
from quarterdeck_lifecycle.errors import NotFound, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LineGate, LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.local.adapter import LocalSource

PAUSE_S = 0.5
PIECE = 64 * 1024
END = 4 * 1024 * 1024
"""Bytes of a log's end that are looked through for its last lines."""


class Read(NamedTuple):
    """A piece of a log file from an offset; `size` is the file's now, `skipped` lines before it were not asked for."""

    data: bytes
    offset: int
    size: int
    skipped: int = 0


def last_lines(path: Path, count: int) -> Read:
    """Where the last `count` lines of a log begin, within its last 4 MiB. Blocks; reads nothing of them."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start, before = max(0, size - END), 0
            left = start
            while left > 0 and (piece := file.read(min(left, 1024 * 1024))):
                before += piece.count(b"\n")
                left -= len(piece)
            data = file.read(END)
    except FileNotFoundError:
        return Read(b"", 0, 0)
    at = len(data) - data.endswith(b"\n")
    for _ in range(count):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            break
    begin = at + 1 if at >= 0 or start == 0 else data.find(b"\n") + 1
    return Read(b"", start + begin, size, before + data.count(b"\n", 0, begin))


def piece_of(path: Path, offset: int) -> Read:
    """The next piece of a log. Blocks. Raises OSError."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(offset)
            return Read(file.read(PIECE) if size > offset else b"", offset, size)
    except FileNotFoundError:
        return Read(b"", offset, 0)


def _notice(words: str) -> LogBatch:
    return LogBatch(notice=shown(words, 1000))


class Following:
    """One ref's log: of a run the logs of its steps, one after the other."""

    def __init__(self, source: LocalSource, ref: Ref, options: LogOptions, *, several: bool) -> None:
        self.source, self.options, self.several = source, options, several
        self.key, self.number, self.step = source.parts(ref)
        if self.number == mapping.READY:
            raise Unsupported("no log", source=source.name, why="this is the pipeline, not a run of it")
        if options.previous:
            self.number = self._previous()
        self.at = max(self.step, 0)
        self.offset = -1
        self.gate = LineGate()
        self.over = self.moved = False

    def _previous(self) -> int:
        before = next((number for number in self.source.book.numbers(self.key) if number < self.number), 0)
        if not before:
            raise NotFound("no earlier run of it is kept", source=self.source.name)
        return before

    async def more(self) -> list[LogBatch]:
        """What there is now, a piece at most. Sets `moved` where something is new, and `over` at the end."""
        kept, read = await self.source.on_thread(self._look, "reading the log")
        steps = kept.spec.steps
        if self.at >= len(steps):
            raise NotFound("that run has no such step", source=self.source.name)
        state, name = mapping.step_word(kept, self.at), shown(steps[self.at].name, 60)
        self.moved = True
        if self.offset < 0 and state == "not run" and self.step < 0:
            return self._last_word(kept)
        if self.offset < 0 and state == "queued" and not read.size:
            self.moved = False
            return []
        if self.offset < 0:
            return self._begin(kept, read, state, name)
        if read.size < self.offset:
            shrank = f"{name}: the log shrank from {self.offset:,} to {read.size:,} bytes: from its start"
            self.offset, self.gate = 0, LineGate()
            return [_notice(shrank)]
        if read.data:
            self.offset += len(read.data)
            return self._batch(self.gate.feed(read.data), name)
        if state in ("running", "queued"):
            self.moved = False
            return self._last_word(kept) if mapping.word(kept) == "elsewhere" else []
        return [*self._batch(self.gate.flush(), name), *self._next(kept)]

    def _look(self) -> tuple[Kept, Read]:
        # The journal first: what it says has ended is whole in the file that is read afterwards.
        kept = self.source.book.read(self.key, self.number)
        path = kept.folder / log_name(self.at)
        try:
            first = self.offset < 0
            return kept, last_lines(path, max(1, self.options.tail)) if first else piece_of(path, self.offset)
        except OSError as error:
            why = error.strerror or str(error)
            raise Unavailable("the log cannot be read", source=self.source.name, why=f"{path}: {why}") from error

    def _begin(self, kept: Kept, read: Read, state: str, name: str) -> list[LogBatch]:
        self.offset = read.offset
        heads = [f"{kept.spec.pipeline} #{self.number} {name}: {state}"] if self.step < 0 or self.several else []
        if read.skipped:
            heads.append(f"{name}: {read.skipped:,} earlier lines are not shown")
        return [_notice(head) for head in heads]

    def _next(self, kept: Kept) -> list[LogBatch]:
        if self.step >= 0:
            self.over = True
            return []
        if self.at + 1 >= len(kept.spec.steps):
            return self._last_word(kept) if kept.over else []
        self.at, self.offset, self.gate = self.at + 1, -1, LineGate()
        return []

    def _last_word(self, kept: Kept) -> list[LogBatch]:
        self.over = True
        words = (f"{kept.spec.pipeline} #{self.number}", mapping.word(kept), mapping.note(kept))
        return [_notice(": ".join(filter(None, words)))]

    def _batch(self, lines: Sequence[LogLine], name: str) -> list[LogBatch]:
        label = name if self.step < 0 or self.several else ""
        return [LogBatch(lines=[line._replace(source=label) for line in lines] if label else lines)] if lines else []


async def tail(source: LocalSource, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
    """The logs of steps and runs: their last lines, then what comes, until the runs have ended."""
    follows = [Following(source, ref, options, several=len(refs) > 1) for ref in refs]
    while follows:
        moved = False
        for follow in follows:
            for batch in await follow.more():
                yield batch
            moved = moved or follow.moved
            # One piece at a time: a log of many megabytes must not hold the screen.
            await asyncio.sleep(0)
        follows = [follow for follow in follows if not follow.over]
        if not moved:
            if not options.follow:
                return
            await source.sleep(PAUSE_S)
