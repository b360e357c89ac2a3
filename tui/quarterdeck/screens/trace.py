"""The thread of a thing as one picture, and below it what happened along it on one axis of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.table import TableScreen
from quarterdeck.screens.text import TextScreen
from quarterdeck.tracing import fetching, gather
from quarterdeck.tracing.asides import Aside, asides
from quarterdeck.views.trace import COLUMNS, Key, event_words, lane_cells, note_rows, thread_rows, why_cells
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.trace.gaps import Gap, gaps, notes
from quarterdeck_lifecycle.trace.graph import BARE
from quarterdeck_lifecycle.trace.hops import Hop
from quarterdeck_lifecycle.trace.thread import Node, Thread, walk
from quarterdeck_lifecycle.trace.timeline import Event, events, key_series, window

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

LANES = 7
"""Lines of the axis where there is room for them."""
WINDOWS = (0.0, 1.0, 6.0, 24.0, 168.0)
"""Hours that the axis shows; 0: since the first event."""


class WhyBar(Bar):
    """The evidence of the row under the cursor, or what mends its gap."""


class LaneBar(Bar):
    """A lane of the axis."""


class TraceScreen(TableScreen):
    """Enter opens a hop in its pane; Space folds and unfolds siblings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "fold", show=False, priority=True),
        Binding("t", "follow", show=False),
        Binding("e", "events", show=False),
        Binding("right_square_bracket", "widen(1)", show=False),
        Binding("left_square_bracket", "widen(-1)", show=False),
        Binding("y", "copy", show=False),
        Binding("g", "end(False)", show=False),
        Binding("G", "end(True)", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "go there"), ("Space", "unfold"), ("t", "from here"), ("e", "events"), ("[ ]", "window"),
    )  # fmt: skip

    def __init__(self, boot: Boot, gathered: gather.Gathered, begin: tuple[Ref, ...], name: str) -> None:
        super().__init__(f"trace of {name}", COLUMNS, "looking at what ties it")
        self._boot = boot
        self._gathered = gathered
        self._begin = begin
        self._called = name
        self._thread = Thread(begin=(), nodes=(), edges=())
        self._standing: dict[Key, Node] = {}
        self._gaps: dict[str, Gap] = {}
        self._events: tuple[Event, ...] = ()
        self._past: list[ChangeRow] = []
        self._asides: tuple[Aside, ...] = ()
        self._opened: set[Hop] = set()
        self._window = 0
        self._fetching: str = ""
        self._leave: Callable[[], None] | None = None

    def body(self) -> ComposeResult:
        """The picture, why the row under the cursor is there, the axis."""
        yield from super().body()
        yield WhyBar()
        for _ in range(LANES):
            yield LaneBar()

    def on_mount(self) -> None:
        """Show what is known, then fetch what is expensive. The order is that of the hops, whoever moves."""
        super().on_mount()
        self.table.hold_resort_s = 0.0
        if self._leave is None:
            self._leave = self._boot.hub.listen(lambda _: self._changed(), ("image",))
            self.app.work(self._open(), "trace")

    def on_unmount(self) -> None:
        """No more."""
        super().on_unmount()
        if self._leave is not None:
            self._leave()

    def on_resize(self) -> None:
        """The axis has another width."""
        self.show_axis()

    async def _open(self) -> None:
        await self._gathered.follow(self._boot.hub.snapshots())
        self.look()
        self._past = await fetching.past(self._boot)
        self._fetching = "git and the registry are asked for more"
        self.look()
        learned = await fetching.more(self._boot, self._gathered.graph, self._thread)
        if learned:
            self.look()
        self._asides = await asides(self._boot, self._gathered.graph, self._thread)
        self._fetching = ""
        self.look()

    def _changed(self) -> None:
        if self.is_running and self.app.is_running:
            self.app.work(self._follow(), "trace")

    async def _follow(self) -> None:
        if await self._gathered.follow(self._boot.hub.snapshots()):
            self.look()

    def look(self) -> None:
        """Walk the thread again and show it."""
        graph = self._gathered.graph
        self._thread = walk(graph, *self._begin)
        self._gaps = {str(gap.hop): gap for gap in gaps(self._thread, graph, gather.asked(self._boot))}
        self._events = events(self._thread, self._past)
        if self.is_running:
            self.filtered()

    def filtered(self) -> None:
        """The rows that the filter keeps, and the axis."""
        now, colours = self.app.now(), self.app.colours
        graph = self._gathered.graph
        rows, self._standing = thread_rows(
            self._thread, graph, tuple(self._gaps.values()), self._asides, self._opened, now, colours
        )
        rows += note_rows(notes(self._thread, graph))
        keeps = Filter(self.wanted).keeps
        kept = [row for row in rows if keeps(" ".join(cell.text for cell in row.cells))]
        self.table.empty = ["nothing ties it to a commit, a run, an image, a workload or a model"]
        fresh = not self.table.rows
        self.table.set_rows(kept, ghosts=False)
        if fresh:
            begun = next((key for key, node in self._standing.items() if node.ref in self._thread.begin), None)
            self.table.move_to_key(begun)
        cut = " · cut" if self._thread.cut else ""
        self.entitle(f"trace of {self._called}{cut}", [Cell(f" {self._fetching}", "dim")] if self._fetching else [])
        self.show_why()
        self.show_axis()

    def show_axis(self) -> None:
        """What happened along the thread, in as many lines as there is room for."""
        if not self.is_running:
            return
        height = self.app.size.height
        most = min(LANES, max(0, height - 19))
        begin, end = window(self._events, self.app.now(), WINDOWS[self._window])
        width, series = self.app.size.width, key_series(self._thread)
        lines = lane_cells(self._events, series, begin, end, width, most) if most else []
        for place, bar in enumerate(self.query(LaneBar)):
            bar.display = place < len(lines)
            bar.show(lines[place] if place < len(lines) else [])

    @on(RecordTable.CursorMoved)
    def show_why(self) -> None:
        """Why the row under the cursor is there."""
        key = self._under
        node = self._standing.get(key) if key is not None else None
        gap = self._gaps.get(key[0]) if key is not None and key[1] == "gap" else None
        begun = node is not None and node.ref in self._thread.begin
        cells = [Cell(key[2], "warn")] if key is not None and key[1] == "note" else why_cells(node, gap, begun)
        if (aside := self._aside_under) is not None:
            cells = [Cell("because: ", "dim"), Cell(aside.evidence)]
        self.query_one(WhyBar).show(cells)

    @property
    def _under(self) -> Key | None:
        key = self.table.cursor_key
        return key if isinstance(key, tuple) else None

    @property
    def _node(self) -> Node | None:
        return self._standing.get(self._under) if self._under is not None else None

    @property
    def _aside_under(self) -> Aside | None:
        key = self._under
        return self._asides[int(key[2])] if key is not None and key[1] == "aside" else None

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """Go there: to its row in its pane, to an operation's steps, to a commit's detail."""
        event.stop()
        key, node = self._under, self._node
        if key is None or event.is_ghost:
            return
        if (aside := self._aside_under) is not None:
            self.app.push_screen(TextScreen(aside.words.removeprefix("└ "), list(aside.lines)))
        elif key[1] == "more":
            self.action_fold()
        elif node is None:
            gap = self._gaps.get(key[0])
            if gap is not None:
                lines = [gap.why, "", gap.mend or "nothing can be done about it from here"]
                self.app.push_screen(TextScreen(f"no {key[0].replace('_', ' ')}", lines))
        else:
            go(self, node)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A space that is typed into the filter is a space."""
        return self.table.has_focus if action == "fold" else super().check_action(action, parameters)

    def action_fold(self) -> None:
        """Unfold the siblings of the hop under the cursor, or fold them again."""
        key = self._under
        if key is None or key[1] not in ("node", "more"):
            return
        self._opened ^= {Hop(key[0])}
        self.filtered()

    def action_end(self, last: bool) -> None:
        """To the first row or the last."""
        if last:
            self.table.action_cursor_end()
        else:
            self.table.action_cursor_home()

    def action_follow(self) -> None:
        """The thread from the row under the cursor."""
        node = self._node
        if node is not None and node.ref not in self._begin:
            self.app.push_screen(TraceScreen(self._boot, self._gathered, (node.ref,), node.name))

    def action_events(self) -> None:
        """What happened, a line each, the newest first."""
        now = self.app.now()
        lines = [event_words(event, now) for event in reversed(self._events)]
        self.app.push_screen(TextScreen(f"what happened along {self._called}", lines or ["nothing here is dated"]))

    def action_widen(self, step: int) -> None:
        """Another window of time."""
        self._window = (self._window + step) % len(WINDOWS)
        hours = WINDOWS[self._window]
        self.app.say(f"the last {hours:g} h" if hours else "since the first event")
        self.show_axis()

    def action_copy(self) -> None:
        """The ref of the row under the cursor."""
        if self._node is not None:
            self.app.copy(str(self._node.ref))


def go(screen: TableScreen, node: Node) -> None:
    """Leave for the row of a node in its pane; what has none opens its own screen, or says that it has none."""
    app, record = screen.app, node.record
    if node.ref.kind == "operation":
        from quarterdeck.screens.operation import OperationScreen

        app.push_screen(OperationScreen(app.boot, node.ref.id))
    elif record is None or (node.ref.source == BARE and record.kind not in ("commit", "repository")):
        app.say(f"{node.name} has no row here: {node.evidence}", "warning")
    elif record.kind == "commit":
        from quarterdeck.screens.detail import DetailScreen
        from quarterdeck_lifecycle.ports import Describes

        source = app.boot.hub.sources.get(record.ref.source)
        app.push_screen(DetailScreen(app.boot, record.ref, record, source if isinstance(source, Describes) else None))
    else:
        while app.screen is not app.deck and len(app.screen_stack) > 1:
            app.pop_screen()
        app.deck.jump(record.ref)
        if app.deck.pane.ref != record.ref:
            app.say(f"{node.name} is not among the rows that are shown", "warning")
