"""What a rollback goes to, and what a failed release is put back to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.release.model import Candidate, Identity

CURRENT = ("current", "now")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """An identity, and by target the id of the retained thing that brings it; `ids` is empty for a new one.

    `identity` None, of a put-back alone: nothing was there, and what was put there is taken away. `warnings` say what
    an operator should know before relying on it.
    """

    identity: Identity | None
    ids: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that every target could go back to, or why not everywhere. `ids` by target."""

    identity: Identity
    revision: int
    op: str
    at: float | None
    proven: bool
    current: bool
    ids: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether image and configuration are there on every target."""
        return not self.missing


def points(candidates: Mapping[str, Sequence[Candidate]]) -> list[Point]:
    """The candidates of all targets as one list, what runs now first, then the newest first."""
    found: list[Point] = []
    first = {target: each[0].identity for target, each in candidates.items() if each}
    for each in candidates.values():
        for candidate in each:
            if not any(_same(point, candidate) for point in found):
                found.append(_point(candidate, candidates, first))
    found.sort(key=lambda point: (not point.current, -(point.at or 0.0), -point.revision))
    return found


def _same(point: Point, candidate: Candidate) -> bool:
    return point.identity.same(candidate.identity)


def _point(candidate: Candidate, candidates: Mapping[str, Sequence[Candidate]], now: Mapping[str, Identity]) -> Point:
    ids, missing, proven = {}, [], True
    for target, each in candidates.items():
        mine = next((c for c in each if c.identity.same(candidate.identity)), None)
        if mine is None:
            missing.append(f"{target} does not have it")
        elif not mine.ready:
            missing.append(f"{target}: {mine.why_not or 'not ready'}")
        else:
            ids[target] = mine.id
            proven = proven and mine.proven
    current = bool(now) and all(candidate.identity.same(identity) for identity in now.values())
    return Point(
        identity=candidate.identity, revision=candidate.revision, op=candidate.op, at=candidate.at,
        proven=proven and bool(ids), current=current, ids=ids, missing=tuple(missing),
    )  # fmt: skip


def choose_rollback(revision: str, candidates: Mapping[str, Sequence[Candidate]], service: str) -> Choice:
    """Where a rollback goes: the named revision, else the last proven one that does not run now.

    `revision` is `v40`, `40`, a digest or its beginning, or an operation. Raises NotFound, Refused.
    """
    found = points(candidates)
    if revision:
        named = [point for point in found if _called(revision, point)]
        if not named:
            raise NotFound(f"{service} has no revision {revision} to go back to", why=_offer(found))
        chosen = named[0]
        if not chosen.ready:
            raise Refused(f"{revision} is not on every target", why="; ".join(chosen.missing))
        return Choice(identity=chosen.identity, ids=chosen.ids, warnings=_unproven(chosen))
    older = [point for point in found if not point.current]
    ready = [point for point in older if point.ready]
    if not ready:
        raise Refused(
            f"{service} has nothing to go back to", why=_offer(older) or "no earlier release was kept",
            mend="deploy a revision that you trust",
        )  # fmt: skip
    chosen = next((point for point in ready if point.proven), ready[0])
    return Choice(identity=chosen.identity, ids=chosen.ids, warnings=_unproven(chosen))


def choose_back(
    asked: str,
    before: Identity | None,
    candidates: Mapping[str, Sequence[Candidate]],
    *,
    first: str = "",
    to: Identity | None = None,
) -> Choice:
    """Where a failed release to `to` is put back to: as asked, else what runs now when it was proven, else the last
    proven one that is ready and is not `to` itself, else what runs now with a warning. Where nothing is there now: back
    to nothing if `first` says that its targets can be emptied, and what that means. Raises NotFound, Refused."""
    found = points(candidates)
    current = next((point for point in found if point.current), None)
    if asked and asked not in CURRENT:
        return choose_rollback(asked, candidates, "this service")
    if before is None and first:
        return Choice(identity=None, warnings=(first,))
    if before is None:
        raise Refused("nothing runs there now", why="there is nothing that a failed release could be put back to")
    if asked in CURRENT or current is None or current.proven:
        return Choice(identity=before)
    others = [point for point in found if not point.current and not point.identity.same(to)]
    proven = next((point for point in others if point.proven and point.ready), None)
    if proven is not None:
        told = f"what runs now was never proven: a failure goes back to {proven.identity.short}, the last proven one"
        return Choice(identity=proven.identity, ids=proven.ids, warnings=(told,))
    return Choice(identity=before, warnings=("what runs now was never proven here, and nothing else that was is kept",))


def _called(revision: str, point: Point) -> bool:
    plain = revision.removeprefix("v")
    if plain.isascii() and plain.isdigit() and len(plain) < 7:
        return point.identity.digest == plain if point.identity.kind == "model" else int(plain) == point.revision
    digest = revision.removeprefix("sha256:")
    ids = (point.identity.digest, point.identity.image_id)
    by_digest = len(digest) >= 6 and any(each.removeprefix("sha256:").startswith(digest) for each in ids if each)
    return by_digest or (len(revision) >= 8 and bool(point.op) and point.op.startswith(revision))


def _unproven(point: Point) -> tuple[str, ...]:
    return () if point.proven else (f"{point.identity.short} was never proven by a gate",)


def _offer(found: Iterable[Point]) -> str:
    told = []
    for point in found:
        if point.current:
            continue
        why = "" if point.ready else f" ({'; '.join(point.missing)})"
        told.append(f"v{point.revision} {point.identity.short}{why}" if point.revision else point.identity.short + why)
    return f"there are {', '.join(told)}" if told else ""
