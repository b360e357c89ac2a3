"""The records of all sources and the facts that tie them, kept as they come and go; nothing is ever built anew.

What is held is each record (the hub holds it too) and, for each fact, which records tell it. Links are not stored:
two things are tied when a rule says so of what both tell now, so that nothing can be tied that is not there any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from quarterdeck_lifecycle.records import Link, Record, Ref
from quarterdeck_lifecycle.trace.facts import SHORT, Fact, FactKind, bare, environment_of, facts, there
from quarterdeck_lifecycle.trace.hops import FACES, PLACES, Place
from quarterdeck_lifecycle.trace.index import Index
from quarterdeck_lifecycle.trace.linking import NEAR, Join, Known, joined

MOST = 400_000
"""Records beyond so many are not taken in, but counted."""
BARE = "-"
NAMED: dict[str, FactKind] = {
    "pull_request": "pull_request", "version": "version", "training_run": "training_run", "digest": "digest",
}  # fmt: skip
"""Kinds of facts that name a thing which may have no row here."""
ROWS_OF: dict[str, tuple[str, ...]] = {
    "pull_request": ("pull_request",), "version": ("version",), "training_run": ("training_run",),
    "digest": ("tag", "image"),
}  # fmt: skip
ROWS_AT = {
    places: (*(kind for kind, at in PLACES.items() if set(at) & places), *FACES)
    for kinds in NEAR.values() for places in kinds.values()
}  # fmt: skip
"""The kinds of rows that may stand at some places, or tell of what does."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is held: records, facts told, different facts, and bytes of the index without the records."""

    records: int
    links: int
    values: int
    bytes: int
    left_out: int = 0


