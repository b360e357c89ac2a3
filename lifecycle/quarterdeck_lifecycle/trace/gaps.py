"""Why a hop of a thread is empty, and what to do about it. Pure.

A gap is told from what the things beside it say: which label, tag or field is missing there. Where a source that could
fill it does not answer, that is the reason, and nothing is said about labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from quarterdeck_lifecycle.kinds import Container, ModelVersion
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.trace.facts import last_name
from quarterdeck_lifecycle.trace.graph import BARE, Graph
from quarterdeck_lifecycle.trace.hops import Hop, Place
from quarterdeck_lifecycle.trace.linking import retagged, short
from quarterdeck_lifecycle.trace.thread import Node, Thread

REVISION = "org.opencontainers.image.revision"
KINDS: dict[Hop, tuple[str, ...]] = {
    Hop.COMMIT: ("repository",), Hop.CHANGE: ("pull_request",), Hop.RUN: ("run",), Hop.IMAGE: ("tag", "image"),
    Hop.RELEASE: ("deployment", "operation"), Hop.WORKLOAD: ("container", "service", "endpoint"),
    Hop.VERSION: ("version",), Hop.TRAINING: ("training_run",), Hop.SIGNAL: ("series", "alert"),
    Hop.TRAINING_COMMIT: (),
}  # fmt: skip
"""The kinds of rows that fill each hop whose want is told."""
BEFORE_WORKLOAD = (Hop.COMMIT, Hop.CHANGE, Hop.RUN, Hop.IMAGE)


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A hop without anything: why, in one sentence, and what to do; `down` when a source would have to answer first."""

    hop: Hop
    why: str
    mend: str = ""
    down: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is read at all: the kinds of rows that some source lists, and why those that do not answer do not."""

    kinds: frozenset[str]
    down: Mapping[str, str] = {}


def gaps(thread: Thread, graph: Graph, asked: Asked) -> tuple[Gap, ...]:
    """The gaps of a thread, in the order of its hops."""
    there = {hop: thread.of(hop) for hop in Hop}
    found: list[Gap] = []
    for hop, kinds in KINDS.items():
        if there[hop] or not thread.nodes or not _expected(hop, there):
            continue
        down = next((why for kind in kinds if (why := asked.down.get(kind, ""))), "")
        if down:
            found.append(Gap(hop=hop, why=down, mend="e on its pane says how to mend it", down=True))
        elif kinds and not asked.kinds & set(kinds):
            found.append(Gap(hop=hop, why=f"no source here lists {_plural(kinds[0])}", mend=_SOURCES.get(hop, "")))
        elif (told := _WHY[hop](there, graph)) is not None:
            found.append(told)
    return tuple(found)


def notes(thread: Thread, graph: Graph, limit: int = 5) -> tuple[str, ...]:
    """What else is worth knowing: tags that moved to another image, short shas that fit several commits, moved aliases.

    At most `limit` sentences.
    """
    found: dict[str, None] = {}
    for node in thread.nodes:
        if node.place in (Place.TAG, Place.IMAGE, Place.CONTAINER) and node.record is not None:
            mine = graph.known(node.ref)
            for name in mine.of("image"):
                for ref in graph.telling("image", name):
                    other = graph.known(ref) if ref != node.ref and ref.kind in ("tag", "image", "container") else None
                    if other is not None and retagged(mine, other):
                        where = f"{ref.kind} of {ref.source}" if ref.kind != "container" else _name(graph, ref)
                        found[f"{name} is another image in {where}: the tag was moved"] = None
            for beginning in mine.of("short"):
                if len(fits := graph.whole(beginning)) > 1:
                    found[f"{beginning} begins {len(fits)} commits: too short to say which"] = None
        if isinstance(node.record, Container):
            for name in graph.known(node.ref).of("alias"):
                if not any(edge.one == node.ref and edge.to is Place.VERSION for edge in thread.edges):
                    found[f"{node.record.name} declares {name}, which does not say what it loaded"] = None
    return tuple(found)[:limit]


def _name(graph: Graph, ref: Ref) -> str:
    record = graph.record(ref)
    return record.name if record is not None else str(ref)


Nodes = Mapping[Hop, Sequence[Node]]


def _expected(hop: Hop, there: Nodes) -> bool:
    """Whether a reader would look for this hop: models only where something says that one is served."""
    if hop is Hop.VERSION:
        return any(node.record is not None and _models(node) for node in there[Hop.WORKLOAD])
    if hop is Hop.TRAINING:
        return bool(there[Hop.VERSION])
    if hop is Hop.TRAINING_COMMIT:
        return bool(there[Hop.TRAINING])
    if hop in BEFORE_WORKLOAD and not any(there[each] for each in (*BEFORE_WORKLOAD, Hop.RELEASE, Hop.WORKLOAD)):
        return False
    if hop is Hop.SIGNAL:
        return bool(there[Hop.WORKLOAD])
    return hop is not Hop.RELEASE


def _models(node: Node) -> bool:
    record = node.record
    return record is not None and (bool(record.link("model")) or bool(getattr(record, "model", "")))


def _commit(there: Nodes, _graph: Graph) -> Gap | None:
    images = [node for node in there[Hop.IMAGE] if node.record is not None]
    if images:
        return Gap(
            hop=Hop.COMMIT, why=f"the image {images[0].name} has no label {REVISION}",
            mend=f"docker build --label {REVISION}=$(git rev-parse HEAD), or a line LABEL in the Dockerfile",
        )  # fmt: skip
    if there[Hop.WORKLOAD]:
        return Gap(hop=Hop.COMMIT, why="nothing here says what it was built from: its image is not known")
    return Gap(hop=Hop.COMMIT, why="nothing here names a commit")


def _change(there: Nodes, graph: Graph) -> Gap | None:
    if not there[Hop.COMMIT]:
        return Gap(hop=Hop.CHANGE, why="without a commit none can be found")
    sha = there[Hop.COMMIT][0].name
    known = any(True for _ in graph.records("pull_request"))
    if not known:
        return Gap(hop=Hop.CHANGE, why="no change request is listed here")
    why = f"no listed change request has {sha} as its head, and its subject names none"
    return Gap(hop=Hop.CHANGE, why=why, mend="merged ones are no longer listed; squash merges keep (#N) in the subject")


def _run(there: Nodes, _graph: Graph) -> Gap | None:
    if not there[Hop.COMMIT]:
        return Gap(hop=Hop.RUN, why="without a commit none can be found")
    why = f"no listed run has {there[Hop.COMMIT][0].name} as its head"
    return Gap(hop=Hop.RUN, why=why, mend="it is older than the list, or was never built")


def _image(there: Nodes, _graph: Graph) -> Gap | None:
    if there[Hop.WORKLOAD]:
        return Gap(hop=Hop.IMAGE, why="no engine and no registry here lists the image that it runs")
    if there[Hop.COMMIT]:
        why = f"no image here says that it was built from {there[Hop.COMMIT][0].name}"
        return Gap(hop=Hop.IMAGE, why=why, mend=f"it needs the label {REVISION}")
    return Gap(hop=Hop.IMAGE, why="without a commit none can be found")


def _workload(there: Nodes, _graph: Graph) -> Gap | None:
    if there[Hop.VERSION] and not there[Hop.IMAGE]:
        return Gap(
            hop=Hop.WORKLOAD, why="nothing here says that it serves this version",
            mend="served: {http, field} under services:, or a label quarterdeck.model_uri=models:/NAME/VERSION",
        )  # fmt: skip
    name = there[Hop.IMAGE][0].name if there[Hop.IMAGE] else "it"
    return Gap(hop=Hop.WORKLOAD, why=f"nothing here runs {last_name(name) or name}")


def _version(there: Nodes, _graph: Graph) -> Gap | None:
    workload = next((node for node in there[Hop.WORKLOAD] if _models(node)), None)
    if workload is None:
        return None
    proof = next((str(proof) for node in there[Hop.WORKLOAD] if (proof := getattr(node.record, "proof", ""))), "")
    return Gap(
        hop=Hop.VERSION, why=f"{workload.name} does not prove which version it serves{f': {proof}' if proof else ''}",
        mend="served: {http, field} under services:, or a label quarterdeck.model_uri=models:/NAME/VERSION",
    )  # fmt: skip


def _training(there: Nodes, _graph: Graph) -> Gap | None:
    version = there[Hop.VERSION][0]
    made = version.record
    if isinstance(made, ModelVersion) and made.run_id:
        why = f"the run {short(made.run_id)} is not listed"
        return Gap(hop=Hop.TRAINING, why=why, mend="it was deleted, or is old")
    if version.ref.source == BARE:
        return Gap(hop=Hop.TRAINING, why=f"no model registry here lists {version.name}")
    why = f"{version.name} has no run_id and no source runs:/..."
    return Gap(hop=Hop.TRAINING, why=why, mend="register models from the run that logged them")


def _training_commit(there: Nodes, _graph: Graph) -> Gap | None:
    run = there[Hop.TRAINING][0]
    if run.record is None:
        return Gap(hop=Hop.TRAINING_COMMIT, why=f"the run {run.name} is not listed", mend="it was deleted, or is old")
    why = f"the run {run.name} has no tag mlflow.source.git.commit"
    return Gap(hop=Hop.TRAINING_COMMIT, why=why, mend="start it from a git checkout with GitPython, or set the tag")


def _signal(there: Nodes, _graph: Graph) -> Gap | None:
    names = {str(name) for node in there[Hop.WORKLOAD] if (name := getattr(node.record, "service", ""))}
    name = min(names, default="") or there[Hop.WORKLOAD][0].name
    return Gap(
        hop=Hop.SIGNAL, why=f"no series and no alert here has a label service={name} of its environment",
        mend="add labels service and env to its series and alerts, or name the query under series:",
    )  # fmt: skip


_WHY: dict[Hop, Callable[[Nodes, Graph], Gap | None]] = {
    Hop.COMMIT: _commit, Hop.CHANGE: _change, Hop.RUN: _run, Hop.IMAGE: _image, Hop.WORKLOAD: _workload,
    Hop.VERSION: _version, Hop.TRAINING: _training, Hop.TRAINING_COMMIT: _training_commit, Hop.SIGNAL: _signal,
    Hop.RELEASE: lambda _there, _graph: None,
}  # fmt: skip
_SOURCES = {
    Hop.COMMIT: "name it under repositories:", Hop.CHANGE: "add its forge under sources:",
    Hop.RUN: "add its CI under sources:", Hop.IMAGE: "add the engine or the registry under sources:",
    Hop.WORKLOAD: "add the engine under sources:", Hop.VERSION: "add MLflow under sources:",
    Hop.TRAINING: "add MLflow under sources:", Hop.SIGNAL: "add Prometheus under sources:",
}  # fmt: skip


def _plural(kind: str) -> str:
    words = {"repository": "repositories", "series": "series", "pull_request": "change requests"}
    return words.get(kind, f"{kind.replace('_', ' ')}s")

