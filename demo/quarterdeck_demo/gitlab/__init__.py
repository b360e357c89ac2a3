"""A contract server for GitLab's REST API v4 over the practice world's repositories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.gitlab.state import State, tokens_of
from quarterdeck_demo.messages import Handler, Request, Response
from quarterdeck_demo.story import Story

PROJECTS = ("acme/etl", "acme/data/churn", "acme/ml/fraud-model")


class GitlabServer:
    """`handler` answers as the API does; `token` may do all, `reader_token` may only read.

    Its projects are built at the first request.
    """

    def __init__(self, story: Story, clock: Callable[[], float], faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.token, self.reader_token = tokens_of(story.seed)
        self._story, self._clock = story, clock
        self._state: State | None = None
        self._app: Handler | None = None

    @property
    def state(self) -> State:
        """What it remembers."""
        if self._state is None:
            self._state = State(self._story, self._clock, (self.token, self.reader_token))
        return self._state

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        if self._app is None:
            self._app = self._made()
        return await self._app(request)

    def _made(self) -> Handler:
        from quarterdeck_demo.gitlab.deploys import Deploys
        from quarterdeck_demo.gitlab.gate import gate, not_found
        from quarterdeck_demo.gitlab.graph import Graph
        from quarterdeck_demo.gitlab.jobs import Jobs
        from quarterdeck_demo.gitlab.merges import Merges
        from quarterdeck_demo.gitlab.pipelines import Pipelines
        from quarterdeck_demo.gitlab.projects import Projects
        from quarterdeck_demo.gitlab.site import Site
        from quarterdeck_demo.router import Router

        async def nothing(_: Request) -> Response:
            raise not_found()

        router, site = Router(nothing), Site(self.state)
        for part in (Projects(site), Pipelines(site), Jobs(site), Deploys(site), Merges(site), Graph(site)):
            part.routes(router)
        return gate(self.state, router)

    def source(self, url: str, token_file: str) -> dict[str, Any]:
        """The config of a source on it."""
        return {
            "name": "gitlab", "system": "gitlab", "url": url, "repos": list(PROJECTS), "token": {"file": token_file},
            "options": {"runs": 20},
        }  # fmt: skip
