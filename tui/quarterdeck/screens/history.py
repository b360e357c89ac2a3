"""The release history of a service: what was put on it, by whom, how it ended, and whether it could run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.releasing.belonging import tags_by_digest
from quarterdeck.screens.operation import OperationScreen
from quarterdeck.screens.report import open_report
from quarterdeck.screens.table import TableScreen
from quarterdeck.views.history import HISTORY_COLUMNS, Entry, entries, history_row
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.kinds import Service
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.release.choosing import Point

if TYPE_CHECKING:
    from quarterdeck.boot import Boot


class HistoryScreen(TableScreen):
    """Newest first; Enter shows the operation, B goes back to that revision."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "report", show=False),
        Binding("B", "put_back", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "its operation"), ("B", "put this back"), ("r", "report"), ("/", "filter"),
    )  # fmt: skip

    def __init__(self, boot: Boot, service: Service, points: Sequence[Point]) -> None:
        super().__init__(f"releases of {service.service}", HISTORY_COLUMNS, "asking the state, at most 15 s")
        self._boot = boot
        self._service = service
        self._points = list(points)
        self._entries: list[Entry] = []

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self.app.work(self._read(), "release history")

    async def _read(self) -> None:
        found = await self._boot.desk.history(self._service.service, self._service.environment)
        self._entries = entries(found, self._points, tags_by_digest(self._boot.hub.records()))
        if self.is_running:
            self.table.empty = ["nothing was released to it from here, and its targets keep nothing to go back to"]
            self.filtered()

    def filtered(self) -> None:
        """Those that the filter keeps."""
        keeps = Filter(self.wanted).keeps
        rows = [history_row(entry, self.app.now()) for entry in self._entries]
        kept = [row for row in rows if keeps(" ".join(cell.text for cell in row.cells))]
        self.table.set_rows(kept)
        where = f"{self._service.service} in {self._service.environment}"
        count = f"{len(rows)}" if len(kept) == len(rows) else f"{len(kept)} of {len(rows)} /{self.wanted}"
        back = self._service.readiness
        words = f"goes back to {back}" if back.startswith(("✓", "▲")) else back
        self.entitle(f"releases of {where}: {count}", [Cell(f" {words}", "dim")])

    def _entry(self) -> Entry | None:
        return next((entry for entry in self._entries if entry.key == self.table.cursor_key), None)

    @on(RecordTable.RowSelected)
    def chosen(self) -> None:
        """Its operation, where it is one of ours."""
        entry = self._entry()
        if entry is not None and entry.op:
            self.app.push_screen(OperationScreen(self._boot, entry.op))
        elif entry is not None:
            self.app.say("no operation of this state put it there", "warning")

    def action_report(self) -> None:
        """The incident page."""
        entry = self._entry()
        if entry is not None and entry.op:
            open_report(self.app, entry.op)

    def action_put_back(self) -> None:
        """Propose to go back to the row under the cursor."""
        entry = self._entry()
        if entry is None:
            return
        if not entry.ready:
            self.app.say(f"{entry.what} cannot be put back: {entry.why_not}", "warning")
            return
        ref: Ref = self._service.ref
        self.dismiss()
        self.app.deck.propose_back(ref, entry.value)
