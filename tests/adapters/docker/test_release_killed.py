"""A runner that dies between any two writes: what ran before is put back, whatever was left."""

from __future__ import annotations

import msgspec
import pytest

from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change
from quarterdeck_lifecycle.release.ports import LeaseLost

from .boxcase import Box, holder

MOST = 30


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_dead_before_any_write_and_dead_again_on_the_way_back(box: Box) -> None:
    """Every pair: the release dies before its write N, putting it back before its write M, then it is put back."""
    box.image("1", keep=True)
    box.image("2", keep=True)
    old, target, tried = box.start(), box.target(), 0
    for write in range(MOST):
        for again in range(MOST):
            draft = await box.draft(target, "2", op=f"op-{write}-{again}")
            killed = await box.stopped_at(target, box.release(target, draft), write)
            twice = await box.stopped_at(target, box.put_back(target, draft.change), again)
            await box.put_back(target, draft.change)
            box.as_before(old)
            tried += 1
            if not twice:
                break
        if not killed:
            break
    assert (killed, tried > 40) == (False, True), tried


@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
@pytest.mark.real("docker.io", "busybox-static", "docker-registry")
async def test_dead_before_any_write_of_a_real_engine(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2")
    old, target = box.start(), box.target()
    for write in range(MOST):
        draft = await box.draft(target, "2", op=f"op-{write}")
        killed = await box.stopped_at(target, box.release(target, draft), write)
        await box.stopped_at(target, box.put_back(target, draft.change), write % 4)
        await box.put_back(target, draft.change)
        box.as_before(old)
        if not killed:
            break
    assert (killed, write) == (False, 8)


async def test_dead_before_any_write_it_goes_on_to_the_same_end(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    old, target = box.start(), box.target()
    for write in (1, 3, 5, 6):
        draft = await box.draft(target, "2", op=f"op-{write}")
        assert await box.stopped_at(target, box.release(target, draft), write)
        await box.release(target, draft)
        assert box.names() == ["app", f"app-qd-kept-op-{write}"]
        assert box.inspect()["State"]["Running"]
        assert box.inspect()["HostConfig"]["RestartPolicy"]["Name"] == "always"
        await box.put_back(target, draft.change)
        box.as_before(old)


@pytest.mark.parametrize("until", ["create", "stop", "start"])
async def test_a_restart_of_the_engine_in_between_never_starts_both(box: Box, until: str) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    old, target = box.start(), box.target()
    draft = await box.draft(target, "2")
    await box.release(target, draft, until)
    box.rig.crash()
    wanted = {"create": ["app"], "stop": [], "start": ["app"]}[until]
    assert box.running() == wanted
    await box.put_back(target, draft.change)
    box.as_before(old)


async def test_a_lost_lease_stops_the_next_write(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    await box.release(target, draft, "create")
    before = box.inspect()["State"]["StartedAt"]

    async def lost() -> None:
        raise LeaseLost("the lease", why="another's")

    target.fence = lost
    with pytest.raises(LeaseLost):
        await box.do(target, draft.change, draft.steps[2])
    with pytest.raises(LeaseLost):
        await box.put_back(target, draft.change)
    assert box.inspect()["State"]["StartedAt"] == before
    assert box.inspect()["HostConfig"]["RestartPolicy"]["Name"] == "always"


async def test_what_a_stranger_did_meanwhile_is_left_alone(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    old, target = box.start(), box.target()
    draft = await box.draft(target, "2")
    await box.release(target, draft, "create")
    box.api.remove_container(old, force=True)
    with pytest.raises(Conflict, match="is gone"):
        await box.put_back(target, draft.change)
    assert box.names() == ["app-qd-new-op-1"]
    box.start(PortBindings={})
    with pytest.raises(Conflict, match="is gone"):
        await box.put_back(target, draft.change)

    second = box.inspect()["Id"]
    draft = await box.draft(target, "2", op="op-2")
    await box.release(target, draft, "stop")
    box.api.rename(second, "mine")
    box.start()
    with pytest.raises(Conflict, match="neither the old one nor of release op-2"):
        await box.put_back(target, draft.change)
    assert box.running() == ["app"]
    box.api.remove_container("app", force=True)
    await box.put_back(target, draft.change)
    box.as_before(second, others=["app-qd-new-op-1"])


async def test_the_lease_can_be_taken_over_where_the_name_is_missing(box: Box) -> None:
    """Between the two renames no container has the name: whoever finds the lease abandoned must still hold it."""
    box.image("1", "VOLUME /data", keep=True)
    box.image("2", keep=True)
    old, target = box.start(), box.target()
    draft = await box.draft(target, "2")
    text = msgspec.json.encode(draft.change).decode()
    with permit("local"):
        held = await target.lease.acquire(holder(change=text))
    assert await box.stopped_at(target, box.release(target, draft), 4)
    assert "app" not in box.names()
    other = box.target()
    seen = await other.lease.read()
    assert seen is not None
    assert seen == held
    assert msgspec.json.decode(seen.change, type=Change) == draft.change
    with permit("local"):
        assert await box.target().lease.acquire(holder(change=text)) == held
        await other.lease.evict(seen)
        mine = await other.lease.acquire(holder("op-2", change=seen.change))
        with pytest.raises(LeaseLost):
            await target.lease.check(held)
    await box.put_back(other, msgspec.json.decode(mine.change, type=Change))
    with permit("local"):
        await other.lease.release(mine)
    box.as_before(old)
