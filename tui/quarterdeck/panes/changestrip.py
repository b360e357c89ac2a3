"""What changed last, below the panes: one line, and on a tall screen the last three with a heading."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from quarterdeck.lately import Lately
from quarterdeck.views.changes import change_words, when, who_words
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import UNICODE, Cell, fit_text
from quarterdeck_lifecycle.changelog import ChangeRow

TALL = 45
"""From so many lines on there is room for more than one."""
LINES = 3
NOTHING = f"{UNICODE.changed} no change seen yet"


class ChangeBar(Bar):
    """The last change that was seen, or the heading of the last ones."""


class ChangeStrip(Vertical):
    """Painted when a change comes; times are times of day, so that nothing ticks."""

    DEFAULT_CSS = "ChangeStrip { height: auto; width: 100%; }"

    def compose(self) -> ComposeResult:
        """One line; the others come when there is room for them first."""
        yield ChangeBar()

    def show(self, lately: Lately, now: float, tall: bool) -> None:
        """Bring it up to what is known."""
        head, recent = self.query_one(ChangeBar), list(lately.recent)[: LINES if tall else 3]
        lines = list(self.query(Bar).exclude("ChangeBar"))
        if tall and not lines:
            lines = [Bar() for _ in range(LINES)]
            self.mount(*lines)
        for line in lines:
            line.display = tall
        if not tall:
            head.show(*one_line(recent, now))
            return
        since = lately.since_good()
        right = [Cell("c", "accent"), Cell(f" opens{' · ' + since if since else ''} ", "dim")]
        head.show([Cell(f"{UNICODE.changed} WHAT CHANGED", "accent"), Cell(" (all systems, seen or done here)")], right)
        shown = [line_cells(row, now) for row in recent] or [[Cell("  no change seen yet", "dim")]]
        for place, line in enumerate(lines):
            line.show(shown[place] if place < len(shown) else [])


def one_line(recent: Sequence[ChangeRow], now: float) -> tuple[list[Cell], list[Cell]]:
    """The last changes side by side, newest first."""
    if not recent:
        return [Cell(NOTHING, "dim")], [Cell("c", "dim")]
    cells = [Cell(f"{UNICODE.changed} ", "accent")]
    for row in recent:
        cells.append(Cell(f"{when(row.at.timestamp(), now)} ", "dim"))
        cells.append(Cell(f"{row.environment + ' ' if row.environment else ''}{row.name} {change_words(row)} "))
        by = who_words(row)
        cells.append(Cell(f"{by.text}   ", by.style))
    return cells, [Cell(" c", "dim")]


def line_cells(row: ChangeRow, now: float) -> list[Cell]:
    """One change in a line of its own: when, by us or not, where, what, who, and how that is known."""
    by = who_words(row)
    who = f"by {row.actor or '?'}"
    return [
        Cell(f"  {fit_text(when(row.at.timestamp(), now), 9)} ", "dim"),
        Cell(f"{fit_text(by.text, 8)} ", by.style),
        Cell(f"{fit_text(row.environment or row.source, 10)} ", "dim"),
        Cell(f"{fit_text(f'{row.name} {change_words(row)}', 56)}  "),
        Cell(f"{fit_text(who, 24)}  ", "" if row.actor else "dim"),
        Cell(row.note, "dim"),
    ]
