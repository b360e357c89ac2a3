"""The verbs of CodePipeline: what is sent, what is compared, what is read back."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.awsrig import API, NIGHTLY, SCORER, TOGETHER, Rig, ask, rig, run_in, runs_of, the_story
from parts.operating import Bench
from quarterdeck_adapters.codepipeline import runs
from quarterdeck_demo.codepipeline.definitions import Variable
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Conflict, Refused
from quarterdeck_lifecycle.kinds import Deployment, Job, Run
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref, Status

pytestmark = TOGETHER



@pytest.fixture
def story() -> Story:
    return the_story()


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture
def bench(hub: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    # What ended executions tell of themselves is of no matter to most verbs.
    monkeypatch.setattr(runs, "ENDED_LOOKUPS", 1)
    return Bench(hub.source(), tmp_path)


async def row(bench: Bench, pipeline: str, state: str = "") -> Run:
    return run_in(await runs_of(bench.source), pipeline, state)  # type: ignore[arg-type]


def stage(run: Run, name: str) -> Ref:
    return Ref("aws", "job", f"{run.ref.id}/{name}")


async def job(bench: Bench, ref: Ref) -> Job:
    run = Ref("aws", "run", "/".join(ref.id.split("/")[:2]))
    listing, _ = await bench.source.children(run)  # type: ignore[attr-defined]
    return next(found for found in listing.rows if found.ref == ref)


def sent(hub: Rig, operation: str) -> dict[str, object]:
    """The input of the only call of an operation."""
    found = [params for name, params in hub.aws.calls if name == operation]
    assert len(found) == 1
    return found[0]


async def test_a_rejection_ends_it_and_its_retry_waits_for_another_token(hub: Rig, bench: Bench) -> None:
    run = await row(bench, SCORER, "waiting")
    preview = await bench.preview("run.reject", run.ref, comment="not before noon")
    assert "asked: Staging of scorer is well? Then it goes to production." in preview.impact
    assert preview.token.gate.token not in str([step.detail for step in preview.steps])
    done = await bench.operator.perform(preview)
    assert (done.result, done.message) == ("SUCCEEDED", "Production/approve was rejected")
    assert sent(hub, "PutApprovalResult")["result"] == {"summary": "not before noon", "status": "Rejected"}
    failed = await row(bench, SCORER, "failed")
    assert failed.ref == run.ref
    assert failed.note == "Production / approve: not before noon"
    done = await bench.do("run.rerun_failed", run.ref)
    assert (done.result, done.message) == ("SUCCEEDED", "Production runs again: running")
    # The answer of a retry is the same execution: that it took is told by new attempts.
    assert sent(hub, "RetryStageExecution")["retryMode"] == "FAILED_ACTIONS"
    assert (await row(bench, SCORER, "waiting")).ref == run.ref
    # What was previewed was the request before: it is not answered.
    with pytest.raises(Conflict, match="another request of the same gate"), permit("aws"):
        await bench.source.actions["run.reject"].execute(preview)  # type: ignore[attr-defined]


async def test_an_approval_that_another_gave_is_a_conflict(hub: Rig, bench: Bench) -> None:
    run = await row(bench, SCORER, "waiting")
    preview = await bench.preview("run.approve", run.ref)
    await ask(
        hub.aws, "codepipeline", "PutApprovalResult", pipelineName=SCORER, stageName="Production",
        actionName="approve", token=preview.token.gate.token, result={"summary": "", "status": "Approved"},
    )  # fmt: skip
    done = await bench.operator.perform(preview)
    assert done.result == "FAILED"
    assert isinstance(done.error, Conflict)
    assert "answered or gone" in done.error.why
    with pytest.raises(Conflict):
        await bench.preview("run.approve", run.ref)
    running = await row(bench, SCORER, "running")
    assert bench.source.actions["run.approve"].permitted(running) == "it is running: no approval waits"  # type: ignore[attr-defined]


async def test_a_new_run_has_the_variables_and_the_commit_that_are_given(hub: Rig, bench: Bench, story: Story) -> None:
    run = await row(bench, NIGHTLY)
    sha = list(story.repositories["acme/scorer"].commits)[3]
    done = await bench.do("run.trigger", run.ref, ref=sha, inputs="RATE=90")
    assert done.result == "SUCCEEDED"
    params = sent(hub, "StartPipelineExecution")
    assert params["variables"] == [{"name": "RATE", "value": "90"}]
    assert params["sourceRevisions"] == [{"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": sha}]
    assert str(params["clientRequestToken"]).startswith("quarterdeck-")
    made = await row(bench, NIGHTLY)
    assert (made.head, made.event, made.actor) == (sha, "StartPipelineExecution", "oper-a")
    assert f"#{made.number} began" in done.message


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"inputs": ""}, "RATE is missing"), ({"inputs": "RATE=1 SPEED=2"}, "takes no input SPEED"),
        ({"inputs": "RATE=1", "ref": "feature/x"}, "commit id"), ({"inputs": "RATE='1"}, "cannot be read"),
    ],
)  # fmt: skip
async def test_what_a_pipeline_does_not_take_is_refused_before_anything_is_sent(
    bench: Bench, hub: Rig, args: dict[str, str], why: str
) -> None:
    run = await row(bench, NIGHTLY)
    with pytest.raises(Refused, match=why):
        await bench.preview("run.trigger", run.ref, **args)
    assert "StartPipelineExecution" not in hub.operations()


async def test_a_start_whose_answer_is_lost_is_found_by_what_is_new(hub: Rig, bench: Bench) -> None:
    run = await row(bench, API)
    answer = hub.app

    async def lossy(request: object) -> object:
        response = await hub.aws.handler(request)  # type: ignore[arg-type]
        if b"StartPipelineExecution" in str(request.headers).encode():  # type: ignore[attr-defined]
            response.status, response.body = 503, b"{}"
        return response

    hub.app = lossy  # type: ignore[assignment]
    done = await bench.do("run.trigger", run.ref)
    hub.app = answer
    assert (done.result, done.error) == ("SUCCEEDED", None)
    assert hub.operations().count("StartPipelineExecution") == 1, "a write is never sent twice"
    assert (await row(bench, API)).number in done.message


async def test_a_run_again_is_a_new_run_of_the_same_commit_and_variables(hub: Rig, bench: Bench) -> None:
    run = await row(bench, NIGHTLY, "failed")
    done = await bench.do("run.rerun", run.ref)
    assert done.result == "SUCCEEDED"
    params = sent(hub, "StartPipelineExecution")
    assert {each["name"]: each["value"] for each in params["variables"]} == {"RATE": "40", "MINUTES": "12"}  # type: ignore[attr-defined]
    assert params["sourceRevisions"][0]["revisionValue"] == run.head  # type: ignore[index]
    made = await row(bench, NIGHTLY)
    assert made.ref != run.ref
    assert made.head == run.head
    refused = bench.source.actions["run.rerun"].permitted(await row(bench, API, "running"))  # type: ignore[attr-defined]
    assert refused == "it is running: only what has ended is run again"


async def test_only_the_latest_execution_of_a_stage_is_retried(bench: Bench) -> None:
    runs = [run for run in await runs_of(bench.source) if run.workflow == API and run.state == "failed"]  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="retries a stage's latest execution only"):
        await bench.preview("run.rerun_failed", runs[-1].ref)


async def test_a_stage_that_failed_runs_all_its_actions_again(hub: Rig, bench: Bench) -> None:
    run = await row(bench, NIGHTLY, "failed")
    done = await bench.do("job.rerun", stage(run, "Test"))
    assert done.result == "SUCCEEDED"
    assert sent(hub, "RetryStageExecution")["retryMode"] == "ALL_ACTIONS"
    listing, _ = await bench.source.children(run.ref)  # type: ignore[attr-defined]
    attempts = [(each.attempt, each.superseded, each.state) for each in listing.rows if each.name == "Test / load"]
    assert attempts == [(2, False, "running"), (1, True, "failed")]


async def test_abandon_ends_at_once_what_a_stop_lets_end(hub: Rig, bench: Bench) -> None:
    run = await row(bench, API, "running")
    done = await bench.do("run.cancel", run.ref)
    assert (done.result, done.message) == ("SUCCEEDED", "it is stopping: what runs is let end")
    with pytest.raises(Conflict, match="stopping already"):
        await bench.preview("run.cancel", run.ref)
    done = await bench.do("run.cancel", run.ref, force="true")
    assert (done.result, done.message) == ("SUCCEEDED", "it is stopped")
    found = await bench.source.children(run.ref)  # type: ignore[attr-defined]
    assert "abandoned" in {each.state for each in found[0].rows}


async def test_a_stage_is_rolled_back_and_its_inverse_goes_forth_again(hub: Rig, bench: Bench) -> None:
    run = await row(bench, SCORER, "succeeded")
    place = stage(run, "Staging")
    with pytest.raises(Refused, match="no execution of that name"):
        await bench.preview("job.rollback", place, to="ffffffff")
    preview = await bench.preview("job.rollback", place, to="previous")
    done = await bench.operator.perform(preview)
    assert done.result == "SUCCEEDED"
    target = preview.args["to"]
    assert sent(hub, "RollbackStage") == {
        "pipelineName": SCORER, "stageName": "Staging", "targetPipelineExecutionId": target,
    }  # fmt: skip
    back = await row(bench, SCORER)
    assert back.event == "ManualRollback (rollback)"
    assert preview.inverse is not None
    hub.clock.move(200)
    forth = await bench.do(preview.inverse[0], place, **preview.inverse[1])
    assert forth.result == "SUCCEEDED"


async def test_a_transition_is_held_with_a_reason_and_released(hub: Rig, bench: Bench) -> None:
    run = await row(bench, SCORER, "waiting")
    place = stage(run, "Staging")
    with pytest.raises(Refused, match="AWS takes letters"):
        await bench.preview("job.hold", place, reason="naïve: no")
    preview = await bench.preview("job.hold", place, reason="INC-412 - wait")
    assert (await bench.operator.perform(preview)).result == "SUCCEEDED"
    assert (await job(bench, place)).note.startswith("transition disabled by oper-a: INC-412 - wait")
    with pytest.raises(Conflict, match="disabled: INC-412 - wait already"):
        await bench.preview("job.hold", place, reason="again")
    assert preview.inverse == ("job.release", {})
    # It was held by others in between: what the operator saw is compared.
    again = await bench.preview("job.release", place)
    await ask(hub.aws, "codepipeline", "DisableStageTransition", pipelineName=SCORER, stageName="Staging",
              transitionType="Inbound", reason="other")  # fmt: skip
    assert isinstance((await bench.operator.perform(again)).error, Conflict)
    assert (await bench.do("job.release", place)).result == "SUCCEEDED"
    assert (await job(bench, place)).note == ""
    with pytest.raises(Conflict, match="first stage"):
        await bench.preview("job.hold", stage(run, "Source"), reason="no")
    action = next(each for each in (await bench.source.children(run.ref))[0].rows if each.name == "Staging / smoke")  # type: ignore[attr-defined]
    assert "take the row of the stage" in bench.source.actions["job.hold"].permitted(action)  # type: ignore[attr-defined]


async def test_what_aws_does_not_allow_is_greyed_from_then_on(hub: Rig, tmp_path: Path) -> None:
    bench = Bench(hub.source(username=hub.aws.reader_key), tmp_path)
    run = await row(bench, API, "running")
    assert bench.source.actions["run.cancel"].permitted(run) is None  # type: ignore[attr-defined]
    done = await bench.do("run.cancel", run.ref)
    assert done.result == "FAILED"
    assert "codepipeline:StopPipelineExecution" in done.message
    why = bench.source.actions["run.cancel"].permitted(run)  # type: ignore[attr-defined]
    assert why == "AWS refused it to this identity: it lacks codepipeline:StopPipelineExecution"
    assert (await bench.source.probe()).can["run.cancel"] == why


async def test_nothing_is_written_without_a_permit_whatever_asks(hub: Rig) -> None:
    source = hub.source()
    await runs_of(source)
    kind = {"category": "Build", "owner": "Custom", "provider": "x", "version": "1"}
    nobody = "00000000-0000-0000-0000-000000000000"
    for operation, params in {
        "DeletePipeline": {"name": API}, "PollForJobs": {"actionTypeId": kind},
        "StopPipelineExecution": {"pipelineName": API, "pipelineExecutionId": nobody},
    }.items():  # fmt: skip
        with pytest.raises(Refused, match=f"{operation} was not sent"):
            await source.clients.call("codepipeline", operation, **params)
    assert not {"DeletePipeline", "StopPipelineExecution", "PollForJobs"} & set(hub.operations())


async def test_a_retry_that_shows_a_moment_later_is_waited_for(hub: Rig, bench: Bench) -> None:
    run = await row(bench, NIGHTLY, "failed")
    before: list[Response] = []
    late = 2

    async def slow(request: Request) -> Response:
        nonlocal late
        answer = await hub.aws.handler(request)
        if not request.header("x-amz-target").endswith(".ListActionExecutions"):
            return answer
        if "RetryStageExecution" not in hub.operations():
            before.append(answer)
        elif late:
            late -= 1
            return before[-1]
        return answer

    hub.app = slow
    done = await bench.do("run.rerun_failed", run.ref)
    assert (done.result, done.message) == ("SUCCEEDED", "Test runs again: running")
    assert late == 0
    assert hub.slept == [0.3, 0.7]


async def test_a_deployment_that_was_there_is_deployed_again(hub: Rig, bench: Bench) -> None:
    async def deployed() -> list[Deployment]:
        rows = (await bench.source.list("deployment")).rows
        return [row for row in rows if isinstance(row, Deployment) and row.name.startswith(f"{SCORER} Staging")]

    well = {run.ref.id for run in await runs_of(bench.source) if run.state == "succeeded"}  # type: ignore[arg-type]
    newest, *before = [row for row in await deployed() if row.state == "succeeded"]
    failed_after = next(row for row in before if row.run not in well)
    target = next(row for row in before if row.run in well)
    again = bench.source.actions["deployment.redeploy"]  # type: ignore[attr-defined]
    assert again.permitted(newest) == "it is what is there now: re-run its run"
    assert again.permitted(target) is None
    with pytest.raises(Refused, match="no execution of that name succeeded in this stage"):
        await again.preview(failed_after.ref, {})
    done = await bench.do("deployment.redeploy", target.ref)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    assert sent(hub, "RollbackStage")["targetPipelineExecutionId"] == target.run.partition("/")[2]
    hub.clock.move(200)
    await runs_of(bench.source)  # type: ignore[arg-type]
    now = next(row for row in await deployed() if row.current)
    assert (now.head, now.status) == (target.head, Status.OK)
    assert now.ref not in (newest.ref, target.ref)


async def test_a_secret_variable_is_named_by_where_it_is_and_read_when_it_is_sent(hub: Rig, bench: Bench) -> None:
    run = await row(bench, NIGHTLY)
    pipelines = hub.aws.machine.pipelines
    known = pipelines[NIGHTLY]
    pipelines[NIGHTLY] = dataclasses.replace(known, variables=(*known.variables, Variable("API_TOKEN")))
    secret = (await bench.source.parameters(run.ref))[-1]  # type: ignore[attr-defined]
    assert (secret.name, secret.secret) == ("API_TOKEN", True)
    with pytest.raises(Refused, match="is a secret and was not taken"):
        await bench.preview("run.trigger", run.ref, inputs="RATE=1 API_TOKEN=hunter2")
    preview = await bench.preview("run.trigger", run.ref, inputs="RATE=1 API_TOKEN=env:DEPLOY")
    assert "value of DEPLOY" not in str(preview)
    assert preview.args["inputs"] == "RATE=1 API_TOKEN=env:DEPLOY"
    assert (await bench.operator.perform(preview)).result == "SUCCEEDED"
    given = {each["name"]: each["value"] for each in sent(hub, "StartPipelineExecution")["variables"]}  # type: ignore[attr-defined]
    assert given == {"RATE": "1", "API_TOKEN": "value of DEPLOY"}
    assert "value of DEPLOY" not in str(await bench.ledger.rows())
    tabs = await bench.source.describe((await row(bench, NIGHTLY)).ref)  # type: ignore[attr-defined]
    assert "value of DEPLOY" not in str(tabs)
    # What an execution was given by others is no name of a file or a variable of this machine.
    made = await row(bench, NIGHTLY)
    execution = hub.aws.machine.executions[NIGHTLY][-1]
    execution.variables["API_TOKEN"], execution.status = "file:/etc/shadow", "Failed"
    again = await bench.preview("run.rerun", made.ref)
    assert "/etc/shadow" not in str(again.steps)
    hub.aws.calls.clear()
    assert (await bench.operator.perform(again)).result == "SUCCEEDED"
    given = {each["name"]: each["value"] for each in sent(hub, "StartPipelineExecution")["variables"]}  # type: ignore[attr-defined]
    assert given["API_TOKEN"] == "file:/etc/shadow"
