"""What the full screens share: a title, a foot with keys, and leaving by Escape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp


class TitleBar(Bar):
    """What this screen shows."""


class FootBar(Bar):
    """The keys of this screen."""


class SubScreen(Screen[None]):
    """A screen above the deck."""

    app: QuarterdeckApp

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q", "leave", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        """Title, body, foot."""
        yield TitleBar(fill="─")
        yield from self.body()
        yield FootBar()

    def body(self) -> ComposeResult:
        """What stands between title and foot."""
        yield from ()

    def on_mount(self) -> None:
        """Show the title and the keys."""
        self.entitle(self._title)
        cells: list[Cell] = []
        for key, word in (*self.foot, ("Esc", "back")):
            cells += [Cell(key, "accent"), Cell(f" {word}  ", "dim")]
        self.query_one(FootBar).show(cells)

    def entitle(self, title: str, right: list[Cell] | None = None) -> None:
        """Another title."""
        self._title = title
        self.query_one(TitleBar).show([Cell(f"─ {title} ", "head")], right or [])

    def action_leave(self) -> None:
        """Back to where the operator was."""
        self.dismiss()
