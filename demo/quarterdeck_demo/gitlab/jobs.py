"""Operations on jobs: https://docs.gitlab.com/api/jobs/"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from quarterdeck_demo.gitlab import shapes
from quarterdeck_demo.gitlab.gate import Refused, keyset, paged
from quarterdeck_demo.gitlab.progress import ENDED, Attempt, LivePipeline
from quarterdeck_demo.gitlab.site import ROOT, Site
from quarterdeck_demo.gitlab.state import Project
from quarterdeck_demo.gitlab.traces import trace
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router

_RANGE = re.compile(r"bytes=(\d+)-(\d*)|bytes=-(\d+)")


class Jobs:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        one = ROOT + "/jobs/{job}"
        for method, path, handler in (
            ("GET", ROOT + "/jobs", self.listing),
            ("GET", one, self.detail),
            ("GET", one + "/trace", self.trace),
            ("POST", one + "/play", self.play),
            ("POST", one + "/retry", self.retry),
            ("POST", one + "/cancel", self.cancel),
        ):
            router.add(method, path, handler)

    def _shape(self, project: Project, live: LivePipeline, attempt: Attempt) -> dict[str, Any]:
        at = self.state.at(live)
        return shapes.job(self.state, project, live, attempt, at.jobs[attempt.id], at)

    async def listing(self, request: Request) -> Response:
        """GET the project's jobs, newest first; by keyset where it is asked for."""
        project = self.site.project(request)
        scopes = request.query.get("scope[]", []) + request.query.get("scope", [])
        rows: list[dict[str, Any]] = []
        now = self.state.clock()
        for live in project.pipelines.values():
            if live.created_at > now:
                continue
            at = self.state.at(live)
            rows += [
                {"id": attempt.id, "of": (live, attempt, at)} for attempt in live.attempts()
                if not attempt.plan.starts and (not scopes or at.jobs[attempt.id].status in scopes)
            ]  # fmt: skip
        rows.sort(key=lambda row: -int(row["id"]))
        by = keyset if request.arg("pagination") == "keyset" else paged
        page, headers = by(request, self.site.base(request), rows)
        made = []
        for live, attempt, at in (row["of"] for row in page):
            made.append(shapes.job(self.state, project, live, attempt, at.jobs[attempt.id], at))
        return json_response(made, headers=headers)

    async def detail(self, request: Request) -> Response:
        """GET a job."""
        return json_response(self._shape(*self.site.job(request)))

    async def trace(self, request: Request) -> Response:
        """GET its log: the whole of it each time, in a range only where it lies behind a proxy that can."""
        project, live, attempt = self.site.job(request)
        moment = self.state.at(live).jobs[attempt.id]
        body = trace(live, attempt, moment, self.state.clock(), project.plan.path).encode()
        plain = {"Content-Type": "text/plain"}
        found = _RANGE.fullmatch(request.header("range")) if self.state.ranges else None
        if found is None:
            return Response(200, plain, body)
        start = max(0, len(body) - int(found[3])) if found[3] else int(found[1])
        if start >= len(body):
            return Response(416, {**plain, "Content-Range": f"bytes */{len(body)}"})
        end = min(int(found[2]) if found[2] else len(body) - 1, len(body) - 1)
        headers = {**plain, "Content-Range": f"bytes {start}-{end}/{len(body)}", "Accept-Ranges": "bytes"}
        return Response(206, headers, body[start : end + 1])

    async def play(self, request: Request) -> Response:
        """POST play: a manual job goes to a runner; the answer is the job as it was."""
        project, live, attempt = self.site.job(request)
        body, before = self.site.body(request), self._shape(project, live, attempt)
        if before["status"] != "manual":
            raise Refused(400, "400 Bad request - Unplayable Job")
        if attempt.approved < attempt.needs:
            raise Refused(403, "403 Forbidden")
        given = body.get("job_variables_attributes") or []
        attempt.variables = tuple((str(v.get("key")), str(v.get("value"))) for v in given)
        attempt.played_at = live.touched_at = self.state.clock()
        return json_response(before)

    async def retry(self, request: Request) -> Response:
        """POST retry: another job with another id runs; the answer is the old one."""
        project, live, attempt = self.site.job(request)
        before = self._shape(project, live, attempt)
        if before["status"] not in ENDED - {"skipped"} or live.jobs[attempt.plan.name][-1] is not attempt:
            raise Refused(403, "403 Forbidden - Job is not retryable")
        again = self.state.retry(project, live, attempt)
        again.plan = replace(again.plan, manual=False)
        return json_response(before, 201)

    async def cancel(self, request: Request) -> Response:
        """POST cancel; the answer is the job as it was."""
        project, live, attempt = self.site.job(request)
        before = self._shape(project, live, attempt)
        if before["status"] in ENDED:
            raise Refused(403, "403 Forbidden - Job is not cancelable")
        attempt.cancelled_at = live.touched_at = self.state.clock()
        return json_response(before, 201)


