"""What needs its operator: out of all rows of all systems, those that somebody has to do something about. Pure.

A need is worse by its harm, then where it is (protected and live places first), then by its grade within that harm;
of those that are equal in all of this the newest comes first. Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from quarterdeck_lifecycle.errors import AuthFailed, Forbidden, QuarterdeckError, RateLimited
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.need import SOURCE, Harm, Me, Need
from quarterdeck_lifecycle.needrows import of_rows
from quarterdeck_lifecycle.records import Ref, State, Status

DARK_S = 300.0
"""How long a source that has answered before may be without an answer."""


def needs(
    snapshots: Sequence[Snapshot], me: Me, now: float, failed: Mapping[str, QuarterdeckError] | None = None
) -> list[Need]:
    """Everything that needs the operator, the worst first; `failed` are sources that could not even be made."""
    found = [need for snap in snapshots for need in of_rows(snap.kind, snap.rows, me, now)]
    return ordered([*found, *of_sources(snapshots, me, now, failed)])


def ordered(found: Iterable[Need]) -> list[Need]:
    """The worst first, of equals the newest."""
    return sorted(found, key=lambda need: (need.level, -(need.since or 0.0), need.text, need.ref))


def of_sources(
    snapshots: Sequence[Snapshot], me: Me, now: float, failed: Mapping[str, QuarterdeckError] | None = None
) -> list[Need]:
    """One for each source that refuses the credential, or has been without an answer for too long."""
    worst: dict[str, Need] = {}
    for snap in snapshots:
        error = snap.error
        if error is None or isinstance(error, RateLimited) or snap.state is State.UNSUPPORTED:
            continue
        refused = snap.state is State.AUTH or isinstance(error, Forbidden)
        age = snap.age(now)
        if not refused and age is not None and age < DARK_S:
            continue
        need = _source(snap.source, snap.kind, error, snap.environment, snap.fetched_at, me, refused=refused)
        if snap.source not in worst or need.grade < worst[snap.source].grade:
            worst[snap.source] = need
    for name, error in (failed or {}).items():
        worst.setdefault(name, _source(name, SOURCE, error, "", None, me, refused=isinstance(error, AuthFailed)))
    return list(worst.values())


def _source(
    name: str, kind: str, error: QuarterdeckError, environment: str, since: float | None, me: Me, *, refused: bool
) -> Need:
    why = (error.why or error.what).splitlines()
    return Need(
        ref=Ref(name, SOURCE, kind), key=f"{name}/{SOURCE}", status=Status.BAD if refused else Status.LOOK,
        word=error.word, text=name, harm=Harm.BLIND, guarded=me.guarded(name, environment), grade=0 if refused else 1,
        since=since, environment=environment, mark=error.word,
        why=" · ".join(part for part in (why[0] if why else "", error.mend) if part),
    )  # fmt: skip
