"""The ledger on the screen: every verb from here, refused and failed ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.screens.table import TableScreen
from quarterdeck.screens.text import TextScreen
from quarterdeck.views.fmt import one_line
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.ledger import Filter
from quarterdeck_lifecycle.ledger import Row as LedgerRow
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

COLUMNS = (
    Column("seq", "SEQ", 5, "right"),
    Column("at", "AT (UTC)", 19),
    Column("actor", "WHO", 14, flex=1, min_width=6, priority=2),
    Column("action", "VERB", 20, flex=1, min_width=10),
    Column("phase", "PHASE", 8, priority=1),
    Column("ref", "ON", 30, flex=2, min_width=10),
    Column("result", "RESULT", 40, flex=3, min_width=10),
)
STYLES = {"intent": "dim", "outcome": "ok", "refused": "warn", "note": "dim"}


class LedgerScreen(TableScreen):
    """Newest first, filterable, verifiable; Enter shows a whole row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("V", "verify", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (("Enter", "whole row"), ("/", "filter"), ("V", "verify the chain"))

    def __init__(self, boot: Boot) -> None:
        super().__init__("ledger", COLUMNS, "nothing was done from here yet")
        self._boot = boot
        self._rows: list[LedgerRow] = []

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self.filtered()

    def filtered(self) -> None:
        """Read what holds these words."""
        self.app.work(self._read(), "ledger")

    async def _read(self) -> None:
        try:
            self._rows = await self._boot.ledger.rows(Filter(contains=self.wanted), limit=1000)
        except StateError as error:
            self.app.say(str(error), "error")
        if self.is_mounted:
            self.table.set_rows([ledger_row(row) for row in self._rows])
            self.entitle(f"ledger: {len(self._rows)} newest rows {'/' + self.wanted if self.wanted else ''}")

    def action_verify(self) -> None:
        """Read the whole chain."""
        self.app.work(self._verify(), "verify the ledger")

    async def _verify(self) -> None:
        try:
            found = await self._boot.ledger.verify()
        except StateError as error:
            self.app.say(str(error), "error")
            return
        if found.ok:
            self.app.say(f"the chain of {found.rows} rows is whole; head {found.head[:16]}")
        else:
            self.app.say(f"the chain is broken at row {found.first_bad_seq}: {found.reason}", "error")

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """A whole row."""
        row = next((row for row in self._rows if row.seq == event.key), None)
        if row is not None:
            lines = [f"{name:<8} {value}" for name, value in row.to_dict().items()]
            self.app.push_screen(TextScreen(f"ledger row {row.seq}", lines))


def ledger_row(row: LedgerRow) -> Row:
    """One row of the ledger."""
    failed = row.phase == "outcome" and not row.result.startswith("SUCCEEDED")
    return Row(
        row.seq,
        (
            Cell(str(row.seq), "dim"),
            Cell(row.at[:19].replace("T", " "), "dim"),
            Cell(row.actor, "dim"),
            Cell(row.action),
            Cell(row.phase, "bad" if failed else STYLES.get(row.phase, "")),
            Cell(row.ref),
            Cell(one_line(row.result or row.why), "bad" if failed else ""),
        ),
    )
