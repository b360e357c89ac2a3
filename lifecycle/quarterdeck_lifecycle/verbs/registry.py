"""The registry: every verb by id, by key and by kind of row, checked for conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from quarterdeck_lifecycle.verbs.acting import ACTIONS
from quarterdeck_lifecycle.verbs.looking import LOG_SCREEN, METRICS_SCREEN, NEEDS_SCREEN, VIEWS
from quarterdeck_lifecycle.verbs.model import Verb, VerbKind
from quarterdeck_lifecycle.verbs.releasing import RELEASES
from quarterdeck_lifecycle.verbs.timing import CHANGES_SCREEN, TIMING

RESERVED = {
    "y": "copy; confirms in dialogs",
}  # fmt: skip
"""Keys of the contract that later parts will bind; nothing else may take them on the deck."""


class Registry:
    """Verbs with the operator's own keys laid over the defaults."""

    def __init__(self, verbs: Iterable[Verb], keys: Mapping[str, str] | None = None) -> None:
        self._verbs = {verb.id: verb for verb in verbs}
        self._keys = {id: (keys or {}).get(id, verb.key) for id, verb in self._verbs.items()}

    def rebind(self, keys: Mapping[str, str]) -> None:
        """Lay other keys over the defaults."""
        self._keys = {id: keys.get(id, verb.key) for id, verb in self._verbs.items()}

    def exchange(self, prefix: str, verbs: Iterable[Verb]) -> None:
        """Have these verbs, with their own keys, in the place of those whose ids begin with `prefix`."""
        self._verbs = {id: verb for id, verb in self._verbs.items() if not id.startswith(prefix)}
        self._verbs |= {verb.id: verb for verb in verbs}
        self._keys = {id: self._keys.get(id, verb.key) for id, verb in self._verbs.items()}

    def __iter__(self) -> Iterator[Verb]:
        return iter(self._verbs.values())

    def get(self, id: str) -> Verb | None:
        """The verb of this id."""
        return self._verbs.get(id)

    def keys(self, id: str) -> tuple[str, ...]:
        """The keys that run a verb, as Textual names them; empty for those without one."""
        return tuple(key for key in self._keys.get(id, "").split(",") if key)

    def on(self, kind: str, key: str | None = None) -> list[Verb]:
        """The verbs that apply to a kind of record, or those of one key."""
        return [
            verb
            for verb in self._verbs.values()
            if kind in verb.applies_to and (key is None or key in self.keys(verb.id))
        ]

    def screen(self, screen: str) -> list[Verb]:
        """The verbs that are bound on a screen."""
        return [verb for verb in self._verbs.values() if verb.screen in (screen, "*")]

    def conflicts(self) -> list[str]:
        """Two verbs on one key in one place. Mutations of one kind of row may share a key: it opens their menu."""
        found = []
        taken: dict[tuple[str, str, str], Verb] = {}
        for verb in self._verbs.values():
            for key in self.keys(verb.id):
                if verb.screen in ("deck", "*") and key in RESERVED and verb.id != "copy":
                    found.append(f"{verb.id}: the key {key} is kept for {RESERVED[key]}")
                for place in verb.applies_to or ("",):
                    other = taken.setdefault((verb.screen, key, place), verb)
                    both_act = verb.kind is VerbKind.MUTATION and other.kind is VerbKind.MUTATION
                    if other is not verb and not both_act:
                        found.append(f"{verb.id} and {other.id} share the key {key}")
        return found


def built_in() -> tuple[Verb, ...]:
    """Every verb the program brings."""
    return (*VIEWS, *LOG_SCREEN, *METRICS_SCREEN, *NEEDS_SCREEN, *TIMING, *CHANGES_SCREEN, *ACTIONS, *RELEASES)
