"""Time that costs nothing: an event loop that jumps to its next timer whenever all of its tasks wait.

`Timeline` is the time of a whole world and outlives the loops that run on it; a `FakeClock` is one host's view of it,
with a wall clock of its own error. Time-outs of asyncio itself (`asyncio.timeout`, `wait_for`) follow it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH = 1_790_000_000.0
_RESOLUTION = 1e-6
_TRIES = 20
_MANY = 200
_YOUNG = 5_000


class Deadlock(AssertionError):
    """Every task waits, and no timer is set that could wake one."""


class Timeline:
    """Seconds since the world began. `suspended` is the time in which the machine slept: timers did not run then."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.suspended = 0.0

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: clocks go on, timers do not."""
        self.suspended += seconds


class FakeClock:
    """`ports.Clock` on a timeline; `skew` seconds is how wrong this host's wall clock goes."""

    def __init__(self, timeline: Timeline, skew: float = 0.0) -> None:
        self.timeline = timeline
        self.skew = skew

    def now(self) -> float:
        """Epoch seconds, as this host believes."""
        return EPOCH + self.monotonic() + self.skew

    def monotonic(self) -> float:
        """Seconds, the machine's sleep included."""
        return self.timeline.elapsed + self.timeline.suspended

    async def sleep(self, seconds: float) -> None:
        """Wait, in no time."""
        await asyncio.sleep(max(seconds, 0))


class FakeLoop(asyncio.BaseEventLoop):
    """An event loop whose time is a timeline's. It knows no file and no other thread: where asyncio's own loop asks the
    kernel what is ready, and waits, this one moves the timeline to the next timer."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._made: list[asyncio.Task[Any]] = []
        super().__init__()
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        """Seconds on the timeline."""
        return self._timeline.elapsed

    def create_task(self, coro: Coroutine[Any, Any, T], **options: Any) -> asyncio.Task[T]:
        """As any loop, and known to this one: asyncio's own list holds every task of every loop there was."""
        if len(self._made) > _MANY:
            self._made = self.unfinished()
        task = asyncio.Task(coro, loop=self, **options)
        self._made.append(task)
        return task

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """Its tasks that have not ended."""
        return [task for task in self._made if not task.done()]

    def _run_once(self) -> None:
        scheduled, ready, timeline = self._scheduled, self._ready, self._timeline
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False
        if not ready and not self._stopping:
            if not scheduled:
                raise Deadlock("every task waits and no timer is set")
            timeline.elapsed += max(scheduled[0]._when - timeline.elapsed, 0)
        due = timeline.elapsed + _RESOLUTION
        while scheduled and scheduled[0]._when < due:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


def run(timeline: Timeline, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on that timeline. What it raises is raised, KeyboardInterrupt's kin at once, and whatever
    tasks are left then are dropped: cancelled, and whatever they raise on the way is not heard."""
    loop = FakeLoop(timeline)
    usual = gc.get_threshold()
    # What a run leaves behind hangs together in circles: soon collected, it is still in the processor's cache.
    gc.set_threshold(_YOUNG, *usual[1:])
    try:
        return loop.run_until_complete(main)
    finally:
        _drop(loop)
        gc.set_threshold(*usual)


def _drop(loop: FakeLoop) -> None:
    loop.set_exception_handler(lambda _loop, _context: None)
    logger = logging.getLogger("asyncio")
    level, _ = logger.level, logger.setLevel(logging.CRITICAL)
    try:
        for _ in range(_TRIES):
            if not (tasks := loop.unfinished()):
                break
            for task in tasks:
                task.cancel()
            with contextlib.suppress(BaseException):
                loop.run_until_complete(asyncio.wait(tasks))
        if loop._asyncgens:
            with contextlib.suppress(BaseException):
                loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        logger.setLevel(level)
