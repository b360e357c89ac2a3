"""A contract server for Travis CI's API v3, over the practice world's repositories.

Travis publishes no machine-readable description: payloads are transcribed from https://developer.travis-ci.com and from
the examples in the tests of its API (https://github.com/travis-ci/travis-api/tree/master/spec/v3/services).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Handler, Request, Response
from quarterdeck_demo.story import Story

if TYPE_CHECKING:
    from quarterdeck_demo.travis.state import State

REPOSITORIES = ("acme/scorer", "acme/churn", "acme/dashboards")


class TravisServer:
    """`handler` answers as the API does; `token` may do all, `reader_token` may only read."""

    def __init__(self, story: Story, clock: Callable[[], float]) -> None:
        self.story, self.clock = story, clock
        self.faults = Faults()
        digest = hashlib.sha256(f"travis/{story.seed}".encode()).hexdigest()
        self.token, self.reader_token = digest[:22], digest[22:44]
        self._state: State | None = None
        self._app: Handler | None = None

    @property
    def state(self) -> State:
        """What changes; made at its first use."""
        if self._state is None:
            from quarterdeck_demo.travis.state import State

            self._state = State(self.story, self.clock, REPOSITORIES, self.token, self.reader_token)
        return self._state

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        if self._app is None:
            from quarterdeck_demo.travis.operations import application

            self._app = application(self.state)
        return await self._app(request)

    def source(self, url: str, token_file: str) -> dict[str, Any]:
        """The config of a source on it."""
        return {
            "name": "travis", "system": "travis", "url": url, "repos": list(REPOSITORIES), "token": {"file": token_file}
        }  # fmt: skip
