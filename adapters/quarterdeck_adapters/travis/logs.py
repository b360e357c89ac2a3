"""Logs of jobs and builds: those of jobs that run grow, and are asked for again and again.

https://developer.travis-ci.com/resource/log
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.tail import BATCH, TRIES, Whole
from quarterdeck_adapters.ci.values import Json, epoch, size, text, whole
from quarterdeck_adapters.travis import mapping, steps
from quarterdeck_adapters.travis.api import TravisApi
from quarterdeck_adapters.travis.parts import body_of
from quarterdeck_adapters.travis.places import Place
from quarterdeck_lifecycle.errors import NotFound, RateLimited, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LineGate, LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource

POLL_S = 5.0
MODE = "polling 5 s"
SETTLED_S = 30.0
"""Seconds after a job's end at which its log is taken for complete."""
PATIENCE = 3
"""Times that a missing or final part is waited for."""
READ = 2 * 1024 * 1024
_CHUNK = 64 * 1024


class JobLog:
    """One life of a job's log, read as it grows."""

    def __init__(self, source: TravisSource, place: Place, name: str, options: LogOptions) -> None:
        self.source, self.place, self.name, self.options = source, place, name, options
        self.done = False
        self._whole, self._gate = Whole(), LineGate(name)
        self._first, self._waited = True, 0

    async def read(self, job: Json) -> AsyncIterator[LogBatch]:
        """What is new. Raises QuarterdeckError."""
        ended = not mapping.in_flight(job)
        finished = epoch(job.get("finished_at")) or 0.0
        if self._first and ended and self.source.api.server_now - finished > SETTLED_S:
            async for batch in self._complete():
                yield batch
            self.done = True
            return
        log = await self.source.api.object(f"{self.place.the_job}/log")
        body = body_of(log)
        if body.missing is not None and self._waited >= PATIENCE:
            body = body_of(log, despite_gap=True)
            yield LogBatch(notice=f"{self._named}part {body.missing} of the log never came")
        self._waited = self._waited + 1 if body.missing is not None or (ended and not body.final) else 0
        self.done = (body.final and body.missing is None) or (ended and self._waited > PATIENCE)
        piece = self._whole.piece(body.data, ended=self.done)
        if piece.anew:
            self._gate = LineGate(self.name)
            yield LogBatch(notice=f"{self._named}{piece.anew}")
        lines = self._lines(piece.data, ended=self.done)
        for batch in self._cut(lines) if self._first or piece.anew else _batches(lines):
            yield batch
        self._first = False
        if self.done and not body.final:
            yield LogBatch(notice=f"{self._named}the job has ended, and the last part of its log never came")

    @property
    def _named(self) -> str:
        return f"{self.name}: " if self.name else ""

    def _lines(self, data: bytes, *, ended: bool) -> Iterator[LogLine]:
        for start in range(0, len(data), _CHUNK):
            yield from self._gate.feed(data[start : start + _CHUNK])
        if ended:
            yield from self._gate.flush()

    def _cut(self, lines: Iterator[LogLine]) -> Iterator[LogBatch]:
        kept: deque[LogLine] = deque(maxlen=max(1, self.options.tail))
        count = 0
        for line in lines:
            kept.append(line)
            count += 1
        yield from self._kept(kept, count)

    def _kept(self, kept: deque[LogLine], count: int) -> Iterator[LogBatch]:
        if count > len(kept):
            yield LogBatch(notice=f"{self._named}{count - len(kept):,} earlier lines are not shown")
        yield LogBatch(lines=list(kept))

    async def _complete(self) -> AsyncIterator[LogBatch]:
        """The end of a log that is complete, in pieces, so that a huge one costs no memory."""
        kept: deque[LogLine] = deque(maxlen=max(1, self.options.tail))
        count = 0
        async with self.source.api.bytes(f"{self.place.the_job}/log.txt") as response:
            async for chunk in response.aiter_bytes(_CHUNK):
                for line in self._gate.feed(chunk):
                    kept.append(line)
                    count += 1
                await asyncio.sleep(0)
        for line in self._gate.flush():
            kept.append(line)
            count += 1
        for batch in self._kept(kept, count):
            yield batch


def _batches(lines: Iterator[LogLine]) -> Iterator[LogBatch]:
    batch: list[LogLine] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield LogBatch(lines=batch)
            batch = []
    if batch:
        yield LogBatch(lines=batch)


