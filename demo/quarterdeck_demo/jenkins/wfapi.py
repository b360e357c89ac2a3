"""Stages, steps and inputs of a Pipeline, as the Pipeline REST API plugin sends them; and progressive logs.

https://github.com/jenkinsci/pipeline-stage-view-plugin/blob/master/rest-api/README.md
"""

from __future__ import annotations

from html import escape
from typing import Any

from quarterdeck_demo.jenkins import progress
from quarterdeck_demo.jenkins.progress import Build, StageMoment, StepMoment
from quarterdeck_demo.jenkins.shapes import definition, path_of
from quarterdeck_demo.jenkins.state import State
from quarterdeck_demo.messages import Request, Response

_RUN = {"SUCCESS": "SUCCESS", "FAILURE": "FAILED", "ABORTED": "ABORTED", "UNSTABLE": "UNSTABLE"}
TAIL = 10 * 1024


class Stages:
    """What wfapi says of builds; `prefix` is the path of the controller."""

    def __init__(self, state: State, prefix: str) -> None:
        self.state, self.prefix = state, prefix

    def _href(self, build: Build, rest: str) -> dict[str, str]:
        return {"href": f"{self.prefix}{path_of(build.job.path)}/{build.number}{rest}"}

    def run(self, build: Build) -> dict[str, Any]:
        """GET wfapi/describe."""
        now, moment = self.state.clock(), self.state.moment(build)
        status = _RUN.get(moment.result or "", "PAUSED_PENDING_INPUT" if moment.ask else "IN_PROGRESS")
        links = {"self": self._href(build, "/wfapi/describe")}
        if moment.ask:
            links["pendingInputActions"] = self._href(build, "/wfapi/pendingInputActions")
        return {
            "_links": links, "id": str(build.number), "name": f"#{build.number}", "status": status,
            "startTimeMillis": int(build.started_at * 1000), "endTimeMillis": int((moment.ended_at or now) * 1000),
            "durationMillis": int(((moment.ended_at or now) - build.started_at) * 1000),
            "queueDurationMillis": int((build.started_at - build.queued_at) * 1000), "pauseDurationMillis": 0,
            "stages": [self._stage(build, stage) for stage in moment.stages],
        }  # fmt: skip

    def _stage(self, build: Build, stage: StageMoment) -> dict[str, Any]:
        end = stage.ended_at or self.state.clock()
        return {
            "_links": {"self": self._href(build, f"/execution/node/{stage.id}/wfapi/describe")}, "id": str(stage.id),
            "name": stage.plan.name, "execNode": build.job.label, "status": stage.status,
            "startTimeMillis": int(stage.started_at * 1000), "durationMillis": int((end - stage.started_at) * 1000),
            "pauseDurationMillis": 0,
        }  # fmt: skip

    def _step(self, build: Build, step: StepMoment, parent: int) -> dict[str, Any]:
        end = step.ended_at or self.state.clock()
        at = f"/execution/node/{step.id}"
        made: dict[str, Any] = {
            "_links": {"self": self._href(build, f"{at}/wfapi/describe"), "log": self._href(build, f"{at}/wfapi/log"),
                       "console": self._href(build, f"{at}/log")},
            "id": str(step.id), "name": step.plan.name, "execNode": build.job.label, "status": step.status,
            "startTimeMillis": int(step.started_at * 1000), "durationMillis": int((end - step.started_at) * 1000),
            "pauseDurationMillis": 0, "parentNodes": [str(parent)],
        }  # fmt: skip
        if step.plan.detail:
            made["parameterDescription"] = step.plan.detail
        if step.status == "FAILED":
            made["error"] = {"message": "script returned exit code 1", "type": "hudson.AbortException"}
        return made

    def node(self, build: Build, id: int) -> dict[str, Any] | None:
        """GET execution/node/ID/wfapi/describe: a stage with its steps, or a step."""
        for stage in self.state.moment(build).stages:
            if stage.id == id:
                steps = [self._step(build, step, stage.id if n == 0 else stage.steps[n - 1].id)
                         for n, step in enumerate(stage.steps)]  # fmt: skip
                return {**self._stage(build, stage), "stageFlowNodes": steps}
            for step in stage.steps:
                if step.id == id:
                    return self._step(build, step, stage.id)
        return None

    def step(self, build: Build, id: int) -> StepMoment | None:
        """A step by its node's id."""
        steps = (step for stage in self.state.moment(build).stages for step in stage.steps)
        return next((step for step in steps if step.id == id), None)

    def node_text(self, build: Build, id: int) -> str | None:
        """What a step wrote; None for a node without a log."""
        step = self.step(build, id)
        if step is None or step.plan.ask is not None:
            return None
        lines = list(progress.step_lines(step, self.state.clock()))
        return "".join(f"{line}\n" for line in lines)

    def node_log(self, build: Build, id: int) -> dict[str, Any] | None:
        """GET execution/node/ID/wfapi/log: its last part, as HTML."""
        text, step = self.node_text(build, id), self.step(build, id)
        if text is None or step is None:
            return None
        return {
            "nodeId": str(id), "nodeStatus": step.status, "length": len(text), "hasMore": len(text) > TAIL,
            "text": escape(text[-TAIL:]), "consoleUrl": self._href(build, f"/execution/node/{id}/log")["href"],
        }  # fmt: skip

    def pending(self, build: Build) -> list[dict[str, Any]]:
        """GET wfapi/pendingInputActions."""
        ask = self.state.moment(build).ask
        if ask is None:
            return []
        submit = self._href(build, f"/wfapi/inputSubmit?inputId={ask.id}")["href"]
        inputs = [
            {"type": each.type, "name": each.name, "description": each.description,
             "definition": {"defaultVal": definition(each)["defaultParameterValue"]["value"],
                            **({"choices": list(each.choices)} if each.choices else {})}}
            for each in ask.inputs
        ]  # fmt: skip
        return [{
            "id": ask.id, "proceedText": ask.ok, "message": ask.message, "inputs": inputs,
            "proceedUrl": submit, "abortUrl": self._href(build, f"/input/{ask.id}/abort")["href"],
            "redirectApprovalUrl": self._href(build, "/input/")["href"],
        }]  # fmt: skip


def progressive(request: Request, text: str, *, more: bool) -> Response:
    """logText/progressiveText: from `start` on; a start behind the end begins anew, as Stapler's LargeText does.

    https://javadoc.jenkins.io/component/stapler/org/kohsuke/stapler/framework/io/LargeText.html
    """
    data = text.encode()
    asked = request.arg("start", "0")
    start = int(asked) if asked.isdigit() else 0
    if start > len(data):
        start = 0
    headers = {"Content-Type": "text/plain;charset=UTF-8", "X-Text-Size": str(len(data))}
    if more:
        headers["X-More-Data"] = "true"
    return Response(200, headers, data[start:])
