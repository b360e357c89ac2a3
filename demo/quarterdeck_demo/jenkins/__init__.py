"""A contract server for Jenkins' remote API and its Pipeline REST API, with a controller under `/jenkins`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story

if TYPE_CHECKING:
    from quarterdeck_demo.jenkins.site import Site

__all__ = ["JenkinsServer"]


class JenkinsServer:
    """`handler` answers as the controller does; `token` may do all, `reader_token` is that of `reader`, who reads."""

    def __init__(self, story: Story, clock: Callable[[], float], *, prefix: str = "/jenkins") -> None:
        self.story, self.clock, self.prefix = story, clock, prefix
        self.faults = Faults()

    @cached_property
    def site(self) -> Site:
        """What answers; built at the first request."""
        from quarterdeck_demo.jenkins.site import Site

        return Site(self.story, self.clock, self.prefix)

    @property
    def token(self) -> str:
        """The API token of the story's viewer."""
        return self._secret(self.story.viewer.login)

    @property
    def reader_token(self) -> str:
        """The API token of an account that may not build."""
        return self._secret("reader")

    def _secret(self, login: str) -> str:
        from quarterdeck_demo.jenkins.state import users

        return next(user.token for user in users(self.story) if user.login == login)

    def source(self, url: str, token_file: str) -> dict[str, Any]:
        """The config of a source on it."""
        return {
            "name": "jenkins", "system": "jenkins", "url": f"{url}{self.prefix}",
            "username": self.story.viewer.login, "token": {"file": token_file},
        }  # fmt: skip

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        return await self.site.gate(request)
