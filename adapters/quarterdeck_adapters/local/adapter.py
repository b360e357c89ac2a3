"""This machine as a CI system: the pipelines of the config, and their runs."""

from __future__ import annotations

import asyncio
import getpass
import os
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_adapters.local import identity, mapping
from quarterdeck_adapters.local.book import KEEP, Book, Kept
from quarterdeck_adapters.local.definitions import Pipeline, pipelines_of, project_folder
from quarterdeck_adapters.local.launching import Outliving, SessionOnly, withheld
from quarterdeck_adapters.local.mapping import Home
from quarterdeck_adapters.local.model import GRACE_S, LOG_LIMIT
from quarterdeck_adapters.local.repository import Repositories
from quarterdeck_lifecycle.errors import NotFound, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.superseded import settle

DEADLINE_S = 10.0
MOVING_S, REST_S = 1.0, 20.0
T = TypeVar("T")


def _options(config: SourceConfig) -> tuple[int, str]:
    """How many runs are kept, and where. Raises Refused for what is none, or comes from an untrusted file."""
    if unknown := sorted(set(config.options) - {"keep", "folder"}):
        raise Refused(f"options.{unknown[0]} is unknown", source=config.name, why="known are keep and folder")
    keep, folder = config.options.get("keep", KEEP), config.options.get("folder", "")
    if isinstance(keep, bool) or not isinstance(keep, int) or not 1 <= keep <= 1000:
        raise Refused("options.keep is not taken", source=config.name, why="it is a whole number from 1 to 1000")
    if not isinstance(folder, str) or (folder and not os.path.isabs(os.path.expanduser(folder))):
        raise Refused("options.folder is not taken", source=config.name, why="it is a whole path")
    if folder and not config.credentials:
        raise Refused("options.folder is not taken", source=config.name, why="its config is not trusted",
                      mend="read it, then: quarterdeck trust")  # fmt: skip
    return keep, os.path.expanduser(folder)


