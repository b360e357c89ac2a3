"""Where a thing is: running, superseded, on its way or not there, for each environment. Pure.

A commit also runs where a later one that holds it runs; whether it does is the history's to say (`Relation`), which is
asked for with `compared` and handed in. What a source that is down might know is said to be unknown, never "not there".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.kinds import Container, Deployment, Operation, Run
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.trace.facts import there
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.history import Pair, Relation, asked_commits, running, runs_in, service_of
from quarterdeck_lifecycle.trace.hops import WORKLOADS, Place
from quarterdeck_lifecycle.trace.linking import short
from quarterdeck_lifecycle.trace.thread import Node, Thread, walk

UNDER_WAY = (Status.RUNNING, Status.WAITING, Status.QUEUED)
CARRIED = (Place.COMMIT, Place.CHANGE, Place.RUN, Place.TAG, Place.IMAGE, Place.VERSION)


class Standing(StrEnum):
    """How a thing stands in an environment."""

    RUNNING = "running"
    ON_ITS_WAY = "on its way"
    SUPERSEDED = "superseded"
    NOT_THERE = "not there"
    UNKNOWN = "unknown"


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """One environment: how it stands, in words since when (epoch seconds), and by which evidence."""

    environment: str
    standing: Standing
    words: str = ""
    since: float | None = None
    evidence: str = ""
    guess: bool = False
    refs: tuple[Ref, ...] = ()


def where(
    thread: Thread,
    graph: Graph,
    environments: Sequence[str],
    *,
    history: Mapping[Pair, Relation] | None = None,
    past: Sequence[ChangeRow] = (),
    down: Mapping[str, str] | None = None,
) -> tuple[Here, ...]:
    """How what a thread began at stands in each environment, in their order.

    `past` are recorded changes, `down` says for an environment why what runs there cannot be told; `""` stands for all.
    """
    found = []
    for environment in environments:
        here = (
            _running(thread, graph, environment)
            or _inside(thread, graph, environment, history or {})
            or _on_its_way(thread, environment)
        )
        if here is None:
            why = (down or {}).get(environment) or (down or {}).get("")
            here = (
                Here(environment=environment, standing=Standing.UNKNOWN, words=why)
                if why
                else _superseded(thread, graph, environment, past) or _absent(thread, graph, environment, history or {})
            )
        found.append(here)
    return tuple(found)


def asked_for(thread: Thread, graph: Graph) -> Thread:
    """The thread to look for: a workload is asked for by the images that it runs, anything else as itself."""
    if not all(ref.kind in ("container", "service", "endpoint") for ref in thread.begin):
        return thread
    images = [node.ref for node in thread.nodes if node.place in (Place.TAG, Place.IMAGE) and not node.guess]
    return walk(graph, *images) if images else thread


def under_way(thread: Thread) -> tuple[Run, ...]:
    """The runs of a thread that have not ended."""
    return tuple({node.ref: node.record for node in thread.nodes
                  if isinstance(node.record, Run) and node.record.status in UNDER_WAY}.values())  # fmt: skip


def step(record: Run) -> str:
    """Where a run is, in its system's words."""
    return ": ".join(part for part in (record.name, record.where or record.note or record.state) if part)


def _carries(thread: Thread, node: Node) -> bool:
    """Whether a workload or release says itself that it has the thing, and is not only beside one that has."""
    if node.ref in thread.begin or node.place is Place.CONTAINER:
        return True
    return any(
        (edge.one == node.ref and edge.to in CARRIED) or (edge.other == node.ref and edge.at in CARRIED)
        for edge in thread.edges
    )


def _there(thread: Thread, environment: str, *places: Place) -> list[Node]:
    return [
        node for node in thread.nodes
        if node.place in places and node.record is not None and there(node.record, environment)
        and _carries(thread, node)
    ]  # fmt: skip


def _running(thread: Thread, graph: Graph, environment: str) -> Here | None:
    nodes = [n for n in _there(thread, environment, *WORKLOADS) if n.record is not None and running(n.record)]
    boxes = [node for node in nodes if isinstance(node.record, Container)]
    if not nodes:
        # fmt: off
        current = [n for n in _there(thread, environment, Place.RELEASE)
                   if isinstance(n.record, Deployment) and n.record.current and n.record.status is Status.OK]
        # fmt: on
        if not current or runs_in(graph, environment):
            return None
        return _here(environment, Standing.RUNNING, f"{current[0].name}, as the forge says", current)
    names = sorted({service_of(node.record) for node in nodes if node.record is not None})
    total = [box for box in runs_in(graph, environment) if service_of(box) in names]
    count = f" {len(boxes)}/{len(total)}" if boxes and len(total) > 1 else ""
    trouble = next((n.record.state for n in boxes if n.record and n.record.status is Status.BAD), "")
    words = f"{', '.join(names)}{count}{f' · {trouble}' if trouble else ''}"
    return _here(environment, Standing.RUNNING, words, boxes or nodes)


