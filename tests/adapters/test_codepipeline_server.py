"""The practice server of CodePipeline: held to AWS's own service models, and moving as the service does."""

from __future__ import annotations

import importlib.util
import runpy
from typing import Any

import pytest

from adapters.awsrig import API, NIGHTLY, SCORER, TOGETHER, Answered, ask, model, signed, the_story
from parts.practice import Clock
from quarterdeck_demo import ci
from quarterdeck_demo.codepipeline import CodePipelineServer
from quarterdeck_demo.story import Story

pytestmark = TOGETHER



@pytest.fixture
def story() -> Story:
    return the_story()


@pytest.fixture
def clock(story: Story) -> Clock:
    return Clock(story.now)


@pytest.fixture
def server(story: Story, clock: Clock) -> CodePipelineServer:
    return CodePipelineServer(story, clock)


async def stage(server: CodePipelineServer, pipeline: str, name: str) -> dict[str, Any]:
    found = await ask(server, "codepipeline", "GetPipelineState", name=pipeline)
    return next(each for each in found["stageStates"] if each["stageName"] == name)


async def newest(server: CodePipelineServer, pipeline: str, status: str = "") -> dict[str, Any]:
    found = await ask(server, "codepipeline", "ListPipelineExecutions", pipelineName=pipeline)
    rows = found["pipelineExecutionSummaries"]
    return next(each for each in rows if not status or each["status"] == status)


async def status(server: CodePipelineServer, pipeline: str, id: str) -> str:
    found = await ask(server, "codepipeline", "GetPipelineExecution", pipelineName=pipeline, pipelineExecutionId=id)
    return str(found["pipelineExecution"]["status"])


@pytest.mark.parametrize("pipeline", [SCORER, API, NIGHTLY])
async def test_every_read_is_as_the_model_says(server: CodePipelineServer, pipeline: str) -> None:
    await ask(server, "codepipeline", "GetPipeline", name=pipeline)
    await ask(server, "codepipeline", "GetPipelineState", name=pipeline)
    actions = await ask(server, "codepipeline", "ListActionExecutions", pipelineName=pipeline)
    builds = [
        each["output"]["executionResult"]["externalExecutionId"] for each in actions["actionExecutionDetails"]
        if each["input"]["actionTypeId"]["provider"] == "CodeBuild"
    ]  # fmt: skip
    found = await ask(server, "codebuild", "BatchGetBuilds", ids=builds[:20])
    for build in found["builds"][:3]:
        logs = build["logs"]
        await ask(server, "logs", "GetLogEvents", logGroupName=logs["groupName"], logStreamName=logs["streamName"])
    row = await newest(server, pipeline)
    await ask(
        server, "codepipeline", "GetPipelineExecution", pipelineName=pipeline,
        pipelineExecutionId=row["pipelineExecutionId"],
    )  # fmt: skip


async def test_hundreds_of_executions_in_pages(server: CodePipelineServer) -> None:
    listed = await ask(server, "codepipeline", "ListPipelines")
    assert [each["name"] for each in listed["pipelines"]] == [API, SCORER, NIGHTLY]
    ids: list[str] = []
    for pipeline in (SCORER, API, NIGHTLY):
        token: dict[str, str] = {}
        while True:
            page = await ask(
                server, "codepipeline", "ListPipelineExecutions", pipelineName=pipeline, maxResults=50, **token
            )
            ids += [each["pipelineExecutionId"] for each in page["pipelineExecutionSummaries"]]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
    assert len(ids) == len(set(ids))
    assert 200 <= len(ids) <= 400
    with pytest.raises(Answered, match="InvalidNextToken"):
        await ask(server, "codepipeline", "ListPipelineExecutions", pipelineName=API, nextToken="executions/x/:50")


async def test_an_approval_has_a_token_of_its_own_and_is_given_once(
    server: CodePipelineServer, clock: Clock
) -> None:
    waiting = (await stage(server, SCORER, "Production"))["actionStates"][0]["latestExecution"]
    assert waiting["status"] == "InProgress"
    given: dict[str, Any] = {
        "pipelineName": SCORER, "stageName": "Production", "actionName": "approve",
        "result": {"summary": "well", "status": "Approved"},
    }  # fmt: skip
    with pytest.raises(Answered, match="InvalidApprovalToken"):
        await ask(server, "codepipeline", "PutApprovalResult", token="0" * 8 + "-0000-0000-0000-" + "0" * 12, **given)
    await ask(server, "codepipeline", "PutApprovalResult", token=waiting["token"], **given)
    with pytest.raises(Answered, match="ApprovalAlreadyCompleted"):
        await ask(server, "codepipeline", "PutApprovalResult", token=waiting["token"], **given)
    assert (await stage(server, SCORER, "Production"))["actionStates"][1]["latestExecution"]["status"] == "InProgress"
    clock.move(200)
    row = await newest(server, SCORER)
    assert row["status"] == "Succeeded"