class LocalSource:
    """Runs of the config's pipelines on this machine.

    `options`: `keep`, how many runs of each are kept; `folder`, where, in place of the state folder.
    """

    system = "local"
    kinds = ("run",)

    def __init__(
        self,
        config: SourceConfig,
        context: Context,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.address = ""
        self.home = Home(self.name, self.environment)
        self.context = context
        self.sleep = sleep
        self.deadline = config.deadline or DEADLINE_S
        self.outliving: Outliving = SessionOnly()
        self.grace_s, self.log_limit = GRACE_S, LOG_LIMIT
        self.repositories = Repositories(self.name, context.env, self.deadline)
        self.keep, folder = _options(config)
        self.book = Book(context.env, self.name, folder=folder, now=context.now)
        self._config = config
        self._actions: Mapping[str, Action] | None = None
        self._project = ""
        self._pipelines: dict[str, Pipeline] = {}

    async def on_thread(self, work: Callable[[], T], what: str) -> T:
        """Run what blocks on the disk. Raises Timeout, and what it raises."""
        return await call(work, deadline=self.deadline, source=self.name, what=what)

    @property
    def project(self) -> str:
        """Where steps run that name no folder."""
        self._project = self._project or project_folder(self.context)
        return self._project

    def look(self) -> tuple[dict[str, Pipeline], list[str]]:
        """The pipelines by their keys as they are now, and what could not be read of them. Blocks on the disk."""
        found, trouble = pipelines_of(self.context.config.pipelines, self.project)
        self._pipelines = {pipeline.key: pipeline for pipeline in found}
        return self._pipelines, trouble

    async def probe(self) -> Probe:
        """Who runs what here, and what is kept back."""
        pipelines, trouble = await self.on_thread(self.look, "reading the pipelines")
        refused = [f"{p.name} is not run: {p.why_not}" for p in pipelines.values() if p.why_not]
        kept_back = withheld(self.context.env, self.context.config)
        if kept_back:
            refused.append(f"not given to steps: {', '.join(kept_back)}")
        return Probe(
            version=f"Python {platform.python_version()}", identity=f"{getpass.getuser()}@{identity.host()}",
            evidence=f"{len(pipelines)} pipelines; runs under {self.book.path}", warnings=(*trouble, *refused),
        )  # fmt: skip

    async def list(self, kind: str) -> Listing:
        """The kept runs of every pipeline, newest first, and a row for each pipeline itself, by which it is started."""
        if kind != "run":
            raise Unsupported(f"no {kind} on this machine", source=self.name)
        rows, trouble = await self.on_thread(self._rows, "reading the runs")
        return Listing(rows=rows, partial="; ".join(trouble))

    def _rows(self) -> tuple[Sequence[Run], Sequence[str]]:
        pipelines, trouble = self.look()
        kept: list[Kept] = []
        ready: list[Run] = []
        for key, pipeline in pipelines.items():
            runs = self.book.newest(key, self.keep)
            kept += runs
            ready.append(mapping.ready_record(pipeline, self.home, next(iter(runs), None)))
        for key in self.book.pipelines():
            if key not in pipelines:
                kept += self._gone(key)
        kept.sort(key=lambda run: run.spec.created_at, reverse=True)
        return [*settle(with_medians([mapping.run_record(run, self.home) for run in kept])), *ready], trouble

    def _gone(self, key: str) -> Sequence[Kept]:
        """What still runs of a pipeline of this project that the config names no more."""
        found = self.book.newest(key, 1)
        return [run for run in found if run.spec.project == self.project and not run.over]

    def interval(self, kind: str, rows: Sequence[Record]) -> float:  # noqa: ARG002 - part of the port
        """1 s while something runs, 20 s at rest: another deck, or a command, may start a run."""
        moving = any(row.status in (Status.RUNNING, Status.QUEUED) for row in rows)
        return self._config.interval or (MOVING_S if moving else REST_S)

    def parts(self, ref: Ref) -> tuple[str, int, int]:
        """Key, number and step (-1 for the run itself) of a ref. Raises NotFound."""
        parts = ref.id.split("/")
        plain = all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts[1:])
        named = parts[0] not in ("", ".", "..") and "\0" not in parts[0]
        if ref.source != self.name or len(parts) != {"run": 2, "job": 3}.get(ref.kind, 0) or not plain or not named:
            raise NotFound(f"no {ref.kind} {ref.id} here", source=self.name, mend="see `quarterdeck status`")
        return parts[0], int(parts[1]), int(parts[2]) if ref.kind == "job" else -1

    async def kept(self, ref: Ref) -> Kept:
        """The run of a ref as it is on the disk now. Raises NotFound, Unavailable."""
        key, number, _ = self.parts(ref)
        return await self.on_thread(lambda: self.book.read(key, number), "reading the run")

    async def pipeline(self, ref: Ref) -> Pipeline:
        """The pipeline of a ref as the config and its Makefile say now. Raises NotFound when they name it no more."""
        key, _, _ = self.parts(ref)
        pipelines, trouble = await self.on_thread(self.look, "reading the pipelines")
        if key not in pipelines:
            raise NotFound(
                "its pipeline is not there any more", source=self.name, why="; ".join(trouble) or "no config names it",
                mend="see pipelines: in quarterdeck.yaml",
            )  # fmt: skip
        return pipelines[key]

    def known(self, record: Record) -> Pipeline | None:
        """The pipeline of a row, as it was read last."""
        return self._pipelines.get(record.ref.id.partition("/")[0])

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:  # noqa: ARG002 - one page holds all
        """The steps of a run, in their order. Raises QuarterdeckError."""
        if ref.kind != "run":
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        if self.parts(ref)[1] == mapping.READY:
            return Listing(rows=mapping.planned_jobs(await self.pipeline(ref), self.home)), ""
        return Listing(rows=mapping.job_records(await self.kept(ref), self.home)), ""

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of a run or a step; a failed one opens on its failure. Raises QuarterdeckError."""
        from quarterdeck_adapters.local import describe

        return await describe.describe(self, ref)

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """The inputs that the config declares, and the variables that a Makefile leaves open (`?=`)."""
        from quarterdeck_adapters.local.inputs import parameters

        return parameters(await self.pipeline(ref))

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """How lines arrive."""
        return "live"

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of steps, or of all steps of runs. Raises QuarterdeckError."""
        from quarterdeck_adapters.local import logs

        return logs.tail(self, refs, options)

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs."""
        if self._actions is None:
            from quarterdeck_adapters.local.actions import actions

            self._actions = actions(self)
        return self._actions

    async def close(self) -> None:
        """Nothing is held: runs go on without the deck."""
