"""The practice world for tests: one story for a whole run of the tests, a clock that is set by hand, clients."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.github import GitHubServer
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story

NOW = 1_795_412_000.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@contextmanager
def practice_story(seed: int = 1, now: float = NOW) -> Iterator[Story]:
    """A story in a folder that goes away. Share it among tests that only read; a push or merge is for ever."""
    folder = Path(tempfile.mkdtemp(prefix="qd-"))
    try:
        yield build_story(seed, now, folder / "world")
    finally:
        shutil.rmtree(folder)


@dataclass(slots=True)
class Forge:
    """A running GitHub contract server and a client with the full token."""

    story: Story
    clock: Clock
    server: Server
    github: GitHubServer
    client: httpx.AsyncClient

    @property
    def faults(self) -> Faults:
        """The server's faults."""
        return self.server.faults


@asynccontextmanager
async def forge(story: Story) -> AsyncIterator[Forge]:
    """Serve a story's forge on loopback."""
    clock = Clock(story.now)
    github = GitHubServer(story, clock)
    server = Server(github.handler, faults=Faults(), clock=clock)
    port = await server.start_tcp()
    headers = {"Authorization": f"Bearer {github.token}", "X-GitHub-Api-Version": "2022-11-28"}
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, verify=False, timeout=20) as client:
            yield Forge(story, clock, server, github, client)
    finally:
        await server.stop()
