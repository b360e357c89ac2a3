"""Logs of jobs: asked for again while they grow. GitLab answers the whole log each time; a proxy may serve ranges.

https://docs.gitlab.com/api/jobs/#get-a-log-file
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.tail import Piece, follow
from quarterdeck_adapters.ci.values import Json, shown, whole
from quarterdeck_adapters.gitlab import mapping
from quarterdeck_adapters.gitlab.loglines import LAST, marked, read_line
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

POLL_S = 5.0
MODE = "polling 5 s"
LARGEST = 8 * 1024 * 1024
"""Bytes of a log that are held at once, its last ones; what was before is left out, and that is said."""
OVERLAP = 512
CUT = 16 * 1024
"""A mark of a section may be cut in two by the end of a piece: so many bytes without a line's end wait."""
_TOTAL = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class Trace:
    """One job's log, whole or in ranges: what is new of it since it was asked for last.

    Of what was seen a digest and the last bytes are kept, so that a log that shrank or was written anew shows.
    """

    def __init__(self, source: GitlabSource, place: Place) -> None:
        self.source = source
        self.place = place
        self.seen = 0
        self._ranges = True
        self._digest = hashlib.blake2b(digest_size=16)
        self._end = b""
        self._etag = ""
        self._held = b""

    async def ask(self) -> Piece:
        """The next piece. The job is read first, so that the last question comes after it has ended."""
        job = await self.source.api.object(self.place.the_job)
        ended = not mapping.in_flight(job) or mapping.word(job) == "manual"
        piece = await self._ask(ended=ended)
        data = self._held + piece.data if not piece.anew else piece.data
        self._held = b""
        cut = data.rfind(b"\n") + 1
        if not ended and len(data) - cut < CUT:
            data, self._held = data[:cut], data[cut:]
        return piece._replace(data=marked(data.removesuffix(LAST) if ended else data))

    async def _ask(self, *, ended: bool) -> Piece:
        headers = {"If-None-Match": self._etag} if self._etag else {}
        back = min(len(self._end), OVERLAP)
        if self.seen and self._ranges:
            headers = {"Range": f"bytes={self.seen - back}-"}
        try:
            async with self.source.api.trace(f"{self.place.the_job}/trace", headers) as response:
                if response.status_code == 304:
                    return Piece(b"", ended)
                found = _TOTAL.fullmatch(response.headers.get("content-range", ""))
                part = response.status_code == 206 and "Range" in headers
                if part and found is not None and int(found[1] or -1) == self.seen - back:
                    piece = await self._more(response.aiter_bytes(), back, ended=ended)
                    if piece is not None:
                        return piece
                elif not part and response.status_code != 416:
                    self._ranges = self._ranges and "Range" not in headers
                    self._etag = response.headers.get("etag", "")
                    return await self._whole(response.aiter_bytes(), ended=ended)
        except NotFound:
            if ended:
                raise
            return Piece(b"", ended=False)
        # A range that does not continue what was seen, or none there any more: the whole of it from now on.
        self._ranges, self._etag = False, ""
        return await self._ask(ended=ended)

    async def _more(self, chunks: AsyncIterator[bytes], back: int, *, ended: bool) -> Piece | None:
        """What a range brought after the overlap; None when the overlap is not what was seen."""
        head, kept, total, digest = b"", _Last(), 0, self._digest.copy()
        async for chunk in chunks:
            total += len(chunk)
            take = max(0, back - len(head))
            head += chunk[:take]
            digest.update(chunk[take:])
            kept.add(chunk[take:])
            await asyncio.sleep(0)
        if head != self._end[-back:]:
            return None
        self._digest = digest
        self.seen += total - back
        data = kept.bytes()
        self._end = (self._end + data)[-OVERLAP:]
        return self._piece(data, kept.lost, ended=ended, anew="")

    async def _whole(self, chunks: AsyncIterator[bytes], *, ended: bool) -> Piece:
        """What a whole body has that was not seen."""
        digest, kept, total, same = hashlib.blake2b(digest_size=16), _Last(), 0, False
        async for chunk in chunks:
            if total <= self.seen < total + len(chunk):
                cut = self.seen - total
                digest.update(chunk[:cut])
                same = digest.digest() == self._digest.digest()
                digest.update(chunk[cut:])
            else:
                digest.update(chunk)
            total += len(chunk)
            kept.add(chunk)
            await asyncio.sleep(0)
        if total == self.seen:
            same = digest.digest() == self._digest.digest()
        data, seen = kept.bytes(), self.seen
        self._digest, self.seen, self._end = digest, total, data[-OVERLAP:]
        if same:
            new = data[-(total - seen) :] if total > seen else b""
            return self._piece(new, max(0, kept.lost - seen), ended=ended, anew="")
        anew = f"the log shrank from {seen:,} to {total:,} bytes" if total < seen else "the log was written anew"
        return self._piece(data, kept.lost, ended=ended, anew=f"{anew}: from its start")

    def _piece(self, data: bytes, lost: int, *, ended: bool, anew: str) -> Piece:
        if lost:
            left_out = f"{lost:,} bytes before are left out: the last {LARGEST >> 20} MiB are shown"
            anew = f"{anew}; {left_out}" if anew else left_out
        return Piece(data, ended, anew)


