"""Which version of a model a server serves, and how that is known (DESIGN section 8). Pure.

In order: what the server says in a declared HTTP field, in a Prometheus info metric, in the repository index of the
Open Inference Protocol V2, then what its container's env or labels declare. Nothing else counts: "unproven".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import unquote

import msgspec

How = Literal["http", "metric", "index", "declared"]
ORDER: tuple[How, ...] = ("http", "metric", "index", "declared")
MOVE_TAG = "quarterdeck.alias"
URI_NAMES = ("model_uri", "mlflow_model_uri", "quarterdeck.model_uri", "storage_uri")
NAME_NAMES = ("mlflow_model_name", "model_name", "quarterdeck.model")
VERSION_NAMES = ("mlflow_model_version", "model_version", "quarterdeck.model_version")
ALIAS_NAMES = ("mlflow_model_alias", "model_alias", "quarterdeck.model_alias")
_NAMES = frozenset(URI_NAMES + NAME_NAMES)
_URI = re.compile(r"models:/+(?P<model>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))/?")


class Declared(msgspec.Struct, frozen=True):
    """What env or labels of a workload say that it loads: a version, or an alias it resolved when it started."""

    model: str
    version: str = ""
    alias: str = ""
    evidence: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """One statement about a server.

    `version` is what it says; for a declared alias it stays empty, and `started_at` (epoch seconds) is when the
    workload started, None when unknown.
    """

    how: How
    version: str = ""
    alias: str = ""
    started_at: float | None = None
    detail: str = ""


class AliasMove(msgspec.Struct, frozen=True):
    """The last known move of an alias: from version `origin` (empty: from nowhere, or unknown) at `at`, by `by`."""

    origin: str
    at: float
    by: str = ""


class Served(msgspec.Struct, frozen=True):
    """The version that is served and how that is known. `certain` only when the server itself said so."""

    version: str = ""
    proof: str = "unproven"
    certain: bool = False

    def words(self, where: str) -> str:
        """`prod scorer ✓v17`, `prod churn likely v4`, `prod churn ?unproven`."""
        if not self.version:
            return f"{where} ?unproven"
        return f"{where} {'✓' if self.certain else 'likely '}v{self.version}"


def move_told(alias: str, tags: Mapping[str, str]) -> AliasMove | None:
    """The move that whoever made it wrote into the tags of the version that the alias is on now.

    `quarterdeck.alias.ALIAS.at` is RFC 3339, `.from` the version before or `none`, `.by` the operator. Where `.left_at`
    or `.removed_at` is later, it came back by other hands, who told nothing: None.
    """
    at, *ended = (_time(tags.get(f"{MOVE_TAG}.{alias}.{name}", "")) for name in ("at", "left_at", "removed_at"))
    if at is None or any(each is not None and each > at for each in ended):
        return None
    origin = plain_version(tags.get(f"{MOVE_TAG}.{alias}.from", "")).removeprefix("none")
    return AliasMove(origin, at, tags.get(f"{MOVE_TAG}.{alias}.by", ""))


def _time(told: str) -> float | None:
    """RFC 3339 as epoch seconds; None for anything else."""
    try:
        at = datetime.fromisoformat(told)
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def plain_version(text: str) -> str:
    """`v17` and `17` are one version."""
    stripped = text.strip()
    return stripped[1:] if re.fullmatch(r"[vV]\d+", stripped) else stripped


def declared(values: Mapping[str, str], where: str) -> list[Declared]:
    """What env or labels declare: `models:/fraud/17`, `models:/fraud@champion`, or a name with a version or alias.

    `where` names the place for the evidence: "env", "label". See
    https://mlflow.org/docs/latest/ml/model-registry/ for the form of the URI.
    """
    lowered = {key.lower(): (key, value.strip()) for key, value in values.items()}
    found: list[Declared] = []
    if _NAMES.isdisjoint(lowered):
        return found
    for name in URI_NAMES:
        key, value = lowered.get(name, ("", ""))
        match = _URI.fullmatch(value)
        if match:
            found.append(
                Declared(
                    unquote(match["model"]),
                    plain_version(match["version"] or ""),
                    match["alias"] or "",
                    f"{where} {key}",
                )
            )
    for name, version, alias in zip(NAME_NAMES, VERSION_NAMES, ALIAS_NAMES, strict=True):
        key, model = lowered.get(name, ("", ""))
        if not model:
            continue
        number, named = lowered.get(version, ("", ""))[1], lowered.get(alias, ("", ""))[1]
        if number or named:
            found.append(Declared(model, plain_version(number), named, f"{where} {key}"))
    return found


def served_by(
    evidence: Iterable[Evidence], aliases: Mapping[str, str], moves: Mapping[str, AliasMove | None]
) -> Served:
    """The best statement wins. `aliases` (alias -> version) are those of now, `moves` their last known moves."""
    ordered = sorted(evidence, key=lambda e: ORDER.index(e.how))
    for each in ordered:
        if each.how != "declared" and each.version:
            return Served(plain_version(each.version), each.detail or each.how, certain=True)
    for each in ordered:
        if each.how == "declared":
            return _declared(each, aliases, moves)
    return Served()


def _declared(said: Evidence, aliases: Mapping[str, str], moves: Mapping[str, AliasMove | None]) -> Served:
    where = said.detail or "declared"
    if said.version and not plain_version(said.version).isdigit():
        return Served("", f"unproven: {where} names {said.version}, resolved when the server started, unseen")
    if said.version:
        return Served(plain_version(said.version), f"declared by {where}, not confirmed by the server")
    now = aliases.get(said.alias, "")
    if not now:
        return Served("", f"unproven: {where} names @{said.alias}, which is on no version")
    move = moves.get(said.alias)
    if said.started_at is None:
        return Served("", f"unproven: {where} names @{said.alias}, and when the server started is unknown")
    if move is not None and move.at > said.started_at:
        if move.origin:
            return Served(
                move.origin, f"@{said.alias} moved after the server started: likely still serves v{move.origin}"
            )
        return Served("", f"unproven: @{said.alias} moved after the server started, from an unknown version")
    if move is None:
        return Served("", f"unproven: {where} names @{said.alias}, resolved when the server started, unseen")
    return Served(now, f"declared by {where}: @{said.alias} was on v{now} when it started")
