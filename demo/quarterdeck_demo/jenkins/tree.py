"""The `tree=` query of Jenkins' remote API: which fields of an object are sent, and which part of a list.

https://www.jenkins.io/doc/book/using/remote-access-api/#remote-api-with-javascript
https://javadoc.jenkins.io/component/stapler/org/kohsuke/stapler/export/NamedPathPruner.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_TOKEN = re.compile(r"\s*([A-Za-z_][\w-]*|[\[\],*]|\{\d*,?\d*\})")
_ALWAYS = "_class"
_SHALLOW = frozenset({"_class", "name", "number", "url", "color", "id"})


class Malformed(ValueError):
    """A tree that Jenkins answers with 400."""


class Part(NamedTuple):
    """What is wanted of one field: its own fields (None: all of it), and the part of a list, as a slice."""

    fields: Mapping[str, Part] | None
    cut: slice


def parse(text: str) -> dict[str, Part]:
    """`a,b[c,d]{0,10}`. Raises Malformed."""
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Malformed(f"illegal tree at {at}")
        tokens.append(match[1])
        at = match.end()
    fields, rest = _fields(tokens)
    if rest:
        raise Malformed("unexpected ]")
    return fields


def _fields(tokens: list[str]) -> tuple[dict[str, Part], list[str]]:
    found: dict[str, Part] = {}
    while tokens:
        name, tokens = tokens[0], tokens[1:]
        if not (name == "*" or name[0].isalpha() or name[0] == "_"):
            raise Malformed(f"unexpected {name}")
        inner: dict[str, Part] | None = None
        if tokens[:1] == ["["]:
            inner, tokens = _fields(tokens[1:])
            if tokens[:1] != ["]"]:
                raise Malformed("a [ is not closed")
            tokens = tokens[1:]
        cut = slice(None)
        if tokens and tokens[0].startswith("{"):
            cut, tokens = _cut(tokens[0]), tokens[1:]
        found[name] = Part(inner, cut)
        if tokens[:1] != [","]:
            break
        tokens = tokens[1:]
    return found, tokens


def _cut(text: str) -> slice:
    low, comma, high = text[1:-1].partition(",")
    if not comma:
        return slice(int(low), int(low) + 1)
    return slice(int(low) if low else None, int(high) if high else None)


def pruned(value: Any, fields: Mapping[str, Part]) -> Any:
    """The object with these fields alone. A field that is a function is asked for its value when it is wanted."""
    if not isinstance(value, Mapping):
        return value
    every = fields.get("*")
    made = {}
    for name, inner in value.items():
        part = fields.get(name) or every
        if part is None and name != _ALWAYS:
            continue
        made[name] = _cleaned(inner() if callable(inner) else inner, part or Part(None, slice(None)))
    return made


def _cleaned(value: Any, part: Part) -> Any:
    if isinstance(value, list):
        one = Part(part.fields, slice(None))
        return [_cleaned(each() if callable(each) else each, one) for each in value[part.cut]]
    return shallow(value) if part.fields is None else pruned(value, part.fields)


def shallow(value: Any) -> Any:
    """An object as it stands inside another one when nothing of it was asked for."""
    if isinstance(value, Mapping):
        return {name: inner for name, inner in value.items() if name in _SHALLOW}
    return value


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object without `tree=`, at depth 0: all its fields, what is inside only by name."""
    made = {}
    for name, inner in value.items():
        made[name] = _cleaned(inner() if callable(inner) else inner, Part(None, slice(None)))
    return made
