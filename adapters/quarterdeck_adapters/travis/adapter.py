"""Travis CI, or a Travis CI Enterprise server, as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci import pacing
from quarterdeck_adapters.ci.api import counting
from quarterdeck_adapters.ci.sections import paged
from quarterdeck_adapters.ci.values import Json, section, text
from quarterdeck_adapters.travis.api import TravisApi
from quarterdeck_adapters.travis.builds import BUILDS, Builds
from quarterdeck_adapters.travis.mapping import Home
from quarterdeck_adapters.travis.places import Place, is_dead, place_of, repository_path, slugs, web_address
from quarterdeck_adapters.travis.rights import Rights
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref


class TravisSource:
    """The builds of the configured repositories.

    `options`: `git_host` is where the repositories are (github.com unless said); `builds` is how many of each are
    listed (1 to 200, 50 unless said).
    """

    system = "travis"
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
        self.api = TravisApi(config, context)
        self.address = self.api.base
        if is_dead(self.address):
            raise Unsupported(
                f"{urlsplit(self.address).hostname} is no more", source=config.name,
                why="travis-ci.org ended on 15 June 2021; its repositories moved to travis-ci.com",
                mend="leave url: out for travis-ci.com",
            )  # fmt: skip
        if not self.address.startswith(("http://", "https://")):
            raise Unsupported(
                f"{self.address} is no http address", source=config.name,
                mend="leave url: out for travis-ci.com, or name https://HOST/api of an Enterprise server",
            )  # fmt: skip
        self.web = web_address(self.address)
        self.insecure = config.insecure
        self.git_host = text(config.options.get("git_host")) or "github.com"
        wanted = config.options.get("builds", BUILDS)
        if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= 200:
            raise Unsupported(f"options: builds: {wanted!r}", source=config.name, mend="name a number from 1 to 200")
        self.slugs, wrong = slugs(config.repos)
        self.notes = [f"not owner/name: {name}" for name in wrong]
        self.rights = Rights(signed_in=self.api.credential.configured)
        self.sleep = sleep
        self.me = ""
        self.builds = Builds(self.api, self.slugs, self.home, self.rights, wanted)
        self._default_branches: dict[str, str] = {}
        self._config = config
        self._cost = 0.0
        self._actions: Mapping[str, Action] | None = None

    def home(self, slug: str) -> Home:
        """What the records of a repository share."""
        branch = self._default_branches.get(slug, "")
        return Home(self.name, self.environment, self.web, self.git_host, slug, branch)

    def learn(self, slug: str, repository: Json) -> None:
        """Take what a repository says of itself and of our rights."""
        self.rights.learn_repository(slug, repository)
        self._default_branches[slug] = text(section(repository, "default_branch").get("name"))

    def place(self, ref: Ref) -> Place:
        """What a ref names here. Raises NotFound for one of another source or repository."""
        place = place_of(ref, self.slugs) if ref.source == self.name else None
        if place is None:
            raise NotFound(
                f"no {ref.kind} {ref.id} here", source=self.name, why="it is not of the repositories of this source",
                mend="add its repository to repos: of this source",
            )  # fmt: skip
        return place

    async def probe(self) -> Probe:
        """Who we are, and what the token may do. Raises QuarterdeckError."""
        from quarterdeck_adapters.travis import probing

        return await probing.probe(self)

    async def list(self, kind: str) -> Listing:
        """The newest builds of every repository. Raises QuarterdeckError."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind} on Travis", source=self.name)
        if not self.slugs:
            raise Unsupported(
                "no repository to look at", source=self.name, why="; ".join(self.notes) or "this source names none",
                mend="add repos: [owner/name] to it",
            )  # fmt: skip
        with counting() as spent:
            try:
                return await self.builds.listing()
            finally:
                self._cost = max(float(len(spent)), self._cost * 0.8)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll: quick while something runs, and within the share of a limit that is told."""
        pause = self._config.interval or pacing.wanted(kind, rows, self.api.server_now)
        return pacing.stretched(
            pause, {kind: self._cost}, self.api.budget, self.api.server_now, spent=self.api.spent,
            share=self._config.rate_share,
        )  # fmt: skip

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """The jobs of a build; what failed comes first. Raises QuarterdeckError."""
        if ref.kind != "run":
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        place = self.place(ref)
        await self.builds.read(place)
        found = await self.builds.children(place)
        return paged(found, page)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing: of one that failed, its failure first. Raises QuarterdeckError."""
        from quarterdeck_adapters.travis import describe

        return await describe.describe(self, ref)

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """The variables that the settings of the build's repository hold. Raises QuarterdeckError."""
        from quarterdeck_adapters.travis import trigger

        return await trigger.parameters(self.api, repository_path(self.place(ref).slug))

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """When lines arrive: a log is asked for again while its job runs."""
        return "polling 5 s"

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of jobs, or of all jobs of builds. Raises QuarterdeckError."""
        from quarterdeck_adapters.travis import logs

        for ref in refs:
            if ref.kind not in ("run", "job"):
                raise Unsupported(f"a {ref.kind} has no log", source=self.name)
        return logs.tail(self, refs, options)

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs; those that Travis has not say why."""
        if self._actions is None:
            from quarterdeck_adapters.travis import verbs

            self._actions = verbs.all_of(self)
        return self._actions

    async def close(self) -> None:
        """Let go of every connection."""
        await self.api.close()
