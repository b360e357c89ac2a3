"""Versions that an alias was on before: from the tags of moves, and from what decks saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.mlflow.moving import tag
from quarterdeck_adapters.mlflow.values import Json, pairs, quoted, rows, text, whole
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.release.aliases import Move
from quarterdeck_lifecycle.release.model import Candidate, Identity
from quarterdeck_lifecycle.served import move_told, plain_version

if TYPE_CHECKING:
    from quarterdeck_adapters.mlflow.release import AliasTarget

PastMoves = Callable[[str, str, str], Awaitable[Sequence[Move]]]
"""The moves of (source, model, alias) that decks recorded, in any order."""
SEARCHED = 200
MOST = 30


async def candidates(target: AliasTarget, seen: Sequence[Move]) -> list[Candidate]:
    """What the alias is on, first of all, then the versions it was on before, the newest first."""
    number, current = await target.switch.standing()
    found = await _searched(target)
    if number:
        found[number] = current
    stays = _stays(target.alias, {n: pairs(raw, "tags") for n, raw in found.items()}, seen)
    stays.pop(number, None)
    older = sorted(stays, key=lambda each: (stays[each] or 0.0, whole(each) or 0), reverse=True)[:MOST]
    if number:
        first = await _candidate(target, number, current, None)
    else:
        first = Candidate(
            target=str(target.place), identity=Identity(kind="model", name=target.model, digest=""), ready=False,
            why_not="the alias is on no version",
        )  # fmt: skip
    return [first, *[await _candidate(target, each, found.get(each), stays[each]) for each in older]]


async def _searched(target: AliasTarget) -> dict[str, Json]:
    """The newest versions of the model, by number: where tags of moves can be."""
    condition = quoted(target.model)
    if condition is None:
        return {}
    body = await target.source.api.get(
        "model-versions/search", max_results=SEARCHED, filter=f"name = {condition}", order_by=["version_number DESC"]
    )
    found = [raw for raw in rows(body, "model_versions") if text(raw.get("name")) == target.model]
    return {text(raw.get("version")): raw for raw in found}


def _stays(alias: str, tags: Mapping[str, Mapping[str, str]], seen: Sequence[Move]) -> dict[str, float | None]:
    """When the alias came to each version that it was on, the last time; None where that is not known."""
    stays: dict[str, float | None] = {}

    def add(version: str, at: float | None) -> None:
        if version:
            stays[version] = max((t for t in (stays.get(version), at) if t is not None), default=None)

    for number, told in tags.items():
        came = told.get(tag(alias, "at"), "")
        move = move_told(alias, {tag(alias, "at"): came})
        if move is not None:
            add(number, move.at)
            add(plain_version(told.get(tag(alias, "from"), "")).removeprefix("none"), None)
    for each in seen:
        add(each.version, each.at if each.at is not None else each.seen_to)
        add(each.origin or "", None)
    return stays


async def _candidate(target: AliasTarget, number: str, raw: Json | None, at: float | None) -> Candidate:
    """One version; with its run's commit where the run was read before, as a list must be quick."""
    if raw is None:
        try:
            raw = await target.source.registry.read_version(target.model, number)
        except NotFound:
            return Candidate(
                target=str(target.place), identity=Identity(kind="model", name=target.model, digest=number), at=at,
                ready=False, why_not="the version was deleted", id=number,
            )  # fmt: skip
    tags = pairs(raw, "tags")
    told = {name: tags.get(tag(target.alias, name), "") for name in ("op", "revision", "proven", "failed")}
    state = text(raw.get("status")) or "READY"
    moved = move_told(target.alias, {tag(target.alias, "at"): tags.get(tag(target.alias, "at"), "")})
    return Candidate(
        target=str(target.place), identity=await target.identify(raw), op=told["op"],
        revision=int(told["revision"]) if told["revision"].isascii() and told["revision"].isdigit() else 0,
        at=at if at is not None else moved.at if moved is not None else None,
        proven=bool(told["proven"]) and not told["failed"], ready=state == "READY",
        why_not="" if state == "READY" else f"the version is {state}", id=number,
    )  # fmt: skip
