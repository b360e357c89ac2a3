"""What no single entry can know: names that must be declared elsewhere in the config."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from msgspec import structs

from quarterdeck_config.combine import name_of
from quarterdeck_config.document import Node
from quarterdeck_config.errors import ConfigError, one_of, plain
from quarterdeck_config.schema import Config, Service

Step = str | int


def cross_check(config: Config, tree: Node, known: Collection[str]) -> tuple[Config, list[ConfigError]]:
    """``config`` without the entries that name an unknown environment, and the problems found.

    A source that neither the config nor ``known`` has is a warning: discovery may find one of that name.
    """
    problems: list[ConfigError] = []
    declared = set(config.environments)

    def unknown(name: str, *steps: Step) -> bool:
        if name in declared:
            return False
        problems.append(_problem(tree, steps, "an unknown environment", one_of(declared, name)))
        return True

    sources = []
    for source in config.sources:
        index = _index(tree, source.name)
        if source.environment is None or not unknown(source.environment, "sources", index, "environment"):
            sources.append(source)
    services = {
        name: service
        for name, service in config.services.items()
        if not [e for e in service.environments if unknown(e, "services", name, "environments", e)]
    }
    views = {
        name: view
        for name, view in config.views.items()
        if not [e for i, e in enumerate(view.environments) if unknown(e, "views", name, "environments", i)]
    }
    available = {source.name for source in sources} | set(known)
    if (told := config.notify.webhook) is not None and told not in config.webhooks:
        expected = one_of(set(config.webhooks), told)
        problems.append(_problem(tree, ("notify", "webhook"), "an unknown webhook", expected, "warning"))
    for name, service in services.items():
        for i, hook in enumerate(service.announce):
            if hook not in config.webhooks:
                expected = one_of(set(config.webhooks), hook)
                place: tuple[Step, ...] = ("services", name, "announce", i)
                problems.append(_problem(tree, place, "an unknown webhook", expected, "warning"))
        for used, steps in _sources_of(service):
            if used not in available:
                expected = f"a source that is configured or found: {one_of(available, used)}"
                at = ("services", name, *steps)
                problems.append(_problem(tree, at, f"the unknown source {plain(used)}", expected, "warning"))
    return structs.replace(config, sources=tuple(sources), services=services, views=views), problems


def _sources_of(service: Service) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The sources that ``service`` names, with the way to each of them."""
    for i, guard in enumerate(service.guards):
        yield guard.source, ("guards", i, "source")
    if service.served and service.served.source:
        yield service.served.source, ("served", "source")
    for name, placement in service.environments.items():
        for i, target in enumerate(placement.targets):
            yield target.source, ("environments", name, "targets", i, "source")
        for i, guard in enumerate(placement.guards or ()):
            yield guard.source, ("environments", name, "guards", i, "source")


def _index(tree: Node, name: str) -> int:
    items = tree.mapping["sources"].items
    return next(i for i, item in enumerate(items) if name_of(item) == name)


def _problem(
    tree: Node,
    steps: tuple[Step, ...],
    found: str,
    expected: str,
    severity: Literal["error", "warning"] = "error",
) -> ConfigError:
    """A problem at the end of ``steps``; its line is that of the last step that the tree has."""
    node, path = tree, ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{node.label(step)}]"
            node = node.items[step] if step < len(node.items) else node
        else:
            path += f".{plain(step)}" if path else plain(step)
            node = node.mapping.get(step, node)
    return ConfigError(node.origin.shown, node.line, path, found, expected, severity)
