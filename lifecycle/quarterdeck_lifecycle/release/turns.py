"""Waiting with a deadline, and what viewers ask meanwhile: abort, put back, keep, extend."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from quarterdeck_lifecycle.errors import QuarterdeckError, Timeout
from quarterdeck_lifecycle.release.model import Step
from quarterdeck_lifecycle.release.ports import Clock, Control, LeaseLost, Say

__all__ = ["Asked", "Late", "LeaseLost", "Turns"]
T = TypeVar("T")


class Asked(QuarterdeckError):
    """Somebody asked to stop."""

    word = "asked"


class Late(Timeout):
    """A step took longer than it may."""


class Turns:
    """Runs steps within their deadlines and lets an ask or a lost lease interrupt those that may be interrupted.

    `deaf` is set while putting back: nothing that is asked changes that any more.
    """

    def __init__(self, clock: Clock, control: Control, beat_s: float, say: Say) -> None:
        self.keep = ""
        """Who asked to keep what runs now, and end the soak."""
        self.extends = 0
        """How often it was asked to soak longer, and not answered yet."""
        self.deaf = False
        self._clock = clock
        self._control = control
        self._beat_s = beat_s
        self._say = say
        self._stop = ""
        self._lost = ""
        self._woken = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen to what is asked."""
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None

    def interrupt(self, why: str) -> None:
        """Wake whatever waits, because the lease is not sure any more."""
        self._lost = why
        self._woken.set()

    async def _listen(self) -> None:
        while True:
            await self.hear()
            await self._clock.sleep(self._beat_s)

    async def hear(self) -> None:
        """Take in what was asked since the last time."""
        for ask, who in await self._control.asked():
            await self._say(f"{who} asks: {ask}")
            if ask in ("abort", "put back"):
                self._stop = self._stop or f"{ask} asked by {who}"
            elif ask == "keep":
                self.keep = who
            else:
                self.extends += 1
            self._woken.set()

    def raise_asked(self) -> None:
        """Raise LeaseLost or Asked when there is a reason to stop."""
        if self.deaf:
            return
        if self._lost:
            raise LeaseLost("stopped", why=self._lost)
        if self._stop:
            raise Asked(self._stop)

    async def pause(self, seconds: float) -> None:
        """Sleep, unless something is asked. Raises Asked, LeaseLost."""
        self._woken.clear()
        self.raise_asked()
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[Any]] = [loop.create_task(self._clock.sleep(seconds))]
        tasks += [] if self.deaf else [loop.create_task(self._woken.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        self.raise_asked()

    async def within(self, step: Step, work: Coroutine[Any, Any, T], *, interruptible: bool) -> T:
        """Run a step's work within its deadline. Raises Late, and Asked or LeaseLost where it may be interrupted."""
        return await self.bounded(work, step.deadline_s, step.title, interruptible=interruptible)

    async def bounded(
        self, work: Coroutine[Any, Any, T], seconds: float, what: str, *, interruptible: bool = False
    ) -> T:
        """As `within`, for work that is no step of its own."""
        task = asyncio.get_running_loop().create_task(work)
        timer = asyncio.get_running_loop().create_task(self._clock.sleep(seconds))
        try:
            while True:
                waits: list[asyncio.Task[Any]] = [task, timer]
                woken = None
                if interruptible and not self.deaf:
                    self.raise_asked()
                    woken = asyncio.get_running_loop().create_task(self._woken.wait())
                    waits.append(woken)
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if woken is not None:
                        woken.cancel()
                if task.done():
                    return task.result()
                if timer.done():
                    raise Late(what, why=f"not done within {seconds:g} s", mend="the step before it still holds")
                self._woken.clear()
        finally:
            for each in (task, timer):
                if not each.done():
                    each.cancel()
                    with suppress(asyncio.CancelledError, QuarterdeckError):
                        await each
