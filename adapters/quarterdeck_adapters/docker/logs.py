"""Logs of one or several containers, merged by time."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

from quarterdeck_adapters.docker.client import STREAMS, Engine
from quarterdeck_adapters.docker.events import Events
from quarterdeck_adapters.docker.logstream import Entry
from quarterdeck_adapters.docker.tailing import Said, Tail
from quarterdeck_lifecycle.errors import QuarterdeckError, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref

HOLD_S = 0.25
"""How long a line waits for an older one of another container."""
SETTLED_NS = 1_000_000_000


async def tail(
    engine: Engine, events: Events, refs: Sequence[Ref], options: LogOptions
) -> AsyncGenerator[LogBatch, None]:
    """Past lines merged by time, then new ones as they come. Ends when all are done. Raises QuarterdeckError."""
    if not refs:
        return
    if len(refs) > STREAMS:
        raise Unsupported(f"{len(refs)} logs at once", source=engine.source, why=f"at most {STREAMS} are merged")
    tails, missing = [], []
    for ref in refs:
        each = Tail(engine, events, ref, options)
        try:
            await each.open()
        except QuarterdeckError as error:
            if len(refs) == 1:
                raise
            missing.append(str(error))
        else:
            tails.append(each)
    for notice in missing:
        yield LogBatch(notice=notice)
    following = options.follow and options.until is None
    recent: list[Entry] = []
    async with aclosing(merged([each.history() for each in tails])) as past:
        async for entries in past:
            ready = entries
            if following and len(tails) > 1:
                recent += entries
                # The histories end at different moments: what is youngest waits for the others' first live lines.
                settled = max(entry.at for entry in recent) - SETTLED_NS
                ready = [entry for entry in recent if entry.at < settled]
                recent = [entry for entry in recent if entry.at >= settled]
            if ready:
                yield LogBatch(lines=[entry.line for entry in ready])
    if not following:
        return
    followed = [each.follow() for each in tails]
    joined = _plain(followed[0]) if len(followed) == 1 else ordered(followed, recent)
    async with aclosing(joined) as batches:
        async for batch in batches:
            yield batch


async def merged(streams: Sequence[AsyncGenerator[list[Entry], None]]) -> AsyncGenerator[list[Entry], None]:
    """Streams that end, as one in the order of time; holds no more than one piece of each."""
    waiting: list[deque[Entry]] = [deque() for _ in streams]
    ended = [False] * len(streams)

    async def refill(index: int) -> None:
        while not waiting[index]:
            try:
                waiting[index].extend(await anext(streams[index]))
            except StopAsyncIteration:
                ended[index] = True
                return

    async with AsyncExitStack() as stack:
        for stream in streams:
            stack.push_async_callback(stream.aclose)
        while True:
            await asyncio.gather(*(refill(i) for i in range(len(streams)) if not ended[i] and not waiting[i]))
            if not any(waiting):
                return
            limits = [max(e.at for e in waiting[i]) for i in range(len(streams)) if not ended[i] and waiting[i]]
            limit = min(limits, default=math.inf)
            ready: list[Entry] = []
            for held in waiting:
                while held and held[0].at <= limit:
                    ready.append(held.popleft())
            if len(streams) > 1:
                ready.sort(key=lambda entry: entry.at)
            if ready:
                yield ready


async def _plain(stream: AsyncGenerator[Said, None]) -> AsyncGenerator[LogBatch, None]:
    async with aclosing(stream):
        async for said in stream:
            yield _batch(said)


def _batch(said: Said) -> LogBatch:
    return LogBatch(notice=said) if isinstance(said, str) else LogBatch(lines=[entry.line for entry in said])


async def ordered(
    streams: Sequence[AsyncGenerator[Said, None]], first: Sequence[Entry] = (), hold: float = HOLD_S
) -> AsyncGenerator[LogBatch, None]:
    """Live streams as one: a line is held for `hold` seconds, so that an older one of another comes before it.

    `first` are lines that were read before. A stream that fails says so and the others go on. Readers wait when 64
    pieces are unread.
    """
    queue: asyncio.Queue[Said | None] = asyncio.Queue(64)

    async def pump(stream: AsyncGenerator[Said, None]) -> None:
        try:
            async with aclosing(stream):
                async for said in stream:
                    await queue.put(said)
        except QuarterdeckError as error:
            await queue.put(str(error))
        await queue.put(None)

    heap: list[tuple[int, int, Entry]] = [(entry.at, order, entry) for order, entry in enumerate(first)]
    heapq.heapify(heap)
    arrived: deque[tuple[float, int]] = deque([(time.monotonic(), max(e.at for e in first))] if first else [])
    order = len(first)
    tasks = [asyncio.create_task(pump(stream)) for stream in streams]
    left = len(tasks)
    try:
        while left or heap:
            pause = max(0.0, arrived[0][0] + hold - time.monotonic()) if arrived else None
            said: Said | None = []
            try:
                async with asyncio.timeout(pause if left else 0):
                    said = await queue.get()
            except TimeoutError:
                pass
            if said is None:
                left -= 1
            elif isinstance(said, str):
                yield LogBatch(notice=said)
            elif said:
                for entry in said:
                    order += 1
                    heapq.heappush(heap, (entry.at, order, entry))
                arrived.append((time.monotonic(), max(entry.at for entry in said)))
            ripe = math.inf if not left else _ripe(arrived, time.monotonic() - hold)
            ready = []
            while heap and heap[0][0] <= ripe:
                ready.append(heapq.heappop(heap)[2].line)
            if ready:
                yield LogBatch(lines=ready)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ripe(arrived: deque[tuple[float, int]], before: float) -> float:
    """The newest time among the pieces that have waited long enough; they are forgotten."""
    newest = -math.inf
    while arrived and arrived[0][0] <= before:
        newest = max(newest, arrived.popleft()[1])
    return newest
