"""Which view the deck shows: what is typed filters them, Enter takes the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from quarterdeck.screens.dialogs import Dialog, line
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck.widgets.table import RecordTable

COLUMNS = (
    Column("name", "VIEW", 20, flex=1, min_width=8),
    Column("where", "FROM", 10),
    Column("what", "SHOWS", 60, flex=3, min_width=10),
)
ROWS = 12


class ViewsDialog(Dialog[str]):
    """Answers the name of a view, an empty one for the plain deck; None when cancelled."""

    def __init__(self, rows: Sequence[tuple[str, str, str]], current: str) -> None:
        super().__init__()
        self._rows = [
            Row(name, (Cell(name or "plain", "accent" * (name == current)), Cell(where, "dim"), Cell(what, "dim")))
            for name, where, what in rows
        ]
        self._current = current

    def compose(self) -> ComposeResult:
        """Field and rows."""
        with Vertical(classes="-broad"):
            yield line("views", "bold")
            yield PromptInput(id="wanted", placeholder="filter")
            yield RecordTable(COLUMNS)
            yield line("Enter shows it · :view save NAME, :view delete NAME, :view reset · Esc", "dim")

    def on_mount(self) -> None:
        """All of them, and the keyboard in the field."""
        self.table.can_focus = False
        self.table.empty = ["no view of that name"]
        self.table.styles.height = min(ROWS, max(2, len(self._rows))) + 1
        self.table.set_rows(self._rows)
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
        """The row under the cursor."""
        event.stop()
        key = self.table.cursor_key
        if isinstance(key, str) and self.table.rows:
            self.dismiss(key)
