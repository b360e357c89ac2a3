"""The writes: start, stop, retry, roll back, approve, and the ways into stages.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RetryStageExecution.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RollbackStage.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutApprovalResult.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck_demo.codepipeline.definitions import ACCOUNT, Pipeline, Stage
from quarterdeck_demo.codepipeline.machine import Machine, user
from quarterdeck_demo.codepipeline.past import outputs
from quarterdeck_demo.codepipeline.records import Execution, Transition
from quarterdeck_demo.codepipeline.wire import Refused, text
from quarterdeck_demo.story import Story

_REASON = re.compile(r"[a-zA-Z0-9!@ \(\)\.\*\?\-]{1,300}")
_SHA = re.compile(r"[0-9a-f]{40}")


class Verbs:
    """What changes the pipelines. Every method takes the input and the moment, and answers the output."""

    def __init__(self, machine: Machine, story: Story) -> None:
        self.machine, self.story = machine, story
        self.who = user(story.viewer.login)
        self._tokens: dict[str, str] = {}
        self.all: Mapping[str, Callable[[dict[str, Any], float], Any]] = {
            "StartPipelineExecution": self.start, "StopPipelineExecution": self.stop,
            "RetryStageExecution": self.retry, "RollbackStage": self.roll_back, "PutApprovalResult": self.approve,
            "EnableStageTransition": self.enable, "DisableStageTransition": self.disable,
        }  # fmt: skip

    def pipeline(self, params: dict[str, Any], key: str = "pipelineName") -> Pipeline:
        """The pipeline that is named."""
        name = text(params, key)
        found = self.machine.pipelines.get(name)
        if found is None:
            why = f"Account '{ACCOUNT}' does not have a pipeline with name '{name}'"
            raise Refused("PipelineNotFoundException", why)
        return found

    def stage(self, pipeline: Pipeline, params: dict[str, Any]) -> Stage:
        """The stage that is named."""
        name = text(params, "stageName")
        if pipeline.index(name) < 0:
            why = f"Pipeline '{pipeline.name}' does not have a stage with name '{name}'"
            raise Refused("StageNotFoundException", why)
        return pipeline.stages[pipeline.index(name)]

    def execution(self, pipeline: Pipeline, id: str, code: str = "PipelineExecutionNotFoundException") -> Execution:
        """The execution that is named."""
        for each in self.machine.executions[pipeline.name]:
            if each.id == id:
                return each
        raise Refused(code, f"The execution '{id}' of pipeline '{pipeline.name}' was not found.")

    def _settled(self, now: float) -> None:
        self.machine.settle(now)

    def start(self, params: dict[str, Any], now: float) -> dict[str, str]:
        """A new execution of the newest commit, or of the one that sourceRevisions names."""
        pipeline = self.pipeline(params, "name")
        nonce = text(params, "clientRequestToken", required=False)
        if nonce and nonce in self._tokens:
            return {"pipelineExecutionId": self._tokens[nonce]}
        given = {str(each.get("name")): str(each.get("value")) for each in params.get("variables") or ()}
        known = {each.name: each.default for each in pipeline.variables}
        if wrong := set(given) - set(known):
            raise Refused("ValidationException", f"Variables not declared in the pipeline: {', '.join(sorted(wrong))}")
        variables = known | given
        if missing := [name for name, value in variables.items() if not value]:
            raise Refused("ValidationException", f"No value for the pipeline variables: {', '.join(missing)}")
        repository = self.story.repositories[pipeline.slug]
        sha = repository.head
        for revision in params.get("sourceRevisions") or ():
            if revision.get("revisionType") != "COMMIT_ID" or revision.get("actionName") != "Source":
                raise Refused("ValidationException", "The source action takes a COMMIT_ID")
            sha = str(revision.get("revisionValue"))
        if not _SHA.fullmatch(sha) or sha not in repository.commits:
            raise Refused("ValidationException", f"The revision {sha} was not found in {pipeline.slug}")
        made = Execution(
            self.machine.uuid(), pipeline, now, sha, repository.commits[sha].subject,
            ("StartPipelineExecution", self.who), variables, updated=now, outputs=outputs(self.story, pipeline, sha),
        )  # fmt: skip
        self.machine.add(made)
        if nonce:
            self._tokens[nonce] = made.id
        self._settled(now)
        return {"pipelineExecutionId": made.id}

    def stop(self, params: dict[str, Any], now: float) -> dict[str, str]:
        """Stop and wait for what runs, or abandon it."""
        pipeline = self.pipeline(params)
        abandon, reason = params.get("abandon") is True, text(params, "reason", required=False)
        found = self.execution(pipeline, text(params, "pipelineExecutionId"), "PipelineExecutionNotStoppableException")
        if not found.active:
            why = f"Pipeline execution '{found.id}' is not stoppable in its status {found.status}."
            raise Refused("PipelineExecutionNotStoppableException", why)
        if found.stop is not None and (not abandon or found.stop[0]):
            raise Refused("DuplicatedStopRequestException", f"Pipeline execution '{found.id}' is already stopping.")
        found.stop, found.status, found.updated = (abandon, reason), "Stopping", now
        self._settled(now)
        return {"pipelineExecutionId": found.id}

    def retry(self, params: dict[str, Any], now: float) -> dict[str, str]:
        """The failed actions of a failed stage again, or all of them: in the same execution."""
        pipeline = self.pipeline(params)
        stage = self.stage(pipeline, params)
        found = self.execution(pipeline, text(params, "pipelineExecutionId"), "NotLatestPipelineExecutionException")
        mode = text(params, "retryMode")
        if mode not in ("FAILED_ACTIONS", "ALL_ACTIONS"):
            raise Refused("ValidationException", f"Value '{mode}' at 'retryMode' failed to satisfy constraint")
        if found.active or found.stage_status.get(stage.name) not in ("Failed", "Stopped"):
            why = f"The stage '{stage.name}' is not in a failed or stopped state and cannot be retried."
            raise Refused("StageNotRetryableException", why)
        later = [
            each for each in self.machine.executions[pipeline.name]
            if each.entered.get(stage.name, 0.0) > found.entered.get(stage.name, 0.0)
        ]  # fmt: skip
        if later and pipeline.mode != "PARALLEL":
            why = f"'{found.id}' is not the latest execution in the stage '{stage.name}'."
            raise Refused("NotLatestPipelineExecutionException", why)
        auto, manual = found.retried.get(stage.name, (0, 0))
        found.retried[stage.name] = (auto, manual + 1)
        self.machine.again(found, stage, now, everything=mode == "ALL_ACTIONS")
        self._settled(now)
        return {"pipelineExecutionId": found.id}

    def roll_back(self, params: dict[str, Any], now: float) -> dict[str, str]:
        """A new execution that brings a stage back to what an execution had there that succeeded in it."""
        pipeline = self.pipeline(params)
        stage = self.stage(pipeline, params)
        target = self.execution(pipeline, text(params, "targetPipelineExecutionId"))
        if stage is pipeline.stages[0]:
            raise Refused("UnableToRollbackStageException", "The source stage cannot be rolled back.")
        if target.stage_status.get(stage.name) != "Succeeded" or target.type == "ROLLBACK":
            why = f"The execution '{target.id}' did not succeed in the stage '{stage.name}'."
            raise Refused("UnableToRollbackStageException", why)
        if any(each.active and each.inside and each.pipeline.stages[each.at] is stage
               for each in self.machine.executions[pipeline.name]):  # fmt: skip
            raise Refused("ConflictException", f"The stage '{stage.name}' has an execution in progress.")
        made = self.machine.roll_back(target, stage.name, now, "ManualRollback", self.who)
        self._settled(now)
        return {"pipelineExecutionId": made.id}

    def approve(self, params: dict[str, Any], now: float) -> dict[str, float]:
        """Approved or rejected, by the token of this very execution's approval."""
        pipeline = self.pipeline(params)
        stage = self.stage(pipeline, params)
        name, token, result = text(params, "actionName"), text(params, "token"), params.get("result")
        action = next((each for each in stage.actions if each.name == name), None)
        if action is None:
            raise Refused("ActionNotFoundException", f"There is no action '{name}' in the stage '{stage.name}'")
        if not isinstance(result, dict) or result.get("status") not in ("Approved", "Rejected"):
            raise Refused("ValidationException", "Value at 'result.status' failed to satisfy constraint")
        for execution in self.machine.executions[pipeline.name]:
            for run in execution.runs:
                if run.token != token or run.action is not action:
                    continue
                if run.status(now) != "InProgress":
                    raise Refused("ApprovalAlreadyCompletedException", "The approval has been completed.")
                run.end, run.by, run.summary = now, self.who, str(result.get("summary", ""))
                run.outcome = "Succeeded" if result["status"] == "Approved" else "Failed"
                self._settled(now)
                return {"approvedAt": round(now, 3)}
        raise Refused("InvalidApprovalTokenException", f"The token '{token}' is not of a pending approval.")

    def enable(self, params: dict[str, Any], now: float) -> None:
        """Let executions into a stage again."""
        self._change(params, Transition(True, self.who, now), now)

    def disable(self, params: dict[str, Any], now: float) -> None:
        """Let no execution into a stage."""
        reason = text(params, "reason")
        if not _REASON.fullmatch(reason):
            raise Refused("ValidationException", "Value at 'reason' failed to satisfy constraint: Member must satisfy "
                          "regular expression pattern: [a-zA-Z0-9!@ \\(\\)\\.\\*\\?\\-]+")  # fmt: skip
        self._change(params, Transition(False, self.who, now, reason), now)

    def _change(self, params: dict[str, Any], transition: Transition, now: float) -> None:
        pipeline = self.pipeline(params)
        stage = self.stage(pipeline, params)
        if text(params, "transitionType") != "Inbound":
            raise Refused("ValidationException", "only Inbound transitions are of this world")
        self.machine.transitions[pipeline.name, stage.name] = transition
        self._settled(now)
