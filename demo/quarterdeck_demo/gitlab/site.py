"""What the operations share: the project, the pipeline and the job of a request, its caller, its body."""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.gitlab.gate import Refused, not_found, number, token_of
from quarterdeck_demo.gitlab.progress import Attempt, LivePipeline
from quarterdeck_demo.gitlab.state import Project, State
from quarterdeck_demo.messages import Request
from quarterdeck_demo.story import Person

ROOT = "/api/v4/projects/{project}"


class Site:
    """The state seen through a request. It is built at the first one."""

    def __init__(self, state: State) -> None:
        self.state = state

    def base(self, request: Request) -> str:
        """The address that the client used."""
        return "http://" + request.header("host", "127.0.0.1")

    def project(self, request: Request) -> Project:
        """The project of the route; raises `Refused` 404."""
        found = self.state.project(request.match["project"])
        if found is None:
            raise not_found("Project")
        return found

    def pipeline(self, request: Request) -> tuple[Project, LivePipeline]:
        """The pipeline of the route; raises `Refused` 404."""
        project = self.project(request)
        live = project.pipelines.get(number(request.match["pipeline"], 0))
        if live is None or live.created_at > self.state.clock():
            raise not_found()
        return project, live

    def job(self, request: Request) -> tuple[Project, LivePipeline, Attempt]:
        """The job of the route; raises `Refused` 404, for a trigger job too: the jobs' API does not know them."""
        project = self.project(request)
        live, attempt = project.attempts.get(number(request.match["job"], 0), (None, None))
        if live is None or attempt is None or attempt.plan.starts or live.created_at > self.state.clock():
            raise not_found()
        return project, live, attempt

    def caller(self, request: Request) -> Person:
        """Whose token it is."""
        token = token_of(self.state, request)
        if token is None:
            raise Refused(401, "401 Unauthorized")
        return self.state.story.people[token.login]

    def maintains(self, project: Project) -> None:
        """Raise `Refused` 403 for who is not a maintainer."""
        if project.plan.access < 40:
            raise Refused(403, "403 Forbidden")

    def body(self, request: Request) -> dict[str, Any]:
        """The parameters, of the body and of the query; raises `Refused` 400."""
        try:
            body = request.json()
        except ValueError as error:
            raise Refused(400, {"error": "The request body is not JSON"}) from error
        if not isinstance(body, dict | None):
            raise Refused(400, {"error": "The request body is no object"})
        return {**{key: values[0] for key, values in request.query.items()}, **(body or {})}
