"""Operations on pull requests; a merge is a real merge in the repository.

https://docs.github.com/en/rest/pulls?apiVersion=2022-11-28
"""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.github import pull_shapes
from quarterdeck_demo.github.gate import Refused, not_found, paged
from quarterdeck_demo.github.refs import MergeConflict
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.github.state import LivePull, Review
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story.records import Repository

REVIEWS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


class Pulls:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        root = "/repos/{owner}/{repo}/pulls"
        router.add("GET", root, self.pulls)
        router.add("GET", root + "/{number}", self.pull)
        router.add("GET", root + "/{number}/files", self.files)
        router.add("GET", root + "/{number}/commits", self.commits)
        router.add("GET", root + "/{number}/reviews", self.reviews)
        router.add("POST", root + "/{number}/reviews", self.review)
        router.add("PUT", root + "/{number}/merge", self.merge)

    def _sha(self, live: LivePull) -> str:
        pull = live.pull
        if live.merged_at is not None:
            return pull.sha
        return self.state.refs[pull.repository].branches().get(pull.branch, pull.sha)

    def _find(self, request: Request) -> tuple[Repository, LivePull]:
        repository, number = self.site.repository(request), request.match["number"]
        live = self.state.pulls.get((repository.slug, int(number))) if number.isdigit() else None
        if live is None:
            raise not_found()
        return repository, live

    def _simple(self, request: Request, repository: Repository, live: LivePull) -> dict[str, Any]:
        shapes = self.site.shapes(request)
        shaped = shapes.repository(repository, self.site.pushed_at(repository), self.site.open_pulls(repository.slug))
        return pull_shapes.pull_simple(shapes, shaped, live, self._sha(live), self.state.story.people)

    async def pulls(self, request: Request) -> Response:
        """GET the pull requests; filters state, head, base; newest first, or by `sort` and `direction`."""
        repository = self.site.repository(request)
        wanted = request.arg("state", "open")
        if wanted not in ("open", "closed", "all"):
            raise Refused(422, "Validation Failed", errors=[{"resource": "PullRequest", "field": "state",
                                                             "code": "invalid"}])  # fmt: skip
        found = [live for (slug, _), live in self.state.pulls.items() if slug == repository.slug]
        if wanted != "all":
            found = [live for live in found if (live.merged_at is None) == (wanted == "open")]
        if head := request.arg("head"):
            found = [live for live in found if f"{repository.slug.partition('/')[0]}:{live.pull.branch}" == head]
        if request.arg("base", "main") != "main":
            found = []
        updated = request.arg("sort") == "updated"
        found.sort(key=lambda live: live.updated_at if updated else live.pull.created_at)
        if request.arg("direction", "desc" if updated or not request.arg("sort") else "asc") == "desc":
            found.reverse()
        page, headers = paged(request, self.site.shapes(request).base, found)
        return json_response([self._simple(request, repository, live) for live in page], headers=headers)

    async def pull(self, request: Request) -> Response:
        """GET a pull request. The first answer after a change has `mergeable: null`: it is worked out later."""
        repository, live = self._find(request)
        await self.state.notice_pushes(repository.slug)
        refs, sha = self.state.refs[repository.slug], self._sha(live)
        key = (refs.branches()["main"], sha)
        mergeable: bool | None = None
        if live.merged_at is None and key in live.mergeable:
            if live.mergeable[key] is None:
                live.mergeable[key] = await refs.merges_cleanly(*key)
            mergeable = live.mergeable[key]
        else:
            live.mergeable[key] = None
        ends = [at for run, at in self.state.runs_of(repository.slug) if run.run.sha == sha]
        merger = self.state.story.people.get(live.merged_by)
        shaped = pull_shapes.pull_full(
            self._simple(request, repository, live), live,
            self.site.shapes(request).user(merger) if merger else None, mergeable,
            passing=all(at.conclusion == "success" for at in ends),
        )  # fmt: skip
        return json_response(shaped)

    async def files(self, request: Request) -> Response:
        """GET the changed files."""
        repository, live = self._find(request)
        shapes = self.site.shapes(request)
        page, headers = paged(request, shapes.base, live.pull.files)
        sha = self._sha(live)
        rows = [pull_shapes.changed_file(shapes, repository.slug, sha, file) for file in page]
        return json_response(rows, headers=headers)

    async def commits(self, request: Request) -> Response:
        """GET the commits of a pull request, oldest first."""
        repository, live = self._find(request)
        shapes, refs = self.site.shapes(request), self.state.refs[repository.slug]
        found = await refs.log(self._sha(live), 250, since=live.pull.base_sha)
        page, headers = paged(request, shapes.base, found[::-1])
        rows = [shapes.commit(repository, c, self.site.account(c.author.email)) for c in page]
        return json_response(rows, headers=headers)

    async def reviews(self, request: Request) -> Response:
        """GET the reviews, oldest first."""
        repository, live = self._find(request)
        shapes, people = self.site.shapes(request), self.state.story.people
        page, headers = paged(request, shapes.base, live.reviews)
        rows = [pull_shapes.review(shapes, repository, live.pull.number, r, people[r.login]) for r in page]
        return json_response(rows, headers=headers)

    async def review(self, request: Request) -> Response:
        """POST a review."""
        repository, live = self._find(request)
        body, viewer = self.site.body(request), self.state.story.viewer
        event, text = body.get("event"), body.get("body") or ""
        if event is not None and event not in REVIEWS:
            raise Refused(422, "Unprocessable Entity", errors=[f"Variable $event of type {event} is invalid"])
        if event in ("REQUEST_CHANGES", "COMMENT") and not text:
            raise Refused(422, "Unprocessable Entity", errors=["Body can't be blank"])
        if event in ("APPROVE", "REQUEST_CHANGES") and live.pull.author.login == viewer.login:
            raise Refused(422, "Unprocessable Entity", errors=["Can not approve your own pull request"])
        if live.merged_at is not None and event == "APPROVE":
            raise Refused(422, "Unprocessable Entity", errors=["Can not approve a closed pull request"])
        now = self.state.clock()
        sha = body.get("commit_id") or self._sha(live)
        made = Review(self.state.new_id(), viewer.login, REVIEWS.get(event or "", "PENDING"), text, sha, now)
        live.reviews.append(made)
        live.updated_at = now
        shapes = self.site.shapes(request)
        return json_response(pull_shapes.review(shapes, repository, live.pull.number, made, viewer))

    async def merge(self, request: Request) -> Response:
        """PUT a merge: 405 when it cannot be, 409 when the head is not the `sha` that the caller saw."""
        repository, live = self._find(request)
        body, viewer, now = self.site.body(request), self.state.story.viewer, self.state.clock()
        pull, sha = live.pull, self._sha(live)
        if live.merged_at is not None:
            raise Refused(405, "Pull Request is not mergeable")
        if pull.draft:
            raise Refused(405, "Pull Request is still a draft")
        if body.get("sha") and body["sha"] != sha:
            raise Refused(409, "Head branch was modified. Review and try the merge again.")
        method = body.get("merge_method", "merge")
        if method == "rebase":
            raise Refused(405, "Rebase merges are not allowed on this repository.")
        title = body.get("commit_title") or (
            f"{pull.title} (#{pull.number})" if method == "squash" else
            f"Merge pull request #{pull.number} from {repository.slug.partition('/')[0]}/{pull.branch}"
        )  # fmt: skip
        message = f"{title}\n\n{body.get('commit_message') or pull.title}"
        refs = self.state.refs[repository.slug]
        try:
            merged = await refs.merge("main", sha, message, viewer, now, squash=method == "squash")
        except MergeConflict as conflict:
            raise Refused(405, "Pull Request is not mergeable") from conflict
        live.merged_at, live.merged_by, live.merge_sha, live.updated_at = now, viewer.login, merged, now
        await self.state.notice_pushes(repository.slug)
        return json_response({"sha": merged, "merged": True, "message": "Pull Request successfully merged"})
