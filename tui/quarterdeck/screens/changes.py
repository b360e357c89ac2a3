"""What changed, across all systems, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.lines import change_words
from quarterdeck.panes.rows import Filter
from quarterdeck.screens.table import TableScreen
from quarterdeck.views.fmt import clock
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

COLUMNS = (
    Column("at", "WHEN", 6),
    Column("by", "BY", 8),
    Column("environment", "CTX", 7, flex=1, min_width=4, priority=2),
    Column("system", "SYSTEM", 10, priority=3),
    Column("name", "WHAT", 24, flex=2, min_width=10),
    Column("change", "CHANGE", 40, flex=4, min_width=14),
    Column("actor", "WHO", 14, flex=1, min_width=4, priority=1),
)
MOST = 5000


class ChangesScreen(TableScreen):
    """Seven days of changes, filterable; Enter goes to the row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (("Enter", "go to the row"), ("/", "filter"), ("r", "again"))

    def __init__(self, boot: Boot) -> None:
        super().__init__("changes of 7 days, newest first", COLUMNS, "no change was seen in 7 days")
        self._boot = boot
        self._rows: list[ChangeRow] = []

    def on_mount(self) -> None:
        """Read them, and be told of more."""
        super().on_mount()
        self._boot.hub.changes.append(self._more)
        self.action_again()

    def on_unmount(self) -> None:
        """No more."""
        self._boot.hub.changes.remove(self._more)

    def _more(self, rows: Sequence[ChangeRow]) -> None:
        self._rows = [*reversed(rows), *self._rows][:MOST]
        self.filtered()

    def action_again(self) -> None:
        """Read them again."""
        self.app.work(self._read(), "changes")

    async def _read(self) -> None:
        try:
            read = await self._boot.changelog.recent(since=datetime.now(UTC) - timedelta(days=7), limit=MOST)
        except StateError as error:
            self.app.say(str(error), "error")
            read = list(self.app.recent)
        # What was told while it was read may not be written yet.
        known = {row.id for row in read}
        self._rows = [*(row for row in self._rows if row.id not in known), *read][:MOST]
        if self.is_mounted:
            self.filtered()

    def filtered(self) -> None:
        """Those that the filter keeps."""
        keeps = Filter(self.wanted).keeps
        now = self.app.now()
        kept = [row for row in self._rows if keeps(_words(row))]
        self.table.set_rows([change_row(row, now) for row in kept])
        self.entitle(f"changes of 7 days, newest first: {len(kept)} of {len(self._rows)}")

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """Go to the row it was about."""
        change = next((row for row in self._rows if row.id == event.key), None)
        if change is None:
            return
        ref = Ref.parse(change.ref)
        if self._boot.hub.find(ref) is None:
            self.app.say(f"{change.name} is gone", "warning")
            return
        self.dismiss()
        self.app.deck.jump(ref)


def _words(row: ChangeRow) -> str:
    parts = (row.name, row.kind, row.system, row.source, row.environment, row.what, row.before, row.after, row.by)
    return " ".join((*parts, row.actor))


def change_row(row: ChangeRow, now: float) -> Row:
    """One change."""
    return Row(
        row.id,
        (
            Cell(clock(row.at.timestamp(), now), "dim"),
            Cell("by us" if row.by == "us" else "outside", "ok" if row.by == "us" else "warn"),
            Cell(row.environment or row.source, "dim"),
            Cell(row.system, "dim"),
            Cell(row.name),
            Cell(change_words(row)),
            Cell(row.actor or "-", "dim"),
        ),
    )
