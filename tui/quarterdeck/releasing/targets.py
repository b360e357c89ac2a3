"""From a service of the config to the targets that a release changes, on the sources that are known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from quarterdeck.boot import Boot
from quarterdeck_config.schema import Target as TargetConfig
from quarterdeck_lifecycle.errors import NotFound, Refused, Unsupported
from quarterdeck_lifecycle.release.model import Place
from quarterdeck_lifecycle.release.ports import Deploys, Target


def settings_of(target: TargetConfig) -> dict[str, str]:
    """The target's own keys of the config, as texts: `stop_timeout` in seconds, `proxy` as JSON."""
    settings: dict[str, str] = {}
    if target.stop_timeout is not None:
        settings["stop_timeout"] = f"{target.stop_timeout:g}"
    if target.proxy is not None:
        settings["proxy"] = msgspec.json.encode(target.proxy).decode()
    return settings


def places_of(boot: Boot, service: str, environment: str, *, with_model: bool = False) -> dict[Place, dict[str, str]]:
    """Every place of a service in an environment with its settings; with its model's alias where that is asked for.

    The settings are those of `settings_of`, with the names of the service and the environment.
    Raises NotFound, Refused.
    """
    known = boot.loaded.config.services.get(service)
    placement = known.environments.get(environment) if known is not None else None
    if known is None or placement is None:
        raise NotFound(f"no service is called {service} in {environment}")
    whose = {"service": service, "environment": environment}
    found = {
        Place(kind=each.kind, source=each.source, name=each.name): {**settings_of(each), **whose}
        for each in placement.targets
    }
    if with_model and known.model and not any(place.kind == "alias" for place in found):
        found = {alias_place(boot, known.model, environment): whose, **found}
    return found


def alias_place(boot: Boot, name: str, environment: str, source: str = "") -> Place:
    """Where the alias `MODEL@ALIAS` is: the one source with aliases, of that environment where there are several.

    Raises Refused when there is none or several.
    """
    having = [s for s in boot.hub.sources.values() if isinstance(s, Deploys) and "alias" in s.target_kinds]
    fitting = [s for s in having if s.name == source] if source else having
    if len(fitting) > 1:
        fitting = [s for s in fitting if s.environment == environment] or fitting
    if len(fitting) != 1:
        names = ", ".join(s.name for s in fitting)
        raise Refused(
            f"the alias {name} cannot be found", why=f"several sources have aliases: {names}" if fitting else
            "no source with model aliases is known here", mend="give the service a target of kind alias",
        )  # fmt: skip
    return Place(kind="alias", source=fitting[0].name, name=name)


def target_at(boot: Boot, place: Place, settings: Mapping[str, str]) -> Target:
    """The target at a place. Raises NotFound for an unknown source, Unsupported for one that has no such targets."""
    source = boot.hub.sources.get(place.source)
    if source is None:
        if place.source in boot.failed:
            raise boot.failed[place.source]
        raise NotFound(f"no source is named {place.source}", mend="see `quarterdeck doctor`")
    if not isinstance(source, Deploys) or place.kind not in source.target_kinds:
        raise Unsupported(f"{source.system} has no targets of kind {place.kind}", source=place.source)
    return source.target(place.kind, place.name, settings)


def targets_of(boot: Boot, service: str, environment: str, *, with_model: bool = False) -> Sequence[Target]:
    """The targets of a service in an environment. Raises NotFound, Refused, Unsupported."""
    places = places_of(boot, service, environment, with_model=with_model)
    return [target_at(boot, place, settings) for place, settings in places.items()]
