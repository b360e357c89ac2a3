"""The cursor of a table: keys, mouse and marks over rows that are held by key."""

import time
from collections.abc import Callable, Hashable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.scroll_view import ScrollView

from .rowmodel import RowModel


class CursorTable(ScrollView, can_focus=True, inherit_bindings=False):
    """What moves and marks in a table; painting and filling it are the subclass's work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", show=False),
        Binding("down", "cursor_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home", "cursor_home", show=False),
        Binding("end", "cursor_end", show=False),
        Binding("enter", "select_row", show=False),
        Binding("space", "toggle_mark", show=False),
    ]

    class TableMessage(Message):
        """A message about one row; ``is_ghost`` says that the row has gone meanwhile."""

        def __init__(self, table: "CursorTable", key: Hashable, is_ghost: bool) -> None:
            super().__init__()
            self.table = table
            self.key = key
            self.is_ghost = is_ghost

        @property
        def control(self) -> "CursorTable":
            """The table."""
            return self.table

    class RowSelected(TableMessage):
        """Enter, or a double click, on a row."""

    class CursorMoved(TableMessage):
        """The cursor is on another key than before."""

    class HeaderSelected(Message):
        """A click on the title of the column with the key ``column``."""

        def __init__(self, table: "CursorTable", column: str) -> None:
            super().__init__()
            self.table = table
            self.column = column

        @property
        def control(self) -> "CursorTable":
            """The table."""
            return self.table

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.clock: Callable[[], float] = time.monotonic
        """What tells the seconds that pass; tests put their own here."""
        self._model = RowModel()
        self._moved_at = float("-inf")
        self._anchor: Hashable = None

    @property
    def cursor_key(self) -> Hashable | None:
        """The key under the cursor, a ghost's too; None in a table without rows."""
        row = self._model.cursor_row
        return None if row is None else row.key

    @property
    def cursor_is_ghost(self) -> bool:
        """The row under the cursor has gone: a verb on it must be refused."""
        return self._model.ghost

    @property
    def marked(self) -> set[Hashable]:
        """The marked keys (a copy); a row that goes loses its mark."""
        return set(self._model.marked)

    def clear_marks(self) -> None:
        """Unmark every row."""
        self._model.marked.clear()
        self._show_changes()

    def unmark(self, key: Hashable) -> None:
        """Unmark one row, if it is marked."""
        self._model.marked.discard(key)
        self._show_changes()

    def move_to_key(self, key: Hashable) -> bool:
        """Put the cursor on that row; False if it is not there."""
        place = self._model.place_of(key)
        if place is None:
            return False
        self._move(place)
        return True

    def action_cursor_up(self) -> None:
        """One row up."""
        self._move(self._model.cursor - 1)

    def action_cursor_down(self) -> None:
        """One row down."""
        self._move(self._model.cursor + 1)

    def action_page_up(self) -> None:
        """One screenful up."""
        self._move(self._model.cursor - max(self._page - 1, 1))

    def action_page_down(self) -> None:
        """One screenful down."""
        self._move(self._model.cursor + max(self._page - 1, 1))

    def action_cursor_home(self) -> None:
        """To the first row."""
        self._move(0)

    def action_cursor_end(self) -> None:
        """To the last row."""
        self._move(len(self._model.rows) - 1)

    def action_select_row(self) -> None:
        """Tell that the row under the cursor was chosen."""
        if self._model.rows:
            self.post_message(self.RowSelected(self, self.cursor_key, self.cursor_is_ghost))

    def action_toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor and go one down."""
        if self._model.toggle_mark():
            self._anchor = self.cursor_key
            self._show_changes()
        self._move(self._model.cursor + 1)

    def action_mark_range(self) -> None:
        """Mark every row from the one marked last to the cursor."""
        start = self._model.place_of(self._anchor)
        if start is not None and self._model.mark_between(start, self._model.cursor):
            self._show_changes()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a double one chooses the row, one on a title tells which."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            column = self._column_at(offset.x)
            if column is not None:
                self.post_message(self.HeaderSelected(self, column))
            return
        place = round(self.scroll_y) + offset.y - 1
        if place < len(self._model.rows):
            self._move(place)
            if event.chain == 2:
                self.action_select_row()

    def on_focus(self) -> None:
        """The cursor shows that the table has the keyboard."""
        self._show_changes()

    def on_blur(self) -> None:
        """The cursor shows that the table has not."""
        self._show_changes()

    def on_resize(self) -> None:
        """The cursor stays on the screen in another size too."""
        self._sync_height()
        self._scroll_to_cursor()

    @property
    def _page(self) -> int:
        return max(self.size.height - 1, 1)

    def _move(self, place: int) -> None:
        if not self._model.move_to(place):
            return
        self._moved_at = self.clock()
        self._sync_height()
        self._scroll_to_cursor()
        self._show_changes()
        self.post_message(self.CursorMoved(self, self.cursor_key, False))

    def _scroll_to_cursor(self) -> None:
        place, top, page = self._model.cursor, round(self.scroll_y), self._page
        if place >= 0 and self.size and not top <= place < top + page:
            self.scroll_to(y=place if place < top else place - page + 1, animate=False, force=True)

    def _column_at(self, x: int) -> str | None:
        """The key of the column at that cell of a line."""
        raise NotImplementedError

    def _sync_height(self) -> None:
        """Tell the scroll bar how many lines there are."""
        raise NotImplementedError

    def _show_changes(self) -> None:
        """Have what differs from what was painted last painted again."""
        raise NotImplementedError
