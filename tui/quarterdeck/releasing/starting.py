"""Starting the runner of a release, and starting one anew for what a dead runner left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import msgspec

from quarterdeck.releasing import planned
from quarterdeck.releasing.context import context_of, sources_named
from quarterdeck.releasing.environ import forwarded_agent, runner_env, secret_names
from quarterdeck.releasing.frozen import why_frozen
from quarterdeck.releasing.journal import LedgerJournal
from quarterdeck.releasing.launch import launch
from quarterdeck.releasing.linkless import refuse_agent_only
from quarterdeck.releasing.lookingon import LookingOn
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.releasing.outliving import Host, outlives, this_host
from quarterdeck.releasing.room import keep_room, make_room
from quarterdeck_adapters.blocking import call
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.policy import Access, Confirm, Place
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.release.store import Running, Stored

LAUNCH_S = 90.0


class Starting(LookingOn):
    """Plans are carried out by a runner of its own; this side only starts it."""

    async def make_room(self) -> None:
        """Before a way back: let a full disk of the state stop it not."""
        await call(lambda: make_room(self._folder), deadline=10, source="state", what="making room")

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
