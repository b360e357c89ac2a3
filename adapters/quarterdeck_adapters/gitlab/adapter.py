"""GitLab, gitlab.com or one of your own, as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci import pacing
from quarterdeck_adapters.ci.api import counting
from quarterdeck_adapters.ci.sections import paged
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.deploys import Deploys
from quarterdeck_adapters.gitlab.gates import Gates
from quarterdeck_adapters.gitlab.merges import Merges
from quarterdeck_adapters.gitlab.places import Place, paths, place_of, web_host
from quarterdeck_adapters.gitlab.probing import Rights
from quarterdeck_adapters.gitlab.projects import Projects
from quarterdeck_adapters.gitlab.runs import MOST, USUAL, Runs
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref

OPTIONS = frozenset({"runs", "private_token"})


class GitlabSource:
    """Pipelines, merge requests and deployments of the configured projects (`repos`).

    `options`: `runs` is how many of the newest pipelines of each project are listed (50, at most 1,000);
    `private_token: true` sends the token as `PRIVATE-TOKEN` and not as `Authorization: Bearer`.
    """

    system = "gitlab"
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
        self.api = GitlabApi(config, context)
        self.address = self.api.base
        if not self.address.startswith(("http://", "https://")):
            raise Unsupported(
                f"{self.address} is no http address", source=config.name,
                mend="leave url: out for gitlab.com, or name https://HOST",
            )  # fmt: skip
        self.host = web_host(self.address)
        self.insecure = config.insecure
        self.paths, wrong = paths(config.repos)
        self.notes = [f"not group/project: {name}" for name in wrong]
        self.notes += [f"unknown option {name}" for name in sorted(set(config.options) - OPTIONS)]
        if config.username:
            self.notes.append("username: is not used: GitLab's API takes an access token")
        self.sleep = sleep
        self.secret = context.secret
        self.rights = Rights()
        self.projects = Projects(self.api, self.paths, self.environment, self.host)
        self.rights.projects = self.projects
        self.gates = Gates(self.api, self.projects, self.rights)
        self.runs = Runs(self.api, self.projects, self.gates, self._wanted(config.options.get("runs", USUAL)))
        self.merges = Merges(self.api, self.projects, self.runs)
        self.deploys = Deploys(self.api, self.projects, self.gates)
        self._config = config
        self._costs: dict[str, float] = {}
        self._actions: Mapping[str, Action] | None = None

    def _wanted(self, given: object) -> int:
        if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= MOST:
            return given
        self.notes.append(f"runs: is a number from 1 to {MOST}")
        return USUAL

    def place(self, ref: Ref) -> Place:
        """What a ref names here. Raises NotFound for one of another source or project."""
        place = place_of(ref, self.paths) if ref.source == self.name else None
        if place is None:
            raise NotFound(
                f"no {ref.kind} {ref.id} here", source=self.name, why="it is not of the projects of this source",
                mend="add its project to repos: of this source",
            )  # fmt: skip
        return place

    @property
    def me(self) -> str:
        """The account of the token, as far as it is known by now."""
        return self.projects.known_viewer

    async def probe(self) -> Probe:
        """Who we are, and what the token may do. Raises QuarterdeckError."""
        from quarterdeck_adapters.gitlab import probing

        return await probing.probe(self)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll: quick while something runs, and within the share of the rate limit."""
        pause = self._config.interval or pacing.wanted(kind, rows, self.api.server_now)
        return pacing.stretched(
            pause, self._costs, self.api.budget, self.api.server_now,
            spent=self.api.spent, share=self._config.rate_share,
        )  # fmt: skip

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """The jobs of a run, with those of its child pipelines; of a merge request, the jobs of its head's pipeline.

        What failed comes first; attempts that a later one took the place of are marked. Raises QuarterdeckError.
        """
        from quarterdeck_adapters.gitlab import jobtree

        place = self.place(ref)
        if ref.kind == "pull_request":
            head = await self.merges.head_pipeline(place, await self.merges.read(place))
            if head is None:
                return Listing(rows=(), total=0), ""
            place = head
        elif ref.kind == "deployment":
            from quarterdeck_adapters.gitlab.deploys import job_place

            made = job_place(await self.deploys.read(place), place.path)
            if made is None:
                raise Unsupported("no job made it: it was entered by hand through the API", source=self.name)
            place = made
        elif ref.kind != "run":
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        found = await jobtree.children(self.runs, place, self.projects.home(place.path))
        return paged(found, page)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing; of what failed the failure first. Raises QuarterdeckError."""
        from quarterdeck_adapters.gitlab import describe

        return await describe.describe(self, ref)

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """How lines arrive: the log is asked for again and again, GitLab pushes none."""
        from quarterdeck_adapters.gitlab.logs import MODE

        return MODE

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of jobs, or of all jobs of runs. Raises QuarterdeckError."""
        from quarterdeck_adapters.gitlab import logs

        for ref in refs:
            if ref.kind not in ("run", "job"):
                raise Unsupported(f"a {ref.kind} has no log", source=self.name, mend="open it, then take a job")
        return logs.tail(self, refs, options)

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """What a new pipeline of the project of a run may be given. Raises QuarterdeckError."""
        from quarterdeck_adapters.gitlab import trigger

        place = self.place(ref)
        run = await self.runs.read(place)
        return (await trigger.declared(self, place, str(run.get("ref") or ""))).parameters

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs. Checking out a merge request is git's."""
        if self._actions is None:
            from quarterdeck_adapters.gitlab import actions

            self._actions = actions.made(self)
        return self._actions

    async def list(self, kind: str) -> Listing:
        """The newest runs, open merge requests or newest deployments of every project. Raises QuarterdeckError."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind} on GitLab", source=self.name)
        if not self.paths:
            raise Unsupported(
                "no project to look at", source=self.name, why="; ".join(self.notes) or "this source names none",
                mend="add repos: [group/project] to it",
            )  # fmt: skip
        thrifty = self.api.thrifty(self._config.rate_share)
        scant = thrifty and self.api.credential.configured
        notes = ["our share of the rate limit is nearly spent: jobs and approvals may be older"] if scant else []
        parts: dict[str, Runs | Merges | Deploys] = {
            "run": self.runs, "pull_request": self.merges, "deployment": self.deploys,
        }  # fmt: skip
        with counting() as spent:
            try:
                if not thrifty:
                    await self.projects.learn()
                return await parts[kind].listing(notes, thrifty=thrifty)
            finally:
                # A quiet refresh costs little; the next one may not, so the cost falls slowly.
                self._costs[kind] = max(float(len(spent)), self._costs.get(kind, 0.0) * 0.8)

    async def close(self) -> None:
        """Let go of every connection."""
        await self.api.close()
