"""The last good hour: the newest hour in which nothing needed the operator. Pure.

An hour is good when in it no alert fired, no run of a default branch failed and no container was unhealthy, restarting
or dead, by the changes that are kept and by what the systems say now. It need not begin on the full hour. What is
silenced needs nobody. Before the oldest thing that is known nothing is known, and so no hour there is good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.kinds import Alert, Container, Run
from quarterdeck_lifecycle.records import Record, Status

HOUR_S = 3600.0
DEFAULT_BRANCHES = ("main", "master", "trunk")
"""The names by which a branch is taken for the default one where the forge does not say which it is."""
FAILED = ("failure", "timed out", "startup failure", "error", "failed", "errored")
ILL = ("unhealthy", "restarting", "dead")
DEFAULT = "default branch "
"""How the note of a change begins of a run that went on there."""

CONDITION = (
    "(kind = 'alert' AND (before = 'firing' OR after = 'firing'))"
    f" OR (kind = 'run' AND what = 'state' AND after IN ({', '.join(map(repr, FAILED))}))"
    " OR (kind = 'container' AND (what = 'gone' OR (what = 'state' AND ("
    + " OR ".join(f"before LIKE '{word}%' OR after LIKE '{word}%'" for word in ILL)
    + "))))"
)
"""In SQL: the changes among which trouble began or ended. Every literal here is this module's own."""


class Spell(NamedTuple):
    """A time of trouble in epoch seconds; `end` is None while it goes on, `begin` -inf when nobody saw it begin."""

    ref: str
    begin: float
    end: float | None


class Hour(NamedTuple):
    """An hour in epoch seconds."""

    begin: float
    end: float


def spells(changes: Iterable[ChangeRow]) -> list[Spell]:
    """The times of trouble that changes tell of; `changes` come in the order of time, the oldest first."""
    found: list[Spell] = []
    begun: dict[str, float] = {}
    for row in changes:
        at = row.at.timestamp()
        if row.kind == "run":
            if row.what == "state" and row.after in FAILED and row.note.startswith(DEFAULT):
                found.append(Spell(row.ref, at, at))
            continue
        was = row.what != "new" and ill(row.kind, row.before)
        now = row.what != "gone" and ill(row.kind, row.after)
        if was and row.ref not in begun:
            begun[row.ref] = float("-inf")
        if now:
            begun.setdefault(row.ref, at)
        elif row.ref in begun:
            found.append(Spell(row.ref, begun.pop(row.ref), at))
    return found + [Spell(ref, begin, None) for ref, begin in begun.items()]


def ill(kind: str, state: str) -> bool:
    """Whether an alert or a container in this state needs somebody."""
    if kind == "alert":
        return state == "firing"
    return kind == "container" and state.startswith(ILL)


def standing(records: Iterable[Record]) -> list[Spell]:
    """The times of trouble that the rows of now tell of: what goes on, and the failed runs that are still listed."""
    found = []
    for row in records:
        if isinstance(row, Alert):
            if row.state == "firing" and row.status is Status.BAD:
                found.append(Spell(str(row.ref), _began(row.active_at), None))
        elif isinstance(row, Container):
            if row.state.startswith(ILL):
                found.append(Spell(str(row.ref), _began(row.updated_at), None))
        elif isinstance(row, Run) and row.status is Status.BAD and on_default(row):
            at = row.finished_at or row.updated_at
            if at is not None:
                found.append(Spell(str(row.ref), at, at))
    return found


def joined(told: Sequence[Spell], now: Sequence[Spell], looked: float) -> list[Spell]:
    """What changes tell with what is so now: a spell that seems to go on but does not, had ended by `looked`.

    `looked` is when this program first looked, in epoch seconds: what ended before, nobody here saw end.
    """
    still = {spell.ref for spell in now if spell.end is None}
    kept = [
        spell._replace(end=max(looked, spell.begin)) if spell.end is None and spell.ref not in still else spell
        for spell in told
    ]
    known = {spell.ref for spell in kept if spell.end is None}
    return kept + [spell for spell in now if spell.end is not None or spell.ref not in known]


def last_good_hour(troubles: Iterable[Spell], first: float, now: float) -> Hour | None:
    """The newest hour between `first`, before which nothing is known, and `now` that touches no trouble.

    What a clock that jumped puts into the future counts as of now.
    """
    free_until = now
    ends = [(min(now, now if spell.end is None else spell.end), spell.begin) for spell in troubles]
    for end, begin in sorted(ends, reverse=True):
        if free_until - end >= HOUR_S:
            break
        free_until = min(free_until, begin)
    if free_until - first < HOUR_S:
        return None
    return Hour(free_until - HOUR_S, free_until)


def _began(at: float | None) -> float:
    return float("-inf") if at is None else at



def on_default(run: Run) -> bool:
    """Whether a run went on a default branch."""
    return run.branch == run.default_branch if run.default_branch else run.branch in DEFAULT_BRANCHES
