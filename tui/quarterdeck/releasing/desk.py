"""The desk of releases: what the commands and the screens do with them. No screen library, and no system of its own.

A plan is made here and carried out by a runner of its own; this side only starts it, asks it and looks on.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Literal

import msgspec

from quarterdeck.boot import Boot
from quarterdeck.releasing import planned
from quarterdeck.releasing.context import context_of, sources_named
from quarterdeck.releasing.environ import forwarded_agent, runner_env, secret_names
from quarterdeck.releasing.frozen import why_frozen
from quarterdeck.releasing.journal import LedgerJournal
from quarterdeck.releasing.launch import launch
from quarterdeck.releasing.linkless import refuse_agent_only
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.releasing.outliving import Host, outlives, this_host
from quarterdeck.releasing.report import incident
from quarterdeck.releasing.room import keep_room, make_room
from quarterdeck_adapters.blocking import call
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Refused
from quarterdeck_lifecycle.ledger import Entry, Phase
from quarterdeck_lifecycle.policy import Access, Confirm, Place
from quarterdeck_lifecycle.release.freezing import Freeze
from quarterdeck_lifecycle.release.model import Event, Kind, Plan, service_ref
from quarterdeck_lifecycle.release.ports import Ask
from quarterdeck_lifecycle.release.store import Running, Store, Stored
from quarterdeck_lifecycle.state import StateError

__all__ = ["Desk", "Freeze", "Operation"]

OpState = Literal["waiting", "running", "ended", "dead"]
LAUNCH_S = 90.0


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


class Desk:
    """Releases, as one person at one deck sees and starts them. Making one asks nothing of anybody."""

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

    async def make_room(self) -> None:
        """Before a way back: let a full disk of the state stop it not."""
        await call(lambda: make_room(self._folder), deadline=10, source="state", what="making room")

    # planning

    async def plan(
        self, service: str, environment: str, wanted: str, *, kind: Kind = "deploy", to_revision: str = "",
        back: str = "", reason: str = "",
    ) -> Plan:  # fmt: skip
        """Decide a release. Sends no write.

        `wanted` is a tag, a digest, or one of the contract's REF forms. Raises Refused, NotFound, Unavailable.
        """
        if kind == "rollback":
            await self.make_room()
        return await planned.service_plan(
            self.boot, service, environment, wanted, kind=kind, to_revision=to_revision, back=back, reason=reason
        )

    async def plan_promote(
        self, model: str, version: str, alias: str, environment: str, *, reason: str = "", back: str = "",
        service: str = "",
    ) -> Plan:  # fmt: skip
        """Decide a move of an alias to a version, with the service that serves it where one is configured.

        `environment` and `service` may be empty where they are not in question. Raises as `plan` does.
        """
        return await planned.alias_plan(
            self.boot, model, version, alias, environment, kind="promote", reason=reason, back=back, service=service
        )

    async def plan_alias_back(
        self, model: str, alias: str, environment: str, *, to_revision: str = "", reason: str = "", back: str = "",
        service: str = "",
    ) -> Plan:  # fmt: skip
        """Decide to move an alias back to its last champion, or to the version named. Raises as `plan` does."""
        await self.make_room()
        return await planned.alias_plan(
            self.boot, model, "", alias, environment, kind="rollback", to_revision=to_revision, reason=reason,
            back=back, service=service,
        )  # fmt: skip

    def access(self, plan: Plan) -> Access:
        """Whether all places of its changes are open for writing; the first that is not says why."""
        found = [self.boot.policy.access(place) for place in self.places(plan)]
        return next((access for access in found if not access.open), found[0] if found else Access(open=True))

    def places(self, plan: Plan) -> list[Place]:
        """Every place that the plan writes to."""
        made = [Place(change.place.source, plan.environment) for change in plan.changes]
        return list(dict.fromkeys(made))

    def confirmation(self, plan: Plan) -> Confirm:
        """How the operator confirms it: the service's name is typed where one of its places is guarded."""
        verb = self.boot.registry.get(f"service.{'rollback' if plan.kind == 'rollback' else 'deploy'}")
        assert verb is not None
        asked = [self.boot.policy.confirmation(verb, place) for place in self.places(plan)]
        return max(asked or ["key"], key=("none", "key", "typed").index)

    # starting

    async def start(self, plan: Plan) -> str:
        """Start a runner on a plan; answers the operation's id.

        Raises Refused (closed, untrusted, frozen, running already: then it names the operation and how to attach),
        Unavailable when no runner could be started.
        """
        try:
            await self._allowed(plan)
            await self._start(plan)
        except Refused as error:
            await self.refuse(plan.kind, plan.service, plan.environment, str(error), plan.op)
            raise
        return plan.op

    async def _start(self, plan: Plan) -> None:
        context = msgspec.json.encode(context_of(self.boot, plan, planned.settings(self.boot, plan))).decode()
        folder = self.folder(plan.op)
        folder.make()
        starting = await self._held(folder)
        try:
            if plan.kind != "rollback":
                await call(lambda: keep_room(self._folder), deadline=10, source="state", what="keeping room")
            folder.reserve()
            await self._begin(plan, context)
            journal = LedgerJournal(plan, self.boot.ledger, folder, redact)
            try:
                await journal.begin()
                await self._launch(folder, plan, recover=False)
            except QuarterdeckError as error:
                await journal.end("FAILED", str(error))
                await self.store.finish(plan.op, "FAILED", str(error))
                journal.close("FAILED", str(error))
                raise
        except QuarterdeckError:
            folder.discard()
            raise
        finally:
            starting()

    async def _allowed(self, plan: Plan) -> None:
        if self.boot.loaded.errors:
            raise Refused("nothing is released while the config has errors", why=str(self.boot.loaded.errors[0]))
        access = self.access(plan)
        if not access.open:
            raise Refused(f"{plan.kind} of {plan.service} was not started", why=access.why)
        service = self.boot.loaded.config.services.get(plan.service)
        if service is not None and not service.deployable:
            raise Refused(f"{plan.service} is not released from here", mend="quarterdeck trust")
        why = await why_frozen(
            self.boot.loaded.config, self.store, plan.service, plan.environment, plan.kind, self.boot.actor.user,
            time.time(),
        )  # fmt: skip
        if why:
            raise Refused(f"{plan.service} in {plan.environment} is frozen", why=why)
        if forwarded_agent(self.boot.env):
            named = [self.boot.configs[name] for name in sources_named(plan) if name in self.boot.configs]
            await refuse_agent_only(named, self._runner_env(plan))

    async def _begin(self, plan: Plan, context: str) -> None:
        try:
            await self.store.begin(plan, self.boot.actor, context)
        except Running as other:
            if self.folder(other.op).alive():
                raise
            await self.recover(other.op)
            await self.store.begin(plan, self.boot.actor, context)

    async def _held(self, folder: OpFolder) -> Callable[[], None]:
        """Count as alive while a runner is being started, so that nobody recovers what only begins."""
        handle = await call(lambda: folder.hold("launch"), deadline=10, source="state", what="locking the operation")
        return (lambda: None) if handle is None else partial(os.close, handle)

    async def _launch(self, folder: OpFolder, plan: Plan, *, recover: bool) -> None:
        env, host = self._runner_env(plan), await self._this_host()

        def work() -> None:
            launch(folder, env, host, cwd=self.boot.cwd, beat_s=plan.pace.beat_s, recover=recover)

        await call(work, deadline=LAUNCH_S, source="runner", what="starting the runner")

    def _runner_env(self, plan: Plan) -> dict[str, str]:
        sources = [self.boot.configs[name] for name in sources_named(plan) if name in self.boot.configs]
        env = runner_env(self.boot.env, secret_names(self.boot.loaded.config, sources))
        return env | {"QUARTERDECK_STATE": str(self._folder)}

    async def _this_host(self) -> Host:
        if self._host is None:
            env = self.boot.env
            self._host = await call(lambda: this_host(env), deadline=10, source="host", what="asking logind")
        return self._host

    async def outlives(self) -> tuple[str, ...]:
        """What a release started now outlives: a line each for the link, the logout, the reboot."""
        told = outlives(await self._this_host())
        if agent := forwarded_agent(self.boot.env):
            return (*told, f"the forwarded ssh agent ({agent}) dies with your link: the runner does not use it")
        return told

    # looking on

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

    # what is asked of a running one

    async def ask(self, op: str, ask: Ask, why: str = "") -> None:
        """Ask a running operation to abort, keep, extend or put back. Raises Refused when nobody is there to hear."""
        self._writing(ask)
        row = await self.store.operation(op)
        if row.state != "ended" and not self.folder(row.op).alive():
            raise Refused(f"the runner of {row.op} is dead", mend=f"quarterdeck recover {row.op}")
        await self.store.ask(row.op, ask, self.boot.actor, why)

    async def approve(self, op: str, why: str = "") -> None:
        """Say yes to another user's plan, for 30 minutes. Raises Refused for one's own."""
        self._writing("the approval")
        row = await self.store.operation(op)
        await self.store.approve(row, row.decoded().digest(), self.boot.actor, why)
        ref = str(service_ref(row.service, row.environment))
        await self._write("release.approve", ref, "note", why, row.op, "approved for 30 minutes")

    async def recover(self, op: str = "") -> list[tuple[str, str, str]]:
        """Settle every operation whose runner is dead, or the one named; a STUCK one is tried again by its name.

        Answers (op, result, message) of those that were settled now. Done again it changes nothing.
        """
        self._writing("the recovery")
        await self.make_room()
        rows = [await self.store.operation(op)] if op else await self.store.unended()
        settled = []
        for row in rows:
            if op and row.result == "STUCK" and await self.store.reopen(row.op):
                row = msgspec.structs.replace(row, state="running", result="")
            if row.state != "ended" and not self.folder(row.op).alive():
                settled.append(await self._recover(row))
        return settled

    async def _recover(self, row: Stored) -> tuple[str, str, str]:
        folder = self.folder(row.op)
        folder.make()
        starting = await self._held(folder)
        try:
            await self._launch(folder, row.decoded(), recover=True)
        except (QuarterdeckError, msgspec.MsgspecError) as error:
            return row.op, "STUCK", f"it could not be recovered: {error}"
        finally:
            starting()
        said = ""
        async for event in self.follow(row.op):
            said = event.message if event.phase != "dead" else said
        now = await self.store.operation(row.op)
        if now.state == "ended":
            return row.op, now.result, now.message
        return row.op, "STUCK", f"it could not be recovered, quarterdeck recover tries again: {said}"

    # freezes

    async def freeze(self, service: str, environment: str, reason: str, until: float | None = None) -> Freeze:
        """Forbid releases of a service, until then (epoch seconds). Raises NotFound, ValueError without a reason."""
        self._writing("the freeze")
        self._known(service, environment)
        made = await self.store.freeze(service, environment, self.boot.actor, reason, until)
        await self._write("release.freeze", str(service_ref(service, environment)), "note", reason, "", str(made))
        return made

    async def unfreeze(self, service: str, environment: str) -> None:
        """Take one's own freeze away. Raises NotFound, and Refused for another's."""
        self._writing("it")
        await self.store.unfreeze(service, environment, self.boot.actor)
        await self._write("release.unfreeze", str(service_ref(service, environment)), "note", "", "", "unfrozen")

    async def freezes(self) -> list[Freeze]:
        """Every freeze that holds now; those that the config says are not among them."""
        return await self.store.freezes()

    def _writing(self, what: str) -> None:
        if self.boot.policy.read_only:
            raise Refused(f"{what} was refused", why="it was started with --read-only")

    async def refuse(self, kind: str, service: str, environment: str, why: str, op: str = "") -> None:
        """Write down that a release was refused. A state that cannot be written is not in the way of a refusal."""
        with suppress(StateError):
            ref = str(service_ref(service, environment))
            await self.boot.ledger.refused(f"release.{kind}", ref, "REFUSED", why=why, op=op)

    def _known(self, service: str, environment: str) -> None:
        if (service, environment) not in self.services():
            places = ", ".join(f"{name} in {env}" for name, env in self.services()) or "none"
            raise NotFound(f"no service is called {service} in {environment}", why=f"known are {places}")

    async def _write(self, action: str, ref: str, phase: Phase, why: str, op: str, result: str) -> None:
        entry = Entry(action=action, phase=phase, op=op, ref=ref, why=why, result=result)
        await self.boot.ledger.append(entry)