class Graph:
    """Records by their refs, and an index of their facts."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._rows: dict[tuple[str, str], dict[Ref, Record]] = {}
        self.index = Index()
        self._fetched: dict[Ref, tuple[Link, ...]] = {}
        self._count = 0
        self.left_out = 0
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take a record in, in the place of the one of its ref. A record that is known already costs nothing."""
        rows = self._rows.setdefault((record.ref.source, record.ref.kind), {})
        known = rows.get(record.ref)
        if known is record:
            return
        if known is not None:
            self._forget(known)
            if known.links != record.links:
                self._fetched.pop(record.ref, None)
        elif self._count >= MOST:
            self.left_out += 1
            return
        else:
            self._count += 1
        rows[record.ref] = record
        for fact in self._told(record):
            self.index.tell(fact, record.ref)

    def remove(self, ref: Ref) -> None:
        """Let a record go, with what it alone told. Nothing happens for one that is not there."""
        record = self._rows.get((ref.source, ref.kind), {}).pop(ref, None)
        if record is not None:
            self._count -= 1
            self._forget(record)
            self._fetched.pop(ref, None)

    def refresh(self, source: str, kind: str, rows: Iterable[Record]) -> None:
        """A whole new listing of one kind of a source: what is the same object stays, the rest comes or goes."""
        listed = {row.ref: row for row in rows}
        for ref in [ref for ref in self._rows.get((source, kind), {}) if ref not in listed]:
            self.remove(ref)
        for row in listed.values():
            self.add(row)

    def learn(self, ref: Ref, links: Sequence[Link]) -> None:
        """Facts of a record that were fetched later (the platforms of an index), until the record goes."""
        record = self.record(ref)
        if record is None:
            return
        self._forget(record)
        self._fetched[ref] = tuple(dict.fromkeys((*self._fetched.get(ref, ()), *links)))
        for fact in self._told(record):
            self.index.tell(fact, ref)

    def record(self, ref: Ref) -> Record | None:
        """The record of a ref."""
        return self._rows.get((ref.source, ref.kind), {}).get(ref)

    def records(self, *kinds: str) -> Iterator[Record]:
        """Every record, or those of some kinds."""
        for (_, kind), rows in self._rows.items():
            if not kinds or kind in kinds:
                yield from rows.values()

    def telling(self, kind: FactKind, value: str, *of: str) -> tuple[Ref, ...]:
        """The refs of the records that tell a fact, or of those of some kinds."""
        return tuple(self.index.telling(kind, value, of or None))

    def whole(self, beginning: str) -> tuple[str, ...]:
        """The whole shas that begin so, of those that any record tells; at least seven digits are asked for."""
        return self.index.whole(beginning)

    def placed(self, service: str, environment: str) -> bool:
        """Whether a workload of that service says that it is in that environment."""
        for ref in self.telling("service", service, "container", "service", "endpoint"):
            record = self.record(ref)
            if record is not None and there(record, environment):
                return True
        return False

    @property
    def size(self) -> Size:
        """What it holds now."""
        return Size(
            records=self._count, links=self.index.links, values=self.index.values, bytes=self.index.bytes,
            left_out=self.left_out,
        )  # fmt: skip

    def known(self, ref: Ref) -> Known:
        """What is known of a thing: a record's facts, or those that its bare name is one of."""
        record = self.record(ref)
        if record is None:
            return Known(ref, None, "", self._of_bare(ref))
        return Known(ref, record, environment_of(record).casefold(), _sorted_out(self._told(record)))

    def things(self, ref: Ref) -> tuple[Ref, ...]:
        """What a ref stands for in a thread: itself, or the commit, run or versions that the row only tells of."""
        record = self.record(ref)
        if ref.kind in FACES and record is not None:
            return tuple(bare(_kind_of(fact), fact.value) for fact in self._told(record) if _is_commit(fact))[:1]
        if ref.kind == "commit" and ref.source != BARE:
            return (bare("commit", ref.id.rpartition("\0")[2]),)
        if ref.kind == "job" and record is not None:
            said = next((fact.value for fact in self._told(record) if fact.kind == "run"), "")
            return self.telling("run", said, "run")
        if ref.kind == "model" and record is not None:
            names = [fact.value for fact in self._told(record) if fact.kind == "version"]
            return tuple(
                dict.fromkeys(found for name in names for found in self._standing("version", name))
            )
        return (ref,) if ref.kind in PLACES else ()

    def near(self, known: Known, at: Place, kept: dict[Ref, Known]) -> Iterator[tuple[Known, Place, Join]]:
        """What is tied to a thing that stands at a place, each with where it stands and why it is tied.

        `kept` holds what is known of things, so that it is made once for a walk.
        """
        seen: set[tuple[Ref, Place]] = set()
        for kind, places in NEAR.get(at, {}).items():
            for value in known.of(kind):
                for ref in self._candidates(kind, value, ROWS_AT[places]):
                    for place in PLACES.get(ref.kind, ()):
                        if place not in places or (ref, place) in seen:
                            continue
                        seen.add((ref, place))
                        other = kept.get(ref) or kept.setdefault(ref, self.known(ref))
                        join = joined(known, at, other, place, self)
                        if join is not None and not self._stood_for(known, other):
                            yield other, place, join

    def _candidates(self, kind: FactKind, value: str, of: tuple[str, ...]) -> Iterator[Ref]:
        """What a fact may lead to: rows of some kinds, commits that rows tell of, and bare names."""
        for ref in self.telling(kind, value, *of):
            yield from self.things(ref) if ref.kind in FACES else (ref,)
        if kind == "commit":
            yield bare("commit", value)
            for ref in self.telling("short", value[:SHORT], *of):
                yield from self.things(ref) if ref.kind in FACES else (ref,)
        elif kind == "short":
            found = self.whole(value)
            for sha in found:
                yield from self._candidates("commit", sha, of)
            yield from self.telling("short", value[:SHORT], *of)
            if not found:
                yield bare("short", value)
        elif kind in NAMED:
            yield from self._standing(kind, value)
        if kind == "pull_request":
            for ref in self.telling(kind, value, "run"):
                yield from (bare("commit", sha) for sha in self.known(ref).of("commit"))

    def _standing(self, kind: FactKind, value: str) -> tuple[Ref, ...]:
        """The rows that are the thing of this name, or its bare name where there is none."""
        return self.telling(kind, value, *ROWS_OF[kind]) or (bare(kind, value),)

    def _stood_for(self, one: Known, other: Known) -> bool:
        """Whether one of them is a bare name of something that has a row, and so is not told of twice."""
        for named, teller in ((one, other), (other, one)):
            if named.ref.source != BARE:
                continue
            kind = named.ref.kind
            if kind == "short":
                if self.whole(named.ref.id):
                    return True
            elif kind in NAMED:
                values = teller.of(NAMED[kind]) if kind == "digest" else (named.ref.id,)
                if any(self.telling(NAMED[kind], value, *ROWS_OF[kind]) for value in values):
                    return True
        return False

    def _forget(self, record: Record) -> None:
        for fact in self._told(record):
            self.index.forget(fact, record.ref)

    def _of_bare(self, ref: Ref) -> dict[str, dict[str, str]]:
        """A bare name, and for a commit what its rows and runs tell of it: tags, subject, change requests."""
        found: dict[str, dict[str, str]] = {ref.kind: {ref.id: ""}}
        for each in self.telling("commit", ref.id, *FACES, "run") if ref.kind == "commit" else ():
            kinds = ("tagname", "subject") if each.kind in FACES else ("pull_request",) if each.kind == "run" else ()
            record = self.record(each) if kinds else None
            for fact in self._told(record) if record is not None else ():
                if fact.kind in kinds:
                    found.setdefault(fact.kind, {})[fact.value] = fact.evidence
        return found

    def _told(self, record: Record) -> tuple[Fact, ...]:
        more = self._fetched.get(record.ref)
        return facts(record if more is None else msgspec.structs.replace(record, links=(*record.links, *more)))


def _is_commit(fact: Fact) -> bool:
    return fact.kind in ("commit", "short")


def _kind_of(fact: Fact) -> FactKind:
    return fact.kind


def _sorted_out(told: Iterable[Fact]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for fact in told:
        found.setdefault(fact.kind, {})[fact.value] = fact.evidence
    return found
