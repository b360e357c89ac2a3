"""Every call that the deck's adapters make: whom, what, how long, how it ended. Newest first."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import ClassVar

from textual import on

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.table import TableScreen
from quarterdeck.screens.text import TextScreen
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.calls import CALLS, KEPT, Call, shown

COLUMNS = (
    Column("at", "AT (UTC)", 12),
    Column("source", "SOURCE", 12, flex=1, min_width=6, priority=2),
    Column("method", "METHOD", 7),
    Column("target", "TARGET", 40, flex=4, min_width=16),
    Column("ms", "MS", 7, "right"),
    Column("status", "STATUS", 12, flex=1, min_width=6),
)
SLOW_MS = 1000.0
_HOST = re.compile(r"^https?://[^/]*")
_FOLDER = re.compile(r"-C (\S+) ")


class CallsScreen(TableScreen):
    """The ring of calls. It stands still while the cursor is off the first row; `/` filters by any column."""

    foot: ClassVar[tuple[tuple[str, str], ...]] = (("Enter", "whole call"), ("/", "filter"))

    def __init__(self) -> None:
        super().__init__("calls", COLUMNS, "no call was made yet")
        self._seen = -1
        self._first: object = None

    def on_mount(self) -> None:
        """Show what is kept, and once a second what came."""
        super().on_mount()
        self.table.hold_resort_s = 0
        self.filtered()
        self.set_interval(1, self._follow)

    def _follow(self) -> None:
        if CALLS.count != self._seen and self.table.cursor_key in (None, self._first):
            self.filtered()

    def filtered(self) -> None:
        """The calls that hold these words."""
        self._seen = CALLS.count
        keeps = Filter(self.wanted).keeps
        calls = [call for call in map(shown, CALLS.newest()) if keeps(words(call))]
        rows = [call_row(call) for call in calls]
        follows = self.table.cursor_key in (None, self._first)
        self._first = rows[0].key if rows else None
        self.table.set_rows(rows, ghosts=False)
        if follows:
            self.table.action_cursor_home()
        wanted = f" /{self.wanted}" if self.wanted else ""
        self.entitle(f"calls: {len(rows)} of {self._seen}, the last {KEPT} are kept{wanted}", [])

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """A whole call."""
        call = next((shown(call) for call in CALLS.newest() if call.number == event.key), None)
        if call is not None:
            lines = [f"{name:<8} {value}" for name, value in call._asdict().items() if name not in ("at", "ms")]
            self.app.push_screen(TextScreen("a call", [f"at       {when(call)}", *lines, f"ms       {call.ms:.1f}"]))


def when(call: Call) -> str:
    """The time in UTC, to the millisecond."""
    return datetime.fromtimestamp(call.at, UTC).strftime("%H:%M:%S.%f")[:-3]


def words(call: Call) -> str:
    """What the filter looks through."""
    return f"{call.source} {call.method} {call.target} {call.status}"


def brief(call: Call) -> str:
    """The target without what the source's name says already: its host; of git, the folder behind the command."""
    if call.target.startswith(("http://", "https://")):
        return _HOST.sub("", call.target) or "/"
    folder = _FOLDER.match(call.target)
    return f"{call.target[folder.end() :]}  {folder[1]}" if folder else call.target


def call_row(call: Call) -> Row:
    """One call."""
    slow = "warn" if call.ms >= SLOW_MS else "dim"
    return Row(
        call.number,
        (
            Cell(when(call), "dim"), Cell(call.source), Cell(call.method, "dim"), Cell(brief(call)),
            Cell(f"{call.ms:.0f}", slow), Cell(call.status, "bad" if call.failed else "ok"),
        ),
    )  # fmt: skip
