"""The incident page of one operation, in Markdown: what was planned, what was done when, what was seen, and by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from quarterdeck.releasing.journal import ROWS
from quarterdeck.releasing.local_time import local_words
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.ledger import Filter, Ledger, Row
from quarterdeck_lifecycle.release.model import Event, Plan
from quarterdeck_lifecycle.release.store import Asked, Stored

EVIDENCE_LINES = 200
SAMPLES = 200


async def incident(row: Stored, ledger: Ledger, folder: OpFolder, asks: Sequence[Asked]) -> str:
    """The page. Raises StateError."""
    rows = list(reversed(await ledger.rows(Filter(op=row.op), ROWS)))
    last = await ledger.rows(limit=1)
    plan: Plan | None = None
    with suppress(msgspec.MsgspecError):
        plan = row.decoded()
    parts = [
        *_head(row, folder),
        *(_plan(plan) if plan is not None else ("The plan was written by another version and cannot be read.", "")),
        *_steps(plan, rows), *_samples(folder.events()), *_asks(asks), *_evidence(folder),
        *_ledger(rows, last[0].hash if last else ""),
    ]  # fmt: skip
    return redact("\n".join(parts).rstrip() + "\n")


def _head(row: Stored, folder: OpFolder) -> Iterator[str]:
    state = row.state if row.state == "ended" or folder.alive() else "dead: quarterdeck recover " + row.op
    yield f"# {md(row.kind)} of {md(row.service)} in {md(row.environment)}: {row.result or state}"
    yield ""
    facts = {
        "operation": row.op, "result": row.result or state, "said": row.message, "by": row.actor,
        "from": row.origin, "host": row.host, "reason": row.reason,
        "began": _moment(row.created_at), "ended": _moment(row.ended_at),
    }  # fmt: skip
    yield from (f"- {name}: {md(value)}" for name, value in facts.items() if value)
    yield ""


def _moment(at: str) -> str:
    local = local_words(at)
    return f"{at} ({local})" if local else at


def _plan(plan: Plan) -> Iterator[str]:
    yield "## Plan"
    yield ""
    yield f"- from: {md(plan.before.reference) if plan.before else 'nothing'}"
    yield f"- to: {md(plan.to.reference)}{f' ({md(plan.wanted)})' if plan.wanted else ''}"
    yield f"- put back to: {md(plan.back.reference) if plan.back else 'nothing'}"
    for change in plan.changes:
        yield f"- target: {md(change.target)}, {change.place.kind}, {change.mode}"
    yield from (f"- warning: {md(warning)}" for warning in plan.warnings)
    yield from (f"- config: {md(line)}" for line in plan.config)
    yield ""


def _steps(plan: Plan | None, rows: Sequence[Row]) -> Iterator[str]:
    yield "## Steps"
    yield ""
    yield "| began | step | ended | how |"
    yield "| --- | --- | --- | --- |"
    for row in rows:
        if row.phase != "intent" or not row.step:
            continue
        end = next((r for r in rows if r.seq > row.seq and r.phase == "outcome" and r.step == row.step), None)
        step = plan.step(row.step) if plan is not None else None
        title = f"{row.step}: {step.title}" if step is not None else row.step
        yield f"| {row.at} | {md(title)} | {end.at if end else '-'} | {md(end.result if end else 'not known')} |"
    yield ""


def _samples(events: Sequence[Event]) -> Iterator[str]:
    seen = [event for event in events if event.phase in ("progress", "sample", "note", "ask") and event.message]
    if not seen:
        return
    yield "## Samples and progress"
    yield ""
    if len(seen) > SAMPLES:
        yield f"The last {SAMPLES} of {len(seen)} lines."
        yield ""
    yield "```"
    yield from (fenced(f"{event.at} {event.step}: {event.message}") for event in seen[-SAMPLES:])
    yield "```"
    yield ""


def _asks(asks: Sequence[Asked]) -> Iterator[str]:
    if not asks:
        return
    yield "## Asked"
    yield ""
    yield from (f"- {ask.at} {md(ask.actor)}: {ask.ask}{f' ({md(ask.why)})' if ask.why else ''}" for ask in asks)
    yield ""


def _evidence(folder: OpFolder) -> Iterator[str]:
    for name, text in folder.kept().items():
        lines = text.splitlines()
        yield f"## Evidence: {md(name)}"
        yield ""
        yield "```"
        yield from (fenced(line) for line in lines[-EVIDENCE_LINES:])
        yield "```"
        yield ""


def _ledger(rows: Sequence[Row], head: str) -> Iterator[str]:
    yield "## Ledger"
    yield ""
    yield "| seq | at | actor | from | host | action | step | phase | result | hash |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for r in rows:
        cells = (r.seq, r.at, r.actor, r.origin, r.host, r.action, r.step, r.phase, r.result, r.hash[:12])
        yield f"| {' | '.join(md(str(cell)) for cell in cells)} |"
    yield ""
    yield f"The ledger's head when this was written: `{head}`"


def md(text: str) -> str:
    """Text as itself within a line or a cell of Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def fenced(line: str) -> str:
    """A line that cannot end its fence."""
    return line.replace("```", "'''")
