"""The ledger on the screen: every verb from here, refused and failed ones too, and what changed from outside."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter as Words
from quarterdeck.screens.table import TableScreen
from quarterdeck.screens.text import TextScreen
from quarterdeck.views.ledger import LEDGER_COLUMNS, change_text, merged
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.ledger import Filter
from quarterdeck_lifecycle.ledger import Row as LedgerRow
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

MOST = 1000
OUTSIDE_DAYS = 7


class LedgerScreen(TableScreen):
    """Newest first, filterable, verifiable; Enter shows a whole row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("V", "verify", show=False),
        Binding("o", "outside", show=False),
        Binding("s", "steps", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "whole row"), ("/", "filter"), ("V", "verify the chain"), ("s", "steps"), ("o", "outside"),
    )  # fmt: skip

    def __init__(self, boot: Boot) -> None:
        super().__init__("ledger", LEDGER_COLUMNS, "nothing was done from here yet")
        self._boot = boot
        self._rows: list[LedgerRow] = []
        self._changes: list[ChangeRow] = []
        self._verdict: Cell | None = None
        self._outside = True
        self._steps = True

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self.filtered()

    def filtered(self) -> None:
        """Read what holds these words."""
        self.app.work(self._read(), "ledger")

    async def _read(self) -> None:
        try:
            self._rows = await self._boot.ledger.rows(Filter(contains=self.wanted), limit=MOST)
            since = datetime.now(UTC) - timedelta(days=OUTSIDE_DAYS)
            changes = await self._boot.changelog.recent(since=since, limit=MOST) if self._outside else []
        except StateError as error:
            self.app.say(str(error), "error")
            return
        keeps = Words(re.escape(self.wanted)).keeps
        self._changes = [row for row in changes if row.by == "outside" and keeps(change_text(row))]
        if self.is_running:
            shown = [row for row in self._rows if self._steps or not row.step]
            self.table.set_rows(merged(shown, self._changes, self.app.now()), ghosts=False)
            wanted = f" /{self.wanted}" if self.wanted else ""
            count = f"{'the newest ' if len(self._rows) == MOST else ''}{len(shown)} rows"
            hidden = "" if self._steps else ", steps hidden"
            more = f", {len(self._changes)} from outside" if self._outside else ""
            self.entitle(f"ledger{wanted}: {count}{hidden}{more}", self._right())

    def _right(self) -> list[Cell]:
        return [self._verdict] if self._verdict is not None else []

    def action_steps(self) -> None:
        """With the steps of releases among the rows, or without."""
        self._steps = not self._steps
        self.filtered()

    def action_outside(self) -> None:
        """With the changes from outside among the rows, or without."""
        self._outside = not self._outside
        self.filtered()

    def action_verify(self) -> None:
        """Read the whole chain."""
        self.app.work(self._verify(), "verify the ledger")

    async def _verify(self) -> None:
        try:
            found = await self._boot.ledger.verify()
        except StateError as error:
            self.app.say(str(error), "error")
            return
        self._verdict = Cell(f" chain of {found.rows} whole ", "ok") if found.ok else Cell(" chain BROKEN ", "bad")
        if self.is_running:
            self.entitle(self._title, self._right())
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
            self.app.push_screen(TextScreen(f"ledger row {row.seq}", lines, wrap=True))
            return
        change = next((row for row in self._changes if row.id == event.key), None)
        if change is not None:
            lines = [f"{name:<12} {value}" for name, value in asdict(change).items()]
            self.app.push_screen(TextScreen("a change from outside", lines, wrap=True))

