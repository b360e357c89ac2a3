"""What ran in the place of something before it: the two commits whose history tells what came with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from quarterdeck_lifecycle.kinds import Container, Deployment
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.release.model import MARK
from quarterdeck_lifecycle.trace.facts import environment_of
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.linking import short
from quarterdeck_lifecycle.trace.thread import Thread


class Since(msgspec.Struct, frozen=True):
    """A commit, the one that it took the place of, where, and which record says so."""

    new: str
    old: str
    environment: str
    evidence: str


def since(thread: Thread, graph: Graph) -> tuple[Since, ...]:
    """For each environment what a thing took the place of: by the marks of our releases, else by the forge."""
    found: dict[tuple[str, str], Since] = {}
    for each in (*_by_marks(thread, graph), *_by_deployments(thread, graph)):
        if each.new != each.old:
            found.setdefault((each.environment, each.new), each)
    return tuple(found.values())


def _by_marks(thread: Thread, graph: Graph) -> Iterator[Since]:
    for node in thread.nodes:
        box = node.record
        previous = box.labels.get(f"{MARK}previous", "") if isinstance(box, Container) else ""
        if not previous or box is None or node.guess:
            continue
        for ref in graph.telling("digest", previous, "tag", "image"):
            for old in graph.known(ref).of("commit"):
                for new in graph.known(box.ref).of("commit"):
                    yield Since(new, old, environment_of(box), f"label {MARK}previous of {box.name}")


def _by_deployments(thread: Thread, graph: Graph) -> Iterator[Since]:
    for node in thread.nodes:
        this = node.record
        if not isinstance(this, Deployment) or not this.head or node.guess:
            continue
        earlier = [
            other for other in graph.records("deployment")
            if isinstance(other, Deployment) and (other.repository, other.target) == (this.repository, this.target)
            and other.ref.source == this.ref.source and (other.created_at or 0.0) < (this.created_at or 0.0)
            and other.head and other.head != this.head and other.status in (Status.OK, Status.IDLE)
        ]  # fmt: skip
        if earlier:
            last = max(earlier, key=lambda other: other.created_at or 0.0)
            where = environment_of(this)
            yield Since(this.head, last.head, where, f"the deployment to {where} before it was of {short(last.head)}")
