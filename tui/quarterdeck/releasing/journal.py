"""The journal of one operation: its steps are ledger rows, its log is what viewers follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_lifecycle.ledger import Entry, Filter, Ledger, Row
from quarterdeck_lifecycle.ledger import Phase as RowPhase
from quarterdeck_lifecycle.release.model import Plan, Step
from quarterdeck_lifecycle.state import StateError
from quarterdeck_lifecycle.text import clean

ROWS = 5000
"""More rows than any operation has."""


class LedgerJournal:
    """Satisfies `ports.Journal`. A step's row: action `release.STEP`, ref of the service, step = its id.

    While it is lenient a ledger that fails is noted in the log, and what was written is remembered here.
    """

    def __init__(self, plan: Plan, ledger: Ledger, folder: OpFolder, redact: Callable[[str], str]) -> None:
        self._plan = plan
        self._ledger = ledger
        self._folder = folder
        self._redact = redact
        self._lenient = False
        self._unwritten: dict[str, str] = {}
        self._before: dict[str, str] = {}

    # what the engine asks for

    async def intent(self, step: Step, before: str = "") -> None:
        """Write down what is about to be done. Raises StateError unless lenient."""
        self._before[step.id] = before
        await self._append(step, "intent", before=before)
        self._say(step.id, "intent", step.title)

    async def outcome(self, step: Step, result: str, after: str = "") -> None:
        """Write down how it ended. Raises StateError unless lenient."""
        await self._append(step, "outcome", before=self._before.get(step.id, ""), after=after, result=result)
        self._say(step.id, "outcome", result)

    async def note(self, step: str, message: str, phase: str = "progress") -> None:
        """A line of the log."""
        for line in message.splitlines() or [""]:
            self._say(step, phase, line)

    async def done(self) -> Mapping[str, str]:
        """Ids of the steps with an outcome that says DONE, with that outcome."""
        return {id: told for id, told in (await self.begun()).items() if told.startswith("DONE")}

    async def begun(self) -> Mapping[str, str]:
        """Ids of the steps that have an intent, each with its last outcome; an empty one where none followed."""
        found: dict[str, str] = {}
        for row in reversed(await self._rows()):
            if row.step:
                found[row.step] = row.result if row.phase == "outcome" else ""
        return found | self._unwritten

    async def head(self) -> str:
        """The hash of the ledger's last row."""
        with suppress(StateError):
            rows = await self._ledger.rows(limit=1)
            return rows[0].hash if rows else ""
        return ""

    def lenient(self) -> None:
        """From now on a failing ledger stops nothing."""
        self._lenient = True

    async def keep(self, name: str, text: str) -> None:
        """Store evidence, redacted."""
        try:
            self._folder.keep(name, "\n".join(clean(line) for line in self._redact(text).splitlines()))
        except OSError as error:
            self._say("", "note", f"evidence {name} could not be kept: {error.strerror or error}")

    # the operation as a whole

    async def begin(self) -> None:
        """Write down that the operation starts. Raises StateError."""
        plan = self._plan
        await self._ledger.append(self._whole("intent", why=plan.reason))
        self._folder.append("", "plan", self._redact(headline(plan)))

    async def end(self, result: str, message: str) -> None:
        """Write its end into the ledger, once. Never raises."""
        try:
            rows = await self._rows(action=self._action)
            if not any(row.phase == "outcome" and row.result.startswith(f"{result}:") for row in rows[:1]):
                self._lenient = True
                await self._written(self._whole("outcome", result=f"{result}: {message}", why=self._plan.reason))
        except StateError as error:
            self._say("", "note", f"the end is not in the ledger: {error}")

    def close(self, result: str, message: str) -> None:
        """Write the log's last line."""
        if self._folder.lost:
            self._say("", "note", f"{self._folder.lost} lines of this log were lost: its disk was full or failed")
        self._folder.append("", "outcome", clean(self._redact(message)), result)
        self._folder.release()

    # helpers

    @property
    def _action(self) -> str:
        return f"release.{self._plan.kind}"

    def _whole(self, phase: RowPhase, *, result: str = "", why: str = "") -> Entry:
        plan = self._plan
        return Entry(
            action=self._action, phase=phase, op=plan.op, ref=str(plan.ref),
            before=plan.before.reference if plan.before else "", after=plan.to.reference, why=why, result=result,
        )  # fmt: skip

    async def _append(
        self, step: Step, phase: RowPhase, *, before: str = "", after: str = "", result: str = ""
    ) -> None:
        entry = Entry(
            action=f"release.{step.name}", phase=phase, op=self._plan.op, ref=str(self._plan.ref), before=before,
            after=after, why=self._plan.reason, step=step.id, result=result,
        )  # fmt: skip
        try:
            await self._written(entry)
        except StateError as error:
            if not self._lenient:
                raise
            self._unwritten[step.id] = result
            self._say(step.id, "note", f"not in the ledger: {error}")

    async def _written(self, entry: Entry) -> None:
        """Write a row; while putting back, what was reserved on the disk for that is given up for it."""
        try:
            await self._ledger.append(entry)
        except StateError:
            if not (self._lenient and self._folder.release()):
                raise
            await self._ledger.append(entry)

    async def _rows(self, action: str = "") -> list[Row]:
        try:
            return await self._ledger.rows(Filter(op=self._plan.op, action=action), ROWS)
        except StateError:
            if not self._lenient:
                raise
            return []

    def _say(self, step: str, phase: str, message: str) -> None:
        self._folder.append(step, phase, clean(self._redact(message)))


def headline(plan: Plan) -> str:
    """The operation in one line: what, where, from which to which, by whom."""
    before = f"{plan.before.short} -> " if plan.before else ""
    why = f": {plan.reason}" if plan.reason else ""
    return f"{plan.kind} {plan.service} in {plan.environment}: {before}{plan.to.short}, by {plan.actor}{why}"
