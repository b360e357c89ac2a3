"""What others are told of a release: its facts, how it ended, and the head of the ledger that says so."""

from __future__ import annotations

from quarterdeck_lifecycle.release.course import Course
from quarterdeck_lifecycle.release.ports import Announcer, Journal


class News:
    """The facts of one plan, for hooks and for announcements."""

    def __init__(self, course: Course, journal: Journal, announcer: Announcer) -> None:
        self._course = course
        self._plan = course.plan
        self._journal = journal
        self._announcer = announcer

    def facts(self, result: str, message: str = "") -> dict[str, str]:
        """What is known of the release, by name."""
        plan = self._plan
        return {
            "op": plan.op, "kind": plan.kind, "service": plan.service, "environment": plan.environment,
            "result": result, "from": plan.before.reference if plan.before else "", "to": plan.to.reference,
            "actor": plan.actor, "origin": plan.origin, "host": plan.host, "reason": plan.reason,
            "started_at": plan.at, "message": message,
        }  # fmt: skip

    async def announce(self, result: str, message: str) -> str:
        """Tell those whom the plan names; answers in words what arrived."""
        if not self._plan.announce:
            return "nobody is told"
        facts = {**self.facts(result, message), "ledger_head": await self._journal.head()}
        return await self._announcer.tell(self._plan.announce, facts)

    async def tell(self, result: str, message: str) -> None:
        """As `announce`, where no step of the plan does it: what arrived is noted."""
        if self._plan.announce:
            await self._course.note(await self.announce(result, message))
