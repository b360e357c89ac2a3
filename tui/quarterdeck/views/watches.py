"""Watches as rows. Pure."""

from __future__ import annotations

from quarterdeck.views.fmt import clock, glyph
from quarterdeck.widgets.cells import UNICODE, Cell, Column, Row
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.watches import UNSEEN, Watch

COLUMNS = (
    Column("sign", "", 1),
    Column("name", "WATCHED", 26, flex=2, min_width=12),
    Column("kind", "KIND", 12, priority=2),
    Column("place", "CTX", 8, flex=1, min_width=4, priority=3),
    Column("since", "SINCE", 6),
    Column("now", "NOW, OR WHAT WAS HEARD", 36, flex=4, min_width=16),
    Column("aim", "TOLD OF", 24, flex=1, min_width=8, priority=1),
)
ENDS = {True: Cell(UNICODE.ok, "ok"), False: Cell(UNICODE.bad, "bad"), None: Cell(UNICODE.changed, "accent")}


def watch_row(watch: Watch, record: Record | None, now: float) -> Row:
    """One watch; `record` is its row as it is now, None where that is not seen."""
    if watch.ended_at is not None:
        sign = ENDS[watch.good]
        told = Cell(f"{clock(watch.ended_at, now)} {watch.heard}", sign.style)
    elif UNSEEN in watch.facts or record is None:
        sign, told = Cell(UNICODE.unknown, "dim"), Cell("not seen now", "warn")
    else:
        sign, told = glyph(record.status), Cell(record.state)
    return Row(
        watch.id,
        (
            sign,
            Cell(watch.name),
            Cell(watch.ref.kind.replace("_", " "), "dim"),
            Cell(watch.environment or watch.ref.source, "dim"),
            Cell(clock(watch.at, now), "dim"),
            told,
            Cell("heard" if watch.ended_at is not None else watch.aim, "dim"),
        ),
    )


def words(watch: Watch) -> str:
    """What the filter looks through."""
    return " ".join((watch.name, watch.ref.kind, watch.ref.source, watch.environment, watch.heard))
