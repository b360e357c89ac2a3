"""This machine as a subject of the contract: past runs in its folder, and runners that really run."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from parts.practice import Clock
from quarterdeck.localruns import end_all
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.local import logs
from quarterdeck_adapters.local.adapter import LocalSource
from quarterdeck_adapters.local.definitions import key_of
from quarterdeck_adapters.local.journal import write_past
from quarterdeck_adapters.local.launching import SessionOnly, launch
from quarterdeck_adapters.local.model import Event, Spec, StepSpec, Tree
from quarterdeck_adapters.local.runner import log_name
from quarterdeck_config.schema import Config, LocalPipeline, Step
from quarterdeck_demo.story import Repository, Story
from quarterdeck_lifecycle.permit import permit

GATE = "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({!r}): time.sleep(0.02)\nprint('ended')"
PATIENCE = 5
"""How often a followed log is asked for before what runs may end."""
PAST = 20


class Local:
    """A source whose runs end when their log was followed for a while."""

    def __init__(self, story: Story, folder: Path, clock: Clock) -> None:
        self.story, self.folder, self.clock = story, folder, clock
        self.repository: Repository = next(each for each in story.repositories.values() if each.name == "scorer")
        argv = (sys.executable, "-I", "-c", GATE.format(str(folder / "go")))
        where = str(self.repository.path)
        self.steps = (Step(name="prepare", argv=("true",), folder=where), Step(name="wait", argv=argv, folder=where))
        pipelines = {name: LocalPipeline(steps=self.steps) for name in ("check", "long")}
        self.env = {**os.environ, "QUARTERDECK_STATE": str(folder / "state")}
        context = Context(
            secret=lambda ref: "", env=self.env, config=Config(pipelines=pipelines), project=str(folder), now=clock
        )
        self.source = LocalSource(SourceConfig(name="local", system="local"), context, sleep=self.sleep)
        self.asked = 0

    async def sleep(self, seconds: float) -> None:
        """Time goes on, for a runner too."""
        self.clock.move(seconds)
        self.asked += seconds == logs.PAUSE_S
        if self.asked > PATIENCE:
            (self.folder / "go").touch()
        await asyncio.sleep(0.02)

    def spec(self, name: str, at: float, sha: str) -> Spec:
        """What a run of a pipeline is asked to do."""
        where = str(self.repository.path)
        steps = tuple(StepSpec(name=s.name, argv=s.argv, folder=where, timeout_s=60.0) for s in self.steps)
        tree = Tree(path=where, name="scorer", remote="git.acme.example/acme/scorer", head=sha, branch="main")
        return Spec(pipeline=name, key=key_of(name, where), number=0, project=str(self.folder), steps=steps, tree=tree,
                    actor="ann", created_at=at, grace_s=0.5)  # fmt: skip

    def past(self, number: int, sha: str) -> None:
        """A run of before: every sixth failed."""
        at, bad = self.clock.now - (PAST - number) * 3600.0, number % 6 == 2
        spec = self.source.book.make(self.spec("check", at, sha))
        folder = self.source.book.folder(spec.key, spec.number)
        state, code = ("failure", 1) if bad else ("success", 0)
        write_past(folder, (
            Event(what="begun", at=at, pid=2, start="0", host=os.uname().nodename, boot="before"),
            Event(what="step", at=at, step=0), Event(what="ended", at=at + 1, step=0, state="success", code=0),
            Event(what="step", at=at + 1, step=1),
            Event(what="ended", at=at + number, step=1, state=state, code=code, why="exit code 1" if bad else ""),
            Event(what="done", at=at + number, state=state, why="wait: exit code 1" if bad else ""),
        ))  # fmt: skip
        for step in (0, 1):
            (folder / log_name(step)).write_text(f"begun\n\x1b[31mstep {step}\x1b[0m\nerror: none that counts\nended\n")

    def begin(self, sha: str) -> None:
        """A run that goes on. Blocks until its runner is there."""
        with permit("local"):
            launch(self.source.book, self.spec("long", self.clock.now, sha), self.env, SessionOnly())


@asynccontextmanager
async def opened_local(story: Story) -> AsyncIterator[tuple[Any, Any, Clock]]:
    """A source, what stands for a server that there is not, and the clock."""
    clock = Clock(story.now)
    with tempfile.TemporaryDirectory(prefix="qd-") as name:
        local = Local(story, Path(name), clock)
        commits = sorted(local.repository.commits.values(), key=lambda commit: commit.at)
        for number in range(1, PAST + 1):
            local.past(number, commits[-number % len(commits)].sha)
        local.begin(commits[-1].sha)
        try:
            yield local.source, SimpleNamespace(errors=[], requests=[], faults=None), clock
        finally:
            end_all(local.source.book.path)
