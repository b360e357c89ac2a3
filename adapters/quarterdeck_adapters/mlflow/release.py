"""A model's alias as the target of a release: promote, prove, put back. One instance for one `MODEL@ALIAS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from quarterdeck_adapters.mlflow import release_past, release_plan
from quarterdeck_adapters.mlflow.moving import moved_by, place
from quarterdeck_adapters.mlflow.release_lease import AliasLease
from quarterdeck_adapters.mlflow.release_past import PastMoves
from quarterdeck_adapters.mlflow.release_switch import Switch, marks_of
from quarterdeck_adapters.mlflow.values import Json, pairs, text
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError, Unsupported
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
from quarterdeck_lifecycle.served import move_told

if TYPE_CHECKING:
    from quarterdeck_adapters.mlflow.adapter import MlflowSource

KIND = "alias"
HEALTH: dict[str, Literal["healthy", "unhealthy", "starting"]] = {
    "READY": "healthy",
    "PENDING_REGISTRATION": "starting",
}


class AliasTarget:
    """`ports.Target` for an alias. What it says raises QuarterdeckError; every write needs the source's permit."""

    def __init__(self, source: MlflowSource, name: str, past: PastMoves | None = None) -> None:
        model, at, alias = name.rpartition("@")
        if not at or not model or not alias:
            raise Unsupported(
                f"{name} is no alias of a model", source=source.name, why="a target of kind alias is named MODEL@ALIAS"
            )
        self.source = source
        self.model = model
        self.alias = alias
        self.place = Place(kind=KIND, source=source.name, name=name)
        self.lease: Lease = AliasLease(source.registry, model, alias)
        self.switch = Switch(source.registry, model, alias, source.context.now)
        self._past = past

    @property
    def fence(self) -> Fence | None:
        """What is awaited right before every write."""
        return self.switch.fence

    @fence.setter
    def fence(self, fence: Fence | None) -> None:
        self.switch.fence = fence

    # what is there

    async def look(self) -> Workload:
        """Where the alias is. One on no version runs too: as nothing. Raises NotFound for an unknown model."""
        number, raw = await self.switch.standing()
        if not number:
            await self.source.registry.read_model(self.model)
            return Workload(target=str(self.place), running=True, state="on no version")
        tags = pairs(raw, "tags")
        told = move_told(self.alias, tags)
        state = text(raw.get("status")) or "READY"
        return Workload(
            target=str(self.place), identity=await self.identify(raw), running=True, state=state,
            health=HEALTH.get(state, "unhealthy"), id=number, since=told.at if told is not None else None,
            detail=f"v{number} {state}, {moved_by(self.alias, raw)}", marks=marks_of(self.alias, tags),
        )  # fmt: skip

    async def identify(self, raw: Json, wanted: str = "") -> Identity:
        """A version as an identity, with the commit of its run where that can be read."""
        id = text(raw.get("run_id"))
        runs = (await self.source.origins.of([id])).found if id else {}
        return release_plan.identity(raw, runs.get(id), model=self.model, wanted=wanted)

    async def resolve(self, wanted: str, name: str) -> Identity:  # noqa: ARG002
        """A version or another alias of this model, read now. Raises NotFound."""
        number, alias = release_plan.wanted_version(wanted, self.model, self.source.name)
        if number:
            return await self.identify(await self.source.registry.read_version(self.model, number), wanted)
        raw = await self.source.registry.alias(self.model, alias)
        if raw is None:
            raise NotFound(f"@{alias} of {self.model}", source=self.source.name, why="there is no such alias")
        return await self.identify(raw, wanted)

    async def candidates(self, service: str, environment: str) -> Sequence[Candidate]:  # noqa: ARG002
        """What the alias is on, then what it was on before, the newest first."""
        seen = await self._past(self.source.name, self.model, self.alias) if self._past is not None else ()
        return await release_past.candidates(self, seen)

    # what is done

    async def plan(self, wanted: Wanted) -> Draft:
        """The alias's part of a plan. Sends no write."""
        return await release_plan.draft(self, wanted)

    async def recheck(self, change: Change) -> None:
        """The alias is where the plan saw it, and the version can be served. Raises Conflict."""
        before, to = change.facts["before"], change.to.digest
        found, raw = await self.switch.standing()
        if found != before and not (found == to and self.switch.mine(change, raw)):
            raise Conflict(
                f"@{self.alias} of {self.model} moved since the plan was made", source=self.source.name,
                why=f"it was {place(before)} and is {place(found)} now, {moved_by(self.alias, raw)}",
                mend="look again, then decide anew",
            )  # fmt: skip
        try:
            await self.switch.ready(to)
        except NotFound as error:
            raise Conflict(f"v{to} of {self.model} is gone", source=self.source.name, why=error.why) from error

    async def do(self, change: Change, step: Step, say: Say) -> str:  # noqa: ARG002
        """`move` and `mark`. Raises Conflict when somebody else moved the alias."""
        if step.name == "move":
            return await self.switch.move(change)
        if step.name == "mark":
            return await self.switch.prove(change)
        raise Unsupported(f"{step.name} is no step of an alias", source=self.source.name)

    async def clear_up(self, change: Change, say: Say) -> str:  # noqa: ARG002
        """Nothing is prepared for an alias; a claim without a move is taken away."""
        return await self.switch.unclaim(change)

    async def put_back(self, change: Change, say: Say) -> str:  # noqa: ARG002
        """The alias on the version before, or removed where there was none. Raises Conflict: a stranger moved it."""
        return await self.switch.back(change)

    # how it is proven

    async def endpoint(self, change: Change, through: Through) -> str:  # noqa: ARG002
        """An alias has no address of its own."""
        return ""

    async def probe(self, change: Change, rule: ProbeRule, through: Through) -> Sample:  # noqa: ARG002
        """Whether the alias reads back on the version, and that is READY."""
        if rule.exec:
            raise Unsupported("a program cannot be run in an alias", source=self.source.name, mend="use engine: true")
        seen = await self.look()
        well = change.to.same(seen.identity) and seen.health == "healthy"
        where = place(seen.id) + (f", {seen.state}" if seen.id else "")
        said, at = f"@{self.alias} is {where}", self.source.context.now()
        return Sample(verdict="pass" if well else "fail", said=said, at=at)

    async def evidence(self, change: Change, which: Literal["new", "old"], lines: int) -> Evidence:  # noqa: ARG002
        """The registry's answer about the new or the old version; there is no log."""
        number = change.to.digest if which == "new" else change.facts["before"]
        if not number:
            return Evidence(target=change.target, which=which, state="on no version")
        try:
            raw = await self.source.registry.read_version(self.model, number)
        except QuarterdeckError as error:
            return Evidence(target=change.target, which=which, inspect=f"it cannot be read: {error}")
        inspect = msgspec.json.format(msgspec.json.encode(raw), indent=2).decode()
        return Evidence(target=change.target, which=which, state=text(raw.get("status")), inspect=inspect)
