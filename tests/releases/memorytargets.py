"""Targets in the memory world, one for each way of changing over; every write is a point of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from quarterdeck_lifecycle.errors import Conflict, NotFound, Unavailable
from quarterdeck_lifecycle.release.model import (
    Candidate,
    Change,
    Draft,
    Identity,
    Marks,
    Mode,
    Phase,
    Place,
    ProbeRule,
    Step,
    Through,
    Workload,
)
from quarterdeck_lifecycle.release.ports import Evidence, Fence, Sample, Say, Wanted
from releases.memorylease import MemoryLease
from releases.memoryworld import DRAIN_S, Container, Process

T = TypeVar("T")
PREPARE_S, STEP_S = 30.0, 20.0


class MemoryTarget:
    """What all of them share. `lookup` is the kind of place."""

    kind = "container"
    mode: Mode = "stop-start"

    def __init__(self, process: Process, source: str, name: str) -> None:
        self.process = process
        self.world = process.world
        self.place = Place(kind=self.kind, source=source, name=name)
        self.lease = MemoryLease(process, source, name)
        self.fence: Fence | None = None

    async def _read(self, what: str) -> None:
        await self.process.read(self.place.source, what)

    async def _write(self, change: Change, what: str, apply: Callable[[], T]) -> T:
        if self.fence is not None:
            await self.fence()

        def landed() -> T:
            holder = self.world.leases.get(self.lease.key)
            if holder is None or (holder.op != change.op and change.op not in holder.change):
                self.world.trespasses.append(f"{self.process.name}: {what}")
            return apply()

        return await self.process.write(self.place.source, what, landed)

    def _identity(self, digest: str) -> Identity:
        return Identity(kind="image", name="team/app", digest=digest)

    def _versions(self) -> list[str]:
        """What is kept here, the running one first."""
        raise NotImplementedError

    async def candidates(self, service: str, environment: str) -> Sequence[Candidate]:
        """All that is kept here was proven once."""
        await self._read("candidates")
        return [
            Candidate(
                target=str(self.place), identity=self._identity(digest), proven=True, id=digest, revision=10 - age
            )
            for age, digest in enumerate(self._versions())
        ]

    async def resolve(self, wanted: str, name: str) -> Identity:
        """Every name means itself."""
        await self._read(f"resolve {wanted}")
        return self._identity(wanted)

    async def evidence(self, change: Change, which: str, lines: int) -> Evidence:
        """What is there to tell."""
        await self._read(f"logs of {which}")
        return Evidence(target=change.target, which="new" if which == "new" else "old", log=("last words",))

    async def endpoint(self, change: Change, through: Through) -> str:
        """The place itself, whatever it is."""
        return f"{self.place.source}/traffic"

    async def probe(self, change: Change, rule: ProbeRule, through: Through) -> Sample:
        """The system's own word."""
        await self._read("health")
        well = bool(self.world.served(self.place.source))
        return Sample(verdict="pass" if well else "fail", said="healthy" if well else "unhealthy", at=self.world.now)

    def _draft(self, wanted: Wanted, facts: dict[str, str], steps: Sequence[tuple[str, Phase, Through]]) -> Draft:
        change = Change(
            place=self.place, service=wanted.service, environment=wanted.environment, op=wanted.op, mode=self.mode,
            to=wanted.to, back=wanted.back, revision=wanted.revision, actor=wanted.actor, at=wanted.at, facts=facts,
        )  # fmt: skip
        made = tuple(
            Step(id=f"{name}-{through}:{self.place}" if name == "gate" else f"{name}:{self.place}", name=name,
                 title=f"{name} on {self.place}", phase=phase, target=str(self.place), through=through,
                 deadline_s=PREPARE_S if phase == "prepare" else STEP_S)
            for name, phase, through in steps
        )  # fmt: skip
        return Draft(change=change, steps=made)


