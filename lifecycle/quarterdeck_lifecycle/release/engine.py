"""The release engine: does what a plan says, proves it, and else puts back what served before. It knows no system.

Each step is written down before and after. Until the first `switch` step nothing that serves was touched, and a
failure clears up; from then on a failure puts every touched target back, last one first, proves that by the same gate
and by the identity read back, or ends STUCK with both workloads named. Once `verify` is done the release is proven, and
what is left (tidying, news) cannot undo it. A rollback that fails its proof is not rolled back again.
"""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError
from quarterdeck_lifecycle.release.course import Course, Ended, NotAllowed
from quarterdeck_lifecycle.release.ending import Ending
from quarterdeck_lifecycle.release.keeper import Keeper, Recovered
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.release.news import News
from quarterdeck_lifecycle.release.ports import (
    Announcer,
    Clock,
    Control,
    Hooks,
    Journal,
    LeaseLost,
    LeaseTaken,
    Measures,
    Prober,
    Target,
)
from quarterdeck_lifecycle.release.proof import Proof
from quarterdeck_lifecycle.release.stepping import Stepping
from quarterdeck_lifecycle.release.turns import Asked, Turns
from quarterdeck_lifecycle.release.undo import Undo
from quarterdeck_lifecycle.state import StateError

__all__ = ["Ended", "Engine", "NotAllowed"]


class Engine:
    """One release, once. `run` goes on where its journal says it stopped; `recover` settles what a death left."""

    def __init__(
        self,
        plan: Plan,
        targets: Mapping[str, Target],
        *,
        journal: Journal,
        control: Control,
        prober: Prober,
        measures: Measures,
        hooks: Hooks,
        announcer: Announcer,
        clock: Clock,
    ) -> None:
        self.plan = plan
        self._journal = journal
        self._course = course = Course(plan, journal)
        self._turns = turns = Turns(clock, control, plan.pace.beat_s, course.note)
        self._proof = proof = Proof(plan, targets, prober, measures, clock, turns, course.note)
        self._keeper = keeper = Keeper(plan, targets, clock, course.note)
        keeper.on_lost = turns.interrupt
        self._undo = Undo(plan, targets, journal, keeper, proof, turns, clock, course.note, course.stand)
        news = News(course, journal, announcer)
        self._ending = Ending(course, journal, keeper, proof, turns, self._undo, news, self._inherit)
        self._stepping = Stepping(
            course, targets, journal, control, hooks, clock, keeper, proof, turns, news, self._ending.give_back
        )

    # the two ways in

    async def run(self) -> Ended:
        """Go forward, from where the journal says. Never raises QuarterdeckError."""
        course, ending = self._course, self._ending
        try:
            if self.plan.kind == "rollback":
                self._journal.lenient()
            await course.remember()
            if course.released():
                return course.settled()
            self._turns.start()
            for step in self.plan.steps:
                await self._stepping.take(step)
        except (LeaseTaken, Recovered, NotAllowed) as error:
            return await ending.untouched("REFUSED", str(error))
        except LeaseLost as error:
            return await ending.lost(error)
        except Asked as asked:
            return await ending.back("ABORTED", str(asked), asked=True)
        except QuarterdeckError as error:
            return await ending.back("FAILED", str(error))
        finally:
            await self._stop()
        more = f"; {'; '.join(course.left)}" if course.left else ""
        return Ended(result="SUCCEEDED", message=f"{self.plan.service} runs {self.plan.to.short}, read back{more}")

    async def recover(self) -> Ended:
        """Settle a release whose runner is dead. Done a second time it changes nothing."""
        self._journal.lenient()
        course, unread = self._course, False
        try:
            await course.remember()
        except StateError:
            unread = True
        if course.released():
            return course.settled()
        if course.proven:
            return await self._finish()
        if self.plan.kind == "rollback" and (await self._still_ours() or await self._runs()):
            return await self.run()
        try:
            self._turns.start()
            await self._inherit()
            if unread:
                course.touch_all()
            await self._close()
            return await self._ending.back("FAILED", "its runner had stopped", hold=False)
        except LeaseTaken as error:
            await course.note(f"leases {await self._keeper.release()}")
            told = f"another release holds the targets now and put this one back: {error}"
            return Ended(result="FAILED", message=told)
        except LeaseLost as error:
            return await self._ending.lost(error)
        except QuarterdeckError as error:
            return self._ending.stuck(f"its runner had stopped, and it could not be recovered: {error}")
        finally:
            await self._stop()

    async def _stop(self) -> None:
        await self._turns.stop()
        await self._keeper.stop()

    async def _inherit(self) -> None:
        """The leases again, with the duties of whoever held them since."""
        try:
            await self._keeper.retake()
        except Recovered as error:
            await self._course.note(str(error))

    async def _finish(self) -> Ended:
        """Proven before the runner stopped: do what is left, if nobody changed it meanwhile."""
        try:
            await self._proof.verify()
        except Conflict as error:
            await self._close()
            if later := await self._undo.later(self.plan.changes):
                return Ended(result="SUCCEEDED", message=f"proven, and changed since by operation {later}")
            return Ended(result="FAILED", message=f"proven, but put back since by another: {error}")
        except QuarterdeckError as error:
            await self._course.note(f"what runs now cannot be read: {error}")
        return await self.run()

    async def _still_ours(self) -> bool:
        """Whether the leases that the ledger says were taken are there: else somebody put this release back."""
        if not any(step.name == "lease" and step.id in self._course.done for step in self.plan.steps):
            return True
        try:
            return await self._keeper.ours()
        except QuarterdeckError as error:
            await self._course.note(f"the leases cannot be read: {error}")
            return False

    async def _runs(self) -> bool:
        """Whether what was released runs everywhere, whatever a ledger that could not be written says."""
        try:
            await self._proof.verify()
        except QuarterdeckError:
            return False
        return True

    async def _close(self) -> None:
        """Give the step at which the runner stopped its outcome: what it did is told by what is found now."""
        begun = await self._journal.begun()
        for step in (*self.plan.steps, *self.plan.back_steps):
            if begun.get(step.id) == "":
                await self._stepping.failed(step, "UNKNOWN: its runner had stopped")
