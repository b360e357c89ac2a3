"""The verbs end to end: previewed, compared, sent once, read back, in the ledger."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.ghrig import API, MODEL, Bench, Rig, push, rig, run_of
from parts.practice import practice_story
from quarterdeck_config.schema import SecretRef
from quarterdeck_demo.faults import BlackHole, Status
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Conflict, Forbidden, QuarterdeckError, Refused, Unsupported
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref

DEPLOY = """
name: deploy-prod
on:
  workflow_dispatch:
    inputs:
      version: {required: true, description: what to deploy}
      nonce: {required: false}
"""


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture(scope="module")
def pushed_to() -> Iterator[Story]:
    """A story for the tests that push and merge, which is for ever."""
    with practice_story() as made:
        yield made


@pytest.fixture
async def own(pushed_to: Story) -> AsyncIterator[Rig]:
    async with rig(pushed_to) as made:
        yield made


@pytest.fixture
async def bench(hub: Rig, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(hub.source(), tmp_path / "state")
    yield made
    await made.db.aclose()


def run(hub: Rig, number: int, slug: str = API) -> Ref:
    return Ref("gh", "run", f"{slug}/{hub.run_id(number, slug)}")


async def test_rerun_makes_the_next_attempt(hub: Rig, bench: Bench) -> None:
    ref = run(hub, 1840)
    preview = await bench.preview("run.rerun", ref)
    assert [step.call for step in preview.steps] == [f"POST /repos/{API}/actions/runs/{hub.run_id(1840)}/rerun"]
    assert preview.command == f"gh run rerun {hub.run_id(1840)} -R {bench.source.host}/{API}"
    assert preview.inverse == ("run.cancel", {})
    assert hub.asked(method="POST") == []
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "attempt 2 is queued")
    assert len(hub.asked(method="POST")) == 1
    assert await bench.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
    row = run_of((await bench.source.list("run")).rows, 1840)
    assert (row.attempt, row.state) == (2, "queued")
    assert "only what has ended" in (bench.source.actions["run.rerun"].permitted(row) or "")


async def test_rerun_of_what_failed_names_the_jobs(hub: Rig, bench: Bench) -> None:
    ref = run(hub, 1841)
    preview = await bench.preview("run.rerun_failed", ref)
    assert preview.impact[1] == "1 jobs: unit-tests"
    assert preview.steps[0].call.endswith("/rerun-failed-jobs")
    assert "--failed" in preview.command
    assert (await bench.operator.perform(preview)).result == "SUCCEEDED"
    with pytest.raises(Conflict, match="it ended as success: there is no failed job"):
        await bench.preview("run.rerun_failed", run(hub, 1839))


async def test_a_rerun_that_somebody_else_started_is_not_sent_again(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("run.rerun", run(hub, 1839))
    other = await bench.do("run.rerun", run(hub, 1839))
    assert other.result == "SUCCEEDED"
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert "it was attempt 1, success and is attempt 2, queued now" in result.message
    assert len(hub.asked("/rerun", "POST")) == 1


async def test_a_rerun_that_answers_with_the_old_attempt_is_unknown(hub: Rig, bench: Bench) -> None:
    hub.faults.add(Status(code=201, body={}), method="POST", path="/rerun$")
    result = await bench.do("run.rerun", run(hub, 1838))
    assert result.result == "UNKNOWN"
    assert "attempt 2 is not listed after 16 s" in result.message


async def test_what_is_too_old_is_not_run_again(hub: Rig, bench: Bench) -> None:
    row = run_of((await bench.source.list("run")).rows, 1838)
    hub.clock.move(31 * 86_400)
    await bench.source.probe()
    assert bench.source.actions["run.rerun"].permitted(row) == "GitHub runs nothing again that is more than 30 days old"


async def test_cancel_stops_it(hub: Rig, bench: Bench) -> None:
    ref = run(hub, 773, "acme/etl")
    preview = await bench.preview("run.cancel", ref)
    assert preview.impact[1] == "stops unit-tests, build-image"
    hub.clock.move(1)
    assert (await bench.operator.perform(preview)).message == "it is cancelled"
    with pytest.raises(Conflict, match="it has ended: cancelled"):
        await bench.preview("run.cancel", ref)


async def test_a_run_that_ends_before_the_cancel_is_not_cancelled(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("run.cancel", run(hub, 773, "acme/etl"))
    hub.clock.move(3600)
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert hub.asked("/cancel", "POST") == []


async def test_a_dispatch_is_told_by_the_run_that_is_new(hub: Rig, bench: Bench) -> None:
    hub.faults.add(Status(code=404, body={"message": "Not Found"}), path="/contents/")
    ref = Ref("gh", "run", f"{API}/9900098")
    preview = await bench.preview("run.trigger", ref, ref="main", inputs="version=v43")
    head = hub.story.repositories[API].head
    assert preview.steps[0].call == f"POST /repos/{API}/actions/workflows/7101/dispatches"
    assert json.loads(preview.steps[0].detail) == {"ref": "main", "inputs": {"version": "v43"}}
    assert preview.before == f"main at {head[:10]}"
    assert preview.warnings == ("the workflow's file could not be read: inputs are checked by GitHub alone",)
    assert preview.command.startswith("gh workflow run 7101 --ref main -f version=v43 -R ")
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "run #99 appeared: queued")
    again = await bench.do("run.trigger", ref, ref="main", inputs="version=v44")
    assert again.message == "run #100 appeared: queued"


@pytest.mark.parametrize(("nonce", "ends"), [("nonce=n-4711", "SUCCEEDED"), ("", "UNKNOWN")])
async def test_two_dispatches_at_once_are_told_apart_only_by_a_nonce(
    hub: Rig, bench: Bench, nonce: str, ends: str
) -> None:
    workflow = hub.github.state.workflow(API, "7101")
    assert workflow is not None

    hub.faults.add(Status(code=404, body={"message": "Not Found"}), path="/contents/")

    async def app(request: Request) -> Response:
        answer = await hub.github.handler(request)
        if request.method == "POST":
            hub.github.state.start(
                workflow, branch="main", sha=hub.story.repositories[API].head, event="workflow_dispatch",
                title="deploy-prod v1", login=hub.story.viewer.login, delay=1.5,
            )  # fmt: skip
        return answer

    hub.app = app
    result = await bench.do(
        "run.trigger", Ref("gh", "run", f"{API}/9900098"), ref="main", inputs=f"version=v43 {nonce}"
    )
    assert result.result == ends
    if nonce:
        assert result.message == "run #99 appeared: queued"
    else:
        assert "#100, #99 all began since" in result.message


def serving_file(hub: Rig, text: str) -> None:
    """Have the forge answer the contents API with a workflow's file."""

    async def app(request: Request) -> Response:
        if "/contents/" in request.path:
            assert request.path.endswith("/contents/.github/workflows/deploy-prod.yml")
            return json_response({"content": base64.encodebytes(text.encode()).decode(), "encoding": "base64"})
        return await hub.github.handler(request)

    hub.app = app


