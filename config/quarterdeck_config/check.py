"""From a located tree to the typed records of `schema`: every problem collected, every line known.

Broken values never become defaults in silence: the entry that holds one (a source, a service, ...) is dropped
as a whole, because half of it could mean more than its writer allowed.
"""

from __future__ import annotations

import math
import types
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import structs

from quarterdeck_config.document import Node
from quarterdeck_config.errors import ConfigError, Misfit, one_of, plain
from quarterdeck_config.forms import FORMS

BROKEN: Any = object()
"""What a check returns for a value that cannot be used."""

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}


@lru_cache(maxsize=128)
def fields_of(struct: type) -> dict[str, structs.FieldInfo]:
    """The fields of a Struct by name."""
    return {info.name: info for info in structs.fields(struct)}


def describe(value: Any) -> str:
    """What kind of value was found; never the text itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {plain(str(value), 24)}" if abs(value) < 1e18 else "a huge number"
    names = {str: "a string", dict: "a mapping", list: "a list", type(None): "nothing"}
    return names.get(type(value), "something else")


def expected_of(kind: Any) -> str:
    """What a type wants, in words."""
    origin = get_origin(kind)
    if origin is Annotated:
        return expected_of(get_args(kind)[0])
    if origin is Literal:
        return one_of(str(choice) for choice in get_args(kind))
    if origin in (Union, types.UnionType):
        arms = [arm for arm in get_args(kind) if arm is not type(None)]
        words = dict.fromkeys(expected_of(arm) for arm in arms)
        return " or ".join(word for word in words if not any(word != w and w.endswith(word) for w in words))
    if origin is tuple:
        return "a list"
    if origin is dict:
        return "a mapping"
    return str(getattr(kind, "__expected__", None) or _WORDS.get(kind, "another value"))


class Checker:
    """Checks trees against types and keeps the problems in ``problems``, in the order they were met."""

    def __init__(self) -> None:
        self.problems: list[ConfigError] = []

    def report(self, node: Node, path: str, found: str, expected: str) -> Any:
        """Note a problem at ``node``; returns BROKEN."""
        self.problems.append(ConfigError(node.origin.shown, node.line, path, found, expected))
        return BROKEN

    def value(self, node: Node, kind: Any, path: str) -> Any:
        """``node`` as ``kind``, or BROKEN."""
        metas: tuple[Any, ...] = ()
        while get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            metas = (*metas, *more)
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            return self.union(node, kind, path)
        if origin is dict:
            return self.entries(node, kind, path)
        if origin is tuple:
            return self.listed(node, kind, metas, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(node, kind, path)
        return self.leaf(node, kind, metas, path)

    def union(self, node: Node, kind: Any, path: str) -> Any:
        arms = get_args(kind)
        if node.value is None and type(None) in arms:
            return None
        for arm in arms:
            if arm is type(None):
                continue
            if self.suits(node, arm):
                return self.value(node, arm, path)
        return self.report(node, path, describe(node.value), expected_of(kind))

    def suits(self, node: Node, arm: Any) -> bool:
        """Whether ``node`` has the outer shape of one arm of a union."""
        while get_origin(arm) is Annotated:
            arm = get_args(arm)[0]
        value = node.value
        if isinstance(arm, type) and issubclass(arm, msgspec.Struct):
            return isinstance(value, dict) or (isinstance(value, str) and bool(getattr(arm, "__shorthand__", "")))
        if get_origin(arm) is Literal:
            return value in get_args(arm)
        if get_origin(arm) is tuple:
            return isinstance(value, list)
        if get_origin(arm) is dict:
            return isinstance(value, dict)
        if arm is float:
            return isinstance(value, (int, float, str)) and not isinstance(value, bool)
        return type(value) is arm

    def struct(self, node: Node, kind: type, path: str) -> Any:
        """A mapping as a Struct; BROKEN when any of its keys is."""
        shorthand = getattr(kind, "__shorthand__", "")
        if shorthand and isinstance(node.value, str):
            made = self.value(node, fields_of(kind)[shorthand].type, path)
            return BROKEN if made is BROKEN else kind(**{shorthand: made})
        if node.value is not None and not isinstance(node.value, dict):
            return self.report(node, path, describe(node.value), expected_of(kind))
        known = fields_of(kind)
        values: dict[str, Any] = {}
        broken = False
        for key, child in node.mapping.items():
            below = join(path, key)
            if key not in known:
                broken = True
                self.report(child, below, "an unknown key", one_of(known, key))
                continue
            made = self.field(child, kind, known[key], below)
            broken = broken or made is BROKEN
            values[key] = made
        for info in known.values():
            if info.required and info.name not in node.mapping:
                broken = True
                self.report(node, join(path, info.name), "nothing", expected_of(info.type))
        return BROKEN if broken else self.build(node, kind, values, path)

    def field(self, child: Node, kind: type, info: structs.FieldInfo, path: str) -> Any:
        """One field's value; a lenient mapping loses its broken entries only."""
        if info.name in getattr(kind, "__lenient__", ()) and isinstance(child.value, dict):
            entry = get_args(info.type)[1]
            made = {key: self.value(below, entry, join(path, key)) for key, below in child.value.items()}
            return {key: value for key, value in made.items() if value is not BROKEN}
        return self.value(child, info.type, path)

    def build(self, node: Node, kind: type, values: dict[str, Any], path: str) -> Any:
        """The Struct of checked values; its own rule may still refuse them."""
        try:
            return kind(**values)
        except Misfit as misfit:
            at = node.mapping.get(misfit.field, node)
            return self.report(at, join(path, misfit.field), misfit.found, misfit.expected)

    def entries(self, node: Node, kind: Any, path: str) -> Any:
        """A mapping of free names; BROKEN when any entry is."""
        if node.value is not None and not isinstance(node.value, dict):
            return self.report(node, path, describe(node.value), "a mapping")
        made = {key: self.entry(child, key, kind, join(path, key)) for key, child in node.mapping.items()}
        return BROKEN if any(value is BROKEN for value in made.values()) else made

    def entry(self, child: Node, key: str, kind: Any, path: str) -> Any:
        """One entry of a mapping, its name checked as well."""
        key_kind, value_kind = get_args(kind)
        if get_origin(key_kind) is Literal and key not in get_args(key_kind):
            return self.report(child, path, "an unknown key", one_of(get_args(key_kind), key))
        if get_origin(key_kind) is Annotated:
            named = Node(key, child.origin, child.line)
            if self.value(named, key_kind, path) is BROKEN:
                return BROKEN
        return self.value(child, value_kind, path)

    def listed(self, node: Node, kind: Any, metas: tuple[Any, ...], path: str) -> Any:
        """A list; BROKEN when any item is."""
        if node.value is None and not metas:
            return ()
        if not isinstance(node.value, list):
            return self.report(node, path, describe(node.value), "a list")
        if not node.value and any(meta.min_length for meta in metas):
            return self.report(node, path, "an empty list", "at least one item")
        item = get_args(kind)[0]
        made = tuple(self.value(child, item, f"{path}[{node.label(i)}]") for i, child in enumerate(node.items))
        return BROKEN if any(value is BROKEN for value in made) else made

    def leaf(self, node: Node, kind: Any, metas: tuple[Any, ...], path: str) -> Any:
        """A text, number or choice, with the limits of its type."""
        value = node.value
        form = next((meta.extra["form"] for meta in metas if meta.extra and "form" in meta.extra), None)
        wanted = str if form else kind
        if wanted is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if get_origin(kind) is Literal:
            if any(value == choice and type(value) is type(choice) for choice in get_args(kind)):
                return value
            meant = value if isinstance(value, str) else ""
            return self.report(node, path, describe(value), one_of(map(str, get_args(kind)), meant))
        if type(value) is not wanted:
            return self.report(node, path, describe(value), self.wanted(kind, form, value))
        if isinstance(value, float) and not math.isfinite(value):
            return self.report(node, path, "no finite number", self.wanted(kind, form, value))
        try:
            if form:
                value = FORMS[form](str(value), node.origin.folder)
            for meta in metas:
                msgspec.convert(value, Annotated[kind, meta])
        except Misfit as misfit:
            return self.report(node, path, misfit.found, misfit.expected)
        except msgspec.ValidationError as error:
            limit = str(error).removeprefix("Expected ").partition(" - at")[0]
            for raw, words in (("`str`", "a text"), ("`int`", "a whole number"), ("`float`", "a number")):
                limit = limit.replace(raw, words)
            return self.report(node, path, describe(value), limit)
        return value

    def wanted(self, kind: Any, form: str | None, value: Any) -> str:
        if form == "duration":
            return "a duration with its unit, such as 500ms, 2s, 10m or 1h30m"
        words = "a text" if form else expected_of(kind)
        quotes = words == "a text" and isinstance(value, (bool, int, float))
        return f"{words} (put it in quotes)" if quotes else words


def join(path: str, key: str) -> str:
    """``path`` one key further, without anything a terminal would obey."""
    return ".".join(part for part in (path, plain(key)) if part)
