"""A screen of lines, with search and filter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from quarterdeck.screens.base import SubScreen
from quarterdeck.widgets.logview import LogView
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck_lifecycle.text import LogLine


def plain(lines: Iterable[str], style: str = "") -> list[LogLine]:
    """Lines of text as the view takes them."""
    return [LogLine(line, ((0, len(line), style),) if style else ()) for line in lines]


class TextScreen(SubScreen):
    """Lines that stand still: a detail, a diff, an explanation."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", show=False),
        Binding("n", "next_hit", show=False),
        Binding("N", "previous_hit", show=False),
        Binding("j,down", "scroll_by(1)", show=False),
        Binding("k,up", "scroll_by(-1)", show=False),
        Binding("g,home", "scroll_to_end(-1)", show=False),
        Binding("G,end", "scroll_to_end(1)", show=False),
        Binding("y", "copy_text", show=False),
        Binding("w", "wrap", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (("/", "search"), ("n N", "hits"), ("w", "wrap"), ("y", "copy"))

    def __init__(self, title: str, lines: Sequence[str | LogLine], *, wrap: bool = False) -> None:
        super().__init__(title)
        self._wrap = wrap
        self._lines = [line if isinstance(line, LogLine) else LogLine(line, ()) for line in lines]

    def body(self) -> ComposeResult:
        """The lines, and a prompt for the search."""
        yield LogView()
        yield PromptBar()

    def on_mount(self) -> None:
        """Show the lines from the first one."""
        super().on_mount()
        self.view.wrap = self._wrap
        self.fill(self._lines)
        self.view.focus()

    @property
    def view(self) -> LogView:
        """The lines' widget."""
        return self.query_one(LogView)

    def fill(self, lines: Sequence[LogLine]) -> None:
        """Show other lines."""
        self._lines = list(lines)
        view = self.view
        view.clear()
        view.follow = False
        view.append(self._lines)
        view.show_now()
        view.scroll_to(y=0, animate=False)

    def action_search(self) -> None:
        """Type what to search for."""
        self.query_one(PromptBar).open("/")

    def on_prompt_bar_closed(self, event: PromptBar.Closed) -> None:
        """Search, or drop the search."""
        text = event.value.strip() if event.kept else ""
        try:
            if not self.view.search(text or None) and text:
                self.app.say(f"no hit for {text}", "warning")
        except ValueError as error:
            self.app.say(str(error), "warning")
        self.view.focus()

    def action_next_hit(self) -> None:
        """Next; without a search, live again when the deck stands at an instant."""
        if not self.view.searching and self.app.moment.live():
            return
        self._told(self.view.next_hit())

    def action_previous_hit(self) -> None:
        """Previous."""
        self._told(self.view.previous_hit())

    def _told(self, found: bool) -> None:
        if not found:
            self.app.say("no hit", "warning")

    def action_scroll_by(self, lines: int) -> None:
        """By lines."""
        self.view.scroll_relative(y=lines, animate=False)

    def action_scroll_to_end(self, way: int) -> None:
        """To the first or the last line."""
        self.view.scroll_to(y=0 if way < 0 else self.view.virtual_size.height, animate=False)

    def action_wrap(self) -> None:
        """Long lines go on in the next row, or past the edge."""
        self.view.wrap = not self.view.wrap

    def action_copy_text(self) -> None:
        """All lines to the clipboard."""
        self.app.copy("\n".join(line.text for line in self._lines))
