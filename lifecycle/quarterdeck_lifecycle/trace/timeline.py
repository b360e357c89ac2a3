"""What happened along a thread, on one axis of time: commits, runs, releases, alias moves, alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.kinds import (
    Alert,
    Commit,
    Container,
    Deployment,
    ModelVersion,
    Operation,
    PullRequest,
    Repository,
    Run,
    Series,
    TrainingRun,
)
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.served import move_told
from quarterdeck_lifecycle.trace.hops import Place
from quarterdeck_lifecycle.trace.thread import Thread

Lane = Literal["commits", "runs", "images", "releases", "models", "alerts", "changes"]
LANES: tuple[Lane, ...] = ("commits", "runs", "images", "releases", "models", "alerts", "changes")


SAME_S = 60.0
"""A change of state this near to what its thing tells of itself is the same happening."""


class Event(msgspec.Struct, frozen=True, order=True):
    """Something that happened at an instant (epoch seconds, UTC). `ref` can be opened; `by` is who, as it is told."""

    at: float
    lane: Lane
    words: str
    ref: Ref
    status: Status = Status.IDLE
    environment: str = ""
    by: str = ""


def events(thread: Thread, changes: Iterable[ChangeRow] = ()) -> tuple[Event, ...]:
    """Everything dated on a thread, and the recorded changes of its things, the oldest first, each once."""
    found: dict[tuple[Ref, str, int], Event] = {}
    for node in thread.nodes:
        record = node.record
        if record is None or node.guess:
            continue
        for event in _of(record, node.ref if node.place in (Place.COMMIT, Place.TRAINING_COMMIT) else record.ref):
            found.setdefault((event.ref, event.words, int(event.at)), event)
    refs = {str(ref): ref for ref in thread.refs}
    told: dict[Ref, list[float]] = {}
    for event in found.values():
        told.setdefault(event.ref, []).append(event.at)
    for row in changes:
        ref = refs.get(row.ref)
        if ref is None:
            continue
        near = any(abs(at - row.at.timestamp()) < SAME_S for at in told.get(ref, ()))
        if row.what != "state" or not near:
            words = f"{row.name} {row.what} {row.before or '-'} → {row.after or '-'}"
            event = Event(row.at.timestamp(), "changes", words, ref, Status.IDLE, row.environment, row.actor)
            found.setdefault((ref, words, int(event.at)), event)
    return tuple(sorted(found.values()))


def _of(record: Record, ref: Ref) -> Iterator[Event]:
    env = record.environment

    def at(when: float | None, lane: Lane, words: str, by: str = "", status: Status | None = None) -> Iterator[Event]:
        if when is not None:
            yield Event(when, lane, words, ref, record.status if status is None else status, env, by)

    if isinstance(record, Commit | Repository):
        sha = record.sha if isinstance(record, Commit) else record.head
        if ref.id == sha or isinstance(record, Commit):
            yield from at(record.committed_at, "commits", f"{sha[:10]} {record.subject}", record.author, Status.IDLE)
    elif isinstance(record, PullRequest):
        yield from at(record.created_at, "commits", f"#{record.number} {record.title}", record.author)
    elif isinstance(record, Run):
        when = record.finished_at or record.started_at or record.created_at or record.updated_at
        yield from at(when, "runs", f"{record.name} {record.state}", record.actor)
    elif isinstance(record, Deployment):
        yield from at(record.created_at, "releases", f"{record.target} {record.state}", record.actor)
    elif isinstance(record, Operation):
        yield from at(record.ended_at or record.began_at, "releases", f"{record.name} {record.state}", record.actor)
    elif isinstance(record, Container):
        yield from at(record.started_at or record.created_at, "releases", f"{record.name} started")
    elif isinstance(record, ModelVersion):
        yield from at(record.created_at, "models", f"{record.name} registered")
        for alias in record.aliases:
            move = move_told(alias, record.tags)
            if move is not None:
                yield from at(move.at, "models", f"@{alias} → {record.name}", move.by)
    elif isinstance(record, TrainingRun):
        yield from at(record.finished_at or record.started_at, "models", f"{record.name} {record.state}", record.user)
    elif isinstance(record, Alert):
        yield from at(record.active_at, "alerts", f"{record.name} {record.state}")
    elif record.kind in ("tag", "image"):
        yield from at(getattr(record, "created_at", None), "images", f"{record.name} built", status=Status.IDLE)


def key_series(thread: Thread) -> Series | None:
    """The series of the thread to lay beside the events: one in trouble before others, of a fact before a guess."""
    found = [(n.guess, n.record.status is not Status.BAD, n.record.name, n.record)
             for n in thread.nodes if isinstance(n.record, Series) and n.record.points]  # fmt: skip
    return min(found, key=lambda each: each[:3])[3] if found else None


def window(found: Sequence[Event], now: float, hours: float = 0.0) -> tuple[float, float]:
    """From when to when, in epoch seconds: the last hours, or since the first event; at least an hour."""
    begin = now - hours * 3600 if hours else min((event.at for event in found), default=now)
    return min(begin, now - 3600.0), now


def columns(found: Sequence[Event], begin: float, end: float, width: int) -> Mapping[Lane, Mapping[int, list[Event]]]:
    """The events of each lane by column, of `width` columns from `begin` to `end`; what is outside is left out."""
    placed: dict[Lane, dict[int, list[Event]]] = {}
    span = max(1.0, end - begin)
    for event in found:
        if begin <= event.at <= end:
            column = min(width - 1, int((event.at - begin) / span * width))
            placed.setdefault(event.lane, {}).setdefault(column, []).append(event)
    return {lane: placed[lane] for lane in LANES if lane in placed}


def levels(series: Series, begin: float, end: float, width: int) -> list[float | None]:
    """The greatest value of a series in each column, None where it has none."""
    found: list[float | None] = [None] * width
    span = max(1.0, end - begin)
    for at, value in series.points:
        if value is not None and begin <= at <= end:
            column = min(width - 1, int((at - begin) / span * width))
            known = found[column]
            found[column] = value if known is None else max(known, value)
    return found
