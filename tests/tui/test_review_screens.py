"""The deck under what operators meet: data that moves, keys that come at once, places that are guarded."""

from __future__ import annotations

from textual import events

from deckcase import NAMED, Deck, deck
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.typed import TypedInput
from quarterdeck_lifecycle.policy import Place
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


async def typing_the_name(d: Deck, source: Scripted) -> None:
    """Open the dialog of a stop where the name has to be typed."""
    d.app.boot.policy.open_for(Place("local", "prod"), "a test")
    await d.press("X")
    await d.shows("type the name")
    assert source.stop.executed == 0


def prod(*names: str) -> Scripted:
    return Scripted(rows=[container(name) for name in names or ("api-1",)], environment="prod")


async def test_a_name_that_came_at_once_confirms_nothing() -> None:
    source = prod()
    async with deck([source]) as d:
        await typing_the_name(d, source)
        for char in "api-1":
            d.app.post_message(events.Key(NAMED.get(char, char), char))
        d.app.post_message(events.Key("enter", None))
        await d.rest()
        assert "typed too quickly" in "".join(d.toasts)
        assert d.app.screen.query_one(TypedInput).value == ""
        d.by_hand(5)
        await d.press("enter")
        assert source.stop.executed == 0
        await d.type("api-1")
        await d.press("enter")
        await d.until(lambda: source.stop.executed == 1)


async def test_enter_right_behind_the_last_character_confirms_nothing() -> None:
    source = prod()
    async with deck([source]) as d:
        await typing_the_name(d, source)
        d.by_hand(0.2)
        await d.type("api-1")
        await d.press("enter")
        assert source.stop.executed == 0
        assert isinstance(d.app.screen, ConfirmDialog)
        await d.press("enter")
        await d.until(lambda: source.stop.executed == 1)


async def test_another_filter_by_the_operator_moves_the_cursor_to_a_row_it_keeps() -> None:
    async with deck([world()]) as d:
        await d.press("g", "/")
        await d.type("redis")
        await d.press("enter")
        assert not d.app.deck.table.cursor_is_ghost
        assert d.app.deck.record is not None
        assert d.app.deck.record.name == "redis"
