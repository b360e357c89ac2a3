"""One release in a memory world: its plan, its processes, and what must hold once it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec.structs import replace

from quarterdeck_lifecycle.release.engine import Ended, Engine
from quarterdeck_lifecycle.release.model import GateRule, Identity, Kind, Pace, Plan, ProbeRule
from quarterdeck_lifecycle.release.planning import Request, make_plan
from releases.fakeclock import run
from releases.memoryports import (
    Book,
    MemoryAnnouncer,
    MemoryControl,
    MemoryHooks,
    MemoryJournal,
    MemoryMeasures,
    MemoryProber,
)
from releases.memoryrest import AliasTarget, SwarmTarget
from releases.memorytargets import ContainerTarget, MemoryTarget, OverlapTarget, ProxyTarget
from releases.memoryworld import Container, Host, Killed, Process, Registry, Swarm, World

Way = Literal["stop-start", "start-first", "overlap", "rolling", "alias"]
WAYS: tuple[Way, ...] = ("stop-start", "start-first", "overlap", "rolling", "alias")
TARGETS: dict[str, type[MemoryTarget]] = {
    "stop-start": ContainerTarget, "start-first": ProxyTarget, "overlap": OverlapTarget,
    "rolling": SwarmTarget, "alias": AliasTarget,
}  # fmt: skip
STYLES: dict[str, Literal["port", "proxy", "alias"]] = {
    "stop-start": "port",
    "start-first": "proxy",
    "overlap": "alias",
}
OLD, NEW = "sha256:0ld", "sha256:2ew"
NAME = "app"
OP, OTHER_OP = "op-0001", "op-0002"
GATE = GateRule(passes=2, within_s=10.0, soak_s=3.0, failures=2)
PACE = Pace(beat_s=1.0, lease_s=3.0)
_PLANS: dict[tuple[Way, Kind, int], Plan] = {}


def identity(way: Way, digest: str) -> Identity:
    """An image, or for aliases a model's version."""
    if way == "alias":
        return Identity(kind="model", name="fraud", digest="7" if digest == OLD else "8")
    return Identity(kind="image", name="team/app", digest=digest)


