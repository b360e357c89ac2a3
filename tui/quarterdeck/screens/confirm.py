"""The dialog before a write: exactly what will be sent, what it touches, and a confirmation that no accident gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, Static

from quarterdeck.screens.dialogs import Dialog, line, whole
from quarterdeck.screens.typed import TypedInput
from quarterdeck.views.planwords import brief
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.verbs import Verb
from quarterdeck_lifecycle.verbs.words import do_command

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

ARMING_S = 0.3
REPEAT_S = 0.12
BODY, AROUND = 16, 7
"""The most lines of the body, and the lines around it: the frame, the title, what is typed and how."""


class ConfirmDialog(Dialog[str]):
    """Answers the reason given (possibly empty) when confirmed, None when cancelled.

    `key`: `y` confirms. `typed`: the name, or the count of many, is typed. Nothing confirms within 300 ms of
    opening, from a paste, or from a key that repeats.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "cancel", show=False),
        Binding("y", "confirm", show=False),
        Binding("c", "copy_command", show=False),
        Binding("Y,ctrl+y", "copy_do", show=False),
        Binding("up", "scroll_body(-1)", show=False),
        Binding("down", "scroll_body(1)", show=False),
        Binding("pageup", "page_body(-1)", show=False),
        Binding("pagedown", "page_body(1)", show=False),
    ]

    def __init__(
        self,
        verb: Verb,
        previews: list[Preview],
        confirm: Literal["none", "key", "typed"],
        where: str,
        protected: bool,
        app: QuarterdeckApp,
        clock: Callable[[], float] = time.monotonic,
        stamp: Callable[[events.Key], float] = attrgetter("time"),
    ) -> None:
        super().__init__(classes="-dangerous" if protected or confirm == "typed" else "")
        self._verb = verb
        self._previews = previews
        self._confirm = confirm
        self._where = where
        self._protected = protected
        self._owner = app
        self._clock = clock
        self._stamp = stamp
        self._opened = 0.0
        self._last_key = 0.0

    at_rest: ClassVar[str] = ""
    """What stands below the body while all of it is in sight."""

    @property
    def expected(self) -> str:
        """What has to be typed."""
        if len(self._previews) > 1:
            return str(len(self._previews))
        first = self._previews[0]
        return first.record.name if first.record is not None else first.ref.id

    def compose(self) -> ComposeResult:
        """Title, what will be sent, what goes, warnings, and the confirmation."""
        first = self._previews[0]
        count = f" {len(self._previews)} rows" if len(self._previews) > 1 else ""
        name = first.record.name if first.record is not None else first.ref.id
        with Vertical():
            title = f"{self._verb.title.upper()}{count or ' ' + name} → {self._where.upper()}"
            yield line(title + ("   protected" if self._protected else ""), "bold")
            with VerticalScroll(classes="body", can_focus=False):
                for preview in self._previews:
                    if len(self._previews) > 1:
                        yield line(f"• {preview.record.name if preview.record else preview.ref.id}", "bold")
                    yield from self._lines(preview)
            yield Static("", id="more", classes="line", markup=False)
            if self._confirm == "typed":
                word = "the count" if len(self._previews) > 1 else "the name"
                yield line(f"type {word} to confirm: {self.expected}   (paste does not count)", "bold")
                yield TypedInput(id="typed", stamp=lambda key: self._stamp(key))
                yield line("Enter confirms once it matches · Esc cancels · ^Y copies it as a command", "dim")
            else:
                yield line("y confirms · Esc cancels · Y copies it as a command, c the system's own", "bold")

    def _lines(self, preview: Preview) -> Iterator[Static]:
        for warning in preview.warnings:
            yield whole(f"  ▲ {brief(warning)}", "bold yellow")
        for impact in preview.impact[:40]:
            yield whole(f"  goes    {brief(impact)}", "yellow")
        if len(preview.impact) > 40:
            yield whole(f"  goes    and {len(preview.impact) - 40} more", "yellow")
        if preview.before or preview.after:
            yield whole(f"  changes {brief(preview.before or '-')} → {brief(preview.after or '-')}")
        for step in preview.steps:
            yield whole(f"  sends   {brief(f'{step.call} {step.detail}')}".rstrip())
        if preview.inverse is not None:
            yield whole(f"  undo    {preview.inverse[0]}", "dim")
        elif preview.why_no_inverse:
            yield whole(f"  undo    none: {preview.why_no_inverse}", "dim")

    def on_mount(self) -> None:
        """Begin; handlers of a base run beside those of its heirs, so heirs replace what they call."""
        self._begin()

    def _begin(self) -> None:
        """Arm the clock; the focus stands where nothing confirms by accident."""
        self._opened = self._clock()
        if self._confirm == "typed":
            self.query_one(TypedInput).focus()
        self._fit()
        self.watch(self.query_one(".body"), "scroll_y", self._show_more, init=False)

    def on_resize(self) -> None:
        """The question and its answer keep their lines; the body takes what is left."""
        self._fit()

    def _fit(self) -> None:
        self.query_one(".body").styles.max_height = min(BODY, max(2, self.app.size.height - AROUND))
        self.call_after_refresh(self._show_more)

    def _show_more(self) -> None:
        body = self.query_one(".body")
        below = round(body.max_scroll_y - body.scroll_y)
        text = f"{below} more line{'s' if below > 1 else ''}: PageDown" if below > 0 else ""
        self.query_one("#more", Static).update(Text(text or self.at_rest, style="bold yellow" if text else "dim"))

    def action_scroll_body(self, lines: int) -> None:
        """By lines, while the keyboard stays where it is."""
        self.query_one(".body").scroll_relative(y=lines, animate=False)

    def action_page_body(self, pages: int) -> None:
        """By what is visible, less one line."""
        body = self.query_one(".body")
        body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)

    def on_key(self, event: events.Key) -> None:
        """A held key repeats quicker than a hand: its presses do not count."""
        now = self._clock()
        repeats = now - self._last_key < REPEAT_S
        self._last_key = now
        if event.key == "y" and repeats and self._confirm == "key":
            event.stop()
            event.prevent_default()

    def armed(self) -> bool:
        """Whether enough time has passed since opening."""
        return self._clock() - self._opened >= ARMING_S

    def action_confirm(self) -> None:
        """`y`."""
        if self._confirm == "key":
            if self.armed():
                self.dismiss("")
            else:
                self.app.bell()

    def action_copy_do(self) -> None:
        """`quarterdeck do ...`: the same through the same door."""
        self._owner.copy("\n".join(map(do_command, self._previews)))

    def action_copy_command(self) -> None:
        """The system's own command line that does the same."""
        command = "\n".join(preview.command for preview in self._previews if preview.command)
        if command:
            self._owner.copy(command)

    @on(Input.Submitted, "#typed")
    def typed(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        event.stop()
        self._entered(event.value)

    def _entered(self, value: str) -> None:
        if value.strip() == self.expected and self.armed():
            self.dismiss("")
        else:
            self.app.bell()
