"""A table of records on Textual's line API: 10,000 rows cost what the visible ones cost."""

from collections.abc import Hashable, Sequence

from textual.cache import LRUCache
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from .cells import Column, Row
from .cursortable import CursorTable
from .palette import Palette
from .rowmodel import held_order
from .rowpaint import Mode, RowPainter

_Line = tuple[Row, Mode] | str | None
"""What a line shows: a row and how it stands, words, or nothing."""


class RecordTable(CursorTable):
    """Rows with a cursor that follows its key, marks, ghosts and a re-sort that waits for the operator.

    Only lines whose cells differ are painted again, and of these only the cells that do. Every text is
    literal. In a locale without UTF-8 (``app.ascii_glyphs``) the signs have ASCII twins.
    """

    DEFAULT_CSS = """
    RecordTable { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.hold_resort_s = 3.0
        """Seconds after the cursor's last move in which rows keep their places."""
        self._columns: tuple[Column, ...] = tuple(columns)
        self._sort: tuple[str | None, bool] = (None, False)
        self._watched: frozenset[Hashable] = frozenset()
        self._empty: tuple[str, ...] = ()
        self._held: list[Row] | None = None
        self._timer: Timer | None = None
        self._painter: RowPainter | None = None
        self._painted: dict[int, _Line] = {}
        self._strips: LRUCache[_Line, Strip] = LRUCache(1024)

    @property
    def rows(self) -> list[Row]:
        """The rows that exist now, in the order shown."""
        return list(self._model.living())

    @property
    def resort_is_held(self) -> bool:
        """Another order has come and waits until the cursor rests."""
        return self._held is not None

    @property
    def empty(self) -> tuple[str, ...]:
        """The lines that a table without rows shows: what was looked for, where, and what mends it."""
        return self._empty

    @empty.setter
    def empty(self, lines: Sequence[str | Content]) -> None:
        self._empty = tuple(line.plain if isinstance(line, Content) else line for line in lines)
        self._show_changes()

    @property
    def watched(self) -> frozenset[Hashable]:
        """The keys whose rows have the sign of a watch in the gutter."""
        return self._watched

    @watched.setter
    def watched(self, keys: frozenset[Hashable]) -> None:
        if keys != self._watched:
            self._watched = keys
            self._show_changes()

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Lay the table out anew with these columns; the rows stay."""
        if tuple(columns) != self._columns:
            self._columns = tuple(columns)
            self._repaint()

    def set_sort(self, key: str | None, reverse: bool = False) -> None:
        """Show the sign of the sort order at that column's title; ordering the rows is the caller's work."""
        if (key, reverse) != self._sort:
            self._sort = (key, reverse)
            self.refresh(Region(0, 0, self.size.width, 1))

    def set_rows(self, rows: Sequence[Row], *, ghosts: bool = True) -> None:
        """Show these rows. Cursor and marks stay on their keys; another order may wait (``hold_resort_s``).

        ``ghosts`` False: what is not among them any more is only not shown (a filter), and leaves no ghost.
        """
        wait = self._moved_at + self.hold_resort_s - self.clock()
        self._held = None
        if wait > 0 and self._model.rows:
            shown = held_order(self._model.living(), rows)
            if any(one.key != other.key for one, other in zip(shown, rows, strict=False)):
                self._held, rows = list(rows), shown
                self._arm(wait)
        self._apply(rows, ghosts)

    def release_held(self) -> None:
        """Apply the order that waits if the cursor has rested long enough, else wait on."""
        self._timer = None
        if self._held is not None:
            self.set_rows(self._held)

    def notify_style_update(self) -> None:
        """Another theme or style: everything is painted anew."""
        super().notify_style_update()
        self._painter = None

    def get_content_height(self, _container: Size, _viewport: Size, _width: int) -> int:
        """The lines that all rows need, with the titles."""
        return self._lines_needed

    def render_line(self, y: int) -> Strip:
        """The strip of one line of the screen; the first one holds the titles."""
        painter = self._ready_painter()
        if y == 0:
            return painter.header(*self._sort)
        line = self._painted[y] = self._line(y)
        strip = self._strips.get(line)
        if strip is None:
            match line:
                case None:
                    strip = Strip.blank(painter.width, painter.base)
                case str():
                    strip = painter.text(line)
                case row, mode:
                    strip = painter.row(row, mode)
            self._strips[line] = strip
        return strip

    @property
    def _width(self) -> int:
        """The cells of a line, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def _lines_needed(self) -> int:
        return 1 + len(self._model.rows) + (0 if self._model.count else len(self._empty))

    def _ready_painter(self) -> RowPainter:
        width = self._width
        painter = self._painter
        if painter is None or painter.width != width:
            painter = RowPainter(self._columns, width, Palette.of(self.app), self.rich_style)
            self._painter = painter
            self._strips.clear()
        return painter

    def _line(self, y: int) -> _Line:
        """What line ``y`` of the screen shows now."""
        model = self._model
        place = round(self.scroll_y) + y - 1
        if place >= len(model.rows):
            line = place - len(model.rows)
            return self._empty[line] if not model.count and line < len(self._empty) else None
        row = model.rows[place]
        mode = Mode.MARKED if row.key in model.marked else Mode.PLAIN
        mode |= Mode.WATCHED if row.key in self._watched else 0
        if place == model.cursor:
            mode |= Mode.CURSOR | (Mode.FOCUSED if self.has_focus else 0) | (Mode.GHOST if model.ghost else 0)
        return row, mode

    def _apply(self, rows: Sequence[Row], ghosts: bool) -> None:
        model, before = self._model, self.cursor_key
        line = model.cursor - round(self.scroll_y)
        seen = 0 <= line < self._page
        model.apply(rows, ghosts)
        self._sync_height()
        if seen and self.scroll_y > 0:
            self.scroll_to(y=model.cursor - line, animate=False, force=True)
        if seen:
            self._scroll_to_cursor()
        self._show_changes()
        if self.cursor_key != before:
            self.post_message(self.CursorMoved(self, self.cursor_key, model.ghost))

    def _column_at(self, x: int) -> str | None:
        return None if self._painter is None else self._painter.column_at(x)

    def _arm(self, seconds: float) -> None:
        if self._timer is None and self.is_running:
            self._timer = self.set_timer(seconds, self.release_held)

    def _sync_height(self) -> None:
        """Tell the scroll bar how many lines there are; no layout, for the table's own size stays."""
        size = Size(0, max(self._lines_needed, self.size.height))
        if self.size and size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)

    def _repaint(self) -> None:
        self._painter = None
        self.refresh()

    def _show_changes(self) -> None:
        """Have those cells painted again that differ from what was painted last."""
        painter = self._painter
        if painter is None or painter.width != self._width:
            self.refresh()
            return
        regions: list[Region] = []
        for y in range(1, self.size.height):
            new, old = self._line(y), self._painted.get(y)
            if new == old:
                continue
            x, width = 0, painter.width
            if isinstance(new, tuple) and isinstance(old, tuple) and new[1] == old[1]:
                x, width = painter.changed_span(old[0], new[0])
            if width:
                regions.append(Region(x, y, width, 1))
        if regions:
            self.refresh(*regions)
