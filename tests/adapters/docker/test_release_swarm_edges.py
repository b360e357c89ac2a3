"""Swarm services that are unlike the plain one: by id, by tag, global, restarted alone, looping, waiting for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from parts.engine import IDLE
from parts.process import wait_until
from parts.registry import Registry
from parts.swarm import Swarm
from quarterdeck_adapters.docker.release import swarm_roll
from quarterdeck_adapters.docker.release.swarm_state import Raced, State, read
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Timeout, Unavailable, Unsupported
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Identity, ProbeRule
from quarterdeck_lifecycle.release.ports import LeaseLost

from .swarmcase import Case, step

pytestmark = [pytest.mark.real("docker.io", "busybox-static", "docker-registry"), pytest.mark.xdist_group("swarm")]


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made


async def test_a_tag_is_resolved_by_its_registry_and_a_built_image_by_its_id(case: Case) -> None:
    one, name = case.image("1"), f"{case.registry.address}/team/app"
    target = case.target()
    found = await target.resolve("1", name)
    assert (found.reference, found.wanted) == (one, "1")
    assert found.image_id == case.swarm.api.inspect_image(one)["Id"]
    assert (await target.resolve(found.digest, name)).reference == one
    with pytest.raises(NotFound):
        await target.resolve("no-such-tag", name)
    with pytest.raises(NotFound, match="no image"):
        await target.resolve("--help", "-x")
    case.registry.stop()
    try:
        with pytest.raises(Unavailable):
            await target.resolve("1", name)
    finally:
        case.registry.start()
    id = case.swarm.image("built/here:1")
    built = await target.resolve("1", "built/here")
    assert (built.reference, built.digest, built.image_id) == (id, "", id)


async def test_images_that_no_registry_knows_are_released_by_id_and_told_apart_by_their_tasks(case: Case) -> None:
    first, second = case.swarm.image("built/here:1"), case.swarm.image("built/here:2", files={"/srv/v": "2"})
    case.swarm.service("web", "built/here:1")
    case.swarm.api.tag("built/here:2", "built/here", "1")
    seen = await case.target().look()
    assert seen.identity is not None
    assert seen.identity.image_id == first, "what the task was made from, whatever the tag means by now"
    draft = await case.draft(Identity(kind="image", name="built/here", digest="", image_id=second))
    assert any("without a digest" in line for line in draft.warnings)
    await case.do(draft)
    assert case.only(second)
    seen = await case.target().look()
    assert seen.running
    assert draft.change.to.same(seen.identity)
    case.swarm.api.tag(first, "built/here", "1")
    await case.put_back(draft.change)
    assert case.only("built/here:1")
    assert draft.change.back is not None
    assert draft.change.back.same((await case.target().look()).identity)


async def test_the_same_image_is_not_written_again_and_a_restart_is(case: Case) -> None:
    one = case.image("1")
    case.swarm.service("web", one)
    version = case.version()
    draft = await case.draft(one)
    assert any("nothing is written" in line for line in draft.warnings)
    await case.do(draft, "pull-check", "update")
    await case.put_back(draft.change)
    assert case.version() == version
    tasks = {task.id for task in (await read(case.source.engine(), "web")).serving}
    draft = await case.draft(one, restart_only=True)
    await case.do(draft)
    state = await read(case.source.engine(), "web")
    assert state.whole
    assert not tasks & {task.id for task in state.serving}
    version = case.version()
    assert (await case.do(draft, "update"))[0].startswith("found updated")
    assert case.version() == version


async def test_a_global_service_is_rolled(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    spec = {**case.swarm.spec("web"), "Name": "every", "Mode": {"Global": {}}}
    case.swarm.api._raise_for_status(case.swarm.api._post_json(case.swarm.api._url("/services/create"), data=spec))
    wait_until(lambda: len(case.swarm.running("every")) == 1, "the global service to run")
    draft = await case.draft(two, name="every")
    assert "1 of 1 tasks run" in (await case.do(draft, "update"))[0]
    await case.put_back(draft.change)
    assert case.only(one, "every")
    assert case.only(one, "web")


async def test_a_job_a_roll_in_progress_and_a_model_are_refused(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one, replicas=2)
    with pytest.raises(Unsupported, match="runs images"):
        await case.draft(Identity(kind="model", name="fraud", digest="3"))
    spec = case.swarm.spec("web")
    spec["TaskTemplate"]["ContainerSpec"]["Image"] = two
    case.swarm.put("web", spec)
    wait_until(lambda: case.swarm.api.inspect_service("web").get("UpdateStatus"), "Swarm to begin to roll")
    with pytest.raises(Refused, match="update in progress"):
        await case.draft(one)
    spec["Mode"]["Replicated"]["Replicas"] = 0
    wait_until(lambda: case.swarm.settled("web", two), "Swarm to roll")
    case.swarm.put("web", spec)
    with pytest.raises(Unsupported, match="scaled to 0"):
        await case.draft(one)


async def test_a_crash_loop_is_told_also_where_swarm_calls_it_completed(case: Case) -> None:
    one = case.image("1")
    late = case.image("late", command=("sh", "-c", "sleep 0.1; echo out of memory >&2; exit 9"))
    case.swarm.service("web", one, monitor_s=0.001)
    swarm_roll.POLL_S = 0.3  # No task lives long enough to be seen twice; `case` sets it back.
    draft = await case.draft(late)
    await case.do(draft, "retain")
    with pytest.raises(Conflict, match=r"(stopped rolling|keep failing).*non-zero exit \(9\)"):
        await case.do(draft, "update")
    evidence = await case.target().evidence(draft.change, "new", 50)
    assert (evidence.exit_code, evidence.log) == (9, ("out of memory",))
    assert evidence.state == "failed: task: non-zero exit (9)"
    await case.put_back(draft.change)
    assert case.only(one)


async def test_a_task_that_waits_for_ever_ends_at_the_deadline_and_is_put_back(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    before = case.swarm.spec("web")
    spec = case.swarm.spec("web")
    spec["TaskTemplate"]["ContainerSpec"]["Image"] = two
    spec["TaskTemplate"]["Placement"] = {"Constraints": ["node.labels.gpu==yes"]}
    draft = await case.draft(two)
    await case.do(draft, "retain")
    # As a release would leave a service whose new tasks find no node.
    spec.update(Labels=draft.change.marks().labels())
    case.swarm.put("web", spec)
    with pytest.raises(Timeout, match="1 starting"):
        await case.do(draft, "update", seconds=1)
    assert any("starting" in line for line in case.said)
    await case.put_back(draft.change)
    assert case.only(one)
    assert case.swarm.spec("web")["TaskTemplate"]["ContainerSpec"] == before["TaskTemplate"]["ContainerSpec"]


async def test_probes_ask_the_tasks_themselves(case: Case) -> None:
    one = case.image("1")
    sick = case.image("sick", command=IDLE, changes=('HEALTHCHECK --interval=200ms CMD ["cat", "/tmp/well"]',))
    case.swarm.service("web", one)
    draft, target = await case.draft(case.image("2")), case.target()
    asked = [await target.probe(draft.change, ProbeRule(engine=True), "direct")]
    with permit("local"):
        asked += [
            await target.probe(draft.change, ProbeRule(exec=argv), "direct")
            for argv in (("true",), ("sh", "-c", "echo no; exit 4"))
        ]
    assert [sample.verdict for sample in asked] == ["unknown", "pass", "fail"]
    assert asked[2].said == "sh ended with 4: no"
    assert await target.endpoint(draft.change, "traffic") == ""
    case.swarm.service("ill", sick, wait=False)
    sample = await case.target("ill").probe(draft.change, ProbeRule(engine=True), "direct")
    assert sample.verdict == "fail"
    case.swarm.service("well", one, health=("true",))
    sample = await case.target("well").probe(draft.change, ProbeRule(engine=True), "direct")
    assert sample.verdict == "pass"


async def test_every_write_is_fenced(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    draft, target, asked = await case.draft(two), case.target(), []

    async def held() -> None:
        asked.append("held")

    async def lost() -> None:
        raise LeaseLost("gone")

    target.fence = held
    await case.do(draft, "retain", "update", target=target)
    assert len(asked) == 2
    target.fence = lost
    version = case.version()
    with permit("local"):
        for act in (target.put_back, target.clear_up):
            with pytest.raises(LeaseLost):
                await act(draft.change, case.say)
    assert case.version() == version
    with pytest.raises(Unsupported, match="no step"):
        await target.do(draft.change, step(draft, "gate"), case.say)


async def test_a_write_that_comes_too_late_is_refused_and_the_way_back_looks_again(case: Case) -> None:
    one, two = case.image("1"), case.image("2")
    case.swarm.service("web", one)
    draft, target, raced = await case.draft(two), case.target(), 0

    async def somebody_is_faster() -> None:
        nonlocal raced
        raced += 1
        if raced == 1:
            case.swarm.update("web", note="theirs")

    await case.do(draft, "retain")
    target.fence = somebody_is_faster
    with pytest.raises(Raced, match="the manager refused the write, nothing was changed"):
        await case.do(draft, "update", target=target)
    assert case.only(one)
    draft = await case.draft(two, op="op-3")
    await case.do(draft, "retain", "update")
    raced = 0
    assert (await case.put_back(draft.change, target)).startswith("by an update of our own")
    assert case.only(one)
    assert case.swarm.spec("web")["Labels"] == {"note": "theirs"}


async def test_a_manager_that_does_not_answer_for_a_moment_stops_nothing(case: Case) -> None:
    one = case.image("1")
    case.swarm.service("web", one)
    target, calls = case.target(), 0

    async def flaky() -> State:
        nonlocal calls
        calls += 1
        if calls in (1, 3):
            raise Unavailable("the manager", why="restarting")
        return await target.state()

    state = await swarm_roll.settle(flaky, one, "", 10, case.say)
    assert state.whole
    assert "down: restarting" in case.said

    async def dead(*_: Any) -> State:
        raise Unavailable("the manager", why="restarting")

    with pytest.raises(Unavailable):
        await swarm_roll.settle(dead, one, "", 0.1, case.say)
