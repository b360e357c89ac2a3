"""Logs of builds and of stages, asked for every 5 s as Jenkins' own page does.

A stage's log is that of its steps, one after the other.
https://javadoc.jenkins.io/plugin/workflow-support/org/jenkinsci/plugins/workflow/support/actions/LogActionImpl.html
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.tail import Piece, follow
from quarterdeck_adapters.ci.values import Json, epoch, rows, shown, text
from quarterdeck_adapters.jenkins import mapping
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.places import WHOLE, Place, path_of
from quarterdeck_adapters.jenkins.progressive import Answered, Progress, ask, begun
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck_adapters.jenkins.adapter import JenkinsSource

MODE = "live, every 5 s"
POLL_S = 5.0
LAST_BYTES = 256 * 1024
LAST_WORDS = 16 * 1024
_STAMP = re.compile(r"\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)\] ?")


def stamped(line: LogLine, name: str) -> LogLine:
    """A line with the time that the timestamps of a Pipeline write before it (the Timestamper plugin). Pure."""
    match = _STAMP.match(line.text)
    at = epoch(match[1]) if match is not None else None
    if match is None or at is None:
        return LogLine(line.text, line.spans, name, line.at)
    end = match.end()
    spans = tuple((max(0, start - end), stop - end, style) for start, stop, style in line.spans if stop > end)
    return LogLine(line.text[end:], spans, name, at)


async def tail(source: JenkinsSource, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
    """The logs of builds and stages, one after the other. Raises QuarterdeckError."""
    for ref in refs:
        place = source.place(ref)
        name = place.run if len(refs) > 1 else ""
        async for batch in _of(source, place, name, options):
            yield batch


async def _of(source: JenkinsSource, place: Place, name: str, options: LogOptions) -> AsyncIterator[LogBatch]:
    number = 0
    told = ""
    while not number:
        number = await source.runs.number(place)
        if number:
            break
        item = await source.runs.line.item(place)
        why = shown(item.get("why"), 200)
        if why.partition("Expires")[0] != told.partition("Expires")[0] or not told:
            yield LogBatch(notice=f"it waits in the queue: {why}; asking every 5 s")
            told = why
        if not options.follow:
            return
        await source.sleep(POLL_S)
    where = f"{path_of(place.job)}/{number}"
    if options.previous:
        raise Unsupported(
            "no log of an earlier attempt", source=source.name, why="what is run again on Jenkins is another build",
            mend="open that build",
        )  # fmt: skip
    if place.node and place.node != WHOLE:
        async for batch in _stage(source, where, place.node, name, options):
            yield batch
        return
    async for batch in _one(source, where, name, options):
        yield batch
    if options.follow:
        word = mapping.word(await source.api.fields(where, "building,result"))
        said = f"the build has ended: {word}" if word in mapping.ENDED else f"its log is whole; the build is {word}"
        yield LogBatch(notice=f"{name}: {said}" if name else said)


async def _one(source: JenkinsSource, path: str, name: str, options: LogOptions) -> AsyncIterator[LogBatch]:
    """One progressive log to its end."""
    progress, said = await begun(source.api, path, options.tail)
    if said:
        yield LogBatch(notice=said)

    async def piece() -> Piece:
        return progress.piece(await ask(source.api, path, progress.offset))

    first = bool(said)

    def read_line(line: LogLine) -> LogLine | None:
        nonlocal first
        if first:
            # The window begins anywhere in a line.
            first = False
            return None
        return stamped(line, name)

    batches = follow(piece, options, sleep=source.sleep, pause_s=POLL_S, read_line=read_line, name=name)
    async for batch in batches:
        yield batch


async def _stage(
    source: JenkinsSource, where: str, node: str, name: str, options: LogOptions
) -> AsyncIterator[LogBatch]:
    """The steps of a stage, as they come: the last lines of those that have ended, then each new one whole."""
    done: set[str] = set()
    stage = await source.stages.stage(where, node)
    ended = [text(step.get("id")) for step in rows(stage, "stageFlowNodes") if not _moves(step)]
    kept: deque[LogLine] = deque(maxlen=max(1, options.tail))
    cut = 0
    for id in filter(str.isdigit, ended):
        done.add(id)
        async for batch in _step(source, where, id, name, msgspec.structs.replace(options, follow=False)):
            cut += max(0, len(kept) + len(batch.lines) - options.tail)
            kept.extend(batch.lines)
    if cut:
        yield LogBatch(notice=f"{cut:,} earlier lines are not shown")
    yield LogBatch(lines=list(kept))
    while True:
        for id in (text(step.get("id")) for step in rows(stage, "stageFlowNodes")):
            if id.isdigit() and id not in done:
                done.add(id)
                async for batch in _step(source, where, id, name, options):
                    yield batch
        if not _moves(stage):
            break
        if not options.follow:
            return
        await source.sleep(POLL_S)
        stage = await source.stages.stage(where, node)
    if options.follow:
        yield LogBatch(notice=f"the stage has ended: {mapping.stage_word(stage)}")


def _moves(node: Json) -> bool:
    return mapping.stage_word(node) in ("running", "waiting")


async def _step(
    source: JenkinsSource, where: str, id: str, name: str, options: LogOptions
) -> AsyncIterator[LogBatch]:
    """The log of a step; many have none."""
    try:
        async for batch in _one(source, f"{where}/execution/node/{id}/log", name, options):
            yield batch
    except NotFound:
        return


async def last_part(api: Api, path: str, size: int = LAST_BYTES) -> tuple[bytes, str]:
    """The last bytes of a log, at most `size`, and what is said when that is not all. Raises QuarterdeckError."""
    progress, said = await begun(api, path, 1)
    got: Answered = await ask(api, path, progress.offset)
    cut = bool(said or got.left_out) or len(got.data) > size
    return got.data[-size:], f"only the last {size >> 10} KiB of the log were read" if cut else ""


async def last_words(api: Api, path: str) -> str:
    """The last line of a log that speaks of an error, or an empty string. Raises QuarterdeckError."""
    found = failing.read_bytes((await last_part(api, path, LAST_WORDS))[0])
    return shown(found.errors[-1][1], 160) if found.errors else ""


__all__ = ["MODE", "POLL_S", "Progress", "last_part", "last_words", "tail"]
