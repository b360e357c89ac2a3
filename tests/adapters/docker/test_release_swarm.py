"""Swarm services as targets: planned, updated, looked at, put back; on a real manager."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from parts.engine import Engine
from parts.process import wait_until
from parts.registry import Registry
from parts.swarm import Swarm
from quarterdeck_adapters.docker.release.swarm import SwarmTarget
from quarterdeck_adapters.docker.release.swarm_state import swarm_services
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.release.model import Marks

from .conftest import make_source
from .swarmcase import Case, step

pytestmark = [pytest.mark.real("docker.io", "busybox-static", "docker-registry"), pytest.mark.xdist_group("swarm")]


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made


async def test_an_update_is_rolled_marked_and_done_once(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one, replicas=2, env=["TOKEN=hush"], labels={"team": "fraud"})
    before = case.swarm.spec("web")
    draft = await case.draft(two)
    assert [step.name for step in draft.steps] == ["pull-check", "retain", "update", "gate", "prune"]
    assert draft.change.back is not None
    assert draft.change.back.reference == one
    assert "hush" not in str(draft)
    told = await case.do(draft)
    assert told[2].startswith("updated: 2 of 2 tasks run")
    seen = await case.target().look()
    assert seen.running
    assert seen.identity is not None
    assert seen.identity.reference == two
    assert seen.marks == draft.change.marks()
    after, version = case.swarm.spec("web"), case.version()
    assert Marks.read(after["TaskTemplate"]["ContainerSpec"]["Labels"]) == draft.change.marks()
    after["TaskTemplate"]["ContainerSpec"]["Image"] = one
    del after["TaskTemplate"]["ContainerSpec"]["Labels"]
    after["Labels"] = {"team": "fraud"}
    assert after == before
    assert [told.partition(":")[0] for told in await case.do(draft)][1:] == [
        "found retained",
        "found updated",
        "nothing to remove",
    ]
    assert case.version() == version


async def test_putting_back_uses_the_rollback_of_the_swarm_and_is_done_once(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one, replicas=2)
    before = case.swarm.spec("web")
    draft = await case.draft(two)
    await case.do(draft)
    assert (await case.put_back(draft.change)).startswith("by Swarm's own rollback: 2 of 2")
    assert case.only(one)
    assert case.swarm.spec("web") == before
    version = case.version()
    assert (await case.put_back(draft.change)).startswith("as before, nothing was written")
    assert case.version() == version
    assert case.swarm.api.configs() == []


@pytest.mark.parametrize("action", ["pause", "rollback", "continue"])
async def test_a_broken_image_stops_the_roll_and_is_put_back(case: Case, action: str) -> None:
    one, broken = case.image("1"), case.broken()
    case.swarm.service("web", one, replicas=2, action=action, monitor_s=2.0)
    before = case.swarm.spec("web")
    draft = await case.draft(broken)
    with pytest.raises(Conflict, match=r"non-zero exit \(3\)") as failed:
        await case.do(draft)
    assert ("by itself" in str(failed.value)) == (action == "rollback")
    evidence = await case.target().evidence(draft.change, "new", 50)
    assert evidence.exit_code == 3
    assert "no MODEL_PATH is set" in "\n".join(evidence.log)
    told = await case.put_back(draft.change)
    assert told.startswith("as before" if action == "rollback" else "by Swarm's own rollback")
    assert case.only(one)
    assert case.swarm.spec("web") == before


async def test_what_others_change_meanwhile_is_refused_or_kept(case: Case) -> None:
    one, two, three = case.image("1"), case.image("2"), case.image("3")
    case.swarm.service("web", one, env=["A=0"])
    draft = await case.draft(two)
    case.swarm.update("web", note="mine")
    with pytest.raises(Conflict, match="changed since the plan"):
        await case.do(draft, "update")
    with pytest.raises(Conflict, match="changed since the plan"):
        await case.target().recheck(draft.change)
    draft = await case.draft(two)
    case.swarm.put("web", case.swarm.spec("web"))
    await case.target().recheck(draft.change)
    await case.do(draft, "retain")
    spec = case.swarm.spec("web")
    spec["TaskTemplate"]["ContainerSpec"]["Env"] = ["A=1"]
    case.swarm.put("web", spec)
    wait_until(lambda: case.swarm.settled("web", one), "Swarm to roll")
    with pytest.raises(Conflict, match="changed since"):
        await case.do(draft, "update")
    await case.put_back(draft.change)
    assert case.swarm.spec("web") == spec
    draft = await case.draft(two)
    await case.do(draft)
    await case.target().recheck(draft.change)
    case.swarm.update("web", note="theirs")
    assert (await case.put_back(draft.change)).startswith("by an update of our own")
    assert case.only(one)
    assert case.swarm.spec("web")["Labels"] == {"note": "theirs"}
    draft = await case.draft(two)
    await case.do(draft)
    spec = case.swarm.spec("web")
    spec["TaskTemplate"]["ContainerSpec"]["Image"] = three
    case.swarm.put("web", spec)
    version = case.version()
    with pytest.raises(Conflict, match="somebody else"):
        await case.put_back(draft.change)
    assert case.swarm.spec("web")["TaskTemplate"]["ContainerSpec"]["Image"] == three
    assert case.version() >= version


async def test_services_are_found_by_their_exact_names(case: Case) -> None:
    one = case.image("1")
    case.swarm.service("web", one, labels={"quarterdeck.service": "shop"}, wait=False)
    assert await swarm_services(case.source.engine()) == [("web", one, {"quarterdeck.service": "shop"})]
    assert isinstance(case.source.target("swarm", "web", {}), SwarmTarget)
    for name in ("we", "--help", "web\n", ""):
        with pytest.raises(NotFound, match="no Swarm service"):
            await case.target(name).look()


async def test_an_engine_that_is_no_manager_has_no_services(engine: Engine) -> None:
    source = make_source(engine.url)
    try:
        assert await swarm_services(source.engine()) == []
        with pytest.raises(Unsupported, match="no Swarm manager"):
            await SwarmTarget(source, "web", {}).look()
    finally:
        await source.close()


async def test_nothing_is_written_without_a_permit(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    draft = await case.draft(two)
    target = case.target()
    for each in (step(draft, "retain"), step(draft, "update")):
        with pytest.raises(Refused, match="was not sent"):
            await target.do(draft.change, each, case.say)
    assert case.only(one)
