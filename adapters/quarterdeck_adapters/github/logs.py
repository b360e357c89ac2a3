"""Logs of jobs and runs. GitHub shows no log of a job that runs: it is asked for when the job ends.

https://docs.github.com/en/rest/actions/workflow-jobs?apiVersion=2022-11-28#download-job-logs-for-a-workflow-run
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import Json, shown, whole
from quarterdeck_adapters.github.loglines import JobLines
from quarterdeck_adapters.github.mapping import in_flight, word
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import NotFound, RateLimited, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

MODE = "available when the job ends"
POLL_S = 5.0
TRIES = 5
BATCH = 500


class Following:
    """The jobs that one log is of: which are shown, and which are waited for."""

    def __init__(self, source: GithubSource, place: Place, options: LogOptions) -> None:
        self.source = source
        self.place = place
        self.options = options
        self.done: set[int] = set()
        self._told: frozenset[int] | None = None

    async def jobs(self) -> tuple[list[Json], bool]:
        """The jobs as they are now, and whether more may come. Raises QuarterdeckError."""
        runs, place = self.source.runs, self.place
        if self.options.previous:
            return await self._previous(), False
        if place.job:
            job = await self.source.api.object(place.the_job, etag=True)
            return [job], in_flight(job)
        run = await self.source.api.object(place.run, etag=True)
        return await runs.jobs(place, etag=True), in_flight(run)

    async def _previous(self) -> list[Json]:
        place, api = self.place, self.source.api
        job = await api.object(place.the_job) if place.job else {}
        attempt = whole((job or await api.object(place.run)).get("run_attempt")) or 1
        if attempt < 2:
            raise Unsupported("no log of an earlier attempt", source=self.source.name, why="this is the first attempt")
        found = await self.source.runs.jobs(place, attempt=attempt - 1)
        same = [each for each in found if not job or each.get("name") == job.get("name")]
        if not same:
            raise NotFound(f"attempt {attempt - 1} had no job of that name", source=self.source.name)
        return same

    def waits(self, jobs: Sequence[Json]) -> str:
        """What is waited for, in words, when that differs from what was last said."""
        left = [job for job in jobs if in_flight(job)]
        ids = frozenset(whole(job.get("id")) or 0 for job in left)
        if ids == self._told:
            return ""
        self._told = ids
        if not left:
            return "waiting for the run's next jobs; asking every 5 s"
        names = ", ".join(f"{shown(job.get('name'), 60)} ({word(job)})" for job in left[:4])
        more = f" and {len(left) - 4} more" if len(left) > 4 else ""
        return f"{names}{more}: the log is {MODE}; asking every 5 s"


async def tail(
    source: GithubSource, refs: Sequence[Ref], options: LogOptions
) -> AsyncIterator[LogBatch]:
    """The logs of jobs, one after the other; of a run all its jobs. Ends when there is nothing more to come."""
    follows = [Following(source, source.place(ref), options) for ref in refs]
    several = len(refs) > 1 or any(not follow.place.job for follow in follows)
    first, failures = True, 0
    while follows:
        for follow in list(follows):
            try:
                jobs, more = await follow.jobs()
                for job in jobs:
                    id = whole(job.get("id")) or 0
                    if id in follow.done or in_flight(job):
                        continue
                    keep = max(1, options.tail) if first else None
                    async for batch in _job(source, follow, job, keep, several=several):
                        yield batch
                    follow.done.add(id)
                failures = 0
            except (Unavailable, RateLimited) as error:
                failures += 1
                if first or not options.follow or failures > TRIES:
                    raise
                pause = error.retry_after if isinstance(error, RateLimited) else None
                yield LogBatch(notice=f"{error}; asking again in {max(POLL_S, pause or 0.0):.0f} s")
                await source.sleep(max(POLL_S, pause or 0.0))
                continue
            if notice := follow.waits(jobs) if more else "":
                yield LogBatch(notice=notice if options.follow else notice.partition("; asking")[0])
            if not more or not options.follow:
                follows.remove(follow)
        first = False
        if follows:
            await source.sleep(POLL_S)


async def _job(
    source: GithubSource, follow: Following, job: Json, keep: int | None, *, several: bool
) -> AsyncIterator[LogBatch]:
    """One ended job's log: its last `keep` lines, or all. Taken up where it stopped when the connection is lost."""
    name, state = shown(job.get("name"), 100), word(job)
    head = f"{name}: {state}" if several else ""
    if state == "skipped":
        yield LogBatch(notice=f"{name} was skipped: it has no log")
        return
    place = follow.place._replace(job=whole(job.get("id")) or 0)
    shown_lines, failures = 0, 0
    if head:
        yield LogBatch(notice=head)
    while True:
        kept: deque[LogLine] = deque(maxlen=keep or BATCH)
        count = cut = 0
        try:
            async for line in lines(source, place, name if several else "", follow.options):
                count += 1
                if count <= shown_lines:
                    continue
                if keep is not None and len(kept) == keep:
                    cut += 1
                kept.append(line)
                if keep is None and len(kept) == BATCH:
                    shown_lines += BATCH
                    yield LogBatch(lines=list(kept))
                    kept.clear()
        except (Unavailable, NotFound) as error:
            failures += 1
            late = isinstance(error, NotFound) and keep is None
            if failures > TRIES or not (late or (isinstance(error, Unavailable) and failures < 3)):
                if isinstance(error, NotFound) and several:
                    yield LogBatch(notice=f"{name}: {error.why or error.what}")
                    return
                raise
            await source.sleep(POLL_S)
            continue
        if cut:
            yield LogBatch(notice=f"{name}: {cut:,} earlier lines are not shown")
        yield LogBatch(lines=list(kept))
        return


async def lines(source: GithubSource, place: Place, name: str, options: LogOptions) -> AsyncIterator[LogLine]:
    """The lines of one job's log as they arrive, within the window that is asked for. Raises QuarterdeckError."""
    reading = JobLines(name)

    def wanted(line: LogLine) -> bool:
        if line.at is None:
            return True
        return (options.since is None or line.at >= options.since) and (
            options.until is None or line.at < options.until
        )

    async with source.api.bytes(f"{place.the_job}/logs") as response:
        async for chunk in response.aiter_bytes(64 * 1024):
            for line in filter(wanted, reading.feed(chunk)):
                yield line
            # One chunk at a time: a log of hundreds of megabytes must not hold the screen.
            await asyncio.sleep(0)
        for line in filter(wanted, reading.flush()):
            yield line