@dataclass
class Case:
    """A world with what runs there before, and one plan. `book` is the ledger of the first host."""

    way: Way
    kind: Kind = "deploy"
    places: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World()
        self.book = Book()
        self.control = MemoryControl()
        self.announcer = MemoryAnnouncer()
        self.script: Callable[[str], str | None] = lambda address: None
        self.readings: Callable[[float], Any] | None = None
        self.exits: dict[str, int] = {}
        self.takes: dict[str, float] = {}
        self.sources = [f"host-{index + 1}" for index in range(self.places)]
        for source in self.sources:
            self._furnish(source)
        self.plan = self._planned()
        self.world.unserved.clear()
        self.world.writes.clear()

    def _planned(self) -> Plan:
        """What a preview shows of the world as it was furnished: the same for every such case, so it is asked once."""
        if self.options:
            return self.make_plan(OP, Process(self.world, "planner"))
        shape = self.way, self.kind, self.places
        if shape not in _PLANS:
            _PLANS[shape] = self.make_plan(OP, Process(self.world, "planner"))
        return _PLANS[shape]

    def _furnish(self, source: str) -> None:
        world = self.world
        if self.way == "rolling":
            world.swarms[source] = Swarm(source, OLD, [OLD, OLD, OLD], kept=[NEW] if self.kind == "rollback" else [])
        elif self.way == "alias":
            world.registries[source] = Registry(source, {"7", "8"}, {NAME: "7"})
        else:
            host = world.hosts[source] = Host(source, STYLES[self.way], images={OLD})
            it = Container(world.new_id(), NAME, OLD, running=True)
            host.containers[it.id] = it
            if self.way == "start-first":
                host.slots[it.id] = "ready"
            if self.kind == "rollback":
                host.images.add(NEW)

    def make_plan(self, op: str, process: Process, actor: str = "ana", host: str = "bastion-1") -> Plan:
        """What a preview would show now."""
        asked = self.request(op, actor, host)
        return run(self.world.timeline, make_plan(asked, list(self.targets(process).values())))

    def request(self, op: str, actor: str = "ana", host: str = "bastion-1") -> Request:
        """What was asked for."""
        models = self.way == "alias"
        request = Request(
            kind=self.kind, op=op, service="app", environment="prod", wanted=identity(self.way, NEW).digest, reason="",
            actor=actor, origin="", host=host, at="2026-01-01T00:00:00Z", image="" if models else "team/app",
            model="fraud@champion" if models else "", gate=GATE, pace=PACE,
            probe=ProbeRule(http="http://app.example/healthz", interval_s=0.5),
        )  # fmt: skip
        return replace(request, **self.options)

    def targets(self, process: Process) -> dict[str, MemoryTarget]:
        """This process's own handles on the targets."""
        made = [TARGETS[self.way](process, source, NAME) for source in self.sources]
        return {str(target.place): target for target in made}

    def engine(self, process: Process, plan: Plan | None = None, book: Book | None = None) -> Engine:
        """An engine in that process."""
        prober = MemoryProber(process)
        prober.script = self.script
        return Engine(
            plan or self.plan, self.targets(process), journal=MemoryJournal(process, book or self.book),
            control=self.control, prober=prober, measures=MemoryMeasures(process, self.readings),
            hooks=MemoryHooks(process, self.exits, self.takes), announcer=self.announcer, clock=process.clock,
        )  # fmt: skip

    def run(self, befalls: Mapping[int, Callable[[Process], None]] | None = None) -> Ended | None:
        """Run it, with what befalls it at which of its points; None when it was killed."""
        return self._act(lambda engine: engine.run(), befalls, "runner")

    def recover(self, befalls: Mapping[int, Callable[[Process], None]] | None = None) -> Ended | None:
        """As a supervisor does at once, or an operator later, on the same host."""
        return self._act(lambda engine: engine.recover(), befalls, "recoverer")

    def _act(
        self, act: Callable[[Engine], Any], befalls: Mapping[int, Callable[[Process], None]] | None, name: str
    ) -> Ended | None:
        self.process = Process(self.world, name)
        for index, befall in (befalls or {}).items():
            self.process.befalls[index] = lambda befall=befall: befall(self.process)  # type: ignore[misc]
        try:
            return run(self.world.timeline, act(self.engine(self.process)))  # type: ignore[no-any-return]
        except Killed:
            return None

    def take_over(self, op: str = OTHER_OP) -> Ended:
        """Another operator's deploy on another host, which has nothing of the first one but the lease's change."""
        process = Process(self.world, "other")
        changes = tuple(replace(change, op=op) for change in self.plan.changes)
        plan = replace(self.plan, op=op, actor="ben", host="bastion-2", changes=changes)
        return run(self.world.timeline, self.engine(process, plan, Book()).run())

    # what must hold

    def serving(self) -> set[str]:
        """The versions that clients get anywhere, `-` where they get none."""
        told: set[str] = set()
        for source in self.sources:
            told |= set(self.world.served(source)) or {"-"}
        return told

    @property
    def settled(self) -> bool:
        """Whether the ledger says that everything was given back."""
        ends = {self.plan.steps[-1].id, self.plan.back_steps[-1].id}
        return any(row.step in ends and row.result.startswith("DONE") for row in self.book.rows)

    def must_have_settled(self, ended: Ended | None, what: str) -> None:
        """Exactly one version serves, healthy, the right one for the result, and nothing is left behind."""
        assert ended is not None, what
        assert ended.result in ("SUCCEEDED", "ROLLED_BACK", "FAILED", "ABORTED", "REFUSED"), f"{what}: {ended}"
        wanted = identity(self.way, NEW if ended.result == "SUCCEEDED" else OLD).digest
        assert self.serving() == {wanted}, f"{what}: {ended}, but {self.serving()} serves"
        assert not self.world.leases, f"{what}: {ended}; left {self.world.leases}"
        assert not self.world.trespasses, f"{what}: {self.world.trespasses}"
        for source in self.world.hosts:
            self._tidy(source, wanted, ended, what)

    def _tidy(self, source: str, wanted: str, ended: Ended, what: str) -> None:
        host = self.world.hosts[source]
        running = [each for each in host.containers.values() if each.running]
        assert [(each.name, each.digest, each.restart) for each in running] == [(NAME, wanted, "always")], (
            f"{what}: {host}"
        )
        assert host.style != "proxy" or host.slots == {running[0].id: "ready"}, f"{what}: {host.slots}"
        if ended.result == "SUCCEEDED":
            assert running[0].labels["quarterdeck.op"] == OP, what
            assert [each.digest for each in host.containers.values() if not each.running] == [OLD], f"{what}: {host}"
        else:
            assert len(host.containers) == 1, f"{what}: {ended}: left {host.containers}"

    def must_stay(self, what: str) -> None:
        """Recovering again finds nothing to do and writes nothing."""
        before, writes, rows = self.world.snapshot(), len(self.world.writes), len(self.book.rows)
        self.recover()
        assert self.world.snapshot() == before, what
        assert self.world.writes[writes:] == [], f"{what}: a second recovery wrote"
        assert len(self.book.rows) == rows, f"{what}: a second recovery wrote into the ledger"
