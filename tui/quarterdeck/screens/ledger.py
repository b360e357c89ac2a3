"""The ledger on the screen: every verb from here, refused and failed ones too, and what changed from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter as Words
from quarterdeck.screens.table import TableScreen
from quarterdeck.screens.text import TextScreen
from quarterdeck.views.changes import change_words
from quarterdeck.views.fmt import one_line
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.ledger import Filter
from quarterdeck_lifecycle.ledger import Row as LedgerRow
from quarterdeck_lifecycle.state import StateError, utc_text

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
MOST = 1000
OUTSIDE_DAYS = 7


class LedgerScreen(TableScreen):
    """Newest first, filterable, verifiable; Enter shows a whole row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("V", "verify", show=False),
        Binding("o", "outside", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "whole row"), ("/", "filter"), ("V", "verify the chain"), ("o", "outside changes"),
    )  # fmt: skip

    def __init__(self, boot: Boot) -> None:
        super().__init__("ledger", COLUMNS, "nothing was done from here yet")
        self._boot = boot
        self._rows: list[LedgerRow] = []
        self._changes: list[ChangeRow] = []
        self._verdict: Cell | None = None
        self._outside = True

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
        if self.is_mounted:
            self.table.set_rows(merged(self._rows, self._changes))
            more = f" and {len(self._changes)} outside changes" if self._outside else ""
            wanted = f" /{self.wanted}" if self.wanted else ""
            self.entitle(f"ledger: {len(self._rows)} newest rows{more}{wanted}", self._right())

    def _right(self) -> list[Cell]:
        return [self._verdict] if self._verdict is not None else []

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
        if self.is_mounted:
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
            self.app.push_screen(TextScreen(f"ledger row {row.seq}", lines))
            return
        change = next((row for row in self._changes if row.id == event.key), None)
        if change is not None:
            lines = [f"{name:<12} {value}" for name, value in asdict(change).items()]
            self.app.push_screen(TextScreen("a change from outside", lines))


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


def change_text(row: ChangeRow) -> str:
    """What the filter looks through."""
    return " ".join((row.name, row.kind, row.system, row.source, row.environment, row.what, row.before, row.after))


def outside_row(row: ChangeRow) -> Row:
    """One change that nobody made from here."""
    return Row(
        row.id,
        (
            Cell("", "dim"),
            Cell(utc_text(row.at)[:19].replace("T", " "), "dim"),
            Cell(row.actor or "outside", "warn"),
            Cell(f"{row.system} {row.kind}", "warn"),
            Cell("outside", "warn"),
            Cell(row.ref),
            Cell(f"{row.name} {change_words(row)}"),
        ),
    )


def merged(rows: Sequence[LedgerRow], changes: Sequence[ChangeRow]) -> list[Row]:
    """Both by time, newest first; the ledger's own rows stay in their order."""
    stamped = [(row.at, 1, row.seq, ledger_row(row)) for row in rows]
    stamped += [(utc_text(row.at), 0, 0, outside_row(row)) for row in changes]
    stamped.sort(key=lambda entry: entry[:3], reverse=True)
    return [row for *_, row in stamped]
