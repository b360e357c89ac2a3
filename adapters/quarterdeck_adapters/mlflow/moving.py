"""What moving an alias takes, by a verb or by a release: names, reading where it is, tags, and what is odd about it.

MLflow has no compare-and-set for aliases (the last writer wins), so an alias is read again right before a write, and
again after it. https://mlflow.org/docs/latest/api_reference/rest-api.html#set-registered-model-alias
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from quarterdeck_adapters.mlflow.registry import Registry
from quarterdeck_adapters.mlflow.values import Json, pairs, text
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.kinds import ModelVersion
from quarterdeck_lifecycle.records import utc
from quarterdeck_lifecycle.served import MOVE_TAG, move_told

NAMES = re.compile(r"[A-Za-z0-9_-]{1,255}")
RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
ALIAS = "registered-models/alias"


def checked(alias: str, source: str) -> str:
    """An alias that MLflow takes. Raises Refused for a reserved or an impossible name."""
    if RESERVED.fullmatch(alias):
        raise Refused(f"@{alias} was not set", source=source, why="MLflow reserves latest and v<number>")
    if not NAMES.fullmatch(alias):
        raise Refused(
            f"@{alias} was not set", source=source, why="an alias is made of letters, digits, _ and -",
            mend="choose another name",
        )  # fmt: skip
    return alias


async def standing(registry: Registry, name: str, alias: str) -> tuple[str, Json]:
    """The version an alias is on (empty: none), and that version. Raises QuarterdeckError."""
    raw = await registry.alias(name, alias)
    return (text(raw.get("version")), raw) if raw is not None else ("", {})


def place(version: str) -> str:
    """`v17`, or `on no version`."""
    return f"v{version}" if version else "on no version"


def moved_by(alias: str, raw: Json) -> str:
    """Who moved an alias to the version that it is on, as its tags tell: `moved by ana at ...`."""
    told = move_told(alias, pairs(raw, "tags"))
    return f"moved by {told.by} at {utc(told.at)}" if told is not None and told.by else "moved, by whom is not known"


def tag(alias: str, name: str) -> str:
    """The key of a tag about one alias: no alias holds a dot, so none reads as another's."""
    return f"{MOVE_TAG}.{alias}.{name}"


def move_tags(alias: str, *, by: str, at: str, origin: str) -> dict[str, str]:
    """Who moved an alias to a version, when (RFC 3339), and from which version (empty: from none)."""
    return {tag(alias, "by"): by, tag(alias, "at"): at, tag(alias, "from"): f"v{origin}" if origin else "none"}


async def as_rows(registry: Registry, both: Sequence[Json], model: Json) -> list[ModelVersion]:
    """The version to move to, then the one that the alias is on (if any), with their signatures read."""
    await registry.signatures.read(both)
    found, _ = await registry.rows(both, {text(model.get("name")): model})
    return found


def oddities(registry: Registry, found: Sequence[ModelVersion], both: Sequence[Json], model: Json) -> tuple[str, ...]:
    """What an operator should know before an alias goes to the first of `found` from the second (if any)."""
    row, told = found[0], []
    if row.state != "READY":
        told.append(f"v{row.version} is {row.state}: {text(both[0].get('status_message')) or 'not ready'}")
    if row.note:
        told += [note for note in row.note.split("; ") if note.startswith("run ")]
    if not row.run_id:
        told.append(f"v{row.version} names no training run")
    if len(found) == 2:
        was = found[1]
        mine, theirs = registry.signatures.known(both[0]), registry.signatures.known(both[1])
        if mine is not None and theirs is not None and (changes := mine.differs(theirs)):
            more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
            told.append(f"the signature changes from v{was.version}: {'; '.join(changes[:3])}{more}")
        chosen = registry.primary(model)
        gain = chosen.gain(row.metric, was.metric)
        if gain is not None and gain < 0:
            told.append(f"{chosen.name} is worse than v{was.version}'s: {row.metric:.6g} after {was.metric:.6g}")
        elif chosen.name and row.metric is None:
            told.append(f"v{row.version} has no {chosen.name}")
    return tuple(told)
