"""How a service stands, made of what its targets say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from quarterdeck_config.schema import Placement
from quarterdeck_config.schema import Service as ServiceConfig
from quarterdeck_lifecycle.kinds import Container, Service
from quarterdeck_lifecycle.records import Link, Ref, Status
from quarterdeck_lifecycle.release.choosing import Point, points
from quarterdeck_lifecycle.release.model import SERVICES, Candidate, Place, Workload, service_ref

OFFERED = "offered: add it under services: with a probe"
_SWARM = "com.docker.swarm.service.name"
_PROJECT, _MEMBER = "com.docker.compose.project", "com.docker.compose.service"
_LEASE = "qd-lease-"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one target said: its workload and what it could go back to, or its trouble in words."""

    place: Place
    workload: Workload | None = None
    candidates: tuple[Candidate, ...] = ()
    trouble: str = ""


def choices(seen: Sequence[Seen]) -> list[Point]:
    """What the service could go back to, over all targets that its identity is put on; what runs now first."""
    lead = [each for each in seen if each.place.kind == "alias"] or list(seen)
    return points({str(each.place): each.candidates for each in lead})


def best(found: Iterable[Point]) -> Point | None:
    """What a put-back goes to by itself: the last proven one that is ready everywhere, else the last that is ready."""
    ready = [point for point in found if point.ready and not point.current]
    return next((point for point in ready if point.proven), ready[0] if ready else None)


def called(point: Point) -> str:
    """`v40`, and where no release of ours made it, its short identity."""
    if point.identity.kind == "model":
        return point.identity.short
    return f"v{point.revision}" if point.revision else point.identity.short[:7]


def value_of(point: Point) -> str:
    """What names a point to a plan: its digest, where it has none the engine's id."""
    return point.identity.digest or point.identity.image_id


def readiness(seen: Sequence[Seen]) -> tuple[bool, str, str]:
    """Whether it could be put back now, in words, and the name of what to."""
    total = len([each for each in seen if each.place.kind == "alias"] or seen)
    hosts = "hosts" if total > 1 else "host"
    lost = [each for each in seen if each.trouble]
    if lost:
        return False, f"not known: {lost[0].place} {lost[0].trouble}", ""
    found = choices(seen)
    chosen = best(found)
    if chosen is not None:
        count = f"{len(chosen.ids)}/{total} {hosts}"
        if chosen.proven:
            return True, f"✓{called(chosen)} {count}", called(chosen)
        return False, f"▲{called(chosen)} {count} unproven", called(chosen)
    older = [point for point in found if not point.current]
    if older:
        return False, f"{called(older[0])} {len(older[0].ids)}/{total} {hosts}: {older[0].missing[0]}", ""
    return False, "nothing is kept", ""


def standing(
    name: str,
    environment: str,
    config: ServiceConfig,
    placement: Placement,
    seen: Sequence[Seen],
    *,
    frozen: str = "",
    op: str = "",
    doing: str = "",
) -> Service:
    """The row of one service in one environment."""
    ready, words, proven = readiness(seen)
    lead = [each for each in seen if each.place.kind == "alias"] or list(seen)
    works = [each.workload for each in lead if each.workload is not None]
    found = list(dict.fromkeys(work.identity.short for work in works if work.identity is not None))
    marks = next((work.marks for work in works if work.marks is not None), None)
    status, state, note = _health(seen, found, doing)
    deployable = _deployable(config, placement)
    if deployable or frozen:
        note = note or deployable or frozen
        status = Status.LOOK if status is Status.OK and frozen else status
    return Service(
        ref=service_ref(name, environment), name=name, service=name, environment=environment, status=status,
        state="frozen" if frozen and not doing else state, note=note, image=config.image or "",
        running=" / ".join(found), revision=marks.revision if marks is not None else 0,
        since=max((work.since for work in works if work.since is not None), default=None),
        by=marks.actor if marks is not None else "", readiness=words, ready=ready, proven=proven,
        targets=tuple(str(place) for place in (each.place for each in seen)), model=config.model or "", op=op,
        frozen=frozen, deployable=deployable, links=_links(name, environment, config, works),
    )  # fmt: skip


