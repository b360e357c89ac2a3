"""What the deck says by itself: its header, and the line of what needs the operator. A mixin of the deck."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from quarterdeck.panes.header import header_cells, need_cells
from quarterdeck.widgets.bars import Bar

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen


class TopBar(Bar):
    """Where, who, and what is open for writing."""


class NeedsBar(Bar):
    """What needs the operator; blank when nothing does, so that nothing below it moves."""


class NeedsLine:
    """Painted only where it differs; ages come in steps."""

    @property
    def _needs_deck(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def show_top(self) -> None:
        """The two lines above the panes."""
        app = self._needs_deck.app
        needs = app.needing.current().told
        width = self._needs_deck.size.width or app.size.width
        self._needs_deck.query_one(TopBar).show(*header_cells(app.boot, needs, width))
        self._needs_deck.query_one(NeedsBar).show(*need_cells(app.boot, needs, width, app.now()))

    def read_mutes(self) -> None:
        """Take over what other decks of this user muted, and end what has ended."""

        async def read() -> None:
            if await self._needs_deck.app.needing.read() and self._needs_deck.app.is_running:
                self.show_top()

        self._needs_deck.app.work(read(), "mutes")

    def do_needs(self) -> None:
        """Everything that needs the operator, the worst first."""
        from quarterdeck.screens.needs import NeedsScreen

        self._needs_deck.app.push_screen(NeedsScreen(self._needs_deck.app.boot))
