"""Changes: what differs between two snapshots of a source and matters to people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.goodhour import DEFAULT, on_default
from quarterdeck_lifecycle.kinds import PullRequest, Repository, Run, TrainingRun
from quarterdeck_lifecycle.records import Record, Ref, State

By = Callable[[Ref, float], tuple[Literal["us", "outside"], str, str]]
YOUNG_S = 120.0
CLAIMS = ("quarterdeck.actor", "mlflow.user", "deployed_by", "deployed-by")
"""Labels and tags in which people write who they are."""
LABEL_NOISE = ("com.docker.compose.config-hash", "com.docker.compose.image", "com.docker.compose.version")


def diff(old: Snapshot, new: Snapshot, *, at: float, by: By) -> list[ChangeRow]:
    """The changes between two good snapshots of one feed.

    The first good snapshot is the ground to compare with and yields none. Rows that left are only believed when the
    new listing is whole: a page that was cut is not a removal.
    """
    if old.fetched_at is None or new.state is not State.FRESH or old.rows is new.rows:
        return []
    before = {row.ref: row for row in old.rows}
    after = {row.ref: row for row in new.rows}
    whole = not (old.partial or new.partial) and all(s.total in (None, len(s.rows)) for s in (old, new))
    found: list[ChangeRow] = []
    for ref, row in after.items():
        known = before.get(ref)
        if known is row:
            continue
        if known is None:
            # What is cut, or is the newest of many, may only now have come into sight; what is younger than the last
            # look is new.
            young = (row.updated_at or 0.0) >= old.fetched_at - YOUNG_S
            if row.announced and (young or not (row.ages or old.partial or new.partial)):
                found.append(_change(new, row, "new", "", summary(row), at, by))
            continue
        for field in row.watched:
            was, now = getattr(known, field), getattr(row, field)
            if was != now and not _same_state(field, was, now):
                found.extend(
                    _change(new, row, what, one, two, at, by) for what, one, two in _pairs(field, was, now)
                )
    if whole:
        found.extend(
            _change(new, row, "gone", summary(row), "", at, by)
            for ref, row in before.items()
            if ref not in after and row.announced and not row.ages
        )
    return found


def _same_state(field: str, was: Any, now: Any) -> bool:
    """A detail after the system's word (`unhealthy 5/5`) is no change of state."""
    return field == "state" and str(was).split(" ")[0] == str(now).split(" ")[0]


def _pairs(field: str, was: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        one = "alias" if field == "aliases" else field.rstrip("s")
        for key in sorted(set(was) | set(now)):
            if was.get(key) != now.get(key) and key not in LABEL_NOISE:
                yield f"{one} {key}", str(was.get(key, "")), str(now.get(key, ""))
    else:
        yield field, "" if was is None else str(was), "" if now is None else str(now)


def summary(row: Record) -> str:
    """What a row that came or went is of: its image, digest, commit, title or version, else its state."""
    for field in ("image", "digest", "head", "title", "version"):
        value = getattr(row, field, "")
        if value:
            return str(value)
    return row.state


def _change(snap: Snapshot, row: Record, what: str, before: str, after: str, at: float, by: By) -> ChangeRow:
    who, op, actor = by(row.ref, at)
    known, how = ("", "") if who == "us" else known_of(row, what)
    seen = f"{row.ref}\0{what}\0{before}\0{after}\0{int(row.updated_at or at)}"
    return ChangeRow(
        id=hashlib.sha256(seen.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        at=datetime.fromtimestamp(at, UTC),
        source=snap.source,
        system=snap.system,
        kind=row.kind,
        ref=str(row.ref),
        name=row.name,
        environment=row.environment or snap.environment,
        what=what,
        before=before,
        after=after,
        by=who,
        op=op,
        actor=actor or known,
        note="; ".join(filter(None, (where_of(row), how))),
    )


def where_of(row: Record) -> str:
    """The branch that a run went on, as the note of its changes begins; empty for anything else."""
    if not isinstance(row, Run) or not row.branch:
        return ""
    return f"{DEFAULT if on_default(row) else 'branch '}{row.branch}"


def known_of(row: Record, what: str) -> tuple[str, str]:
    """Who made a change from outside, as far as the record says, and how that is known; empty texts for nothing.

    A name that only a label or tag claims ends in `?`: that may be about an older change.
    """
    if isinstance(row, Run):
        return (row.actor, "started the run") if row.actor else ("", "")
    if isinstance(row, PullRequest):
        return (row.author, "opened the request") if row.author else ("", "")
    if isinstance(row, Repository):
        return (row.author, "author of the commit") if row.author and what in ("head", "branch") else ("", "")
    if isinstance(row, TrainingRun):
        return (row.user, "user of the run") if row.user else ("", "")
    if what == "gone":
        return "", ""
    for field in ("labels", "tags"):
        notes: Mapping[str, str] = getattr(row, field, None) or {}
        for name in CLAIMS:
            if claimed := notes.get(name):
                return f"{claimed}?", f"{field.rstrip('s')} {name} says so"
    return "", ""
