"""A container released step by step: the same on the practice engine and on a real one."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.ports import Deploys, Target

from .boxcase import PORT, Box
from .conftest import make_source


def test_it_is_a_target() -> None:
    source = make_source("unix:///nowhere.sock")
    assert isinstance(source, Deploys)
    target: Target = source.target("container", "app", {})
    assert str(target.place) == "local/app"


async def test_stop_then_start_puts_the_new_image_under_the_name(box: Box) -> None:
    first, second = box.image("1", keep=True), box.image("2")
    old = box.start()
    target = box.target()
    seen = await target.look()
    assert seen.identity is not None
    assert (seen.identity.digest, seen.running, seen.marks) == (first, True, None)
    draft = await box.draft(target, "2")
    assert draft.change.to.digest == second
    assert draft.change.mode == "stop-start"
    assert [step.name for step in draft.steps] == ["pull", "create", "stop", "start", "gate", "prune"]
    assert all(check.ok is not False for check in draft.checks), draft.checks
    assert draft.gap_s == 6.0
    await target.recheck(draft.change)
    said = await box.release(target, draft)
    assert "after the old one's end" in said[3]
    now = await target.look()
    assert now.identity is not None
    assert now.identity.digest == second
    assert now.running
    assert now.marks is not None
    assert (now.marks.op, now.marks.service, now.marks.env, now.marks.digest) == ("op-1", "shop", "prod", second)
    assert now.marks.previous == first
    assert box.names() == ["app", "app-qd-kept-op-1"]
    new, kept = box.inspect(), box.inspect("app-qd-kept-op-1")
    assert new["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert new["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"] == PORT
    assert new["Config"]["Labels"]["build"] == "2"
    assert kept["Id"] == old
    assert kept["HostConfig"]["RestartPolicy"]["Name"] == "no"


async def test_every_step_twice_is_as_once(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2")
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    for step in draft.steps:
        if step.phase == "gate":
            continue
        await box.do(target, draft.change, step)
        before = _facts(box)
        await target.do(draft.change, step, box.say)  # without a permit: nothing may be written
        assert _facts(box) == before, step


def _facts(box: Box) -> Any:
    return [
        (each["Id"], each["Names"], each["State"], each["ImageID"], box.inspect(each["Id"])["State"]["StartedAt"])
        for each in box.api.containers(all=True)
    ]


@pytest.mark.parametrize("until", ["pull", "create", "stop", "start", "prune"])
async def test_it_is_put_back_from_after_every_step(box: Box, until: str) -> None:
    box.image("1", keep=True)
    box.image("2")
    old = box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    await box.release(target, draft, until)
    await box.put_back(target, draft.change)
    box.as_before(old)
    await target.put_back(draft.change, box.say)
    box.as_before(old)


async def test_a_tag_that_moved_since_the_plan_is_a_conflict(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2")
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    box.image("2", "ENV MOVED=1")
    with pytest.raises(Conflict, match="moved since the plan"):
        await target.recheck(draft.change)
