"""GitLab's practice server with an adapter on it, for the adapter's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from parts.practice import Clock
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.gitlab.adapter import GitlabSource
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.gitlab import PROJECTS, GitlabServer
from quarterdeck_demo.gitlab.progress import Attempt, LivePipeline
from quarterdeck_demo.gitlab.state import Project
from quarterdeck_demo.messages import Handler
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Ref

ETL, CHURN, MODEL = PROJECTS


class Rig:
    """A GitLab, a clock that only moves when told or when the adapter waits, and sources on it."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.clock = Clock(story.now)
        self.gitlab = GitlabServer(story, self.clock)
        self.token = self.gitlab.token
        self.slept: list[float] = []
        self.made: list[GitlabSource] = []
        self.app: Handler = self.gitlab.handler
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

    def source(self, **config: Any) -> GitlabSource:
        """A source on the server, with the token that may do all unless another is given."""
        known: dict[str, Any] = {
            "name": "gl", "system": "gitlab", "url": self.url, "repos": PROJECTS, "deadline": 20.0,
            "token": SecretRef(env="GITLAB_TOKEN"), "options": {"runs": 6},
        }  # fmt: skip
        context = Context(secret=self._secret, env={}, config=Config(), project="/", now=self.clock)
        made = GitlabSource(SourceConfig(**{**known, **config}), context, sleep=self.sleep)
        self.made.append(made)
        return made

    def _secret(self, ref: SecretRef) -> str:
        return self.token if ref.env == "GITLAB_TOKEN" else f"value of {ref.env}"

    def project(self, path: str = ETL) -> Project:
        """A project of the server."""
        found = self.gitlab.state.project(path)
        assert found is not None
        return found

    def pipeline(self, status: str = "", *, path: str = ETL, name: str | None = None, source: str = "") -> LivePipeline:
        """The newest pipeline with a status, name and source."""
        state = self.gitlab.state
        return next(
            live for live in state.listed(self.project(path))
            if status in ("", state.at(live).status) and name in (None, live.plan.name)
            and source in ("", live.plan.source)
        )  # fmt: skip

    def attempt(self, live: LivePipeline, name: str) -> Attempt:
        """The newest attempt of a job."""
        return live.jobs[name][-1]

    def run(self, live: LivePipeline, path: str = ETL) -> Ref:
        """The ref of a pipeline."""
        return Ref("gl", "run", f"{path}/{live.id}")

    def job(self, live: LivePipeline, name: str, path: str = ETL) -> Ref:
        """The ref of the newest attempt of a job."""
        return Ref("gl", "job", f"{path}/{live.id}/{self.attempt(live, name).id}")

    def asked(self, text: str = "", method: str = "GET") -> list[str]:
        """The paths asked for so far that hold `text`."""
        return [seen.path for seen in self.server.requests if seen.method == method and text in seen.path]


@asynccontextmanager
async def rig(story: Story) -> AsyncIterator[Rig]:
    """Serve a story's GitLab on loopback."""
    made = Rig(story)
    made.url = f"http://127.0.0.1:{await made.server.start_tcp()}"
    try:
        yield made
    finally:
        for source in made.made:
            await source.close()
        await made.server.stop()
    assert made.server.errors == []


def row_of(rows: Any, live: LivePipeline) -> Run:
    """The row of a pipeline."""
    return next(row for row in rows if isinstance(row, Run) and row.number == str(live.id))


def job_of(rows: Any, name: str, *, superseded: bool = False) -> Job:
    """The row of a job by its name."""
    return next(row for row in rows if isinstance(row, Job) and row.name == name and row.superseded == superseded)
