"""Looking on releases: what the state and the folders of operations tell, and who may write there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

import msgspec

from quarterdeck.boot import Boot
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.releasing.outliving import Host
from quarterdeck.releasing.report import incident
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.ledger import Entry, Phase
from quarterdeck_lifecycle.release.model import Event, Plan, service_ref
from quarterdeck_lifecycle.release.store import Store, Stored
from quarterdeck_lifecycle.state import StateError

OpState = Literal["waiting", "running", "ended", "dead"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `state` is dead when it has no result and no runner; `step` is the id of the step under way.

    Times are RFC 3339 in UTC. `plan` is None when another version of this program wrote it.
    """

    op: str
    kind: str
    service: str
    environment: str
    actor: str
    user: str
    origin: str
    host: str
    reason: str
    created_at: str
    state: OpState
    result: str
    message: str
    step: str
    ended_at: str
    plan: Plan | None


class LookingOn:
    """Operations of this state, as one person at one deck sees them. Making one asks nothing of anybody."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.store = Store(boot.state, redact=redact)
        self._folder = boot.state.path.parent
        self._host: Host | None = None

    def folder(self, op: str) -> OpFolder:
        """Where an operation's log, locks and evidence are. Its methods block on the disk."""
        return OpFolder(self._folder, op)

    def services(self) -> list[tuple[str, str]]:
        """Every configured service in each of its environments."""
        services = self.boot.loaded.config.services
        return [(name, environment) for name, service in services.items() for environment in service.environments]

    async def follow(self, op: str) -> AsyncIterator[Event]:
        """Every event of an operation from its first, then new ones. The last one has a result, or the phase `dead`."""
        row = await self.store.operation(op)
        async for event in self.folder(row.op).follow():
            if event.phase == "dead":
                now = await self.store.operation(row.op)
                if now.state == "ended":
                    event = Event(op=row.op, seq=event.seq, at=now.ended_at, step="", phase="outcome",
                                  message=now.message, result=now.result)  # fmt: skip
            yield event

    async def operations(self, limit: int = 100) -> list[Operation]:
        """The newest first. Those of other users too, where the state is shared."""
        return [self._operation(row) for row in await self.store.operations(limit)]

    async def operation(self, op: str) -> Operation:
        """One, by its id or a unique beginning of it. Raises NotFound."""
        return self._operation(await self.store.operation(op))

    async def history(self, service: str, environment: str, limit: int = 200) -> list[Operation]:
        """The releases of one service, newest first."""
        return [self._operation(row) for row in await self.store.operations(limit, service, environment)]

    def _operation(self, row: Stored) -> Operation:
        state: OpState = row.state
        step, plan = "", None
        if row.state != "ended":
            folder = self.folder(row.op)
            state = row.state if folder.alive() else "dead"
            step = folder.last_step()
        with suppress(msgspec.MsgspecError):
            plan = row.decoded()
        return Operation(
            op=row.op, kind=row.kind, service=row.service, environment=row.environment, actor=row.actor,
            user=row.user, origin=row.origin, host=row.host, reason=row.reason, created_at=row.created_at,
            state=state, result=row.result, message=row.message, step=step, ended_at=row.ended_at, plan=plan,
        )  # fmt: skip

    async def report(self, op: str) -> str:
        """The incident page of an operation, in Markdown, redacted."""
        row = await self.store.operation(op)
        return await incident(row, self.boot.ledger, self.folder(row.op), await self.store.asks(row.op))

    def _writing(self, what: str) -> None:
        if self.boot.policy.read_only:
            raise Refused(f"{what} was refused", why="it was started with --read-only")

    async def refuse(self, kind: str, service: str, environment: str, why: str, op: str = "") -> None:
        """Write down that a release was refused. A state that cannot be written is not in the way of a refusal."""
        with suppress(StateError):
            ref = str(service_ref(service, environment))
            await self.boot.ledger.refused(f"release.{kind}", ref, "REFUSED", why=why, op=op)

    async def _write(self, action: str, ref: str, phase: Phase, why: str, op: str, result: str) -> None:
        entry = Entry(action=action, phase=phase, op=op, ref=ref, why=why, result=result)
        await self.boot.ledger.append(entry)
