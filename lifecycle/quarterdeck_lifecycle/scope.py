"""Which environments the operator looks at: what a screen shows, counts or complains about passes it.

It hides rows and nothing else: feeds go on, and verbs, waits and the ledger know every row. What belongs to no
environment (a repository, a registry's tag) is always shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from quarterdeck_lifecycle.records import Record

if TYPE_CHECKING:
    from quarterdeck_lifecycle.feed import Snapshot
    from quarterdeck_lifecycle.hub import Hub

LABELS = ("environment", "env")
"""What series, alerts and targets are commonly labelled with; believed where it names a known environment."""

_environment = attrgetter("environment")


def environment_of(record: Record, known: frozenset[str]) -> str:
    """The environment a row belongs to, by its record or by its label; an empty string for none."""
    if record.environment or record.pane != "metrics":
        return record.environment
    labels = getattr(record, "labels", None) or {}
    return next((labels[name] for name in LABELS if labels.get(name) in known), "")


class Shown:
    """A hub as the operator chose to see it; without a choice, all of it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._chosen: frozenset[str] = frozenset()
        self._declared: tuple[str, ...] = ()
        self._known: tuple[str, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._known_at = -1

    @property
    def chosen(self) -> frozenset[str]:
        """The environments that are shown; empty for all."""
        return self._chosen

    def choose(self, names: Iterable[str]) -> None:
        """Show these environments only, known or not yet; none means all."""
        self._chosen = frozenset(filter(None, names))

    def declare(self, names: Iterable[str]) -> None:
        """The environments that the config names, in its order."""
        self._declared, self._known_at = tuple(names), -1

    @property
    def known(self) -> tuple[str, ...]:
        """The declared environments, then those that only sources or rows name."""
        if self._known_at != self._hub.generation:
            found = {source.environment for source in self._hub.sources.values()}
            found.update(map(_environment, self._hub.records()))
            found -= {"", *self._declared}
            self._known = (*self._declared, *sorted(found))
            self._names, self._known_at = frozenset(self._known), self._hub.generation
        return self._known

    def environment(self, record: Record) -> str:
        """The environment of a row, or an empty string."""
        return environment_of(record, self._names if self._known_at == self._hub.generation else frozenset(self.known))

    def keeps(self, environment: str) -> bool:
        """Whether what is of this environment is shown; what is of none always is."""
        return not self._chosen or not environment or environment in self._chosen

    def rows(self, snapshot: Snapshot) -> Sequence[Record]:
        """The rows of a feed that are shown."""
        return self.kept(snapshot.rows)

    def kept(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those that are shown; the very sequence where nothing was chosen."""
        if not self._chosen:
            return records
        of, chosen = self.environment, self._chosen
        return [record for record in records if (found := of(record)) in chosen or not found]

    def snapshots(self, *kinds: str) -> list[Snapshot]:
        """The feeds of these kinds but those of environments that are not shown."""
        return [snap for snap in self._hub.snapshots(*kinds) if self.keeps(snap.environment) or self.rows(snap)]
