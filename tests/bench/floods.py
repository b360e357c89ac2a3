"""Sources of logs that never rest, and what the loop of the program that shows them does meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.sources import Constant
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LineGate

TICK_S = 0.005
STEP_S = 0.02
WHOLE = 100 * 1024 * 1024
CHUNK = 64 * 1024


class Lag:
    """How much later than asked for the loop comes round, in milliseconds."""

    def __init__(self) -> None:
        self.values: list[float] = []

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look every 5 ms inside this block."""

        async def look() -> None:
            loop = asyncio.get_running_loop()
            while True:
                before = loop.time()
                await asyncio.sleep(TICK_S)
                self.values.append(max(0.0, 1000 * (loop.time() - before - TICK_S)))

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()

    @property
    def told(self) -> dict[str, float]:
        """The numbers."""
        ordered = sorted(self.values) or [0.0]
        return {"p50": ordered[len(ordered) // 2], "p95": ordered[int(0.95 * len(ordered))], "max": ordered[-1]}


def _tell(found: dict[str, Any]) -> None:
    path = Path(os.environ["BENCH_OUT"])
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.rename(path)


class Logging(Constant):
    """Containers with a log."""

    def __init__(self) -> None:
        super().__init__("container", 20, every=3600.0)

    def log_mode(self, ref: Ref) -> str:
        """As it comes."""
        return "live"


class Flood(Logging):
    """`rate` lines a second for some seconds, as bytes through the text gate, some with colours."""

    def __init__(self, rate: int, seconds: float) -> None:
        super().__init__()
        self.rate, self.seconds = rate, seconds

    async def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """Never waits for the screen: what comes late comes together."""
        loop, gate, lag, given = asyncio.get_running_loop(), LineGate("box"), Lag(), 0
        step = int(self.rate * STEP_S)
        chunks = [_lines(place, step) for place in range(20)]
        start = loop.time()
        async with lag.watched():
            while loop.time() - start < self.seconds:
                due = int((loop.time() - start) / STEP_S) * step
                while given < due:
                    lines = gate.feed(chunks[given // step % len(chunks)])
                    given += len(lines)
                    yield LogBatch(lines=lines)
                    # As an adapter does whose reader is a thread: one piece a turn of the loop.
                    await asyncio.sleep(0)
                await asyncio.sleep(STEP_S)
        _tell({"given": given, "seconds": loop.time() - start, "lag": lag.told})
        await asyncio.Event().wait()


def _lines(place: int, count: int) -> bytes:
    made = []
    for line in range(count):
        level = "\x1b[31mERROR\x1b[0m" if line % 50 == 0 else "INFO"
        made.append(f"{level} request {place:03}-{line:05} path=/score model=fraud v17 took={line % 97}ms {'x' * 40}\n")
    return "".join(made).encode()


class HugeLine(Logging):
    """A line of 100 MB without an end, piece by piece; before it the loop is watched at rest for as long."""

    async def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """One line, cut and said to be."""
        loop, gate, rest, lag = asyncio.get_running_loop(), LineGate("box"), Lag(), Lag()
        yield LogBatch(lines=gate.feed(b"before the line\n"))
        async with rest.watched():
            await asyncio.sleep(3)
        piece = b"x" * CHUNK
        began = loop.time()
        async with lag.watched():
            for _ in range(WHOLE // CHUNK):
                lines = gate.feed(piece)
                if lines:
                    yield LogBatch(lines=lines)
                await asyncio.sleep(0.001)
            yield LogBatch(lines=gate.feed(b"\nafter-the-line\n"))
            await asyncio.sleep(1)
        _tell({"seconds": loop.time() - began, "rest": rest.told, "lag": lag.told})
        await asyncio.Event().wait()
