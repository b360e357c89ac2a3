"""A one-line prompt at the foot of a screen."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.containers import Horizontal
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive, reactive
from textual.widgets import Input, Static

_LAST_WORD = re.compile(r"[\w:.-]*$")


class PromptInput(Input):
    """The field; it does not blink, for that would cost bytes each second."""

    # Its width does not hang on what stands in it: unlike in Textual's own, typing lays nothing out anew.
    value: Reactive[str] = reactive("", init=False)
    virtual_size: Reactive[Size] = Reactive(Size(0, 0))

    def on_mount(self) -> None:
        """No blinking cursor."""
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        # A key that was on its way when the prompt closed: it was not meant for what has been decided.
        if self.screen.focused is not self:
            event.stop()
            event.prevent_default()


class PromptBar(Horizontal):
    """Hidden until opened; Enter closes and keeps, Escape closes and drops.

    What is in it is made when it is opened first: a deck is painted sooner without.
    """

    class Closed(Message):
        """The prompt was left with this text."""

        def __init__(self, value: str, kept: bool) -> None:
            super().__init__()
            self.value = value
            self.kept = kept

    def __init__(self) -> None:
        super().__init__()
        self._completions: list[str] = []
        self._said = ("", "")
        self._held_text = False

    def _furnish(self) -> None:
        """Label, field, complaint."""
        if not self.children:
            self.mount(
                Static("", id="prompt-label", markup=False),
                PromptInput(id="prompt"),
                Static("", id="prompt-problem", markup=False),
            )

    @property
    def is_open(self) -> bool:
        """Whether it has the keyboard."""
        return self.has_class("-shown")

    def open(self, label: str, value: str = "") -> None:
        """Show it with a label and what stands in it."""
        self._furnish()
        self.add_class("-shown")
        self.query_one("#prompt-label", Static).update(Text(f"{label} ", style="bold"))
        self.complain("")
        field = self.query_one(PromptInput)
        self._held_text = bool(value)
        field.value = value
        field.cursor_position = len(value)
        field.focus()

    def complain(self, problem: str) -> None:
        """Say what is wrong with what was typed."""
        self._completions = []
        self._say(problem, "bold yellow")

    def _say(self, words: str, style: str) -> None:
        """Beside the field; words that stand there already cost no new layout."""
        if (words, style) != self._said:
            self._said = words, style
            self.query_one("#prompt-problem", Static).update(Text(words, style=style))

    def offer(self, text: str, completions: Sequence[str]) -> None:
        """Show what may continue `text`, in whole texts; Tab takes the first. Late offers for another text go."""
        if self.query_one(PromptInput).value != text:
            return
        self._completions = [found for found in completions if found != text]
        head = len(_LAST_WORD.sub("", text))
        names = "  ".join(found[head:] for found in self._completions[:4])
        self._say(f" Tab: {names}" if names else "", "dim")

    def _take(self) -> None:
        field = self.query_one(PromptInput)
        if self._completions:
            field.value = self._completions[0]
            field.cursor_position = len(field.value)

    def close(self, kept: bool) -> None:
        """Hide it and tell what was typed."""
        if self.is_open:
            self.remove_class("-shown")
            self.screen.set_focus(None)
            self.post_message(self.Closed(self.query_one(PromptInput).value, kept))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        self.close(True)

    def on_key(self, event: events.Key) -> None:
        """Escape; Backspace too while nothing was ever in the field: a held one only empties it."""
        value = self.query_one(PromptInput).value
        self._held_text = self._held_text or bool(value)
        if event.key == "tab":
            event.stop()
            event.prevent_default()
            self._take()
        elif event.key == "escape" or (event.key == "backspace" and not self._held_text):
            event.stop()
            event.prevent_default()
            self.close(False)