def _links(name: str, environment: str, config: ServiceConfig, works: Sequence[Workload]) -> tuple[Link, ...]:
    found = [Link(kind="service", value=name, evidence="config"),
             Link(kind="environment", value=environment, evidence="config")]  # fmt: skip
    for work in works:
        if work.identity is not None and work.identity.kind == "image" and work.identity.digest:
            found.append(Link(kind="digest", value=work.identity.digest, evidence=f"running on {work.target}"))
            if work.identity.revision:
                found.append(Link(kind="commit", value=work.identity.revision, evidence="label of the image"))
    if config.model:
        found.append(Link(kind="model", value=config.model.rpartition("@")[0], evidence="config"))
    return tuple(dict.fromkeys(found))


def _deployable(config: ServiceConfig, placement: Placement) -> str:
    if not config.deployable:
        return "not released from here: its file is not trusted (quarterdeck trust), or the config says so"
    if config.probe is None and placement.probe is None:
        return "no probe: a release is refused; give it probe:, or say probe: none"
    return ""


def _health(seen: Sequence[Seen], found: Sequence[str], doing: str) -> tuple[Status, str, str]:
    works = [each.workload for each in seen if each.workload is not None]
    lost = next((f"{each.place}: {each.trouble}" for each in seen if each.trouble), "")
    down = [work for work in works if not work.running or work.health == "unhealthy"]
    if doing:
        return Status.RUNNING, doing, lost
    if not works:
        return Status.UNKNOWN, "unknown", lost or "no target"
    if down:
        count = f" {len(down)}/{len(seen)}" if len(seen) > 1 else ""
        detail = f"{down[0].target}: {down[0].detail or down[0].state}"
        word = "unhealthy" if down[0].running else down[0].state or "down"
        return Status.BAD, f"{word}{count}", detail
    if lost:
        return Status.LOOK, f"{len(works)}/{len(seen)} seen", lost
    if len(found) > 1:
        return Status.LOOK, "mixed", "its targets run different versions"
    return Status.OK, next((work.state for work in works if work.state), "running"), ""


def offered(boxes: Iterable[Container], known: Mapping[tuple[str, str], object]) -> list[Service]:
    """Services that containers' labels tell of and the config does not: shown, never released.

    `known` holds the (source, name) of every target of the config.
    """
    boxes = [box for box in boxes if not box.name.startswith(_LEASE)]
    taken = {key for box in boxes if (box.ref.source, box.name) in known and (key := _group(box)) is not None}
    groups: dict[tuple[str, str, str, str], list[Container]] = {}
    for box in boxes:
        key = _group(box)
        if key is not None and key not in taken and (box.ref.source, key[3]) not in known:
            groups.setdefault(key, []).append(box)
    return [_offer(key, members) for key, members in sorted(groups.items())]


def _group(box: Container) -> tuple[str, str, str, str] | None:
    """Source, environment, compose project, and the service's name."""
    if name := box.labels.get(_SWARM):
        return box.ref.source, box.environment, "", name
    project, member = box.labels.get(_PROJECT, ""), box.labels.get(_MEMBER, "")
    return (box.ref.source, box.environment, project, member) if project and member else None


def _offer(key: tuple[str, str, str, str], members: Sequence[Container]) -> Service:
    source, environment, project, name = key
    first = members[0]
    where = f"{project}/{name}" if project else name
    return Service(
        ref=Ref(SERVICES, "service", f"{source}:{where}@{environment}"), name=name, service=name,
        environment=environment, status=Status.IDLE, state="offered", note=OFFERED, image=first.image,
        running=(first.digest or first.image_id).removeprefix("sha256:")[:12], readiness="not released from here",
        since=max((box.started_at for box in members if box.started_at is not None), default=None),
        targets=tuple(f"{source}/{box.name}" for box in members), offered=True, deployable=OFFERED,
    )  # fmt: skip
