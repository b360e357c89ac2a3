"""Operations of Actions: workflows, runs, jobs, logs.

https://docs.github.com/en/rest/actions?apiVersion=2022-11-28
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from quarterdeck_demo.github import run_shapes
from quarterdeck_demo.github.gate import Refused, not_found, paged
from quarterdeck_demo.github.progress import JobMoment, LiveRun, RunMoment, run_at
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.github.state import DISPATCH_DELAY
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story.records import Repository, Workflow

MONTH = 30 * 86_400.0
LOG_TTL = 60.0


class Actions:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state
        self._log_links: dict[str, tuple[int, float]] = {}

    def routes(self, router: Router) -> None:
        """Add the operations."""
        root = "/repos/{owner}/{repo}/actions"
        get, post = "GET", "POST"
        for method, path, handler in (
            (get, "/workflows", self.workflows),
            (get, "/workflows/{workflow}", self.workflow),
            (get, "/workflows/{workflow}/runs", self.runs),
            (post, "/workflows/{workflow}/dispatches", self.dispatch),
            (get, "/runs", self.runs),
            (get, "/runs/{run}", self.run),
            (get, "/runs/{run}/jobs", self.jobs),
            (post, "/runs/{run}/rerun", self.rerun),
            (post, "/runs/{run}/rerun-failed-jobs", self.rerun_failed),
            (post, "/runs/{run}/cancel", self.cancel),
            (post, "/runs/{run}/force-cancel", self.cancel),
            (get, "/runs/{run}/attempts/{attempt}/jobs", self.earlier_jobs),
            (get, "/jobs/{job}", self.job),
            (get, "/jobs/{job}/logs", self.logs),
            (post, "/jobs/{job}/rerun", self.rerun_job),
        ):
            router.add(method, root + path, handler)
        router.add(get, "/_logs/{key}", self.log_body)

    def _flow(self, live: LiveRun) -> Workflow:
        return next(w for w in self.state.story.workflows if w.id == live.run.workflow)

    async def _shaped(self, request: Request, repository: Repository, live: LiveRun, at: RunMoment) -> dict[str, Any]:
        commit = await self.site.commit(repository, live.run.sha)
        return run_shapes.run(self.site.shapes(request), repository, live, at, self._flow(live), commit)

    def _find_job(self, request: Request) -> tuple[Repository, LiveRun, JobMoment]:
        repository = self.site.repository(request)
        if request.match["job"].isdigit():
            for live, moment in self.state.runs_of(repository.slug):
                for job in moment.jobs:
                    if job.id == int(request.match["job"]):
                        return repository, live, job
        raise not_found()

    async def workflows(self, request: Request) -> Response:
        """GET workflows."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        flows = self.state.workflows(repository.slug)
        page, headers = paged(request, shapes.base, flows)
        rows = [run_shapes.workflow(shapes, repository, flow) for flow in page]
        return json_response({"total_count": len(flows), "workflows": rows}, headers=headers)

    def _workflow(self, request: Request, repository: Repository) -> Workflow:
        flow = self.state.workflow(repository.slug, request.match["workflow"])
        if flow is None:
            raise not_found()
        return flow

    async def workflow(self, request: Request) -> Response:
        """GET a workflow by id or file name."""
        repository = self.site.repository(request)
        flow = self._workflow(request, repository)
        return json_response(run_shapes.workflow(self.site.shapes(request), repository, flow))

    async def dispatch(self, request: Request) -> Response:
        """POST dispatches: 204 without the run, which is listed a moment later; 200 with it if asked for."""
        repository, body = self.site.repository(request), self.site.body(request)
        flow = self._workflow(request, repository)
        ref, inputs = body.get("ref"), body.get("inputs") or {}
        if not isinstance(ref, str):
            raise Refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
        if "workflow_dispatch" not in flow.triggers:
            raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
        sha = self.state.refs[repository.slug].resolve(ref)
        if sha is None:
            raise Refused(422, f"No ref found for: {ref}")
        if unknown := [name for name in inputs if name not in flow.inputs]:
            raise Refused(422, f"Unexpected inputs provided: {unknown}")
        title = " ".join([flow.name, *(str(inputs[name]) for name in flow.inputs if inputs.get(name))])
        named = body.get("return_run_details") is True
        branch = ref.removeprefix("refs/").removeprefix("heads/").removeprefix("tags/")
        run = self.state.start(
            flow, branch=branch, sha=sha, event="workflow_dispatch", title=title,
            login=self.state.story.viewer.login, delay=0.0 if named else DISPATCH_DELAY,
        )  # fmt: skip
        if not named:
            return Response(204)
        url = f"{self.site.shapes(request).repository_url(repository)}/actions/runs/{run.id}"
        html = f"https://github.com/{repository.slug}/actions/runs/{run.id}"
        return json_response({"workflow_run_id": run.id, "run_url": url, "html_url": html})

    async def runs(self, request: Request) -> Response:
        """GET runs, newest first; filters branch, event, status (or conclusion), actor, head_sha, created."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        await self.state.notice_pushes(repository.slug)
        found = self.state.runs_of(repository.slug)
        if "workflow" in request.match:
            flow = self._workflow(request, repository)
            found = [(live, at) for live, at in found if live.run.workflow == flow.id]
        found = [(live, at) for live, at in found if _matches(request, live, at)]
        page, headers = paged(request, shapes.base, found)
        rows = [await self._shaped(request, repository, live, at) for live, at in page]
        return json_response({"total_count": len(found), "workflow_runs": rows}, headers=headers)

    async def run(self, request: Request) -> Response:
        """GET a run."""
        return json_response(await self._shaped(request, *self.site.run(request)))

    async def jobs(self, request: Request) -> Response:
        """GET a run's jobs, of the latest attempt."""
        repository, live, at = self.site.run(request)
        shapes = self.site.shapes(request)
        page, headers = paged(request, shapes.base, at.jobs)
        rows = [run_shapes.job(shapes, repository, live, job, self._flow(live)) for job in page]
        return json_response({"total_count": len(at.jobs), "jobs": rows}, headers=headers)

    async def earlier_jobs(self, request: Request) -> Response:
        """GET the jobs of one attempt."""
        repository, live, at = self.site.run(request)
        attempts = [*live.earlier, at.jobs]
        number = int(request.match["attempt"]) if request.match["attempt"].isdigit() else 0
        if not 1 <= number <= len(attempts):
            raise not_found()
        shapes, jobs = self.site.shapes(request), attempts[number - 1]
        page, headers = paged(request, shapes.base, jobs)
        flow = self._flow(live)
        rows = [{**run_shapes.job(shapes, repository, live, job, flow), "run_attempt": number} for job in page]
        return json_response({"total_count": len(jobs), "jobs": rows}, headers=headers)

    async def job(self, request: Request) -> Response:
        """GET a job."""
        repository, live, job = self._find_job(request)
        return json_response(run_shapes.job(self.site.shapes(request), repository, live, job, self._flow(live)))

    async def logs(self, request: Request) -> Response:
        """GET a job's log: 302 to an address that works for a minute; 404 while nothing is written."""
        _, live, job = self._find_job(request)
        if job.started_at is None or job.conclusion == "skipped":
            raise not_found()
        key = f"{live.run.id:x}-{job.id:x}-{len(self._log_links):x}"
        self._log_links[key] = (job.id, self.state.clock() + LOG_TTL)
        return Response(302, {"Location": f"{self.site.shapes(request).base}/_logs/{key}"})

    async def log_body(self, request: Request) -> Response:
        """The log itself, as far as it goes."""
        identity, until = self._log_links.get(request.match["key"], (0, 0.0))
        now = self.state.clock()
        if now > until:
            raise not_found()
        for live in self.state.runs.values():
            for job in run_at(live, now).jobs if identity // 100 == live.run.id else ():
                if job.id == identity:
                    return _part(request, run_shapes.log(job).encode())
        raise not_found()

    def _again(self, live: LiveRun, at: RunMoment, names: set[str]) -> Response:
        now = self.state.clock()
        if at.status != "completed":
            raise Refused(403, "This workflow is already running")
        if now - live.run.created_at > MONTH:
            raise Refused(403, "Unable to retry this workflow run because it was created over a month ago")
        if not names:
            raise Refused(403, "This workflow run has no failed jobs to re-run")
        after = {job.name for job in live.attempt.jobs if set(job.needs) & names}
        while not after <= names:
            names |= after
            after = {job.name for job in live.attempt.jobs if set(job.needs) & names}
        live.again(now, names)
        return json_response({}, 201)

    async def rerun(self, request: Request) -> Response:
        """POST rerun: all jobs."""
        _, live, at = self.site.run(request)
        return self._again(live, at, {job.name for job in live.attempt.jobs})

    async def rerun_failed(self, request: Request) -> Response:
        """POST rerun-failed-jobs: the failed and those that need them."""
        _, live, at = self.site.run(request)
        return self._again(live, at, {job.name for job in at.jobs if job.conclusion in ("failure", "cancelled")})

    async def rerun_job(self, request: Request) -> Response:
        """POST a job's rerun: it and those that need it."""
        _, live, job = self._find_job(request)
        return self._again(live, run_at(live, self.state.clock()), {job.name})

    async def cancel(self, request: Request) -> Response:
        """POST cancel: 202, and 409 when it has ended."""
        _, live, at = self.site.run(request)
        if at.status == "completed":
            raise Refused(409, "Cannot cancel a workflow run that is completed.")
        live.cancelled_at = self.state.clock()
        return json_response({}, 202)


