"""Which version an alias was on, and when: moves as they were told or seen, and what nobody can know. Pure.

A registry keeps no history of its aliases. What is known comes from tags that whoever moved an alias wrote (exact), and
from looking: a move between two looks is known only as "somewhere in between". Times are epoch seconds in UTC.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from quarterdeck_lifecycle.records import Gated, utc

ALIAS_MOVES = (
    """
    CREATE TABLE alias_moves (
        id TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        model TEXT NOT NULL,
        alias TEXT NOT NULL,
        version TEXT NOT NULL,
        origin TEXT,
        at REAL,
        seen_from REAL,
        seen_to REAL NOT NULL,
        by TEXT NOT NULL,
        op TEXT NOT NULL,
        how TEXT NOT NULL CHECK (how IN ('us', 'outside')),
        evidence TEXT NOT NULL
    )
    """,
    "CREATE INDEX alias_moves_of ON alias_moves (model, alias, source, seen_to)",
    """
    CREATE TABLE alias_looks (
        source TEXT NOT NULL,
        model TEXT NOT NULL,
        alias TEXT NOT NULL,
        version TEXT NOT NULL,
        first REAL NOT NULL,
        last REAL NOT NULL,
        widest REAL NOT NULL,
        PRIMARY KEY (model, alias, source, first)
    )
    """,
)
"""The tables of what is known of aliases, a step of `schema.MIGRATIONS`."""


class Move(Gated, frozen=True, kw_only=True):
    """One move of an alias from `origin` (empty: from none, None: unknown) to `version` (empty: removed).

    `at` is when, where that was told; else it was after `seen_from` and not after `seen_to`. `how` is "us" when a
    Quarterdeck told it, by tags or because it did it.
    """

    source: str
    model: str
    alias: str
    version: str
    origin: str | None = None
    at: float | None = None
    seen_from: float | None = None
    seen_to: float
    by: str = ""
    op: str = ""
    how: Literal["us", "outside"] = "outside"
    evidence: str = ""

    @property
    def id(self) -> str:
        """The same for every deck that learns of it: by its time where that was told."""
        when = f"{self.at:.3f}" if self.at is not None else f"{self.seen_from}\0{self.seen_to}"
        told = "\0".join((self.source, self.model, self.alias, self.version, when))
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Watched(Gated, frozen=True, kw_only=True):
    """A time in which every look found the alias on `version` (empty: none), `widest` seconds apart at most."""

    source: str
    model: str
    alias: str
    version: str
    first: float
    last: float
    widest: float = 0.0


class Blind(Gated, frozen=True, kw_only=True):
    """A time about which something cannot be known: None is the beginning, or now."""

    start: float | None
    end: float | None
    why: str

    def covers(self, at: float) -> bool:
        """Whether it is about that moment."""
        return (self.start is None or self.start <= at) and (self.end is None or at <= self.end)


class Answer(Gated, frozen=True, kw_only=True):
    """Where an alias was. `known` False: it cannot be said, `possible` are the versions in question (empty: none).

    `version` is empty when it was on no version, or when that is not known.
    """

    known: bool
    version: str = ""
    possible: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    blind_spots: tuple[Blind, ...] = ()


class _Fact(msgspec.Struct, frozen=True):
    """At `at` it was on `before` until then and on `after` from then on; None: not told."""

    at: float
    before: str | None
    after: str
    why: str

    @property
    def moved(self) -> bool:
        """Whether it is a move, and no look."""
        return self.before != self.after


def champion_at(moves: Sequence[Move], looks: Sequence[Watched], at: float) -> Answer:
    """Where the alias was at `at`, from what is known of one alias of one source."""
    facts = _facts(moves, looks)
    watched = next((look for look in looks if look.first <= at <= look.last), None)
    if watched is not None and not any(watched.first < fact.at < watched.last for fact in facts if fact.moved):
        return _watched(watched)
    index = bisect.bisect_right([fact.at for fact in facts], at)
    right = facts[index] if index < len(facts) else None
    if not index:
        return _before(right)
    left = facts[index - 1]
    if right is None:
        blind = Blind(start=left.at, end=None, why="nobody has looked since")
        return Answer(
            known=True, version=left.after, possible=(left.after,), evidence=(left.why,), blind_spots=(blind,)
        )
    return _between(left, right)


def _watched(look: Watched) -> Answer:
    """Inside a watched time."""
    told = f"found on {place(look.version)} at every look from {utc(look.first)} to {utc(look.last)}"
    blind = Blind(
        start=look.first, end=look.last,
        why=f"looks were up to {look.widest:.0f} s apart: a move away and back between two is not seen",
    )  # fmt: skip
    return Answer(
        known=True, version=look.version, possible=(look.version,), evidence=(told,),
        blind_spots=(blind,) if look.widest else (),
    )  # fmt: skip


def _before(right: _Fact | None) -> Answer:
    """Earlier than all that is known."""
    if right is None:
        return Answer(known=False, blind_spots=(Blind(start=None, end=None, why="nobody has ever looked at it"),))
    if right.before is None:
        blind = Blind(start=None, end=right.at, why="nobody had looked, and no tag tells where it was before")
        return Answer(known=False, evidence=(right.why,), blind_spots=(blind,))
    blind = Blind(
        start=None, end=right.at, why=f"nobody had looked: since when it was on {place(right.before)} is not known"
    )
    return Answer(known=False, possible=(right.before,), evidence=(right.why,), blind_spots=(blind,))


def _between(left: _Fact, right: _Fact) -> Answer:
    """After one fact and before the next."""
    evidence = (left.why, right.why)
    if right.before is None:
        blind = Blind(start=left.at, end=right.at, why="nobody looked, and no tag tells where it was before")
        return Answer(known=False, possible=(left.after,), evidence=evidence, blind_spots=(blind,))
    if left.after == right.before:
        blind = Blind(start=left.at, end=right.at, why="nobody looked: a move away and back is not seen")
        return Answer(known=True, version=left.after, possible=(left.after,), evidence=evidence, blind_spots=(blind,))
    both = f"it moved from {place(left.after)} to {place(right.before)} in between, when is not known"
    blind = Blind(start=left.at, end=right.at, why=both)
    return Answer(known=False, possible=(left.after, right.before), evidence=evidence, blind_spots=(blind,))


def _facts(moves: Iterable[Move], looks: Iterable[Watched]) -> list[_Fact]:
    """Every moment at which something is known, in order; a look at the moment of a move, on the side that it saw."""

    def found() -> Iterator[_Fact]:
        for look in looks:
            for when in {look.first, look.last}:
                yield _Fact(when, look.version, look.version, f"found on {place(look.version)} at {utc(when)}")
        for move in moves:
            yield _Fact(move.seen_to, move.version, move.version, move.evidence)
            if move.at is not None:
                yield _Fact(move.at, move.origin, move.version, move.evidence)
            elif move.seen_from is not None and move.origin is not None:
                yield _Fact(move.seen_from, move.origin, move.origin, move.evidence)

    facts = list(found())
    left = {(fact.at, fact.before) for fact in facts if fact.moved}
    return sorted(facts, key=lambda fact: (fact.at, 1 if fact.moved else 0 if (fact.at, fact.after) in left else 2))


def place(version: str) -> str:
    """`v17`, or `no version`."""
    return f"v{version}" if version else "no version"
