"""The one instant on the deck: its line, its keys, and the panes that follow it. A mixin of the deck."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from quarterdeck.keynames import pretty
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell
from quarterdeck_lifecycle.instant import RUNS, Instant, banner, happened, parse_time

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp
    from quarterdeck.deck import DeckScreen


class InstantBar(Bar):
    """Where the deck is in time; not there while all is live."""

    DEFAULT_CSS = """
    InstantBar { height: 1; width: 100%; display: none; }
    InstantBar.-shown { display: block; }
    """


def instant_cells(app: QuarterdeckApp) -> list[Cell]:
    """`at 02:04 (n live again)`, or nothing while all is live."""
    words = banner(app.moment.instant, app.now(), pretty(app.boot.registry.keys("hit.next")))
    return [Cell(f" {words} ", "mark")] if words else []


class Timing:
    """Handlers `do_<verb>` of the deck's verbs of time."""

    @property
    def _timed(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def follow_moment(self) -> None:
        """Show where the deck is in time now: its line, and the runs up to then."""
        deck = self._timed
        if not deck.is_mounted:
            return
        instant = deck.app.moment.instant
        bar = deck.query_one(InstantBar)
        bar.set_class(instant is not None, "-shown")
        if instant is not None:
            of = f"{instant.origin} {instant.name}".strip()
            what = Cell(f" {of} · metrics, logs, changes and runs stand there", "dim")
            bar.show([*instant_cells(deck.app), what])
        for pane in deck.panes:
            pane.until = deck.app.moment.at
            pane.narrow()
        deck.refresh_bars()

    def do_instant_take(self) -> None:
        """When what the row tells of happened."""
        deck = self._timed
        record = deck.record
        if record is None:
            return
        at = happened(record)
        if at is None:
            deck.app.say(f"nothing says when {record.name} happened", "warning")
            return
        deck.app.moment.put(Instant(at, "run" if record.kind in RUNS else "row", record.name))

    def do_instant_set(self) -> None:
        """To a time that is typed."""
        from quarterdeck.screens.dialogs import AskDialog

        app = self._timed.app

        def answered(text: str | None) -> None:
            if text is None:
                return
            try:
                app.moment.put(Instant(parse_time(text, app.now())))
            except ValueError as error:
                app.say(str(error), "warning")

        app.push_screen(AskDialog("go to a time", "02:14:31 (UTC, the last one), -10m or 2024-05-01T02:14"), answered)

    def do_instant_live(self) -> None:
        """All shows now."""
        if not self._timed.app.moment.live():
            self._timed.app.say("all is live already")

    def do_hit_next(self) -> None:
        """Live again, when the deck stands at an instant; else the next row in trouble."""
        deck = self._timed
        if not deck.app.moment.live():
            deck.next_trouble(1)
