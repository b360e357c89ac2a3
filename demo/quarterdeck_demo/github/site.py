"""What the operations share: the repository of a request, its caller, its addresses."""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.github.gate import Refused, not_found, token_of
from quarterdeck_demo.github.progress import LiveRun, RunMoment, run_at
from quarterdeck_demo.github.shapes import Shapes
from quarterdeck_demo.github.state import State
from quarterdeck_demo.messages import Request
from quarterdeck_demo.story.records import Commit, Person, Repository


class Site:
    """The state seen through a request."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._shapes: dict[str, Shapes] = {}

    def shapes(self, request: Request) -> Shapes:
        """Shapes with the address that the client used."""
        host = request.header("host", "127.0.0.1")
        if host not in self._shapes:
            self._shapes = {host: Shapes(f"http://{host}")}
        return self._shapes[host]

    def repository(self, request: Request) -> Repository:
        """The repository of the route; raises `Refused` 404 when it is not there or not for the caller."""
        found = self.state.repository(f"{request.match['owner']}/{request.match['repo']}")
        if found is None or (Shapes.private(found) and not token_of(self.state, request).value):
            raise not_found()
        return found

    def run(self, request: Request) -> tuple[Repository, LiveRun, RunMoment]:
        """The run of the route and how far it is; raises `Refused` 404."""
        repository, number = self.repository(request), request.match["run"]
        live = self.state.runs.get(int(number)) if number.isdigit() else None
        now = self.state.clock()
        if live is None or live.run.repository != repository.slug or live.run.created_at > now:
            raise not_found()
        self.state.settle(now)
        return repository, live, run_at(live, now)

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON object of the body; raises `Refused` 400."""
        try:
            body = request.json()
        except ValueError as error:
            raise Refused(400, "Problems parsing JSON") from error
        if not isinstance(body, dict | None):
            raise Refused(422, "Invalid request.\n\nFor 'links/0/schema', the body is not an object.")
        return body or {}

    async def commit(self, repository: Repository, sha: str) -> Commit | None:
        """A commit from the story or, for what was pushed or merged since, from the repository."""
        return repository.commits.get(sha) or await self.state.refs[repository.slug].commit(sha)

    def account(self, mail: str) -> Person | None:
        """The account that a commit's address belongs to."""
        return next((person for person in self.state.story.people.values() if person.email == mail), None)

    def pushed_at(self, repository: Repository) -> float:
        """When the repository was last pushed to, as far as its known commits tell."""
        return max(repository.commits[sha].at for sha in repository.branches.values())

    def open_pulls(self, slug: str) -> int:
        """How many pull requests are open."""
        return sum(p.merged_at is None for (where, _), p in self.state.pulls.items() if where == slug)
