"""What changes: builds are started, stopped, let go on, restarted; items leave the queue.

https://www.jenkins.io/doc/book/using/remote-access-api/#submitting-jobs
https://www.jenkins.io/doc/book/using/aborting-a-build/
https://www.jenkins.io/doc/pipeline/steps/pipeline-input-step/
https://www.jenkins.io/doc/book/pipeline/running-pipelines/#restart-from-a-stage
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from quarterdeck_demo.jenkins.gate import BUILD, CANCEL, Refused, forbidden, not_found
from quarterdeck_demo.jenkins.plan import Cause, Job, Parameter, by_user
from quarterdeck_demo.jenkins.progress import Build
from quarterdeck_demo.jenkins.state import Item, State, User
from quarterdeck_demo.messages import Request, Response

RESTARTED = "org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause"


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, the query's among them."""
    fields = {name: values[0] for name, values in request.query.items()}
    sent = parse_qs(request.body.decode(), keep_blank_values=True)
    return fields | {name: values[0] for name, values in sent.items()}


def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(form_of(request).get("json", ""))
    except ValueError as error:
        raise Refused(400, "This page expects a form submission") from error
    return found if isinstance(found, dict) else {}


class Acting:
    """The writes; `root` is the address that the client used."""

    def __init__(self, state: State) -> None:
        self.state = state

    def _may(self, user: User, permission: str = BUILD) -> None:
        if not user.builds:
            raise forbidden(user, permission)

    def start(self, request: Request, user: User, job: Job, root: str, *, given: bool) -> Response:
        """POST build and buildWithParameters: 201 and the queue item, an equal one that waits already included."""
        self._may(user)
        if given != bool(job.parameters):
            text = "This build is not parameterized!" if given else "This page expects a form submission"
            raise Refused(400, text)
        fields = form_of(request)
        values = {each.name: _typed(each, fields.get(each.name)) for each in job.parameters}
        for each in job.parameters:
            if each.choices and values[each.name] not in each.choices:
                raise Refused(400, f"Illegal choice for parameter {each.name}: {values[each.name]}")
        item, _ = self.state.add(job, by_user(user.login, user.name), values)
        return Response(201, {"Location": f"{root}/queue/item/{item.id}/"})

    def stop(self, user: User, build: Build, how: str) -> Response:
        """POST stop, term, kill: back to the build's page, whether it has ended or not."""
        self._may(user, CANCEL)
        if how != "stop" and not build.job.pipeline:
            raise not_found()
        if self.state.moment(build).building and (how == "kill" or not build.stubborn):
            build.stopped_at = self.state.clock()
        return Response(302, {"Location": "../"})

    def cancel_item(self, request: Request, user: User) -> Response:
        """POST queue/cancelItem?id=: 204, or 404 for one that has left."""
        self._may(user, CANCEL)
        asked = form_of(request).get("id", "")
        item = self.state.items.get(int(asked)) if asked.isdigit() else None
        if item is None or item.left_at is not None:
            raise not_found()
        item.cancelled, item.left_at = True, self.state.clock()
        return Response(204)

    def decide(self, user: User, build: Build, id: str, *, proceed: bool) -> Response:
        """POST input/ID/proceedEmpty, input/ID/abort and wfapi/inputSubmit."""
        ask = self.state.moment(build).ask
        if ask is None or ask.id != id:
            raise not_found()
        self._may(user)
        if ask.submitters and user.login not in ask.submitters:
            raise Refused(400, f"You need to be {', '.join(ask.submitters)} to submit this.")
        build.answers[ask.id] = (proceed, self.state.clock())
        return Response(200, {"Content-Type": "text/plain;charset=utf-8"})

    def submit(self, request: Request, user: User, build: Build) -> Response:
        """POST wfapi/inputSubmit: the values of the input's parameters, as a submitted form."""
        ask = self.state.moment(build).ask
        if ask is None or ask.id != request.arg("inputId"):
            raise Refused(500, "This Run instance does not have an Input with that ID")
        given = _json(request).get("parameter", [])
        known = {each.name for each in ask.inputs}
        if not isinstance(given, list) or {each.get("name") for each in given} - known:
            raise Refused(500, "Error processing Input Submit request.")
        build.values |= {each["name"]: each.get("value", "") for each in given}
        return self.decide(user, build, ask.id, proceed=True)

    def restartable(self, user: User, build: Build) -> dict[str, Any]:
        """GET restart/api/json, of a declarative Pipeline that has ended."""
        moment = self.state.moment(build)
        enabled = build.job.pipeline and build.job.declarative and not moment.building and user.builds
        if not enabled:
            raise not_found()
        names = [stage.plan.name for stage in moment.stages]
        return {"_class": "org.jenkinsci.plugins.pipeline.modeldefinition.actions.RestartDeclarativePipelineAction",
                "restartEnabled": True, "restartableStages": names}  # fmt: skip

    def restart(self, request: Request, user: User, build: Build) -> Response:
        """POST restart/restart: a new build from a stage on; the answer does not name it."""
        self._may(user)
        name = str(_json(request).get("stageName", ""))
        if name not in self.restartable(user, build)["restartableStages"]:
            raise Refused(400, f"Failure restarting from stage: {name} is not present in {build.number}")
        cause = Cause(RESTARTED, f"Restarted from build #{build.number}, stage {name}", user.login)
        self.state.add(build.job, cause, dict(build.values), restarted=(build.number, name), sha=build.sha)
        return Response(302, {"Location": "../../"})

    def item(self, id: int) -> Item | None:
        """An item of the queue, or one that left it lately."""
        return self.state.items.get(id)


def _typed(parameter: Parameter, given: str | None) -> str | bool:
    if parameter.type == "BooleanParameterDefinition":
        return bool(parameter.default) if given is None else given.lower() == "true"
    if given is not None:
        return given
    return parameter.choices[0] if parameter.choices else str(parameter.default or "")
