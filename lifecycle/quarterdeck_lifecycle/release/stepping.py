"""Doing one step of a plan: between its intent and its outcome, within its deadline, with the lease read before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from quarterdeck_lifecycle.errors import QuarterdeckError, RateLimited, Unavailable
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.course import Course, NotAllowed
from quarterdeck_lifecycle.release.keeper import Keeper
from quarterdeck_lifecycle.release.model import Step
from quarterdeck_lifecycle.release.news import News
from quarterdeck_lifecycle.release.ports import Clock, Control, Hooks, Journal, LeaseLost, Target
from quarterdeck_lifecycle.release.proof import Proof
from quarterdeck_lifecycle.release.turns import Late, Turns
from quarterdeck_lifecycle.release.undo import BACK_PAUSE_S, DONE, before
from quarterdeck_lifecycle.state import StateError

APPROVAL_S = 1800.0


class Stepping:
    """Takes the steps of one course. `give_back` does the last one: it returns the leases and says what is left."""

    def __init__(
        self,
        course: Course,
        targets: Mapping[str, Target],
        journal: Journal,
        control: Control,
        hooks: Hooks,
        clock: Clock,
        keeper: Keeper,
        proof: Proof,
        turns: Turns,
        news: News,
        give_back: Callable[[Step], Awaitable[str]],
    ) -> None:
        self._course = course
        self._plan = course.plan
        self._targets = targets
        self._journal = journal
        self._control = control
        self._hooks = hooks
        self._clock = clock
        self._keeper = keeper
        self._proof = proof
        self._turns = turns
        self._news = news
        self._give_back = give_back

    async def take(self, step: Step) -> None:
        """Do a step that is not done yet. Raises QuarterdeckError; of a proven release only what is left is noted."""
        course = self._course
        if step.id in course.done:
            if step.name == "lease":
                await self._retake()
            return
        if self._keeper.why_lost and not course.proven:
            raise LeaseLost("stopped", why=self._keeper.why_lost)
        if not course.proven:
            self._turns.raise_asked()
        course.count(step)
        try:
            await self._written(step)
        except QuarterdeckError as error:
            if not course.proven:
                raise
            course.left.append(f"{step.title}: {error.short}")
            return
        if step.name == "verify":
            course.proven = True
            self._journal.lenient()

    async def _retake(self) -> None:
        try:
            await self._keeper.take()
        except QuarterdeckError as error:
            if not self._course.proven:
                raise
            self._course.left.append(f"the lease is gone, what is left to tidy stays: {error.short}")

    async def _written(self, step: Step) -> str:
        """One step between its intent and its outcome."""
        self._course.stand(step.id)
        if step.name == "release":
            await self._journal.intent(step)
            return await self._give_back(step)
        await self._journal.intent(step, before(step, self._plan.change(step.target)))
        try:
            said = await self._insist(step)
            if step.name == "verify":
                await self._say_proven()
        except QuarterdeckError as error:
            await self.failed(step, f"FAILED: {error}")
            raise
        await self._journal.outcome(step, f"{DONE}: {said}", said)
        return said

    async def _say_proven(self) -> None:
        """On the targets before the ledger: a death between the two is put back by us, and by nobody else."""
        await self._keeper.proven()
        if self._keeper.lost.is_set():
            raise LeaseLost("stopped", why=self._keeper.why_lost)

    async def failed(self, step: Step, result: str) -> None:
        """Write a failure down; what failed is more important than a ledger that fails as well."""
        try:
            await self._journal.outcome(step, result)
        except StateError as error:
            await self._course.note(f"the ledger cannot be written: {error}")

    async def _insist(self, step: Step) -> str:
        """A step, again while its system does not answer: within the lease's time, and a rollback, which nothing would
        put back, within the step's own. What prepares a deploy is not repeated: a registry that is down is said."""
        back = self._plan.kind == "rollback"
        patience = step.deadline_s if back else 0.0 if step.phase == "prepare" else self._plan.pace.lease_s
        until = self._clock.monotonic() + patience
        while True:
            try:
                return await self._do(step)
            except (Unavailable, RateLimited) as error:
                if isinstance(error, Late) or self._clock.monotonic() + BACK_PAUSE_S >= until:
                    raise
                left = until - self._clock.monotonic()
                await self._course.note(f"{error.short}; tried again for {left:.0f} s more")
            await self._turns.pause(min(BACK_PAUSE_S, self._plan.pace.beat_s))

    async def _do(self, step: Step) -> str:
        change = self._plan.change(step.target) if step.target else None
        if change is None:
            return await self._whole(step)
        if step.phase == "gate":
            return await self._turns.within(step, self._proof.gate(step, change), interruptible=True)
        target = self._targets[step.target]
        with permit(change.place.source):
            await self._keeper.check(step.target)
            free = step.phase == "prepare"
            return await self._turns.within(step, target.do(change, step, self._course.note), interruptible=free)

    async def _whole(self, step: Step) -> str:
        plan = self._plan
        if step.name == "approval":
            return await self._approval()
        if step.name == "lease":
            return await self._turns.within(step, self._keeper.take(), interruptible=False)
        if step.name == "preflight":
            return await self._turns.within(step, self._preflight(), interruptible=True)
        if step.name in ("hook-pre", "hook-post"):
            hook, proven = plan.pre if step.name == "hook-pre" else plan.post, self._course.proven
            argv, timeout = (hook.argv, hook.timeout_s) if hook else ((), 0.0)
            facts = self._news.facts("SUCCEEDED" if proven else "")
            running = self._hooks.run(argv, timeout, facts, self._course.note)
            return await self._turns.within(step, running, interruptible=not proven)
        if step.name == "soak":
            return await self._proof.soak(step)
        if step.name == "verify":
            return await self._turns.within(step, self._proof.verify(), interruptible=False)
        if step.name == "announce":
            return await self._news.announce("SUCCEEDED", f"{plan.service} runs {plan.to.short}")
        raise NotAllowed(f"the plan has a step that this program does not know: {step.name}", mend="upgrade it")

    async def _approval(self) -> str:
        digest, until = self._plan.digest(), self._clock.monotonic() + APPROVAL_S
        await self._course.note(f"waits for the approval of another user: quarterdeck approve {self._plan.op}")
        while not (who := await self._control.approved(digest)):
            if self._clock.monotonic() >= until:
                raise NotAllowed("nobody approved it in time", why=f"{APPROVAL_S / 60:g} minutes have passed")
            await self._turns.pause(self._plan.pace.beat_s)
        return f"approved by {who}"

    async def _preflight(self) -> str:
        if why := await self._control.frozen():
            raise NotAllowed("frozen", why=why)
        for change in self._plan.changes:
            try:
                await self._targets[change.target].recheck(change)
            except Unavailable:
                raise
            except QuarterdeckError as error:
                raise NotAllowed(str(error)) from error
        return await self._proof.before()
