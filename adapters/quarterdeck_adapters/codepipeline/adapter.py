"""AWS CodePipeline as a source. Nothing of AWS is imported, looked for or asked before the first question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci import pacing
from quarterdeck_adapters.ci.sections import paged
from quarterdeck_adapters.codepipeline.client import Clients
from quarterdeck_adapters.codepipeline.deployments import Deployments
from quarterdeck_adapters.codepipeline.places import Place, place_of
from quarterdeck_adapters.codepipeline.runs import Runs
from quarterdeck_adapters.codepipeline.settings import settings, shown_address
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Parameter, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref


class CodePipelineSource:
    """Executions of the pipelines that `repos` names, or of all of the account in one region.

    `options`: `region`, `profile`. With `username` (an access key) and `password` (its secret) those sign; else
    AWS's own chain does: its variables, files, SSO, roles.
    """

    system = "codepipeline"
    kinds = ("run", "deployment")

    def __init__(
        self,
        config: SourceConfig,
        context: Context,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.given = settings(config, context.env)
        self.address = shown_address(self.given)
        self.insecure = config.insecure
        self.clients = Clients(config, context, self.given)
        self.runs = Runs(self.clients, self.name, self.environment)
        self.deployments = Deployments(self.runs)
        self.sleep = sleep
        self.secret = context.secret
        self.denied: dict[str, str] = {}
        """Verbs that AWS refused to this identity, with the reason."""
        self._me = ""
        self._config = config
        self._actions: Mapping[str, Action] | None = None

    @property
    def me(self) -> str:
        """The name of the identity that signs, as far as it is known by now."""
        return self._me

    def place(self, ref: Ref) -> Place:
        """What a ref names here. Raises NotFound for what is none of this source's."""
        place = place_of(ref) if ref.source == self.name else None
        given = self.given.pipelines
        if place is None or (given and place.pipeline not in given):
            raise NotFound(
                f"no {ref.kind} {ref.id} here", source=self.name, why="it is not of the pipelines of this source",
                mend="add its pipeline to repos: of this source",
            )  # fmt: skip
        return place

    async def probe(self) -> Probe:
        """Who we are to AWS, and what is known of what we may do. Raises QuarterdeckError."""
        from quarterdeck_adapters.codepipeline import probing

        found, self._me = await probing.probe(self)
        return found

    async def list(self, kind: str) -> Listing:
        """The newest executions, or deployments, of every pipeline. Raises QuarterdeckError."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind} on CodePipeline", source=self.name)
        return await (self.runs.listing(self.given.notes) if kind == "run" else self.deployments.listing())

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll: quick while something runs, slow at rest."""
        return self._config.interval or pacing.wanted(kind, rows, self.clients.server_now)

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """The stages of an execution, each with the attempts of its actions. Raises QuarterdeckError."""
        place = self.place(ref)
        if ref.kind != "run":
            raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)
        found = await self.runs.children(place)
        if not found:
            raise NotFound(f"#{place.execution[:8]} is gone", source=self.name, why="AWS keeps executions for a year")
        return paged(found, page)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing. Raises QuarterdeckError."""
        from quarterdeck_adapters.codepipeline import describe

        return await describe.describe(self, ref)

    def log_mode(self, ref: Ref) -> str:  # noqa: ARG002 - part of the port
        """How lines arrive: CloudWatch Logs is asked again and again."""
        return "polling 5 s"

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """The logs of builds, of the stages or executions that they are of. Raises QuarterdeckError."""
        from quarterdeck_adapters.codepipeline import logs

        for ref in refs:
            if ref.kind not in ("run", "job", "deployment"):
                raise Unsupported(f"a {ref.kind} has no log", source=self.name)
        return logs.tail(self, refs, options)

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """The variables of the pipeline. Raises QuarterdeckError."""
        from quarterdeck_adapters.codepipeline import starting

        return starting.declared_parameters(await self.runs.declared(self.place(ref).pipeline, fresh=True))

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs."""
        if self._actions is None:
            from quarterdeck_adapters.codepipeline import acting

            self._actions = acting.actions(self)
        return self._actions

    async def close(self) -> None:
        """Let go of every connection."""
        await self.clients.close()
