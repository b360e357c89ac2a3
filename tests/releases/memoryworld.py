"""Hosts, orchestrators and a model registry in memory, and the processes that act on them: the crash matrix's world.

Every call of a process on the world is a point. A test says what befalls a process at which of its points: its death,
a cut link, a stop that outlives its lease. What an undisturbed run passed is its `trail`; time and order are exact, so
that the same number is the same moment in every run.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from quarterdeck_lifecycle.errors import Conflict, NotFound, Timeout, Unavailable
from quarterdeck_lifecycle.permit import require
from quarterdeck_lifecycle.release.ports import Holder
from releases.fakeclock import FakeClock, Timeline

T = TypeVar("T")
PointKind = Literal["read", "before", "after"]
Style = Literal["port", "proxy", "alias"]
"""How clients reach a container: by a fixed host port, through a proxy, by a network alias."""
CALL_TIMEOUT_S = 10.0
DRAIN_S = 1.0


class Killed(KeyboardInterrupt):
    """The process got SIGKILL: nothing of it runs on."""


class Point(NamedTuple):
    """A moment at which something may befall a process."""

    kind: PointKind
    where: str
    source: str
    at: float


@dataclass
class Container:
    """A container as an engine knows it."""

    id: str
    name: str
    digest: str
    restart: str = "always"
    labels: dict[str, str] = field(default_factory=dict)
    running: bool = False
    started_at: float = 0.0
    exit_code: int | None = None


@dataclass
class Host:
    """A container engine."""

    name: str
    style: Style
    images: set[str] = field(default_factory=set)
    containers: dict[str, Container] = field(default_factory=dict)
    slots: dict[str, str] = field(default_factory=dict)
    """The proxy's servers: container id to ready or drain."""

    def named(self, name: str) -> Container | None:
        """The container of that name."""
        return next((each for each in self.containers.values() if each.name == name), None)

    def of_op(self, op: str) -> Container | None:
        """The container that the operation made."""
        return next((each for each in self.containers.values() if each.labels.get("quarterdeck.op") == op), None)

    def routed(self) -> list[Container]:
        """Where a client's next request may go."""
        if self.style == "proxy":
            return [
                self.containers[id] for id, state in self.slots.items() if state == "ready" and id in self.containers
            ]
        return [each for each in self.containers.values() if each.running]

    def boot(self, now: float) -> None:
        """The host went down and comes up again: what has a restart policy runs, as far as its port is free."""
        for each in self.containers.values():
            each.running = False
        for each in sorted(self.containers.values(), key=lambda each: each.id):
            if each.restart == "always" and not (
                self.style == "port" and any(c.running for c in self.containers.values())
            ):
                each.running, each.started_at = True, now


@dataclass
class Swarm:
    """An orchestrated service: `spec` is what is wanted, `tasks` what runs, one replaced every second."""

    name: str
    spec: str
    tasks: list[str]
    labels: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    """Digests that it could go back to."""
    version: int = 10
    updated_at: float = 0.0


@dataclass
class Registry:
    """A model registry: aliases and their tags."""

    name: str
    versions: set[str]
    aliases: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)


