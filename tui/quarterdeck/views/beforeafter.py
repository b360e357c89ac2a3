"""The window before an instant against the one after, and what changed between, as lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.changes import change_words
from quarterdeck.views.fmt import duration, stamp
from quarterdeck.widgets.cells import fit_text
from quarterdeck.widgets.plot import compact
from quarterdeck_lifecycle.beforeafter import Compared, Side
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.text import LogLine

NAME = 22
BIG = 10.0
"""A mean that moved by so many percent stands out."""


def percent_words(percent: float | None) -> str:
    """`+12 %`, `-0.4 %`; `n/a` where no percentage can be told."""
    if percent is None:
        return "n/a"
    return f"{percent:+,.0f} %" if abs(percent) >= 10 else f"{percent:+.1f} %"


def lines(
    found: Sequence[Compared], failed: Sequence[tuple[str, str]], changes: Sequence[ChangeRow], at: float,
    seconds: float, more: bool,
) -> list[LogLine]:  # fmt: skip
    """The table of series, those that could not be asked, and the changes of both windows by time.

    `changes` come newest first; `more` says that there were too many to show all.
    """
    head = f"{'':{NAME}} {'BEFORE':>9} {'n':>5} {'AFTER':>9} {'n':>5} {'MEAN':>9}  low..high before, after"
    out = [
        LogLine(f"mean of {duration(seconds)} before {stamp(at)} and of as long from then on, UTC", ()),
        LogLine("", ()),
        LogLine(head, ((0, len(head), "bold"),)),
    ]
    for one in found:
        text = f"{fit_text(one.name, NAME)} {_side(one.before)} {_side(one.after)} "
        words = f"{percent_words(one.percent):>9}"
        style = "yellow" if one.percent is not None and abs(one.percent) >= BIG else ""
        spans = ((len(text), len(text + words), style),) if style else ()
        out.append(LogLine(f"{text}{words}  {_spread(one.before)}, {_spread(one.after)}", spans))
    if not found:
        out.append(LogLine("no series has a sample in either window", ()))
    for name, why in failed:
        out.append(LogLine(f"{fit_text(name, NAME)} not asked: {why}", ((0, NAME, "yellow"),)))
    told = f"{len(changes)}{'+' if more else ''} change{'' if len(changes) == 1 else 's'}"
    title = f"{told} from {stamp(at - seconds)} to {stamp(at + seconds)}"
    out += [LogLine("", ()), LogLine(title, ((0, len(title), "bold"),))]
    passed = False
    for row in reversed(changes):
        if not passed and row.at.timestamp() >= at:
            out.append(_instant(at))
            passed = True
        by = f"by us op {row.op[-4:]}" if row.by == "us" and row.op else "by us" if row.by == "us" else "outside"
        where = row.environment or row.source
        text = f"{row.at:%b %d %H:%M:%S}  {by:<13} {where:<10} {row.name} {change_words(row)}  {row.actor or 'by ?'}"
        out.append(LogLine(text, ()))
    return out if passed else [*out, _instant(at)]


def _side(side: Side) -> str:
    return f"{compact(side.mean) if side.mean is not None else '-':>9} {side.samples:>5}"


def _spread(side: Side) -> str:
    return "-" if side.lowest is None else f"{compact(side.lowest)}..{compact(side.highest)}"


def _instant(at: float) -> LogLine:
    text = f"── {stamp(at)} " + "─" * 40
    return LogLine(text, ((0, len(text), "cyan"),))
