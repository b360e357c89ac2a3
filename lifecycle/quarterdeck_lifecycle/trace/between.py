"""What stands between two environments: commits, image labels, configuration and model versions, by service. Pure.

The commits themselves are the history's to tell: `histories` names what to ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from quarterdeck_lifecycle.kinds import Container, Endpoint, Service
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.trace.facts import there
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.history import Pair, running
from quarterdeck_lifecycle.trace.hops import HOP_OF, Hop, Place
from quarterdeck_lifecycle.trace.thread import walk

NOISE = ("com.docker.compose.", "com.docker.swarm.", "com.docker.stack.", "quarterdeck.", "desktop.docker.io/")
"""Labels by which orchestrators and releases mark their own: they differ always, and say nothing of the service."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A service in one environment: what runs, by image, digest, commit and model version; each may be several."""

    environment: str
    images: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    config: Mapping[str, str] = {}
    refs: tuple[Ref, ...] = ()
    trouble: str = ""

    @property
    def mixed(self) -> bool:
        """Whether its workloads run different images."""
        return len(self.digests) > 1


class Differing(msgspec.Struct, frozen=True):
    """One name that is set to different things, empty where it is not set."""

    name: str
    one: str
    other: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One service in two environments; a side is None where it does not run. `same` when nothing differs."""

    service: str
    one: Side | None
    other: Side | None
    labels: tuple[Differing, ...] = ()
    config: tuple[Differing, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both run the same: image, configuration and model."""
        one, other = self.one, self.other
        if one is None or other is None:
            return False
        equal = (one.digests, one.commits, one.versions) == (other.digests, other.commits, other.versions)
        return equal and not self.labels and not self.config

    @property
    def histories(self) -> tuple[Pair, ...]:
        """The pairs of commits, from the second environment's to the first's, that the history is asked for."""
        if self.one is None or self.other is None:
            return ()
        return tuple((old, new) for old in self.other.commits for new in self.one.commits if old != new)


def differences(graph: Graph, one: str, other: str) -> tuple[Difference, ...]:
    """Every service that runs in either environment, those that differ first."""
    sides = {environment: _sides(graph, environment) for environment in (one, other)}
    found = []
    for name in sorted(set(sides[one]) | set(sides[other])):
        mine, theirs = sides[one].get(name), sides[other].get(name)
        labels = _differing(mine.labels, theirs.labels) if mine and theirs else ()
        config = _differing(mine.config, theirs.config) if mine and theirs else ()
        found.append(Difference(service=name, one=mine, other=theirs, labels=labels, config=config))
    return tuple(sorted(found, key=lambda each: (each.same, each.one is None or each.other is None, each.service)))


def _sides(graph: Graph, environment: str) -> dict[str, Side]:
    groups: dict[str, list[Container]] = {}
    for box in graph.records("container"):
        if isinstance(box, Container) and there(box, environment) and running(box):
            groups.setdefault(box.service or box.name, []).append(box)
    found = {name: _of_containers(graph, environment, boxes) for name, boxes in groups.items()}
    for service in graph.records("service"):
        if not isinstance(service, Service) or not there(service, environment) or service.offered:
            continue
        if service.service not in found and running(service):
            found[service.service] = _of_service(graph, service)
    return found


def _of_containers(graph: Graph, environment: str, boxes: Sequence[Container]) -> Side:
    images, digests, commits, versions = set(), set(), set(), set()
    for box in boxes:
        known = graph.known(box.ref)
        images.add(box.image.rpartition("/")[2] or box.image_id)
        digests.add(box.digest or box.image_id)
        commits |= set(known.of("commit"))
        versions |= _served(graph, box.ref)
    bad = next((box.state for box in boxes if box.status.value == "bad"), "")
    labels = {name: value for name, value in _shared(boxes).items() if not name.startswith(NOISE)}
    config = {
        "command": _one({box.command for box in boxes}),
        "ports": _one({", ".join(sorted(port.rpartition("->")[2] for port in box.ports)) for box in boxes}),
        "mounts": _one({", ".join(sorted(mount.partition(":")[2] or mount for mount in box.mounts)) for box in boxes}),
    }
    return Side(
        environment=environment, images=tuple(sorted(images)), digests=tuple(sorted(digests)),
        commits=tuple(sorted(commits)), versions=tuple(sorted(versions)), labels=labels,
        config={name: value for name, value in config.items() if value}, refs=tuple(box.ref for box in boxes),
        trouble=bad,
    )  # fmt: skip


def _of_service(graph: Graph, service: Service) -> Side:
    known = graph.known(service.ref)
    return Side(
        environment=service.environment, images=(service.running,), digests=tuple(sorted(known.of("digest"))),
        commits=tuple(sorted(known.of("commit"))), versions=tuple(sorted(_served(graph, service.ref))),
        refs=(service.ref,),
    )  # fmt: skip


def _served(graph: Graph, ref: Ref) -> set[str]:
    """The model versions that a workload serves, as an endpoint of its proved; else what it declares, as a guess."""
    thread = walk(graph, ref)
    proved = {
        f"{node.record.model}/{node.record.served}"
        for node in thread.nodes
        if node.place is Place.ENDPOINT and isinstance(node.record, Endpoint) and node.record.served
    }
    if proved:
        return proved
    versions = [node for node in thread.nodes if HOP_OF[node.place] is Hop.VERSION]
    return {f"{node.ref.id}{'?' if node.guess else ''}" for node in versions}


def _shared(boxes: Sequence[Container]) -> Mapping[str, str]:
    """Labels that all replicas agree on; one in which they differ is told as such."""
    names = {name for box in boxes for name in box.labels}
    return {name: _one({box.labels.get(name, "") for box in boxes}) for name in names}


def _one(values: Iterable[str]) -> str:
    return " | ".join(sorted({value for value in values if value}))


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[Differing, ...]:
    names = sorted(set(one) | set(other))
    return tuple(
        Differing(name, one.get(name, ""), other.get(name, "")) for name in names if one.get(name) != other.get(name)
    )
