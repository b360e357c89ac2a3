"""This machine as a CI system for the tests: a source with a folder of its own, and runs written by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.local import identity
from quarterdeck_adapters.local.adapter import LocalSource
from quarterdeck_adapters.local.book import Book, Kept
from quarterdeck_adapters.local.definitions import key_of
from quarterdeck_adapters.local.journal import Journal
from quarterdeck_adapters.local.model import Event, Spec, StepSpec, Tree
from quarterdeck_adapters.local.runner import log_name
from quarterdeck_config.schema import Config, LocalPipeline, Step
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref

AT = 1_795_412_000.0
SHA = "a" * 40


def step(name: str, *argv: str, timeout: float = 60.0) -> Step:
    """A step of the config."""
    return Step(name=name, argv=argv or ("true",), timeout=timeout)


def python(name: str, program: str, timeout: float = 60.0) -> Step:
    """A step that is a short Python program."""
    return step(name, sys.executable, "-I", "-u", "-c", program, timeout=timeout)


class Rig:
    """A source over `pipelines`, whose steps run in `folder`."""

    def __init__(self, folder: Path, pipelines: Mapping[str, LocalPipeline], **config: Any) -> None:
        self.folder = folder
        env = {**os.environ, "QUARTERDECK_STATE": str(folder / "state"), "SECRET": "s3"}
        whole = Config(pipelines=dict(pipelines), **config)
        self.context = Context(secret=lambda ref: "", env=env, config=whole, project=str(folder))
        self.source = LocalSource(SourceConfig(name="here", system="local"), self.context, sleep=self._sleep)
        self.source.grace_s = 0.5
        self.sleeping: Callable[[float], Awaitable[None]] | None = None
        self.book: Book = self.source.book

    async def _sleep(self, seconds: float) -> None:
        await (self.sleeping(seconds) if self.sleeping else asyncio.sleep(min(seconds, 0.05)))

    def ref(self, name: str, number: int, at: int | None = None) -> Ref:
        """The ref of a run, or of one of its steps."""
        run = f"{key_of(name, str(self.folder))}/{number}"
        return Ref("here", "run", run) if at is None else Ref("here", "job", f"{run}/{at}")

    async def runs(self) -> dict[str, Run]:
        """The rows by their names."""
        return {row.name: row for row in (await self.source.list("run")).rows if isinstance(row, Run)}

    async def until(self, ref: Ref, fits: Callable[[Kept], object]) -> Kept:
        """Wait for a state of a run."""
        async with asyncio.timeout(20):
            while not fits(kept := await self.source.kept(ref)):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        return kept

    async def log(self, *refs: Ref, **options: Any) -> tuple[list[str], list[str]]:
        """Lines and notices of a log, to its end."""
        batches = [batch async for batch in self.source.logs(refs, LogOptions(**options))]
        return lines_of(batches)

    def past(self, name: str, events: Sequence[Event], *, steps: Sequence[str] = ("one", "two"), **spec: Any) -> Path:
        """Write a run as a runner would have; answers its folder."""
        made = tuple(StepSpec(name=each, argv=("true",), folder=str(self.folder), timeout_s=60.0) for each in steps)
        known: dict[str, Any] = {
            "pipeline": name, "key": key_of(name, str(self.folder)), "number": 0, "project": str(self.folder),
            "steps": made, "created_at": AT, "actor": "ann", "tree": Tree(name="work", head=SHA, branch="main"),
        }  # fmt: skip
        written = self.book.make(Spec(**(known | spec)))
        folder = self.book.folder(written.key, written.number)
        for event in events:
            Journal(folder).add(event)
        return folder


def lines_of(batches: Sequence[LogBatch]) -> tuple[list[str], list[str]]:
    """The lines and the notices of batches."""
    lines = [line.text for batch in batches for line in batch.lines]
    return lines, [batch.notice for batch in batches if batch.notice]


def begun(**event: Any) -> Event:
    """A runner that was here, of this boot, and is gone."""
    known: dict[str, Any] = {"pid": 999_999, "start": "1", "host": identity.host(), "boot": identity.boot()}
    return Event(**({"what": "begun", "at": AT} | known | event))


def at(index: int, after: float, pid: int = 999_998) -> Event:
    """A step that begins."""
    return Event(what="step", at=AT + after, step=index, pid=pid, start="1")


def ended(index: int, after: float, state: str = "success", code: int = 0, why: str = "") -> Event:
    """A step that ended."""
    return Event(what="ended", at=AT + after, step=index, state=state, code=code, why=why)


def done(after: float, state: str = "success", why: str = "") -> Event:
    """A run that ended."""
    return Event(what="done", at=AT + after, state=state, why=why)


def whole(seconds: float) -> list[Event]:
    """A run of two steps that ended well after `seconds`."""
    return [begun(), at(0, 0), ended(0, 1), at(1, 1), ended(1, seconds), done(seconds)]


def write_log(folder: Path, index: int, text: bytes | str) -> Path:
    """The log of a step."""
    path = folder / log_name(index)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
