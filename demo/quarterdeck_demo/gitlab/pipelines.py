"""Operations on pipelines: https://docs.gitlab.com/api/pipelines/"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quarterdeck_demo.gitlab import shapes
from quarterdeck_demo.gitlab.gate import Refused, paged
from quarterdeck_demo.gitlab.plan import PipelinePlan
from quarterdeck_demo.gitlab.progress import ENDED, LivePipeline
from quarterdeck_demo.gitlab.site import ROOT, Site
from quarterdeck_demo.gitlab.state import Project
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router


class Pipelines:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        one = ROOT + "/pipelines/{pipeline}"
        for method, path, handler in (
            ("GET", ROOT + "/pipelines", self.listing),
            ("POST", ROOT + "/pipeline", self.create),
            ("GET", one, self.detail),
            ("GET", one + "/variables", self.variables),
            ("GET", one + "/jobs", self.jobs),
            ("GET", one + "/bridges", self.bridges),
            ("POST", one + "/retry", self.retry),
            ("POST", one + "/cancel", self.cancel),
        ):
            router.add(method, path, handler)

    def _shape(self, project: Project, live: LivePipeline) -> dict[str, Any]:
        return shapes.pipeline_detail(project, live, self.state.at(live))

    async def listing(self, request: Request) -> Response:
        """GET pipelines, newest first; filters ref, sha, source, status, username."""
        project = self.site.project(request)
        rows = []
        for live in self.state.listed(project, children=request.arg("source") == "parent_pipeline"):
            plan = live.plan
            wanted = {"ref": plan.ref, "sha": plan.sha, "source": plan.source, "username": plan.user.login,
                      "name": plan.name}  # fmt: skip
            if any(request.arg(key) not in ("", has) for key, has in wanted.items()):
                continue
            at = self.state.at(live)
            if request.arg("status") in ("", at.status):
                rows.append((live, at))
        page, headers = paged(request, self.site.base(request), rows)
        return json_response([shapes.pipeline(project, *each) for each in page], headers=headers)

    async def detail(self, request: Request) -> Response:
        """GET a pipeline."""
        return json_response(self._shape(*self.site.pipeline(request)))

    async def variables(self, request: Request) -> Response:
        """GET the variables that it was started with."""
        _, live = self.site.pipeline(request)
        return json_response(
            [{"key": k, "variable_type": "env_var", "value": v, "raw": False} for k, v in live.plan.variables]
        )

    async def jobs(self, request: Request) -> Response:
        """GET its jobs, newest first; the earlier attempts only with `include_retried`."""
        return self._jobs(request, bridges=False)

    async def bridges(self, request: Request) -> Response:
        """GET its trigger jobs."""
        return self._jobs(request, bridges=True)

    def _jobs(self, request: Request, *, bridges: bool) -> Response:
        project, live = self.site.pipeline(request)
        at, retried = self.state.at(live), request.arg("include_retried") == "true"
        scopes = request.query.get("scope[]", []) + request.query.get("scope", [])
        shape = shapes.bridge if bridges else shapes.job
        rows = [
            shape(self.state, project, live, attempt, at.jobs[attempt.id], at)
            for tries in live.jobs.values()
            for attempt in (tries if retried else tries[-1:])
            if bool(attempt.plan.starts) == bridges and (not scopes or at.jobs[attempt.id].status in scopes)
        ]
        rows.sort(key=lambda row: -int(row["id"]))
        page, headers = paged(request, self.site.base(request), rows)
        return json_response(page, headers=headers)

    async def create(self, request: Request) -> Response:
        """POST a pipeline at the head of a branch or tag, with variables and inputs."""
        project, body = self.site.project(request), self.site.body(request)
        ref = str(body.get("ref", ""))
        sha = project.heads.get(ref) or project.tags.get(ref)
        if not ref:
            raise Refused(400, {"error": "ref is missing"})
        if sha is None:
            raise Refused(400, {"message": {"base": ["Reference not found"]}})
        given = body.get("variables") or []
        if not isinstance(given, list) or any(not isinstance(v, dict) or not v.get("key") for v in given):
            raise Refused(400, {"error": "variables is invalid"})
        inputs = body.get("inputs") or {}
        if inputs and not project.plan.file.startswith("spec:"):
            raise Refused(400, {"message": {"base": [f"Given inputs not defined in the `spec` section: {inputs}"]}})
        variables = tuple((str(v["key"]), str(v.get("value", ""))) for v in given)
        model = next((p for p in reversed(project.plan.pipelines) if p.name == "train" and variables), None)
        jobs = (model or project.plan.pipelines[-1]).jobs
        if any(job.stuck for job in jobs):
            jobs = next(p.jobs for p in reversed(project.plan.pipelines) if p.source == "push")
        plan = PipelinePlan(sha, ref, "api", model.name if model else "", self.site.caller(request),
                            self.state.clock(), jobs, variables, tag=ref in project.tags)  # fmt: skip
        return json_response(self._shape(project, self.state.start(project, plan)), 201)

    async def retry(self, request: Request) -> Response:
        """POST retry: what failed or was cancelled runs again; the answer is the pipeline as it was."""
        project, live = self.site.pipeline(request)
        before = self._shape(project, live)
        moments = self.state.at(live).jobs
        for tries in list(live.jobs.values()):
            if moments[tries[-1].id].status in ("failed", "canceled"):
                plan = tries[-1].plan
                again = self.state.retry(project, live, tries[-1])
                again.plan = replace(plan, fails="") if plan.fails == "runner_system_failure" else plan
        return json_response(before, 201)

    async def cancel(self, request: Request) -> Response:
        """POST cancel; the answer is the pipeline as it was."""
        project, live = self.site.pipeline(request)
        before = self._shape(project, live)
        if self.state.at(live).status not in ENDED:
            self.state.cancel(live)
        return json_response(before)


