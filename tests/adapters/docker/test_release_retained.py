"""What is kept, what it is worth, what goes; and what a failed release goes back to."""

from __future__ import annotations

import pytest

from quarterdeck_lifecycle.errors import NotFound

from .boxcase import Box


async def test_the_last_are_kept_and_the_rest_goes(box: Box) -> None:
    for tag in ("1", "2"):
        box.image(tag, "VOLUME /scratch", keep=True)
    box.start()
    target = box.target()
    for number in range(1, 5):
        draft = await box.draft(target, "2" if number % 2 else "1", op=f"op-{number}", keep=2, revision=number)
        said = await box.release(target, draft)
    assert box.names() == ["app", "app-qd-kept-op-3", "app-qd-kept-op-4"]
    assert "removed app-qd-kept-op-2" in said[-1]
    assert "exit code 0" in said[-1]
    assert "up" in box.said, "what it said last is told before it goes"
    assert len(box.api.volumes()["Volumes"]) == 1, "its volume is everybody's and stays"
    found = await target.candidates("shop", "prod")
    assert [(each.op, each.revision, each.proven, each.ready) for each in found] == [
        ("op-4", 4, True, True),
        ("op-3", 3, True, True),
        ("op-2", 2, True, True),
    ]
    assert found[0].id == box.inspect()["Id"]


async def test_what_belongs_to_others_is_not_counted(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    marks = {"quarterdeck.op": "op-9", "quarterdeck.service": "other", "quarterdeck.env": "prod"}
    mine = {"quarterdeck.op": "op-0", "quarterdeck.service": "shop", "quarterdeck.env": "prod"}
    free = {"PortBindings": {}, "RestartPolicy": {"Name": "no"}}
    for name, labels in (("app-qd-old-op-9", marks), ("app-qd-old-by-hand", {}), ("app-qd-kept", {}), ("app2", mine)):
        box.start(name=name, Labels=labels, HostConfig=free)
        box.api.stop(name, timeout=5)
    box.start(name="app-qd-kept-op-7", Labels=mine, HostConfig=free)
    left = {"Image": f"{box.repository}:1", "Labels": mine, "HostConfig": {"NetworkMode": "test-net"}}
    assert box.rig.subject.raw("POST", "/containers/create?name=app-qd-new-op-0", left).status_code == 201
    target = box.target()
    draft = await box.draft(target, "2", keep=1)
    said = await box.release(target, draft)
    names = box.names()
    assert {"app-qd-old-op-9", "app-qd-old-by-hand", "app-qd-kept", "app2"} <= set(names)
    assert "app-qd-kept-op-7" in names, "it runs: nobody retained it"
    assert "app-qd-new-op-0" not in names
    assert "app-qd-new-op-0, never started" in said[-1]
    assert len(await target.candidates("shop", "prod")) == 2


async def test_a_release_that_was_held_is_not_called_proven(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    target = box.target()
    await box.release(target, await box.draft(target, "2"))
    await box.release(target, await box.draft(target, "1", op="op-2", revision=2), "start")
    found = await target.candidates("shop", "prod")
    assert [(each.op, each.proven) for each in found] == [("op-2", False), ("op-1", True), ("", False)]


async def test_a_failure_goes_back_to_what_the_plan_names(box: Box) -> None:
    """Of three, the middle one runs unproven; the plan goes back to the first, from wherever it stopped."""
    for tag in ("1", "2", "3"):
        box.image(tag, keep=True)
    first = box.start(HostConfig={"RestartPolicy": {"Name": "unless-stopped"}})
    target = box.target()
    for write in range(0, 14, 3 if box.rig.real else 1):
        held = await box.draft(target, "2", op=f"op-a{write}")
        await box.release(target, held, "start")
        second = box.inspect()["Id"]
        draft = await box.draft(target, "3", op=f"op-b{write}", back_candidate=first)
        await target.recheck(draft.change)
        killed = await box.stopped_at(target, box.release(target, draft, "start"), write)
        await box.stopped_at(target, box.put_back(target, draft.change), write % 5)
        await box.put_back(target, draft.change)
        await target.put_back(draft.change, box.say)
        found = box.inspect()
        assert (found["Id"], found["State"]["Running"]) == (first, True)
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        kept = box.inspect(second)
        assert kept["HostConfig"]["RestartPolicy"]["Name"] == "no"
        assert (kept["State"]["Running"], kept["Name"][:12]) == (False, "/app-qd-old-")
        assert box.names() == sorted(["app", kept["Name"][1:]])
        box.api.remove_container(second)
        if not killed:
            break
    assert not killed
    with pytest.raises(NotFound, match="put back is gone"):
        await box.draft(target, "3", op="op-c", back_candidate="0" * 64)


async def test_clearing_up_leaves_what_runs(box: Box) -> None:
    from quarterdeck_lifecycle.permit import permit

    for tag in ("1", "2", "3"):
        box.image(tag, keep=True)
    first = box.start()
    target = box.target()
    await box.release(target, await box.draft(target, "2", op="op-a"), "start")
    second = box.inspect()
    draft = await box.draft(target, "3", op="op-b", back_candidate=first)
    await box.release(target, draft, "create")
    with permit("local"):
        await target.clear_up(draft.change, box.say)
    await target.clear_up(draft.change, box.say)
    now = box.inspect()
    assert (now["Id"], now["State"]["StartedAt"]) == (second["Id"], second["State"]["StartedAt"])
    assert box.names() == ["app", "app-qd-old-op-a"]


async def test_a_candidate_whose_image_is_gone_says_so(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    target = box.target()
    await box.release(target, await box.draft(target, "2"))
    box.api.remove_image(f"{box.repository}:1", force=True)
    image = box.inspect("app-qd-kept-op-1")["Image"]
    box.rig.subject.raw("DELETE", f"/images/{image}?force=1")
    found = await target.candidates("shop", "prod")
    assert (found[1].ready, found[1].identity.image_id) == (False, image)
    assert "is gone from this engine" in found[1].why_not
