"""From what an operator wants to a plan: the words of REF, the config's request, the targets, the decision."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from quarterdeck.boot import Boot
from quarterdeck.releasing.targets import alias_place, places_of, target_at
from quarterdeck.releasing.wanted import image_wanted
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.ledger import op_id
from quarterdeck_lifecycle.release.model import Kind, Place, Plan
from quarterdeck_lifecycle.release.planning import Request, make_plan, request_for_alias, request_of
from quarterdeck_lifecycle.state import StateError

DEADLINE_S = 60.0
Settings = Mapping[str, Mapping[str, str]]


async def service_plan(
    boot: Boot, service: str, environment: str, wanted: str, *, kind: Kind, to_revision: str, back: str, reason: str,
    by_alias: bool = False,
) -> Plan:  # fmt: skip
    """A release of a configured service; `by_alias`: of its model's alias, not its image. Raises QuarterdeckError."""
    request = request_of(
        boot.loaded.config, service, environment, kind=kind, op=op_id(), wanted=wanted, reason=reason,
        actor=boot.actor, to_revision=to_revision, back=back,
    )  # fmt: skip
    known = boot.loaded.config.services[service]
    by_model = by_alias or kind == "promote" or wanted.startswith("model:") or not known.image
    await _ready(boot, {target.source for target in known.environments[environment].targets}, by_model)
    if kind == "deploy" and not by_model:
        request = msgspec.structs.replace(request, wanted=await image_wanted(boot, wanted, known.image or ""))
    if by_alias:
        request = msgspec.structs.replace(request, image="")
    places = places_of(boot, service, environment, with_model=by_model)
    return await _made(boot, request, places)


async def alias_plan(
    boot: Boot, model: str, version: str, alias: str, environment: str, *, kind: Kind, reason: str, back: str = "",
    to_revision: str = "", service: str = "",
) -> Plan:  # fmt: skip
    """A move of an alias, with the service that serves it where one is configured. Raises QuarterdeckError."""
    name = f"{model}@{alias}"
    wanted = f"model:{model}/{version}" if version else ""
    if serves := serving(boot, name, environment, service):
        return await service_plan(
            boot, *serves, wanted, kind=kind, to_revision=to_revision, back=back, reason=reason, by_alias=True
        )
    await _ready(boot, set(), True)
    at = alias_place(boot, name, environment)
    request = request_for_alias(
        boot.loaded.config, model, alias, op=op_id(), wanted=wanted, reason=reason, actor=boot.actor,
        environment=environment or boot.environment_of(at.source), kind=kind, to_revision=to_revision,
    )  # fmt: skip
    whose = {"service": request.service, "environment": request.environment}
    return await _made(boot, msgspec.structs.replace(request, back=back), {at: whose})


def serving(boot: Boot, name: str, environment: str, service: str) -> tuple[str, str] | None:
    """The service and environment that serve the alias `MODEL@ALIAS`, None when none is configured.

    Among several the one that says which version it serves goes before those that only name the model. Raises Refused
    when several are left, NotFound for a `service` that does not serve it.
    """
    found = [
        (each, place) for each, known in boot.loaded.config.services.items() if known.model == name
        for place in known.environments if place == (environment or place) and each == (service or each)
    ]  # fmt: skip
    if service and not found:
        raise NotFound(f"{service} does not serve {name}{f' in {environment}' if environment else ''}")
    telling = [each for each in found if boot.loaded.config.services[each[0]].served is not None]
    left = telling if len(found) > 1 and telling else found
    if len(left) > 1:
        places = ", ".join(f"{each} in {place}" for each, place in left)
        raise Refused(f"{name} is served by several", why=places, mend="name one with --env, and --service")
    return left[0] if left else None


async def _ready(boot: Boot, sources: set[str], models: bool) -> None:
    """Have the sources that are needed; look for them only where the config does not name them."""
    boot.take_configured()
    missing = [name for name in sources if name not in boot.hub.sources and name not in boot.failed]
    aliases = models and not any(source.system == "mlflow" for source in boot.hub.sources.values())
    if (missing or aliases) and not boot.discovered:
        await boot.discover()


async def _made(boot: Boot, request: Request, places: Mapping[Place, Mapping[str, str]]) -> Plan:
    targets = [target_at(boot, place, settings) for place, settings in places.items()]
    request = msgspec.structs.replace(request, settings={str(place): own for place, own in places.items()})
    making = make_plan(request, targets)
    plan = await boot.bounded(making, DEADLINE_S, "planning the release", request.service)
    if not plan.changes:
        raise Refused(f"{request.service} has nothing to change")
    head = await _head(boot)
    changes = tuple(msgspec.structs.replace(change, head=head) for change in plan.changes)
    return msgspec.structs.replace(plan, changes=changes)


async def _head(boot: Boot) -> str:
    """The hash of the ledger's last row; empty where there is none, or none that can be read."""
    try:
        rows = await boot.ledger.rows(limit=1)
    except StateError:
        return ""
    return rows[0].hash if rows else ""


def settings(boot: Boot, plan: Plan) -> Settings:
    """The settings of a plan's targets as the config has them, by `source/name`."""
    try:
        found = places_of(boot, plan.service, plan.environment)
    except NotFound:
        return {}
    return {str(place): own for place, own in found.items()}
