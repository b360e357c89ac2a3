"""The way back: evidence first, then every touched target as it was, proven by the same gate and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from quarterdeck_lifecycle.errors import QuarterdeckError, RateLimited, Unavailable
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.keeper import Keeper
from quarterdeck_lifecycle.release.model import Change, Plan, Step
from quarterdeck_lifecycle.release.ports import Clock, Journal, LeaseLost, Say, Target
from quarterdeck_lifecycle.release.proof import GateFailed, Proof
from quarterdeck_lifecycle.release.turns import Late, Turns

BACK_PAUSE_S = 2.0
EVIDENCE_LINES = 50
EVIDENCE_S = 10.0
CLEAR_S = 60.0
DONE = "DONE"
LEFT = "LEFT"
"""The outcome of an end that left something behind, for a recovery to do again."""


class Undo:
    """Puts targets of one plan back. Every part of it may be done again."""

    def __init__(
        self,
        plan: Plan,
        targets: Mapping[str, Target],
        journal: Journal,
        keeper: Keeper,
        proof: Proof,
        turns: Turns,
        clock: Clock,
        say: Say,
        at: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._targets = targets
        self._journal = journal
        self._keeper = keeper
        self._proof = proof
        self._turns = turns
        self._clock = clock
        self._note = say
        self._at = at

    async def put_back(self, touched: Sequence[Change]) -> str:
        """All of them, the last one first. Answers what was left to a later operation. Raises QuarterdeckError."""
        later: list[str] = []
        for change in reversed(touched):
            if name := await self._later_one(change):
                later.append(f"{change.target} is left alone: the later operation {name} changed it")
                continue
            step = self._back_step("put-back", change.target)
            self._at(step.id)
            await self._journal.intent(step, before(step, change))
            said = await self._insist(step, change)
            await self._journal.outcome(step, f"{DONE}: {said}", said)
        mine = [change for change in touched if not any(told.startswith(change.target) for told in later)]
        for change in reversed(mine):
            step = self._back_step("gate", change.target)
            await self._judge_back(step, change)
        step = self._back_step("verify", "")
        self._at(step.id)
        await self._journal.intent(step)
        said = await self._proof.verify_back(mine)
        await self._journal.outcome(step, f"{DONE}: {said}", said)
        return "; ".join(later)

    async def _judge_back(self, step: Step, change: Change) -> None:
        self._at(step.id)
        await self._journal.intent(step)
        try:
            said = await self._proof.gate(step, change, back=True)
        except GateFailed as error:
            await self._journal.outcome(step, f"FAILED: {error}")
            raise
        await self._journal.outcome(step, f"{DONE}: {said}", said)

    async def later(self, changes: Sequence[Change]) -> str:
        """The later operation that changed one of these; empty when there is none."""
        for change in changes:
            if name := await self._later_one(change):
                return name
        return ""

    async def _later_one(self, change: Change) -> str:
        """The operation that released there after this one, by its marks (op ids are ordered in time)."""
        try:
            marks = (await self._targets[change.target].look()).marks
        except QuarterdeckError:
            return ""
        return marks.op if marks is not None and marks.op > self._plan.op else ""

    async def _insist(self, step: Step, change: Change) -> str:
        """Put one target back; while its system does not answer, again and again until the deadline."""
        target, until = self._targets[change.target], self._clock.monotonic() + step.deadline_s
        while True:
            try:
                with permit(change.place.source):
                    await self._keeper.check(change.target)
                    left = max(0.1, until - self._clock.monotonic())
                    return await self._turns.bounded(target.put_back(change, self._note), left, step.title)
            except LeaseLost:
                raise
            except (Unavailable, RateLimited, Late) as error:
                if self._clock.monotonic() + BACK_PAUSE_S >= until:
                    raise
                await self._note(f"{error.short}; tried again for {until - self._clock.monotonic():.0f} s more")
                await self._clock.sleep(min(BACK_PAUSE_S, self._plan.pace.beat_s))

    def _back_step(self, name: str, target: str) -> Step:
        for step in self._plan.back_steps:
            if step.name == name and step.target == target:
                return step
        raise Unavailable(f"the plan has no way back for {target or name}")

    async def evidence(self, touched: Sequence[Change]) -> str:
        """Keep what outlives the new workloads; answers what the first of them said last."""
        told = ""
        for change in touched:
            try:
                found = await self._turns.bounded(
                    self._targets[change.target].evidence(change, "new", EVIDENCE_LINES), EVIDENCE_S, "evidence"
                )
            except (QuarterdeckError, Late):
                continue
            text = "\n".join([f"state {found.state}, exit code {found.exit_code}", *found.log, found.inspect])
            await self._journal.keep(f"{change.target} new", text)
            if not (found.state or found.log):
                continue
            for line in found.log[-EVIDENCE_LINES:]:
                await self._journal.note("", f"{change.target} | {line}", "note")
            known = found.exit_code is not None and "exit code" not in found.state
            code = f", exit code {found.exit_code}" if known else ""
            last = f", last said: {found.log[-1][:200]}" if found.log else ""
            told = told or f" (the new one on {change.target}: {found.state or 'state unknown'}{code}{last})"
        return told

    async def clear(self, change: Change) -> bool:
        """Remove what was prepared on one target; while its system does not answer, again and again for a minute."""
        target, until = self._targets[change.target], self._clock.monotonic() + CLEAR_S
        if name := await self._later_one(change):
            await self._note(f"{change.target} is left alone: the later operation {name} changed it")
            return True
        while True:
            try:
                with permit(change.place.source):
                    left = max(0.1, until - self._clock.monotonic())
                    said = await self._turns.bounded(target.clear_up(change, self._note), left, "clearing up")
            except (Unavailable, RateLimited) as error:
                if self._clock.monotonic() + BACK_PAUSE_S < until:
                    await self._clock.sleep(min(BACK_PAUSE_S, self._plan.pace.beat_s))
                    continue
                await self._note(f"{change.target}: not cleared up: {error}")
                return False
            except QuarterdeckError as error:
                await self._note(f"{change.target}: not cleared up: {error}")
                return False
            await self._note(f"{change.target}: {said}")
            return True


def before(step: Step, change: Change | None) -> str:
    """What a step's intent says of what it changes: all that is needed to put it back, as JSON."""
    if change is None or step.phase not in ("switch", "retire"):
        return ""
    return msgspec.json.encode({"back": change.back.reference if change.back else "", **change.facts}).decode()
