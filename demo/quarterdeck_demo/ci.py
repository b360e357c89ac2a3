"""The CI systems of the practice world besides GitHub: a contract server for each, loaded when a world wants it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story

SERVERS: dict[str, str] = {
    "gitlab": "quarterdeck_demo.gitlab:GitlabServer",
    "jenkins": "quarterdeck_demo.jenkins:JenkinsServer",
    "travis": "quarterdeck_demo.travis:TravisServer",
    "codepipeline": "quarterdeck_demo.codepipeline:CodePipelineServer",
}
"""The server of each system, as `module:Class`."""
if find_spec("botocore") is None:
    # Without the extra `aws` its source could only say what is missing.
    del SERVERS["codepipeline"]
LOCAL = "local"
"""The pipelines of the operator's own machine, which have no server."""


class CiServer(Protocol):
    """A contract server of a CI system. Making one is cheap: what it knows is built at the first request."""

    faults: Faults
    token: str
    """The credential that may do everything."""

    async def handler(self, request: Request, /) -> Response:
        """Answer one request."""

    def source(self, url: str, token_file: str) -> dict[str, Any]:
        """The config of a source on it, named as the system."""


def ci_server(system: str, story: Story, clock: Callable[[], float]) -> CiServer:
    """The server of a system that `SERVERS` names."""
    module, _, name = SERVERS[system].partition(":")
    made: CiServer = getattr(import_module(module), name)(story, clock)
    return made
