"""The keys of the log screen that change how the log is shown."""

from __future__ import annotations

from quarterdeck.screens.base import VerbScreen
from quarterdeck.screens.logstream import LEVELS, json_columns
from quarterdeck.views.fmt import stamp
from quarterdeck.widgets.logview import LogView
from quarterdeck_lifecycle.instant import Instant


class LogKeys(VerbScreen):
    """Following, pausing, levels, wrapping, columns, markers, hits: nothing is asked of a system."""

    place = "log"

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._level = 0
        self._filter = ""

    @property
    def view(self) -> LogView:
        """The log's widget."""
        return self.query_one(LogView)

    def show_state(self) -> None:
        """Show what holds now in the title; each screen's own."""
        raise NotImplementedError

    def do_log_follow(self) -> None:
        """Follow the end, or not."""
        self.view.follow = not self.view.follow
        self.show_state()

    def do_log_pause(self) -> None:
        """Stand still, or go on."""
        self.view.paused = not self.view.paused
        self.show_state()

    def do_log_wrap(self) -> None:
        """Wrap long lines, or not."""
        self.view.wrap = not self.view.wrap

    def do_log_times(self) -> None:
        """Show times, or not."""
        self.view.timestamps = not self.view.timestamps

    def do_log_columns(self) -> None:
        """Fields of JSON lines as columns, or not."""
        self.view.columns = None if self.view.columns else json_columns

    def do_log_marker(self) -> None:
        """A line to find again."""
        self.view.add_marker(f"marked at {stamp(self.app.now())}", self.app.now())

    def do_instant_take(self) -> None:
        """Everything goes to the time of the hit, else of the first line in sight."""
        at = self.view.time_in_sight
        if at is None:
            self.app.say("no line in sight carries a time", "warning")
        else:
            self.app.moment.put(Instant(at, "log line"))

    def do_log_level(self) -> None:
        """All, warnings and above, errors only."""
        self._level = (self._level + 1) % len(LEVELS)
        self._filter = ""
        self.view.set_filter(LEVELS[self._level][1] or None)
        self.show_state()

    def do_top(self) -> None:
        """The first kept line."""
        self.view.action_scroll_home()

    def do_bottom(self) -> None:
        """The last line, and follow."""
        self.view.action_scroll_end()

    def do_up(self) -> None:
        """One up."""
        self.view.action_scroll_up()

    def do_down(self) -> None:
        """One down."""
        self.view.action_scroll_down()

    def do_hit_next(self) -> None:
        """Next hit of a search; without one, live again when the deck stands at an instant."""
        if not self.view.searching and self.app.moment.live():
            return
        self._told(self.view.next_hit())

    def do_hit_previous(self) -> None:
        """Previous hit."""
        self._told(self.view.previous_hit())

    def _told(self, found: bool) -> None:
        if not found:
            self.app.say("no hit", "warning")
