"""GitHub's practice server with an adapter on it, for the adapter's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from parts.operating import Bench
from parts.practice import Clock
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.github.adapter import GithubSource
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.github import GitHubServer
from quarterdeck_demo.messages import Handler
from quarterdeck_demo.repos import git
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.kinds import PullRequest, Run

__all__ = ["API", "MODEL", "Bench", "Rig", "pull_of", "push", "rig", "run_of"]

API, MODEL = "acme/fraud-api", "acme/fraud-model"


class Rig:
    """A forge, a clock that only moves when told or when the adapter waits, and sources on it."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.clock = Clock(story.now)
        self.github = GitHubServer(story, self.clock)
        self.token = self.github.token
        self.slept: list[float] = []
        self.made: list[GithubSource] = []
        self.app: Handler = self.github.handler
        self.server = Server(self._answer, faults=Faults(), clock=self.clock)
        self.url = ""

    async def _answer(self, request: Any) -> Any:
        return await self.app(request)

    @property
    def faults(self) -> Faults:
        """The server's faults."""
        return self.server.faults

    async def sleep(self, seconds: float) -> None:
        """Waiting is the clock moving."""
        self.slept.append(seconds)
        self.clock.move(seconds)

    def source(self, **config: Any) -> GithubSource:
        """A source on the forge, with the token that may do all unless another is given."""
        known: dict[str, Any] = {
            "name": "gh", "system": "github", "url": self.url, "repos": (API, MODEL, "acme/etl"),
            "token": SecretRef(env="GH_TOKEN"), "deadline": 5.0,
        }  # fmt: skip
        context = Context(
            secret=lambda ref: self.token, env={}, config=Config(), project="/", now=self.clock
        )
        made = GithubSource(SourceConfig(**{**known, **config}), context, sleep=self.sleep)
        self.made.append(made)
        return made

    def run_id(self, number: int, slug: str = API) -> int:
        """The id of a run of the story by its number."""
        return next(run.id for run in self.story.runs if run.number == number and run.repository == slug)

    def asked(self, text: str = "", method: str = "GET") -> list[str]:
        """The paths asked for so far that hold `text`."""
        return [seen.path for seen in self.server.requests if seen.method == method and text in seen.path]


@asynccontextmanager
async def rig(story: Story) -> AsyncIterator[Rig]:
    """Serve a story's forge on loopback."""
    made = Rig(story)
    made.url = f"http://127.0.0.1:{await made.server.start_tcp()}"
    try:
        yield made
    finally:
        for source in made.made:
            await source.close()
        await made.server.stop()
    assert made.server.errors == []


def run_of(rows: Any, number: int, workflow: str = "ci") -> Run:
    """The row of a run by its number."""
    return next(r for r in rows if isinstance(r, Run) and r.number == str(number) and r.workflow == workflow)


def pull_of(rows: Any, number: int) -> PullRequest:
    """The row of a pull request by its number."""
    return next(r for r in rows if isinstance(r, PullRequest) and r.number == number)


def push(hub: Rig, branch: str) -> str:
    """Move a branch of the forge by a commit."""
    origin = hub.story.repositories[API].origin
    tree = git(origin, "rev-parse", f"{branch}^{{tree}}").strip()
    who = ("-c", "user.name=Dara", "-c", "user.email=dara@acme.example")
    sha = git(origin, *who, "commit-tree", tree, "-p", branch, "-m", "one more").strip()
    git(origin, "update-ref", f"refs/heads/{branch}", sha)
    return sha
