"""The lease on a Swarm service: one winner, beats, evictions of what was read alone; on a real manager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace

from parts.registry import Registry
from parts.swarm import Swarm
from quarterdeck_adapters.docker.adapter import DockerSource
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.release.swarm import SwarmTarget
from quarterdeck_adapters.docker.release.swarm_configs import Configs, Stored
from quarterdeck_adapters.docker.release.swarm_lease import EVICTED, SwarmLease
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.ports import Holder, LeaseLost, LeaseTaken

from .conftest import make_source
from .swarmcase import Case

pytestmark = [pytest.mark.real("docker.io", "busybox-static"), pytest.mark.xdist_group("swarm")]
HOSTILE = ("web", "a" * 300, "-rf", "we b;$(id)\n'\"", "../../etc", "\u202eevil", "", "a-b", "a_b", "a.b")


def holder(op: str, **fields: object) -> Holder:
    made = Holder(
        op=op, service="shop", environment="prod", owner="ana", host="bastion", since="2026-11-23T09:00:00Z",
        lease_s=7.5, change='{"secret": "none"}',
    )  # fmt: skip
    return replace(made, **fields)


@pytest.fixture
async def source(swarm: Swarm) -> AsyncIterator[DockerSource]:
    made = make_source(swarm.url)
    try:
        with permit("local"):
            yield made
    finally:
        await made.close()
        swarm.clear_services()


def lease(source: DockerSource, name: str = "web") -> SwarmLease:
    return SwarmTarget(source, name, {}).lease  # type: ignore[return-value]


async def test_it_is_taken_read_shown_to_live_and_given_back(source: DockerSource, swarm: Swarm) -> None:
    ours, theirs = lease(source), lease(source)
    assert await ours.read() is None
    held = await ours.acquire(holder("op-1"))
    assert held == replace(holder("op-1"), id=swarm.api.configs()[0]["ID"])
    assert await theirs.read() == held
    assert await ours.acquire(holder("op-1", owner="ben")) == held
    with pytest.raises(LeaseTaken, match="operation op-1 by ana on bastion"):
        await theirs.acquire(holder("op-2"))
    beaten = await ours.beat(await ours.beat(held))
    assert beaten == replace(held, beat=2)
    assert await theirs.read() == beaten
    assert (await ours.beat(replace(beaten, beat=1_000_000))).beat == 1_000_001
    await ours.check(beaten)
    await ours.release(beaten)
    await ours.release(beaten)
    assert await ours.read() is None
    with pytest.raises(LeaseLost):
        await ours.check(beaten)
    with pytest.raises(LeaseLost):
        await ours.beat(beaten)
    mine = await theirs.acquire(holder("op-2"))
    await ours.release(beaten)
    assert await ours.read() == mine


async def test_only_the_lease_that_was_read_is_evicted(source: DockerSource, swarm: Swarm) -> None:
    ours, theirs = lease(source), lease(source)
    held = await ours.acquire(holder("op-1"))
    seen = await theirs.read()
    assert seen is not None
    beaten = await ours.beat(held)
    with pytest.raises(LeaseTaken):
        await theirs.evict(seen)
    await theirs.evict(beaten)
    await theirs.evict(beaten)
    assert await theirs.read() is None
    new = await theirs.acquire(holder("op-2"))
    with pytest.raises(LeaseTaken, match="op-2"):
        await theirs.evict(beaten)
    for use in (ours.check, ours.beat):
        with pytest.raises(LeaseLost, match="gone"):
            await use(beaten)
    # Whoever evicts dies between its mark and the removal: the holder has lost it, and anybody may take it.
    body = {"Name": ours.name, "Labels": {**swarm.api.configs()[0]["Spec"]["Labels"], EVICTED: "no sign of life"}}
    version = swarm.api.inspect_config(new.id)["Version"]["Index"]
    url = swarm.api._url("/configs/{0}/update", new.id)
    swarm.api._raise_for_status(swarm.api._post_json(url, data=body, params={"version": version}))
    with pytest.raises(LeaseLost, match="no sign of life"):
        await theirs.check(new)
    with pytest.raises(LeaseLost):
        await theirs.beat(new)
    assert (await ours.acquire(holder("op-3"))).op == "op-3"


class Late(Configs):
    """Config objects that something happens to between the look and the write."""

    def __init__(self, engine: Engine, first: Callable[[], Awaitable[object]]) -> None:
        super().__init__(engine)
        self._first = first

    async def relabel(self, seen: Stored, labels: dict[str, str]) -> None:
        await self._first()
        await super().relabel(seen, labels)


async def test_between_the_look_and_the_write_the_faster_one_wins(source: DockerSource) -> None:
    ours, slow = lease(source), lease(source)
    held = await ours.acquire(holder("op-1"))
    slow._configs = lambda: Late(source.engine(), lambda: ours.beat(held))  # type: ignore[method-assign]
    with pytest.raises(LeaseTaken):
        await slow.evict(held)
    beaten = await ours.read()
    assert beaten == replace(held, beat=1)
    slow._configs = lambda: Late(source.engine(), lambda: ours.evict(beaten))  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        await slow.beat(beaten)
    assert await ours.read() is None


async def test_of_many_who_take_or_evict_at_once_one_wins(source: DockerSource, swarm: Swarm) -> None:
    sources = [make_source(swarm.url) for _ in range(4)]
    try:
        for round in range(12):
            name = f"race-{round}"
            takes = (lease(each, name).acquire(holder(f"op-{n}")) for n, each in enumerate(sources))
            found = await asyncio.gather(*takes, return_exceptions=True)
            won = [each for each in found if isinstance(each, Holder)]
            assert [type(each).__name__ for each in found].count("LeaseTaken") == len(sources) - 1, found
            # A beat and evictions of what was read before it: the beat wins or the lease is gone, never both.
            evicts = (lease(each, name).evict(won[0]) for each in sources[1:])
            beat, *gone = await asyncio.gather(
                lease(sources[0], name).beat(won[0]), *evicts, return_exceptions=True
            )  # fmt: skip
            left = await lease(source, name).read()
            if isinstance(beat, Holder):
                assert left == beat
                assert all(isinstance(each, LeaseTaken) for each in gone), gone
            else:
                assert isinstance(beat, LeaseLost), beat
                assert left is None
                assert None in gone, gone
    finally:
        for each in sources:
            await each.close()


async def test_hostile_names_have_leases_of_their_own(source: DockerSource) -> None:
    leases = [lease(source, name) for name in HOSTILE]
    for number, each in enumerate(leases):
        await each.acquire(holder(f"op-{number}", owner="x\u202e'\n", change="\u00e9\U0001f600"))
    assert [(await each.read()).op for each in leases] == [f"op-{n}" for n in range(len(HOSTILE))]  # type: ignore[union-attr]
    assert leases[0].name == "qd-lease-web"


async def test_the_lease_needs_a_permit_and_does_not_touch_the_service(case: Case) -> None:
    case.swarm.service("web", case.image("1"), wait=False)
    version, target = case.version(), case.target()
    with pytest.raises(Refused, match="/configs/create was not sent"):
        await target.lease.acquire(holder("op-1"))
    with permit("local"):
        held = await target.lease.acquire(holder("op-1"))
        await target.lease.beat(held)
        await target.lease.release(held)
    assert case.version() == version


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made
