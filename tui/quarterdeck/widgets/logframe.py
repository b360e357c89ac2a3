"""The painting half of the log: which line a row shows, and how."""

import re
from typing import NamedTuple

from textual.cache import LRUCache
from textual.scroll_view import ScrollView
from textual.strip import Strip

from quarterdeck_lifecycle.text import LogLine, Span

from .logbuffer import LogBuffer, LogWindow
from .logpaint import WRAP_CHARS, Look, paint, rows_of
from .palette import Palette

_MAX_HITS = 100
_PREFIX = 40
"""Cells that time and source may take in front of a line."""


class _Composed(NamedTuple):
    text: str
    spans: list[Span]
    rows: list[tuple[int, int]]


class LogFrame(ScrollView, can_focus=True, inherit_bindings=False):
    """Paints the rows of a window on a buffer of lines; filling and scrolling it are the subclass's work."""

    DEFAULT_CSS = """
    LogFrame { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    def __init__(
        self,
        *,
        max_lines: int = 50_000,
        max_bytes: int = 64 << 20,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._buffer = LogBuffer(max_lines, max_bytes)
        self._window = LogWindow(self._buffer)
        self._look = Look()
        self._search: re.Pattern[str] | None = None
        self._hit: int | None = None
        self._wrap = False
        self._origin = 0
        self._palette: Palette | None = None
        self._limit = 0
        self._laid_width = self._wrap_width = 0
        self._compositions: LRUCache[int, _Composed] = LRUCache(512)

    def notify_style_update(self) -> None:
        """Another theme or style: everything is painted anew."""
        super().notify_style_update()
        self._palette = None

    def render_line(self, y: int) -> Strip:
        """The strip of one line of the screen."""
        if self._palette is None:
            self._palette = Palette.of(self.app)
        base, width, row = self.rich_style, self._width, round(self.scroll_y) + y
        index, part = self._window.locate(row) if row < self._window.rows else (-1, 0)
        line = self._window.line(index) if index >= 0 else None
        if line is None:
            return Strip.blank(width, base)
        number = self._window.number(index)
        text, spans, rows = self._composition(number, line, width)
        start, end = rows[min(part, len(rows) - 1)]
        strip = Strip(paint(text, self._with_marks(text, spans, number, row, start), start, end, self._palette, base))
        left = 0 if self._wrap else round(self.scroll_x)
        return strip.crop_extend(left, left + width, base).apply_offsets(left, self._origin + row)

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _needed_width(self) -> int:
        """The cells that the longest line takes, about, its prefix too."""
        return self._width if self._wrap else max(self._buffer.longest + _PREFIX, self._width)

    @property
    def _page(self) -> int:
        return max(self.scrollable_content_region.height, 1)

    def _composition(self, number: int, line: LogLine, width: int) -> _Composed:
        """The line as it is shown; of a long one no more than can be seen is looked at."""
        limit = WRAP_CHARS if self._wrap else 1 << (4 * (round(self.scroll_x) + width)).bit_length()
        if limit != self._limit or width != self._laid_width:
            self._limit, self._laid_width = limit, width
            self._compositions.clear()
        known = self._compositions.get(number)
        if known is None:
            text, spans = self._look.compose(line, limit)
            rows = rows_of(text, width) if self._wrap else [(0, len(text))]
            known = self._compositions[number] = _Composed(text, spans, rows)
        return known

    def _with_marks(self, text: str, spans: list[Span], number: int, row: int, start: int) -> list[Span]:
        """The styles of a line with what was found and selected on top."""
        over: list[Span] = []
        if self._search is not None:
            name = "hit-now" if number == self._hit else "hit"
            for match in self._search.finditer(text):
                over.append((*match.span(), name))
                if len(over) >= _MAX_HITS:
                    break
        selection = self.text_selection
        if selection is not None:
            chosen = selection.get_span(self._origin + row)
            if chosen is not None:
                last = len(text) if chosen[1] < 0 else chosen[1] + start
                over.append((chosen[0] + start, last, "select"))
        return spans + over if over else spans

    def _height(self, line: LogLine) -> int:
        return self._look.height(line, self._wrap_width)
