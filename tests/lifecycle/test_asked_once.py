"""What several want to know in one refresh is asked once; a release always asks anew."""

from __future__ import annotations

import asyncio

import pytest

from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.release.once import asked_once, once


class System:
    """Answers when it is told to; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.ready = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        return self.asked


async def test_several_at_once_ask_once_and_the_next_refresh_asks_again() -> None:
    system = System()
    system.ready.set()
    with asked_once():
        assert await asyncio.gather(*(once("a", system) for _ in range(5))) == [1] * 5
        assert await once("b", system) == 2
    with asked_once():
        assert await once("a", system) == 3
    assert [await once("a", system), await once("a", system)] == [4, 5]


async def test_one_that_gives_up_takes_nothing_from_the_others() -> None:
    system = System()
    with asked_once():
        hasty, patient = (asyncio.ensure_future(once("a", system)) for _ in range(2))
        await asyncio.sleep(0)
        hasty.cancel()
        system.ready.set()
        assert await patient == 1
    assert hasty.cancelled()


async def test_an_error_reaches_all_who_asked() -> None:
    system = System()
    system.error = Unavailable("looking", source="engine")
    system.ready.set()
    with asked_once():
        said = await asyncio.gather(once("a", system), once("a", system), return_exceptions=True)
    assert said == [system.error, system.error]
    with pytest.raises(Unavailable):
        await once("a", system)
