"""One container as the target of a release: recreated on another image with the configuration it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from quarterdeck_adapters.docker.release import checks, images, planning, prove, retained
from quarterdeck_adapters.docker.release.back import Back
from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.facts import policy, read
from quarterdeck_adapters.docker.release.lease import ContainerLease
from quarterdeck_adapters.docker.release.moves import ALIVE, Moves, ending, started_at, status
from quarterdeck_adapters.docker.release.references import repository
from quarterdeck_adapters.docker.release.routing import Routing
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.release.model import (
    Candidate,
    Change,
    Draft,
    Identity,
    Place,
    ProbeRule,
    Step,
    Through,
    Workload,
)
from quarterdeck_lifecycle.release.ports import Evidence, Fence, Lease, Sample, Say, Wanted

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.adapter import DockerSource

Health = Literal["healthy", "unhealthy", "starting", "none", "unknown"]
HEALTH: dict[str, Health] = {"healthy": "healthy", "unhealthy": "unhealthy", "starting": "starting", "none": "none"}


class ContainerTarget:
    """A container of one engine, by its name. See `Target` of the lifecycle's release ports."""

    def __init__(self, source: DockerSource, name: str, settings: Mapping[str, str]) -> None:
        self.place = Place(kind="container", source=source.name, name=name)
        self.settings = dict(settings)
        self.calls = Calls(source)
        self.moves = Moves(self.calls)
        self.lease: Lease = ContainerLease(
            Calls(source), name, settings.get("service", ""), settings.get("environment", "")
        )

    @property
    def fence(self) -> Fence | None:
        """What is awaited right before every write."""
        return self.calls.fence

    @fence.setter
    def fence(self, fence: Fence | None) -> None:
        self.calls.fence = fence

    async def _current(self) -> Json:
        found = await self.calls.named(self.place.name)
        if found is None:
            raise NotFound(f"no container {self.place.name}", source=self.place.source)
        return found

    async def look(self) -> Workload:
        """What runs under the name now. Raises NotFound, QuarterdeckError."""
        found = await self._current()
        identity, _ = await images.running(self.calls, found)
        alive = status(found) in ALIVE
        health = str(((found.get("State") or {}).get("Health") or {}).get("Status") or "none")
        restarts = found.get("RestartCount") or 0
        return Workload(
            target=str(self.place), identity=identity, running=alive, health=HEALTH.get(health, "unknown"),
            state=status(found), detail="" if alive and not restarts else f"{ending(found)}, {restarts} restarts",
            id=str(found["Id"]), since=started_at(found), marks=retained.marks_of(found),
        )  # fmt: skip

    async def resolve(self, wanted: str, name: str) -> Identity:
        """A tag or digest of the repository `name` (empty: the one that runs). Raises NotFound."""
        base = name or repository(str(((await self._current()).get("Config") or {}).get("Image") or ""))
        return await images.resolve(self.calls, wanted, base)

    async def candidates(self, service: str, environment: str) -> Sequence[Candidate]:
        """What runs now, then the retained ones, newest first."""
        return await retained.candidates(self.calls, await self._current(), str(self.place), service, environment)

    async def plan(self, wanted: Wanted) -> Draft:
        """This container's part of a plan. Raises Refused, NotFound, QuarterdeckError."""
        return await planning.draft(self.calls, self.place, wanted, {**self.settings, **wanted.settings})

    async def recheck(self, change: Change) -> None:
        """The old container is the planned one, and the tag means the planned digest. Raises Conflict."""
        facts, found = read(change), await self._current()
        name = self.place.name
        if found["Id"] != facts.old_id or found.get("Image") != facts.old_image:
            raise self._moved(f"{name} is another container ({str(found['Id'])[:12]})")
        if policy(found) != facts.restart:
            raise self._moved(f"{name} has another restart policy")
        if (status(found) in ALIVE) != facts.ran:
            raise self._moved(f"{name} is {status(found)}")
        if not facts.own_image and (now := await checks.tag_moved(self.calls, change.to)):
            raise self._moved(f"{change.to.wanted} means {now[7:19]} and no more {change.to.short}")

    def _moved(self, why: str) -> Conflict:
        return Conflict(
            f"{self.place.name} moved since the plan", source=self.place.source, why=why,
            mend="look again, then plan anew",
        )  # fmt: skip

    async def do(self, change: Change, step: Step, say: Say) -> str:
        """One step. Raises QuarterdeckError; Unsupported for a step that is none of a container's."""
        beside = change.mode in ("start-first", "overlap")
        if step.name == "pull":
            return await images.pull(self.calls, change.to, say, step.deadline_s)
        if step.name == "create":
            return await self.moves.create(change)
        if step.name == "start":
            return await (self.moves.start_new(change) if beside else self._take_over(change))
        if step.name == "stop":
            return await (self._retire(change) if beside else self.moves.stop_old(change))
        if step.name == "route":
            new = await self._new(change)
            return await Routing(self.calls, read(change)).route(new, max(step.deadline_s - 5, 1.0))
        if step.name == "drain":
            return await Routing(self.calls, read(change)).drain(
                await self.moves.old(change), await self._new(change), say
            )
        if step.name == "prune":
            return await self._prune(change, say)
        raise Unsupported(f"no step {step.name} of a container", source=self.place.source)

    async def _new(self, change: Change) -> Json:
        found = await self.moves.new(change)
        if found is None:
            raise Conflict(f"the new {self.place.name} is gone", source=self.place.source, why="somebody removed it")
        return found

    async def _take_over(self, change: Change) -> str:
        old = await self.moves.old(change)
        if status(old) in ALIVE:
            raise Conflict(
                f"the new {self.place.name} was not started", source=self.place.source, why="the old one still runs"
            )
        await self.moves.swap_names(change)
        said, gap = await self.moves.start_new(change), await self.moves.gap(change)
        return said if gap is None else f"{said}, {gap:.2f} s after the old one's end"

    async def _retire(self, change: Change) -> str:
        """The new one runs and is proven: the old one stops, and gives its name away."""
        new = await self._new(change)
        if status(new) not in ALIVE:
            raise Conflict(
                f"the old {self.place.name} was not stopped", source=self.place.source,
                why=f"the new one does not run: {ending(new)}",
            )  # fmt: skip
        said = await self.moves.stop_old(change)
        return f"{said}, kept as {read(change).old_name}" if await self.moves.swap_names(change) else said

    async def _prune(self, change: Change, say: Say) -> str:
        """Say by the old one's name that this release is proven, then let the oldest of the retained go."""
        facts = read(change)
        await self.moves.name_proven(change)
        kept = await retained.retained(self.calls, self.place.name, change.service, change.environment)
        said = await retained.prune(self.calls, kept, facts.keep, {facts.old_id, facts.back.id}, say)
        left = await retained.leftovers(self.calls, change)
        return f"{said}; {left}" if left else said

    async def clear_up(self, change: Change, say: Say) -> str:
        """What ran before runs as before, what was created is gone."""
        return await Back(self.moves, change, say).to(read(change).before)

    async def put_back(self, change: Change, say: Say) -> str:
        """What the plan goes back to has the name and runs with its restart policy; the new one is gone."""
        return await Back(self.moves, change, say).to(read(change).back)

    async def endpoint(self, change: Change, through: Through) -> str:
        """IP:PORT of the new container where it runs beside the old one; empty: the probe's own address."""
        if through == "traffic" or change.mode not in ("start-first", "overlap"):
            return ""
        return await prove.endpoint(self.moves, change)

    async def probe(self, change: Change, rule: ProbeRule, through: Through) -> Sample:  # noqa: ARG002
        """The engine's health check, or a program inside the new container (the old one, once that is gone)."""
        return await prove.sample(self.moves, change, rule)

    async def evidence(self, change: Change, which: Literal["new", "old"], lines: int) -> Evidence:
        """The last lines, exit code and inspect. Raises NotFound."""
        return await prove.evidence(self.moves, change, which, lines)
