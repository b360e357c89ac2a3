"""Logs through CodeBuild and CloudWatch Logs: places that are lost, logs that shrink, vanish or are big."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.awsrig import TOGETHER, Rig, error, failed, only, read, rig, running_build, the_story
from quarterdeck_adapters.codepipeline import builds
from quarterdeck_demo.codepipeline import builds as demo_builds
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.ports import LogOptions

pytestmark = TOGETHER



@pytest.fixture
def story() -> Story:
    return the_story()


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


async def test_a_place_in_a_log_that_means_nothing_any_more_loses_and_doubles_no_line(hub: Rig) -> None:
    source, ref = await running_build(hub)
    asked = 0

    async def spoil(request: Request, answer: Any) -> Response:
        nonlocal asked
        asked += "nextToken" in request.json()
        if asked % 4 == 3 and "nextToken" in request.json():
            body = b'{"__type":"InvalidParameterException","message":"The specified nextToken is expired."}'
            return Response(400, {"Content-Type": "application/x-amz-json-1.1"}, body)
        return await answer(request)  # type: ignore[no-any-return]

    only(hub, "GetLogEvents", spoil)
    lines, notices = await read(source.logs([ref], LogOptions(tail=10_000)))
    assert any("no longer knows the place" in notice for notice in notices)
    whole, _ = await read(hub.source().logs([ref], LogOptions(tail=10_000)))
    assert lines == whole
    assert len(lines) > 60


async def test_a_log_that_shrinks_ends_all_the_same(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    source, ref = await running_build(hub)
    grown, cut = demo_builds.lines, hub.clock.now + 30

    def lines(execution: Any, run: Any, now: float) -> Any:
        return grown(execution, run, now)[5:] if now > cut else grown(execution, run, now)

    monkeypatch.setattr(demo_builds, "lines", lines)
    seen, _ = await read(source.logs([ref], LogOptions()))
    assert "Phase complete: BUILD" in "".join(seen)


async def test_a_log_that_is_taken_away_is_an_error_and_no_end(hub: Rig) -> None:
    source, ref = await running_build(hub)
    told = source.logs([ref], LogOptions())
    assert (await anext(told)).lines
    only(hub, "GetLogEvents", error("ResourceNotFoundException", "The specified log stream does not exist."))
    assert isinstance(await failed(read(told)), NotFound)


async def test_a_big_log_is_read_a_few_pages_at_a_time(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    source, ref = await running_build(hub)
    line = "x" * 400

    def lines(execution: Any, run: Any, now: float) -> Any:
        return [(run.start + number / 1000, line) for number in range(60_000)]

    monkeypatch.setattr(demo_builds, "lines", lines)
    monkeypatch.setattr(builds, "PAGES_AT_ONCE", 2)
    first = await anext(told := source.logs([ref], LogOptions(tail=50, follow=False)))
    assert "earlier lines are not shown" in first.notice
    lines_, _ = await read(told)
    assert len(lines_) == 50
    asked = hub.operations().count("GetLogEvents")
    assert asked <= 2


async def test_trouble_in_the_middle_of_a_log_is_told_and_waited_for(hub: Rig) -> None:
    source, ref = await running_build(hub)
    told = source.logs([ref], LogOptions())
    await anext(told)
    only(hub, "GetLogEvents", error("ServiceUnavailableException", "", 503))
    notice = ""
    while "asking again" not in notice:
        notice = (await anext(told)).notice
    hub.app = hub.aws.handler
    lines, _ = await read(told)
    assert "Phase complete: BUILD" in "".join(lines)
