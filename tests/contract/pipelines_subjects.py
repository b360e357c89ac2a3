"""The CI systems that the contract of the pipelines port is tried on, each on its practice server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from contract.local_subject import opened_local
from parts.practice import Clock
from quarterdeck_adapters import catalog
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.ci import LOCAL, SERVERS, ci_server
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.github import GitHubServer
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Acts, Describes, Drills, Source, TailsLogs
from quarterdeck_lifecycle.records import Ref, Status


class Pipelines(Source, Describes, Drills, TailsLogs, Acts, Protocol):
    """What the pane asks of a CI system."""


@dataclass(frozen=True)
class Subject:
    """A system, and what is its own.

    `trigger` are the arguments of a new run, tried on the run that `starts` picks. `cannot` are verbs that the system
    has not, each with a word of the reason. `gone` is the id of a run that is not there.
    """

    system: str
    gone: str
    trigger: Mapping[str, str] = field(default_factory=lambda: {"ref": "main"})
    cannot: Mapping[str, str] = field(default_factory=dict)
    starts: Callable[[Run], bool] = lambda run: run.status is Status.OK
    moving: Callable[[Run], bool] = lambda run: run.status is Status.RUNNING
    posts_reads: bool = False
    """Its reads are POST too, so that the method tells nothing."""
    ends_after_s: float = 3600.0
    """Seconds until what runs has ended by itself."""
    served: bool = True
    """False: there is no server that could fail."""
    stops_in_s: float = 0.0
    """Seconds that a cancelled run goes on, as what runs in it is let end."""


@dataclass(frozen=True)
class Opened:
    """A source on its practice server, with a clock that only moves when it is told or when the source waits."""

    subject: Subject
    source: Pipelines
    server: Server
    clock: Clock
    story: Story

    async def runs(self) -> list[Run]:
        """The rows of the pane."""
        return [row for row in (await self.source.list("run")).rows if isinstance(row, Run)]

    async def pick(self, fits: Callable[[Run], bool]) -> Run:
        """The newest run that fits."""
        runs = await self.runs()
        return next(run for run in runs if fits(run))

    async def read(self, ref: Ref) -> Run | None:
        """A run as the pane has it now."""
        return next((run for run in await self.runs() if run.ref == ref), None)


class _GitHub(GitHubServer):
    def source(self, url: str, token_file: str) -> dict[str, Any]:
        """The config of a source on it."""
        repos = ["acme/fraud-api", "acme/fraud-model", "acme/etl"]
        return {"name": "github", "system": "github", "url": url, "repos": repos, "token": {"file": token_file}}


@asynccontextmanager
async def opened(subject: Subject, story: Story) -> AsyncIterator[Opened]:
    """Serve a system on loopback, with a source on it."""
    if subject.system == "local":
        async with opened_local(story) as (here, nobody, clock):
            yield Opened(subject, here, nobody, clock, story)
        return
    clock = Clock(story.now)
    server = _GitHub(story, clock) if subject.system == "github" else ci_server(subject.system, story, clock)
    serving = Server(server.handler, faults=Faults(), clock=clock)
    url = f"http://127.0.0.1:{await serving.start_tcp()}"
    # The credential comes from no file here; what the config says of it is kept otherwise.
    config = msgspec.convert(_plain(server.source(url, "token")), SourceConfig)
    context = Context(secret=lambda ref: server.token, env={}, config=Config(), project="/", now=clock)

    async def sleep(seconds: float) -> None:
        clock.move(seconds)

    source: Any = catalog.make(config, context)
    source.sleep = sleep
    try:
        yield Opened(subject, source, serving, clock, story)
    finally:
        await source.close()
        await serving.stop()


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    made = dict(config)
    for name in ("token", "password"):
        if name in made:
            made[name] = SecretRef(env="TOKEN")
    made["repos"] = tuple(made.get("repos", ()))
    return made


SUBJECTS: Sequence[Subject] = (
    Subject(
        system="jenkins", gone="acme/fraud-api/main@999999", starts=lambda run: run.workflow == "acme/fraud-api",
        moving=lambda run: run.status is Status.RUNNING and run.workflow == "acme/train",
        cannot={
            "job.cancel": "whole build", "job.start": "manual", "job.rollback": "older", "job.hold": "transitions",
            "job.release": "transitions",
        },
    ),
    Subject(
        system="github", gone="acme/fraud-api/1", cannot={"job.cancel": "run", "job.start": "manual"},
        trigger={"ref": "main", "inputs": "reason=again"}, starts=lambda run: run.workflow == "ci",
    ),
    Subject(
        system="gitlab", gone="acme/etl/1", trigger={"ref": "main", "inputs": "BATCH=5"},
        starts=lambda run: run.workflow == "nightly load",
        cannot={"job.rollback": "older deployment", "job.hold": "manual job", "job.release": "manual job"},
    ),
    Subject(
        system="codepipeline", gone="scorer-deploy/00000000-0000-0000-0000-000000000000", posts_reads=True,
        cannot={"job.cancel": "run", "job.start": "manual"}, stops_in_s=200.0,
    ),
    Subject(
        system="local", gone="check-0000000000/99", served=False, moving=lambda run: run.name == "long #1",
        starts=lambda run: run.workflow == "check" and run.status is Status.OK,
        cannot={
            "run.approve": "waits for nobody", "run.reject": "waits for nobody", "job.rerun": "failed step",
            "job.cancel": "cancel the run", "job.start": "manual", "job.rollback": "stages",
            "job.hold": "transitions", "job.release": "transitions",
        },
    ),
    Subject(
        system="travis", gone="acme/scorer/1", trigger={"ref": "main", "inputs": "DEPLOY_TO=prod"},
        cannot={
            "run.approve": "approvals", "run.reject": "approvals", "job.start": "manual", "job.rollback": "deployments",
            "job.hold": "transitions", "job.release": "transitions",
        },
    ),
)  # fmt: skip


def served() -> list[Subject]:
    """Those whose practice server is here, and this machine, which needs none."""
    return [subject for subject in SUBJECTS if subject.system in ("github", LOCAL, *SERVERS)]
