"""The ledger as rows, merged with what changed from outside. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.changes import change_words
from quarterdeck.views.fmt import day_time, one_line
from quarterdeck.views.progress import epoch
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.ledger import Row as LedgerRow
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.state import utc_text

LEDGER_COLUMNS = (
    Column("seq", "SEQ", 5, "right"),
    Column("at", "AT (UTC)", 14),
    Column("actor", "WHO", 14, flex=1, min_width=6, priority=1),
    Column("action", "VERB", 18, flex=1, min_width=13),
    Column("phase", "PHASE", 7, priority=2),
    Column("ref", "ON", 24, flex=1, min_width=13),
    Column("result", "RESULT", 40, flex=4, min_width=18),
)
STYLES = {"intent": "dim", "outcome": "ok", "refused": "warn", "note": "dim"}
_RELEASE = "release."


def verb_words(row: LedgerRow) -> str:
    """`deploy`, and below it its steps: `· 07 gate`; any other verb by its id."""
    if row.step and row.action.startswith(_RELEASE):
        return f"· {' '.join(row.step.split(' ')[:2])}"
    return row.action.removeprefix(_RELEASE)


def on_words(ref: str) -> str:
    """A ref by its last part; what is none as it is."""
    try:
        return Ref.parse(ref).id
    except ValueError:
        return ref


def ledger_row(row: LedgerRow, now: float) -> Row:
    """One row of the ledger."""
    ended = row.phase == "outcome"
    failed = ended and not row.result.startswith(("SUCCEEDED", "DONE"))
    said = one_line(row.result or row.why) or ("begins" if row.phase == "intent" else "")
    return Row(
        row.seq,
        (
            Cell(str(row.seq), "dim"),
            Cell(day_time(epoch(row.at), now, seconds=True), "dim"),
            Cell(row.actor, "dim"),
            Cell(verb_words(row), "dim" if row.step else ""),
            Cell(row.phase, "bad" if failed else STYLES.get(row.phase, "")),
            Cell(on_words(row.ref)),
            Cell(said, "bad" if failed else "dim" if row.phase == "intent" else ""),
        ),
    )


def change_text(row: ChangeRow) -> str:
    """What the filter looks through."""
    return " ".join((row.name, row.kind, row.system, row.source, row.environment, row.what, row.before, row.after))


def outside_row(row: ChangeRow, now: float) -> Row:
    """One change that nobody made from here."""
    return Row(
        row.id,
        (
            Cell("", "dim"),
            Cell(day_time(row.at.timestamp(), now, seconds=True), "dim"),
            Cell(row.actor or "-", "warn"),
            Cell(f"{row.system} {row.kind}", "warn"),
            Cell("outside", "warn"),
            Cell(row.name),
            Cell(one_line(change_words(row))),
        ),
    )


def merged(rows: Sequence[LedgerRow], changes: Sequence[ChangeRow], now: float) -> list[Row]:
    """Both by time, newest first; the ledger's own rows stay in their order."""
    stamped = [(row.at, 1, row.seq, ledger_row(row, now)) for row in rows]
    stamped += [(utc_text(row.at), 0, 0, outside_row(row, now)) for row in changes]
    stamped.sort(key=lambda entry: entry[:3], reverse=True)
    return [row for *_, row in stamped]
