"""An operation as a record: from its row in the state and the events of its log. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from quarterdeck.releasing import desk
from quarterdeck_lifecycle.kinds import Operation
from quarterdeck_lifecycle.records import Link, Ref, Status
from quarterdeck_lifecycle.release.model import SERVICES, Event, Step

RESULTS = {"SUCCEEDED": Status.OK, "ROLLED_BACK": Status.LOOK, "ABORTED": Status.LOOK, "REFUSED": Status.LOOK}
LATE_S = 45.0
"""A change is seen at most so long after it was made, where it has to be polled for."""
STATES = {"running": Status.RUNNING, "waiting": Status.WAITING, "dead": Status.BAD}


def epoch(text: str) -> float | None:
    """RFC 3339 as epoch seconds, None for what is none."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def operation_record(found: desk.Operation, events: Sequence[Event] = ()) -> Operation:
    """The row of an operation; `events` are those of one that has not ended."""
    steps: Sequence[Step] = found.plan.steps if found.plan is not None else ()
    back: Sequence[Step] = found.plan.back_steps if found.plan is not None else ()
    last = next((event for event in reversed(events) if event.phase == "intent"), None)
    said = next((event for event in reversed(events) if event.message), None)
    id = last.step if last is not None else found.step
    way = back if any(step.id == id for step in back) else steps
    step = next((step for step in way if step.id == id), None)
    status = STATES.get(found.state) or RESULTS.get(found.result, Status.BAD)
    putting = found.state != "ended" and way is back and bool(back)
    message = said.message if said is not None else found.message
    return Operation(
        ref=Ref(SERVICES, "operation", found.op), name=f"{found.kind} {found.service}", status=status,
        state=found.result or ("putting back" if putting else found.state), environment=found.environment,
        note=found.message if status is Status.BAD else "", updated_at=epoch(found.ended_at or found.created_at),
        op=found.op, verb=found.kind, service=found.service, step=step.name if step is not None else "",
        place=way.index(step) + 1 if step is not None else 0, steps=len(way), began_at=epoch(found.created_at),
        ended_at=epoch(found.ended_at), step_at=epoch(last.at) if last is not None else None,
        deadline_s=step.deadline_s if step is not None else 0.0, said=message,
        said_at=epoch(said.at) if said is not None else None, result=found.result, actor=found.actor,
        user=found.user, host=found.host, reason=found.reason, to=found.plan.to.short if found.plan is not None else "",
        back=found.plan.back.short if found.plan is not None and found.plan.back is not None else "",
        revision=found.plan.revision if found.plan is not None else 0, waits=found.state == "waiting",
        alive=found.state in ("running", "waiting"),
        links=_links(found),
    )  # fmt: skip


def _links(found: desk.Operation) -> tuple[Link, ...]:
    made = [Link(kind="service", value=found.service, evidence="the operation"),
            Link(kind="environment", value=found.environment, evidence="the operation")]  # fmt: skip
    to = found.plan.to if found.plan is not None else None
    if to is not None and to.kind == "model":
        made.append(Link(kind="version", value=f"{to.name}/{to.digest}", evidence="what the operation puts there"))
    elif to is not None and to.digest:
        made.append(Link(kind="digest", value=to.digest, evidence="what the operation puts there"))
        if to.revision:
            made.append(Link(kind="commit", value=to.revision, evidence="label of the image that it puts there"))
    return tuple(made)


def made_by(recent: Sequence[desk.Operation], ref: Ref, name: str, at: float) -> tuple[str, str]:
    """The operation (and its actor) that a change of `ref`, called `name`, at that time is of; else empty texts.

    Ours are the containers of its targets and those that hold its id, from its begin until a little after its end.
    """
    for each in recent:
        began, ended = epoch(each.created_at), epoch(each.ended_at)
        if each.plan is None or began is None or at < began or (ended is not None and at > ended + LATE_S):
            continue
        for change in each.plan.changes:
            ours = change.place.source == ref.source and (
                name.startswith((change.place.name, "qd-lease-")) or each.op in name
            )
            if ours or ref.id.startswith(f"{each.service}@"):
                return each.op, each.actor
    return "", ""
