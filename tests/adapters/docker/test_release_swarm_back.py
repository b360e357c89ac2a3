"""What a Swarm service can go back to: kept specs with their configuration, and the one that Swarm holds."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.process import wait_until
from parts.registry import Registry
from parts.swarm import Swarm
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.release.model import Candidate

from .swarmcase import Case

pytestmark = [pytest.mark.real("docker.io", "busybox-static", "docker-registry"), pytest.mark.xdist_group("swarm")]


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made


def env(case: Case) -> list[str]:
    return list(case.swarm.spec("web")["TaskTemplate"]["ContainerSpec"]["Env"])


async def listed(case: Case) -> list[Candidate]:
    return list(await case.target().candidates("shop", "prod"))


async def test_a_rollback_brings_the_configuration_of_its_version_back(case: Case) -> None:
    one, two, three = case.image("1"), case.image("2"), case.image("3")
    case.swarm.service("web", one, env=["A=1", "API_TOKEN=hush"])
    await case.do(await case.draft(two, op="op-2", revision=2))
    spec = case.swarm.spec("web")
    spec["TaskTemplate"]["ContainerSpec"]["Env"] = ["A=2", "API_TOKEN=other"]
    case.swarm.put("web", spec)
    wait_until(lambda: case.swarm.settled("web", two), "Swarm to roll")
    await case.do(await case.draft(three, op="op-3", revision=3), "retain", "update")
    found = await listed(case)
    assert [each.identity.reference for each in found] == [three, two, one]
    assert [(each.revision, each.op, each.proven, each.ready) for each in found] == [
        (3, "op-3", True, True), (2, "op-2", True, True), (0, "", False, True),
    ]  # fmt: skip
    now = case.swarm.spec("web")
    draft = await case.draft(one, op="op-4", revision=4, kind="rollback", candidate=found[2].id)
    assert "ContainerSpec.Env.A: 2 -> 1" in draft.config
    assert any(line.startswith("ContainerSpec.Env.API_TOKEN: ") for line in draft.config)
    assert not any(secret in str(draft) for secret in ("hush", "other"))
    await case.do(draft)
    assert (case.only(one), env(case)) == (True, ["A=1", "API_TOKEN=hush"])
    case.swarm.update("web", note="theirs")
    assert (await case.put_back(draft.change)).startswith("by an update of our own")
    assert (case.only(three), env(case)) == (True, ["A=2", "API_TOKEN=other"])
    after = case.swarm.spec("web")
    assert after["Labels"].pop("note") == "theirs"
    assert after == now
    draft = await case.draft(two, op="op-5", keep=1, candidate=found[1].id)
    await case.do(draft)
    assert env(case) == ["A=2", "API_TOKEN=other"]
    assert len(case.swarm.api.configs()) == 1
    with pytest.raises(NotFound, match="nothing is kept"):
        await case.draft(one, candidate=found[2].id)


async def test_what_swarm_held_before_the_first_release_can_be_gone_back_to(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one, env=["A=1"])
    spec = case.swarm.spec("web")
    spec["TaskTemplate"]["ContainerSpec"].update(Image=two, Env=["A=2"])
    case.swarm.put("web", spec)
    wait_until(lambda: case.swarm.settled("web", two), "Swarm to roll")
    found = await listed(case)
    assert [(each.id, each.identity.reference, each.proven) for each in found] == [
        ("", two, False),
        ("previous", one, False),
    ]
    draft = await case.draft(one, kind="rollback", candidate="previous")
    await case.do(draft)
    assert (case.only(one), env(case)) == (True, ["A=1"])
    case.swarm.update("web", note="theirs")
    await case.put_back(draft.change)
    assert (case.only(two), env(case)) == (True, ["A=2"])
    assert case.swarm.spec("web")["Labels"] == {"note": "theirs"}
    assert case.swarm.api.configs() == []


async def test_a_put_back_may_go_to_something_kept_instead_of_what_ran(case: Case) -> None:
    one, two, three = case.image("1"), case.image("2"), case.image("3")
    case.swarm.service("web", one, env=["A=1"])
    await case.do(await case.draft(two, op="op-2"))
    (kept,) = (each.id for each in await listed(case) if each.identity.reference == one)
    draft = await case.draft(three, op="op-3", back_candidate=kept)
    assert draft.change.back is not None
    assert draft.change.back.reference == one
    assert (await case.put_back(draft.change)).startswith("by an update of our own")
    assert case.only(one)
    assert (await case.put_back(draft.change)).startswith("as before")
    await case.do(await case.draft(two, op="op-4"))
    draft = await case.draft(three, op="op-5", back_candidate=kept)
    await case.do(draft, "retain", "update")
    await case.put_back(draft.change)
    assert case.only(one)


async def test_a_candidate_whose_image_is_nowhere_is_not_ready(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    await case.do(await case.draft(two))
    case.swarm.drop(one)
    kept = (await listed(case))[1]
    assert (kept.identity.reference, kept.ready) == (one, True), "the registry has it"
    case.registry.stop()
    try:
        kept = (await listed(case))[1]
        assert not kept.ready
        assert "refused" in kept.why_not
    finally:
        case.registry.start()
    for config in case.swarm.api.configs():
        case.swarm.api.remove_config(config["ID"])
    case.swarm.update("web", note="so that Swarm holds another")
    lost = (await listed(case))[1]
    assert (lost.identity.reference, lost.ready, lost.why_not) == (one, False, "its configuration was not kept")


async def test_with_the_registry_off_what_is_here_can_be_released_and_what_is_not_cannot(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    case.registry.stop()
    try:
        draft = await case.draft(two)
        await case.do(draft)
        assert case.only(two)
        nowhere = f"{one.partition('@')[0]}@sha256:{'0' * 64}"
        draft = await case.draft(nowhere, op="op-3")
        assert (draft.checks[0].name, draft.checks[0].ok) == ("image", False)
        with pytest.raises(NotFound, match="its registry says"):
            await case.do(draft, "pull-check")
        with pytest.raises(Conflict, match="No such image"):
            await case.do(draft, "update")
        await case.put_back(draft.change)
        assert case.only(two)
    finally:
        case.registry.start()


async def test_a_rollback_works_when_what_is_there_is_broken(case: Case) -> None:
    one, broken = case.image("1"), case.broken()
    case.swarm.service("web", one, replicas=2, monitor_s=1.0)
    draft = await case.draft(broken)
    with pytest.raises(Conflict):
        await case.do(draft)
    seen = await case.target().look()
    assert (seen.running, seen.state in ("paused", "mixed")) == (False, True)
    found = await listed(case)
    assert [(each.identity.reference, each.ready, each.proven) for each in found] == [
        (broken, True, False),
        (one, True, False),
    ]
    await case.do(await case.draft(one, op="op-3", kind="rollback", candidate=found[1].id))
    assert case.only(one)


async def test_nodes_pull_with_the_operators_login(swarm: Swarm, isolated_home: Path) -> None:
    login = {"username": "ana", "password": "hush"}
    with Registry(users={"ana": "hush"}) as closed:
        case = Case(swarm, closed)
        try:
            one, two = (swarm.pushed(closed, tag, login=login) for tag in "12")
            swarm.service("web", one)
            swarm.drop(two)
            with pytest.raises(NotFound, match="its registry says"):
                await case.do(await case.draft(two), "pull-check")
            (isolated_home / ".docker").mkdir()
            token = base64.b64encode(b"ana:hush").decode()
            auths = {"auths": {closed.address: {"auth": token}}}
            (isolated_home / ".docker" / "config.json").write_text(json.dumps(auths))
            await case.source.close()
            case = Case(swarm, closed)
            await case.do(await case.draft(two))
            assert case.only(two)
        finally:
            await case.close()
