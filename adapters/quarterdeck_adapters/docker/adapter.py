"""The Docker engine as a source. docker-py is imported by the first call, on that call's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.docker import endpoint as endpoints
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.events import KINDS, Events
from quarterdeck_adapters.docker.inventory import Inventory
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Unsupported
from quarterdeck_lifecycle.kinds import Stats
from quarterdeck_lifecycle.ports import Action, Listing, LogBatch, LogOptions, Probe, Section, Session
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.release.ports import Target

REST_S = {"container": 10.0, "image": 30.0, "volume": 60.0, "network": 60.0}
BUSY_S = 2.0


class DockerSource:
    """One engine: containers, images, volumes and networks, told of changes by the engine's own events."""

    system = "docker"
    kinds = KINDS
    watched_kinds = KINDS
    target_kinds = ("container", "swarm")

    def __init__(self, config: SourceConfig, context: Context) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.address = config.url or ""
        self._config = config
        self._context = context
        self._deadline = config.deadline or 10.0
        self._engine: Engine | None = None
        self._inventory: Inventory | None = None
        self._events: Events | None = None
        self._actions: Mapping[str, Action] | None = None
        with suppress(QuarterdeckError):
            self.address = endpoints.resolve(config, context.env).url

    @property
    def credentials(self) -> bool:
        """Whether the operator's logins may be used for this source."""
        return self._config.credentials

    @property
    def env(self) -> Mapping[str, str]:
        """The environment that programs started for this source get."""
        return self._context.env

    def engine(self) -> Engine:
        """The engine, its address resolved at first use. Raises QuarterdeckError for an address that is none."""
        if self._engine is None:
            found = endpoints.resolve(self._config, self._context.env)
            if found.scheme == "ssh":
                found = msgspec.structs.replace(found, control=endpoints.control_folder())
            self._engine = Engine(self.name, found, deadline=self._deadline)
        return self._engine

    def inventory(self) -> Inventory:
        """The lists of this engine."""
        if self._inventory is None:
            self._inventory = Inventory(
                self.engine(), environment=self.environment, placed=self._placed(), now=self._context.now
            )
            self._inventory.live = lambda: self._events is not None and self._events.connected
        return self._inventory

    def _placed(self) -> dict[str, str]:
        """The environments that configured services give to containers of this source, by name."""
        return {
            target.name: environment
            for service in self._context.config.services.values()
            for environment, placement in service.environments.items()
            for target in placement.targets
            if target.kind == "container" and target.source == self.name
        }

    def events(self) -> Events:
        """The event stream of this engine."""
        if self._events is None:
            self._events = Events(self.engine(), self.inventory().heard)
        return self._events

    async def probe(self) -> Probe:
        """Version and identity of the engine (/version, /info). Raises QuarterdeckError."""
        from quarterdeck_adapters.docker import probing

        return await probing.probe(self.engine(), self.env)

    async def list(self, kind: str) -> Listing:
        """All rows of a kind. Raises QuarterdeckError."""
        if kind not in KINDS:
            raise Unsupported(f"no {kind} in a Docker engine", source=self.name)
        return await self.inventory().list(kind)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll where the event stream is not to be had."""
        if self._config.interval:
            return self._config.interval
        if kind == "container" and any(row.status is Status.RUNNING for row in rows):
            return BUSY_S
        return REST_S.get(kind, 60.0)

    def watch(self, kind: str) -> AsyncIterator[None]:
        """Tell when `kind` should be listed again. Raises QuarterdeckError when the stream is lost."""
        return self._watch(kind)

    async def _watch(self, kind: str) -> AsyncIterator[None]:
        async with aclosing(self.events().watch(kind)) as changes:
            async for _ in changes:
                yield None

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing. Raises QuarterdeckError."""
        from quarterdeck_adapters.docker import describe

        return await describe.describe(self.engine(), ref)

    def log_mode(self, ref: Ref) -> str:
        """Lines come as they are written."""
        return "live" if ref.kind == "container" else "no log"

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """Lines of one or several containers, merged by time. Raises QuarterdeckError."""
        from quarterdeck_adapters.docker import logs

        return logs.tail(self.engine(), self.events(), self._containers(refs), options)

    def stats(self, refs: Sequence[Ref]) -> AsyncIterator[Stats]:
        """Live use of these containers and of no others. Raises QuarterdeckError."""
        from quarterdeck_adapters.docker import stats

        return stats.sample(self.engine(), self._containers(refs), self._context.now)

    def shell(self, ref: Ref) -> Session:
        """A shell inside a container, on the operator's terminal. Raises QuarterdeckError."""
        from quarterdeck_adapters.docker import shell

        self._containers((ref,))
        return shell.session(self.engine().endpoint, self.name, ref)

    def _containers(self, refs: Sequence[Ref]) -> Sequence[Ref]:
        for ref in refs:
            if ref.kind != "container":
                raise Unsupported(f"a {ref.kind} has no log, no use and no shell", source=self.name)
            if ref.source != self.name:
                raise NotFound(f"{ref} is not of this engine", source=self.name)
        return refs

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs."""
        if self._actions is None:
            from quarterdeck_adapters.docker.acting import actions

            self._actions = actions(self)
        return self._actions

    def target(self, kind: str, name: str, settings: Mapping[str, str]) -> Target:
        """A container or a Swarm service as the target of a release. Raises Unsupported."""
        if kind == "container":
            from quarterdeck_adapters.docker.release.container import ContainerTarget

            return ContainerTarget(self, name, settings)
        if kind == "swarm":
            from quarterdeck_adapters.docker.release.swarm import SwarmTarget

            return SwarmTarget(self, name, settings)
        raise Unsupported(f"no target of the kind {kind} in a Docker engine", source=self.name)

    async def close(self) -> None:
        """Let go of every connection and thread."""
        if self._events is not None:
            await self._events.close()
        if self._engine is not None:
            await self._engine.close()
