"""What to deploy: the tags and images of a service that are known, filtered as it is typed, or any REF."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on

from quarterdeck.screens.filtering import FilterDialog
from quarterdeck.views.fmt import age, short, size
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.kinds import Image, Tag


class PickDialog(FilterDialog):
    """Answers a tag, a digest or what was typed; None when cancelled."""

    columns = (
        Column("wanted", "TAG", 18, flex=2, min_width=12),
        Column("digest", "DIGEST", 12),
        Column("commit", "COMMIT", 7, priority=1),
        Column("size", "SIZE", 6, "right", priority=3),
        Column("when", "BUILT", 5, "right"),
        Column("where", "WHERE", 18, flex=2, min_width=8, priority=2),
        Column("note", "", 8, priority=2),
    )
    most = 10
    placeholder = "filter, or a tag, digest, image:, git:, model:NAME/VERSION"
    empty = "nothing known here fits: Enter takes what is typed"
    help_line = "Enter takes the row, or what is typed where none fits · Esc cancels"

    def __init__(self, title: str, records: Sequence[Tag | Image], running: str, now: float) -> None:
        found = (pick_row(record, running, now) for record in records)
        super().__init__(title, [row for row in found if row is not None])

    def taken(self, words: str) -> None:
        """A REF that no row names."""
        if words:
            self.dismiss(words)

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
