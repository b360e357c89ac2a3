"""Specs of a Swarm service that a release replaced, kept as config objects beside it, so that a rollback brings back
the configuration of that version and not its image alone.

They hold what the service itself holds (env values too), in the same store and readable by the same people: those who
may read services of this manager.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec

from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.release.swarm_configs import Configs, config_name
from quarterdeck_adapters.docker.release.swarm_spec import Json, image_of
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.model import MARK, Marks

RETAINED = f"{MARK}retained"


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """One kept spec: what ran before the operation in `name` replaced it."""

    id: str
    name: str
    created_at: str
    spec: Json

    @property
    def image(self) -> str:
        """The image that it names."""
        return image_of(self.spec)

    @property
    def marks(self) -> Marks:
        """The marks of the release that had put it there; empty ones where none had."""
        return Marks.read(dict(self.spec.get("Labels") or {})) or Marks()


class Shelf:
    """The kept specs of one service. Every method raises QuarterdeckError."""

    def __init__(self, engine: Callable[[], Engine], service: str) -> None:
        self._engine, self._service = engine, service

    @property
    def _configs(self) -> Configs:
        return Configs(self._engine())

    def name(self, op: str) -> str:
        """What the spec that this operation replaced is called."""
        return config_name("qd-spec", self._service, op)

    async def get(self, name: str) -> Retained | None:
        """The one of this name; None when there is none, or it holds no spec of this service."""
        found = await self._configs.named(name) if name else None
        if found is None or found.labels.get(RETAINED) != self._service:
            return None
        spec = decoded(found.data)
        if spec is None:
            return None
        return Retained(id=found.id, name=found.name, created_at=found.created_at, spec=spec)

    async def all(self) -> list[Retained]:
        """Every one, the newest first; those that cannot be read are left out."""
        return [
            Retained(id=each.id, name=each.name, created_at=each.created_at, spec=spec)
            for each in await self._configs.labelled(RETAINED, self._service)
            if (spec := decoded(each.data)) is not None
        ]

    async def put(self, op: str, spec: Json) -> None:
        """Keep a spec. Raises Conflict when this operation kept another one already."""
        data = json.dumps(spec, sort_keys=True).encode()
        try:
            await self._configs.create(self.name(op), data, {RETAINED: self._service, f"{MARK}by": op})
        except Conflict:
            found = await self.get(self.name(op))
            if found is None or found.spec != spec:
                raise

    async def drop(self, id: str) -> bool:
        """Remove one by its id; False when it was gone."""
        return await self._configs.delete(id)


def decoded(data: bytes) -> Json | None:
    """The spec in a config object, None when it holds none."""
    try:
        spec = json.loads(data)
    except ValueError:
        return None
    return spec if isinstance(spec, dict) and isinstance(spec.get("TaskTemplate"), dict) else None
