"""The lease on an alias: taken, beaten, lost, evicted; two clients at once. Advisory, and that is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from parts.mlflow_lab import Lab, practice
from quarterdeck_adapters.mlflow.registry import Registry
from quarterdeck_adapters.mlflow.release_lease import AliasLease
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.ports import Holder, LeaseLost, LeaseTaken

KEY = "quarterdeck.lease.champion"


@pytest.fixture(params=["practice", pytest.param("real", marks=[pytest.mark.real("mlflow")])])
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    if request.param == "practice":
        async with practice() as made:
            yield made
        return
    made = Lab(request.getfixturevalue("mlflow").url)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def model(lab: Lab) -> str:
    return await lab.model("fraud")


class Racing(AliasLease):
    """Of clients that take it at the same moment: all found it free before one writes, all wrote before one looks."""

    def __init__(self, registry: Registry, model: str, together: asyncio.Barrier) -> None:
        super().__init__(registry, model, "champion", sleep=at_once)
        self._together = together

    async def _write(self, holder: Holder) -> None:
        await self._together.wait()
        try:
            await super()._write(holder)
        finally:
            await self._together.wait()


async def at_once(_seconds: float) -> None:
    """Nobody else writes."""


async def lease(lab: Lab, model: str) -> AliasLease:
    """One client's."""
    return AliasLease((await lab.source()).registry, model, "champion", sleep=at_once)


def holder(op: str = "op-1", **options: object) -> Holder:
    """Who asks."""
    given = {"op": op, "service": "scorer", "environment": "prod", "owner": "ana", "host": "deck-1",
             "since": "2026-11-23T02:00:00Z", "change": '{"op": "x \\" \'"}'}  # fmt: skip
    return msgspec.convert({**given, **options}, Holder)


async def tags(lab: Lab, model: str) -> dict[str, str]:
    found = (await lab.call("GET", f"registered-models/get?name={model}"))["registered_model"].get("tags", [])
    return {each["key"]: each["value"] for each in found}


async def test_it_is_taken_beats_and_is_given_back(lab: Lab, model: str) -> None:
    mine, other = await lease(lab, model), await lease(lab, model)
    assert mine.advisory
    assert "advisory" in mine.window
    with permit("ml"):
        assert await mine.read() is None
        held = await mine.acquire(holder())
        assert held.id
        assert msgspec.json.decode((await tags(lab, model))[KEY], type=Holder) == held == await other.read()
        assert await mine.acquire(holder()) == held
        beaten = await mine.beat(held)
        assert (beaten.beat, await other.read()) == (1, beaten)
        await mine.check(held)
        with pytest.raises(LeaseTaken, match="operation op-1 by ana on deck-1"):
            await other.acquire(holder("op-2"))
        await other.release(msgspec.structs.replace(held, id="another"))
        assert await other.read() == beaten
        await mine.release(beaten)
        await mine.release(beaten)
        assert await tags(lab, model) == {}
        with pytest.raises(LeaseLost, match="nobody holds it"):
            await mine.beat(beaten)


async def test_of_two_that_take_it_at_the_same_moment_one_has_it(lab: Lab, model: str) -> None:
    sources = [await lab.source() for _ in range(2)]
    for _ in range(5):
        together = asyncio.Barrier(2)
        clients = [Racing(source.registry, model, together) for source in sources]
        with permit("ml"):
            took = await asyncio.gather(
                *(client.acquire(holder(f"op-{n}")) for n, client in enumerate(clients)), return_exceptions=True
            )
            won = [each for each in took if isinstance(each, Holder)]
            lost = [each for each in took if isinstance(each, LeaseTaken)]
            assert (len(won), len(lost)) == (1, 1), took
            assert lost[0].holder == won[0] == await clients[0].read()
            await clients[0].release(won[0])


async def test_an_abandoned_one_is_evicted_only_as_it_was_read(lab: Lab, model: str) -> None:
    dead, heir = await lease(lab, model), await lease(lab, model)
    with permit("ml"):
        held = await dead.acquire(holder())
        seen = await heir.read()
        assert seen is not None
        beaten = await dead.beat(held)
        with pytest.raises(LeaseTaken):
            await heir.evict(seen)
        assert await heir.read() == beaten
        await heir.evict(beaten)
        await heir.evict(beaten)
        taken = await heir.acquire(holder("op-2"))
        for act in (dead.beat, dead.check):
            with pytest.raises(LeaseLost, match="operation op-2"):
                await act(beaten)
        await dead.release(beaten)
        assert await heir.read() == taken


async def test_a_tag_that_nobody_can_read_is_held_until_it_is_evicted(lab: Lab, model: str) -> None:
    mine = await lease(lab, model)
    for garbage in ("[", '{"op": 7}', "\x1b]0;x"):
        await lab.call("POST", "registered-models/set-tag", {"name": model, "key": KEY, "value": garbage})
        with permit("ml"):
            seen = await mine.read()
            assert seen is not None
            assert (seen.op, seen.owner) == ("unknown", "unknown")
            with pytest.raises(LeaseTaken):
                await mine.acquire(holder())
            await mine.evict(seen)
            assert await mine.read() is None


async def test_a_lease_that_vanishes_while_it_settles_was_not_taken() -> None:
    async with practice() as lab:
        model = await lab.model("fraud")

        async def removed(_seconds: float) -> None:
            await lab.call("DELETE", "registered-models/delete-tag", {"name": model, "key": KEY})

        mine = AliasLease((await lab.source()).registry, model, "champion", sleep=removed)
        with permit("ml"), pytest.raises(Conflict, match="was not taken"):
            await mine.acquire(holder())


async def test_a_missing_model_and_a_missing_permit_are_said() -> None:
    async with practice() as lab:
        model = await lab.model("fraud")
        mine, nowhere = await lease(lab, model), await lease(lab, "gone")
        with pytest.raises(Refused, match="no permitted operation"):
            await mine.acquire(holder())
        assert await mine.read() is None
        with permit("ml"):
            with pytest.raises(NotFound):
                await nowhere.acquire(holder())
            await nowhere.release(holder())
