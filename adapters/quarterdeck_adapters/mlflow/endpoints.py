"""Endpoints: the services of the config that have a model, and which version each serves."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters.base import AsksMetrics
from quarterdeck_adapters.mlflow import asking, mapping
from quarterdeck_adapters.mlflow.asking import Said
from quarterdeck_adapters.mlflow.registry import Registry
from quarterdeck_adapters.mlflow.values import pairs, text
from quarterdeck_config.schema import Config, Placement, Probe, Service
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.kinds import Endpoint
from quarterdeck_lifecycle.records import Link, Ref, Status, utc
from quarterdeck_lifecycle.served import Evidence, Served, move_told, served_by

KEPT_S = 10.0


class Place(msgspec.Struct, frozen=True):
    """A service in an environment; several environments share a place when they share the declared address."""

    service: str
    environment: str
    config: Service
    probe: Probe | None = None

    @property
    def id(self) -> str:
        """The endpoint's id."""
        return f"{self.service}@{self.environment}" if self.environment else self.service

    @property
    def address(self) -> str:
        """Where it is asked."""
        served = self.config.served
        if served is not None and served.http:
            return served.http
        return origin(self.probe.http) if self.probe is not None and self.probe.http else ""


def places(config: Config) -> list[Place]:
    """Every service with a model, in each of its environments."""
    found = []
    for name, service in config.services.items():
        if not service.model:
            continue
        shared = service.served is not None and bool(service.served.http)
        default = service.probe if isinstance(service.probe, Probe) else None
        if not service.environments or (shared and len(service.environments) > 1):
            found.append(Place(name, "", service, default))
            continue
        for environment, placement in service.environments.items():
            found.append(Place(name, environment, service, _probe(placement, default)))
    return found


def origin(address: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _probe(placement: Placement, default: Probe | None) -> Probe | None:
    if placement.probe is None:
        return default
    return placement.probe if isinstance(placement.probe, Probe) else None


class Endpoints:
    """Asks the model servers, at most every few seconds, whoever wants to know."""

    def __init__(
        self, registry: Registry, config: Config, *, now: Callable[[], float], only_source: bool,
        metrics: AsksMetrics | None = None,
    ) -> None:  # fmt: skip
        self._registry = registry
        self._config = config
        self._now = now
        self._only = only_source
        self._metrics = metrics
        self._rows: tuple[Endpoint, ...] = ()
        self._listed_at = -math.inf
        self._asked: dict[str, tuple[float, Said]] = {}

    async def list(self) -> list[Endpoint]:
        """The endpoints as rows. One that does not answer is a row that says so. Raises QuarterdeckError."""
        found = await asyncio.gather(*(self._row(place) for place in places(self._config)))
        self._rows = tuple(row for row in found if row is not None)
        self._listed_at = self._now()
        return list(self._rows)

    async def refresh(self, older_than: float) -> None:
        """Look again when the last look is older than so many seconds. Raises QuarterdeckError."""
        if not 0 <= self._now() - self._listed_at < older_than:
            await self.list()

    def serving(self, name: str, version: str) -> str:
        """Who serves a version, as far as the last look told."""
        words = []
        for row in self._rows:
            if row.model == name and row.served == version:
                served = Served(row.served, row.proof, certain=True)
                words.append(served.words(f"{row.environment} {row.service}".strip()))
        return ", ".join(words)

    async def _row(self, place: Place) -> Endpoint | None:
        name, _, alias = (place.config.model or "").rpartition("@")
        try:
            model = await self._registry.read_model(name)
        except (NotFound, Conflict):
            if not self._only:
                return None
            return self._made(place, name, Served("", f"no model {name} in this registry"), Said(), "")
        aliases = mapping.aliases(model)
        said = await self._ask(place, name)
        served = served_by([said.evidence], aliases, {}) if said.evidence else Served("", f"unproven: {said.why}")
        now = aliases.get(alias, "")
        if served.version and now and served.version != now:
            return self._made(place, name, served, said, f"@{alias} is on v{now}")
        note = await self._move(name, alias) if now and not served.version else ""
        return self._made(place, name, served, said, note)

    async def _move(self, name: str, alias: str) -> str:
        """The last known move of an alias in words, where nothing proves what the server loaded."""
        raw = await self._registry.alias(name, alias)
        known = [move_told(alias, pairs(raw, "tags")), self._registry.moves.last(name, alias)]
        move = max((each for each in known if each is not None), key=lambda each: each.at, default=None)
        if raw is None or move is None:
            return ""
        when, now = (utc(move.at) or "").replace(":00Z", "Z"), text(raw.get("version"))
        if not move.origin:
            return f"@{alias} came to v{now} at {when}"
        return (
            f"@{alias} moved v{move.origin} to v{now} at {when}: started before, it likely still serves v{move.origin}"
        )

    async def _ask(self, place: Place, name: str) -> Said:
        known = self._asked.get(place.id)
        if known is not None and 0 <= self._now() - known[0] < KEPT_S:
            return known[1]
        said = await self._really_ask(place, name)
        self._asked[place.id] = (self._now(), said)
        return said

    async def _really_ask(self, place: Place, name: str) -> Said:
        served = place.config.served
        if served is not None and served.http and served.field:
            return await asking.field(place.service, served.http, served.field)
        if served is not None and served.source and served.query and served.label:
            if self._metrics is None:
                return Said(why=f"the metric on {served.source} is joined where that source is")
            query = served.query.replace("$environment", place.environment)
            value = await self._metrics.label(served.source, query, served.label)
            where = f"label {served.label} of a metric on {served.source}"
            return Said(Evidence("metric", version=value, detail=where) if value else None, why=f"no {where}")
        if place.address:
            return await asking.index(place.service, place.address, name)
        return Said(why="nothing declares how this server tells its version (served: {http, field})")

    def _made(self, place: Place, name: str, served: Served, said: Said, note: str) -> Endpoint:
        source = self._registry.api.source
        links = [
            Link(kind="model", value=name, evidence=f"model of the service {place.service} in the config"),
            Link(kind="service", value=place.service, evidence="the config"),
        ]
        if place.environment:
            links.append(Link(kind="environment", value=place.environment, evidence="the config"))
        if served.version:
            links.append(Link(kind="version", value=f"{name}/{served.version}", evidence=served.proof))
        places_ = place.config.environments.get(place.environment)
        containers = [t.name for t in (places_.targets if places_ is not None else ()) if t.kind == "container"]
        links += [Link(kind="container", value=name, evidence="target of the service") for name in containers]
        return Endpoint(
            ref=Ref(source, "endpoint", place.id),
            name=place.service,
            status=_status(served, said, note),
            state="down" if said.down else f"serves v{served.version}" if served.version else "unproven",
            environment=place.environment,
            url=place.address,
            note=note,
            links=tuple(links),
            model=name,
            served=served.version,
            proof=served.proof,
            address=urlsplit(place.address).netloc,
            service=place.service,
        )


def _status(served: Served, said: Said, note: str) -> Status:
    if said.down:
        return Status.BAD
    if not served.version:
        return Status.UNKNOWN
    return Status.LOOK if note else Status.OK