class ContainerTarget(MemoryTarget):
    """A container that the old one's name and port pass to: the old stops before the new starts."""

    @property
    def _host(self) -> str:
        return self.place.source

    def _new(self, change: Change) -> Container | None:
        return self.world.hosts[self._host].of_op(change.op)

    def _old(self, change: Change) -> Container:
        return self.world.container(self._host, change.facts["old"])

    def _versions(self) -> list[str]:
        host = self.world.hosts[self._host]
        now = host.named(self.place.name)
        return sorted(host.images, key=lambda digest: (now is None or digest != now.digest, digest))

    async def look(self) -> Workload:
        """Whoever has the name."""
        await self._read("inspect")
        it = self.world.hosts[self._host].named(self.place.name)
        if it is None:
            raise NotFound(f"no container {self.place.name}", source=self._host)
        return Workload(
            target=str(self.place), identity=self._identity(it.digest),
            running=it.running, health="healthy" if self.world.healthy(it) else "unhealthy", id=it.id,
            marks=Marks.read(it.labels),
        )  # fmt: skip

    steps: Sequence[tuple[str, Phase, Through]] = (
        ("pull", "prepare", "direct"), ("create", "prepare", "direct"), ("stop", "switch", "direct"),
        ("start", "switch", "direct"), ("gate", "gate", "traffic"), ("prune", "keep", "direct"),
    )  # fmt: skip

    async def plan(self, wanted: Wanted) -> Draft:
        """From what runs now. A rollback's image is here already, so that nothing is pulled."""
        now = await self.look()
        facts = {"old": now.id, "restart": self.world.container(self._host, now.id).restart}
        return self._draft(wanted, facts, [s for s in self.steps if s[0] != "pull" or wanted.kind != "rollback"])

    async def recheck(self, change: Change) -> None:
        """The same container still has the name."""
        await self._read("recheck")
        it = self.world.hosts[self._host].named(self.place.name)
        if it is None or it.id not in (change.facts["old"], getattr(self._new(change), "id", "")):
            raise Conflict("another container has the name now", source=self._host)

    async def do(self, change: Change, step: Step, say: Say) -> str:
        """One step; what is done already is only read."""
        await self._read(f"look before {step.name}")
        await say(step.title)
        told = await getattr(self, f"_{step.name}")(change)
        return str(told or "found done")

    async def _pull(self, change: Change) -> str | None:
        images = self.world.hosts[self._host].images
        if change.to.digest in images:
            return None
        if not self.world.registry_up:
            raise Unavailable("the registry does not answer", source="registry")
        await self._write(change, "pull", lambda: images.add(change.to.digest))
        return "pulled"

    async def _create(self, change: Change) -> str | None:
        if self._new(change):
            return None
        name, labels = f"{self.place.name}-qd-{change.op}", change.marks().labels()
        await self._write(change, "create", lambda: self.world.create(self._host, name, change.to.digest, labels))
        return "created"

    def _needed(self, change: Change) -> Container:
        if (new := self._new(change)) is None:
            raise NotFound(f"what {change.op} created is gone", source=self._host)
        return new

    async def _stop(self, change: Change) -> str | None:
        old, told = self._old(change), None
        if old.restart != "no":
            await self._write(change, "old restart=no", lambda: setattr(old, "restart", "no"))
            told = "restart set to no"
        if old.running:
            await self._write(change, "stop old", lambda: self.world.stop(self._host, old.id))
            told = "stopped"
        if old.name == self.place.name:
            name = f"{self.place.name}-qd-old-{change.op}"
            await self._write(change, "rename old", lambda: self.world.rename(self._host, old.id, name))
            told = "retained"
        return told

    async def _start(self, change: Change) -> str | None:
        new, told = self._needed(change), None
        if self.mode == "stop-start" and new.name != self.place.name:
            await self._write(change, "rename new", lambda: self.world.rename(self._host, new.id, self.place.name))
            told = "renamed"
        if not new.running:
            await self._write(change, "start new", lambda: self.world.start(self._host, new.id))
            told = "started"
        return told

    async def _prune(self, change: Change) -> str | None:
        host, told = self.world.hosts[self._host], None
        spare = sorted(c.id for c in host.containers.values() if "-qd-old-" in c.name and not c.running)
        for id in spare[:-2]:
            await self._write(change, f"remove {id}", lambda id=id: host.containers.pop(id, None))  # type: ignore[misc]
            told = "pruned"
        return told

    async def clear_up(self, change: Change, say: Say) -> str:
        """Away with what was created; a restart of its host may have started it."""
        return await self.put_back(change, say)

    async def _remove(self, change: Change, new: Container) -> None:
        await self._write(change, "remove new", lambda: self.world.hosts[self._host].containers.pop(new.id, None))

    async def _regain(self, change: Change, old: Container) -> None:
        """The old one's name, run and restart policy."""
        if old.name != self.place.name:
            await self._write(change, "rename old back",
                              lambda: self.world.rename(self._host, old.id, self.place.name))  # fmt: skip
        if not old.running:
            await self._write(change, "start old", lambda: self.world.start(self._host, old.id))
        if old.restart != change.facts["restart"]:
            await self._write(change, "restart policy back", lambda: setattr(old, "restart", change.facts["restart"]))

    async def _leave(self, change: Change, new: Container) -> None:
        if new.running:
            await self._write(change, "stop new", lambda: self.world.stop(self._host, new.id))
        if new.name == self.place.name:
            name = f"{self.place.name}-qd-{change.op}"
            await self._write(change, "rename new away", lambda: self.world.rename(self._host, new.id, name))

    async def put_back(self, change: Change, say: Say) -> str:
        """The new one frees name and port, the old one takes them."""
        await self._read("look before putting back")
        old, new = self._old(change), self._new(change)
        if new is not None:
            await self._leave(change, new)
        await self._regain(change, old)
        if new is not None:
            await self._remove(change, new)
        return f"{old.digest} runs"

    async def endpoint(self, change: Change, through: Through) -> str:
        """The new container itself, or the place's front door."""
        if through == "direct":
            return f"{self._host}/{self._needed(change).id}"
        return f"{self._host}/traffic"


