"""The graph of what the hub has, kept with it: only listings that are others are looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.records import Record, State, record_types
from quarterdeck_lifecycle.trace.facts import environment_of
from quarterdeck_lifecycle.trace.gaps import Asked
from quarterdeck_lifecycle.trace.graph import Graph

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

DOWN = (State.ERROR, State.AUTH, State.STALE, State.LOADING)
PLACED = ("container", "service", "endpoint", "deployment")
"""Kinds of rows that say what runs in an environment."""
HELD = ("container", "service", "endpoint")
SLICE = 200
"""Rows that are taken in at once while a screen is shown: about 5 ms."""


class Gathered:
    """The graph, and which listings it was made of."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._rows: dict[tuple[str, str], tuple[Record, ...]] = {}
        self._one = asyncio.Lock()

    def take(self, snapshots: Iterable[Snapshot]) -> bool:
        """Bring it up to date; answers whether anything is another. Feeds that are gone take their rows along."""
        listed = {(snap.source, snap.kind): snap.rows for snap in snapshots}
        changed = [key for key, rows in listed.items() if self._rows.get(key) is not rows]
        gone = [key for key in self._rows if key not in listed]
        for key in changed:
            self.graph.refresh(*key, listed[key])
        for key in gone:
            self.graph.refresh(*key, ())
        self._rows = listed
        return bool(changed or gone)

    async def follow(self, snapshots: Iterable[Snapshot]) -> bool:
        """As `take`, a few rows at a time, so that nothing else of the loop waits for it."""
        async with self._one:
            listed = {(snap.source, snap.kind): snap.rows for snap in snapshots}
            changed = False
            for key in [*listed, *(key for key in self._rows if key not in listed)]:
                rows = listed.get(key, ())
                if self._rows.get(key) is rows:
                    continue
                changed = True
                await self._exchange(self._rows.get(key, ()), rows)
                self._rows[key] = rows
            self._rows = {key: rows for key, rows in self._rows.items() if key in listed}
            return changed

    async def _exchange(self, before: Sequence[Record], after: Sequence[Record]) -> None:
        kept = {row.ref for row in after}
        for place, row in enumerate(before):
            if row.ref not in kept:
                self.graph.remove(row.ref)
            if place % SLICE == 0:
                await asyncio.sleep(0)
        for place, row in enumerate(after):
            self.graph.add(row)
            if place % SLICE == 0:
                await asyncio.sleep(0)


def asked(boot: Boot) -> Asked:
    """What is read here, and what of it does not answer."""
    kinds = {kind for source in boot.hub.sources.values() for kind in source.kinds}
    down = {snap.kind: f"{snap.source}: {_why(snap)}" for snap in boot.hub.snapshots() if snap.state in DOWN}
    for name, error in boot.failed.items():
        for kind in _kinds_of(boot.configs[name].system):
            kinds.add(kind)
            down.setdefault(kind, f"{name}: {error}")
    return Asked(kinds=frozenset(kinds), down=down)


def environments(boot: Boot, graph: Graph) -> list[str]:
    """Those of the config in its order, then those that only rows tell of."""
    told = sorted({environment_of(record) for record in graph.records(*PLACED)} - {""}, reverse=True)
    found: dict[str, str] = {}
    for name in (*boot.loaded.config.environments, *told):
        found.setdefault(name.casefold(), name)
    return list(found.values())


def unknown(boot: Boot) -> Mapping[str, str]:
    """For an environment why what runs there cannot be told: a source that would say it does not answer."""
    found: dict[str, str] = {}
    for snap in boot.hub.snapshots(*HELD):
        if snap.state in DOWN:
            found.setdefault(snap.environment, f"{snap.source}: {_why(snap)}")
    for name, error in boot.failed.items():
        if set(_kinds_of(boot.configs[name].system)) & set(HELD):
            found.setdefault(boot.configs[name].environment or "", f"{name}: {error}")
    return found


def _why(snap: Snapshot) -> str:
    return str(snap.error) if snap.error is not None else f"it is {snap.state}"


def _kinds_of(system: str) -> Sequence[str]:
    from quarterdeck.boot import SYSTEMS

    pane = next((pane for pane, systems in SYSTEMS.items() if system in systems), "")
    return [kind.kind for kind in record_types() if kind.kind and kind.pane == pane]
