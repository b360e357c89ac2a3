"""A contract server for GitHub's REST API, version 2022-11-28, over the practice world's repositories."""

from __future__ import annotations

from collections.abc import Callable

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.github.actions import Actions
from quarterdeck_demo.github.artefacts import Artefacts
from quarterdeck_demo.github.code import Code
from quarterdeck_demo.github.deployments import Deployments
from quarterdeck_demo.github.gate import gate, not_found
from quarterdeck_demo.github.pulls import Pulls
from quarterdeck_demo.github.queues import Queues
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.github.state import State
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story import Story


class GitHubServer:
    """`handler` answers as the API does; `token` may do all, `reader_token` may only read."""

    def __init__(self, story: Story, clock: Callable[[], float], faults: Faults | None = None) -> None:
        self.state = State(story, clock)
        self.faults = faults or Faults()
        router = Router(_nothing)
        site = Site(self.state)
        for part in (
            Pulls(site), Deployments(site), Artefacts(site), Queues(site), Actions(site), Code(site),
        ):  # fmt: skip
            part.routes(router)
        self._app = gate(self.state, router)
        self.token = self.state.token.value
        self.reader_token = self.state.reader.value

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        return await self._app(request)


async def _nothing(_: Request) -> Response:
    raise not_found()
