"""Where one run of a release stands: which steps are done, what they touched, what is left, whether it is proven."""

from __future__ import annotations

import msgspec

from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.release.model import Change, Plan, Result, Step
from quarterdeck_lifecycle.release.ports import Journal
from quarterdeck_lifecycle.release.undo import DONE


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a release ended, in a word of the contract and in words for people."""

    result: Result
    message: str


class NotAllowed(QuarterdeckError):
    """A preflight said no: nothing was touched."""

    word = "refused"


class Course:
    """The course of one plan. `left` names in words what could not be tidied, `at` is the id of the step under way."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self.plan = plan
        self.at = ""
        self.done: dict[str, str] = {}
        self.left: list[str] = []
        self.proven = False
        self.tidy = True
        self._journal = journal
        self._touched: list[str] = []
        self._prepared: set[str] = set()

    async def remember(self) -> None:
        """Take in what the journal has. Raises StateError."""
        self.done = {id: told for id, told in (await self._journal.done()).items() if told.startswith(DONE)}
        begun = await self._journal.begun()
        for step in self.plan.steps:
            if step.id in begun:
                self.count(step)
        verify = next((step.id for step in self.plan.steps if step.name == "verify"), "")
        self.proven = verify in self.done

    def count(self, step: Step) -> None:
        """Note which targets a step touches, and on which something may have been made that has to go again."""
        if step.phase == "prepare":
            self._prepared.add(step.target)
        if step.phase in ("switch", "retire") and step.target not in self._touched:
            self._touched.append(step.target)

    def touch_all(self) -> None:
        """Nobody knows what was touched: everything may have been."""
        self._touched = [change.target for change in self.plan.changes]

    @property
    def touched(self) -> list[Change]:
        """What has to be put back if this fails, in the plan's order."""
        return [change for change in self.plan.changes if change.target in self._touched]

    def prepared(self, change: Change) -> bool:
        """Whether something may have been made there that serves nobody yet."""
        return change.target in self._prepared

    def released(self) -> bool:
        """Whether the leases were given back: then all is over."""
        last = {steps[-1].id for steps in (self.plan.steps, self.plan.back_steps) if steps}
        return bool(last & self.done.keys())

    def settled(self) -> Ended:
        """What is said of a release that is over already."""
        if self.proven:
            return Ended(result="SUCCEEDED", message="settled already: proven")
        return Ended(result="ROLLED_BACK" if self._touched else "FAILED", message="settled already: put back")

    def stand(self, step: str) -> None:
        """From now on this step is under way."""
        self.at = step

    async def note(self, message: str) -> None:
        """A line of the operation's log, of the step under way."""
        await self._journal.note(self.at, message)
