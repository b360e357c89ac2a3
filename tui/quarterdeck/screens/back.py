"""What to put back: the last proven revision stands under the cursor, Enter or y takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from quarterdeck.releasing.standing import best, value_of
from quarterdeck.screens.dialogs import Dialog, line
from quarterdeck.views.fmt import age, day_time
from quarterdeck.views.history import runs_words
from quarterdeck.widgets.cells import UNICODE, Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.release.choosing import Point

COLUMNS = (
    Column("status", "", 1),
    Column("revision", "REV", 5, flex=1, min_width=4),
    Column("what", "RUNS", 16, flex=1, min_width=12),
    Column("when", "WHEN (UTC)", 11, priority=2),
    Column("age", "AGE", 4, "right"),
    Column("proven", "PROVEN", 8),
    Column("where", "WHERE IT IS READY", 20, flex=1, min_width=12),
)


class BackDialog(Dialog[str]):
    """Answers the digest to go back to, None when cancelled. What runs now is not offered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "cancel", show=False),
        Binding("y", "take", show=False),
    ]

    def __init__(self, name: str, points: Sequence[Point], now: float, tags: Mapping[str, str]) -> None:
        super().__init__()
        self._name, self._now, self._tags = name, now, tags
        self._points = {value_of(point): point for point in points if not point.current}

    def compose(self) -> ComposeResult:
        """Title and rows."""
        with Vertical():
            yield line(f"put back {self._name}: to what?", "bold")
            yield RecordTable(COLUMNS)
            yield line("Enter or y plans it · Esc cancels · nothing is sent yet", "dim")

    def on_mount(self) -> None:
        """The cursor stands on the last proven one."""
        table = self.query_one(RecordTable)
        table.styles.height = min(12, len(self._points)) + 1
        table.set_rows([self._row(value, point) for value, point in self._points.items()])
        first = best(self._points.values())
        if first is not None:
            table.move_to_key(value_of(first))
        table.focus()

    def _row(self, value: str, point: Point) -> Row:
        total = len(point.ids) + len(point.missing)
        hosts = "hosts" if total > 1 else "host"
        where = f"{len(point.ids)}/{total} {hosts}" if point.ready else "; ".join(point.missing)
        return Row(
            value,
            (
                Cell(UNICODE.ok if point.ready and point.proven else UNICODE.look, "ok" if point.proven else "warn"),
                Cell(f"v{point.revision}" if point.revision else "-", "head"),
                Cell(runs_words(point.identity, self._tags)),
                Cell(day_time(point.at, self._now), "dim"),
                Cell(age(point.at, self._now), "dim"),
                Cell("proven" if point.proven else "unproven", "ok" if point.proven else "warn"),
                Cell(where, "" if point.ready else "bad"),
            ),
        )

    def action_take(self) -> None:
        """Take the row under the cursor, if it is ready."""
        key = self.query_one(RecordTable).cursor_key
        point = self._points.get(key) if isinstance(key, str) else None
        if point is not None and point.ready:
            self.dismiss(str(key))
        else:
            self.app.bell()

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """Enter."""
        event.stop()
        self.action_take()
