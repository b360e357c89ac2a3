"""Which columns a tab shows, and which of a row's cells stand in them; the environment's is added where it has none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from quarterdeck.views.model import Look, View
from quarterdeck.widgets.cells import Cell, Column
from quarterdeck_lifecycle.records import Record

CONTEXT = "environment"
COLUMN = Column(CONTEXT, "CTX", 8, flex=1, min_width=7, priority=1)
ADDED = -1
"""In `Layout.places`: the cell of the row's environment, which the view itself does not make."""


class Layout(NamedTuple):
    """Columns, and for each the place of its cell in a row of the view; no places: the view's cells as they are."""

    columns: tuple[Column, ...]
    places: tuple[int, ...] = ()

    def cells(self, made: Sequence[Cell], record: Record, look: Look) -> tuple[Cell, ...]:
        """The cells of one row for these columns."""
        if not self.places:
            return tuple(made)
        return tuple(context_cell(record, look) if place == ADDED else made[place] for place in self.places)


def lay_out(view: View, hidden: Collection[str] = (), *, context: bool = True) -> Layout:
    """The layout of a tab. `context`: the environment's column is shown, also where the view has none of its own."""
    wanted = [(column, place) for place, column in enumerate(view.columns) if column.key != CONTEXT]
    if context:
        own = next((place for place, column in enumerate(view.columns) if column.key == CONTEXT), ADDED)
        wanted.insert(1, (COLUMN, own))
    kept = [(column, place) for column, place in wanted if column.key not in hidden or not column.title]
    places = tuple(place for _, place in kept)
    columns = tuple(column for column, _ in kept)
    return Layout(columns, () if places == tuple(range(len(view.columns))) else places)


def context_cell(record: Record, look: Look) -> Cell:
    """The environment in its colour; the source where there is none."""
    place = look.environment(record) or record.ref.source
    return Cell(place, f"env:{look.colours[place]}" if place in look.colours else "dim")
