"""The scrolling half of the log: lines come in at any rate, frames go out at ``fps``."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from textual.geometry import Region, Size
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget

from quarterdeck_lifecycle.text import LogLine

from .logframe import LogFrame
from .palette import Palette

_FILTER_STEP = 10_000
_WRAP_STEP = 2_000
"""Lines looked at in one go, so that no step holds the keyboard up for long."""


class LogState(NamedTuple):
    """What a title says about a log; every number counts lines."""

    kept: int
    shown: int
    """Those that pass the filter."""
    dropped: int
    """Those that went because memory is bounded."""
    pending: int
    """Those that came while the view was paused, or that the filter has not looked at yet."""
    follow: bool
    paused: bool


class LogScroll(LogFrame):
    """Keeps and scrolls lines; what finds and chooses among them is the subclass's work."""

    class StateChanged(Message):
        """Something that a title shows has changed; at most one a frame."""

        def __init__(self, view: "LogScroll", state: LogState) -> None:
            super().__init__()
            self.view = view
            self.state = state

        @property
        def control(self) -> "LogScroll":
            """The log."""
            return self.view

    def __init__(
        self,
        *,
        max_lines: int = 50_000,
        max_bytes: int = 64 << 20,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(max_lines=max_lines, max_bytes=max_bytes, name=name, id=id, classes=classes)
        self.fps = 15.0
        """Frames a second at the most; 4 suits a slow link."""
        self._pattern: re.Pattern[str] | None = None
        self._inverse = False
        self._follow = True
        self._paused = False
        self._coming: list[Sequence[LogLine]] = []
        self._coming_count = 0
        self._timer: Timer | None = None
        self._flushed_at = float("-inf")
        self._anchor: int | None = None
        self._shown = 0
        self._own_scroll = False
        self._state: LogState | None = None

    @property
    def state(self) -> LogState:
        """The numbers and modes of now."""
        return LogState(
            len(self._buffer),
            self._window.count,
            self._buffer.dropped,
            self._window.behind,
            self._follow,
            self._paused,
        )

    @property
    def dropped(self) -> int:
        """Lines that went because memory is bounded."""
        return self._buffer.dropped

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add the newest lines; they are painted with the next frame. The sequence is kept: leave it alone."""
        if not lines:
            return
        self._coming.append(lines)
        self._coming_count += len(lines)
        if self._coming_count > self._buffer.max_lines:
            self._absorb()
        self._wake()

    def show_now(self) -> None:
        """Show what was added without waiting for the next frame."""
        self._flush()

    def clear(self) -> None:
        """Forget every line."""
        self._absorb()
        self._buffer.clear()
        self._restart()

    def on_mount(self) -> None:
        """Show what came before there was a screen."""
        self._palette = Palette.of(self.app)
        self._look = replace(self._look, ascii=self._palette.ascii)
        self._flush()

    def on_resize(self) -> None:
        """Wrapped lines take other rows in another width; the end stays in sight."""
        if self._wrap and self._wrap_width != self._width:
            self._restart()
        else:
            self._sync(0)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up ends following, the end takes it up again."""
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.position = new_value
        if round(old_value) == round(new_value):
            return
        if not self._own_scroll:
            self.refresh(self.size.region)
            self._anchor = None
            self._set_follow(new_value >= self.max_scroll_y)

    def _set_follow(self, follow: bool) -> None:
        if follow != self._follow:
            self._follow = follow
            self._tell()

    def _wake(self) -> None:
        if self._timer is None and self.is_running:
            wait = self._flushed_at + 1 / self.fps - time.monotonic()
            self._timer = self.set_timer(max(wait, 0.001), self._flush)

    def _absorb(self) -> None:
        coming, self._coming, self._coming_count = self._coming, [], 0
        for lines in coming:
            self._buffer.append(lines)

    def _flush(self) -> None:
        """One frame: take in what came, keep the view where it belongs, paint what is new."""
        self._timer = None
        self._flushed_at = time.monotonic()
        self._absorb()
        gone = self._window.trim()
        if not self._paused:
            self._window.advance(_WRAP_STEP if self._wrap else _FILTER_STEP)
        self._sync(gone)
        if self._window.behind and not self._paused and self.is_running and self._timer is None:
            self._timer = self.set_timer(0.001, self._flush)
        self._tell()

    def _sync(self, gone: int) -> None:
        """Give the scroll bar its size and the view its place after ``gone`` rows went from the top."""
        self._origin += gone
        if not self.size:
            return
        page, rows = self._page, self._window.rows
        new_from, self._shown = max(self._shown - gone, 0), rows
        stays = not gone and rows <= page
        top = round(self.scroll_y) - gone
        if self._follow:
            top = rows - page
        elif self._anchor is not None:
            place = self._window.at_or_after(self._anchor)
            top = self._window.row_of(min(place, self._window.count))
            if place < self._window.count or not self._window.behind:
                self._anchor = None
        else:
            stays = top >= 0
        top = max(top, 0)
        self._scroll_quietly(top, Size(self._needed_width, max(rows, page)))
        if not stays:
            self.refresh()
        elif new_from < rows and new_from - top < page:
            line = max(new_from - top, 0)
            self.refresh(Region(0, line, self._width, page - line))

    def _scroll_quietly(self, top: int, size: Size) -> None:
        """Scroll as the log itself does, which is not the operator's doing; the caller has it painted."""
        self._own_scroll = True
        try:
            if size != self.virtual_size:
                self.set_reactive(Widget.virtual_size, size)
                self._scroll_update(size)
            self.scroll_to(y=top, animate=False, force=True)
        finally:
            self._own_scroll = False

    def _restart(self) -> None:
        """Fill the window anew: another filter, another width of wrapped lines."""
        if not self._follow and self._window.count:
            self._anchor = self._number_at(round(self.scroll_y))
        self._wrap_width = self._width
        self._window.reset(self._pattern, self._inverse, self._height if self._wrap else None)
        self._origin = self._shown = 0
        self._compositions.clear()
        self._flush()
        self.refresh()

    def _number_at(self, row: int) -> int:
        """The number of the line that a row shows."""
        return self._window.number(min(self._window.locate(row)[0], self._window.count - 1))

    def _tell(self) -> None:
        state = self.state
        if state != self._state:
            self._state = state
            self.post_message(self.StateChanged(self, state))
