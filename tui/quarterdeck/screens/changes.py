"""What changed in seven days, across all systems, newest first. A window on the database, whatever its length."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult

from quarterdeck.screens.base import VerbScreen
from quarterdeck.screens.changed import open_change, show_diff
from quarterdeck.screens.changestable import ChangesTable
from quarterdeck.views.changes import COLUMNS, DIVIDER, asked_cells, change_row, divider, place_of_divider
from quarterdeck.widgets.cells import Cell, Row
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.changepages import ChangePages
from quarterdeck_lifecycle.goodhour import Hour
from quarterdeck_lifecycle.instant import Instant
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

NEAR = 120
"""So many rows before the end of what is held, more are read."""


class ChangesScreen(VerbScreen):
    """Seven days of changes, filterable, with the last good hour as a divider; Enter goes to the row or its diff."""

    place = "changes"
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("change.open", "open"), ("change.diff", "diff"), ("instant.take", "this moment"), ("filter", "filter"),
        ("change.environment", "environment"), ("change.system", "system"), ("change.by", "by"),
        ("change.good", "good hour"), ("help", "keys"),
    )  # fmt: skip

    def __init__(self, boot: Boot) -> None:
        super().__init__("changes of 7 days, newest first")
        self._boot = boot
        self._pages = ChangePages(boot.changelog, boot.now)
        self._made: dict[str, tuple[ChangeRow, Row]] = {}
        self._counts: tuple[int, int] | None = None
        self._hour: Hour | None = None
        self._since = 0
        self._reading = False

    def body(self) -> ComposeResult:
        """The table, and a prompt for the filter."""
        yield ChangesTable(COLUMNS)
        yield PromptBar()

    @property
    def table(self) -> ChangesTable:
        """The table."""
        return self.query_one(ChangesTable)

    def on_mount(self) -> None:
        """Read the first page, and be told of more."""
        super().on_mount()
        self._pages = ChangePages(self._boot.changelog, self.app.now)
        self.table.hold_resort_s = 0.0
        self.table.empty = ["reading them"]
        self.table.focus()
        self._boot.hub.changes.append(self._told)
        self.app.lately.moved.append(self._more_past)
        self._unfollow = self.app.moment.listen(self._go_to_instant)
        self._go_to_instant()

    def on_unmount(self) -> None:
        """No more."""
        self._boot.hub.changes.remove(self._told)
        self.app.lately.moved.remove(self._more_past)
        self._unfollow()

    # reading

    def _told(self, rows: Sequence[ChangeRow]) -> None:
        if self._pages.told(rows):
            self.app.work(self._count(), "counting changes")
            self.show_rows()

    def _more_past(self) -> None:
        """More of what happened before the deck was opened: those who look at the newest ones see it at once."""
        if self._pages.newest and self.app.moment.at is None:
            self.read(self._pages.first, lambda: self.table.cursor_key)

    def _go_to_instant(self) -> None:
        at = self.app.moment.at
        if at is None:
            self.read(self._pages.first, "first")
        else:
            self._read_around(at)

    def _read_around(self, at: float) -> None:
        found: list[ChangeRow | None] = []

        async def around() -> None:
            found.append(await self._pages.around(at))

        self.read(around, lambda: found[0].id if found[0] else None)

    def read(
        self, page: Callable[[], Awaitable[object]],
        to: Callable[[], Hashable] | Literal["first", "last", ""] = "",
    ) -> None:  # fmt: skip
        """Read part of the list, show it and go to a row of it; what cannot be read is said."""

        async def work() -> None:
            try:
                await page()
            except StateError as error:
                self.app.say(str(error), "error")
                return
            finally:
                self._reading = False
            if not self.is_running:
                return
            self._hour = self.app.lately.good_hour()
            self.show_rows()
            if self._pages.rows:
                ends = {"first": self._pages.rows[0].id, "last": self._pages.rows[-1].id}
                key = to() if callable(to) else ends.get(to)
                if key:
                    self.table.move_to_key(key)
            if to:
                await self._count()

        self._reading = True
        self.app.work(work(), "changes")

    async def _count(self) -> None:
        log, asked, since = self._boot.changelog, self._pages.asked, self._pages.since
        try:
            total = await log.count(since)
            kept = await log.count(since, asked) if asked else total
            if self._hour is not None:
                self._since = await log.count(datetime.fromtimestamp(self._hour.end, UTC))
        except StateError as error:
            self.app.say(str(error), "error")
            return
        if self.is_running and asked is self._pages.asked:
            self._counts = kept, total
            self.show_rows()

    def show_rows(self) -> None:
        """What is held now."""
        pages, now = self._pages, self.app.now()
        known, self._made = self._made, {}
        for row in pages.rows:
            entry = known.get(row.id)
            self._made[row.id] = entry if entry and entry[0] is row else (row, change_row(row, now))
        rows = [row for _, row in self._made.values()]
        place = place_of_divider(pages.rows, self._hour, pages.newest, pages.oldest)
        if place is not None and self._hour is not None:
            rows.insert(place, divider(self._hour, self._since, now))
        self.table.empty = ["nothing matches" if pages.asked else "no change was seen in 7 days"]
        self.table.set_rows(rows, ghosts=False)
        shown = "" if self._counts is None else f": {self._counts[0]:,} of {self._counts[1]:,}"
        self.entitle(f"changes of 7 days, newest first{shown}", asked_cells(pages.asked) or [Cell("")])

    @on(RecordTable.CursorMoved)
    def moved(self) -> None:
        """The next page when the cursor comes near an end."""
        key, rows = self.table.cursor_key, self._pages.rows
        if self._reading or not rows:
            return
        if not self._pages.oldest and any(row.id == key for row in rows[-NEAR:]):
            self.read(self._pages.older)
        elif not self._pages.newest and any(row.id == key for row in rows[:NEAR]):
            self.read(self._pages.newer)

    # asking for less

    def _ask(self, **asked: str) -> None:
        self._pages.asked = replace(self._pages.asked, **asked)
        self._counts = None
        if problem := self._pages.asked.problem:
            self.app.say(problem, "warning")
        self.entitle("changes of 7 days, newest first: looking", asked_cells(self._pages.asked))
        at = self.app.moment.at
        if at is None:
            self.read(self._pages.first, "first")
        else:
            self._read_around(at)

    def do_filter(self) -> None:
        """Type an expression."""
        self.query_one(PromptBar).open("/", self._pages.asked.matching)

    def on_prompt_bar_closed(self, event: PromptBar.Closed) -> None:
        """Enter filters, Escape shows all."""
        self.table.focus()
        self._ask(matching=event.value if event.kept else "")

    def do_change_environment(self) -> None:
        """Choose one."""
        self.app.work(self._choose("environment"), "environments")

    def do_change_system(self) -> None:
        """Choose one."""
        self.app.work(self._choose("system"), "systems")

    async def _choose(self, column: Literal["environment", "system"]) -> None:
        known = await self._boot.changelog.known(column)
        if self.is_running:
            choices = [(f"all {column}s", ""), *((name, name) for name in known)]
            self.app.choose(f"changes of which {column}", choices, lambda name: self._ask(**{column: name}))

    def do_change_by(self) -> None:
        """Us, outside, all."""
        order = {"": "us", "us": "outside", "outside": ""}
        self._ask(by=order[self._pages.asked.by])

    def do_change_again(self) -> None:
        """Read them again."""
        self.app.work(self.app.lately.read(), "changes")
        self.read(self._pages.first, "first")

    # going

    def do_change_good(self) -> None:
        """To the divider."""
        hour = self.app.lately.good_hour()
        if hour is None:
            self.app.say("no good hour is known yet: see ? for what makes one", "warning")
        elif not self.table.move_to_key(DIVIDER):
            self.read(lambda: self._pages.around(hour.end), lambda: DIVIDER)

    def do_change_open(self) -> None:
        """The operation, the commits, the row, or the diff."""
        change = self._current()
        if change is not None:
            open_change(self.app, change)

    def do_change_diff(self) -> None:
        """All that is known of it."""
        change = self._current()
        if change is not None:
            show_diff(self.app, change)

    def do_instant_take(self) -> None:
        """Everything goes to when it happened."""
        change = self._current()
        if change is not None:
            self.app.moment.put(Instant(change.at.timestamp(), "change", change.name))

    @on(RecordTable.RowSelected)
    def chosen(self) -> None:
        """Enter on a row."""
        self.do_change_open()

    def _current(self) -> ChangeRow | None:
        found = self._made.get(str(self.table.cursor_key))
        return None if found is None else found[0]

    def do_top(self) -> None:
        """The newest."""
        if self._pages.newest:
            self.table.move_to_end(-1)
        else:
            self.read(self._pages.first, "first")

    def do_bottom(self) -> None:
        """The oldest."""
        if self._pages.oldest:
            self.table.move_to_end(1)
        else:
            self.read(self._pages.last, "last")

    def do_up(self) -> None:
        """One up."""
        self.table.action_cursor_up()

    def do_down(self) -> None:
        """One down."""
        self.table.action_cursor_down()

    def do_hit_next(self) -> None:
        """Live again, when the deck stands at an instant."""
        self.app.moment.live()
