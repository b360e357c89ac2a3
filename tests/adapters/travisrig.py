"""Travis's practice server with an adapter on it, over a small story without repositories on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from parts.practice import NOW, Clock
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.travis.adapter import TravisSource
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Handler, Request, Response
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Repository, Story
from quarterdeck_demo.story.code import DAY, PEOPLE, VIEWER
from quarterdeck_demo.story.records import Commit
from quarterdeck_demo.travis import REPOSITORIES, TravisServer
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import LogBatch
from quarterdeck_lifecycle.records import Ref

SCORER, CHURN, DASHBOARDS = REPOSITORIES


def _repository(number: int, slug: str) -> Repository:
    commits: dict[str, Commit] = {}
    parents: tuple[str, ...] = ()
    newest = 0.1 if slug == DASHBOARDS else 2.0
    for place in range(8):
        sha = hashlib.sha1(f"{slug}/{place}".encode(), usedforsecurity=False).hexdigest()
        at = NOW - (newest + (7 - place) * 14) * DAY
        commits[sha] = Commit(sha, f"Change {place}\n\nWhy.", VIEWER, at, parents)
        parents = (sha,)
    name = slug.rpartition("/")[2]
    nowhere = Path("/nowhere")
    return Repository(name, slug, 500 + number, name, "Python", nowhere, nowhere, {"main": parents[0]},
                      {"v1": parents[0]}, commits, NOW - 120 * DAY)  # fmt: skip


def small_story() -> Story:
    """What the server takes of a story."""
    repositories = {slug: _repository(number, slug) for number, slug in enumerate(REPOSITORIES)}
    made = SimpleNamespace(
        seed=1, now=NOW, registry="127.0.0.1:5000", people=PEOPLE, viewer=VIEWER, repositories=repositories,
        releases={},
    )
    return cast("Story", made)


class Rig:
    """A Travis, a clock that only moves when told or when the adapter waits, and sources on it."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.travis = TravisServer(small_story(), self.clock)
        self.token = self.travis.token
        self.slept: list[float] = []
        self.hurry = 1.0
        self.made: list[TravisSource] = []
        self.app: Handler = self.travis.handler
        self.server = Server(self._answer, faults=Faults(), clock=self.clock)
        self.url = ""

    async def _answer(self, request: Request) -> Response:
        return await self.app(request)

    @property
    def faults(self) -> Faults:
        """The server's faults."""
        return self.server.faults

    async def sleep(self, seconds: float) -> None:
        """Waiting is the clock moving, `hurry` times as far."""
        self.slept.append(seconds)
        self.clock.move(seconds * self.hurry)

    def source(self, **config: Any) -> TravisSource:
        """A source on the server, with the token that may do all unless another is given."""
        known: dict[str, Any] = {
            "name": "tr", "system": "travis", "url": self.url, "repos": REPOSITORIES, "token": SecretRef(env="TOKEN"),
            "deadline": 5.0,
        }  # fmt: skip
        context = Context(secret=lambda ref: self.token, env={}, config=Config(), project="/", now=self.clock)
        made = TravisSource(SourceConfig(**{**known, **config}), context, sleep=self.sleep)
        self.made.append(made)
        return made

    def asked(self, text: str = "", method: str = "GET") -> list[str]:
        """The paths asked for so far that hold `text`."""
        return [seen.path for seen in self.server.requests if seen.method == method and text in seen.path]


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """Serve Travis on loopback."""
    made = Rig()
    made.url = f"http://127.0.0.1:{await made.server.start_tcp()}"
    try:
        yield made
    finally:
        for source in made.made:
            await source.close()
        await made.server.stop()
    assert made.server.errors == []


async def runs(source: TravisSource, slug: str) -> list[Run]:
    """The rows of a repository, the newest first."""
    return [row for row in (await source.list("run")).rows if isinstance(row, Run) and row.repository == slug]


async def jobs(source: TravisSource, ref: Ref) -> list[Job]:
    """The jobs of a build."""
    return [row for row in (await source.children(ref))[0].rows if isinstance(row, Job)]


async def heard(batches: AsyncIterator[LogBatch]) -> tuple[list[str], list[str]]:
    """The lines' texts and the notices."""
    lines: list[str] = []
    notices: list[str] = []
    async for batch in batches:
        lines += [line.text for line in batch.lines]
        notices += [batch.notice] if batch.notice else []
    return lines, notices
