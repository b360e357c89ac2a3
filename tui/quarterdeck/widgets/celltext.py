"""Lines of cells as one text, for places that are no line API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from quarterdeck.widgets.cells import Cell, ascii_twin, literal
from quarterdeck.widgets.palette import Palette


def cell_text(lines: Iterable[Sequence[Cell]], palette: Palette) -> Text:
    """Literal text in the theme's styles, with ASCII twins where the palette asks for them."""
    text = Text(no_wrap=True, overflow="crop", end="")
    for place, line in enumerate(lines):
        if place:
            text.append("\n")
        for cell in line:
            shown = literal(cell.text)
            text.append(ascii_twin(shown) if palette.ascii else shown, style=palette.style(cell.style))
    return text
