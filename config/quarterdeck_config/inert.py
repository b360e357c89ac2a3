"""What an untrusted project file may still say: where things are, never what runs or who gets a credential."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Literal

from msgspec import structs

from quarterdeck_config.errors import plain
from quarterdeck_config.schema import (
    Config,
    ConfirmOptions,
    Hooks,
    LocalPipeline,
    Notify,
    Placement,
    Service,
    Source,
    Step,
    View,
)

Owned = Collection[tuple[str, str]]
"""(section, name) of every entry that the untrusted file wrote, such as ("sources", "ml")."""

_PLAIN = re.compile(r"\^?(?:[\w ./:@=-]|\\[^\w\s])*\$?", re.ASCII)
CONFIRM_UNUSED = "the confirm options are not used"
NOTIFY_UNUSED = "the notify options are not used"


def inert(config: Config, owned: Owned | None = None) -> tuple[Config, tuple[str, ...]]:
    """``config`` without anything that ``owned`` entries (None: all) could run or send; and why, a line each.

    Commands, hooks, webhooks, exec probes and key bindings are dropped. Local pipelines keep the names of their steps
    and lose what these would run. Sources lose their secrets, get ``credentials: false`` (no discovered credential,
    no SSH key) and start read-only. Services are undeployable, also a trusted one that acts on an untrusted source.
    """
    reasons: list[str] = []

    def mine(section: str, name: str) -> bool:
        return owned is None or (section, name) in owned

    sources = []
    for source in config.sources:
        changed, why = _source(source) if mine("sources", source.name) else (source, ())
        sources.append(changed)
        reasons.extend(why)
    distrusted = {source.name for source in config.sources if mine("sources", source.name)}
    services: dict[str, Service] = {}
    for name, service in config.services.items():
        if mine("services", name):
            services[name], why = _service(name, service)
            reasons.extend(why)
        elif used := sorted(_sources_of(service) & distrusted):
            services[name] = structs.replace(service, deployable=False)
            reasons.append(f"service {plain(name)} is not deployed: it uses the untrusted source {used[0]}")
        else:
            services[name] = service
    kept: dict[str, Any] = {}
    dropped: tuple[tuple[Literal["commands", "keys", "webhooks"], str], ...] = (
        ("commands", "command {} is not offered"),
        ("keys", "key of {} is not rebound"),
        ("webhooks", "webhook {} is told nothing"),
    )
    for section, words in dropped:
        entries = getattr(config, section)
        kept[section] = {name: entry for name, entry in entries.items() if not mine(section, name)}
        reasons.extend(words.format(plain(name)) for name in entries if mine(section, name))
    kept["pipelines"] = {}
    for name, pipeline in config.pipelines.items():
        kept["pipelines"][name] = _pipeline(pipeline) if mine("pipelines", name) else pipeline
        if mine("pipelines", name):
            reasons.append(f"local pipeline {plain(name)} is not run")
    kept["views"] = {}
    for name, view in config.views.items():
        kept["views"][name], why = _view(name, view) if mine("views", name) else (view, ())
        reasons.extend(why)
    if owned is None and config.confirm != ConfirmOptions():
        kept["confirm"] = ConfirmOptions()
        reasons.append(CONFIRM_UNUSED)
    if owned is None and config.notify != Notify():
        kept["notify"] = Notify()
        reasons.append(NOTIFY_UNUSED)
    return structs.replace(config, sources=tuple(sources), services=services, **kept), tuple(reasons)


def _pipeline(pipeline: LocalPipeline) -> LocalPipeline:
    """A pipeline that is shown and holds nothing to run; the Makefile of an untrusted file is not even read."""
    steps = tuple(Step(name=step.name, argv=()) for step in pipeline.steps)
    return LocalPipeline(steps=steps, makefile=pipeline.makefile, targets=pipeline.targets, runnable=False)


def _view(name: str, view: View) -> tuple[View, tuple[str, ...]]:
    """A view is data, but a pattern can be made to take for ever: of an untrusted file only plain ones are used."""
    kept = {pane: text for pane, text in view.filter.items() if is_plain(text)}
    reasons = (f"view {plain(name)}: its filter of {pane} is not used" for pane in view.filter if pane not in kept)
    return structs.replace(view, filter=kept), tuple(reasons)


def is_plain(pattern: str) -> bool:
    """Whether a filter is made of words, `|`, `^`, `$`, escaped signs and one `.*` in each alternative, within 200
    characters: what no text can make slow."""
    if len(pattern) > 200:
        return False
    pieces = pattern.removeprefix("!").split("|")
    return all(_PLAIN.fullmatch(piece.replace(".*", "", 1)) is not None for piece in pieces)


def _source(source: Source) -> tuple[Source, tuple[str, ...]]:
    reasons = [f"source {source.name} gets no credential and stays read-only"]
    for key in ("token", "password"):
        ref = getattr(source, key)
        if ref is not None and ref.kind == "command":
            reasons.append(f"source {source.name}: the {key} command is not run")
    changed = structs.replace(
        source,
        token=None,
        username=None,
        password=None,
        cert_file=None,
        key_file=None,
        plain_http=False,
        credentials=False,
        read_only=True,
    )
    return changed, tuple(reasons)


def _service(name: str, service: Service) -> tuple[Service, tuple[str, ...]]:
    hooks = [when for when in ("pre", "post") if getattr(service.hooks, when) is not None]
    reasons = [f"service {plain(name)} is not deployed"]
    reasons.extend(f"service {plain(name)}: the {when} hook is not run" for when in hooks)
    environments = {}
    execs = _runs(service)
    for place, placement in service.environments.items():
        execs = execs or _runs(placement)
        environments[place] = structs.replace(placement, probe=None) if _runs(placement) else placement
    if execs:
        reasons.append(f"service {plain(name)}: the exec probe is not run")
    changed = structs.replace(
        service,
        deployable=False,
        hooks=Hooks(),
        environments=environments,
        probe=None if _runs(service) else service.probe,
    )
    return changed, tuple(reasons)


def _runs(place: Service | Placement) -> bool:
    return place.probe is not None and place.probe != "none" and place.probe.exec is not None


def _sources_of(service: Service) -> set[str]:
    """Every source that a release of ``service`` talks to."""
    names = {guard.source for guard in service.guards}
    for placement in service.environments.values():
        names |= {target.source for target in placement.targets}
        names |= {guard.source for guard in placement.guards or ()}
    return names | ({service.served.source} if service.served and service.served.source else set())
