"""Merge requests and their approvals.

https://docs.gitlab.com/api/merge_requests/ https://docs.gitlab.com/api/merge_request_approvals/
"""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.gitlab import shapes
from quarterdeck_demo.gitlab.gate import Refused, iso, not_found, number, paged
from quarterdeck_demo.gitlab.plan import PipelinePlan
from quarterdeck_demo.gitlab.site import ROOT, Site
from quarterdeck_demo.gitlab.state import MergeRequest, Project, synthetic
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router

DIFF = "@@ -1,3 +1,4 @@\n rows = load()\n+rows += late()\n save(rows)\n"


class Merges:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        one = ROOT + "/merge_requests/{merge}"
        for method, path, handler in (
            ("GET", ROOT + "/merge_requests", self.listing),
            ("GET", one, self.detail),
            ("GET", one + "/approvals", self.approvals),
            ("GET", one + "/pipelines", self.pipelines),
            ("GET", one + "/diffs", self.diffs),
            ("GET", one + "/commits", self.commits),
            ("POST", one + "/approve", self.approve),
            ("PUT", one + "/merge", self.merge),
        ):
            router.add(method, path, handler)

    def _find(self, request: Request) -> tuple[Project, MergeRequest]:
        project = self.site.project(request)
        found = project.merges.get(number(request.match["merge"], 0))
        if found is None:
            raise not_found()
        return project, found

    def _status(self, merge: MergeRequest) -> str:
        if merge.merged_at is not None:
            return "not_open"
        if merge.draft:
            return "draft_status"
        if merge.conflicts:
            return "conflict"
        if len(merge.approved_by) < merge.needs:
            return "not_approved"
        return "mergeable"

    def _shape(self, project: Project, merge: MergeRequest, *, whole: bool = False) -> dict[str, Any]:
        people, path = self.state.story.people, project.plan.path
        status = self._status(merge)
        merged = people[merge.merged_by] if merge.merged_by else None
        body: dict[str, Any] = {
            "id": merge.id, "iid": merge.iid, "project_id": project.id, "title": merge.title,
            "description": f"{merge.title}.", "state": "merged" if merge.merged_at else "opened",
            "created_at": iso(merge.created_at), "updated_at": iso(merge.updated_at),
            "merged_by": shapes.user(merged) if merged else None, "merge_user": shapes.user(merged) if merged else None,
            "merged_at": iso(merge.merged_at), "target_branch": merge.target, "source_branch": merge.branch,
            "user_notes_count": 1, "upvotes": 0, "downvotes": 0, "author": shapes.user(merge.author), "assignees": [],
            "assignee": None, "reviewers": [shapes.user(people[login]) for login in merge.reviewers],
            "source_project_id": project.id, "target_project_id": project.id, "labels": ["data"],
            "draft": merge.draft, "milestone": None, "merge_when_pipeline_succeeds": False,
            "merge_status": "cannot_be_merged" if merge.conflicts else "can_be_merged",
            "detailed_merge_status": status, "sha": merge.sha, "merge_commit_sha": merge.merge_sha or None,
            "squash_commit_sha": None, "discussion_locked": None, "should_remove_source_branch": None,
            "force_remove_source_branch": True, "reference": f"!{merge.iid}",
            "references": {"short": f"!{merge.iid}", "relative": f"!{merge.iid}", "full": f"{path}!{merge.iid}"},
            "web_url": f"{shapes.WEB}/{path}/-/merge_requests/{merge.iid}", "squash": False, "squash_on_merge": False,
            "has_conflicts": merge.conflicts, "blocking_discussions_resolved": True,
        }  # fmt: skip
        if whole:
            newest = next(iter(self._of(project, merge)), None)
            body |= {
                "changes_count": "1", "user": {"can_merge": project.plan.access >= 40}, "head_pipeline": newest,
                "diff_refs": {"base_sha": project.heads["main"], "head_sha": merge.sha,
                              "start_sha": project.heads["main"]},
                "merge_error": None, "first_contribution": False,
            }  # fmt: skip
        return body

    def _of(self, project: Project, merge: MergeRequest) -> list[dict[str, Any]]:
        ref = f"refs/merge-requests/{merge.iid}/head"
        return [
            shapes.pipeline(project, live, self.state.at(live))
            for live in self.state.listed(project)
            if live.plan.ref == ref
        ]

    async def listing(self, request: Request) -> Response:
        """GET merge requests, last updated first; filter state."""
        project = self.site.project(request)
        state = request.arg("state", "all")
        found = [
            merge for merge in project.merges.values()
            if state == "all" or state == ("merged" if merge.merged_at else "opened")
        ]  # fmt: skip
        found.sort(key=lambda merge: -merge.updated_at)
        page, headers = paged(request, self.site.base(request), found)
        return json_response([self._shape(project, merge) for merge in page], headers=headers)

    async def detail(self, request: Request) -> Response:
        """GET a merge request."""
        return json_response(self._shape(*self._find(request), whole=True))

    async def pipelines(self, request: Request) -> Response:
        """GET its pipelines, newest first."""
        page, headers = paged(request, self.site.base(request), self._of(*self._find(request)))
        return json_response(page, headers=headers)

    async def diffs(self, request: Request) -> Response:
        """GET what it changes: https://docs.gitlab.com/api/merge_requests/#list-merge-request-diffs"""
        self._find(request)
        return json_response([{
            "old_path": "etl/load.py", "new_path": "etl/load.py", "a_mode": "100644", "b_mode": "100644",
            "diff": DIFF, "new_file": False, "renamed_file": False, "deleted_file": False, "generated_file": False,
        }])  # fmt: skip

    async def commits(self, request: Request) -> Response:
        """GET its commits."""
        project, merge = self._find(request)
        return json_response([shapes.commit(self.state, project, merge.sha)])

    async def approvals(self, request: Request) -> Response:
        """GET who approved, and how many are left."""
        _, merge = self._find(request)
        who, people = self.site.caller(request), self.state.story.people
        return json_response({
            "id": merge.id, "iid": merge.iid, "project_id": 0, "title": merge.title, "state": "opened",
            "approved": len(merge.approved_by) >= merge.needs, "approvals_required": merge.needs,
            "approvals_left": max(0, merge.needs - len(merge.approved_by)), "require_password_to_approve": False,
            "approved_by": [{"user": shapes.user(people[login])} for login in merge.approved_by],
            "user_has_approved": who.login in merge.approved_by,
            "user_can_approve": who.login not in (merge.author.login, *merge.approved_by),
        })  # fmt: skip

    async def approve(self, request: Request) -> Response:
        """POST an approval; 409 when `sha` is not the head, 401 for who may not."""
        _, merge = self._find(request)
        who, body = self.site.caller(request), self.site.body(request)
        if body.get("sha") not in (None, merge.sha):
            raise Refused(409, "SHA does not match HEAD of source branch")
        if who.login in (merge.author.login, *merge.approved_by):
            raise Refused(401, "401 Unauthorized")
        merge.approved_by.append(who.login)
        merge.updated_at = self.state.clock()
        return await self.approvals(request)

    async def merge(self, request: Request) -> Response:
        """PUT a merge: 405 when it cannot be, 409 when `sha` is not the head, 422 with conflicts."""
        project, merge = self._find(request)
        self.site.maintains(project)
        body, status = self.site.body(request), self._status(merge)
        if body.get("sha") not in (None, merge.sha):
            raise Refused(409, "SHA does not match HEAD of source branch")
        if status == "conflict":
            raise Refused(422, "Branch cannot be merged")
        if status != "mergeable":
            raise Refused(405, "405 Method Not Allowed")
        now, who = self.state.clock(), self.site.caller(request)
        merge.merged_at = merge.updated_at = now
        merge.merged_by = who.login
        merge.merge_sha = synthetic(f"{merge.sha}/merged")
        project.heads["main"] = merge.merge_sha
        jobs = next(p.jobs for p in reversed(project.plan.pipelines) if p.source == "push")
        self.state.start(project, PipelinePlan(merge.merge_sha, "main", "push", "", who, now, jobs))
        return json_response(self._shape(project, merge, whole=True))
