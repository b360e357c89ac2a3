"""CodePipeline's answers: states, executions and action executions.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_GetPipelineState.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListPipelineExecutions.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionExecutions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck_demo.codepipeline.builds import log_arn
from quarterdeck_demo.codepipeline.definitions import ACCOUNT, REGION, Pipeline
from quarterdeck_demo.codepipeline.records import ActionRun, Execution, Transition


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "", {}, [])}


def _revision_url(execution: Execution) -> str:
    return f"https://github.com/{execution.pipeline.slug}/commit/{execution.sha}"


def _revisions(execution: Execution) -> list[dict[str, Any]]:
    source = execution.pipeline.stages[0].actions[0].name
    return [{
        "actionName": source, "revisionId": execution.sha, "revisionSummary": execution.subject,
        "revisionUrl": _revision_url(execution),
    }]  # fmt: skip


def _common(execution: Execution) -> dict[str, Any]:
    kind, detail = execution.trigger
    made: dict[str, Any] = {
        "pipelineExecutionId": execution.id, "status": execution.status,
        "trigger": {"triggerType": kind, "triggerDetail": detail}, "executionMode": execution.pipeline.mode,
        "executionType": execution.type,
    }  # fmt: skip
    if execution.target:
        made["rollbackMetadata"] = {"rollbackTargetPipelineExecutionId": execution.target}
    return made


def summary(execution: Execution) -> dict[str, Any]:
    """A PipelineExecutionSummary."""
    return _common(execution) | _present(
        startTime=round(execution.started, 3), lastUpdateTime=round(execution.updated, 3),
        sourceRevisions=_revisions(execution), statusSummary=execution.summary,
        stopTrigger={"reason": execution.stop[1]} if execution.stop and execution.stop[1] else None,
    )  # fmt: skip


def whole(execution: Execution) -> dict[str, Any]:
    """A PipelineExecution, with the variables that it was started with."""
    artefact = {
        "name": "SourceOutput", "revisionId": execution.sha, "revisionSummary": execution.subject,
        "revisionUrl": _revision_url(execution), "created": round(execution.started, 3),
    }  # fmt: skip
    variables = [{"name": name, "resolvedValue": value} for name, value in execution.variables.items()]
    return _common(execution) | _present(
        pipelineName=execution.pipeline.name, pipelineVersion=execution.pipeline.version,
        statusSummary=execution.summary, artifactRevisions=[artefact], variables=variables,
    )  # fmt: skip


def _page(execution: Execution, run: ActionRun) -> str:
    if run.action.category == "Source":
        return _revision_url(execution)
    if run.action.provider == "CodeBuild":
        project = run.action.configuration["ProjectName"]
        base = f"https://{REGION}.console.aws.amazon.com/codesuite/codebuild/{ACCOUNT}/projects/{project}/build"
        return f"{base}/{run.external.replace(':', '%3A')}/?region={REGION}"
    return ""


def _error(run: ActionRun, now: float) -> dict[str, str]:
    if run.status(now) != "Failed":
        return {}
    return {"code": "JobFailed", "message": run.summary or "the action failed"}


def action_detail(execution: Execution, run: ActionRun, now: float) -> dict[str, Any]:
    """An ActionExecutionDetail."""
    action, ended = run.action, run.status(now) != "InProgress"

    def artefacts(names: Sequence[str]) -> list[dict[str, Any]]:
        place = {"bucket": f"codepipeline-{REGION}-{ACCOUNT}", "key": f"{execution.pipeline.name}/{execution.id[:8]}"}
        return [{"name": name, "s3location": place} for name in names]

    result = _present(
        externalExecutionId=run.external, externalExecutionUrl=_page(execution, run), errorDetails=_error(run, now),
        externalExecutionSummary=run.summary if ended else "",
        logStreamARN=log_arn(run) if action.provider == "CodeBuild" else "",
    )
    output: dict[str, Any] = {
        "outputArtifacts": artefacts(action.outputs),
        "executionResult": result,
    }
    if action.namespace and ended and run.outcome == "Succeeded":
        own = {"CommitId": execution.sha, "BranchName": "main", "FullRepositoryName": execution.pipeline.slug,
               "CommitMessage": execution.subject}  # fmt: skip
        output["outputVariables"] = own if action.category == "Source" else dict(execution.outputs)
    return _present(
        pipelineExecutionId=execution.id, actionExecutionId=run.id, pipelineVersion=execution.pipeline.version,
        stageName=run.stage, actionName=action.name, startTime=round(run.start, 3),
        lastUpdateTime=round(run.changed(now), 3), updatedBy=run.by, status=run.status(now), output=output,
    ) | {
        "input": _present(
            actionTypeId=action.type, configuration=dict(action.configuration),
            resolvedConfiguration=dict(action.configuration), region=REGION, namespace=action.namespace,
            inputArtifacts=artefacts(action.inputs),
        ),
    }  # fmt: skip


def _action_state(execution: Execution | None, name: str, run: ActionRun | None, now: float) -> dict[str, Any]:
    made: dict[str, Any] = {"actionName": name}
    if execution is None or run is None:
        return made
    status = run.status(now)
    latest = _present(
        actionExecutionId=run.id, status=status, lastStatusChange=round(run.changed(now), 3), lastUpdatedBy=run.by,
        externalExecutionId=run.external if run.action.category != "Source" else "",
        externalExecutionUrl=_page(execution, run) if run.action.category != "Source" else "",
        token=run.token if status == "InProgress" else "", errorDetails=_error(run, now),
        summary=run.summary if status != "InProgress" else "",
        logStreamARN=log_arn(run) if run.action.provider == "CodeBuild" else "",
    )  # fmt: skip
    if run.action.category == "Source":
        made["currentRevision"] = {
            "revisionId": execution.sha, "revisionChangeId": execution.sha[:10], "created": round(run.start, 3),
        }  # fmt: skip
        made["revisionUrl"] = _revision_url(execution)
    return made | {"latestExecution": latest}


def state(
    pipeline: Pipeline, executions: Sequence[Execution], transitions: Mapping[tuple[str, str], Transition], now: float
) -> dict[str, Any]:
    """What GetPipelineState answers: for each stage the execution that was in it last, and who waits before it."""
    stages = []
    for position, stage in enumerate(pipeline.stages):
        inside = [each for each in executions if stage.name in each.entered]
        latest = max(inside, key=lambda each: (each.entered[stage.name], each.started), default=None)
        runs = latest.latest(stage.name) if latest else {}
        made: dict[str, Any] = {
            "stageName": stage.name,
            "actionStates": [_action_state(latest, a.name, runs.get(a.name), now) for a in stage.actions],
        }
        if position:
            way = transitions[pipeline.name, stage.name]
            made["inboundTransitionState"] = {"enabled": way.enabled} | _present(
                lastChangedBy=way.by, lastChangedAt=way.changed or None, disabledReason=way.reason
            )
        waiting = [each for each in executions if each.active and not each.inside and each.at == position]
        if waiting:
            rows = [
                {"pipelineExecutionId": each.id, "status": each.status, "type": each.type} for each in waiting
            ]  # fmt: skip
            made |= {"inboundExecution": rows[0], "inboundExecutions": rows}
        if latest is not None:
            status = latest.stage_status.get(stage.name, "InProgress")
            if latest.active and latest.inside and latest.at == position:
                status = latest.status
            made["latestExecution"] = {"pipelineExecutionId": latest.id, "status": status, "type": latest.type}
            auto, manual = latest.retried.get(stage.name, (0, 0))
            if auto or manual:
                made["retryStageMetadata"] = _present(
                    autoStageRetryAttempt=auto or None, manualStageRetryAttempt=manual or None,
                    latestRetryTrigger="ManualStageRetry" if manual else "AutomatedStageRetry",
                )  # fmt: skip
        stages.append(made)
    first = executions[0].started if executions else 0.0
    return {
        "pipelineName": pipeline.name, "pipelineVersion": pipeline.version, "stageStates": stages,
        "created": round(first, 3), "updated": round(first, 3),
    }  # fmt: skip