class Following:
    """The jobs that one log is of. A job that is started again has a log of its own anew."""

    def __init__(self, source: TravisSource, place: Place, options: LogOptions) -> None:
        self.source, self.place, self.options = source, place, options
        self._logs: dict[tuple[int, str], JobLog] = {}
        self._told = ""

    async def round(self, *, several: bool) -> AsyncIterator[LogBatch]:
        """What is new in all of them. Raises QuarterdeckError."""
        builds, place = self.source.builds, self.place
        jobs = [await builds.job(place)] if place.job else await builds.jobs(place.number)
        for job in jobs:
            id = whole(job.get("id")) or 0
            name = mapping.job_name(job) if several else ""
            key = id, text(job.get("restarted_at"))
            known = any(each == id for each, _ in self._logs)
            begun = epoch(job.get("started_at")) is not None or not mapping.in_flight(job)
            if key not in self._logs:
                if known:
                    yield LogBatch(notice=f"{mapping.job_name(job)} was started again: its log begins anew")
                self._logs[key] = JobLog(self.source, place._replace(job=id), name, self.options)
            log = self._logs[key]
            if log.done or not begun:
                continue
            try:
                async for batch in log.read(job):
                    yield batch
            except NotFound as error:
                if not several:
                    raise
                log.done = True
                yield LogBatch(notice=f"{name}: {error.why or error.what}")
        self.open = [job for job in jobs if not self._done(job)]
        if (notice := self._waits()) != self._told:
            self._told = notice
            if notice:
                yield LogBatch(notice=notice)

    open: Sequence[Json] = ()
    """The jobs whose logs are not complete."""

    def _done(self, job: Json) -> bool:
        return self._logs[whole(job.get("id")) or 0, text(job.get("restarted_at"))].done

    def _waits(self) -> str:
        names = [f"{mapping.job_name(job)} ({mapping.word(job)})" for job in self.open[:4]]
        more = f" and {len(self.open) - 4} more" if len(self.open) > 4 else ""
        asking = f"; {MODE}" if self.options.follow else ""
        return f"goes on: {', '.join(names)}{more}{asking}" if names else ""


async def tail(source: TravisSource, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
    """The logs of jobs, and of builds those of all their jobs. Ends when all of them are complete."""
    if options.previous:
        raise Unsupported(
            "no log of an earlier attempt", source=source.name, why="Travis keeps one log a job: a restart empties it"
        )
    follows = [Following(source, source.place(ref), options) for ref in refs]
    several = len(refs) > 1 or any(not follow.place.job for follow in follows)
    first, failures = True, 0
    while follows:
        for follow in list(follows):
            try:
                async for batch in follow.round(several=several):
                    yield batch
                failures = 0
            except (Unavailable, RateLimited) as error:
                failures += 1
                if first or not options.follow or failures > TRIES:
                    raise
                wait = max(POLL_S, (error.retry_after or 0.0) if isinstance(error, RateLimited) else 0.0)
                yield LogBatch(notice=f"{error}; asking again in {wait:.0f} s")
                await source.sleep(wait)
                continue
            if not follow.open or not options.follow:
                follows.remove(follow)
        first = False
        if follows:
            await source.sleep(POLL_S)


class Seen(NamedTuple):
    """What was read of a log: its commands, what speaks of an error, and what was left out."""

    told: steps.Told
    found: failing.Found
    note: str = ""


async def seen(api: TravisApi, place: Place) -> Seen:
    """Read a job's log for its commands and its failure: its last 2 MiB at most. Raises QuarterdeckError."""
    kept: deque[bytes] = deque()
    held = total = 0
    async with api.bytes(f"{place.the_job}/log.txt") as response:
        async for chunk in response.aiter_bytes(_CHUNK):
            kept.append(chunk)
            held, total = held + len(chunk), total + len(chunk)
            while held - len(kept[0]) >= READ:
                held -= len(kept.popleft())
    data = b"".join(kept)
    note = f"of {size(total)} the last {size(held)} were read" if held < total else ""

    def work() -> Seen:
        return Seen(steps.read(data.decode("utf-8", "replace")), failing.read_bytes(data), note)

    return await call(work, deadline=10, source=api.source, what="reading a log")
