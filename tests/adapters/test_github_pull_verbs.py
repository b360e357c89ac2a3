"""Approving and merging, end to end: the head that was seen is what is approved and merged, or nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.ghrig import API, Bench, Rig, pull_of, push, rig
from parts.practice import practice_story
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.repos import git
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Conflict, Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Ref


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """One story for all: what is merged here comes last."""
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture
async def bench(hub: Rig, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(hub.source(), tmp_path / "state")
    yield made
    await made.db.aclose()


async def test_approve_names_the_commit_that_was_seen(hub: Rig, bench: Bench) -> None:
    ref = Ref("gh", "pull_request", f"{API}/412")
    preview = await bench.preview("pull_request.approve", ref, comment="good")
    body = json.loads(preview.steps[0].detail)
    assert body == {"event": "APPROVE", "commit_id": preview.token, "body": "good"}
    assert preview.command.startswith("gh pr review 412 --approve --body good -R ")
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", f"you approved {preview.token[:10]}")
    await bench.source.list("pull_request")
    assert pull_of((await bench.source.list("pull_request")).rows, 412).review == "approved"
    with pytest.raises(Conflict, match=r"you approved \w+ already"):
        await bench.preview("pull_request.approve", ref)


async def test_one_s_own_is_not_approved(hub: Rig, bench: Bench) -> None:
    live = hub.github.state.pulls[API, 405]
    live.pull = replace(live.pull, author=hub.story.viewer)
    with pytest.raises(Conflict, match="it is your own"):
        await bench.preview("pull_request.approve", Ref("gh", "pull_request", f"{API}/405"))
    row = pull_of((await bench.source.list("pull_request")).rows, 405)
    assert "your own" in (bench.source.actions["pull_request.approve"].permitted(row) or "")


async def test_a_head_that_moved_is_neither_approved_nor_merged(hub: Rig, bench: Bench) -> None:
    ref = Ref("gh", "pull_request", f"{API}/412")
    previews = [await bench.preview("pull_request.approve", ref), await bench.preview("pull_request.merge", ref)]
    sha = push(hub, "fix/null-amount")
    for preview in previews:
        result = await bench.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", Conflict)
        assert f"is at {sha[:10]} now" in result.message
    assert hub.asked(method="PUT") + hub.asked(method="POST") == []


async def test_a_push_between_our_look_and_the_merge_is_seen_by_the_forge(hub: Rig, bench: Bench) -> None:

    async def app(request: Request) -> Response:
        if request.method == "PUT":
            push(hub, "fix/null-amount")
        return await hub.github.handler(request)

    hub.app = app
    result = await bench.do("pull_request.merge", Ref("gh", "pull_request", f"{API}/412"))
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert "Head branch was modified" in result.message


async def test_merge_merges(hub: Rig, bench: Bench) -> None:
    ref = Ref("gh", "pull_request", f"{API}/412")
    with pytest.raises(Refused, match=r"does not merge by rebase.*use merge, squash"):
        await bench.preview("pull_request.merge", ref, method="rebase")
    preview = await bench.preview("pull_request.merge", ref, method="squash")
    assert json.loads(preview.steps[0].detail) == {"sha": preview.token, "merge_method": "squash"}
    assert "1 commits, +6 -2 in 1 files" in preview.impact[1]
    result = await bench.operator.perform(preview)
    head = git(hub.story.repositories[API].origin, "rev-parse", "main").strip()
    assert (result.result, result.message) == ("SUCCEEDED", f"merged into main as {head[:10]}")
    assert not [r for r in (await bench.source.list("pull_request")).rows if r.ref == ref]
    with pytest.raises(Conflict, match="is merged"):
        await bench.preview("pull_request.merge", ref)
    rows = (await bench.source.list("run")).rows
    assert [row.event for row in rows if isinstance(row, Run) and row.head == head] == ["push"]


async def test_a_draft_is_not_merged(hub: Rig, bench: Bench) -> None:
    with pytest.raises(Conflict, match="it is a draft"):
        await bench.preview("pull_request.merge", Ref("gh", "pull_request", f"{API}/398"))
