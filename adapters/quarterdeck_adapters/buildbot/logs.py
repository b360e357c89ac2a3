"""Logs of builds and steps, followed by the server's events; where it has none they are asked for every 2 s.

A log's lines are numbered, so that each is read once. A worker sends its output every 5 s unless it is full before.

https://docs.buildbot.net/latest/developer/raml/logchunk.html
https://docs.buildbot.net/latest/developer/raml/log.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from quarterdeck_adapters.buildbot.acting import state_of
from quarterdeck_adapters.buildbot.events import Ear
from quarterdeck_adapters.buildbot.mapping import Known, word
from quarterdeck_adapters.buildbot.places import Place
from quarterdeck_adapters.ci import tail as tailing
from quarterdeck_adapters.ci.tail import Piece
from quarterdeck_adapters.ci.values import Json, shown, text, whole
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions

if TYPE_CHECKING:
    from quarterdeck_adapters.buildbot.adapter import BuildbotSource

LIVE, POLLING = "live", "polling 2 s"
POLL_S = 2.0
HEARD_S = 30.0
"""Seconds after which a log is asked for though no event came."""
PACE_S = 0.2
CHUNK = 2000
FROM_THE_START = 10**9
UNREADABLE = "h"


class Pulse:
    """When to ask again: at the next event of the build, or after a while. `lost` is set when events ended."""

    def __init__(self, source: BuildbotSource) -> None:
        self.source = source
        self.ear: Ear | None = None
        self.lost = False

    async def open(self, build: int) -> None:
        """Listen on a build. What cannot be listened on is polled."""
        await self.close()
        try:
            self.ear = await Ear(self.source.api, f"builds/{build}/*", f"builds/{build}/steps/*/*").__aenter__()
            self.source.hears = True
        except QuarterdeckError:
            self.source.hears = False

    async def also(self, step: int) -> None:
        """Listen on the logs of a step too."""
        if self.ear is not None:
            try:
                await self.ear.add(f"steps/{step}/logs/*/*")
            except QuarterdeckError:
                await self._lose()

    async def wait(self, _seconds: float = POLL_S) -> None:
        """Until there may be something new."""
        if self.ear is None:
            await self.source.sleep(POLL_S)
            return
        try:
            await self.ear.hear(HEARD_S)
        except QuarterdeckError:
            await self._lose()
        await self.source.sleep(PACE_S)

    async def _lose(self) -> None:
        self.lost, self.source.hears = True, False
        await self.close()

    async def close(self) -> None:
        """Stop listening."""
        ear, self.ear = self.ear, None
        if ear is not None:
            await ear.__aexit__()


class Reader:
    """One log from a line on: each question brings the lines since the last one, some thousands at most."""

    def __init__(self, source: BuildbotSource, log: Json, tail: int) -> None:
        self._api = source.api
        self._id = whole(log.get("logid")) or 0
        self._streams = log.get("type") == "s"
        self.seen = self.left_out = max(0, (whole(log.get("num_lines")) or 0) - tail)
        self.more = False

    async def ask(self) -> Piece:
        """The next lines. Raises QuarterdeckError."""
        try:
            log = await self._api.one(f"logs/{self._id}", "logs")
        except NotFound:
            if not self.seen:
                raise
            return Piece(b"", ended=True, anew="the log was removed; nothing more comes")
        count = whole(log.get("num_lines")) or 0
        anew = ""
        if count < self.seen:
            anew, self.seen = f"the log shrank from {self.seen:,} to {count:,} lines: from its start", 0
        data = b""
        if count > self.seen:
            chunk = await self._api.one(f"logs/{self._id}/contents", "logchunks", offset=self.seen, limit=CHUNK)
            lines = text(chunk.get("content")).split("\n")
            if lines[-1] == "":
                lines.pop()
            # The first character of a line tells its stream: o, e, or h for what the worker adds.
            data = "".join(f"{line[1:] if self._streams else line}\n" for line in lines).encode("utf-8", "replace")
            # An offset that brings nothing means nothing: asking for it again would never end.
            self.seen = self.seen + len(lines) if lines else count
        self.more = self.seen < count
        return Piece(data, ended=log.get("complete") is True and not self.more, anew=anew)


class Tail:
    """The log of one run, or of one step of it."""

    def __init__(self, source: BuildbotSource, place: Place, options: LogOptions, *, several: bool) -> None:
        self.source = source
        self.place = place
        self.options = options
        self.several = several
        self.label = ""
        """Who wrote it, where several logs are shown as one."""
        self.pulse = Pulse(source)

    def _named(self, words: str) -> str:
        return f"{self.label}: {words}" if self.label else words

    async def batches(self) -> AsyncGenerator[LogBatch, None]:
        """Lines until there is nothing more to come. Raises QuarterdeckError."""
        try:
            known = await self.source.runs.read(self.place)
            if self.options.previous:
                known = await self._previous(known)
            if self.several:
                self.label = (await self.source.runs.record(known)).name
            told = ""
            while known.build is None and state_of(known) in ("queued", "starting"):
                run = await self.source.runs.record(known)
                now = f"{run.name} has no log yet: {run.queued_for or run.state}"
                if now != told:
                    yield LogBatch(notice=self._named(now))
                    told = now
                if not self.options.follow:
                    return
                await self.source.sleep(POLL_S)
                known = await self.source.runs.read(self.place)
            if known.build is None:
                yield LogBatch(notice=self._named(f"it was never built: {state_of(known)}"))
                return
            async for batch in self._build(known):
                yield batch
        finally:
            await self.pulse.close()

    async def _previous(self, known: Known) -> Known:
        found = await self.source.api.rows(f"buildrequests/{self.place.request}/builds", "builds")
        now = whole((known.build or {}).get("buildid")) or 0
        older = [each for each in found if (whole(each.get("buildid")) or 0) != now]
        if not older or self.place.step:
            raise Unsupported(
                "no log of an earlier attempt", source=self.source.name,
                why="Buildbot retries a build only when it lost its worker, and re-runs have rows of their own",
            )  # fmt: skip
        return known._replace(build=max(older, key=lambda each: whole(each.get("buildid")) or 0))

    async def _build(self, known: Known) -> AsyncIterator[LogBatch]:
        id = whole((known.build or {}).get("buildid")) or 0
        done: set[int] = set()
        first = True
        follow = self.options.follow and not self.options.previous
        if follow and known.build is not None and word(known.build) == "running":
            await self.pulse.open(id)
        while True:
            build = await self.source.api.one(f"builds/{id}", "builds")
            moving = build.get("complete") is not True
            steps = await self.source.runs.steps(known._replace(build=build))
            mine = [step for step in steps if not self.place.step or step.get("stepid") == self.place.step]
            if self.place.step and not mine:
                raise NotFound("the step is gone", source=self.source.name, mend="list the steps of its run again")
            for step in mine:
                stepid = whole(step.get("stepid")) or 0
                if stepid in done or word(step) == "pending":
                    continue
                async for batch in self._step(step, follow=follow, whole_log=not first):
                    yield batch
                done.add(stepid)
            first = False
            if not moving or not follow or (self.place.step and len(done) == len(mine)):
                return
            await self.pulse.wait()

    async def _step(self, step: Json, *, follow: bool, whole_log: bool) -> AsyncIterator[LogBatch]:
        """The logs of one step, one after the other, until it ends; it may open another one meanwhile."""
        stepid, name = whole(step.get("stepid")) or 0, shown(step.get("name"))
        read: set[int] = set()
        if not self.place.step:
            yield LogBatch(notice=self._named(f"{name}: {word(step)}"))
        if follow and step.get("complete") is not True:
            await self.pulse.also(stepid)
        while True:
            now = await self.source.api.one(f"steps/{stepid}", "steps")
            logs = await self.source.api.rows(f"steps/{stepid}/logs", "logs")
            new = [log for log in logs if (whole(log.get("logid")) or 0) not in read]
            for log in sorted(new, key=lambda each: (each.get("name") != "stdio", whole(each.get("logid")) or 0)):
                read.add(whole(log.get("logid")) or 0)
                async for batch in self._log(log, name, follow=follow, whole_log=whole_log):
                    yield batch
            if now.get("complete") is True or not follow:
                return
            if not new:
                await self.pulse.wait()

    async def _log(self, log: Json, step: str, *, follow: bool, whole_log: bool) -> AsyncIterator[LogBatch]:
        name = shown(log.get("name"))
        if log.get("type") == UNREADABLE:
            yield LogBatch(notice=self._named(f"{step}: its log {name} is a page of HTML, see it on the web"))
            return
        if name != "stdio":
            yield LogBatch(notice=self._named(f"{step}: log {name}"))
        options = replace(self.options, follow=follow, tail=FROM_THE_START if whole_log else max(1, self.options.tail))
        reader = Reader(self.source, log, options.tail)
        if reader.left_out:
            yield LogBatch(notice=self._named(f"{step}: {reader.left_out:,} earlier lines are not shown"))

        async def rest(seconds: float) -> None:
            if not reader.more:
                await self.pulse.wait(seconds)

        async for batch in tailing.follow(reader.ask, options, sleep=rest, pause_s=POLL_S, name=self.label):
            if self.pulse.lost:
                self.pulse.lost = False
                yield LogBatch(notice=self._named(f"the server's events are lost: {POLLING}"))
            yield replace(batch, lines=[line._replace(source=self.label) for line in batch.lines])


async def merged(tails: Sequence[Tail]) -> AsyncGenerator[LogBatch, None]:
    """Several logs as they come, none waiting for another; the first failure ends all. Raises QuarterdeckError."""
    if len(tails) == 1:
        # Closed with us, not when it is collected: it holds a stream of events.
        async with aclosing(tails[0].batches()) as batches:
            async for batch in batches:
                yield batch
        return
    queue: asyncio.Queue[LogBatch | BaseException | None] = asyncio.Queue(maxsize=8)

    async def fill(one: Tail) -> None:
        try:
            async with aclosing(one.batches()) as batches:
                async for batch in batches:
                    await queue.put(batch)
            await queue.put(None)
        except Exception as error:
            await queue.put(error)

    tasks = [asyncio.create_task(fill(each), name=f"log of {each.place.request}") for each in tails]
    try:
        left = len(tasks)
        while left:
            item = await queue.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
