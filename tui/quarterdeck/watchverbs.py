"""`w` and `:watches` on the deck. A mixin of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen


class WatchVerbs:
    """What is watched from the deck."""

    def do_watch(self) -> None:
        """Watch the row, or all marked ones; once more ends it."""
        deck = cast("DeckScreen", self)
        records = [row for row in map(deck.app.boot.hub.find, deck.refs) if row is not None]
        if deck.table.cursor_is_ghost and not deck.table.marked:
            deck.app.say("this row is gone: there is nothing to watch", "warning")
        elif deck.app.watching is not None and records:
            deck.app.watching.toggle(records)

    def do_watches(self) -> None:
        """What is watched, and what was heard."""
        from quarterdeck.screens.watches import WatchesScreen

        deck = cast("DeckScreen", self)
        if deck.app.watching is not None:
            deck.app.push_screen(WatchesScreen(deck.app.boot, deck.app.watching.keeper))
