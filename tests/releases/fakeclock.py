"""Time that costs nothing: an event loop that jumps to its next timer whenever all of its tasks wait.

`Timeline` is the time of a whole world and outlives the loops that run on it; a `FakeClock` is one host's view of it,
with a wall clock of its own error. Time-outs of asyncio itself (`asyncio.timeout`, `wait_for`) follow it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH = 1_790_000_000.0
_RESOLUTION = 1e-6
_TRIES = 20


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


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: instead of blocking it moves the timeline to the next timer."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise Deadlock("every task waits and no timer is set")
        self._timeline.elapsed += max(timeout, 0)
        return []


class FakeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a timeline's."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        super().__init__(_Selector(timeline))
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        """Seconds on the timeline."""
        return self._timeline.elapsed


def run(timeline: Timeline, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on that timeline. What it raises is raised, KeyboardInterrupt's kin at once, and whatever
    tasks are left then are dropped: cancelled, and whatever they raise on the way is not heard."""
    loop = FakeLoop(timeline)
    try:
        return loop.run_until_complete(main)
    finally:
        _drop(loop)


def _drop(loop: FakeLoop) -> None:
    loop.set_exception_handler(lambda _loop, _context: None)
    logger = logging.getLogger("asyncio")
    level, _ = logger.level, logger.setLevel(logging.CRITICAL)
    try:
        for _ in range(_TRIES):
            if not (tasks := asyncio.all_tasks(loop)):
                break
            for task in tasks:
                task.cancel()
            with contextlib.suppress(BaseException):
                loop.run_until_complete(asyncio.wait(tasks))
        with contextlib.suppress(BaseException):
            loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        logger.setLevel(level)
