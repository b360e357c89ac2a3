"""What an engine holds, as rows: one list call for each kind, and an inspect for the few containers in trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker import mapping, mapping_stores
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.mapping import Facts, Known
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Container
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Record

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.transport import Client

INSPECTIONS = 32
UNWATCHED_S = 30
SHARED_S = 1.0
"""One event makes four kinds be listed again, and all of them count the users among the containers."""
_MOMENTS = frozenset({"start", "die", "pause", "unpause", "health_status", "rename"})
_TROUBLE = frozenset({"create", "start", "die", "oom", "restart", "health_status"})


class Inventory:
    """Lists rows. Remembers, per container, what events and inspects told, so that a calm container costs nothing."""

    def __init__(
        self,
        engine: Engine,
        *,
        environment: str,
        placed: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`placed` maps a container's name to the environment that a configured service gives it."""
        self._engine = engine
        self._environment = environment
        self._placed = placed or {}
        self._now = now
        self.live: Callable[[], bool] = lambda: False
        self._generation = 0
        self._containers: tuple[int, float, list[dict[str, Any]]] | None = None
        self._lock = asyncio.Lock()
        self._told: dict[str, int] = {}
        self._died: set[str] = set()
        self._changed: dict[str, float] = {}
        self._facts: dict[str, tuple[object, Facts]] = {}
        self._restarts: dict[str, int] = {}
        self._digests: dict[str, tuple[str, ...]] = {}
        self._digests_at = -1

    def heard(self, event: Mapping[str, Any]) -> None:
        """Take in an event of the engine."""
        self._generation += 1
        if event.get("Type") == "image":
            self._digests_at = -1
        if event.get("Type") != "container":
            return
        id = (event.get("Actor") or {}).get("ID") or event.get("id") or ""
        action = str(event.get("Action") or "").partition(":")[0]
        if action == "destroy":
            self._drop(id)
            return
        if action in _MOMENTS:
            at = event.get("timeNano")
            self._changed[id] = at / 1e9 if isinstance(at, int) else float(event.get("time") or self._now())
        if action in _TROUBLE:
            self._told[id] = self._generation
        if action == "die":
            self._died.add(id)

    def _drop(self, id: str) -> None:
        for known in (self._told, self._changed, self._facts, self._restarts):
            known.pop(id, None)
        self._died.discard(id)

    async def list(self, kind: str) -> Listing:
        """All rows of a kind. Raises QuarterdeckError."""
        if kind == "container":
            return Listing(rows=await self._list_containers())
        containers = await self.containers()
        users = mapping_stores.Users(containers)
        where = {"source": self._engine.source, "environment": self._environment}
        rows: Sequence[Record]
        partial = ""
        if kind == "image":
            images = await self._engine.call(lambda c: c.images(), what="listing images")
            self._keep_digests(images)
            rows = [mapping_stores.image(each, users, **where) for each in images]
        elif kind == "volume":
            answer = await self._engine.call(lambda c: c.volumes(), what="listing volumes")
            rows = [mapping_stores.volume(each, users, **where) for each in answer.get("Volumes") or ()]
            partial = "; ".join(answer.get("Warnings") or ())
        else:
            networks = await self._engine.call(lambda c: c.networks(), what="listing networks")
            rows = [mapping_stores.network(each, users, **where) for each in networks]
        return Listing(rows=rows, partial=partial)

    async def containers(self) -> Sequence[dict[str, Any]]:
        """The engine's own list of all containers; the one in hand when it is a second old and no event came."""
        async with self._lock:
            if self._containers is not None and self.live():
                seen, asked, held = self._containers
                if seen == self._generation and time.monotonic() - asked < SHARED_S:
                    return held
            generation = self._generation
            found: list[dict[str, Any]] = await self._engine.call(
                lambda c: c.containers(all=True), what="listing containers"
            )
            self._containers = (generation, time.monotonic(), found)
            return found

    async def _list_containers(self) -> Sequence[Container]:
        entries = await self.containers()
        await self._learn_digests(entries)
        await self._inspect(entries)
        present = {entry["Id"] for entry in entries}
        for gone in [id for id in (*self._facts, *self._restarts, *self._changed) if id not in present]:
            self._drop(gone)
        return [self._row(entry) for entry in entries]

    def _row(self, entry: Mapping[str, Any]) -> Container:
        id = entry["Id"]
        held = self._facts.get(id)
        known = Known(
            facts=held[1] if held is not None and held[0] == self._fingerprint(entry) else None,
            restarts=self._restarts.get(id),
            repo_digests=self._digests.get(entry.get("ImageID") or "", ()),
            changed_at=self._changed.get(id),
            host=self._engine.endpoint.host,
        )
        environment = self._placed.get(mapping.name_of(entry), self._environment)
        return mapping.container(entry, source=self._engine.source, environment=environment, known=known)

    def _keep_digests(self, images: Sequence[Mapping[str, Any]]) -> None:
        self._digests = mapping_stores.repo_digests(images)
        self._digests_at = self._generation

    async def _learn_digests(self, entries: Sequence[Mapping[str, Any]]) -> None:
        wanted = {entry.get("ImageID") or "" for entry in entries} - {""}
        if self._digests_at >= 0 and wanted <= self._digests.keys():
            return
        with suppress(QuarterdeckError):
            self._keep_digests(await self._engine.call(lambda c: c.images(), what="listing images"))
            for id in wanted - self._digests.keys():
                self._digests[id] = ()

    def _fingerprint(self, entry: Mapping[str, Any]) -> object:
        seen = mapping.read_status(entry)
        stamp = self._told.get(entry["Id"], 0) if self.live() else -int(self._now() // UNWATCHED_S)
        return (*seen, stamp)

    def _troubled(self, entry: Mapping[str, Any]) -> bool:
        word, code, health = mapping.read_status(entry)
        failed = word == "exited" and code not in mapping.STOPPED_ON_PURPOSE
        return word in ("restarting", "dead") or failed or health == "unhealthy" or entry["Id"] in self._died

    async def _inspect(self, entries: Sequence[Mapping[str, Any]]) -> None:
        todo = []
        for entry in entries:
            held = self._facts.get(entry["Id"])
            if self._troubled(entry) and (held is None or held[0] != self._fingerprint(entry)):
                todo.append(entry)
        # The newest first: with hundreds of dead containers only those that somebody may care for are asked about.
        todo = sorted(todo, key=lambda each: -(each.get("Created") or 0))[:INSPECTIONS]
        if not todo:
            return
        prints = {entry["Id"]: self._fingerprint(entry) for entry in todo}
        with suppress(QuarterdeckError):
            found = await self._engine.call(lambda c: _facts(c, list(prints)), what="inspecting troubled containers")
            for id, facts in found.items():
                self._facts[id] = (prints[id], facts)
                self._died.discard(id)
                if facts.restarts is not None:
                    self._restarts[id] = facts.restarts


def _facts(client: Client, ids: Sequence[str]) -> dict[str, Facts]:
    import docker.errors

    found = {}
    for id in ids:
        with suppress(docker.errors.NotFound):
            found[id] = mapping.facts(client.inspect_container(id))
    return found
