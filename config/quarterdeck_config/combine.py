"""Two located trees made one: the project's and the user's, whose keys win."""

from __future__ import annotations

from quarterdeck_config.document import Node
from quarterdeck_config.errors import ConfigError

NAMED = ("services", "models", "pipelines", "views", "commands", "themes", "webhooks")
"""Sections whose entries stand for themselves: an untrusted one is never completed by the user's, or the
user's credential could go to a host that the project chose."""
WHOLE = ("token", "password", "probe", "served")
"""Keys of which a mix of two would be neither: the user's replaces the project's."""


def combine(project: Node, user: Node, *, trusted: bool) -> Node:
    """One tree: mappings key by key, ``sources`` by name, other values and lists the user's.

    Where the project is not ``trusted``, a source (and every entry of `NAMED`) that both name is the user's
    alone.
    """
    merged = dict(project.mapping)
    for key, child in user.mapping.items():
        base = merged.get(key)
        if base is None:
            merged[key] = child
        elif key == "sources" and isinstance(base.value, list) and isinstance(child.value, list):
            merged[key] = _by_name(base, child, deep=trusted)
        elif key in NAMED and not trusted and isinstance(base.value, dict):
            merged[key] = Node({**base.mapping, **child.mapping}, child.origin, child.line)
        else:
            merged[key] = _deep(base, child)
    return Node(merged, user.origin, user.line)


def _deep(base: Node, over: Node) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        below = merged.get(key)
        merged[key] = child if below is None or key in WHOLE else _deep(below, child)
    return Node(merged, over.origin, over.line)


def _by_name(base: Node, over: Node, *, deep: bool) -> Node:
    items = list(base.items)
    labels = [base.label(i) for i in range(len(items))]
    places = {name_of(item): i for i, item in enumerate(items) if name_of(item)}
    for i, item in enumerate(over.items):
        at = places.get(name_of(item))
        if at is None:
            items.append(item)
            labels.append(over.label(i))
        else:
            items[at] = _deep(items[at], item) if deep else item
            labels[at] = over.label(i)
    return Node(items, over.origin, over.line, labels=labels)


def name_of(item: Node) -> str:
    """The ``name`` of an entry of a list; empty where it has none."""
    name = item.mapping.get("name")
    return name.value if name is not None and isinstance(name.value, str) else ""


def drop_doubles(tree: Node) -> list[ConfigError]:
    """Remove every source of one file whose name came before in it; the problems, one each."""
    sources = tree.mapping.get("sources")
    if sources is None or not isinstance(sources.value, list):
        return []
    problems, kept, labels, seen = [], [], [], dict[str, int]()
    for i, item in enumerate(sources.value):
        name = name_of(item)
        if name and name in seen:
            problems.append(
                ConfigError(
                    item.origin.shown,
                    item.mapping["name"].line,
                    f"sources[{i}].name",
                    f"a name that line {seen[name]} has already",
                    "a name of its own",
                )
            )
            continue
        if name:
            seen[name] = item.mapping["name"].line
        kept.append(item)
        labels.append(i)
    sources.value, sources.labels = kept, labels
    return problems


def owned_entries(project: Node, user: Node | None) -> frozenset[tuple[str, str]]:
    """(section, name) of every entry that the project's file wrote and the user's does not replace whole."""
    mine: set[tuple[str, str]] = set()
    for section, node in project.mapping.items():
        theirs = user.mapping.get(section) if user else None
        mine |= {(section, name) for name in _names(node) - (_names(theirs) if theirs else set())}
    return frozenset(mine)


def _names(section: Node) -> set[str]:
    if isinstance(section.value, list):
        return {name_of(item) for item in section.value}
    return set(section.mapping)
