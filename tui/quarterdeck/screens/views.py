"""Which view the deck shows: what is typed filters them, Enter takes the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.screens.filtering import FilterDialog
from quarterdeck.widgets.cells import Cell, Column, Row


class ViewsDialog(FilterDialog):
    """Answers the name of a view, an empty one for the plain deck; None when cancelled."""

    columns = (
        Column("name", "VIEW", 20, flex=1, min_width=8),
        Column("where", "FROM", 10),
        Column("what", "SHOWS", 60, flex=3, min_width=10),
    )
    broad = True
    empty = "no view of that name"
    help_line = "Enter shows it · :view save NAME, :view delete NAME, :view reset · Esc"

    def __init__(self, rows: Sequence[tuple[str, str, str]], current: str) -> None:
        found = [
            Row(name, (Cell(name or "plain", "accent" * (name == current)), Cell(where, "dim"), Cell(what, "dim")))
            for name, where, what in rows
        ]
        super().__init__("views", found, current)
