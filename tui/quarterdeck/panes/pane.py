"""A pane: its title, the table of its tab, and a foot that says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from quarterdeck.panes.freshness import how_fed, trouble
from quarterdeck.panes.layout import CONTEXT
from quarterdeck.panes.rows import Filter, RowMaker
from quarterdeck.views.catalog import TABS, TITLES
from quarterdeck.views.fmt import STYLES, glyph
from quarterdeck.views.model import Look, View, worst
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.instant import RUNS, up_to, words
from quarterdeck_lifecycle.kinds import Stats
from quarterdeck_lifecycle.records import PANES, Record, Ref, Status
from quarterdeck_lifecycle.serving import served_words


class PaneTitle(Bar):
    """The first line; the whole pane when it is collapsed."""


class PaneNote(Bar):
    """One of the last lines, when something is wrong."""


MOST_NOTES = 3
LINES_A_NOTE = 6
"""A pane gives every sixth of its lines to what is wrong, and one at the least."""


class Pane(Vertical):
    """One of the five. Shows what the hub has; asks nobody itself."""

    class TabChanged(Message):
        """Another kind is shown, and may have to be fed."""

        def __init__(self, pane: Pane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(
        self, name: str, hub: Hub, now: Callable[[], float] = time.time, collapsed: bool = False
    ) -> None:
        super().__init__(id=name, classes="-collapsed" if collapsed else "")
        self.pane = name
        self.hub = hub
        self.now = now
        self.views = TABS[name]
        self.tab = 0
        self.colours: Mapping[str, str] = {}
        self.stats: dict[Ref, Stats] = {}
        self.collapsed = collapsed
        self.looked_for: tuple[str, ...] = ()
        self.makers = {view.kind: RowMaker(view) for view in self.views}
        self._total = 0
        self._soon = False
        self._chosen = False
        self.named: Callable[[], str] = str
        """The name of the view that is shown, if it has one."""
        self.until: float | None = None
        """The instant that runs are shown up to, in epoch seconds; None while all is live."""
        self._notes: list[PaneNote] = []
        """In the pane once there was something to say, one for each failing source."""
        self._served: tuple[int, Mapping[tuple[str, str], str]] = (-1, {})

    def compose(self) -> ComposeResult:
        """Title, and table; the foot comes when it is needed."""
        yield PaneTitle(fill="─")
        table = RecordTable()
        table.set_columns(self.maker.layout.columns)
        yield table

    @property
    def view(self) -> View:
        """The tab that is shown."""
        return self.views[self.tab]

    @property
    def maker(self) -> RowMaker:
        """What orders and filters the tab that is shown."""
        return self.makers[self.view.kind]

    @property
    def table(self) -> RecordTable:
        """The table."""
        return self.query_one(RecordTable)

    @property
    def ref(self) -> Ref | None:
        """The identity under the cursor, a ghost's too."""
        key = self.table.cursor_key
        return key if isinstance(key, Ref) else None

    @property
    def record(self) -> Record | None:
        """The record under the cursor; None when it is gone."""
        return None if self.ref is None or self.table.cursor_is_ghost else self.hub.find(self.ref)

    def snapshots(self) -> list[Snapshot]:
        """The feeds of the shown kind, but those of environments that are not shown."""
        return self.hub.shown.snapshots(self.view.kind)

    def collapse(self, collapsed: bool) -> None:
        """Be one line, or open."""
        if collapsed is self.collapsed:
            return
        self.collapsed = collapsed
        self.set_class(collapsed, "-collapsed")
        self.show()

    def choose_tab(self, tab: int) -> None:
        """Show another kind."""
        self.tab = tab % len(self.views)
        self.table.set_columns(self.maker.layout.columns)
        self.table.set_rows([], ghosts=False)
        self.show()
        self.post_message(self.TabChanged(self))

    def choose_filter(self, text: str) -> str:
        """Filter the rows; answers what is wrong with the expression, if anything."""
        self.maker.filter = Filter(text)
        self._chosen = True
        self.show()
        return self.maker.filter.problem

    def choose_columns(self, hidden: frozenset[str]) -> None:
        """Hide these columns of the shown tab, and no others."""
        self.maker.hidden = hidden
        self.show()

    def narrow(self) -> None:
        """Other environments are shown: a row that is not any more leaves no ghost."""
        self._chosen = not self.collapsed
        self.show()

    def next_order(self) -> str:
        """Sort by the next order."""
        order = self.maker.next_order()
        self.show()
        return order

    def show(self) -> None:
        """Bring title, table and foot up to what the hub has now."""
        if not self.is_mounted:
            return
        snapshots, shown = self.snapshots(), self.hub.shown
        every = [row for snap in snapshots for row in snap.rows]
        records = shown.kept(every)
        look = self.look()
        self._total = sum(len(snap.rows) for snap in self.hub.snapshots(self.view.kind))
        if not self.collapsed:
            table = self.table
            if self.maker.lay_out(context=self._several(snapshots, every, look)):
                table.set_columns(self.maker.layout.columns)
            rows = self.maker.make(up_to(records, self.until), look)
            table.empty = self._empty_lines(snapshots, bool(records))
            # Only another filter may take the cursor off a row that is still there; new data may not.
            gone = self.ref is None or self.hub.find(self.ref) is None
            table.set_rows(rows, ghosts=gone or not self._chosen)
            self._chosen = False
            table.set_sort(self.maker.order, self.maker.reverse)
            self._show_notes(trouble(snapshots, look.now, self.colours, self._room_of_notes()))
            self._show_title(snapshots, rows, look)
        else:
            self._show_line(snapshots, records, look)

    def show_soon(self) -> None:
        """Bring the rows up to date within half a second, once for all that arrives until then."""
        if not self._soon:
            self._soon = True
            self.set_timer(0.5, self._show_now)

    def _show_now(self) -> None:
        self._soon = False
        self.show()

    def look(self) -> Look:
        """What the views may know."""
        if self.view.kind == "version" and self._served[0] != self.hub.generation:
            self._served = self.hub.generation, served_words(self.hub.records())
        known = frozenset(self.hub.shown.known)
        return Look(self.now(), self.colours, self.stats, self._served[1], known)

    def _several(self, snapshots: list[Snapshot], records: Sequence[Record], look: Look) -> bool:
        """Whether the environment's column tells rows apart; while there is no row, as it was."""
        if not records:
            return any(column.key == CONTEXT for column in self.maker.layout.columns)
        if len(look.environments) > 1 and any(map(look.environment, records)):
            return True
        own = any(column.key == CONTEXT for column in self.view.columns)
        return own and len({snap.source for snap in snapshots}) > 1

    def _room_of_notes(self) -> int:
        return max(1, min(MOST_NOTES, self.size.height // LINES_A_NOTE))

    def _show_notes(self, rows: list[list[Cell]]) -> None:
        while len(self._notes) < len(rows):
            self._notes.append(PaneNote())
            self.mount(self._notes[-1])
        for place, note in enumerate(self._notes):
            cells = rows[place] if place < len(rows) else []
            note.set_class(bool(cells), "-shown")
            note.show(cells)

    def _show_title(self, snapshots: list[Snapshot], rows: list[Row], look: Look) -> None:
        focused = self.has_focus_within
        style = "accent" if focused else "dim"
        shown = f"{len(rows)} of {self._total}" if self.maker.filter or self.hub.shown.chosen else str(self._total)
        tabs = [self._tab_cell(view) for view in self.views] if focused else [Cell("")] * len(self.views)
        tabs[self.tab] = Cell(f"{self.view.title} {shown} ", "head" if not focused else "accent")
        marks = self._marks(focused, look)
        right = [Cell(" "), *how_fed(snapshots, look.now), Cell(" ")] if snapshots else [Cell(" none ", "dim")]
        if sum(cell_len(cell.text) for cell in (*tabs, *marks, *right)) + 3 > self.size.width and marks:
            tabs = [tabs[self.tab]]
        left = [Cell(f"{'┏' if focused else '┌'}{PANES.index(self.pane) + 1} ", style), *tabs, *marks]
        self.query_one(PaneTitle).show([cell for cell in left if cell.text], right, style, "─")

    def _tab_cell(self, view: View) -> Cell:
        count = sum(len(s.rows) for s in self.hub.snapshots(view.kind))
        return Cell(f"{view.title}{f' {count}' if count else ''} ", "dim")

    def _marks(self, focused: bool, look: Look) -> list[Cell]:
        """What is not as on a plain deck; where there is no room for both, it stands instead of the other tabs."""
        left = []
        if focused and (view_name := self.named()):
            left.append(Cell(f"view:{view_name} ", "info"))
        if self.hub.shown.chosen:
            left.append(Cell(f"@{','.join(sorted(self.hub.shown.chosen))} ", "warn"))
        if self.until is not None and self.view.kind in RUNS:
            left.append(Cell(f"up to {words(self.until, look.now)} ", "warn"))
        if self.maker.filter:
            left.append(Cell(f"/{self.maker.filter.text} ", "warn"))
        if self.maker.order != next(iter(self.view.orders)) or self.maker.reverse:
            left.append(Cell(f"sort:{self.maker.order}{'↑' if self.maker.reverse else ''} ", "dim"))
        return left

    def _show_line(self, snapshots: list[Snapshot], records: Sequence[Record], look: Look) -> None:
        first = worst(records)
        title = TITLES[self.pane] if self.tab == 0 else self.view.title
        left = [Cell(f"{PANES.index(self.pane) + 1} ", "dim"), Cell(f"{title} {len(records)} ".ljust(15), "head")]
        if first is not None:
            line = self.view.line(records, look)
            left += [glyph(first.status), Cell(f" {line}", STYLES[first.status] if _bad(first) else "")]
        else:
            left.append(Cell(self._empty_lines(snapshots, False)[0], "dim"))
        right = [Cell(" "), *how_fed(snapshots, look.now)] if snapshots else [Cell(" none", "dim")]
        self.query_one(PaneTitle).show([c for c in left if c.text], right, fill=" ")

    def _empty_lines(self, snapshots: list[Snapshot], filtered: bool) -> tuple[str, ...]:
        if filtered:
            return (f"nothing matches /{self.maker.filter.text}", "Esc clears the filter")
        if self._total:
            hidden = f"{self._total} {self.view.title.lower()} of other environments"
            return (f"nothing of {', '.join(sorted(self.hub.shown.chosen))}", f"{hidden}: @ chooses which are shown")
        if not snapshots:
            return (f"no source of {self.view.title.lower()}", *self.looked_for)
        lines: list[str] = []
        for snap in snapshots:
            if snap.error is not None:
                lines.append(f"{snap.source}: {snap.error.what}")
                lines += [f"  why: {line}" for line in snap.error.why.splitlines()[:2]]
                lines += [f"  mend: {snap.error.mend}"] if snap.error.mend else []
            elif snap.fetched_at is None:
                lines.append(f"{snap.source}: asking, answers within 10 s or says why not")
            else:
                lines.append(f"{snap.source} answered: no {self.view.title.lower()}")
        return tuple(lines) or ("nothing here",)


def _bad(record: Record) -> bool:
    return record.status in (Status.BAD, Status.LOOK)
