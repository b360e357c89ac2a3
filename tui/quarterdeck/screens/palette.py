"""The command line: every verb by its id or title, with completion and history."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from quarterdeck.keynames import pretty
from quarterdeck.widgets.cells import literal
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck_lifecycle.verbs import Verb, VerbKind

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

MOST = 14


def matching(verbs: list[Verb], typed: str) -> list[Verb]:
    """Verbs whose id or title holds every word that was typed, those that begin with it first.

    Where none holds them all, the words behind the first are arguments and do not count.
    """
    words = typed.lower().split()
    if not words:
        return verbs
    first = words[0]
    begun = [v for v in verbs if first in _named(v)]
    found = [v for v in begun if v.id != first and all(word in _named(v) for word in words)]
    found = [v for v in begun if v.id == first] + found or begun
    return sorted(found, key=lambda v: (not v.id.startswith(first), not v.title.startswith(first), v.id))


def _named(verb: Verb) -> str:
    return f"{verb.id} {verb.title}".lower()


def arguments(verb: Verb, words: list[str]) -> dict[str, str]:
    """`key=value` words, and the others in the order of the verb's arguments. Raises ValueError for too many."""
    given: dict[str, str] = {}
    names = [argument.name for argument in verb.args]
    free = list(names)
    for word in words:
        key, sep, value = word.partition("=")
        if sep and key in names:
            given[key] = value
            free.remove(key) if key in free else None
        elif free:
            given[free.pop(0)] = word
        else:
            raise ValueError(f"{verb.id} takes {', '.join(names) or 'no arguments'}")
    return given


def completed(verb: Verb, typed: str, themes: Sequence[str]) -> str:
    """What Tab makes of the text: the verb's id, and after that the first argument that continues the last word."""
    first, space, _ = typed.partition(" ")
    if first != verb.id or not space:
        return f"{verb.id} "
    head, _, last = typed.rpartition(" ")
    known = list(themes) if verb.id == "theme" else []
    for argument in verb.args:
        known += [f"{argument.name}={choice}" for choice in argument.choices] or [f"{argument.name}="]
    found = next((word for word in known if word.startswith(last) and word != last), "")
    return f"{head} {found}" if found else typed


