"""Asking the same thing once: what several services of one refresh want to know of one system is asked of it once.

Only looking does this. A release asks anew each time: what was true a moment ago is no ground to act on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_asked: ContextVar[dict[Hashable, asyncio.Future[Any]] | None] = ContextVar("asked_once", default=None)


@contextmanager
def asked_once() -> Iterator[None]:
    """Inside this block, in this task and those it starts, `once` asks for the same key once."""
    token = _asked.set({})
    try:
        yield
    finally:
        _asked.reset(token)


async def once(key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` answers; outside `asked_once` it is always asked. The answer is shared: do not change it.

    One asker that gives up takes nothing from the others. Raises what `ask` raises.
    """
    known = _asked.get()
    if known is None:
        return await ask()
    found: asyncio.Future[T] | None = known.get(key)
    if found is None:
        found = known[key] = asyncio.ensure_future(_awaited(ask))
        found.add_done_callback(_heard)
    return await asyncio.shield(found)


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _heard(asked: asyncio.Future[Any]) -> None:
    """An error that nobody waits for any more is not an error of the loop."""
    if not asked.cancelled():
        asked.exception()
