"""One-line bars: what is literal text with styles, painted only when it differs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from quarterdeck.widgets.cells import Cell, ascii_twin, fit_text, literal
from quarterdeck.widgets.palette import Palette


class Bar(Widget):
    """A line of cells: `left` is cut where it meets `right`. `fill` joins them."""

    DEFAULT_CSS = "Bar { height: 1; width: 100%; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None, fill: str = " ") -> None:
        super().__init__(id=id, classes=classes)
        self._left: tuple[Cell, ...] = ()
        self._right: tuple[Cell, ...] = ()
        self._fill = fill
        self._fill_style = "dim"

    def show(
        self, left: Sequence[Cell], right: Sequence[Cell] = (), fill_style: str = "dim", fill: str | None = None
    ) -> None:
        """Show these cells; nothing is painted when they are the same as before."""
        new = (tuple(left), tuple(right), fill_style, self._fill if fill is None else fill)
        if new != (self._left, self._right, self._fill_style, self._fill):
            self._left, self._right, self._fill_style, self._fill = new
            self.refresh()

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return "".join(cell.text for cell in self._left) + "".join(cell.text for cell in self._right)

    def render_line(self, y: int) -> Strip:
        """The one strip."""
        width = self.size.width
        if y or not width:
            return Strip.blank(width, self.rich_style)
        palette, base = Palette.of(self.app), self.rich_style
        segments: list[Segment] = []
        right = [(literal(cell.text), cell.style) for cell in self._right]
        right_width = sum(Segment(text).cell_length for text, _ in right)
        if right_width > max(0, width - 8):
            right, right_width = [(fit_text("".join(t for t, _ in right), max(0, width - 8)).rstrip(), "warn")], 0
            right_width = Segment(right[0][0]).cell_length
        room = width - right_width
        for cell in self._left:
            text = literal(cell.text)
            length = Segment(text).cell_length
            if length > room:
                text = fit_text(text, room)
                length = room
            if text:
                segments.append(Segment(text, base + palette.style(cell.style)))
            room -= length
            if room <= 0:
                break
        if room > 0:
            segments.append(Segment(self._fill * room, base + palette.style(self._fill_style)))
        segments += [Segment(text, base + palette.style(style)) for text, style in right]
        if palette.ascii:
            segments = [Segment(ascii_twin(segment.text), segment.style) for segment in segments]
        return Strip(segments, width).adjust_cell_length(width, base)
