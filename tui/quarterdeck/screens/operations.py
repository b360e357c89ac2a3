"""Operations: releases that run, and those that ended. Kept current while it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.operation import OperationScreen
from quarterdeck.screens.report import open_report
from quarterdeck.screens.table import TableScreen
from quarterdeck.views.model import Look, haystack
from quarterdeck.views.releases import OPERATION_COLUMNS, operation_row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.kinds import Operation
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

CLOCK_S = 5.0


class OperationsScreen(TableScreen):
    """Running ones first; Enter attaches."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "report", show=False),
        Binding("w", "watch", show=False),
        Binding("9", "leave", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "attach"), ("w", "watch"), ("r", "report"), ("/", "filter"),
    )  # fmt: skip

    def __init__(self, boot: Boot) -> None:
        super().__init__("operations", OPERATION_COLUMNS, "nothing was released from here yet")
        self._boot = boot
        self._leave: Callable[[], None] | None = None

    def on_mount(self) -> None:
        """Be told of changes, and ask now."""
        super().on_mount()
        self._leave = self._boot.hub.listen(self._changed)
        self._boot.hub.poke("services", "operation")
        self.set_interval(CLOCK_S, self._tick)
        self.filtered()

    def on_unmount(self) -> None:
        """No more."""
        if self._leave is not None:
            self._leave()

    def _changed(self, kinds: frozenset[str]) -> None:
        if "operation" in kinds and self.is_running:
            self.filtered()

    def _tick(self) -> None:
        """Clocks of those that run."""
        if any(not row.result for row in self._rows()):
            self.filtered()

    def _rows(self) -> list[Operation]:
        found = [row for snap in self._boot.hub.snapshots("operation") for row in snap.rows]
        return [row for row in found if isinstance(row, Operation)]

    def filtered(self) -> None:
        """Those that the filter keeps, running ones first, then the newest."""
        keeps, look = Filter(self.wanted).keeps, Look(now=self.app.now())
        rows = self._rows()
        kept = sorted((row for row in rows if keeps(haystack(row))), key=lambda r: (bool(r.result), -(r.began_at or 0)))
        errors = [snap.error for snap in self._boot.hub.snapshots("operation") if snap.error is not None]
        if errors:
            self.table.empty = str(errors[0]).splitlines()
        self.table.set_rows([operation_row(row, look) for row in kept])
        if self.app.watching is not None:
            self.table.watched = self.app.watching.keeper.refs
        running = sum(not row.result for row in rows)
        self.entitle(f"operations: {running} running, {len(kept)} of {len(rows)} shown")

    def _op(self) -> str:
        key = self.table.cursor_key
        return key.id if isinstance(key, Ref) else ""

    @on(RecordTable.RowSelected)
    def chosen(self) -> None:
        """Attach."""
        if self._op():
            self.app.push_screen(OperationScreen(self._boot, self._op()))

    def action_watch(self) -> None:
        """Be told of its gate and its end; once more ends the watch."""
        record = next((row for row in self._rows() if row.op == self._op()), None)
        if record is not None and self.app.watching is not None:
            self.app.watching.toggle([record])
            self.table.watched = self.app.watching.keeper.refs

    def action_report(self) -> None:
        """The incident page."""
        if self._op():
            open_report(self.app, self._op())
