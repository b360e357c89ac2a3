"""The log: follow and pause, search, filter, wrap, times, sources, fields as columns, markers, copying."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from quarterdeck_lifecycle.text import LogLine

from .logbuffer import MARKER
from .logcopy import LogCopy
from .logpaint import Columns, Look, cells_before


def compile_pattern(expression: str) -> re.Pattern[str]:
    """A regular expression as ``/`` takes it: upper and lower case differ only if it holds upper case.

    Raises ValueError, with the place and the reason, for one that is none.
    """
    flags = re.NOFLAG if any(char.isupper() for char in expression) else re.IGNORECASE
    try:
        return re.compile(expression, flags)
    except (re.error, OverflowError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
        reason = error.msg if isinstance(error, re.error) else str(error)
        raise ValueError(f"not a regular expression{where}: {reason}") from None


class LogView(LogCopy):
    """A log of any rate and length in bounded memory; every text is literal.

    It follows its end until the operator scrolls up, and again from the end on. Lines that are dropped are
    counted (``state``). Colours are the line's own; a line without any shows its level.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home", "scroll_home", show=False),
        Binding("end", "scroll_end", show=False),
        Binding("left", "scroll_left", show=False),
        Binding("right", "scroll_right", show=False),
    ]

    class OlderWanted(Message):
        """The operator scrolls up at the first line: call ``prepend`` with older ones, or with none."""

        def __init__(self, view: "LogView") -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> "LogView":
            """The log."""
            return self.view

    _older_asked = False

    @property
    def follow(self) -> bool:
        """The newest lines stay in sight."""
        return self._follow

    @follow.setter
    def follow(self, follow: bool) -> None:
        self._anchor = None
        self._set_follow(follow)
        self._sync(0)

    @property
    def paused(self) -> bool:
        """Lines come in and are kept, but the view stands still."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._flush()

    @property
    def wrap(self) -> bool:
        """Long lines go on in the next row."""
        return self._wrap

    @wrap.setter
    def wrap(self, wrap: bool) -> None:
        if wrap != self._wrap:
            self._wrap = wrap
            self._restart()

    @property
    def timestamps(self) -> bool:
        """Each line begins with its time."""
        return self._look.timestamps

    @timestamps.setter
    def timestamps(self, shown: bool) -> None:
        self._set_look(replace(self._look, timestamps=shown))

    @property
    def sources(self) -> bool:
        """Each line begins with who wrote it."""
        return self._look.sources

    @sources.setter
    def sources(self, shown: bool) -> None:
        self._set_look(replace(self._look, sources=shown))

    @property
    def columns(self) -> Columns | None:
        """What splits a line into fields, such as those of JSON; None shows lines as they came."""
        return self._look.columns

    @columns.setter
    def columns(self, columns: Columns | None) -> None:
        self._set_look(replace(self._look, columns=columns))

    def set_format_time(self, format_time: Callable[[float], str]) -> None:
        """How a time in seconds since the epoch is shown (12 cells); at first it is UTC."""
        self._set_look(replace(self._look, format_time=format_time))

    def set_filter(self, expression: str | None, inverse: bool = False) -> None:
        """Show only lines that match (``inverse``: that do not), markers always; None shows all.

        Raises ValueError for an expression that is none; the filter stays as it was.
        """
        self._pattern = compile_pattern(expression) if expression else None
        self._inverse = inverse
        self._restart()

    def search(self, expression: str | None) -> bool:
        """Highlight what matches and go to the first hit from the top of the view on; False if there is none.

        None ends the search. Raises ValueError for an expression that is none.
        """
        self._search = compile_pattern(expression) if expression else None
        self._hit = None
        self.refresh()
        return self._search is not None and self._go_to_hit(self._top_index, 1)

    def next_hit(self) -> bool:
        """Go to the next hit, after the last one to the first; False if there is none."""
        return self._go_to_hit(self._hit_index + 1, 1)

    def previous_hit(self) -> bool:
        """Go to the hit before, from the first one to the last; False if there is none."""
        return self._go_to_hit(self._hit_index - 1, -1)

    def go_to_time(self, at: float) -> bool:
        """Put the first line of that time (seconds since the epoch) or later at the top; False if none is."""
        for index in range(self._window.count):
            line = self._window.line(index)
            if line is not None and line.at is not None and line.at >= at:
                self._go_to_row(self._window.row_of(index))
                return True
        return False

    @property
    def searching(self) -> bool:
        """Hits of a search are shown."""
        return self._search is not None

    @property
    def time_in_sight(self) -> float | None:
        """The time of the hit that was gone to, else of the first line in sight that has one, in epoch seconds."""
        for index in range(self._hit_index, self._window.count):
            line = self._window.line(index)
            if line is not None and line.at is not None:
                return line.at
        return None

    def add_marker(self, text: str, at: float | None = None) -> None:
        """Put a line of the operator's own behind the newest one."""
        self.append([LogLine(text, (), MARKER, at)])

    def prepend(self, lines: Sequence[LogLine]) -> int:
        """Add older lines above; how many there was room for. The view stays on what it shows."""
        self._older_asked = False
        self._absorb()
        gone = self._window.trim()
        added = self._buffer.prepend(lines)
        rows = self._window.prepended(added)
        self._sync(gone - rows)
        self.refresh()
        self._tell()
        return added

    def action_scroll_up(self) -> None:
        """One row up; at the first one, ask for older lines."""
        self._go_by(-1)

    def action_scroll_down(self) -> None:
        """One row down."""
        self._go_by(1)

    def action_page_up(self) -> None:
        """One screenful up; at the first row, ask for older lines."""
        self._go_by(1 - max(self._page, 2))

    def action_page_down(self) -> None:
        """One screenful down."""
        self._go_by(max(self._page, 2) - 1)

    def action_scroll_home(self) -> None:
        """To the first line."""
        self._go_by(-round(self.scroll_y))

    def action_scroll_end(self) -> None:
        """To the last line, and follow."""
        self.follow = True

    def action_scroll_left(self) -> None:
        """Eight cells to the left."""
        self.scroll_to(x=max(self.scroll_x - 8, 0), animate=False, force=True)

    def action_scroll_right(self) -> None:
        """Eight cells to the right."""
        self.scroll_to(x=self.scroll_x + 8, animate=False, force=True)

    def on_mouse_scroll_up(self, _event: events.MouseScrollUp) -> None:
        """The wheel asks for older lines as the keys do."""
        if round(self.scroll_y) == 0:
            self._want_older()

    @property
    def _hit_index(self) -> int:
        return self._top_index if self._hit is None else self._window.at_or_after(self._hit)

    def _set_look(self, look: Look) -> None:
        self._look = look
        self._restart()

    def _want_older(self) -> None:
        if not self._older_asked:
            self._older_asked = True
            self.post_message(self.OlderWanted(self))

    def _go_by(self, rows: int) -> None:
        if rows <= 0 and round(self.scroll_y) == 0:
            self._set_follow(False)
            self._want_older()
        self.scroll_to(y=round(self.scroll_y) + rows, animate=False, force=True)
        if rows > 0 and self.scroll_y >= self.max_scroll_y:
            self._set_follow(True)

    def _go_to_row(self, row: int) -> None:
        self._set_follow(False)
        self.scroll_to(y=row, animate=False, force=True)

    def _go_to_hit(self, start: int, step: int) -> bool:
        search, window = self._search, self._window
        if search is None:
            return False
        count = window.count
        for index in ((start + step * n) % count for n in range(count)):
            line = window.line(index)
            if line is None or search.search(line.text) is None:
                continue
            self._hit = window.number(index)
            row, top = window.row_of(index), round(self.scroll_y)
            self._set_follow(False)
            if not top <= row < top + self._page:
                self._go_to_row(max(row - self._page // 3, 0))
            self._show_column(index)
            self.refresh()
            return True
        return False

    def _show_column(self, index: int) -> None:
        """Scroll sideways if the hit in that line is out of sight."""
        text = self._whole(index)
        match = None if self._wrap or self._search is None else self._search.search(text)
        if match is None:
            return
        left, x = cells_before(text, match.start()), round(self.scroll_x)
        if not x <= left < x + self._width:
            self.scroll_to(x=max(left - self._width // 3, 0), animate=False, force=True)
