"""The adapter on the real Buildbot of the tests, and what waits for states of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from parts.process import DEADLINE
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.buildbot.adapter import BuildbotSource
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.kinds import Run

T = TypeVar("T")


def context(secret: str = "word", now: Callable[[], float] = time.time) -> Context:
    """What an adapter is made with; every secret reference resolves to `secret`."""
    return Context(secret=lambda ref: secret, env={}, config=Config(), project="/", now=now)


@asynccontextmanager
async def opened(url: str, secret: str = "word", **config: Any) -> AsyncIterator[BuildbotSource]:
    """A source on a server; closed at the end."""
    source = BuildbotSource(SourceConfig(name="ci", system="buildbot", url=url, **config), context(secret))
    try:
        yield source
    finally:
        await source.close()


async def runs(source: BuildbotSource) -> list[Run]:
    """The rows of the pane."""
    return [row for row in (await source.list("run")).rows if isinstance(row, Run)]


async def the_run(source: BuildbotSource, request: int, *states: str) -> Run:
    """The row of a build request, once it is in one of these states; listed again at each event of the server."""
    found: Run | None = None
    try:
        async with asyncio.timeout(DEADLINE), aclosing(source.watch("run")) as events:
            async for _ in events:
                found = next((run for run in await runs(source) if run.ref.id == str(request)), None)
                if found is not None and found.state in states:
                    return found
    except TimeoutError:
        pass
    raise AssertionError(f"request {request} was never {' or '.join(states)}: {found}")


async def eventually(probe: Callable[[], Any], what: str) -> Any:
    """What `probe` (a function, or one that is awaited) answers, once that is true. Raises AssertionError."""
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                answer = probe()
                answer = await answer if asyncio.iscoroutine(answer) else answer
                if answer:
                    return answer
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not reached: {what}") from None
