"""Services and operations as rows and as lines."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.fmt import STYLES, age, duration, glyph, one_line
from quarterdeck.views.model import Look, View, by_name, counted, trouble_first, worst
from quarterdeck.widgets.cells import UNICODE, Cell, Column, Row
from quarterdeck_lifecycle.kinds import Operation, Service
from quarterdeck_lifecycle.records import Status

SERVICE_COLUMNS = (
    Column("status", "", 1),
    Column("environment", "CTX", 8, flex=1, min_width=7),
    Column("name", "SERVICE", 16, flex=2, min_width=10),
    Column("state", "STATE", 13, flex=1, min_width=13),
    Column("running", "RUNNING", 16, flex=1, min_width=12),
    Column("ready", "GOES BACK TO", 22, flex=3, min_width=21),
    Column("when", "SINCE", 5, "right", priority=1),
    Column("by", "BY", 10, flex=1, min_width=8, priority=2),
    Column("note", "NOTE", 24, flex=3, min_width=12, priority=3),
    Column("model", "MODEL", 16, flex=1, min_width=10, priority=4),
    Column("targets", "TARGETS", 24, flex=2, min_width=12, priority=5),
)

OPERATION_COLUMNS = (
    Column("status", "", 1),
    Column("op", "OP", 4),
    Column("what", "WHAT", 28, flex=2, min_width=24),
    Column("state", "STATE", 12, flex=1, min_width=11),
    Column("took", "TOOK", 5, "right"),
    Column("when", "BEGAN", 5, "right", priority=1),
    Column("by", "BY", 12, flex=1, min_width=6, priority=3),
    Column("said", "LAST WORD", 30, flex=4, min_width=12, priority=2),
)
ENDED = {
    "SUCCEEDED": Status.OK, "ROLLED_BACK": Status.LOOK, "FAILED": Status.BAD, "ABORTED": Status.LOOK,
    "STUCK": Status.BAD, "REFUSED": Status.LOOK,
}  # fmt: skip
"""How the results of the contract are doing, for their signs."""


def short_op(op: str) -> str:
    """The end of an operation's id, by which it is spoken of: the beginning of a UUIDv7 is the time."""
    return op.replace("-", "")[-4:]


def revision_words(running: str, revision: int) -> str:
    """`v41 7be2c0ffee`; a model's version and what has no revision stand alone."""
    return f"v{revision} {running}" if revision and running and not running.startswith("v") else running


def service_row(service: Service, look: Look) -> Row:
    """One service in one environment."""
    place = service.environment
    ready = "ok" if service.ready else "dim" if service.offered else "warn"
    return Row(
        service.ref,
        (
            glyph(service.status),
            Cell(place, f"env:{look.colours[place]}" if place in look.colours else "dim"),
            Cell(service.service),
            Cell(service.state, "info" if service.op else ""),
            Cell(revision_words(service.running, service.revision) or "-", "dim"),
            Cell(service.readiness or "-", ready),
            Cell(age(service.since, look.now), "dim"),
            Cell(service.by or "-", "dim"),
            Cell(one_line(service.note), "dim" if service.status in (Status.OK, Status.IDLE) else "warn"),
            Cell(service.model or "-", "dim"),
            Cell(" ".join(service.targets), "dim"),
        ),
    )


def service_line(services: Sequence[Service], look: Look) -> str:
    """The collapsed pane."""
    first = worst(services)
    if first is None:
        return "no service"
    words = f"{first.service} {first.environment} {first.state}"
    return " · ".join(part for part in (words, counted(services)) if part)


def what_words(operation: Operation) -> str:
    """`deploy etl→staging`."""
    return f"{operation.verb} {operation.service}→{operation.environment}"


def step_words(operation: Operation) -> str:
    """`5/9 gate`."""
    return f"{operation.place}/{operation.steps} {operation.step}" if operation.step else "-"


def state_words(operation: Operation) -> str:
    """How it ended, what it waits for, or at which step it is."""
    if operation.result or not operation.alive:
        return operation.state
    return "waits: A" if operation.waits else step_words(operation) if operation.step else operation.state


def operation_row(operation: Operation, look: Look) -> Row:
    """One release of the past or the present."""
    took = "-"
    if operation.began_at is not None:
        until = operation.ended_at if operation.ended_at is not None else look.now
        took = duration(max(0.0, until - operation.began_at))
    return Row(
        operation.ref,
        (
            glyph(operation.status),
            Cell(short_op(operation.op), "accent"),
            Cell(what_words(operation)),
            Cell(state_words(operation), STYLES[operation.status]),
            Cell(took, "dim"),
            Cell(age(operation.began_at, look.now), "dim"),
            Cell(operation.actor, "dim"),
            Cell(one_line(operation.said), "dim"),
        ),
    )


def running_cells(running: Sequence[Operation], now: float) -> tuple[list[Cell], list[Cell]]:
    """The deck's line of what runs: the one that began last, and how many more there are."""
    if not running:
        return [], []
    first = max(running, key=lambda found: found.began_at or 0.0)
    style = "warn" if first.waits or not first.alive else "info"
    cells = [Cell(f"{UNICODE.op} op {short_op(first.op)} {what_words(first)}  ", style), Cell(f"{step_words(first)}  ")]
    if first.waits:
        cells.append(Cell("waits for another user's approval  ", "warn"))
    elif not first.alive:
        cells.append(Cell("its runner is gone: attach and recover it  ", "bad"))
    elif first.said:
        cells.append(Cell(f"{one_line(first.said)[:40]}  "))
    if first.step_at is not None and first.alive:
        since = duration(max(0.0, now - first.step_at))
        cells.append(Cell(f"{since} of {duration(first.deadline_s)}  " if first.deadline_s else f"{since}  ", "dim"))
    cells.append(Cell(f"by {first.actor}", "dim"))
    more = f" +{len(running) - 1}" if len(running) > 1 else ""
    return cells, [Cell(f"{more} ", "warn"), Cell(" 9", "accent")] if more else [Cell(" 9", "accent")]


def service_order(service: Service) -> tuple[bool, tuple[int, str, str]]:
    """Trouble first; those that are only offered last."""
    return service.offered, trouble_first(service)


SERVICES = View(
    "service", "Services", SERVICE_COLUMNS, service_row,
    {
        "trouble": service_order, "name": by_name, "environment": lambda s: (s.environment, s.service),
        "newest": lambda s: -(s.since or 0.0),
    },
    service_line,
)  # fmt: skip
