"""The releases of a service as rows: those that the state knows, and what its targets keep besides. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.views.fmt import day_time, glyph, one_line
from quarterdeck.views.progress import epoch
from quarterdeck.views.releases import ENDED
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.release.choosing import Point
from quarterdeck_lifecycle.release.model import Identity

if TYPE_CHECKING:
    from quarterdeck.releasing.desk import Operation

HISTORY_COLUMNS = (
    Column("status", "", 1),
    Column("revision", "REV", 5, flex=1, min_width=4),
    Column("what", "RUNS", 16, flex=1, min_width=14),
    Column("when", "WHEN (UTC)", 11),
    Column("kind", "KIND", 8, priority=2),
    Column("by", "BY", 14, flex=1, min_width=6, priority=1),
    Column("result", "RESULT", 11),
    Column("proven", "PROVEN", 6, priority=4),
    Column("ready", "GOES BACK", 24, flex=3, min_width=10),
    Column("why", "REASON", 24, flex=3, min_width=8, priority=3),
)
NOT_PROVEN, NOT_KEPT = "it did not succeed", "it is not kept any more"


class Entry(NamedTuple):
    """One release, or one thing that is kept. `value` names it to a put-back."""

    key: str
    name: str
    what: str
    at: float | None
    kind: str
    by: str
    result: str
    proven: bool
    ready: bool
    why_not: str
    reason: str
    op: str
    value: str
    current: bool


def entries(
    operations: Sequence[Operation], points: Sequence[Point], tags: Mapping[str, str] = MappingProxyType({})
) -> list[Entry]:
    """Operations joined with what the targets keep; the newest first, what no operation made after them.

    `tags` are the names of images by digest.
    """
    found, told = [], []
    for each in operations:
        point = _point(each, points)
        if point is not None and each.result == "SUCCEEDED":
            told.append(point)
        found.append(_of_operation(each, point, tags))
    return found + [_of_point(point, tags) for point in points if point not in told]


def runs_words(identity: Identity, tags: Mapping[str, str]) -> str:
    """`v42 7267ac7`; what no tag names by more of its digest."""
    tag = tags.get(identity.digest, "").rpartition(":")[2]
    return f"{tag} {identity.short[:7]}" if tag else identity.short


def _point(each: Operation, points: Sequence[Point]) -> Point | None:
    if each.plan is None:
        return None
    return next((point for point in points if point.identity.same(each.plan.to)), None)


def _of_operation(each: Operation, point: Point | None, tags: Mapping[str, str]) -> Entry:
    plan = each.plan
    succeeded = each.result == "SUCCEEDED"
    ready, why_not = False, NOT_PROVEN if each.result and not succeeded else NOT_KEPT
    if point is not None and succeeded:
        ready, why_not = point.ready and not point.current, "; ".join(point.missing)
        why_not = "it runs now" if point.current else why_not
    revision = f"v{plan.revision}" if plan is not None and plan.revision else "-"
    return Entry(
        key=each.op, name=revision, what=runs_words(plan.to, tags) if plan is not None else "?",
        at=epoch(each.created_at), kind=each.kind, by=each.actor, result=each.result or each.state,
        proven=succeeded, ready=ready,
        why_not=why_not if each.result else "it has not ended", reason=each.reason, op=each.op,
        value=_value(point), current=bool(point and point.current and succeeded),
    )  # fmt: skip


def _of_point(point: Point, tags: Mapping[str, str]) -> Entry:
    name = f"v{point.revision}" if point.revision else "-"
    return Entry(
        key=f"kept {point.identity.reference}", name=name, what=runs_words(point.identity, tags), at=point.at,
        kind="kept", by="-", result="-", proven=point.proven, ready=point.ready and not point.current,
        why_not="it runs now" if point.current else "; ".join(point.missing), reason="not released from this state",
        op="", value=_value(point), current=point.current,
    )  # fmt: skip


def _value(point: Point | None) -> str:
    return (point.identity.digest or point.identity.image_id) if point is not None else ""


def history_row(entry: Entry, now: float) -> Row:
    """One of them."""
    running = entry.op and entry.result in ("running", "waiting", "dead")
    status = Status.RUNNING if running else ENDED.get(entry.result, Status.IDLE)
    goes = "runs now" if entry.current else "ready" if entry.ready else entry.why_not
    goes = {NOT_PROVEN: "-", NOT_KEPT: "not kept"}.get(goes, goes)
    return Row(
        entry.key,
        (
            glyph(status),
            Cell(entry.name, "head" if entry.current else ""),
            Cell(entry.what, "dim"),
            Cell(day_time(entry.at, now), "dim"),
            Cell(entry.kind, "dim"),
            Cell(entry.by, "dim"),
            Cell(entry.result, "ok" if entry.result == "SUCCEEDED" else ""),
            Cell("yes" if entry.proven else "no", "ok" if entry.proven else "dim"),
            Cell(goes, "ok" if entry.ready or entry.current else "dim"),
            Cell(one_line(entry.reason), "dim"),
        ),
    )
