"""A name that is typed to confirm: nothing that comes quicker than from a hand counts."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from quarterdeck.screens.dialogs import Dialog, line, whole
from quarterdeck.widgets.prompt import PromptInput

HAND_S = 0.015
"""Two keys within this time were not struck by one hand after the other: they were pasted, or sent."""
PAUSE_S = 0.3
"""Enter counts only when the last character is older than this."""
TOO_QUICK = "typed too quickly to be typed; type it by hand"


class TypedInput(PromptInput):
    """A field that takes no paste, bracketed or not: what is pasted was not read.

    `stamp` tells when a key was struck, in seconds; a key's own time is when the terminal sent it, so a busy deck
    makes no hand look slow.
    """

    def __init__(self, *, id: str, stamp: Callable[[events.Key], float] = attrgetter("time")) -> None:
        super().__init__(id=id)
        self._stamp = stamp
        self._last = float("-inf")

    async def _on_key(self, event: events.Key) -> None:
        now = self._stamp(event)
        gap, quick = now - self._last, False
        if event.is_printable:
            self._last, quick = now, gap < HAND_S
            if quick and self.value:
                self.value = ""
                self.app.bell()
                self.app.notify(TOO_QUICK, severity="warning", markup=False)
        elif event.key == "enter" and gap < PAUSE_S:
            quick = True
            self.app.bell()
        if quick:
            event.stop()
            event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.app.bell()

    def action_paste(self) -> None:
        """No paste."""
        self.app.bell()


class TypedDialog(Dialog[str]):
    """Answers `expected` once it was typed, None when cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(
        self, title: str, warnings: list[str], expected: str, stamp: Callable[[events.Key], float] = attrgetter("time")
    ) -> None:
        super().__init__(classes="-dangerous")
        self._title, self._warnings, self._expected, self._stamp = title, warnings, expected, stamp

    def compose(self) -> ComposeResult:
        """Title, warnings, field."""
        with Vertical():
            yield line(self._title, "bold")
            for warning in self._warnings:
                yield whole(f"▲ {warning}", "bold yellow")
            yield line(f"type the name to go on: {self._expected}   (paste does not count)", "bold")
            yield TypedInput(id="typed", stamp=self._stamp)
            yield line("Enter confirms once it matches · Esc cancels", "dim")

    def on_mount(self) -> None:
        """The field has the keyboard."""
        self.query_one(TypedInput).focus()

    @on(Input.Submitted, "#typed")
    def typed(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        event.stop()
        if event.value.strip() == self._expected:
            self.dismiss(self._expected)
        else:
            self.app.bell()
