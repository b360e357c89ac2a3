"""Blocking SDK calls on daemon threads.

`asyncio.to_thread` holds the program's exit until the call returns; a log stream that never ends would hold it for
ever. These threads are daemons: a cancelled await returns at once and the exit waits for nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from quarterdeck_lifecycle.errors import Timeout

T = TypeVar("T")
_END = object()


async def call(work: Callable[[], T], *, deadline: float, source: str, what: str) -> T:
    """Run `work` on a daemon thread. Raises Timeout after `deadline` seconds; the thread is left to itself then."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result, error = None, None
        try:
            result = context.run(work)
        except BaseException as failure:
            error = RuntimeError(str(failure)) if isinstance(failure, StopIteration) else failure
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name=f"{source}: {what}", daemon=True).start()
    try:
        async with asyncio.timeout(deadline):
            return await future
    except TimeoutError as error:
        raise Timeout(
            what, source=source, why=f"no answer within {deadline:g} s", mend="check that the system is up"
        ) from error


async def stream(
    start: Callable[[], Iterable[T]], *, stop: Callable[[], None], source: str, what: str, ahead: int = 256
) -> AsyncIterator[list[T]]:
    """Iterate a blocking iterable on a daemon thread; yields what has arrived as lists, in order.

    The thread waits when `ahead` items are unread. `stop` must make the iterable end from another thread (close the
    socket); it is called when the consumer leaves.
    """
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    room = threading.Condition()
    buffer: list[T] = []
    ended: list[object] = []
    left = threading.Event()
    context = copy_context()

    def wake() -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(arrived.set)

    def body() -> None:
        end: object = _END
        try:
            for item in context.run(start):
                with room:
                    room.wait_for(lambda: len(buffer) < ahead or left.is_set())
                    if left.is_set():
                        return
                    buffer.append(item)
                wake()
        except BaseException as failure:
            end = failure
        finally:
            ended.append(end)
            wake()

    threading.Thread(target=body, name=f"{source}: {what}", daemon=True).start()
    try:
        while True:
            await arrived.wait()
            arrived.clear()
            finished = bool(ended)
            with room:
                batch = buffer[:]
                buffer.clear()
                room.notify()
            if batch:
                yield batch
            if finished:
                if isinstance(ended[0], BaseException):
                    raise ended[0]
                return
    finally:
        left.set()
        with room:
            room.notify()
        with suppress(Exception):
            stop()
