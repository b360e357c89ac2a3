"""Turns rows of cells into strips: the layout of a table's columns at one width, in one theme."""

from collections.abc import Sequence
from enum import IntFlag
from itertools import groupby
from operator import itemgetter

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from .cells import Cell, Column, Row, ascii_twin, fit_columns, fit_text
from .palette import Palette


class Mode(IntFlag):
    """How a row stands in its table."""

    PLAIN = 0
    CURSOR = 1
    FOCUSED = 2
    MARKED = 4
    GHOST = 8
    WATCHED = 16


class RowPainter:
    """Paints the lines of a table; one of these serves one set of columns, one width and one theme.

    The first cell of a line is the gutter: the signs of cursor, mark and watch.
    """

    def __init__(self, columns: Sequence[Column], width: int, palette: Palette, base: Style) -> None:
        self.width = width
        self.palette = palette
        self.base = base
        self.widths = fit_columns(columns, max(width - 1, 0))
        self._columns = columns
        self._shown = [index for index, size in enumerate(self.widths) if size]
        self.offsets: dict[int, int] = {}
        """Where each shown column begins, in cells from the left edge, by its place among the columns."""
        left = 1
        for index in self._shown:
            self.offsets[index] = left
            left += self.widths[index] + columns[index].gap

    def header(self, sort: str | None, reverse: bool) -> Strip:
        """The line of titles; the sorted column's title ends with the sign of its direction."""
        signs = self.palette.glyphs
        style = self.base + self.palette.style("head")
        pieces = [(" ", style)]
        for index in self._shown:
            column = self._columns[index]
            title = column.title
            if column.key == sort:
                sign = signs.descending if reverse else signs.ascending
                room = self.widths[index] - len(sign)
                title = fit_text(title, room).rstrip() + sign if room > 0 else sign
            pieces.append((self._fit(title, index), style))
            pieces.append((" " * column.gap, style))
        return self._strip(pieces)

    def row(self, row: Row, mode: Mode) -> Strip:
        """One record's line."""
        ghost = bool(mode & Mode.GHOST)
        style = self.base + self.palette.style("ghost" if ghost else row.style)
        over = Style.null()
        if mode & Mode.MARKED:
            over += self.palette.style("mark")
        if mode & Mode.CURSOR:
            over += self.palette.style("cursor" if mode & Mode.FOCUSED else "cursor-blur")
        pieces = [(self._gutter(mode), style + over)]
        for index in self._shown:
            cell = row.cells[index] if index < len(row.cells) else Cell("")
            text, own = cell.text, self.palette.style(cell.style)
            if ghost:
                own = Style.null()
                if index == 0:
                    sign = self.palette.glyphs.ghost
                    text = sign if self.widths[0] < 3 else f"{sign} {text}"
            pieces.append((self._fit(text, index), style + own + over))
            pieces.append((" " * self._columns[index].gap, style + over))
        return self._strip(pieces, style + over)

    def text(self, text: str) -> Strip:
        """A line of plain words across the table, as an empty one shows."""
        body = fit_text(text, max(self.width - 1, 0), ellipsis=self.palette.glyphs.partial)
        return self._strip([(" ", self.base), (self._own(body), self.base + self.palette.style("dim"))])

    def changed_span(self, old: Row, new: Row) -> tuple[int, int]:
        """Start and width, in cells, of what differs between two versions of a row's line; width 0: nothing."""
        if old.style != new.style or len(old.cells) != len(new.cells):
            return 0, self.width
        first = last = -1
        for index in self._shown:
            if index < len(new.cells) and old.cells[index] != new.cells[index]:
                first = index if first < 0 else first
                last = index
        if first < 0:
            return 0, 0
        start = self.offsets[first]
        return start, self.offsets[last] + self.widths[last] - start

    def column_at(self, x: int) -> str | None:
        """The key of the column at that cell of a line."""
        for index in self._shown:
            start = self.offsets[index]
            if start <= x < start + self.widths[index] + self._columns[index].gap:
                return self._columns[index].key
        return None

    def _gutter(self, mode: Mode) -> str:
        signs = self.palette.glyphs
        if mode & Mode.CURSOR:
            plain = signs.cursor_watched if mode & Mode.WATCHED else signs.cursor
            return signs.cursor_marked if mode & Mode.MARKED else plain
        return signs.marked if mode & Mode.MARKED else signs.watched if mode & Mode.WATCHED else " "

    def _fit(self, text: str, index: int) -> str:
        return self._own(fit_text(text, self.widths[index], self._columns[index].align))

    def _own(self, text: str) -> str:
        return ascii_twin(text) if self.palette.ascii else text

    def _strip(self, pieces: list[tuple[str, Style]], fill: Style | None = None) -> Strip:
        """The pieces as a strip as wide as the table, neighbours of one style in one segment."""
        segments = [
            Segment("".join(text for text, _ in run), style)
            for style, run in groupby((piece for piece in pieces if piece[0]), key=itemgetter(1))
        ]
        return Strip(segments).adjust_cell_length(self.width, fill or self.base)
