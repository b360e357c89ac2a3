"""Environments, deployments and their approvals.

https://docs.gitlab.com/api/environments/ https://docs.gitlab.com/api/deployments/
"""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.gitlab import shapes
from quarterdeck_demo.gitlab.gate import Refused, iso, not_found, number, paged
from quarterdeck_demo.gitlab.progress import Approval, Attempt, LivePipeline, deployment_status
from quarterdeck_demo.gitlab.site import ROOT, Site
from quarterdeck_demo.gitlab.state import Project
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router


class Deploys:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        for method, path, handler in (
            ("GET", ROOT + "/environments", self.environments),
            ("GET", ROOT + "/deployments", self.listing),
            ("GET", ROOT + "/deployments/{deployment}", self.detail),
            ("POST", ROOT + "/deployments/{deployment}/approval", self.approve),
        ):
            router.add(method, path, handler)

    def _environment(self, project: Project, name: str) -> dict[str, Any]:
        return {
            "id": project.id * 100 + len(name), "name": name,
            "external_url": f"https://{name}.acme.example/{project.plan.path.rpartition('/')[2]}",
        }  # fmt: skip

    def _shape(
        self, project: Project, live: LivePipeline, attempt: Attempt, *, whole: bool = False
    ) -> dict[str, Any]:
        at = self.state.at(live)
        moment = at.jobs[attempt.id]
        people = self.state.story.people
        times = [moment.started_at, moment.finished_at, attempt.played_at, *(a.at for a in attempt.approvals)]
        body: dict[str, Any] = {
            "id": attempt.deployment, "iid": attempt.deployment - 900, "ref": live.plan.ref, "sha": live.plan.sha,
            "created_at": iso(attempt.created_at), "user": shapes.user(live.plan.user),
            "updated_at": iso(max(t for t in (attempt.created_at, *times) if t is not None)),
            "environment": self._environment(project, attempt.plan.environment),
            "deployable": shapes.job(self.state, project, live, attempt, moment, at),
            "status": deployment_status(attempt, moment),
        }  # fmt: skip
        if not self.state.premium:
            return body
        approvals = [
            {"user": shapes.user(people[a.login]), "status": a.status, "created_at": iso(a.at), "comment": a.comment}
            for a in attempt.approvals
        ]
        body |= {"pending_approval_count": max(0, attempt.needs - attempt.approved), "approvals": approvals}
        if whole:
            body["approval_summary"] = {"rules": [{
                "user_id": None, "group_id": None, "access_level": 40, "access_level_description": "Maintainers",
                "required_approvals": attempt.needs, "deployment_approvals": approvals,
            }] if attempt.needs else []}  # fmt: skip
        return body

    async def environments(self, request: Request) -> Response:
        """GET the environments."""
        project = self.site.project(request)
        names = sorted({attempt.plan.environment for _, attempt in project.deployments.values()})
        page, headers = paged(request, self.site.base(request), names)
        rows = [
            {**self._environment(project, name), "slug": name, "description": None, "state": "available",
             "tier": "production" if name == "prod" else name, "created_at": iso(self.state.story.now - 9e6),
             "updated_at": iso(self.state.story.now - 9e5), "enable_advanced_logs_querying": False}
            for name in page
        ]  # fmt: skip
        return json_response(rows, headers=headers)

    async def listing(self, request: Request) -> Response:
        """GET deployments; oldest first unless `sort` is desc; filters environment and status."""
        project, now = self.site.project(request), self.state.clock()
        found = []
        for id in sorted(project.deployments, reverse=request.arg("sort") == "desc"):
            live, attempt = project.deployments[id]
            if attempt.created_at > now or request.arg("environment") not in ("", attempt.plan.environment):
                continue
            status = deployment_status(attempt, self.state.at(live).jobs[attempt.id])
            if request.arg("status") in ("", status):
                found.append((live, attempt))
        page, headers = paged(request, self.site.base(request), found)
        return json_response([self._shape(project, *each) for each in page], headers=headers)

    def _find(self, request: Request) -> tuple[Project, LivePipeline, Attempt]:
        project = self.site.project(request)
        live, attempt = project.deployments.get(number(request.match["deployment"], 0), (None, None))
        if live is None or attempt is None:
            raise not_found("Deployment")
        return project, live, attempt

    async def detail(self, request: Request) -> Response:
        """GET a deployment, with the rules of its approval."""
        return json_response(self._shape(*self._find(request), whole=True))

    async def approve(self, request: Request) -> Response:
        """POST an approval or a rejection; only with Premium, only of what is blocked, never one's own."""
        if not self.state.premium:
            raise not_found()
        project, live, attempt = self._find(request)
        self.site.maintains(project)
        body, who, now = self.site.body(request), self.site.caller(request), self.state.clock()
        status = str(body.get("status"))
        if status not in ("approved", "rejected"):
            raise Refused(400, {"error": "status does not have a valid value"})
        if not attempt.needs:
            raise Refused(400, "400 Bad request - This environment is not protected.")
        if deployment_status(attempt, self.state.at(live).jobs[attempt.id]) != "blocked":
            raise Refused(400, "400 Bad request - This deployment is not waiting for approvals.")
        if who.login == live.plan.user.login:
            raise Refused(400, "400 Bad request - You cannot approve your own deployment.")
        said = Approval(who.login, status, str(body.get("comment") or ""), now)
        attempt.approvals.append(said)
        live.touched_at = now
        return json_response(
            {"user": shapes.user(who), "status": status, "created_at": iso(now), "comment": said.comment}, 201
        )
