"""The deck under what operators meet: data that moves, keys that come at once, places that are guarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec
import pytest
from textual import events

from deckcase import NAMED, Deck, deck
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.logs import LogScreen
from quarterdeck.screens.logstream import Ask, merged
from quarterdeck.screens.palette import Palette, matching
from quarterdeck.screens.typed import TypedInput
from quarterdeck.widgets.prompt import PromptBar, PromptInput
from quarterdeck_lifecycle.kinds import Stats
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.ports import LogBatch, LogOptions, Preview, Step
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.verbs import built_in
from scripted import Scripted, Stop, container, lines


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


async def test_a_toast_says_no_sequence_to_the_terminal() -> None:
    async with deck([world()]) as d:
        d.app.say("\x1b]52;c;aGk=\x07 \x1b[2J \u202egnp")
        d.app.copy("a\x1b[5;5Hb")
        await d.rest()
        assert len(d.toasts) == 2
        for toast in d.toasts:
            assert "\x1b" not in toast
            assert "\u202e" not in toast


async def test_a_window_names_its_environment_and_its_source() -> None:
    sources = [Scripted(name, [container(f"on-{name}", source=name)], environment="prod") for name in ("one", "two")]
    async with deck(sources, size=(100, 30)) as d:
        await d.press("g", "W")
        assert "open prod on one for writing" in d.text
        await d.type("INC-7")
        await d.press("enter")
        assert "prod:WRITE 1 of 2" in d.text
        assert any("prod on one is open for 10 min" in toast for toast in d.toasts)
        d.app.boot.policy.open_for(Place("two", "prod"), "too")
        d.app.deck.refresh_bars()
        await d.rest()
        assert "prod:WRITE 10m" in d.text


async def test_no_row_and_several_sources_open_none() -> None:
    async with deck([Scripted(name, environment="prod") for name in ("one", "two")]) as d:
        await d.press("W")
        assert d.app.screen is d.app.deck
        assert any("which of one, two" in toast for toast in d.toasts)


async def test_a_closed_prompt_takes_no_key_any_more() -> None:
    async with deck([world()]) as d:
        await d.press("/")
        await d.type("redis")
        prompt, field = d.app.deck.query_one(PromptBar), d.app.deck.query_one(PromptInput)
        prompt.close(True)
        assert d.app.focused is not field, "before any message was handled"
        field.post_message(events.Key("x", "x"))
        await d.press("d")
        assert d.app.screen is not d.app.deck
        assert field.value == "redis"
        await d.press("escape")
        assert "1 of 3" in d.text


async def test_the_smallest_terminal_shows_rows_of_the_focused_pane() -> None:
    names = [f"row-{number}" for number in range(5)]
    async with deck([Scripted(rows=[container(name) for name in names])], size=(40, 10)) as d:
        text = await d.press("g")
        assert sum(name in text for name in names) >= 3, text
        assert text.startswith("quarterdeck")
        assert "help" in text or "l logs" in text or "Enter" in text, text


LONG_ID = "0123456789abcdef" * 4


class Grave(Stop):
    """A stop with much to say."""

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        plain = await super().preview(ref, args)
        return msgspec.structs.replace(
            plain, steps=(Step(call=f"POST /containers/{LONG_ID}/stop"),), command=f"docker stop {LONG_ID}",
            impact=tuple(f"volume-{number}" for number in range(30)), warnings=("the last one of its service",),
        )  # fmt: skip


async def test_the_dialog_says_what_goes_first_and_scrolls_while_a_name_is_typed() -> None:
    source = prod()
    source.actions = {"container.stop": Grave(source)}
    async with deck([source]) as d:
        await typing_the_name(d, source)
        assert d.text.index("the last one of its service") < d.text.index("volume-0")
        assert "POST" not in d.text
        assert "more lines: PageDown" in d.text
        await d.press("down", "pagedown", "pagedown", "pagedown")
        assert "POST /containers/0123456789ab/stop" in d.text
        assert LONG_ID not in d.text
        assert "more line" not in d.text
        await d.press("pageup", "up")
        assert "more lines: PageDown" in d.text
        assert d.app.focused is d.app.screen.query_one(TypedInput)


async def test_the_copied_command_keeps_its_ids_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Scripted(rows=[container("api")])
    source.actions = {"container.stop": Grave(source)}
    async with deck([source], size=(60, 12)) as d:
        copied: list[str] = []
        monkeypatch.setattr(d.app, "copy", copied.append)
        await d.press("X")
        await d.shows("y confirms")
        await d.press("c")
        assert copied == [f"docker stop {LONG_ID}"]


class Endless(Scripted):
    """A source whose log never ends, and which knows whether it is still being read."""

    readers = 0

    async def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        self.readers += 1
        try:
            while True:
                yield lines("one more")
        finally:
            self.readers -= 1


async def test_a_reader_that_leaves_a_full_log_leaves_no_task_behind() -> None:
    source = Endless()
    before = asyncio.all_tasks()
    log = merged([Ask(source, [Ref("local", "container", "a")], LogOptions())])
    assert (await anext(log))[1].lines
    assert source.readers == 1
    for _ in range(200):
        await asyncio.sleep(0)
    await log.aclose()
    assert asyncio.all_tasks() == before


async def test_a_log_that_cannot_be_shown_says_that_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    source = world()
    source.lines = [lines("one", "two")]

    def broken(*_: object) -> None:
        raise RuntimeError("no \x1b[2Jroom")

    async with deck([source]) as d:
        monkeypatch.setattr(LogScreen, "take", broken)
        await d.press("l")
        await d.shows("the log stopped: RuntimeError")
        await d.shows("ended")


class Sampled(Scripted):
    """A source whose live use breaks in a way that no adapter should let through."""

    async def stats(self, refs: Sequence[Ref]) -> AsyncIterator[Stats]:
        raise RuntimeError("no such field")
        yield


async def test_live_use_that_breaks_says_so() -> None:
    async with deck([Sampled(rows=[container("api")])]) as d:
        d.app.deck.live.follow()
        await d.until(lambda: any("live use of local stopped: RuntimeError" in toast for toast in d.toasts))


async def test_a_guessed_verb_with_words_behind_it_is_completed_and_not_run() -> None:
    source = Scripted(rows=[container("api")])
    async with deck([source]) as d:
        await d.press(":")
        await d.type("container.sto timeout=3")
        await d.press("enter")
        assert isinstance(d.app.screen, Palette), "it did not run"
        assert d.app.screen.query_one(PromptInput).value == "container.stop timeout=3"
        assert any("container.stop is meant" in toast and "on api" in toast for toast in d.toasts)
        await d.press("enter")
        await d.shows("STOP")
        assert source.stop.executed == 0


def test_every_word_that_was_typed_counts_for_what_matches() -> None:
    verbs = [verb for verb in built_in() if verb.id.startswith("container.")]
    found = [verb.id for verb in matching(verbs, "container restart")]
    assert found[:1] == ["container.restart"]
    assert "container.kill" not in found
    assert [verb.id for verb in matching(verbs, "container.kill remove")] == ["container.kill"]
    assert "container.stop" in [verb.id for verb in matching(verbs, "container.sto timeout=3")]


async def test_another_filter_by_the_operator_moves_the_cursor_to_a_row_it_keeps() -> None:
    async with deck([world()]) as d:
        await d.press("g", "/")
        await d.type("redis")
        await d.press("enter")
        assert not d.app.deck.table.cursor_is_ghost
        assert d.app.deck.record is not None
        assert d.app.deck.record.name == "redis"