class _Last:
    """The last bytes of what is added, and how many went."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.lost = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= LARGEST:
            gone = len(self._chunks.popleft())
            self._size -= gone
            self.lost += gone

    def bytes(self) -> bytes:
        """What is kept."""
        return b"".join(self._chunks)


async def tail(source: GitlabSource, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
    """The logs of jobs, one after the other; of a run those of its jobs that have one. Raises QuarterdeckError."""
    places = [source.place(ref) for ref in refs]
    several = len(refs) > 1 or any(not place.job for place in places)
    for place in places:
        if place.job:
            async for batch in _job(source, place, options, named=several):
                yield batch
        else:
            async for batch in _run(source, place, options):
                yield batch


async def _run(source: GitlabSource, place: Place, options: LogOptions) -> AsyncIterator[LogBatch]:
    """The logs of a pipeline's jobs as they begin, each to its end."""
    done: set[int] = set()
    told = ""
    while True:
        run = await source.api.object(place.pipeline, etag=True)
        jobs = mapping.newest(await source.runs.jobs(place, etag=True))
        for job in jobs:
            id = whole(job.get("id")) or 0
            if id in done or job.get("started_at") is None:
                continue
            done.add(id)
            yield LogBatch(notice=f"{shown(job.get('name'), 100)}: {mapping.word(job)}")
            async for batch in _job(source, place._replace(job=id), options, named=True):
                yield batch
        if not mapping.in_flight(run) or mapping.word(run) == "manual" or not options.follow:
            return
        waits = mapping.spot_of(jobs).queued_for or "waiting for the pipeline's next jobs"
        if waits != told:
            told = waits
            yield LogBatch(notice=f"{waits}; asking every 5 s")
        await source.sleep(POLL_S)


async def _job(
    source: GitlabSource, place: Place, options: LogOptions, *, named: bool
) -> AsyncIterator[LogBatch]:
    try:
        job = await source.api.object(place.the_job)
    except NotFound as error:
        if await source.runs.bridge(place) is None:
            raise
        raise Unsupported(
            "a trigger job has no log", source=source.name, why="it only makes another pipeline",
            mend="take a job of the pipeline that it made",
        ) from error  # fmt: skip
    if options.previous:
        place, job = await _before(source, place, job)
    name, state = shown(job.get("name"), 100), mapping.word(job)
    if state in ("skipped", "manual", "created") and job.get("started_at") is None:
        yield LogBatch(notice=f"{name} is {state}: it has no log")
        return
    if job.get("erased_at"):
        yield LogBatch(notice=f"{name}: its log was erased")
    if state in ("pending", "waiting for resource"):
        yield LogBatch(notice=f"{mapping.queued_for(job)}; asking every 5 s")

    def read(line: LogLine) -> LogLine | None:
        made = read_line(line)
        return made._replace(source=name) if made is not None and named else made

    ask = Trace(source, place).ask
    async for batch in follow(
        ask, options, sleep=source.sleep, pause_s=POLL_S, read_line=read, name=name if named else ""
    ):
        yield batch


async def _before(source: GitlabSource, place: Place, job: Json) -> tuple[Place, Json]:
    """The attempt before a job's, which has an id of its own."""
    same = [each for each in await source.runs.jobs(place) if each.get("name") == job.get("name")]
    older = [each for each in same if (whole(each.get("id")) or 0) < place.job]
    if not older:
        raise Unsupported("no log of an earlier attempt", source=source.name, why="this is the first attempt")
    last = max(older, key=lambda each: whole(each.get("id")) or 0)
    return place._replace(job=whole(last.get("id")) or 0), last


async def read_last(source: GitlabSource, place: Place) -> bytes:
    """The last bytes of a job's log, at most 8 MiB. Raises QuarterdeckError."""
    kept = _Last()
    async with source.api.trace(f"{place.the_job}/trace", {}) as response:
        async for chunk in response.aiter_bytes():
            kept.add(chunk)
            await asyncio.sleep(0)
    return kept.bytes()
