"""The ways out of a release that is not proven: nothing was touched, or what was is put back, or it is stuck."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.release.course import Course, Ended
from quarterdeck_lifecycle.release.keeper import Keeper
from quarterdeck_lifecycle.release.model import Change, Result, Step
from quarterdeck_lifecycle.release.news import News
from quarterdeck_lifecycle.release.ports import Journal, LeaseLost
from quarterdeck_lifecycle.release.proof import Proof
from quarterdeck_lifecycle.release.turns import Turns
from quarterdeck_lifecycle.release.undo import DONE, LEFT, Undo


class Ending:
    """Ends one course, and gives its leases back. `inherit` gets leases again that were lost."""

    def __init__(
        self,
        course: Course,
        journal: Journal,
        keeper: Keeper,
        proof: Proof,
        turns: Turns,
        undo: Undo,
        news: News,
        inherit: Callable[[], Awaitable[None]],
    ) -> None:
        self._course = course
        self._plan = course.plan
        self._journal = journal
        self._keeper = keeper
        self._proof = proof
        self._turns = turns
        self._undo = undo
        self._news = news
        self._inherit = inherit

    async def untouched(self, result: Result, why: str) -> Ended:
        """Nothing that serves was changed: remove what was prepared, and say so."""
        self._journal.lenient()
        for change in self._plan.changes if self._keeper.holds else ():
            await self._clear(change)
        await self._news.tell(result, why)
        await self._last("release", result, why)
        return Ended(result=result, message=why)

    async def _clear(self, change: Change) -> None:
        if self._course.prepared(change):
            self._course.tidy = await self._undo.clear(change) and self._course.tidy

    async def lost(self, error: LeaseLost) -> Ended:
        """The lease was not ours for a while: write nothing, unless it can be had again; then put back what is ours,
        for a write may have been on its way when it was lost."""
        self._journal.lenient()
        await self._course.note(str(error))
        try:
            await self._inherit()
            return await self.back("FAILED", str(error), hold=False)
        except QuarterdeckError as other:
            await self._let_go()
            told = f"{error}; whoever took the lease over puts back what this release had changed ({other.short})"
            return Ended(result="FAILED", message=told)

    async def back(self, result: Result, why: str, *, asked: bool = False, hold: bool = True) -> Ended:
        """What every failure and every abort comes to."""
        self._journal.lenient()
        touched = self._course.touched
        if not touched:
            return await self.untouched(result, why)
        why += await self._undo.evidence(touched)
        if hold and not asked and (stays := self._held()):
            await self._let_go()
            return self.stuck(f"{why}; {stays}")
        self._turns.deaf = True
        try:
            later = await self._undo.put_back(touched)
        except LeaseLost as error:
            await self._let_go()
            return Ended(result="FAILED", message=f"{why}; {error}; whoever took the lease over puts it back")
        except QuarterdeckError as error:
            await self._news.tell("STUCK", f"{why}; {error}")
            await self._let_go()
            return self.stuck(f"{why}; it could not be put back: {error}")
        told = f"{why}; {later or 'put back to ' + (self._plan.back.short if self._plan.back else 'what ran before')}"
        for change in self._plan.changes:
            if change not in touched:
                await self._clear(change)
        await self._last("announce", "ROLLED_BACK", told)
        await self._last("release", "ROLLED_BACK", told)
        return Ended(result="ROLLED_BACK", message=told)

    def _held(self) -> str:
        """Why a failure stays as it is; empty when it is put back."""
        if self._plan.on_failure == "hold":
            return "on_failure is hold: nothing was put back"
        if self._plan.kind == "rollback" and self._proof.judged:
            return "a rollback is not rolled back again"
        return ""

    async def _let_go(self) -> None:
        await self._course.note(f"leases {await self._keeper.release()}")

    async def _last(self, name: str, result: Result, why: str) -> None:
        step = next((step for step in self._plan.back_steps if step.name == name), None)
        if step is None:
            return
        await self._journal.intent(step)
        if name == "release":
            await self.give_back(step)
        else:
            await self._journal.outcome(step, f"{DONE}: {await self._news.announce(result, why)}")

    async def give_back(self, step: Step) -> str:
        """The leases. With something left behind, it is no outcome that settles the release."""
        said = await self._keeper.release()
        settles = self._course.tidy and not self._keeper.holds
        await self._journal.outcome(step, f"{DONE if settles else LEFT}: {said}")
        if not settles:
            self._course.left.append(f"leases {said}")
        return said

    def stuck(self, why: str) -> Ended:
        """What is where, and what to run."""
        lines = []
        for change in self._course.touched:
            back = change.back.short if change.back else "nothing"
            lines.append(f"{change.target}: new {change.to.short}, before {back}")
        command = f"quarterdeck recover, or quarterdeck rollback {self._plan.service} --env {self._plan.environment}"
        return Ended(result="STUCK", message=f"{why}; {'; '.join(lines)}; {command}")
