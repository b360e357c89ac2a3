"""A release that is proposed on the screen: planned, asked about, and started once it was confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from quarterdeck.releasing.belonging import tags_by_digest
from quarterdeck.releasing.between import Found, between
from quarterdeck.releasing.serviceactions import command_of, preview_of
from quarterdeck.releasing.targets import target_at
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ledger import Entry
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

LEASE_S = 10.0
OPEN_S = 120.0
"""How long a confirmed release may take to start; its places are shut again right after."""
Make = Callable[[str], Awaitable[Plan]]


class Proposal:
    """One release of one service. `make` plans it with the put-back that was chosen, empty for the plan's own."""

    def __init__(self, boot: Boot, verb: str, make: Make) -> None:
        self.boot = boot
        self.verb = verb
        self._make = make

    async def plan(self, back: str) -> Plan:
        """The plan. Raises QuarterdeckError."""
        return await self._make(back)

    async def between(self, plan: Plan) -> Found:
        """Commits, people and migrations between what runs and what comes."""
        return await between(self.boot, plan)

    async def outlives(self) -> str:
        """Where it will run, and what that outlives."""
        told = "; ".join((f"on {self.boot.actor.host}", *await self.boot.desk.outlives()))
        told = told.replace("; outlives your logout", ", your logout")
        return told.replace("does not outlive a reboot", "not a reboot")

    def tags(self) -> dict[str, str]:
        """Names of images by digest, as far as they are known here."""
        return tags_by_digest(self.boot.hub.records())

    def run(self, plan: Plan) -> Run | None:
        """The newest known run of the commit that comes, one that has ended before all others; None without one."""
        wanted = plan.to.revision
        runs = [row for row in self.boot.hub.records() if isinstance(row, Run) and wanted and row.head == wanted]
        ended = (Status.OK, Status.BAD)
        return max(runs, key=lambda run: (run.status in ended, run.created_at or 0.0), default=None)

    async def busy(self, plan: Plan) -> str:
        """Who holds a lease on one of its targets, in words; empty when nobody does. Raises QuarterdeckError."""
        for change in plan.changes:
            target = target_at(self.boot, change.place, {"service": plan.service, "environment": plan.environment})
            held = await self.boot.bounded(target.lease.read(), LEASE_S, "reading the lease", change.target)
            if held is not None and held.op != plan.op:
                return f"{held.owner} deploys from {held.host} since {held.since} (operation {held.op[-4:]})"
        return ""

    def typed(self, plan: Plan) -> bool:
        """Whether a place that the plan writes to wants the name typed."""
        return plan.protected or self.boot.desk.confirmation(plan) == "typed"

    def command(self, plan: Plan) -> str:
        """The command line that does the same."""
        return command_of(plan)

    async def start(self, plan: Plan, reason: str) -> str:
        """Start its runner; answers the operation's id. Raises Refused, Unavailable.

        It was confirmed with all that opening a read-only place asks for, so its places are opened for the start.
        """
        plan = msgspec.structs.replace(plan, reason=reason or plan.reason)
        opened = await self._open(plan)
        try:
            op = await self.boot.desk.start(plan)
        finally:
            for place in opened:
                self.boot.policy.shut(place)
        made = preview_of(plan, self.verb, self.boot.hub.find(plan.ref), {})
        if made.inverse is not None:
            self.boot.operator.last = made
        self.boot.hub.poke("services")
        return op

    async def _open(self, plan: Plan) -> list[Place]:
        why = plan.reason or f"{plan.kind} of {plan.service}, confirmed on the deck"
        opened = []
        for place in self.boot.desk.places(plan):
            if not self.boot.policy.access(place).open and self.boot.policy.open_for(place, why, OPEN_S).open:
                opened.append(place)
                entry = Entry(action="write.open", phase="note", op=plan.op, ref="/".join(filter(None, place)), why=why)
                with suppress(StateError):
                    await self.boot.ledger.append(entry)
        return opened
