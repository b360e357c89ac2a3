"""Swarm config objects as small records of our own: unique names, labels under compare-and-set.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Config. They are attached to no service. An object's
data never change once it is made; its labels change by `update?version=N`, which the manager refuses when somebody
was faster.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

import msgspec

from quarterdeck_adapters.docker.client import Engine
from quarterdeck_lifecycle.errors import NotFound

NAME_LIMIT = 64
_PLAIN = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_OTHER = re.compile(r"[^a-zA-Z0-9_.-]+")


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One config object. `version` is what an update of its labels must name."""

    id: str
    name: str
    version: int
    created_at: str = ""
    labels: dict[str, str] = {}
    data: bytes = b""


def config_name(prefix: str, *parts: str) -> str:
    """A valid name for these parts (at most 64 of `[a-zA-Z0-9-_.]`); different parts never share one.

    Parts that fit are taken as they are; of others a readable piece and a hash.
    """
    joined = "-".join(parts)
    plain = f"{prefix}-{joined}"
    if len(parts) == 1 and len(plain) <= NAME_LIMIT and _PLAIN.fullmatch(joined):
        return plain
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    room = NAME_LIMIT - len(prefix) - len(digest) - 2
    readable = _OTHER.sub("-", joined)[:room].strip("-._")
    return "-".join(part for part in (prefix, readable, digest) if part)


def stored(entry: dict[str, Any]) -> Stored:
    """One object of /configs. Raises KeyError and ValueError for another shape."""
    spec = entry["Spec"]
    try:
        data = base64.b64decode(spec.get("Data") or "", validate=True)
    except binascii.Error as error:
        raise ValueError(f"config {entry['ID']}: {error}") from error
    return Stored(
        id=entry["ID"], name=spec["Name"], version=int(entry["Version"]["Index"]),
        created_at=entry.get("CreatedAt") or "", labels=dict(spec.get("Labels") or {}), data=data,
    )  # fmt: skip


class Configs:
    """The config objects of one manager. Every method raises QuarterdeckError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, name: str, data: bytes, labels: dict[str, str]) -> str:
        """Make one and answer its id. Raises Conflict when the name is taken (the manager decides, atomically)."""
        made = await self._engine.call(lambda c: c.create_config(name, data, labels), what=f"creating config {name}")
        return str(made["ID"])

    async def named(self, name: str) -> Stored | None:
        """The one of exactly this name."""
        found = await self._engine.call(
            lambda c: [stored(entry) for entry in c.configs(filters={"name": name})], what=f"reading config {name}"
        )
        return next((each for each in found if each.name == name), None)

    async def labelled(self, label: str, value: str) -> list[Stored]:
        """All that carry this label, the newest first."""
        found = await self._engine.call(
            lambda c: [stored(entry) for entry in c.configs(filters={"label": label})], what=f"reading configs {label}"
        )
        mine = [each for each in found if each.labels.get(label) == value]
        return sorted(mine, key=lambda each: each.created_at, reverse=True)

    async def get(self, id: str) -> Stored | None:
        """The one of this id; None when it is gone."""
        try:
            return await self._engine.call(lambda c: stored(c.inspect_config(id)), what=f"reading config {id}")
        except NotFound:
            return None

    async def relabel(self, seen: Stored, labels: dict[str, str]) -> None:
        """Set the labels of the object as it was read. Raises Conflict when it changed since, NotFound when it went."""
        body = {"Name": seen.name, "Labels": labels}

        def send(client: Any) -> None:
            url = client._url("/configs/{0}/update", seen.id)
            answer = client._post_json(url, data=body, params={"version": seen.version})
            client._raise_for_status(answer)

        await self._engine.call(send, what=f"marking config {seen.name}")

    async def delete(self, id: str) -> bool:
        """Remove the one of this id; False when it was gone already."""
        try:
            await self._engine.call(lambda c: c.remove_config(id), what=f"removing config {id}")
        except NotFound:
            return False
        return True
