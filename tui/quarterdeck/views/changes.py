"""Changes as rows, the divider of the last good hour, and a change in full. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from quarterdeck.views.fmt import one_line, short, stamp
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.changelog import ChangeFilter, ChangeRow
from quarterdeck_lifecycle.goodhour import Hour
from quarterdeck_lifecycle.instant import words
from quarterdeck_lifecycle.text import LogLine

COLUMNS = (
    Column("at", "WHEN", 9),
    Column("by", "BY", 7),
    Column("environment", "CTX", 8, flex=1, min_width=7, priority=2),
    Column("system", "SYSTEM", 10, flex=1, min_width=10, priority=3),
    Column("name", "WHAT", 20, flex=2, min_width=16),
    Column("change", "CHANGE", 40, flex=4, min_width=22),
    Column("actor", "WHO", 14, flex=1, min_width=8, priority=1),
    Column("note", "KNOWN", 24, flex=2, min_width=20, priority=4),
)
DIVIDER = ("last good hour",)
"""The key of the divider's row."""


def short_op(op: str) -> str:
    """The end of an operation's id, by which it is spoken of."""
    return op.replace("-", "")[-4:]


def when(at: float, now: float) -> str:
    """The time of day in UTC, with the day of the week when it is not today's."""
    moment = datetime.fromtimestamp(at, UTC)
    today = moment.date() == datetime.fromtimestamp(now, UTC).date()
    return moment.strftime("%H:%M" if today else "%a %H:%M")


def who_words(row: ChangeRow) -> Cell:
    """`op 71c0` for ours, else `outside`."""
    if row.by == "us":
        return Cell(f"op {short_op(row.op)}" if row.op else "by us", "ok")
    return Cell("outside", "warn")


def change_words(row: ChangeRow) -> str:
    """What changed, in a few words: `image v41→v42`, `new`, `gone`."""
    if row.what in ("new", "gone"):
        detail = _short(_image(row, row.after or row.before))
        kind = "" if row.kind == "container" else f"{row.kind.replace('_', ' ')} "
        return f"{kind}{row.what}{' ' + detail if detail else ''}"
    if row.what == "state" and not row.before:
        return _short(row.after)
    before, after = _image(row, row.before), _image(row, row.after)
    if row.what == "image":
        # Of two tags of one repository only the tags differ.
        (old, _, old_tag), (new, _, new_tag) = before.rpartition(":"), after.rpartition(":")
        if old and old == new and "/" not in old_tag + new_tag:
            before, after = old_tag, new_tag
    return f"{row.what} {_short(before) or '-'}→{_short(after) or '-'}"


def _image(row: ChangeRow, value: str) -> str:
    """An image without its registry and folders; any other value as it is."""
    return value.rpartition("/")[2] if row.kind == "container" and row.what in ("new", "gone", "image") else value


def _short(value: str) -> str:
    value = one_line(value)
    if value.startswith("sha256:"):
        return short(value, 8)
    if len(value) == 40 and all(c in "0123456789abcdef" for c in value):
        return value[:7]
    return value if len(value) <= 32 else value[:31] + "…"


def change_row(row: ChangeRow, now: float) -> Row:
    """One change."""
    return Row(
        row.id,
        (
            Cell(when(row.at.timestamp(), now), "dim"),
            who_words(row),
            Cell(row.environment or row.source, "dim"),
            Cell(row.system, "dim"),
            Cell(row.name),
            Cell(change_words(row)),
            Cell(row.actor or "?", "dim"),
            Cell(one_line(row.note), "dim"),
        ),
    )


def divider(hour: Hour, since: int, now: float) -> Row:
    """The line between what came after the last good hour and what came before its end."""
    count = f"{since:,} change{'' if since == 1 else 's'} since {words(hour.end, now)}"
    line = ("─" * 9, "─" * 7, "─" * 8, "─" * 10, "last good hour", count, "─" * 14, "─" * 24)
    return Row(DIVIDER, tuple(Cell(text, "ok") for text in line), "ok")


def place_of_divider(rows: Sequence[ChangeRow], hour: Hour | None, newest: bool, oldest: bool) -> int | None:
    """Before which of these rows (newest first) the divider stands; None when it is not among them."""
    if hour is None or not rows:
        return None
    place = next((place for place, row in enumerate(rows) if row.at.timestamp() < hour.end), len(rows))
    if (place == 0 and not newest) or (place == len(rows) and not oldest):
        return None
    return place


def asked_cells(asked: ChangeFilter) -> list[Cell]:
    """What is filtered by, for the right of the title."""
    found = [f"/{asked.matching}" if asked.matching else "", f"@{asked.environment}" if asked.environment else ""]
    found += [f"system:{asked.system}" if asked.system else "", {"us": "by us", "outside": "outside"}.get(asked.by, "")]
    return [Cell(f" {text} ", "warn") for text in found if text]


def full_lines(row: ChangeRow, there: bool) -> list[LogLine]:
    """All that is known of a change, and what it was before and after."""
    by = f"us, operation {row.op}" if row.by == "us" and row.op else "us" if row.by == "us" else "outside"
    fields = {
        "when": stamp(row.at.timestamp()), "what": f"{row.kind} {row.name}: {row.what}", "where": row.environment,
        "source": f"{row.source} ({row.system})", "by": by, "who": row.actor or "not known", "known": row.note,
        "row": row.ref if there else f"{row.ref} (gone)",
    }  # fmt: skip
    lines = [LogLine(f"{name:<8} {value}", ((0, 8, "cyan"),)) for name, value in fields.items() if value]
    return [*lines, LogLine("", ()), *diff_lines(row.before, row.after)]


def diff_lines(before: str, after: str) -> list[LogLine]:
    """Before and after, line by line; of long values only what differs, with three lines around."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    found = list(unified_diff(old, new, "before", "after", lineterm="")) or ["no difference is known"]
    styles = {"+": "green", "-": "red", "@": "cyan"}
    return [LogLine(line, ((0, len(line), styles[line[0]]),) if line[:1] in styles else ()) for line in found]