async def test_a_rejected_approval_fails_the_stage_and_its_retry_asks_anew(server: CodePipelineServer) -> None:
    state = await stage(server, SCORER, "Production")
    first = state["actionStates"][0]["latestExecution"]["token"]
    id = state["latestExecution"]["pipelineExecutionId"]
    await ask(
        server, "codepipeline", "PutApprovalResult", token=first, pipelineName=SCORER, stageName="Production",
        actionName="approve", result={"summary": "not today", "status": "Rejected"},
    )  # fmt: skip
    assert await status(server, SCORER, id) == "Failed"
    await ask(
        server, "codepipeline", "RetryStageExecution", pipelineName=SCORER, stageName="Production",
        pipelineExecutionId=id, retryMode="FAILED_ACTIONS",
    )  # fmt: skip
    again = await stage(server, SCORER, "Production")
    assert again["actionStates"][0]["latestExecution"]["token"] != first
    assert again["retryStageMetadata"] == {"manualStageRetryAttempt": 1, "latestRetryTrigger": "ManualStageRetry"}
    assert await status(server, SCORER, id) == "InProgress"


async def test_a_stage_holds_one_execution_of_a_queued_pipeline(server: CodePipelineServer, clock: Clock) -> None:
    build = await stage(server, API, "Build")
    waiting = build["inboundExecution"]["pipelineExecutionId"]
    assert build["latestExecution"]["status"] == "InProgress"
    assert build["latestExecution"]["pipelineExecutionId"] != waiting
    clock.move(70)
    assert (await stage(server, API, "Build"))["latestExecution"]["pipelineExecutionId"] == waiting


async def test_a_newer_execution_supersedes_what_waits(server: CodePipelineServer, clock: Clock) -> None:
    await ask(
        server, "codepipeline", "DisableStageTransition", pipelineName=SCORER, stageName="Staging",
        transitionType="Inbound", reason="INC-412 - wait",
    )  # fmt: skip
    made = []
    for _ in range(2):
        made.append((await ask(server, "codepipeline", "StartPipelineExecution", name=SCORER))["pipelineExecutionId"])
        clock.move(200)
    assert [await status(server, SCORER, id) for id in made] == ["Superseded", "InProgress"]
    way = (await stage(server, SCORER, "Staging"))["inboundTransitionState"]
    assert (way["enabled"], way["disabledReason"]) == (False, "INC-412 - wait")
    await ask(server, "codepipeline", "EnableStageTransition", pipelineName=SCORER, stageName="Staging",
              transitionType="Inbound")  # fmt: skip
    assert (await stage(server, SCORER, "Staging"))["latestExecution"]["pipelineExecutionId"] == made[1]


async def test_stop_waits_for_what_runs_and_abandon_does_not(server: CodePipelineServer, clock: Clock) -> None:
    running = (await stage(server, API, "Build"))["latestExecution"]["pipelineExecutionId"]
    told: dict[str, Any] = {"pipelineName": API, "pipelineExecutionId": running}
    await ask(server, "codepipeline", "StopPipelineExecution", **told, reason="wrong one")
    assert await status(server, API, running) == "Stopping"
    with pytest.raises(Answered, match="DuplicatedStopRequest"):
        await ask(server, "codepipeline", "StopPipelineExecution", **told)
    await ask(server, "codepipeline", "StopPipelineExecution", **told, abandon=True)
    assert await status(server, API, running) == "Stopped"
    states = (await stage(server, API, "Build"))["actionStates"]
    assert "Abandoned" in {each["latestExecution"]["status"] for each in states} or len(states) == 2
    with pytest.raises(Answered, match="NotStoppable"):
        await ask(server, "codepipeline", "StopPipelineExecution", **told)


