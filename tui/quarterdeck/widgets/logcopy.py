"""What can be copied from a log: the lines in sight, and what the mouse has selected."""

from textual.selection import Selection

from quarterdeck_lifecycle.text import LogLine

from .logscroll import LogScroll

_WHOLE = 1 << 24


class LogCopy(LogScroll):
    """Gives out lines as plain text, as they are shown but whole."""

    def visible_text(self) -> str:
        """The lines in sight, each whole, as plain text."""
        if not self._window.count:
            return ""
        first = self._top_index
        last = self._window.locate(min(round(self.scroll_y) + self._page, self._window.rows) - 1)[0]
        return "\n".join(self._whole(index) for index in range(first, last + 1))

    def kept_lines(self) -> list[LogLine]:
        """Every line that is kept, oldest first, whatever the filter shows."""
        self._absorb()
        return self._buffer.slice(self._buffer.first, self._buffer.end)

    def selected_text(self) -> str | None:
        """What is selected with the mouse; None if nothing is."""
        selection = self.text_selection
        found = self.get_selection(selection) if selection is not None else None
        return found[0] if found is not None else None

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected part of the rows, for the screen's own copying."""
        first = 0 if selection.start is None else max(selection.start.y - self._origin, 0)
        last = self._window.rows - 1
        if selection.end is not None:
            last = min(selection.end.y - self._origin, last)
        rows = []
        for row in range(first, last + 1):
            text, span = self._row_text(row), selection.get_span(row + self._origin)
            if span is not None:
                rows.append(text[span[0] : None if span[1] < 0 else span[1]])
        return "\n".join(rows), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """What is selected shows."""
        super().selection_updated(selection)
        self.refresh()

    @property
    def _top_index(self) -> int:
        return min(self._window.locate(round(self.scroll_y))[0], max(self._window.count - 1, 0))

    def _whole(self, index: int) -> str:
        line = self._window.line(index)
        return "" if line is None else self._look.compose(line, _WHOLE)[0]

    def _row_text(self, row: int) -> str:
        index, part = self._window.locate(row)
        if not self._wrap:
            return self._whole(index)
        line = self._window.line(index)
        if line is None:
            return ""
        text, _, rows = self._composition(self._window.number(index), line, self._width)
        start, end = rows[min(part, len(rows) - 1)]
        return text[start:end]
