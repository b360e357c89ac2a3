"""Textual bindings made of the verb registry."""

from __future__ import annotations

from textual.binding import Binding, BindingsMap

from quarterdeck_lifecycle.verbs import Registry, Verb


def bind(registry: Registry, screen: str) -> BindingsMap:
    """One binding for every key of a screen; `action_key` finds the verb that fits the row under the cursor."""
    keys = dict.fromkeys(key for verb in registry.screen(screen) for key in registry.keys(verb.id))
    return BindingsMap([Binding(key, f"key('{key}')", show=False) for key in keys])


def choose(registry: Registry, screen: str, key: str, kind: str) -> list[Verb]:
    """The verbs of a key on a screen for a kind of row: those of the kind before the screen's own."""
    fitting = [verb for verb in registry.screen(screen) if key in registry.keys(verb.id)]
    fitting.sort(key=lambda verb: verb.screen == "*")
    of_kind = [verb for verb in fitting if kind and kind in verb.applies_to]
    return of_kind or [verb for verb in fitting if not verb.applies_to]


def elsewhere(registry: Registry, screen: str, key: str) -> tuple[Verb, ...]:
    """The verbs of a key that fit other kinds of rows, to say so instead of doing nothing."""
    return tuple(v for v in registry.screen(screen) if key in registry.keys(v.id) and v.applies_to)
