"""What the history of commits says of what runs: whether a commit is inside a later one that is running. Pure.

History is expensive, so what to ask for is named first (`compared`), asked outside, and handed back as a `Relation`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from quarterdeck_lifecycle.kinds import Container, Service
from quarterdeck_lifecycle.ports import Between
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.trace.facts import there
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import Place
from quarterdeck_lifecycle.trace.thread import Thread

STOPPED = ("exited", "created", "dead", "removing", "down", "unproven")
Pair = tuple[str, str]




class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """How a commit stands to one that runs: `holds` when the running one came after it and holds it.

    `ahead` counts the commits that the asked one has and the running one has not; `reverted` is the commit between
    them whose subject says that it takes the asked one back.
    """

    holds: bool
    ahead: int = 0
    behind: int = 0
    reverted: str = ""


def relation(asked: Between, subject: str = "") -> Relation:
    """From what lies between the asked commit (old) and the running one (new); `subject` is the asked one's."""
    said = f'Revert "{subject}"'
    reverted = next((each.sha for each in asked.commits if subject and each.subject == said), "")
    return Relation(
        holds=not asked.gone, ahead=len(asked.gone), behind=len(asked.commits), reverted=reverted
    )


def running(record: Record) -> bool:
    """Whether a workload runs, as its system says."""
    if isinstance(record, Service) and not record.running:
        return False
    return not record.state.startswith(STOPPED) and record.status is not Status.UNKNOWN


def runs_in(graph: Graph, environment: str) -> list[Container]:
    """The containers that run in an environment."""
    boxes = (box for box in graph.records("container") if isinstance(box, Container))
    return [box for box in boxes if there(box, environment) and running(box)]


def service_of(record: Record) -> str:
    """The service that a workload is of, by its name."""
    return str(getattr(record, "service", "") or record.name)


def compared(thread: Thread, graph: Graph, environments: Iterable[str]) -> tuple[Pair, ...]:
    """The pairs of commits (asked, running) whose history would say whether the thing runs inside a later one.

    Only commits of the same repository are paired, as far as both say theirs.
    """
    asked = [ref.id for ref in asked_commits(thread)]
    homes = {fact for node in thread.nodes for fact in graph.known(node.ref).of("repository")
             if node.place in (Place.COMMIT, Place.CHANGE, Place.RUN, Place.TAG, Place.IMAGE)}  # fmt: skip
    found: dict[Pair, None] = {}
    for environment in environments:
        for box in runs_in(graph, environment):
            known = graph.known(box.ref)
            theirs = set(known.of("repository"))
            if homes and theirs and not homes & theirs:
                continue
            for sha in known.of("commit"):
                for one in asked:
                    if one != sha:
                        found[one, sha] = None
    return tuple(found)


def asked_commits(thread: Thread) -> list[Ref]:
    """The commits that are asked for: those that the thread began at, else those that its images were built from."""
    nodes = [node for node in thread.nodes if node.place is Place.COMMIT and node.ref.kind == "commit"]
    begun = [node.ref for node in nodes if node.ref in thread.begin]
    near = {Place.CHANGE, Place.RUN, Place.TAG, Place.IMAGE}
    if not begun and any(node.ref in thread.begin and node.place in near for node in thread.nodes):
        return [node.ref for node in nodes if not node.guess]
    return begun
