"""The deck under what operators meet: data that moves, keys that come at once, places that are guarded."""

from __future__ import annotations

from deckcase import deck
from scripted import Scripted, container


def world() -> Scripted:
    return Scripted(rows=[container("api-1"), container("api-2"), container("redis")])


async def test_a_row_that_stops_matching_keeps_the_cursor_as_a_ghost_and_takes_no_verb() -> None:
    source = world()
    async with deck([source]) as d:
        await d.press("/")
        await d.type("running")
        await d.press("enter", "g")
        here = d.app.deck.pane.ref
        assert here is not None
        source.replace(here, "exited")
        await d.press("r")
        assert d.app.deck.pane.ref == here
        assert "no longer matches the filter" in d.text
        await d.press("X")
        assert d.toasts
        assert d.app.screen is d.app.deck
        assert source.stop.executed == 0
        source.replace(here, "running")
        await d.press("r")
        assert not d.app.deck.table.cursor_is_ghost
        assert d.app.deck.pane.ref == here


async def test_another_filter_by_the_operator_moves_the_cursor_to_a_row_it_keeps() -> None:
    async with deck([world()]) as d:
        await d.press("g", "/")
        await d.type("redis")
        await d.press("enter")
        assert not d.app.deck.table.cursor_is_ghost
        assert d.app.deck.record is not None
        assert d.app.deck.record.name == "redis"