async def test_a_stage_is_rolled_back_to_what_succeeded_there(server: CodePipelineServer) -> None:
    found = await ask(
        server, "codepipeline", "ListPipelineExecutions", pipelineName=API,
        filter={"succeededInStage": {"stageName": "Production"}},
    )  # fmt: skip
    rows = found["pipelineExecutionSummaries"]
    target = next(each for each in rows if each["executionType"] == "STANDARD")["pipelineExecutionId"]
    told: dict[str, Any] = {"pipelineName": API, "stageName": "Production"}
    made = await ask(server, "codepipeline", "RollbackStage", **told, targetPipelineExecutionId=target)
    row = await newest(server, API)
    assert row["pipelineExecutionId"] == made["pipelineExecutionId"]
    assert row["executionType"] == "ROLLBACK"
    assert row["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": target}
    failed = (await newest(server, API, "Failed"))["pipelineExecutionId"]
    with pytest.raises(Answered, match=r"UnableToRollback|Conflict"):
        await ask(server, "codepipeline", "RollbackStage", **told, targetPipelineExecutionId=failed)


async def test_a_failure_in_production_was_rolled_back_by_itself(server: CodePipelineServer) -> None:
    found = await ask(server, "codepipeline", "ListPipelineExecutions", pipelineName=API)
    back = [each for each in found["pipelineExecutionSummaries"] if each["executionType"] == "ROLLBACK"]
    assert back[0]["trigger"]["triggerType"] == "AutomatedRollback"


async def test_variables_are_checked(server: CodePipelineServer) -> None:
    with pytest.raises(Answered, match="not declared"):
        await ask(server, "codepipeline", "StartPipelineExecution", name=API, variables=[{"name": "X", "value": "1"}])
    with pytest.raises(Answered, match="No value"):
        await ask(server, "codepipeline", "StartPipelineExecution", name=NIGHTLY)
    made = await ask(
        server, "codepipeline", "StartPipelineExecution", name=NIGHTLY, variables=[{"name": "RATE", "value": "40"}],
        clientRequestToken="one",
    )  # fmt: skip
    again = await ask(server, "codepipeline", "StartPipelineExecution", name=NIGHTLY, clientRequestToken="one")
    assert again == made


async def test_a_log_grows_and_its_end_repeats_the_token(server: CodePipelineServer, clock: Clock) -> None:
    build = next(id for id, (_, run) in server.machine.by_log.items() if run.status(clock()) == "InProgress")
    group, stream = f"/aws/codebuild/{build.partition(':')[0]}", build.partition(":")[2]
    where: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    first = await ask(server, "logs", "GetLogEvents", **where)
    token = first["nextForwardToken"]
    still = await ask(server, "logs", "GetLogEvents", **where, nextToken=token)
    assert (still["events"], still["nextForwardToken"]) == ([], token)
    clock.move(40)
    more = await ask(server, "logs", "GetLogEvents", **where, nextToken=token)
    assert more["events"]
    with pytest.raises(Answered, match="InvalidParameter"):
        await ask(server, "logs", "GetLogEvents", **where, nextToken="nonsense")


async def test_who_may_not_and_who_asks_too_often(server: CodePipelineServer) -> None:
    with pytest.raises(Answered, match="not authorized to perform: codepipeline:StartPipelineExecution"):
        await ask(server, "codepipeline", "StartPipelineExecution", key=server.reader_key, name=API)
    server.per_second = 2
    for _ in range(2):
        await ask(server, "codepipeline", "ListPipelines")
    with pytest.raises(Answered, match="ThrottlingException: Rate exceeded"):
        await ask(server, "codepipeline", "ListPipelines")


async def test_signatures_are_checked(server: CodePipelineServer) -> None:
    headers = {"X-Amz-Target": "CodePipeline_20150709.ListPipelines", "Content-Type": "application/x-amz-json-1.1"}
    good = signed(server, "codepipeline", headers, b"{}")
    assert (await server.handler(good)).status == 200
    changed = await server.handler(good._replace(body=b'{"maxResults":1}'))
    unknown = await server.handler(signed(server, "codepipeline", headers, b"{}", key="AKIAUNKNOWN"))
    wrong = await server.handler(signed(server, "codepipeline", headers, b"{}", secret="other"))
    nobody = await server.handler(good._replace(headers={**good.headers, "authorization": ""}))
    assert [changed.status, unknown.status, wrong.status, nobody.status] == [403, 400, 403, 400]


def test_every_operation_of_the_server_is_one_of_the_service(server: CodePipelineServer) -> None:
    assert server.machine
    known = set(model("codepipeline").operation_names)
    assert {*server._reads.codepipeline, *server._verbs.all} <= known


def test_without_botocore_the_practice_world_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    assert "codepipeline" in runpy.run_path(ci.__file__)["SERVERS"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "botocore" else found(name))
    assert "codepipeline" not in runpy.run_path(ci.__file__)["SERVERS"]
