"""A screen that is a table with a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from quarterdeck.screens.base import SubScreen
from quarterdeck.widgets.cells import Column
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.instant import RUNS, Instant, happened
from quarterdeck_lifecycle.records import Ref


class TableScreen(SubScreen):
    """Rows, `/` to filter them, `j` and `k` to walk."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False),
        Binding("j", "walk(1)", show=False),
        Binding("k", "walk(-1)", show=False),
        Binding("i", "instant", show=False),
        Binding("n", "live", show=False),
    ]

    def __init__(self, title: str, columns: Sequence[Column], empty: str) -> None:
        super().__init__(title)
        self._columns = columns
        self._empty = empty
        self.wanted = ""

    def body(self) -> ComposeResult:
        """The table, and a prompt for the filter."""
        yield RecordTable(self._columns)
        yield PromptBar()

    def on_mount(self) -> None:
        """Give the table the keyboard."""
        super().on_mount()
        self.table.empty = [self._empty]
        self.table.focus()

    @property
    def table(self) -> RecordTable:
        """The table."""
        return self.query_one(RecordTable)

    def filtered(self) -> None:
        """Show what `wanted` asks for; each screen's own."""
        raise NotImplementedError

    def action_filter(self) -> None:
        """Type an expression."""
        self.query_one(PromptBar).open("/", self.wanted)

    def on_prompt_bar_closed(self, event: PromptBar.Closed) -> None:
        """Enter filters, Escape shows all."""
        self.wanted = event.value if event.kept else ""
        self.filtered()
        self.table.focus()

    def action_leave(self) -> None:
        """First the filter goes, then the screen."""
        if self.wanted:
            self.wanted = ""
            self.filtered()
        else:
            super().action_leave()

    def action_walk(self, rows: int) -> None:
        """One row down or up."""
        if rows > 0:
            self.table.action_cursor_down()
        else:
            self.table.action_cursor_up()

    def action_instant(self) -> None:
        """Everything goes to when what the row tells of happened."""
        key = self.table.cursor_key
        record = self.app.boot.hub.find(key) if isinstance(key, Ref) else None
        at = None if record is None else happened(record)
        if record is not None and at is not None:
            self.app.moment.put(Instant(at, "run" if record.kind in RUNS else "row", record.name))

    def action_live(self) -> None:
        """All is live again."""
        self.app.moment.live()