def _part(request: Request, body: bytes) -> Response:
    """The bytes from `Range: bytes=N-` on, as the blob storage that logs lie in sends them, else all.

    https://learn.microsoft.com/en-us/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations
    """
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    if (found := re.fullmatch(r"bytes=(\d+)-", request.header("range"))) is None:
        return Response(200, kind, body)
    start = int(found[1])
    if start >= len(body):
        return Response(416, {"Content-Range": f"bytes */{len(body)}"})
    return Response(206, {**kind, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:])


def _matches(request: Request, live: LiveRun, at: RunMoment) -> bool:
    run = live.run
    wanted = {name: request.arg(name) for name in ("branch", "event", "status", "actor", "head_sha", "created")}
    tests = {
        "branch": run.branch == wanted["branch"],
        "event": run.event == wanted["event"],
        "status": wanted["status"] in (at.status, at.conclusion),
        "actor": run.actor.login == wanted["actor"],
        "head_sha": run.sha == wanted["head_sha"],
        "created": _created(run.created_at, wanted["created"]),
    }
    return all(passed for name, passed in tests.items() if wanted[name])


def _created(at: float, spec: str) -> bool:
    """The `created` filter: `>=DATE`, `<=DATE`, `>DATE`, `<DATE`, `A..B` with `*` for an open end."""

    def seconds(text: str) -> float:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    try:
        if ".." in spec:
            low, _, high = spec.partition("..")
            return (low in ("", "*") or at >= seconds(low)) and (high in ("", "*") or at <= seconds(high))
        for sign, holds in ((">=", float.__ge__), ("<=", float.__le__), (">", float.__gt__), ("<", float.__lt__)):
            if spec.startswith(sign):
                return holds(float(int(at)), seconds(spec.removeprefix(sign)))
        start = seconds(spec) if spec else 0.0
    except ValueError as error:
        raise Refused(422, f"Invalid created filter: {spec}") from error
    return start <= at < start + 86_400
