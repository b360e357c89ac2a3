"""A runner that dies at any write, before or after it lands: what another one finds is put back, and that twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from parts.registry import Registry
from parts.swarm import Swarm
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.model import Change

from .conftest import make_source
from .swarmcase import Case, Counted, Killed

pytestmark = [pytest.mark.real("docker.io", "busybox-static", "docker-registry"), pytest.mark.xdist_group("swarm")]
FORWARD, BACK = ("creating", "updating"), ("updating", "removing")


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made


async def back_twice(case: Case, change: Change, one: str, before: object) -> None:
    """Put back by a runner that knows the change alone, then again, which writes nothing."""
    await case.put_back(change)
    assert case.only(one)
    assert case.swarm.spec("web") == before
    assert case.swarm.api.configs() == []
    source = make_source(case.swarm.url)
    counted = Counted()
    try:
        told = await case.put_back(change, counted.wrap(case.target(source=source)))
    finally:
        await source.close()
    assert told.startswith("as before, nothing was written: 2 of 2 tasks run")
    assert counted.count == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(len(FORWARD)))
async def test_killed_on_the_way_forward(case: Case, write: int, after: bool) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one, replicas=2)
    before = case.swarm.spec("web")
    draft = await case.draft(two)
    counted, dying = Counted(write, after=after), make_source(case.swarm.url)
    try:
        with pytest.raises(Killed, match=FORWARD[write]):
            await case.do(draft, target=counted.wrap(case.target(source=dying)))
    finally:
        await dying.close()
    await back_twice(case, draft.change, one, before)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(len(BACK)))
async def test_killed_on_the_way_back(case: Case, write: int, after: bool) -> None:
    one, broken = case.image("1"), case.image("none", command=("/no/such/program",))
    case.swarm.service("web", one, replicas=2)
    before = case.swarm.spec("web")
    draft = await case.draft(broken)
    await case.do(draft, "retain")
    # A task that ends at once may have been seen to run: the gate would tell, and is not asked here.
    with suppress(Conflict):
        await case.do(draft, "update")
    counted, dying = Counted(write, after=after), make_source(case.swarm.url)
    try:
        with pytest.raises(Killed, match=BACK[write]):
            await case.put_back(draft.change, counted.wrap(case.target(source=dying)))
    finally:
        await dying.close()
    await back_twice(case, draft.change, one, before)


async def test_without_the_kept_spec_and_the_swarms_own_the_change_is_taken_out(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one, action="continue", labels={"quarterdeck.op": "op-1", "quarterdeck.revision": "1"})
    before = case.swarm.spec("web")
    draft = await case.draft(two)
    await case.do(draft)
    assert case.swarm.spec("web")["UpdateConfig"]["FailureAction"] == "pause"
    for config in case.swarm.api.configs():
        case.swarm.api.remove_config(config["ID"])
    case.swarm.update("web", note="theirs")
    assert (await case.put_back(draft.change)).startswith("by an update of our own")
    after = case.swarm.spec("web")
    assert after["Labels"].pop("note") == "theirs"
    assert after["TaskTemplate"]["ContainerSpec"].pop("Labels", None) in ({}, None)
    assert after == before
