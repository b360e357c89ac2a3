"""An exact count of what is under way, so that a test waits for rest and never for time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Busy:
    """Counts work in flight by name. Used from the loop's thread only."""

    def __init__(self) -> None:
        self._work: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def work(self, name: str) -> Iterator[None]:
        """Count `name` as under way inside this block."""
        self._work[name] += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._work[name] -= 1
            self._work += Counter()
            if not self._work:
                self._idle.set()

    @property
    def names(self) -> tuple[str, ...]:
        """What is under way now."""
        return tuple(self._work)

    async def idle(self, deadline: float = 10.0) -> None:
        """Wait until nothing is under way. Raises TimeoutError naming what still is."""
        try:
            async with asyncio.timeout(deadline):
                await self._idle.wait()
        except TimeoutError as error:
            raise TimeoutError(f"still under way: {', '.join(self.names)}") from error