class World:
    """Everything that is not the program. `broken` maps a digest to the seconds after its start from which it fails."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.hosts: dict[str, Host] = {}
        self.swarms: dict[str, Swarm] = {}
        self.registries: dict[str, Registry] = {}
        self.leases: dict[str, Holder] = {}
        self.broken: dict[str, float] = {}
        self.registry_up = True
        self.misrouted = False
        self.writes: list[str] = []
        self.trespasses: list[str] = []
        """Writes by a process whose operation does not hold the lease."""
        self.unserved: list[str] = []
        """Moments at which no healthy workload was routed."""
        self.watchers: list[Callable[[str], None]] = []
        self._ids = itertools.count(1)

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return self.timeline.elapsed + self.timeline.suspended

    def new_id(self) -> str:
        """An id that sorts by age."""
        return f"c{next(self._ids):04d}"

    def container(self, host: str, id: str) -> Container:
        """The container. Raises NotFound."""
        found = self.hosts[host].containers.get(id)
        if found is None:
            raise NotFound(f"no container {id}", source=host)
        return found

    def create(self, host: str, name: str, digest: str, labels: dict[str, str]) -> Container:
        """Make a container; a taken name is a conflict, as in Docker."""
        where = self.hosts[host]
        if where.named(name):
            raise Conflict(f"the name {name} is in use", source=host)
        if digest not in where.images:
            raise NotFound(f"no image {digest}", source=host)
        made = Container(self.new_id(), name, digest, labels=dict(labels))
        where.containers[made.id] = made
        return made

    def rename(self, host: str, id: str, name: str) -> None:
        """Give it another name."""
        other = self.hosts[host].named(name)
        if other is not None and other.id != id:
            raise Conflict(f"the name {name} is in use by {other.id}", source=host)
        self.container(host, id).name = name

    def start(self, host: str, id: str) -> None:
        """Start it; a published port that is taken is an error, as in Docker."""
        where, it = self.hosts[host], self.container(host, id)
        if where.style == "port" and any(each.running for each in where.containers.values() if each.id != id):
            raise Conflict("port is already allocated", source=host)
        it.running, it.started_at, it.exit_code = True, self.now, None

    def stop(self, host: str, id: str) -> None:
        """Stop it."""
        it = self.container(host, id)
        it.running, it.exit_code = False, 0

    def well(self, digest: str, started_at: float) -> bool:
        """Whether what runs that digest since then answers well."""
        if digest not in self.broken:
            return True
        return self.now - started_at < self.broken[digest]

    def healthy(self, container: Container) -> bool:
        """Whether it runs and answers well."""
        return container.running and self.well(container.digest, container.started_at)

    def served(self, place: str) -> list[str]:
        """The digests (or versions) that clients of this place get now from something healthy."""
        if place in self.hosts:
            return [each.digest for each in self.hosts[place].routed() if self.healthy(each)]
        if place in self.swarms:
            swarm = self.settled(place)
            return [task for task in swarm.tasks if self.well(task, swarm.updated_at)]
        registry = self.registries[place]
        return [each for each in registry.aliases.values() if each in registry.versions and self.well(each, 0.0)]

    def settled(self, name: str) -> Swarm:
        """The service after as much rolling as there was time for. A broken image is never rolled past its first."""
        swarm = self.swarms[name]
        if self.broken.get(swarm.spec, 1.0) > 0:
            rolled = min(int(self.now - swarm.updated_at), len(swarm.tasks))
            swarm.tasks[:rolled] = [swarm.spec] * rolled
        return swarm

    @property
    def places(self) -> list[str]:
        """Everywhere that something serves."""
        return [*self.hosts, *self.swarms, *self.registries]

    def look(self, moment: str) -> None:
        """A client asks everywhere at this moment."""
        for place, host in self.hosts.items():
            routed = host.routed()
            running = [each for each in routed if each.running]
            if not (any(map(self.healthy, running)) if self.broken else running):
                self.unserved.append(f"{place} at {moment}")
            if host.style == "proxy" and len(running) < len(routed):
                dead = [each.name for each in routed if not each.running]
                self.unserved += [f"{place}: {name} is routed and does not run, at {moment}" for name in dead]
        for place in (*self.swarms, *self.registries):
            if not self.served(place):
                self.unserved.append(f"{place} at {moment}")
        for watcher in self.watchers:
            watcher(moment)

    def snapshot(self) -> Any:
        """All that lasts, for comparing."""
        return (
            {
                host.name: (
                    sorted((c.name, c.digest, c.running, c.restart, c.labels.get("quarterdeck.op", ""))
                           for c in host.containers.values()),
                    sorted((host.containers[id].name, state) for id, state in host.slots.items()),
                )
                for host in self.hosts.values()
            },
            {s.name: (s.spec, tuple(s.tasks), dict(s.labels)) for s in map(self.settled, self.swarms)},
            {r.name: (dict(r.aliases), dict(r.tags)) for r in self.registries.values()},
            {name: holder.op for name, holder in self.leases.items()},
        )  # fmt: skip


class Process:
    """One runner on its host: its clock, and what befalls it at its points."""

    def __init__(self, world: World, name: str = "runner", skew: float = 0.0) -> None:
        self.world = world
        self.name = name
        self.clock = FakeClock(world.timeline, skew)
        self.trail: list[Point] = []
        self.befalls: dict[int, Callable[[], None]] = {}
        self.dead = False
        self.silent = False
        self._cut_until: dict[str, float] = {}
        self._going: asyncio.Event | None = None

    def kill(self) -> None:
        """SIGKILL, now."""
        self.dead = True
        raise Killed(self.name)

    def cut(self, seconds: float, *, silent: bool = False, source: str = "") -> None:
        """The link to that source (empty: to all) is reset, or goes silent, for so long."""
        self.silent = silent
        self._cut_until[source] = self.world.now + seconds

    def stop(self) -> None:
        """SIGSTOP, until `go`."""
        self._going = asyncio.Event()

    def go(self) -> None:
        """SIGCONT."""
        if self._going is not None:
            self._going.set()
        self._going = None

    async def point(self, kind: PointKind, where: str, source: str = "") -> None:
        """Pass a point; what is to befall the process here does."""
        if self.dead:
            raise Killed(self.name)
        index = len(self.trail)
        self.trail.append(Point(kind, where, source, self.world.now))
        self.world.look(f"{self.name} {index} {kind} {where}")
        if befall := self.befalls.get(index):
            befall()
        while self._going is not None:
            await self._going.wait()
        if kind != "read":
            await asyncio.sleep(0)
        if self.dead:
            raise Killed(self.name)

    async def read(self, source: str, where: str) -> None:
        """A read over the network."""
        await self.point("read", where, source)
        if self._cut_until:
            await self._link(source, where)

    async def write(self, source: str, where: str, apply: Callable[[], T], *, lease: bool = False) -> T:
        """A write over the network; its answer may be lost although it was done."""
        require(source, where)
        await self.point("before", where, source)
        if self._cut_until:
            await self._link(source, where)
        result = apply()
        self.world.writes.append(f"{self.name}: {where}" if not lease else f"{self.name}: lease {where}")
        await self.point("after", where, source)
        if self._cut_until:
            await self._link(source, where)
        return result

    async def _link(self, source: str, where: str) -> None:
        until = max(self._cut_until.get(source, 0.0), self._cut_until.get("", 0.0))
        if self.world.now >= until:
            return
        if not self.silent:
            raise Unavailable(f"{where} was not answered", source=source, why="connection reset by peer")
        await asyncio.sleep(CALL_TIMEOUT_S)
        raise Timeout(f"{where} was not answered", source=source, why=f"no answer in {CALL_TIMEOUT_S:g} s")
