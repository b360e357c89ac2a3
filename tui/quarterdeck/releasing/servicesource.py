"""Services and operations as a source of the hub, over the config, the targets and the state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck.releasing.belonging import adopted, targets_named
from quarterdeck.releasing.frozen import window
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.releasing.serviceactions import actions
from quarterdeck.releasing.standing import Seen, choices, offered, standing
from quarterdeck.releasing.targets import places_of, target_at
from quarterdeck.releasing.telling import made_by, operation_record
from quarterdeck_adapters.blocking import call
from quarterdeck_config.schema import Service as ServiceConfig
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Container, Operation, Service
from quarterdeck_lifecycle.ports import Action, Listing, Probe
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.release.choosing import Point
from quarterdeck_lifecycle.release.model import SERVICES, Event, Place, service_ref
from quarterdeck_lifecycle.release.once import asked_once
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot
    from quarterdeck.releasing.desk import Desk
    from quarterdeck.releasing.desk import Operation as Kept

AT_ONCE = 8
LOOK_S = 6.0
REST_S, BUSY_S = 30.0, 5.0
OPS_REST_S, OPS_BUSY_S = 10.0, 2.0
RECENT = 200
RECENT_CHANGES = 20
"""Operations that a change seen now may be of."""


class ServiceSource:
    """The source named `services`. What it lists is asked of other sources' targets, each within six seconds."""

    name = SERVICES
    system = "quarterdeck"
    environment = ""
    address = ""
    kinds: tuple[str, ...] = ("service", "operation")

    def __init__(self, boot: Boot, desk: Desk) -> None:
        self.boot = boot
        self.desk = desk
        self.choices: dict[Ref, list[Point]] = {}
        """What each service could go back to, as its targets said last."""
        self.actions: Mapping[str, Action] = actions(self)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._running: dict[Ref, Operation] = {}
        self._recent: Sequence[Kept] = ()
        self._names: dict[Ref, str] = {}

    async def probe(self) -> Probe:
        """How many services the config has."""
        return Probe(version="", evidence=f"{len(self.desk.services())} services in the config")

    async def list(self, kind: str) -> Listing:
        """The services, or the newest operations. Raises StateError for the latter."""
        if kind == "operation":
            return Listing(rows=await self._operations())
        frozen = await self._frozen()
        with asked_once():
            rows: Sequence[Service] = await asyncio.gather(
                *(self._row(name, environment, frozen) for name, environment in self.desk.services())
            )
        return Listing(rows=[*rows, *offered(self._boxes(), targets_named(self.boot.loaded.config))])

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Quicker while an operation runs."""
        busy = any(isinstance(row, Operation) and not row.result for row in rows) or bool(self._running)
        if kind == "operation":
            return OPS_BUSY_S if busy else OPS_REST_S
        return BUSY_S if busy else REST_S

    async def close(self) -> None:
        """Nothing is held between two calls."""

    # services

    async def _row(self, name: str, environment: str, frozen: Mapping[tuple[str, str], str]) -> Service:
        config: ServiceConfig = self.boot.loaded.config.services[name]
        ref = service_ref(name, environment)
        seen = await asyncio.gather(
            *(self._seen(place, settings, name, environment)
              for place, settings in places_of(self.boot, name, environment).items())
        )  # fmt: skip
        self.choices[ref] = choices(seen)
        running = self._running.get(ref)
        return standing(
            name, environment, config, config.environments[environment], seen,
            frozen=frozen.get((name, environment), ""), op=running.op if running is not None else "",
            doing=doing(running) if running is not None else "",
        )  # fmt: skip

    async def _seen(self, place: Place, settings: Mapping[str, str], service: str, environment: str) -> Seen:
        try:
            async with self._at_once, asyncio.timeout(LOOK_S):
                target = target_at(self.boot, place, settings)
                workload = await target.look()
                found = tuple(await target.candidates(service, environment))
        except TimeoutError:
            return Seen(place=place, trouble=f"no answer within {LOOK_S:g} s")
        except QuarterdeckError as error:
            return Seen(place=place, trouble=error.why or error.what)
        return Seen(place=place, workload=workload, candidates=found)

    async def _frozen(self) -> dict[tuple[str, str], str]:
        """Why each service is frozen: by somebody, or by the config."""
        found: dict[tuple[str, str], str] = {}
        now = self.boot.now()
        config = self.boot.loaded.config
        for name, environment in self.desk.services():
            if said := window(config, environment, now):
                found[name, environment] = said
        try:
            freezes = await self.desk.freezes()
        except StateError:
            return found  # the operations say the trouble of the state
        return found | {(freeze.service, freeze.environment): str(freeze) for freeze in freezes}

    def _boxes(self) -> Sequence[Container]:
        rows = (row for snap in self.boot.hub.snapshots("container") for row in snap.rows)
        boxes = [row for row in rows if isinstance(row, Container)]
        self._names = {box.ref: box.name for box in boxes}
        return boxes

    # operations

    def by(self, ref: Ref, at: float) -> tuple[str, str]:
        """The operation that made a change seen now, and who released; empty ones where none did."""
        row = self.boot.hub.find(ref)
        name = row.name if row is not None else self._names.get(ref, "")
        return made_by(self._recent, ref, name, at)

    async def _operations(self) -> Sequence[Operation]:
        found = await self.desk.operations(RECENT)
        live = [each for each in found if each.state != "ended"]
        events = {each.op: await self._events(each.op) for each in live}
        rows = [operation_record(each, events.get(each.op, ())) for each in found]
        self._recent = found[:RECENT_CHANGES]
        running = {service_ref(row.service, row.environment): row for row in rows if not row.result}
        if {ref: row.op for ref, row in running.items()} != {ref: row.op for ref, row in self._running.items()}:
            self.boot.hub.poke(self.name, "service")
        self._running = running
        return rows

    async def _events(self, op: str) -> Sequence[Event]:
        folder = OpFolder(self.boot.state.path.parent, op)
        try:
            return await call(folder.events, deadline=LOOK_S, source=self.name, what="reading an operation's log")
        except QuarterdeckError:
            return ()

    def adopt(self, verb: str, record: Record | None, args: Mapping[str, str]) -> Ref:
        """The service that a verb on another system's row is meant for. Raises Refused, NotFound, Unsupported."""
        return adopted(self.boot.loaded.config, verb, record, args)

    def running(self, ref: Ref) -> str:
        """The operation that runs on a service now, as far as is known; else empty."""
        found = self._running.get(ref)
        return found.op if found is not None else ""


def doing(operation: Operation) -> str:
    """What a service is in while an operation runs on it."""
    if operation.status is Status.WAITING:
        return f"{operation.verb} waits"
    return f"{operation.verb} {operation.place}/{operation.steps}"
