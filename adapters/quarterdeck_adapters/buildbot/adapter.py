"""A Buildbot master as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.buildbot.api import PORT, Api
from quarterdeck_adapters.buildbot.mapping import Home
from quarterdeck_adapters.buildbot.places import Place, place_of
from quarterdeck_adapters.buildbot.runs import Runs
from quarterdeck_adapters.ci import pacing
from quarterdeck_adapters.ci.sections import paged
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref


class BuildbotSource:
    """Builds, and the requests that wait for one. A run is a build request: it stays itself from its queue to its end,
    through every retry. Its jobs are the steps of its build.

    `repos` names builders; none: all of them. `options`: `force_scheduler` names the force scheduler that starts a run
    where a builder has several.
    """

    system = "buildbot"
    kinds = ("run",)
    watched_kinds = ("run",)

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
                f"{self.address or 'nothing'} is no http address", source=config.name,
                mend=f"name the address of its web under url:, such as http://buildbot:{PORT}",
            )  # fmt: skip
        self.insecure = config.insecure
        self.secret_names = context.config.secret_names
        preferred = config.options.get("force_scheduler", "")
        self.force_scheduler = preferred if isinstance(preferred, str) else ""
        self.sleep = sleep
        self.hears = True
        """Whether the server's events could be had when they were last asked for."""
        self.runs = Runs(self.api, Home(self.name, self.environment, self.address), config.repos)
        self._config = config
        self._actions: Mapping[str, Action] | None = None

    @property
    def me(self) -> str:
        """The account that is signed in, as far as it is known by now."""
        return self.api.me

    def place(self, ref: Ref) -> Place:
        """What a ref names here. Raises NotFound."""
        place = place_of(ref) if ref.source == self.name else None
        if place is None:
            raise NotFound(f"no {ref.kind} {ref.id} here", source=self.name, why="a run is named by its build request")
        return place

    async def probe(self) -> Probe:
        """Who we are, what version answers, and which workers are missing. Raises QuarterdeckError."""
        from quarterdeck_adapters.buildbot import probing

        return await probing.probe(self)

    async def list(self, kind: str) -> Listing:
        """The newest builds and the requests that wait. Raises QuarterdeckError."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind} in Buildbot", source=self.name)
        return await self.runs.listing()

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll, where the events cannot be had: quick while something runs."""
        return self._config.interval or pacing.wanted(kind, rows, self.api.server_now)

    def watch(self, kind: str) -> AsyncIterator[None]:  # noqa: ARG002 - part of the port
        """Yield when the runs should be listed again, by the server's events. Raises QuarterdeckError."""
        from quarterdeck_adapters.buildbot.watching import watch

        return watch(self)

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """The steps of a run, those that failed first. Raises QuarterdeckError."""
        if ref.kind != "run":
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        found = await self.runs.children(self.place(ref))
        return paged(found, page)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing, the failure of a failed run first. Raises QuarterdeckError."""
        from quarterdeck_adapters.buildbot import describe

        return await describe.describe(self, ref)

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """When lines arrive: with the server's events, or by asking."""
        from quarterdeck_adapters.buildbot.logs import LIVE, POLLING

        return LIVE if self.hears else POLLING

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of runs, step after step, or of single steps. Raises QuarterdeckError."""
        from quarterdeck_adapters.buildbot.logs import Tail, merged

        several = len(refs) > 1
        return merged([Tail(self, self.place(ref), options, several=several) for ref in refs])

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """What a new run of the builder of `ref` may be given. Raises QuarterdeckError."""
        from quarterdeck_adapters.buildbot import forcing

        return await forcing.parameters(self, ref)

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs; those that Buildbot has not say why."""
        if self._actions is None:
            from quarterdeck_adapters.buildbot import forcing, run_actions
            from quarterdeck_adapters.ci.acting import Cannot

            made: list[Action] = [run_actions.Rerun(self), run_actions.Cancel(self), forcing.Trigger(self)]
            self._actions = {
                **{action.verb: action for action in made},  # type: ignore[attr-defined]
                **{verb: Cannot(self, verb, why, kind) for verb, (why, kind) in run_actions.CANNOT.items()},
            }
        return self._actions

    async def close(self) -> None:
        """Let go of every connection."""
        await self.api.close()
