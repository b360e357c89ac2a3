"""Operations on repositories, their files, commits, checks and releases.

https://docs.github.com/en/rest/commits?apiVersion=2022-11-28
https://docs.github.com/en/rest/checks/runs?apiVersion=2022-11-28
"""

from __future__ import annotations

from quarterdeck_demo.github import deploy_shapes, run_shapes
from quarterdeck_demo.github.gate import Refused, not_found, paged, token_of
from quarterdeck_demo.github.shapes import iso, node_id
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story.records import Repository

COMMITS_LISTED = 1000
TRAIN = b"""\
name: train
on:
  workflow_dispatch:
    inputs:
      branch: {type: choice, options: [main, retrain-nov], default: main, description: what to train}
      nonce: {type: string}
concurrency: {group: train-gpu}
jobs:
  train: {runs-on: gpu, steps: [{run: python train.py}]}
"""
FILES = {("acme/fraud-model", ".github/workflows/train.yml"): TRAIN}
"""Workflow files whose text no commit of the story holds."""


class Code:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        router.add("GET", "/user", self.user)
        router.add("GET", "/user/repos", self.repositories)
        router.add("GET", "/rate_limit", self.rate_limit)
        root = "/repos/{owner}/{repo}"
        router.add("GET", root, self.repository)
        for path, handler in (
            ("/branches", self.branches),
            ("/commits", self.commits),
            ("/commits/{ref*}/check-runs", self.check_runs),
            ("/commits/{ref*}/status", self.status),
            ("/commits/{ref*}", self.commit),
            ("/contents/{path*}", self.contents),
            ("/releases", self.releases),
        ):
            router.add("GET", root + path, handler)

    async def user(self, request: Request) -> Response:
        """GET the caller."""
        token = token_of(self.state, request)
        if not token.value:
            raise Refused(401, "Requires authentication")
        person = self.state.story.people[token.login]
        return json_response(self.site.shapes(request).viewer(person, self.state.story.now - 1e8))

    async def rate_limit(self, request: Request) -> Response:
        """GET the limits, free of charge."""
        token = token_of(self.state, request)
        core = {"limit": token.limit, "used": token.used, "remaining": token.limit - token.used,
                "reset": int(token.reset_at)}  # fmt: skip
        small = {"limit": 30, "used": 0, "remaining": 30, "reset": int(self.state.clock()) + 60}
        graphql = {"limit": 5000, "used": 0, "remaining": 5000, "reset": int(token.reset_at)}
        return json_response({"resources": {"core": core, "search": small, "graphql": graphql}, "rate": core})

    async def repositories(self, request: Request) -> Response:
        """GET the caller's repositories."""
        if not token_of(self.state, request).value:
            raise Refused(401, "Requires authentication")
        shapes = self.site.shapes(request)
        found = sorted(self.state.story.repositories.values(), key=lambda r: r.slug)
        page, headers = paged(request, shapes.base, found)
        rows = [shapes.repository(r, self.site.pushed_at(r), self.site.open_pulls(r.slug)) for r in page]
        return json_response(rows, headers=headers)

    async def repository(self, request: Request) -> Response:
        """GET a repository."""
        found = self.site.repository(request)
        shaped = self.site.shapes(request).full_repository(
            found, self.site.pushed_at(found), self.site.open_pulls(found.slug)
        )
        return json_response(shaped)

    async def branches(self, request: Request) -> Response:
        """GET the branches."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        page, headers = paged(request, shapes.base, list(self.state.refs[repository.slug].branches().items()))
        url = shapes.repository_url(repository)
        rows = [{"name": name, "commit": {"sha": sha, "url": f"{url}/commits/{sha}"}, "protected": name == "main"}
                for name, sha in page]  # fmt: skip
        return json_response(rows, headers=headers)

    def _resolve(self, repository: Repository, name: str) -> str:
        sha = self.state.refs[repository.slug].resolve(name)
        if sha is None:
            short = [s for s in repository.commits if len(name) >= 7 and s.startswith(name)]
            if len(short) != 1:
                raise Refused(422, f"No commit found for SHA: {name}")
            sha = short[0]
        return sha

    async def commits(self, request: Request) -> Response:
        """GET the commits from `sha` (a branch, tag or commit) back."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        refs = self.state.refs[repository.slug]
        start = refs.resolve(request.arg("sha", "main"))
        if start is None:
            raise not_found()
        found = await refs.log(start, COMMITS_LISTED)
        page, headers = paged(request, shapes.base, found)
        rows = [shapes.commit(repository, c, self.site.account(c.author.email)) for c in page]
        return json_response(rows, headers=headers)

    async def commit(self, request: Request) -> Response:
        """GET a commit."""
        repository = self.site.repository(request)
        sha = self._resolve(repository, request.match["ref"])
        commit = await self.site.commit(repository, sha)
        if commit is None:
            raise Refused(422, f"No commit found for SHA: {sha}")
        shaped = self.site.shapes(request).commit(repository, commit, self.site.account(commit.author.email))
        return json_response({**shaped, "stats": {"total": 0, "additions": 0, "deletions": 0}, "files": []})

    async def check_runs(self, request: Request) -> Response:
        """GET the check runs of a commit: the jobs of its runs."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        await self.state.notice_pushes(repository.slug)
        sha = self._resolve(repository, request.match["ref"])
        found = [(live, job) for live, at in self.state.runs_of(repository.slug) if live.run.sha == sha
                 for job in at.jobs]  # fmt: skip
        if name := request.arg("check_name"):
            found = [(live, job) for live, job in found if job.name == name]
        page, headers = paged(request, shapes.base, found)
        rows = [run_shapes.check_run(shapes, repository, live, job) for live, job in page]
        return json_response({"total_count": len(found), "check_runs": rows}, headers=headers)

    async def status(self, request: Request) -> Response:
        """GET the combined status: what other systems posted. Actions posts none, so most commits are `pending`."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        sha = self._resolve(repository, request.match["ref"])
        url = shapes.repository_url(repository)
        released = {r.sha: r for group in self.state.story.releases.values() for r in group}.get(sha)
        statuses = []
        if released is not None:
            identity = released.run_id + 7
            statuses.append({
                "url": f"{url}/statuses/{sha}", "avatar_url": None, "id": identity, "context": "security/scan",
                "node_id": node_id("SC", identity), "state": "success", "description": "no findings",
                "target_url": "https://scan.acme.example/", "created_at": iso(released.created_at),
                "updated_at": iso(released.created_at),
            })  # fmt: skip
        document = {
            "state": "success" if statuses else "pending",
            "statuses": statuses,
            "sha": sha,
            "total_count": len(statuses),
            "repository": shapes.minimal_repository(repository),
            "commit_url": f"{url}/commits/{sha}",
            "url": f"{url}/commits/{sha}/status",
        }
        return json_response(document)

    async def contents(self, request: Request) -> Response:
        """GET a file at `ref` (a branch, tag or commit)."""
        repository, shapes, path = self.site.repository(request), self.site.shapes(request), request.match["path"]
        refs = self.state.refs[repository.slug]
        sha = refs.resolve(request.arg("ref", "main"))
        found = (await refs.file(sha, path) if sha else None) or FILES.get((repository.slug, path))
        if found is None:
            raise not_found()
        return json_response(shapes.content(repository, path, request.arg("ref", "main"), found))

    async def releases(self, request: Request) -> Response:
        """GET the releases, newest first."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        made = self.state.story.releases.get(repository.name, ())[::-1]
        page, headers = paged(request, shapes.base, made)
        author = self.state.story.people["op2"]
        return json_response([deploy_shapes.release(shapes, repository, r, author) for r in page], headers=headers)
