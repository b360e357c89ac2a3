"""Changes that nobody here saw: what the rows of a first look say of their own last days. Pure.

A deck that is opened after the trouble began still shows what happened before it: containers that were made, alerts
that began, runs that ended, versions, requests and commits that came, each at the time that its own system tells.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

from quarterdeck_lifecycle.changelog import KEPT, ChangeRow
from quarterdeck_lifecycle.changes import known_of, summary, where_of
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.goodhour import on_default
from quarterdeck_lifecycle.kinds import Alert, Container, ModelVersion, PullRequest, Repository, Run, TrainingRun
from quarterdeck_lifecycle.records import Record, Status

LATER = "seen later"
"""How the note of such a change begins."""
OP_LABEL, ACTOR_LABEL = "quarterdeck.op", "quarterdeck.actor"


class Event(NamedTuple):
    """What happened to a row at a time in epoch seconds."""

    at: float
    what: str
    after: str


def past(snapshot: Snapshot, now: float) -> list[ChangeRow]:
    """The changes of the seven days before `now` (epoch seconds) that the rows of a first look tell of."""
    found = []
    for row in snapshot.rows:
        event = _event(row)
        if event is not None and now - KEPT.total_seconds() <= event.at <= now:
            found.append(_change(snapshot, row, event))
    return found


def _event(row: Record) -> Event | None:
    at: float | None
    match row:
        case Container():
            at, what, after = row.created_at, "new", summary(row)
        case Alert(state="firing"):
            at, what, after = row.active_at, "new", row.state
        case Run() if row.status in (Status.BAD, Status.OK) and (row.status is Status.BAD or on_default(row)):
            at, what, after = row.finished_at or row.updated_at, "state", row.state
        case TrainingRun() if row.finished_at is not None:
            at, what, after = row.finished_at, "state", row.state
        case ModelVersion():
            at, what, after = row.created_at, "new", row.version
        case PullRequest():
            at, what, after = row.created_at, "new", row.title
        case Repository():
            at, what, after = row.committed_at, "head", row.head
        case _:
            return None
    return None if at is None else Event(at, what, after)


def _change(snapshot: Snapshot, row: Record, event: Event) -> ChangeRow:
    labels = getattr(row, "labels", None) or {}
    op = labels.get(OP_LABEL, "") if isinstance(row, Container) else ""
    who, how = known_of(row, event.what)
    seen = f"{row.ref}\0{LATER}\0{event.what}\0{event.after}\0{int(event.at)}"
    return ChangeRow(
        id=hashlib.sha256(seen.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        at=datetime.fromtimestamp(event.at, UTC),
        source=snapshot.source,
        system=snapshot.system,
        kind=row.kind,
        ref=str(row.ref),
        name=row.name,
        environment=row.environment or snapshot.environment,
        what=event.what,
        before="",
        after=event.after,
        by="us" if op else "outside",
        op=op,
        actor=labels.get(ACTOR_LABEL, "") if op else who,
        note="; ".join(filter(None, (where_of(row), LATER, "its labels name the operation" if op else how))),
    )