def _inside(thread: Thread, graph: Graph, environment: str, history: Mapping[Pair, Relation]) -> Here | None:
    if _is_image(thread):
        return None
    asked = [ref.id for ref in asked_commits(thread)]
    for box in runs_in(graph, environment):
        for sha in graph.known(box.ref).of("commit"):
            for one in asked:
                said = history.get((one, sha))
                if said is None or not said.holds:
                    continue
                if said.reverted:
                    return Here(
                        environment=environment, standing=Standing.SUPERSEDED,
                        words=f"taken back by {short(said.reverted)}, which runs in {service_of(box)}",
                        evidence="a later commit's subject says that it reverts it", guess=True, refs=(box.ref,),
                    )  # fmt: skip
                after = f", {said.behind} commit{'s' if said.behind > 1 else ''} later"
                return Here(
                    environment=environment, standing=Standing.RUNNING,
                    words=f"{service_of(box)}, inside {short(sha)}{after}", since=box.started_at or box.updated_at,
                    evidence=f"git: {short(one)} is an ancestor of {short(sha)}", refs=(box.ref,),
                )  # fmt: skip
    return None


def _is_image(thread: Thread) -> bool:
    """Whether an image is asked for: a later one that holds its commit is another image."""
    return any(ref.kind in ("tag", "image", "digest") for ref in thread.begin)


def _on_its_way(thread: Thread, environment: str) -> Here | None:
    for node in _there(thread, environment, Place.RELEASE):
        record = node.record
        if isinstance(record, Operation) and record.alive:
            words = f"{record.name} {record.place}/{record.steps} {record.step}".rstrip()
            return _here(environment, Standing.ON_ITS_WAY, words, [node])
        if isinstance(record, Deployment) and record.status in UNDER_WAY:
            return _here(environment, Standing.ON_ITS_WAY, f"{record.name} {record.state}", [node])
    for run in under_way(thread):
        named = run.environment == environment
        said = f"{run.workflow} {run.where}".replace("-", " ").replace("_", " ").lower().split()
        if named or environment.lower() in said:
            return Here(
                environment=environment, standing=Standing.ON_ITS_WAY, words=step(run), since=run.started_at,
                evidence="environment of the run" if named else f"the run's name has the word {environment}",
                guess=not named, refs=(run.ref,),
            )  # fmt: skip
    return None


def _superseded(thread: Thread, graph: Graph, environment: str, past: Sequence[ChangeRow]) -> Here | None:
    nodes = _there(thread, environment, Place.RELEASE, *WORKLOADS)
    for node in nodes:
        record = node.record
        if isinstance(record, Container) and not running(record):
            return _here(environment, Standing.SUPERSEDED, f"{record.name} is {record.state}", [node])
        done = isinstance(record, Deployment) and not record.current and record.status in (Status.OK, Status.IDLE)
        if done or (isinstance(record, Operation) and record.result in ("SUCCEEDED", "ROLLED_BACK")):
            return _here(environment, Standing.SUPERSEDED, f"{node.name}, and something else since", [node])
    names = _values(thread, graph)
    for row in past:
        if row.environment == environment and row.before and (row.before in names or row.before[:19] in names):
            return Here(
                environment=environment, standing=Standing.SUPERSEDED, words=f"{row.name} until then",
                since=row.at.timestamp(), evidence=f"a recorded change of its {row.what}",
            )  # fmt: skip
    return None


def _values(thread: Thread, graph: Graph) -> set[str]:
    found: set[str] = set()
    for node in thread.nodes:
        if node.place in (Place.COMMIT, Place.TAG, Place.IMAGE, Place.VERSION) and not node.guess:
            known = graph.known(node.ref)
            for kind in ("commit", "digest", "version"):
                found |= set(known.of(kind))
    return found


def _absent(thread: Thread, graph: Graph, environment: str, history: Mapping[Pair, Relation]) -> Here:
    asked = [ref.id for ref in asked_commits(thread)]
    for box in runs_in(graph, environment):
        for sha in graph.known(box.ref).of("commit"):
            said = next((history[one, sha] for one in asked if (one, sha) in history), None)
            if said is not None and said.holds:
                count = f"{said.behind} commit{'s' if said.behind > 1 else ''} later"
                return Here(
                    environment=environment, standing=Standing.SUPERSEDED, refs=(box.ref,),
                    words=f"{service_of(box)} runs {short(sha)}, {count}",
                    evidence=f"git: {short(sha)} holds the commit that it was built from",
                )  # fmt: skip
            if said is not None:
                count = f"{said.ahead} commit{'s' if said.ahead > 1 else ''} before"
                words = f"{service_of(box)} runs {short(sha)}, {count}"
                return Here(
                    environment=environment, standing=Standing.NOT_THERE, words=words, refs=(box.ref,),
                    evidence=f"git: {short(sha)} does not hold it",
                )  # fmt: skip
    mine = {service_of(node.record) for node in thread.nodes if node.record and node.place in WORKLOADS}
    others = [box for box in runs_in(graph, environment) if service_of(box) in mine]
    if others:
        words = f"{service_of(others[0])} runs {others[0].image.rpartition('/')[2] or short(others[0].image_id)}"
        return Here(
            environment=environment, standing=Standing.NOT_THERE, words=words, refs=tuple(box.ref for box in others)
        )
    return Here(environment=environment, standing=Standing.NOT_THERE)


def _here(environment: str, standing: Standing, words: str, nodes: Sequence[Node]) -> Here:
    first = nodes[0]
    record = first.record
    since = getattr(record, "started_at", None) or (record.updated_at if record is not None else None)
    return Here(
        environment=environment, standing=standing, words=words, since=since, evidence=first.evidence or "asked for",
        guess=all(node.guess for node in nodes), refs=tuple(node.ref for node in nodes),
    )  # fmt: skip
