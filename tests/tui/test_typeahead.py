"""Keys that come faster than the screen changes act as if they had been typed slowly."""

from __future__ import annotations

from textual import events

from deckcase import NAMED, Deck, deck
from scripted import Scripted, container


def burst(d: Deck, words: str, *keys: str) -> None:
    """All at once, as one packet of a slow link brings them."""
    for char in words:
        d.app.post_message(events.Key(NAMED.get(char, char), char))
    for key in keys:
        d.app.post_message(events.Key(key, None))


def world() -> Scripted:
    return Scripted(rows=[container("api"), container("quick-redis"), container("xl-redis")])


async def test_letters_after_the_slash_are_the_filter_and_no_keys_of_the_deck() -> None:
    async with deck([world()]) as d:
        burst(d, "/quick", "enter")
        await d.rest()
        assert "1 of 3" in d.text
        assert d.app.screen is d.app.deck


async def test_letters_after_the_colon_are_a_command() -> None:
    async with deck([world()]) as d:
        burst(d, ":theme deck-light", "enter")
        await d.rest()
        await d.until(lambda: d.app.theme == "deck-light")
        assert d.app.screen is d.app.deck


async def test_keys_after_the_enter_of_a_prompt_are_keys_of_the_deck_again() -> None:
    async with deck([world()]) as d:
        burst(d, "/xl", "enter")
        burst(d, " ?")
        await d.rest()
        assert d.app.screen is not d.app.deck
        assert len(d.app.deck.table.marked) == 1
        burst(d, "", "escape")
        burst(d, ":theme deck-light", "enter")
        burst(d, "c")
        await d.rest()
        assert "changes of 7 days" in d.text


async def test_a_paste_after_the_slash_is_the_filter() -> None:
    async with deck([world()]) as d:
        burst(d, "/")
        d.app.post_message(events.Paste("xl-"))
        burst(d, "", "enter")
        await d.rest()
        assert "1 of 3" in d.text


async def test_screens_open_and_close_in_the_order_of_their_keys() -> None:
    async with deck([world()]) as d:
        burst(d, "?", "escape")
        burst(d, "c", "escape")
        burst(d, "dqjjk/api", "enter")
        await d.rest()
        assert "1 of 3" in d.text
        assert d.app.return_code is None, "q left the detail and not the deck"


async def test_a_confirmation_that_was_typed_ahead_confirms_nothing() -> None:
    source = Scripted(rows=[container("api")])
    async with deck([source]) as d:
        burst(d, "X", "enter")
        burst(d, "yyyy", "enter")
        await d.rest()
        assert source.stop.executed == 0
