"""The release engine: does what a plan says, proves it, and else puts back what served before. It knows no system.

Each step is written down before and after. Until the first `switch` step nothing that serves was touched, and a
failure clears up; from then on a failure puts every touched target back, last one first, proves that by the same gate
and by the identity read back, or ends STUCK with both workloads named. Once `verify` is done the release is proven, and
what is left (tidying, news) cannot undo it. A rollback that fails its proof is not rolled back again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError, RateLimited, Unavailable
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.keeper import Keeper, Recovered
from quarterdeck_lifecycle.release.model import Change, Plan, Result, Step
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
from quarterdeck_lifecycle.release.turns import Asked, Late, Turns
from quarterdeck_lifecycle.release.undo import BACK_PAUSE_S, DONE, LEFT, Undo, before
from quarterdeck_lifecycle.state import StateError

APPROVAL_S = 1800.0


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a release ended, in a word of the contract and in words for people."""

    result: Result
    message: str


class NotAllowed(QuarterdeckError):
    """A preflight said no: nothing was touched."""

    word = "refused"


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
        self._targets = targets
        self._journal = journal
        self._hooks = hooks
        self._announcer = announcer
        self._clock = clock
        self._control = control
        self._turns = Turns(clock, control, plan.pace.beat_s, self._note)
        self._proof = Proof(plan, targets, prober, measures, clock, self._turns, self._note)
        self._keeper = Keeper(plan, targets, clock, self._note)
        self._keeper.on_lost = self._turns.interrupt
        self._undo = Undo(
            plan, targets, journal, self._keeper, self._proof, self._turns, clock, self._note, self._stand
        )  # fmt: skip
        self._at = ""
        self._done: dict[str, str] = {}
        self._touched: list[str] = []
        self._prepared: set[str] = set()
        self._left: list[str] = []
        self._proven = False
        self._tidy = True

    # the two ways in

    async def run(self) -> Ended:
        """Go forward, from where the journal says. Never raises QuarterdeckError."""
        try:
            if self.plan.kind == "rollback":
                self._journal.lenient()
            await self._remember()
            if self._released():
                return self._settled()
            self._turns.start()
            for step in self.plan.steps:
                await self._take_step(step)
        except (LeaseTaken, Recovered, NotAllowed) as error:
            return await self._untouched("REFUSED", str(error))
        except LeaseLost as error:
            return await self._lost(error)
        except Asked as asked:
            return await self._back("ABORTED", str(asked), asked=True)
        except QuarterdeckError as error:
            return await self._back("FAILED", str(error))
        finally:
            await self._turns.stop()
            await self._keeper.stop()
        more = f"; {'; '.join(self._left)}" if self._left else ""
        return Ended(result="SUCCEEDED", message=f"{self.plan.service} runs {self.plan.to.short}, read back{more}")

    async def recover(self) -> Ended:
        """Settle a release whose runner is dead. Done a second time it changes nothing."""
        self._journal.lenient()
        unread = False
        try:
            await self._remember()
        except StateError:
            unread = True
        if self._released():
            return self._settled()
        if self._proven:
            return await self._finish()
        if self.plan.kind == "rollback" and (await self._still_ours() or await self._runs()):
            return await self.run()
        try:
            self._turns.start()
            await self._inherit()
            if unread:
                self._touched = [change.target for change in self.plan.changes]
            await self._close()
            return await self._back("FAILED", "its runner had stopped", hold=False)
        except LeaseTaken as error:
            await self._note(f"leases {await self._keeper.release()}")
            told = f"another release holds the targets now and put this one back: {error}"
            return Ended(result="FAILED", message=told)
        except LeaseLost as error:
            return await self._lost(error)
        except QuarterdeckError as error:
            return self._stuck(f"its runner had stopped, and it could not be recovered: {error}")
        finally:
            await self._turns.stop()
            await self._keeper.stop()

    async def _inherit(self) -> None:
        """The leases again, with the duties of whoever held them since."""
        try:
            await self._keeper.retake()
        except Recovered as error:
            await self._note(str(error))

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
            await self._note(f"what runs now cannot be read: {error}")
        return await self.run()

    async def _still_ours(self) -> bool:
        """Whether the leases that the ledger says were taken are there: else somebody put this release back."""
        if not any(step.name == "lease" and step.id in self._done for step in self.plan.steps):
            return True
        try:
            return await self._keeper.ours()
        except QuarterdeckError as error:
            await self._note(f"the leases cannot be read: {error}")
            return False

    async def _runs(self) -> bool:
        """Whether what was released runs everywhere, whatever a ledger that could not be written says."""
        try:
            await self._proof.verify()
        except QuarterdeckError:
            return False
        return True

    async def _remember(self) -> None:
        self._done = {id: told for id, told in (await self._journal.done()).items() if told.startswith(DONE)}
        begun = await self._journal.begun()
        for step in self.plan.steps:
            if step.id in begun:
                self._count(step)
        verify = next((step.id for step in self.plan.steps if step.name == "verify"), "")
        self._proven = verify in self._done

    async def _close(self) -> None:
        """Give the step at which the runner stopped its outcome: what it did is told by what is found now."""
        begun = await self._journal.begun()
        for step in (*self.plan.steps, *self.plan.back_steps):
            if begun.get(step.id) == "":
                await self._outcome(step, "UNKNOWN: its runner had stopped")

    def _released(self) -> bool:
        last = {steps[-1].id for steps in (self.plan.steps, self.plan.back_steps) if steps}
        return bool(last & self._done.keys())

    def _settled(self) -> Ended:
        if self._proven:
            return Ended(result="SUCCEEDED", message="settled already: proven")
        return Ended(result="ROLLED_BACK" if self._touched else "FAILED", message="settled already: put back")

    # one step

    async def _take_step(self, step: Step) -> None:
        if step.id in self._done:
            if step.name == "lease":
                await self._retake()
            return
        if self._keeper.why_lost and not self._proven:
            raise LeaseLost("stopped", why=self._keeper.why_lost)
        if not self._proven:
            self._turns.raise_asked()
        self._count(step)
        try:
            await self._written(step)
        except QuarterdeckError as error:
            if not self._proven:
                raise
            self._left.append(f"{step.title}: {error.short}")
            return
        if step.name == "verify":
            self._proven = True
            self._journal.lenient()

    def _count(self, step: Step) -> None:
        """Which targets are touched, and on which something may have been made that has to go again."""
        if step.phase == "prepare":
            self._prepared.add(step.target)
        if step.phase in ("switch", "retire") and step.target not in self._touched:
            self._touched.append(step.target)

    async def _retake(self) -> None:
        try:
            await self._keeper.take()
        except QuarterdeckError as error:
            if not self._proven:
                raise
            self._left.append(f"the lease is gone, what is left to tidy stays: {error.short}")

    async def _written(self, step: Step) -> str:
        """One step between its intent and its outcome."""
        self._at = step.id
        if step.name == "release":
            await self._journal.intent(step)
            return await self._give_back(step)
        await self._journal.intent(step, before(step, self.plan.change(step.target)))
        try:
            said = await self._insist(step)
            if step.name == "verify":
                await self._say_proven()
        except QuarterdeckError as error:
            await self._outcome(step, f"FAILED: {error}")
            raise
        await self._journal.outcome(step, f"{DONE}: {said}", said)
        return said

    async def _say_proven(self) -> None:
        """On the targets before the ledger: a death between the two is put back by us, and by nobody else."""
        await self._keeper.proven()
        if self._keeper.lost.is_set():
            raise LeaseLost("stopped", why=self._keeper.why_lost)

    async def _outcome(self, step: Step, result: str) -> None:
        """Write a failure down; what failed is more important than a ledger that fails as well."""
        try:
            await self._journal.outcome(step, result)
        except StateError as error:
            await self._note(f"the ledger cannot be written: {error}")

    async def _insist(self, step: Step) -> str:
        """A step, again while its system does not answer: within the lease's time, and a rollback, which nothing would
        put back, within the step's own. What prepares a deploy is not repeated: a registry that is down is said."""
        back = self.plan.kind == "rollback"
        patience = step.deadline_s if back else 0.0 if step.phase == "prepare" else self.plan.pace.lease_s
        until = self._clock.monotonic() + patience
        while True:
            try:
                return await self._do(step)
            except (Unavailable, RateLimited) as error:
                if isinstance(error, Late) or self._clock.monotonic() + BACK_PAUSE_S >= until:
                    raise
                await self._note(f"{error.short}; tried again for {until - self._clock.monotonic():.0f} s more")
            await self._turns.pause(min(BACK_PAUSE_S, self.plan.pace.beat_s))

    async def _do(self, step: Step) -> str:
        change = self.plan.change(step.target) if step.target else None
        if change is None:
            return await self._whole(step)
        if step.phase == "gate":
            return await self._turns.within(step, self._proof.gate(step, change), interruptible=True)
        target = self._targets[step.target]
        with permit(change.place.source):
            await self._keeper.check(step.target)
            free = step.phase == "prepare"
            return await self._turns.within(step, target.do(change, step, self._note), interruptible=free)

    async def _whole(self, step: Step) -> str:
        plan = self.plan
        if step.name == "approval":
            return await self._approval()
        if step.name == "lease":
            return await self._turns.within(step, self._keeper.take(), interruptible=False)
        if step.name == "preflight":
            return await self._turns.within(step, self._preflight(), interruptible=True)
        if step.name in ("hook-pre", "hook-post"):
            hook = plan.pre if step.name == "hook-pre" else plan.post
            argv, timeout = (hook.argv, hook.timeout_s) if hook else ((), 0.0)
            running = self._hooks.run(argv, timeout, self._facts("SUCCEEDED" if self._proven else ""), self._note)
            return await self._turns.within(step, running, interruptible=not self._proven)
        if step.name == "soak":
            return await self._proof.soak(step)
        if step.name == "verify":
            return await self._turns.within(step, self._proof.verify(), interruptible=False)
        if step.name == "announce":
            return await self._announce("SUCCEEDED", f"{plan.service} runs {plan.to.short}")
        raise NotAllowed(f"the plan has a step that this program does not know: {step.name}", mend="upgrade it")

    async def _approval(self) -> str:
        digest, until = self.plan.digest(), self._clock.monotonic() + APPROVAL_S
        await self._note(f"waits for the approval of another user: quarterdeck approve {self.plan.op}")
        while not (who := await self._control.approved(digest)):
            if self._clock.monotonic() >= until:
                raise NotAllowed("nobody approved it in time", why=f"{APPROVAL_S / 60:g} minutes have passed")
            await self._turns.pause(self.plan.pace.beat_s)
        return f"approved by {who}"

    async def _preflight(self) -> str:
        if why := await self._control.frozen():
            raise NotAllowed("frozen", why=why)
        for change in self.plan.changes:
            try:
                await self._targets[change.target].recheck(change)
            except Unavailable:
                raise
            except QuarterdeckError as error:
                raise NotAllowed(str(error)) from error
        return await self._proof.before()

    # the ways out

    async def _untouched(self, result: Result, why: str) -> Ended:
        """Nothing that serves was changed: remove what was prepared, and say so."""
        self._journal.lenient()
        for change in self.plan.changes if self._keeper.holds else ():
            await self._clear(change)
        await self._news(result, why)
        await self._last("release", result, why)
        return Ended(result=result, message=why)

    async def _clear(self, change: Change) -> None:
        if change.target not in self._prepared:
            return
        self._tidy = await self._undo.clear(change) and self._tidy

    async def _lost(self, error: LeaseLost) -> Ended:
        """The lease was not ours for a while: write nothing, unless it can be had again; then put back what is ours,
        for a write may have been on its way when it was lost."""
        self._journal.lenient()
        await self._note(str(error))
        try:
            await self._inherit()
            return await self._back("FAILED", str(error), hold=False)
        except QuarterdeckError as other:
            await self._note(f"leases {await self._keeper.release()}")
            told = f"{error}; whoever took the lease over puts back what this release had changed ({other.short})"
            return Ended(result="FAILED", message=told)

    async def _back(self, result: Result, why: str, *, asked: bool = False, hold: bool = True) -> Ended:
        """What every failure and every abort comes to."""
        self._journal.lenient()
        touched = [change for change in self.plan.changes if change.target in self._touched]
        if not touched:
            return await self._untouched(result, why)
        why += await self._undo.evidence(touched)
        if hold and not asked and self.plan.on_failure == "hold":
            await self._note(f"leases {await self._keeper.release()}")
            return self._stuck(f"{why}; on_failure is hold: nothing was put back")
        if hold and not asked and self.plan.kind == "rollback" and self._proof.judged:
            await self._note(f"leases {await self._keeper.release()}")
            return self._stuck(f"{why}; a rollback is not rolled back again")
        self._turns.deaf = True
        try:
            later = await self._undo.put_back(touched)
        except LeaseLost as error:
            await self._note(f"leases {await self._keeper.release()}")
            return Ended(result="FAILED", message=f"{why}; {error}; whoever took the lease over puts it back")
        except QuarterdeckError as error:
            await self._news("STUCK", f"{why}; {error}")
            await self._note(f"leases {await self._keeper.release()}")
            return self._stuck(f"{why}; it could not be put back: {error}")
        told = f"{why}; {later or 'put back to ' + (self.plan.back.short if self.plan.back else 'what ran before')}"
        for change in self.plan.changes:
            if change not in touched:
                await self._clear(change)
        await self._last("announce", "ROLLED_BACK", told)
        await self._last("release", "ROLLED_BACK", told)
        return Ended(result="ROLLED_BACK", message=told)

    async def _last(self, name: str, result: Result, why: str) -> None:
        step = next((step for step in self.plan.back_steps if step.name == name), None)
        if step is None:
            return
        await self._journal.intent(step)
        if name == "release":
            await self._give_back(step)
        else:
            await self._journal.outcome(step, f"{DONE}: {await self._announce(result, why)}")

    async def _give_back(self, step: Step) -> str:
        """The leases. With something left behind, it is no outcome that settles the release."""
        said = await self._keeper.release()
        settles = self._tidy and not self._keeper.holds
        await self._journal.outcome(step, f"{DONE if settles else LEFT}: {said}")
        if not settles:
            self._left.append(f"leases {said}")
        return said

    def _stuck(self, why: str) -> Ended:
        lines = []
        for change in self.plan.changes:
            if change.target in self._touched:
                back = change.back.short if change.back else "nothing"
                lines.append(f"{change.target}: new {change.to.short}, before {back}")
        command = f"quarterdeck recover, or quarterdeck rollback {self.plan.service} --env {self.plan.environment}"
        return Ended(result="STUCK", message=f"{why}; {'; '.join(lines)}; {command}")

    # news

    def _facts(self, result: str, message: str = "") -> dict[str, str]:
        plan = self.plan
        return {
            "op": plan.op, "kind": plan.kind, "service": plan.service, "environment": plan.environment,
            "result": result, "from": plan.before.reference if plan.before else "", "to": plan.to.reference,
            "actor": plan.actor, "origin": plan.origin, "host": plan.host, "reason": plan.reason,
            "started_at": plan.at, "message": message,
        }  # fmt: skip

    async def _announce(self, result: str, message: str) -> str:
        if not self.plan.announce:
            return "nobody is told"
        facts = {**self._facts(result, message), "ledger_head": await self._journal.head()}
        return await self._announcer.tell(self.plan.announce, facts)

    async def _news(self, result: str, message: str) -> None:
        if self.plan.announce:
            await self._note(await self._announce(result, message))

    def _stand(self, step: str) -> None:
        self._at = step

    async def _note(self, message: str) -> None:
        await self._journal.note(self._at, message)