class Palette(ModalScreen[None]):
    """`:` on the deck."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, deck: DeckScreen) -> None:
        super().__init__()
        self._deck = deck
        kind = deck.pane.view.kind
        registry = deck.app.boot.registry
        of_row = registry.on(kind)
        source_wide = [v for v in registry if "source" in v.applies_to or "project" in v.applies_to]
        source_wide = [v for v in source_wide if deck.focused_pane == "containers" and v not in of_row]
        looking = [
            v for v in registry.screen("deck")
            if not v.applies_to and v.kind is not VerbKind.MUTATION and v.id not in ("command", "up", "down", "back")
        ]  # fmt: skip
        self._verbs = [*of_row, *source_wide, *looking]
        self._place = len(deck.app.history)

    def compose(self) -> ComposeResult:
        """The field and what matches."""
        with Vertical():
            yield PromptInput(placeholder="a verb, :query EXPRESSION, :theme NAME, !program", id="command")
            yield OptionList(id="matches")

    def on_mount(self) -> None:
        """All verbs that apply here."""
        self.query_one(OptionList).can_focus = False
        self.query_one(PromptInput).focus()
        self._show("")

    def _show(self, typed: str) -> None:
        options = []
        deck = self._deck
        for verb in matching(self._verbs, typed)[:MOST]:
            text = Text(f"{verb.id:<26}", no_wrap=True, overflow="ellipsis")
            text.append(f" {literal(verb.title)}", style="dim")
            text.append(f"  {pretty(deck.app.boot.registry.keys(verb.id))}", style="bold")
            if verb.kind is VerbKind.MUTATION and (why_not := deck.why_not(verb)):
                text.append(f"  {literal(why_not)}", style="italic dim")
            text.truncate(max(20, min(104, self.size.width * 9 // 10 - 6)), overflow="ellipsis")
            options.append(Option(text, id=verb.id))
        matches = self.query_one(OptionList)
        matches.clear_options()
        matches.add_options(options)
        if options:
            matches.highlighted = 0

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """What matches now."""
        self._show(event.value.lstrip(":"))

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the matches; up in an empty field goes back in the history, down on again. Tab completes."""
        matches, field = self.query_one(OptionList), self.query_one(PromptInput)
        history = self._deck.app.history
        if event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            if event.key == "up" and (not field.value or self._place < len(history)) and history:
                self._place = max(0, self._place - 1)
                field.value = history[self._place]
                field.cursor_position = len(field.value)
            elif event.key == "up":
                matches.action_cursor_up()
            elif self._place < len(history):
                self._place += 1
                field.value = history[self._place] if self._place < len(history) else ""
                field.cursor_position = len(field.value)
            else:
                matches.action_cursor_down()
        elif event.key == "tab" and matches.highlighted is not None:
            event.stop()
            event.prevent_default()
            option = matches.get_option_at_index(matches.highlighted)
            verb = next(verb for verb in self._verbs if verb.id == option.id)
            field.value = completed(verb, field.value.lstrip(":"), sorted(self._deck.app.available_themes))
            field.cursor_position = len(field.value)

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """Run it."""
        event.stop()
        text = event.value.strip().lstrip(":").strip()
        matches = self.query_one(OptionList)
        if text.startswith("!"):
            self._deck.app.remember(text)
            self.dismiss()
            self._deck.escape(text)
            return
        try:
            words = shlex.split(text)
        except ValueError as error:
            self._deck.app.say(f"not understood: {error}", "warning")
            return
        verb = next((v for v in self._verbs if words and v.id == words[0]), None)
        titled = [v for v in self._verbs if words and v.title.lower() == words[0].lower()]
        if verb is None and len(titled) == 1:
            verb = titled[0]
        if verb is None and words and words[0] in ("query", "theme"):
            verb = self._deck.app.boot.registry.get(words[0])
        if verb is None and matches.highlighted is not None:
            chosen = matches.get_option_at_index(matches.highlighted).id
            verb = next((v for v in self._verbs if v.id == chosen), None)
            if verb is not None and len(words) > 1:
                self._offer(verb, words)
                return
        if verb is None:
            self._deck.app.say(f"no verb {words[0] if words else ''}: ? lists them", "warning")
            return
        self._deck.app.remember(text or verb.id)
        self.dismiss()
        # As the deck's own work: what a dialog answers comes to who opened it, and this screen is gone by then.
        self._deck.call_next(self._run, verb, words[1:], text.partition(" ")[2].strip())

    def _offer(self, verb: Verb, words: list[str]) -> None:
        """A guess with words behind it does not run: its id stands in the field, and Enter again runs it."""
        deck, field = self._deck, self.query_one(PromptInput)
        field.value = shlex.join([verb.id, *(word for word in words if word.lower() not in _named(verb))])
        field.cursor_position = len(field.value)
        targets = deck.targets(verb) if verb.applies_to else []
        names = [record.name if (record := deck.app.boot.hub.find(ref)) else ref.id for ref in targets]
        where = f" on {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}" if names else ""
        deck.app.say(f"{verb.id} is meant ({verb.title}){where}: Enter again goes on", "warning")

    def _run(self, verb: Verb, words: list[str], rest: str) -> None:
        deck = self._deck
        if verb.id == "query" and rest:
            deck.app.open_query(rest)
        elif verb.id == "theme" and rest:
            deck.app.use_theme(rest)
        elif verb.id in ("trace", "where") and rest:
            deck.trace_words(verb.id, rest)
        elif verb.id in ("view", "environments") and words:
            deck.app.viewing.command(verb.id, words)
        elif verb.kind is VerbKind.MUTATION and words:
            try:
                deck.act(verb, arguments(verb, words))
            except ValueError as error:
                deck.app.say(str(error), "warning")
        else:
            deck.run_verb(verb)

    def action_leave(self) -> None:
        """Nothing."""
        self.dismiss()
