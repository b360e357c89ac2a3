"""Jenkins' practice server with an adapter on it, over a story on paper: commits without a repository."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from parts.operating import Bench
from parts.practice import NOW, Clock
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.jenkins.adapter import JenkinsSource
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.jenkins import JenkinsServer
from quarterdeck_demo.jenkins.state import State
from quarterdeck_demo.messages import Handler
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story
from quarterdeck_demo.story.records import Commit, Person, Repository
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogBatch
from quarterdeck_lifecycle.records import Ref

ME = Person("oper-a", "Amina Okafor", "amina@acme.example", 4101)
MAIN, TRAIN, DEPLOY, NIGHTLY = "acme/fraud-api/main", "acme/train", "ops/deploy-fraud-api", "acme/nightly-eval"


def sha(name: str) -> str:
    """A commit's id."""
    return hashlib.sha1(name.encode()).hexdigest()


def _repository(name: str, count: int, branches: tuple[str, ...]) -> Repository:
    commits: dict[str, Commit] = {}
    parent = ""
    for number in range(count):
        id = sha(f"{name}/{number}")
        at = NOW - (count - number) * 20_000.0
        commits[id] = Commit(id, f"change {number}", ME, at, (parent,) if parent else ())
        parent = id
    heads = {"main": parent}
    for branch in branches:
        id = heads[branch] = sha(f"{name}/{branch}")
        commits[id] = Commit(id, f"on {branch}", ME, NOW - 3_000.0, (parent,))
    nowhere = Path("/nowhere")
    return Repository(name, f"acme/{name}", 1, "", "Python", nowhere, nowhere, heads, {}, commits, NOW - 9e6)


def paper() -> Story:
    """A story as far as this server reads it."""
    api = _repository("fraud-api", 40, ("cache-scores", "fix/null-amount", "deps/httpx"))
    model = _repository("fraud-model", 12, ("retrain-nov",))
    image = SimpleNamespace(digest=f"sha256:{'ab' * 32}")
    release = SimpleNamespace(version="v42", sha=api.head, created_at=NOW - 3_000.0, image=image)
    version = SimpleNamespace(version=17, run_id="0123456789abcdef" * 2, created_at=NOW - 5 * 86_400.0 + 7_200)
    made = SimpleNamespace(
        seed=1, now=NOW, viewer=ME, repositories={each.slug: each for each in (api, model)},
        releases={"fraud-api": (release,)}, models=(SimpleNamespace(name="fraud", versions=(version,)),),
    )  # fmt: skip
    return cast("Story", made)


class Rig:
    """A controller, a clock that only moves when told or when the adapter waits, and sources on it."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.jenkins = JenkinsServer(paper(), self.clock)
        self.slept: list[float] = []
        self.made: list[JenkinsSource] = []
        self.app: Handler = self.jenkins.handler
        self.server = Server(self._answer, faults=Faults(), clock=self.clock)
        self.secrets: dict[str, str] = {"TOKEN": self.jenkins.token}
        self.url = ""

    async def _answer(self, request: Any) -> Any:
        return await self.app(request)

    @property
    def state(self) -> State:
        """What the controller remembers."""
        return self.jenkins.site.state

    @property
    def faults(self) -> Faults:
        """The server's faults."""
        return self.server.faults

    async def sleep(self, seconds: float) -> None:
        """Waiting is the clock moving."""
        self.slept.append(seconds)
        self.clock.move(seconds)

    def source(self, **config: Any) -> JenkinsSource:
        """A source on the controller, with the token that may do all unless another is given."""
        known: dict[str, Any] = {
            "name": "ci", "system": "jenkins", "url": f"{self.url}/jenkins", "username": ME.login,
            "token": SecretRef(env="TOKEN"), "deadline": 5.0,
        }  # fmt: skip
        context = Context(
            secret=lambda ref: self.secrets[ref.env or ""], env={}, config=Config(), project="/", now=self.clock
        )
        made = JenkinsSource(SourceConfig(**{**known, **config}), context, sleep=self.sleep)
        self.made.append(made)
        return made

    def asked(self, text: str = "", method: str = "GET") -> list[str]:
        """The paths asked for so far that hold `text`."""
        return [seen.path for seen in self.server.requests if seen.method == method and text in seen.path]

    def ref(self, job: str, number: int, node: str = "") -> Ref:
        """The ref of a build, or of a stage of it."""
        build = self.state.build(job, number)
        assert build is not None
        return Ref("ci", "job" if node else "run", f"{job}@{build.queue_id}{f'/{node}' if node else ''}")


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """Serve a controller on loopback."""
    made = Rig()
    made.url = f"http://127.0.0.1:{await made.server.start_tcp()}"
    try:
        yield made
    finally:
        for source in made.made:
            await source.close()
        await made.server.stop()
    assert made.server.errors == []


@asynccontextmanager
async def bench(source: JenkinsSource, folder: Path) -> AsyncIterator[Bench]:
    """An operator over a source."""
    made = Bench(source, folder)
    try:
        yield made
    finally:
        await made.db.aclose()


async def runs(source: JenkinsSource) -> list[Run]:
    """The rows of the pane."""
    return [row for row in (await source.list("run")).rows if isinstance(row, Run)]


def run_of(rows: list[Run], job: str, number: int | str) -> Run:
    """The row of a build by its job and number."""
    return next(run for run in rows if run.number == str(number) and run.ref.id.startswith((f"{job}@", f"{job}#")))


async def heard(batches: AsyncIterator[LogBatch]) -> tuple[list[str], list[str]]:
    """The lines' texts and the notices."""
    lines: list[str] = []
    notices: list[str] = []
    async for batch in batches:
        lines += [line.text for line in batch.lines]
        notices += [batch.notice] if batch.notice else []
    return lines, notices
