"""One of several on one line: left and right choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import UNICODE, Cell


class Radio(Bar, can_focus=True):
    """Options as (label, value); what is chosen is marked, and told when it changes. A single one is told as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", show=False),
        Binding("right,space", "step(1)", show=False),
    ]

    class Chosen(Message):
        """Another option was chosen."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    def __init__(self, label: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._label = label
        self._options: tuple[tuple[str, str], ...] = ()
        self._place = 0

    @property
    def value(self) -> str:
        """What is chosen; empty while there is nothing to choose from."""
        return self._options[self._place][1] if self._options else ""

    def offer(self, options: Sequence[tuple[str, str]], value: str) -> None:
        """Show these options, with that value chosen."""
        self._options = tuple(options)
        self._place = next((place for place, (_, known) in enumerate(options) if known == value), 0)
        self._paint()

    def action_step(self, step: int) -> None:
        """The next option, or the one before."""
        if len(self._options) > 1:
            self._place = (self._place + step) % len(self._options)
            self._paint()
            self.post_message(self.Chosen(self.value))

    def on_focus(self) -> None:
        """Show that it has the keyboard."""
        self._paint()

    def on_blur(self) -> None:
        """Show that it has not."""
        self._paint()

    def _paint(self) -> None:
        cells = [Cell(self._label, "accent" if self.has_focus else "dim")]
        if len(self._options) == 1:
            cells.append(Cell(self._options[0][0]))
        else:
            for place, (label, _) in enumerate(self._options):
                chosen = place == self._place
                sign = UNICODE.marked if chosen else " "
                cells.append(Cell(f"({sign}) {label}  ", "head" if chosen else "dim"))
        right = [Cell(" ← →", "accent")] if self.has_focus and len(self._options) > 1 else []
        self.show(cells, right)
