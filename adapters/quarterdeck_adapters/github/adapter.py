"""GitHub, or a GitHub Enterprise server, as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci import pacing
from quarterdeck_adapters.ci.sections import paged
from quarterdeck_adapters.github.api import Api, counting
from quarterdeck_adapters.github.deployments import Deployments
from quarterdeck_adapters.github.mapping import Home
from quarterdeck_adapters.github.places import API, Place, place_of, slugs, web_host
from quarterdeck_adapters.github.probing import Rights
from quarterdeck_adapters.github.pulls import Pulls
from quarterdeck_adapters.github.runs import Runs
from quarterdeck_adapters.github.workflows import Workflows
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref


class GithubSource:
    """Workflow runs, pull requests and deployments of the configured repositories.

    `options`: `run_details` asks an Enterprise server, too, to name the run that a dispatch makes; github.com does.
    """

    system = "github"
    kinds = ("run", "pull_request", "deployment")

    def __init__(
        self,
        config: SourceConfig,
        context: Context,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.api = Api(config, context)
        self.address = self.api.base
        if not self.address.startswith(("http://", "https://")):
            raise Unsupported(
                f"{self.address} is no http address", source=config.name,
                mend="leave url: out for github.com, or name https://HOST/api/v3",
            )  # fmt: skip
        self.host = web_host(self.address)
        self.insecure = config.insecure
        self.names_runs = self.address == API or config.options.get("run_details") is True
        self.slugs, wrong = slugs(config.repos)
        self.notes = [f"not owner/name: {name}" for name in wrong]
        self.rights = Rights()
        self.sleep = sleep
        self._default_branches: dict[str, str] = {}
        self.workflows = Workflows(self.api)
        self.runs = Runs(self.api, self.slugs, self.home, self.workflows)
        self.pulls = Pulls(
            self.api, self.slugs, self.home, lambda: self.runs.moving_heads, learn=self._default_branches.__setitem__
        )
        self.deployments = Deployments(self.api, self.slugs, self.home)
        self._config = config
        self._costs: dict[str, float] = {}
        self._actions: Mapping[str, Action] | None = None

    def home(self, slug: str) -> Home:
        """What the records of a repository share."""
        return Home(self.name, self.environment, self.host, slug, self._default_branches.get(slug, ""))

    def place(self, ref: Ref) -> Place:
        """What a ref names here. Raises NotFound for one of another source or repository."""
        place = place_of(ref, self.slugs) if ref.source == self.name else None
        if place is None:
            raise NotFound(
                f"no {ref.kind} {ref.id} here", source=self.name, why="it is not of the repositories of this source",
                mend="add its repository to repos: of this source",
            )  # fmt: skip
        return place

    @property
    def me(self) -> str:
        """The account of the token, as far as it is known by now."""
        return self.pulls.known_viewer

    async def probe(self) -> Probe:
        """Who we are, and what the token may do. Raises QuarterdeckError."""
        from quarterdeck_adapters.github import probing

        return await probing.probe(self)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll: quick while something runs, and within the share of the rate limit."""
        pause = self._config.interval or pacing.wanted(kind, rows, self.api.server_now)
        return pacing.stretched(
            pause, self._costs, self.api.budget, self.api.server_now,
            spent=self.api.spent, share=self._config.rate_share,
        )  # fmt: skip

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """The jobs of a run, or the checks of a pull request; what failed comes first. Raises QuarterdeckError."""
        place = self.place(ref)
        if ref.kind == "run":
            found = await self.runs.children(place)
        elif ref.kind == "pull_request":
            found = await self.pulls.children(place)
        else:
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        return paged(found, page)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing. Raises QuarterdeckError."""
        from quarterdeck_adapters.github import describe

        return await describe.describe(self, ref)

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """When lines arrive: GitHub gives no log of a job that runs."""
        return "available when the job ends"

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of jobs, or of all jobs of runs. Raises QuarterdeckError."""
        from quarterdeck_adapters.github import logs

        for ref in refs:
            if ref.kind == "job" and ref.id in self.pulls.foreign:
                page = self.pulls.foreign[ref.id].url
                raise Unsupported("its log is kept by the system that made the check", source=self.name, mend=page)
            if ref.kind not in ("run", "job"):
                mend = "take its run" if ref.kind == "deployment" else "open it, then take a check"
                raise Unsupported(f"a {ref.kind} has no log", source=self.name, mend=mend)
        return logs.tail(self, refs, options)

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """What a new run of the workflow of a run may be given. Raises QuarterdeckError."""
        from quarterdeck_adapters.github import parameters

        return await parameters.of(self, ref)

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs. Checking out a pull request is git's."""
        if self._actions is None:
            from quarterdeck_adapters.github import verbs

            self._actions = verbs.of(self)
        return self._actions

    async def list(self, kind: str) -> Listing:
        """The newest runs or deployments, or the open pull requests, of every repository. Raises QuarterdeckError."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind} on GitHub", source=self.name)
        if not self.slugs:
            raise Unsupported(
                "no repository to look at", source=self.name, why="; ".join(self.notes) or "this source names none",
                mend="add repos: [owner/name] to it",
            )  # fmt: skip
        thrifty = self.api.thrifty(self._config.rate_share)
        scant = thrifty and self.api.credential.configured
        notes = ["our share of the rate limit is nearly spent: jobs and checks may be older"] if scant else []
        with counting() as spent:
            try:
                if kind == "deployment":
                    return await self.deployments.listing(notes, thrifty=thrifty)
                return await (self.runs if kind == "run" else self.pulls).listing(notes, thrifty=thrifty)
            finally:
                # A quiet refresh costs nothing; the next one may not be, so the cost falls slowly.
                self._costs[kind] = max(float(len(spent)), self._costs.get(kind, 0.0) * 0.8)

    async def close(self) -> None:
        """Let go of every connection."""
        await self.api.close()
