"""How executions move: stages that hold one at a time, gates that wait, failures that retry or roll back by themselves.

https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from quarterdeck_demo.codepipeline.definitions import ACCOUNT, Action, Pipeline, Stage
from quarterdeck_demo.codepipeline.records import ActionRun, Execution, Transition

BROKEN = {
    "tests": "Build terminated with state: FAILED", "image": "Build terminated with state: FAILED",
    "load": "Build terminated with state: FAILED", "smoke": "Build terminated with state: FAILED",
    "verify": "Build terminated with state: FAILED", "report": "Build terminated with state: FAILED",
    "deploy": "The Amazon ECS service did not become stable: 2 of 4 tasks failed their health check.",
}  # fmt: skip


class Machine:
    """All executions, oldest first by pipeline; `advance` lets time pass."""

    def __init__(self, pipelines: Iterable[Pipeline], seed: int) -> None:
        self.pipelines = {pipeline.name: pipeline for pipeline in pipelines}
        self.executions: dict[str, list[Execution]] = {name: [] for name in self.pipelines}
        self.transitions = {
            (each.name, stage.name): Transition() for each in self.pipelines.values() for stage in each.stages
        }
        self.by_log: dict[str, tuple[Execution, ActionRun]] = {}
        """The action runs that are builds, by the build's id."""
        self._seed, self._made, self._now = seed, 0, 0.0

    def uuid(self) -> str:
        """An identity that nothing else has."""
        self._made += 1
        text = hashlib.sha256(f"{self._seed}/codepipeline/{self._made}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    def add(self, execution: Execution) -> Execution:
        """Take a new execution in."""
        self.executions[execution.pipeline.name].append(execution)
        return execution

    def run(self, execution: Execution, stage: Stage, action: Action, at: float) -> ActionRun:
        """A new attempt of an action, begun at `at`."""
        key = f"{stage.name}/{action.name}"
        before = sum(run.stage == stage.name and run.action.name == action.name for run in execution.runs)
        fails = before < execution.failing.get(key, 0)
        identity = self.uuid()
        made = ActionRun(
            identity, stage.name, action, at, at + action.seconds * execution.pace if action.seconds else None,
            "Failed" if fails else "Succeeded", log=f"{execution.id}/{before}",
        )  # fmt: skip
        if action.provider == "CodeBuild":
            made.external = f"{action.configuration['ProjectName']}:{self.uuid()}"
            self.by_log[made.external] = (execution, made)
        elif action.provider == "ECS":
            made.external = f"ecs-svc/{int(hashlib.sha256(identity.encode()).hexdigest()[:15], 16)}"
        elif action.category == "Source":
            made.external = execution.sha
        if made.end is None:
            made.token = self.uuid()
        if fails:
            made.summary = BROKEN.get(action.name, "")
        execution.runs.append(made)
        return made

    def advance(self, now: float) -> None:
        """Let everything happen that is due by `now`, in its order."""
        while True:
            due = [
                run.end for rows in self.executions.values() for execution in rows if execution.active
                for run in execution.runs if run.end is not None and self._now < run.end <= now
            ]  # fmt: skip
            if not due:
                break
            self._now = min(due)
            self.settle(self._now)
        self._now = max(self._now, now)

    def settle(self, at: float) -> None:
        """Move every execution as far as it goes at one instant."""
        moved = True
        while moved:
            moved = False
            for rows in self.executions.values():
                for execution in [each for each in rows if each.active]:
                    moved = self._step(execution, at) or moved

    def _step(self, execution: Execution, at: float) -> bool:
        stage = execution.pipeline.stages[execution.at]
        if not execution.inside:
            return self._wait(execution, stage, at)
        runs = execution.latest(stage.name)
        states = {name: run.status(at) for name, run in runs.items()}
        if "InProgress" in states.values() and not (execution.stop and execution.stop[0]):
            return False
        if execution.stop:
            for run in runs.values():
                if run.status(at) == "InProgress":
                    run.abandoned = at
            return self._end(execution, "Stopped", at, execution.stop[1], stage="Stopped")
        if "Failed" in states.values():
            return self._failed(execution, stage, at)
        following = [action for action in stage.actions if action.name not in runs]
        if following:
            order = min(action.order for action in following)
            for action in following:
                if action.order == order:
                    self.run(execution, stage, action, at)
            return True
        execution.stage_status[stage.name] = "Succeeded"
        execution.inside, execution.updated = False, at
        if execution.type == "ROLLBACK" or execution.at + 1 == len(execution.pipeline.stages):
            return self._end(execution, "Succeeded", at)
        execution.at += 1
        return True

    def _wait(self, execution: Execution, stage: Stage, at: float) -> bool:
        if execution.stop:
            return self._end(execution, "Stopped", at, execution.stop[1])
        if self.transitions[execution.pipeline.name, stage.name].enabled and self._free(execution, stage):
            execution.inside = True
            execution.entered[stage.name], execution.updated = at, at
            execution.stage_status[stage.name] = "InProgress"
            return True
        if execution.pipeline.mode == "SUPERSEDED" and any(
            each.active and not each.inside and each.at == execution.at and each.started > execution.started
            for each in self.executions[execution.pipeline.name]
        ):
            return self._end(execution, "Superseded", at)
        return False

    def _free(self, execution: Execution, stage: Stage) -> bool:
        """Whether a stage holds no other execution; those of a PARALLEL pipeline do not meet."""
        return execution.pipeline.mode == "PARALLEL" or not any(
            each.active and each.inside and each.at == execution.at and each is not execution
            for each in self.executions[execution.pipeline.name]
            if each.pipeline.stages[each.at] is stage
        )

    def _failed(self, execution: Execution, stage: Stage, at: float) -> bool:
        auto, manual = execution.retried.get(stage.name, (0, 0))
        if stage.on_failure == "RETRY" and not auto:
            execution.retried[stage.name] = (1, manual)
            self.again(execution, stage, at, everything=False)
            return True
        self._end(execution, "Failed", at, stage="Failed")
        if stage.on_failure == "ROLLBACK" and execution.type != "ROLLBACK":
            target = self.proven(execution.pipeline.name, stage.name, before=execution)
            if target is not None:
                detail = f"FailedPipelineExecutionId: {execution.id}"
                self.roll_back(target, stage.name, at, "AutomatedRollback", detail)
        return True

    def again(self, execution: Execution, stage: Stage, at: float, *, everything: bool) -> None:
        """Begin new attempts of the failed actions of a stage, or of all from its first."""
        execution.status, execution.inside, execution.stop, execution.updated = "InProgress", True, None, at
        execution.at = execution.pipeline.index(stage.name)
        execution.entered[stage.name] = at
        execution.stage_status[stage.name] = "InProgress"
        if everything:
            for run in execution.latest(stage.name).values():
                run.past = True
            return
        latest = execution.latest(stage.name)
        for action in stage.actions:
            if action.name in latest and latest[action.name].status(at) in ("Failed", "Abandoned"):
                self.run(execution, stage, action, at)

    def _end(self, execution: Execution, status: str, at: float, summary: str = "", *, stage: str = "") -> bool:
        execution.status, execution.updated, execution.summary, execution.inside = status, at, summary, False
        if stage:
            execution.stage_status[execution.pipeline.stages[execution.at].name] = stage
        return True

    def proven(self, pipeline: str, stage: str, before: Execution | None = None) -> Execution | None:
        """The last execution that succeeded in a stage, of other source than the one that failed there."""
        return next(
            (each for each in reversed(self.executions[pipeline])
             if each.stage_status.get(stage) == "Succeeded" and each.type == "STANDARD" and each is not before),
            None,
        )  # fmt: skip

    def roll_back(self, target: Execution, stage: str, at: float, why: str, detail: str) -> Execution:
        """A new execution that goes through one stage with what another one had there."""
        made = Execution(
            self.uuid(), target.pipeline, at, target.sha, target.subject, (why, detail), dict(target.variables),
            target.pace, type="ROLLBACK", target=target.id, at=target.pipeline.index(stage), updated=at,
            outputs=dict(target.outputs),
        )  # fmt: skip
        return self.add(made)


def user(name: str) -> str:
    """The resource name of a person."""
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"
