"""Siblings of a hop, folded: the tags and copies of one image, the replicas of one service, the runs of a commit. Pure.

A group is what a reader takes for one thing. Nothing is dropped: a fold counts what it holds, and opens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from quarterdeck_lifecycle.kinds import Alert, Container, Endpoint, Rule, Run, Series, Service
from quarterdeck_lifecycle.records import TROUBLE, Ref, Status
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import Hop, Place
from quarterdeck_lifecycle.trace.thread import Node, Thread

SHOWN = 4
"""Groups of a hop that are shown before the rest is one line."""
RANK = {Place.CONTAINER: 0, Place.SERVICE: 1, Place.ENDPOINT: 2, Place.TAG: 0, Place.IMAGE: 1}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What stands as one line: the thing that is shown, its siblings, and what all of them are in few words."""

    hop: Hop
    head: Node
    rest: tuple[Node, ...] = ()
    words: str = ""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All of them."""
        return (self.head, *self.rest)

    @property
    def status(self) -> Status:
        """The worst of them that somebody has to look at or wait for, else that of the one that is shown."""
        told = [node.record.status for node in self.nodes if node.record is not None]
        worst = min(told, key=TROUBLE.__getitem__, default=Status.IDLE)
        own = self.head.record.status if self.head.record is not None else Status.IDLE
        return worst if TROUBLE[worst] < TROUBLE[Status.QUEUED] else own

    @property
    def guess(self) -> bool:
        """Whether only guesses lead to it."""
        return all(node.guess for node in self.nodes)


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """A hop's groups as they are shown, and those that are folded behind a line `+n more`."""

    hop: Hop
    shown: tuple[Group, ...]
    more: tuple[Group, ...] = ()


def fold(thread: Thread, graph: Graph, hop: Hop, *, opened: bool = False, shown: int = SHOWN) -> Folded:
    """A hop's groups: facts before guesses, then what is in trouble, what is under way and what is well; the latest
    first."""
    groups = sorted((_group(hop, nodes, thread.begin) for nodes in _grouped(thread.of(hop), graph)), key=_order)
    if opened or len(groups) <= shown:
        return Folded(hop=hop, shown=tuple(groups))
    return Folded(hop=hop, shown=tuple(groups[: shown - 1]), more=tuple(groups[shown - 1 :]))


def _grouped(nodes: Sequence[Node], graph: Graph) -> list[list[Node]]:
    found: list[tuple[set[str], list[Node]]] = []
    for node in nodes:
        keys = _keys(node, graph)
        same = [group for group in found if group[0] & keys]
        merged = (keys.union(*(group[0] for group in same)), [n for group in same for n in group[1]] + [node])
        found = [group for group in found if group not in same] + [merged]
    return [members for _, members in found]


def _keys(node: Node, graph: Graph) -> set[str]:
    """What it is one with: an image by its digests, a workload by its service there, a signal by its name."""
    record = node.record
    if node.ref.kind == "digest":
        tellers = graph.telling("digest", node.ref.id)
        return {digest for ref in tellers for digest in graph.known(ref).of("digest")}
    if node.place in (Place.TAG, Place.IMAGE):
        return set(graph.known(node.ref).of("digest")) or {str(node.ref)}
    if isinstance(record, Container | Service | Endpoint) and record.service:
        source = "" if record.environment else record.ref.source
        return {f"{record.environment}\0{source}\0{record.service}"}
    if isinstance(record, Run):
        return {f"{record.ref.source}\0{record.repository}\0{record.workflow}\0{record.head}"}
    if isinstance(record, Alert | Rule):
        return {f"{record.name}\0{record.link('environment')}"}
    if isinstance(record, Series):
        return {f"{record.name}\0{record.link('environment')}\0{record.link('service')}"}
    return {str(node.ref)}


def _group(hop: Hop, nodes: Sequence[Node], begin: Sequence[Ref]) -> Group:
    """What the thread began at stands for its siblings, else a fact before a guess, and what is in trouble."""

    def first(node: Node) -> tuple[bool, bool, int, int, float]:
        return node.ref not in begin, node.guess, RANK.get(node.place, 0), _trouble(node), -(node.at or 0.0)

    ordered = sorted(nodes, key=first)
    kinds = Counter(node.ref.kind for node in ordered)
    kinds[ordered[0].ref.kind] -= 1
    words = ", ".join(f"+{count} {kind.replace('_', ' ')}{_s(kind, count)}" for kind, count in kinds.items() if count)
    return Group(hop=hop, head=ordered[0], rest=tuple(ordered[1:]), words=words)


def _trouble(node: Node) -> int:
    return TROUBLE[node.record.status] if node.record is not None else TROUBLE[Status.IDLE]


def _order(group: Group) -> tuple[bool, int, float, Ref]:
    rank = TROUBLE[group.status] if TROUBLE[group.status] < TROUBLE[Status.UNKNOWN] else TROUBLE[Status.UNKNOWN]
    return group.guess, rank, -(group.head.at or 0.0), group.head.ref


def _s(kind: str, count: int) -> str:
    return "" if count == 1 or kind == "series" else "s"
