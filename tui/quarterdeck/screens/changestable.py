"""The table of a list of which only a part is held."""

from __future__ import annotations

from quarterdeck.widgets.table import RecordTable


class ChangesTable(RecordTable):
    """A table whose ends are those of the whole list, not of what is held."""

    def action_cursor_home(self) -> None:
        """To the newest one."""
        self.screen.do_top()  # type: ignore[attr-defined]

    def action_cursor_end(self) -> None:
        """To the oldest one."""
        self.screen.do_bottom()  # type: ignore[attr-defined]

    def move_to_end(self, way: int) -> None:
        """To the first (-1) or the last (1) row that is held."""
        if way < 0:
            super().action_cursor_home()
        else:
            super().action_cursor_end()
