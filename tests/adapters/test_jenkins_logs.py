"""Logs of Jenkins: followed every 5 s, from the queue on, by stages, and of big ones only the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.jenkinsrig import MAIN, TRAIN, Rig, heard, rig
from quarterdeck_demo.jenkins.plan import Stage, Step
from quarterdeck_demo.jenkins.progress import console
from quarterdeck_demo.messages import Request, Response
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref

ONCE = LogOptions(follow=False)


@pytest.fixture
async def hub() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


async def test_a_log_is_followed_to_the_end_of_its_build(hub: Rig) -> None:
    source = hub.source()
    ref = hub.ref("acme/fraud-model/main", 12)
    assert source.log_mode(ref) == "live, every 5 s"
    lines, notices = await heard(source.logs([ref], LogOptions()))
    assert lines[-1] == "Finished: SUCCESS"
    build = hub.state.build("acme/fraud-model/main", 12)
    assert build is not None
    assert lines == console(build, hub.clock()).splitlines()
    assert notices == ["the build has ended: success"]
    assert set(hub.slept) == {5.0}
    few, said = await heard(source.logs([ref], LogOptions(tail=3, follow=False)))
    assert few == lines[-3:]
    assert said == [f"{len(lines) - 3:,} earlier lines are not shown"]


async def test_the_log_of_an_item_begins_with_its_build(hub: Rig) -> None:
    source = hub.source()
    waits = Ref("ci", "run", f"{TRAIN}@4712")
    lines, notices = await heard(source.logs([waits], ONCE))
    assert (lines, notices) == ([], [
        "it waits in the queue: Waiting for next available executor on ‘gpu’; asking every 5 s"])  # fmt: skip
    job, running = hub.state.jobs[TRAIN], hub.state.build(TRAIN, 212)
    assert running is not None
    object.__setattr__(job, "stages", (Stage("Short", (Step("Shell Script", 20, "make", ("a", "b")),)),))
    running.stopped_at = hub.clock() + 12
    lines, notices = await heard(source.logs([waits], LogOptions()))
    assert (lines[0], lines[-1]) == ("Started by user Chen Li", "Finished: SUCCESS")
    assert notices[-1] == "the build has ended: success"


async def test_the_log_of_a_stage_is_that_of_its_steps_and_follows_new_ones(hub: Rig) -> None:
    source = hub.source()
    hub.clock.move(-1200)  # the build has just begun
    stage = (await source.children(hub.ref(TRAIN, 212)))[0].rows[0]
    lines, notices = await heard(source.logs([stage.ref], LogOptions()))
    assert lines == ["Checking out Revision (detached)", "+ python -m features.build", "wrote 41 parts",
                     "features: 118 columns"]  # fmt: skip
    assert notices[-1] == "the stage has ended: success"
    with pytest.raises(errors.Unsupported, match="another build"):
        await heard(source.logs([stage.ref], LogOptions(previous=True)))


async def test_of_a_big_log_only_the_end_is_read(hub: Rig) -> None:
    sent = 0
    size = 200 * 1024 * 1024
    line = b"x" * 99 + b"\n"

    async def body(count: int) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(count // 65_536):
            sent += 65_536
            yield (line * 656)[:65_536]

    async def app(request: Request) -> Response:
        if request.path.endswith("/progressiveText"):
            headers = {"Content-Type": "text/plain", "X-Text-Size": str(size)}
            return Response(200, headers, body(size - int(request.arg("start"))))
        return await hub.jenkins.handler(request)

    hub.app = app
    lines, notices = await heard(hub.source().logs([hub.ref(MAIN, 40)], ONCE))
    assert len(lines) == 1000
    assert notices[0] == f"the first {size - (1 << 20):,} of {size:,} bytes are not read"
    assert sent < 8 << 20
