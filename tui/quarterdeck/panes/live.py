"""Live use of the containers that are on the screen, and of no others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quarterdeck.panes.pane import Pane
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Samples
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

MOST = 24


class LiveStats:
    """Streams samples for the visible rows of the containers pane; starts anew when other rows become visible."""

    def __init__(self, deck: DeckScreen) -> None:
        self._deck = deck
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted: tuple[Ref, ...] = ()

    def follow(self) -> None:
        """Look which rows are visible now, and sample those."""
        pane = self._deck.query_one("#containers", Pane)
        wanted: tuple[Ref, ...] = ()
        if not pane.collapsed and pane.view.kind == "container" and not pane.has_class("-hidden"):
            top = round(pane.table.scroll_y)
            rows = pane.table.rows[top : top + min(MOST, max(0, pane.table.size.height - 1))]
            wanted = tuple(row.key for row in rows if isinstance(row.key, Ref))
        if set(wanted) == set(self._wanted):
            return
        self._wanted = wanted
        self.stop()
        hub = self._deck.app.boot.hub
        for name in dict.fromkeys(ref.source for ref in wanted):
            source = hub.sources.get(name)
            if isinstance(source, Samples):
                refs = [ref for ref in wanted if ref.source == name]
                self._tasks[name] = asyncio.create_task(self._sample(source, refs, pane), name=f"stats {name}")

    def stop(self) -> None:
        """End every stream."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _sample(self, source: Samples, refs: list[Ref], pane: Pane) -> None:
        try:
            async for stats in source.stats(refs):
                pane.stats[stats.ref] = stats
                pane.show_soon()
        except QuarterdeckError:
            return
        except Exception as error:
            name = refs[0].source
            self._deck.app.say(f"live use of {name} stopped: {type(error).__name__}: {error}", "warning")