async def test_inputs_are_those_of_the_workflow_s_file_and_a_declared_nonce_is_filled(hub: Rig, bench: Bench) -> None:
    serving_file(hub, DEPLOY)
    ref = Ref("gh", "run", f"{API}/9900098")
    with pytest.raises(Refused, match="needs the input version"):
        await bench.preview("run.trigger", ref, ref="main")
    with pytest.raises(Refused, match="takes no input odd"):
        await bench.preview("run.trigger", ref, ref="main", inputs="version=1 odd=2")
    preview = await bench.preview("run.trigger", ref, ref="main", inputs="version=v43")
    nonce = json.loads(preview.steps[0].detail)["inputs"]["nonce"]
    assert nonce.startswith("qd-")
    assert preview.warnings == ()
    result = await bench.operator.perform(preview)
    assert result.result == "SUCCEEDED"
    newest = max(hub.github.state.runs.values(), key=lambda live: live.run.id)
    assert newest.run.title == f"deploy-prod v43 {nonce}"


async def test_a_workflow_without_the_trigger_is_not_started(hub: Rig, bench: Bench) -> None:
    serving_file(hub, "on: [push]\n")
    with pytest.raises(Unsupported, match="no workflow_dispatch under on:"):
        await bench.preview("run.trigger", Ref("gh", "run", f"{API}/9900098"), ref="main")


