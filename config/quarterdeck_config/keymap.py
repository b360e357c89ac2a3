"""The user's key bindings, checked against the verbs: no clash, no unknown name, no weaker mutation."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

from quarterdeck_config.errors import one_of, plain

ANYWHERE = "*"
CONFIRM_KEY = "y"

# The key names of Textual 8.2 (textual/keys.py), which this layer must not import.
_NAMED = frozenset(
    {"escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"}
    | {"up", "down", "left", "right"}
    | {f"f{n}" for n in range(1, 25)}
)
_RESERVED = frozenset({"ctrl+c", "ctrl+z", "ctrl+q", "escape", "ctrl+m", "ctrl+i", "ctrl+j", "ctrl+h"})
_REFUSED_FOR_MUTATIONS = frozenset({"enter", "space", "tab", "backspace", "escape"})
_MODIFIERS = ("ctrl", "alt", "shift", "super", "meta", "hyper")
_REPLACED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_CHARACTERS = {
    _REPLACED.get(name, name): char
    for char in map(chr, range(33, 127))
    if not char.isalnum()
    for name in (unicodedata.name(char).lower().replace("-", "_").replace(" ", "_"),)
}


class Bindable(msgspec.Struct, frozen=True):
    """Something that a key does. ``scopes``: the screens or kinds of rows where it applies; empty: anywhere."""

    id: str
    key: str
    scopes: frozenset[str] = frozenset()
    mutation: bool = False


class Keymap(msgspec.Struct, frozen=True):
    """``keys``: id -> key in Textual's spelling, for every bindable. ``problems``: what was refused, and why."""

    keys: Mapping[str, str]
    problems: tuple[str, ...] = ()


def normal_key(key: str) -> str:
    """``key`` as Textual spells it: ``/`` becomes slash, ``Ctrl+X`` ctrl+x. Raises ValueError if it is none."""
    if len(key) == 1:
        if key == " ":
            return "space"
        if not key.isascii() or not key.isprintable():
            raise ValueError("no key of every keyboard")
        return next((name for name, char in _CHARACTERS.items() if char == key), key if key.isalnum() else "")
    *modifiers, last = key.split("+") if key != "+" else [key]
    modifiers = [modifier.lower() for modifier in modifiers]
    if not last or len(set(modifiers)) != len(modifiers) or not set(modifiers) <= set(_MODIFIERS):
        raise ValueError("an unknown key")
    if len(last) == 1:
        last = normal_key(last)
        if modifiers:
            last = last.lower()
    elif last.lower() in _NAMED or last.lower() in _CHARACTERS:
        last = last.lower()
    else:
        raise ValueError("an unknown key")
    if modifiers == ["shift"] and len(last) == 1:
        return last.upper()
    return "+".join([*sorted(modifiers, key=_MODIFIERS.index), last])


def check_keymap(rebindings: Mapping[str, str], bindables: Sequence[Bindable]) -> Keymap:
    """The keys to use: the defaults, with every rebinding that is allowed.

    Refused: an id or a key that does not exist, a reserved key, a mutation on the confirm key or on a
    lower-case letter (lower case looks, capitals act), and a key that another binding has in the same place;
    two that swap their keys are fine. A refused rebinding keeps its default.
    """
    known = {bindable.id: bindable for bindable in bindables}
    defaults = {bindable.id: normal_key(bindable.key) for bindable in bindables}
    problems: list[str] = []
    wanted: dict[str, str] = {}
    for identity, text in rebindings.items():
        shown = f"keys.{plain(identity)}"
        if identity not in known:
            problems.append(f"{shown}: found an unknown id, expected {one_of(known, identity)}")
            continue
        try:
            key = normal_key(text)
        except ValueError:
            problems.append(f"{shown}: found an unknown key, expected one such as x, X, /, ctrl+x or f5")
            continue
        if why := _forbidden(key, known[identity]):
            problems.append(f"{shown}: found {key}, expected another key: {why}")
        elif key != defaults[identity]:
            wanted[identity] = key
    while clash := _clash({**defaults, **wanted}, known, wanted):
        refused, other, key = clash
        problems.append(f"keys.{refused}: found {key}, expected another key: {other} has it in the same place")
        del wanted[refused]
    return Keymap({**defaults, **wanted}, tuple(problems))


def default_clashes(bindables: Sequence[Bindable]) -> tuple[str, ...]:
    """Clashes among the defaults themselves, which are mistakes of the program; a sentence each."""
    return tuple(
        f"{one.id} and {other.id} both have {one.key}"
        for one, other in combinations(bindables, 2)
        if normal_key(one.key) == normal_key(other.key) and _meet(one, other)
    )


def _forbidden(key: str, bindable: Bindable) -> str:
    if key in _RESERVED and key != normal_key(bindable.key):
        return "this one is reserved"
    if not bindable.mutation:
        return ""
    if key == CONFIRM_KEY:
        return "y confirms, so it must not act"
    if len(key) == 1 and key.islower():
        return "lower case looks, capitals act"
    return "it is pressed too easily" if key in _REFUSED_FOR_MUTATIONS else ""


def _clash(
    keys: Mapping[str, str], known: Mapping[str, Bindable], wanted: Iterable[str]
) -> tuple[str, str, str] | None:
    """The first rebinding whose key another binding has where both apply: (rebinding, other, key)."""
    for identity in reversed(list(wanted)):
        for other, key in keys.items():
            if other != identity and key == keys[identity] and _meet(known[identity], known[other]):
                return identity, other, key
    return None


def _meet(one: Bindable, other: Bindable) -> bool:
    anywhere = not one.scopes or not other.scopes or ANYWHERE in one.scopes | other.scopes
    return anywhere or bool(one.scopes & other.scopes)
