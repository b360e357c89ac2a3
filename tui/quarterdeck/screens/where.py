"""Where a thing is: a line for each environment, and what of it is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.table import TableScreen
from quarterdeck.tracing import fetching, gather
from quarterdeck.views.trace import WHERE_COLUMNS, where_row
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.trace.history import Pair, Relation, compared
from quarterdeck_lifecycle.trace.thread import walk
from quarterdeck_lifecycle.trace.where import Here, asked_for, step, under_way, where

if TYPE_CHECKING:
    from quarterdeck.boot import Boot


class WhyBar(Bar):
    """The evidence of the environment under the cursor."""


class WayBar(Bar):
    """What of it is under way."""


class WhereScreen(TableScreen):
    """Enter goes to what runs there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "end(False)", show=False),
        Binding("G", "end(True)", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (("Enter", "go there"), ("/", "filter"))

    def __init__(self, boot: Boot, gathered: gather.Gathered, begin: tuple[Ref, ...], name: str) -> None:
        super().__init__(f"where is {name}", WHERE_COLUMNS, "there are no environments: name them in the config")
        self._boot = boot
        self._gathered = gathered
        self._begin = begin
        self._called = name
        self._found: dict[str, Here] = {}

    def body(self) -> ComposeResult:
        """The matrix, why the one under the cursor is so, and what is under way."""
        yield from super().body()
        yield WhyBar()
        yield WayBar()

    def on_mount(self) -> None:
        """Look, then ask the history."""
        super().on_mount()
        self.app.work(self._open(), "where")

    async def _open(self) -> None:
        await self._gathered.follow(self._boot.hub.snapshots())
        past = await fetching.past(self._boot)
        graph = self._gathered.graph
        thread = asked_for(walk(graph, *self._begin), graph)
        places = gather.environments(self._boot, graph)

        def look(history: dict[Pair, Relation], words: str) -> None:
            down = gather.unknown(self._boot)
            found = where(thread, graph, places, history=history, past=past, down=down)
            self._found = {here.environment: here for here in found}
            if self.is_running:
                self.filtered()
                self.entitle(f"where is {self._called}", [Cell(f" {words}", "warn")])

        runs = under_way(thread)
        if self.is_running:
            words = f"under way: {step(runs[0])}{f' +{len(runs) - 1}' if len(runs) > 1 else ''}" if runs else ""
            self.query_one(WayBar).show([Cell(words, "info")])
        pairs = compared(thread, graph, places)
        look({}, "git is asked whether it is inside what runs" if pairs else "")
        if pairs:
            histories = await fetching.between(self._boot, graph, pairs)
            look(fetching.relations(histories, graph), next(iter(histories.why.values()), ""))

    def filtered(self) -> None:
        """Those that the filter keeps."""
        now, colours = self.app.now(), self.app.colours
        rows = [where_row(here, now, colours) for here in self._found.values()]
        keeps = Filter(self.wanted).keeps
        self.table.set_rows([row for row in rows if keeps(" ".join(cell.text for cell in row.cells))])
        self.show_why()

    @on(RecordTable.CursorMoved)
    def show_why(self) -> None:
        """Why it is so."""
        here = self._found.get(str(self.table.cursor_key))
        cells = [Cell("guess: " if here.guess else "because: ", "dim"), Cell(here.evidence)] if here else []
        self.query_one(WhyBar).show(cells if here is not None and here.evidence else [])

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """Go to what runs there."""
        event.stop()
        here = self._found.get(str(event.key))
        if here is None or not here.refs:
            self.app.say("there is nothing of it to go to", "warning")
            return
        self.dismiss()
        self.app.deck.jump(here.refs[0])

    def action_end(self, last: bool) -> None:
        """To the first row or the last."""
        if last:
            self.table.action_cursor_end()
        else:
            self.table.action_cursor_home()