@pytest.mark.parametrize("name", ["nowhere", "-x", "a b", "../../x", "a//b", "x\x1b[2J", "a@{1}"])
async def test_a_ref_that_is_none_is_refused(hub: Rig, bench: Bench, name: str) -> None:
    with pytest.raises(Refused, match="branch or tag"):
        await bench.preview("run.trigger", run(hub, 1840), ref=name)
    assert hub.asked(method="POST") == []


async def test_a_dispatch_on_a_branch_that_moved_is_not_sent(own: Rig, tmp_path: Path) -> None:
    bench = Bench(own.source(), tmp_path / "state")
    try:
        preview = await bench.preview("run.trigger", run(own, 1840), ref="main")
        push(own, "main")
        result = await bench.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", Conflict)
        assert own.asked("dispatches", "POST") == []
    finally:
        await bench.db.aclose()


async def test_where_the_answer_names_the_run_nothing_is_guessed(hub: Rig, tmp_path: Path) -> None:
    bench = Bench(hub.source(options={"run_details": True}), tmp_path / "named")
    try:
        wanted = {"ref": "main", "inputs": "version=v43"}
        preview = await bench.preview("run.trigger", Ref("gh", "run", f"{API}/9900098"), **wanted)
        assert json.loads(preview.steps[0].detail)["return_run_details"] is True
        result = await bench.operator.perform(preview)
        assert result.result == "SUCCEEDED"
        assert hub.asked("/workflows/7101/runs")[1:] == []
    finally:
        await bench.db.aclose()


async def test_a_dispatch_whose_answer_is_lost_is_found_by_its_run(hub: Rig, tmp_path: Path) -> None:
    bench = Bench(hub.source(deadline=0.5), tmp_path / "lost")
    try:
        hub.faults.add(BlackHole(effect=True), method="POST", path="dispatches", count=1)
        result = await bench.do("run.trigger", Ref("gh", "run", f"{API}/9900098"), ref="main", inputs="version=v43")
        assert result.result == "SUCCEEDED"
        assert len(hub.asked("dispatches", "POST")) == 1
    finally:
        await bench.db.aclose()


async def test_nothing_is_written_without_the_operation_in_progress(hub: Rig, bench: Bench) -> None:
    previews: list[tuple[str, Any]] = [
        ("run.rerun", await bench.preview("run.rerun", run(hub, 1837))),
        ("pull_request.approve", await bench.preview("pull_request.approve", Ref("gh", "pull_request", f"{MODEL}/31"))),
    ]
    for verb, preview in previews:
        with pytest.raises(Refused, match="no permitted operation"):
            await bench.source.actions[verb].execute(preview)
    assert hub.asked(method="POST") == []


async def test_a_token_that_only_reads_is_refused_by_the_forge_in_words(hub: Rig, bench: Bench) -> None:
    hub.token = hub.github.reader_token
    source = hub.source(token=SecretRef(env="READER"))
    preview = await source.actions["run.rerun"].preview(run(hub, 1836), {})
    with permit("gh"), pytest.raises(Forbidden, match="give the token actions=write") as caught:
        await source.actions["run.rerun"].execute(preview)
    assert caught.value.scope == "actions=write"


async def test_checking_out_is_git_s(hub: Rig) -> None:
    assert "pull_request.checkout" not in hub.source().actions


async def test_a_run_that_vanishes_between_preview_and_write(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("run.rerun", run(hub, 1835))
    del hub.github.state.runs[hub.run_id(1835)]
    result = await bench.operator.perform(preview)
    assert result.result == "FAILED"
    assert isinstance(result.error, QuarterdeckError)
    assert "gone" in result.message
