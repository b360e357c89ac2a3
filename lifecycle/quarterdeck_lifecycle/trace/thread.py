"""The thread of a thing: what it came from and what came of it, with the evidence of every link. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from quarterdeck_lifecycle.kinds import Operation, Run
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.trace.graph import BARE, Graph
from quarterdeck_lifecycle.trace.hops import BUILDING, FACES, HOP_OF, PLACES, TRAINING, Hop, Place, onward
from quarterdeck_lifecycle.trace.linking import Join, Known, short

MOST = 2000
"""Things that a thread holds at most; beyond, it says that it is cut."""


class Edge(msgspec.Struct, frozen=True, order=True):
    """A link of the thread: from the place nearer to the commit to the one further away."""

    one: Ref
    at: Place
    other: Ref
    to: Place
    evidence: str
    guess: bool


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A thing on the thread. `record` is None for what is only known by name; `guess` when a guess leads to it.

    `evidence` is that of the link by which the thread came to it, `via` the thing it came from; both are empty for
    what the thread began at. `steps` counts the links between.
    """

    ref: Ref
    place: Place
    record: Record | None = None
    evidence: str = ""
    via: Ref | None = None
    guess: bool = False
    steps: int = 0

    @property
    def name(self) -> str:
        """What it is called on the screen."""
        record = self.record
        if self.ref.kind in ("commit", "short"):
            return self.ref.id[:10]
        if record is None:
            if self.ref.kind == "pull_request":
                return f"#{self.ref.id.rpartition('#')[2]} of {self.ref.id.rpartition('#')[0]}"
            return short(self.ref.id)
        return record.name

    @property
    def words(self) -> str:
        """One more thing about it: a commit's subject, a change request's title, a run's branch, else its state."""
        record = self.record
        if record is None:
            return ""
        for field in ("subject", "title"):
            if text := getattr(record, field, ""):
                return str(text)
        return record.state

    @property
    def at(self) -> float | None:
        """When it happened or changed last, in epoch seconds."""
        record = self.record
        if isinstance(record, Run):
            return record.finished_at or record.started_at or record.created_at or record.updated_at
        if isinstance(record, Operation):
            return record.ended_at or record.began_at
        for field in ("created_at", "started_at"):
            if value := getattr(record, field, None):
                return float(value)
        return record.updated_at if record is not None else None


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: the things by hop, in the order of the hops, what ties them, and whether there was too much."""

    begin: tuple[Ref, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    cut: bool = False

    def of(self, *hops: Hop) -> tuple[Node, ...]:
        """The things at some hops, the latest first."""
        return tuple(node for node in self.nodes if HOP_OF[node.place] in hops)

    @property
    def refs(self) -> frozenset[Ref]:
        """Everything on the thread."""
        return frozenset(node.ref for node in self.nodes)


def walk(graph: Graph, *begin: Ref) -> Thread:
    """The thread from one thing, or from several as one, in both directions.

    Facts are followed before guesses and short ways before long ones, so that what a fact also leads to is no guess.
    A commit, a change request or a run may have built something, or trained it: it is told as what it did.
    """
    things = tuple(dict.fromkeys(thing for ref in begin for thing in graph.things(ref)))
    places = [(ref, place) for ref in things for place in PLACES.get(ref.kind, ())]
    kept: dict[Ref, Known] = {}
    built = _walked(graph, [(ref, place) for ref, place in places if place not in TRAINING], kept)
    trained = _walked(graph, [(ref, place) for ref, place in places if place in TRAINING], kept)
    if not any(place not in TRAINING for _, place in trained.found):
        trained = _Walked({}, {}, False)
    elif all(place in BUILDING for _, place in built.found):
        built = _Walked({}, {}, False)
    found = dict(built.found)
    for key, node in trained.found.items():
        known = found.get(key)
        if known is None or (node.guess, node.steps) < (known.guess, known.steps):
            found[key] = node
    edges = {**built.edges, **trained.edges}
    kept_edges = (e for e in edges.values() if (e.one, e.at) in found and (e.other, e.to) in found)
    return Thread(
        begin=things, nodes=tuple(sorted(found.values(), key=_order)), edges=tuple(sorted(kept_edges)),
        cut=built.cut or trained.cut,
    )  # fmt: skip


class _Walked(NamedTuple):
    found: dict[tuple[Ref, Place], Node]
    edges: dict[tuple[Ref, Place, Ref, Place], Edge]
    cut: bool


def _walked(graph: Graph, begin: Sequence[tuple[Ref, Place]], kept: dict[Ref, Known]) -> _Walked:
    found: dict[tuple[Ref, Place], Node] = {}
    edges: dict[tuple[Ref, Place, Ref, Place], Edge] = {}
    done: set[tuple[Ref, Place, int]] = set()
    ahead: list[tuple[int, int, str, Place, int, Ref, Ref, str]] = [
        (0, 0, str(ref), place, 0, ref, ref, "") for ref, place in begin
    ]
    heapq.heapify(ahead)
    while ahead:
        guesses, steps, _, at, way, ref, via, evidence = heapq.heappop(ahead)
        if (ref, at, way) in done:
            continue
        done.add((ref, at, way))
        known = kept.get(ref) or kept.setdefault(ref, graph.known(ref))
        if (ref, at) not in found:
            if len(found) >= MOST:
                return _Walked(found, edges, True)
            record = known.record if known.record is not None else face(graph, ref)
            found[ref, at] = Node(
                ref=ref, place=at, record=record, evidence=evidence, via=via if steps else None, guess=guesses > 0,
                steps=steps,
            )  # fmt: skip
        for other, to, join in graph.near(known, at, kept):
            on = onward(way, at, to)
            if on is None:
                continue
            edge = _edge(ref, at, other.ref, to, join)
            edges.setdefault((edge.one, edge.at, edge.other, edge.to), edge)
            if (other.ref, to, on) not in done:
                step = (guesses + join.guess, steps + 1, str(other.ref), to, on, other.ref, ref, join.evidence)
                heapq.heappush(ahead, step)
    return _Walked(found, edges, False)


def face(graph: Graph, ref: Ref) -> Record | None:
    """The row that tells most of a bare commit, where a repository's history is known here."""
    if ref.source != BARE or ref.kind != "commit":
        return None
    faces = sorted(graph.telling("commit", ref.id, *FACES))
    return graph.record(faces[0]) if faces else None


def _edge(ref: Ref, at: Place, other: Ref, to: Place, join: Join) -> Edge:
    if at < to:
        return Edge(ref, at, other, to, join.evidence, join.guess)
    return Edge(other, to, ref, at, join.evidence, join.guess)


def _order(node: Node) -> tuple[int, bool, float, str]:
    return _HOPS[HOP_OF[node.place]], node.guess, -(node.at or 0.0), str(node.ref)


_HOPS = {hop: place for place, hop in enumerate(Hop)}
