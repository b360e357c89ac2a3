"""The logs of actions, of stages and of whole executions: all builds of them, asked for every five seconds."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import Json, section, shown, text
from quarterdeck_adapters.codepipeline.builds import Stream, builds_of, is_build, no_log
from quarterdeck_adapters.codepipeline.mapping import MOVING, newest_actions
from quarterdeck_adapters.codepipeline.places import Place
from quarterdeck_lifecycle.errors import NotFound, RateLimited, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource

POLL_S = 5.0
TRIES = 5
BATCH = 500


class Following:
    """One thing whose log is followed: which builds it has, and what may still come."""

    def __init__(self, source: CodePipelineSource, place: Place, options: LogOptions, *, several: bool) -> None:
        self.source, self.place, self.options = source, place, options
        self.several = several or not place.attempt
        self.streams: dict[str, Stream] = {}
        self.waits = ""
        """What is waited for, in words."""
        self.over = False
        """No further build comes."""
        self._settled = False

    async def look(self) -> None:
        """Ask which builds there are by now. Raises NotFound, Unsupported."""
        if self.over and all(stream.build.complete for stream in self.streams.values()):
            return
        details = self._wanted(await self.source.runs.actions(self.place))
        builds = [each for each in details if is_build(each)]
        moving = [each for each in details if each.get("status") == "InProgress"]
        self.over, self.waits = await self._rest(details, moving)
        if not builds and (self.over or self.place.attempt):
            why = no_log(details[0]) if self.place.attempt and details else "no action of it is a build of CodeBuild"
            raise Unsupported("no log", source=self.source.name, why=why, mend="look at its page with o")
        for build in await builds_of(self.source.clients, builds):
            known = self.streams.get(build.id)
            if known is None:
                name = build.name if self.several else ""
                self.streams[build.id] = Stream(self.source.clients, build, self.options, name)
            else:
                known.build = build

    def _wanted(self, details: Sequence[Json]) -> list[Json]:
        place = self.place
        if place.attempt:
            if self.options.previous:
                return [self._previous(details)]
            found = [each for each in details if text(each.get("actionExecutionId")) == place.attempt]
            if not found:
                raise NotFound("that attempt is gone", source=self.source.name, why=f"of #{place.execution[:8]}")
            return found
        newest = [
            attempts[0] for (stage, _), attempts in newest_actions(details).items()
            if not place.stage or stage == place.stage
        ]  # fmt: skip
        # What failed is at hand where only one can be: of a stage its failed action first.
        return sorted(newest, key=lambda each: each.get("status") != "Failed")

    def _previous(self, details: Sequence[Json]) -> Json:
        for attempts in newest_actions(details).values():
            ids = [text(each.get("actionExecutionId")) for each in attempts]
            if self.place.attempt in ids and ids.index(self.place.attempt) + 1 < len(ids):
                return attempts[ids.index(self.place.attempt) + 1]
        raise Unsupported("no log of an earlier attempt", source=self.source.name, why="this is the first attempt")

    async def _rest(self, details: Sequence[Json], moving: Sequence[Json]) -> tuple[bool, str]:
        if self.place.attempt:
            return not moving, ""
        if any(section(each, "input", "actionTypeId").get("category") == "Approval" for each in moving):
            name = next(shown(each.get("actionName")) for each in moving)
            return True, f"{name} waits for an approval; what comes after it is not followed"
        if moving:
            names = ", ".join(shown(each.get("actionName"), 60) for each in moving[:4])
            return False, f"{names}: polling every {POLL_S:.0f} s"
        run = await self.source.runs.read(self.place)
        if text(run.get("status")) not in MOVING:
            return True, ""
        if self.place.stage and details:
            return True, ""
        return False, f"waiting for the next stage: polling every {POLL_S:.0f} s"


async def tail(source: CodePipelineSource, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
    """The logs of what `refs` name, until nothing more comes. Raises QuarterdeckError."""
    follows = [Following(source, source.place(ref), options, several=len(refs) > 1) for ref in refs]
    first, failures, told = True, 0, ""
    while follows:
        try:
            for follow in list(follows):
                await follow.look()
                async for batch in _read(follow, first=first):
                    yield batch
                if follow.over and all(stream.ended for stream in follow.streams.values()):
                    if follow.waits:
                        yield LogBatch(notice=follow.waits)
                    follows.remove(follow)
            failures = 0
        except (Unavailable, RateLimited) as error:
            failures += 1
            if first or not options.follow or failures > TRIES:
                raise
            pause = max(POLL_S, (error.retry_after or 0.0) if isinstance(error, RateLimited) else 0.0)
            yield LogBatch(notice=f"{error}; asking again in {pause:.0f} s")
            await source.sleep(pause)
            continue
        if not options.follow:
            return
        waits = "; ".join(dict.fromkeys(follow.waits for follow in follows if follow.waits))
        if waits and waits != told:
            told = waits
            yield LogBatch(notice=waits)
        first = False
        if follows:
            await source.sleep(POLL_S)


async def _read(follow: Following, *, first: bool) -> AsyncIterator[LogBatch]:
    """What is new in the logs of all builds, merged by time; the first time the newest lines of it."""
    tail = max(1, follow.options.tail)
    found: list[list[LogLine]] = []
    for stream in list(follow.streams.values()):
        if stream.ended:
            continue
        lines, notice = await stream.more(newest=tail if first else 0)
        found.append(lines)
        if notice:
            yield LogBatch(notice=notice)
    merged = list(heapq.merge(*found, key=lambda line: line.at or 0.0))
    if first and len(merged) > tail:
        yield LogBatch(notice=f"{len(merged) - tail:,} earlier lines are not shown")
        merged = merged[-tail:]
    for at in range(0, len(merged), BATCH):
        yield LogBatch(lines=merged[at : at + BATCH])