class OverlapTarget(ContainerTarget):
    """Both answer a network alias for a while: the old goes once the new is proven."""

    mode: Mode = "overlap"
    steps = (
        ("pull", "prepare", "direct"), ("create", "prepare", "direct"), ("start", "switch", "direct"),
        ("gate", "gate", "direct"), ("stop", "retire", "direct"), ("prune", "keep", "direct"),
    )  # fmt: skip

    async def _stop(self, change: Change) -> str | None:
        told, new = await super()._stop(change), self._needed(change)
        if new.name != self.place.name:
            await self._write(change, "rename new", lambda: self.world.rename(self._host, new.id, self.place.name))
            told = "retired"
        return told

    async def put_back(self, change: Change, say: Say) -> str:
        """The old one serves before the new one goes."""
        await self._read("look before putting back")
        old, new = self._old(change), self._new(change)
        if new is not None and new.name == self.place.name:
            name = f"{self.place.name}-qd-{change.op}"
            await self._write(change, "rename new away", lambda: self.world.rename(self._host, new.id, name))
        await self._regain(change, old)
        if new is not None:
            await self._leave(change, new)
            await self._remove(change, new)
        return f"{old.digest} runs"


class ProxyTarget(OverlapTarget):
    """A proxy routes to the new one once it is proven, and drains the old one before it stops."""

    mode: Mode = "start-first"
    steps = (
        ("pull", "prepare", "direct"), ("create", "prepare", "direct"), ("start", "switch", "direct"),
        ("gate", "gate", "direct"), ("route", "switch", "direct"), ("drain", "switch", "direct"),
        ("gate", "gate", "traffic"), ("stop", "retire", "direct"), ("prune", "keep", "direct"),
    )  # fmt: skip

    @property
    def _slots(self) -> dict[str, str]:
        return self.world.hosts[self._host].slots

    async def _set(self, change: Change, what: str, it: Container, state: str) -> bool:
        if self._slots.get(it.id) == state:
            return False
        await self._write(change, what, lambda: self._slots.update({it.id: state}))
        return True

    async def _unset(self, change: Change, what: str, it: Container) -> None:
        if it.id in self._slots:
            await self._write(change, what, lambda: self._slots.pop(it.id, None))

    async def _route(self, change: Change) -> str | None:
        return "routed" if await self._set(change, "route new", self._needed(change), "ready") else None

    async def _drain(self, change: Change) -> str | None:
        old = self._old(change)
        if old.id not in self._slots or not await self._set(change, "drain old", old, "drain"):
            return None
        await self.process.clock.sleep(DRAIN_S)
        return "drained"

    async def _stop(self, change: Change) -> str | None:
        await self._unset(change, "unroute old", self._old(change))
        return await super()._stop(change)

    async def put_back(self, change: Change, say: Say) -> str:
        """The old one runs and is routed before the new one drains and goes."""
        await self._read("look before putting back")
        old, new = self._old(change), self._new(change)
        if not old.running:
            await self._write(change, "start old", lambda: self.world.start(self._host, old.id))
        while not self.world.healthy(old):
            await self.process.clock.sleep(0.5)
            await self._read("wait for old")
        await self._set(change, "route old", old, "ready")
        if new is not None and new.id in self._slots:
            await self._set(change, "drain new", new, "drain")
            await self.process.clock.sleep(DRAIN_S)
            await self._unset(change, "unroute new", new)
        return await super().put_back(change, say)
