"""What to deploy: the tags and images of a service that are known, filtered as it is typed, or any REF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from quarterdeck.screens.dialogs import Dialog, line
from quarterdeck.views.fmt import age, short, size
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.kinds import Image, Tag

COLUMNS = (
    Column("wanted", "TAG", 18, flex=2, min_width=12),
    Column("digest", "DIGEST", 12),
    Column("commit", "COMMIT", 7, priority=1),
    Column("size", "SIZE", 6, "right", priority=3),
    Column("when", "BUILT", 5, "right"),
    Column("where", "WHERE", 18, flex=2, min_width=8, priority=2),
    Column("note", "", 8, priority=2),
)
ROWS = 10


class PickDialog(Dialog[str]):
    """Answers a tag, a digest or what was typed; None when cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
    ]

    def __init__(self, title: str, records: Sequence[Tag | Image], running: str, now: float) -> None:
        super().__init__()
        self._title = title
        self._rows = [row for record in records if (row := pick_row(record, running, now)) is not None]

    def compose(self) -> ComposeResult:
        """Field and rows."""
        with Vertical():
            yield line(self._title, "bold")
            yield PromptInput(id="wanted", placeholder="filter, or a tag, digest, image:, git:, model:NAME/VERSION")
            yield RecordTable(COLUMNS)
            yield line("Enter takes the row, or what is typed where none fits · Esc cancels", "dim")

    def on_mount(self) -> None:
        """All rows, and the keyboard in the field."""
        self.table.can_focus = False
        self.table.empty = ["nothing known here fits: Enter takes what is typed"]
        self.table.styles.height = min(ROWS, max(2, len(self._rows))) + 1
        self.table.set_rows(self._rows)
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
        """The row under the cursor, or the words."""
        event.stop()
        key = self.table.cursor_key
        if isinstance(key, str) and self.table.rows:
            self.dismiss(key)
        elif event.value.strip():
            self.dismiss(event.value.strip())

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """A double click."""
        event.stop()
        if isinstance(event.key, str):
            self.dismiss(event.key)


def pick_row(record: Tag | Image, running: str, now: float) -> Row | None:
    """One thing that could be deployed; its key is what will be wanted. None for an image without a name."""
    if isinstance(record, Tag):
        wanted, digest, name, where = record.digest or record.tag, record.digest, record.tag, record.registry
    else:
        digest = record.digests[0].partition("@")[2] if record.digests else record.ref.id
        wanted, name, where = digest, record.tags[0].rpartition("/")[2] if record.tags else "", record.ref.source
        if not name:
            return None
    runs = bool(running) and short(digest, 12) == running
    return Row(
        wanted,
        (
            Cell(name),
            Cell(short(digest, 12) or "-", "dim"),
            Cell(short(record.link("commit")) or "-", "accent"),
            Cell(size(record.size), "dim"),
            Cell(age(record.created_at, now), "dim"),
            Cell(where, "dim"),
            Cell("runs now" if runs else "", "ok"),
        ),
    )
