"""A dialog that chooses one of several rows: what is typed filters them, Enter takes the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from quarterdeck.screens.dialogs import Dialog, line
from quarterdeck.widgets.cells import Column, Row
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck.widgets.table import RecordTable


class FilterDialog(Dialog[str]):
    """Answers the key of a row; None when cancelled. A kind of it says its words and columns."""

    columns: tuple[Column, ...]
    most = 12
    """Rows that are seen at once."""
    broad = False
    placeholder = "filter"
    empty = ""
    help_line = ""

    def __init__(self, title: str, rows: Sequence[Row], current: str | None = None) -> None:
        super().__init__()
        self._title = title
        self._rows = rows
        self._current = current

    def compose(self) -> ComposeResult:
        """Field and rows."""
        with Vertical(classes="-broad" if self.broad else None):
            yield line(self._title, "bold")
            yield PromptInput(id="wanted", placeholder=self.placeholder)
            yield RecordTable(self.columns)
            yield line(self.help_line, "dim")

    def on_mount(self) -> None:
        """All rows, and the keyboard in the field."""
        self.table.can_focus = False
        self.table.empty = [self.empty]
        self.table.styles.height = min(self.most, max(2, len(self._rows))) + 1
        self.table.set_rows(self._rows)
        if self._current is not None:
            self.table.move_to_key(self._current)
        self.query_one(PromptInput).focus()

    @property
    def table(self) -> RecordTable:
        """The rows."""
        return self.query_one(RecordTable)

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """Those that hold every word."""
        event.stop()
        words = event.value.lower().split()
        kept = [row for row in self._rows if all(word in " ".join(c.text for c in row.cells).lower() for word in words)]
        self.table.set_rows(kept, ghosts=False)

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the rows while the keyboard is in the field."""
        if event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            (self.table.action_cursor_up if event.key == "up" else self.table.action_cursor_down)()

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """The row under the cursor, else what `taken` makes of the words."""
        event.stop()
        key = self.table.cursor_key
        if isinstance(key, str) and self.table.rows:
            self.dismiss(key)
        else:
            self.taken(event.value.strip())

    def taken(self, words: str) -> None:
        """What was typed fits no row: nothing happens."""
