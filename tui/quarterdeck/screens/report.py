"""The incident page of an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from quarterdeck.screens.text import TextScreen, plain
from quarterdeck.views.releases import short_op
from quarterdeck_lifecycle.text import clean_line

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp


class ReportScreen(TextScreen):
    """Markdown as it is, to read, copy or save."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/", "search"), ("n N", "hits"), ("w", "wrap"), ("y", "copy"), ("s", "save"),
    )  # fmt: skip

    def __init__(self, op: str, text: str) -> None:
        super().__init__(f"report of operation {short_op(op)}", plain(map(clean_line, text.splitlines())), wrap=True)
        self._op, self._text = op, text

    def action_save(self) -> None:
        """To a private file."""
        self.app.save_text(f"report-{self._op}", self._text)


def open_report(app: QuarterdeckApp, op: str) -> None:
    """Write it and show it."""
    app.work(_open(app, op), "report")


async def _open(app: QuarterdeckApp, op: str) -> None:
    pressed = app.keys_pressed
    text = await app.boot.desk.report(op)
    if app.keys_pressed == pressed:
        app.push_screen(ReportScreen(op, text))
