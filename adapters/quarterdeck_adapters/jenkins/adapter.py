"""A Jenkins controller as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci import pacing
from quarterdeck_adapters.ci.sections import paged
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.logs import MODE, last_words
from quarterdeck_adapters.jenkins.mapping import Home
from quarterdeck_adapters.jenkins.places import Place, place_of, roots
from quarterdeck_adapters.jenkins.probing import Rights
from quarterdeck_adapters.jenkins.runs import BUILDS, JOBS, Runs, is_pipeline
from quarterdeck_adapters.jenkins.stages import Stages
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref

_OPTIONS = {"builds": (BUILDS, 200), "jobs": (JOBS, 1000)}


class JenkinsSource:
    """Builds and the queue of the configured jobs and folders; with none of all that can be seen.

    `repos` are full names (`folder/job`, a folder, a multibranch project). `options`: `builds`, the newest ones of
    each job that are listed (30), and `jobs`, how many jobs at most (100).
    """

    system = "jenkins"
    kinds = ("run",)

    def __init__(
        self, config: SourceConfig, context: Context, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.address = (config.url or "").rstrip("/")
        if not self.address.startswith(("http://", "https://")):
            raise Unsupported(
                f"{self.address or 'no url'} is no http address", source=config.name,
                mend="set url: https://HOST/jenkins of this source, as its pages have it",
            )  # fmt: skip
        self.host = urlsplit(self.address).netloc.rpartition("@")[2]
        self.insecure = config.insecure
        self.bearer = config.token is not None and not config.username
        self.names, wrong = roots(config.repos)
        self.notes = [f"no full name of a job or folder: {name}" for name in wrong]
        self.me = config.username or ""
        self.sleep = sleep
        self.secret = context.secret
        self.api = Api(config, context, self.address)
        self.rights = Rights(signed_in=self.api.credential.configured)
        self.home = Home(self.name, self.environment, self.address)
        self.made: dict[str, tuple[str, str]] = {}
        """What our verbs made: a key of the preview to the ids of the run it was done on and of the one it made."""
        self.stages = Stages(
            self.api, self.home, lambda path: last_words(self.api, path),
            lambda job: self.rights.denied("run.approve", job) is None,
        )  # fmt: skip
        self.runs = Runs(
            self.api, self.names, self.home, self.stages, self._option(config, "builds"), self._option(config, "jobs")
        )
        self.notes += [f"unknown option: {name}" for name in config.options if name not in _OPTIONS]
        self._config = config
        self._actions: Mapping[str, Action] | None = None

    def _option(self, config: SourceConfig, name: str) -> int:
        usual, most = _OPTIONS[name]
        value = config.options.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            self.notes.append(f"options: {name} is no whole number up to {most}")
            return usual
        return value

    def place(self, ref: Ref) -> Place:
        """What a ref names here. Raises NotFound for one of another source or job."""
        place = place_of(ref, self.names) if ref.source == self.name else None
        if place is None:
            raise NotFound(
                f"no {ref.kind} {ref.id} here", source=self.name, why="it is not of the jobs of this source",
                mend="add its job or folder to repos: of this source",
            )  # fmt: skip
        return place

    async def probe(self) -> Probe:
        """Who we are, and what may be done. Raises QuarterdeckError."""
        from quarterdeck_adapters.jenkins import probing

        return await probing.probe(self)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll: quick while something runs."""
        return self._config.interval or pacing.wanted(kind, rows, self.api.server_now)

    async def list(self, kind: str) -> Listing:
        """The newest builds of every job, and what waits in the queue. Raises QuarterdeckError."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind} on Jenkins", source=self.name)
        return await self.runs.listing(self.notes)

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """The stages of a build; what failed comes first. Raises QuarterdeckError."""
        place = self.place(ref)
        if ref.kind != "run":
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        run, payload = await self.runs.run(place)
        if run.state == "queued":
            return Listing(rows=(), total=0, partial=f"it waits in the queue: {run.queued_for}"), ""
        found = await self.stages.children(run, plain=not is_pipeline(payload))
        return paged(found, page)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing. Raises QuarterdeckError."""
        from quarterdeck_adapters.jenkins import describe

        return await describe.describe(self, ref)

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """What a new build of the run's job may be given. Raises QuarterdeckError."""
        from quarterdeck_adapters.jenkins import parameters

        return await parameters.declared(self.api, self.place(ref).job)

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """When lines arrive: Jenkins is asked for what is new every 5 s, as its own page asks."""
        return MODE

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of builds and stages. Raises QuarterdeckError."""
        from quarterdeck_adapters.jenkins import logs

        for ref in refs:
            if ref.kind not in ("run", "job"):
                raise Unsupported(f"a {ref.kind} has no log", source=self.name)
        return logs.tail(self, refs, options)

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs; those that Jenkins has not say why."""
        if self._actions is None:
            from quarterdeck_adapters.jenkins.verbs import verbs

            self._actions = verbs(self)
        return self._actions

    async def close(self) -> None:
        """Let go of every connection."""
        await self.api.close()
