"""The deck: the five panes, the lines around them, and the keys that find the verb for the row under the cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Input

from quarterdeck import keys
from quarterdeck.deploying import Deploying
from quarterdeck.doing import Doing
from quarterdeck.looking import Looking
from quarterdeck.needsline import NeedsBar, NeedsLine, TopBar
from quarterdeck.outward import Outward
from quarterdeck.panes import changestrip
from quarterdeck.panes.changestrip import ChangeStrip
from quarterdeck.panes.lines import hint_cells, key_cells, operation_cells
from quarterdeck.panes.live import LiveStats
from quarterdeck.panes.metricspane import MetricsPane
from quarterdeck.panes.pane import Pane
from quarterdeck.timing import InstantBar, Timing
from quarterdeck.tracing.verbs import Tracing
from quarterdeck.views.releases import running_cells
from quarterdeck.watchverbs import WatchVerbs
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.records import PANES, Record, Ref
from quarterdeck_lifecycle.verbs import Verb, VerbKind

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

WIDE, TALL = 120, 36
LOW = 14
"""Below this height the rows of the focused pane need every line."""
WIDE_ORDER = ("repositories", "containers", "pipelines", "metrics", "models")
"""The grid fills row by row: three panes stand on the left, two on the right."""


class OperationBar(Bar):
    """The release that runs; not there while none does."""


class HintBar(Bar):
    """What is known of the row under the cursor, and why a key is greyed."""


class KeyBar(Bar):
    """The keys that apply here."""


class DeckScreen(Timing, Looking, Tracing, Doing, Deploying, Outward, NeedsLine, WatchVerbs, Screen[None]):
    """Five live panes. All data comes from the hub; all verbs go through the operator."""

    app: QuarterdeckApp
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.focused_pane = "containers"
        self.zoomed = False
        self.wide = False
        self.filtering = False
        self.live = LiveStats(self)
        self._unlisten: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        """Two lines above, three below, the panes between."""
        yield TopBar()
        yield InstantBar()
        yield NeedsBar()
        self.wide = self._has_room(self.app.size)
        with Container(id="panes", classes="-wide" if self.wide else ""):
            for name in WIDE_ORDER if self.wide else PANES:
                made = MetricsPane if name == "metrics" else Pane
                collapsed = not self.wide and name != self.focused_pane
                yield made(name, self.app.boot.hub, self.app.now, collapsed)
        yield PromptBar()
        yield ChangeStrip()
        yield OperationBar()
        yield HintBar()
        yield KeyBar()

    def on_mount(self) -> None:
        """Listen to the hub and lay the panes out."""
        self.bind_keys()
        for pane in self.panes:
            pane.colours = self.app.colours
            pane.looked_for = self.app.boot.looked_for(pane.pane)
        self.app.viewing.begin(self.panes)
        self.listen()
        self.app.moment.listen(self.follow_moment)
        self.set_interval(60, self.refresh_all)
        self.set_interval(1, self.refresh_window)
        self.focus_pane(self.focused_pane)

    def on_unmount(self) -> None:
        """Stop listening."""
        if self._unlisten is not None:
            self._unlisten()
        self.live.stop()

    def bind_keys(self) -> None:
        """Take the keys that the registry has now."""
        self._bindings = keys.bind(self.app.boot.registry, "deck")

    @property
    def panes(self) -> list[Pane]:
        """The panes in the order of their numbers."""
        return [self.query_one(f"#{name}", Pane) for name in PANES]

    @property
    def pane(self) -> Pane:
        """The focused one."""
        return self.query_one(f"#{self.focused_pane}", Pane)

    @property
    def table(self) -> RecordTable:
        """The table of the focused pane."""
        return self.pane.table

    @property
    def record(self) -> Record | None:
        """The record under the cursor; None when there is none or it is gone."""
        return self.pane.record

    @property
    def refs(self) -> list[Ref]:
        """The marked rows, else the one under the cursor."""
        marked = [key for key in self.table.marked if isinstance(key, Ref)]
        if marked:
            order = {row.key: place for place, row in enumerate(self.table.rows)}
            return sorted(marked, key=lambda ref: order.get(ref, 0))
        return [self.pane.ref] if self.pane.ref is not None else []

    def listen(self) -> None:
        """Be told of changes; the shown tabs are fed even when they are quiet kinds."""
        leave = self._unlisten
        self._unlisten = self.app.boot.hub.listen(self.hub_changed, {pane.view.kind for pane in self.panes})
        if leave is not None:
            leave()

    def hub_changed(self, kinds: frozenset[str]) -> None:
        """Bring the panes of these kinds up to date; once the app has begun to end they are gone, one by one."""
        if not self.app.is_running or self.app.return_code is not None:
            return
        for pane in self.panes:
            if any(view.kind in kinds for view in pane.views):
                pane.show()
        self.refresh_bars()

    def refresh_all(self) -> None:
        """Once a minute: ages take their next step."""
        self.read_mutes()
        for pane in self.panes:
            pane.show()
        self.refresh_bars()

    def refresh_window(self) -> None:
        """Once a second, but painted only while a write window runs down or closes."""
        windows = self.app.boot.policy.windows()
        self.set_class(any(map(self.app.boot.policy.guarded, windows)), "-writing")
        self.show_top()
        if self.app.operation is not None:
            self.show_hint()
        if self.running and int(self.app.now()) % (5 if self.app.slow_link else 1) == 0:
            self.show_running()

    def show_running(self) -> None:
        """The line of what is being released, only while something is."""
        bar, running = self.query_one(OperationBar), self.running
        bar.set_class(bool(running), "-shown")
        bar.show(*running_cells(running, self.app.now()))

    def show_hint(self) -> None:
        """The line of the row under the cursor; beside it the verb that is under way."""
        self.query_one(HintBar).show(hint_cells(self.pane, self.app.boot), operation_cells(self.app.operation))

    def refresh_bars(self) -> None:
        """The lines above and below."""
        boot, now = self.app.boot, self.app.now()
        self.show_top()
        self.query_one(ChangeStrip).show(self.app.lately, now, self.wide and self.size.height >= changestrip.TALL)
        self.show_running()
        self.show_hint()
        self.query_one(KeyBar).show(*key_cells(self, boot))

    def lay_out(self) -> None:
        """All five open where there is room, else the focused one with the others as one line each."""
        self.wide = self._has_room(self.size) and not self.zoomed
        low = (self.size or self.app.size).height < LOW
        self.set_class(low, "-low")
        panes = self.query_one("#panes")
        if panes.has_class("-wide") is not self.wide:
            panes.set_class(self.wide, "-wide")
            for name in WIDE_ORDER if self.wide else PANES:
                panes.move_child(self.query_one(f"#{name}"), after=len(panes.children) - 1)
        for pane in self.panes:
            focused = pane.pane == self.focused_pane
            pane.set_class((self.zoomed or low) and not focused, "-hidden")
            pane.collapse(not self.wide and not focused)

    @staticmethod
    def _has_room(size: Size) -> bool:
        return size.width >= WIDE and size.height >= TALL

    def on_resize(self) -> None:
        """Another size may be another layout."""
        self.lay_out()
        self.refresh_bars()

    def focus_pane(self, name: str) -> None:
        """Give a pane the keyboard."""
        self.focused_pane = name
        self.lay_out()
        self.table.focus(scroll_visible=False)
        for pane in self.panes:
            pane.show()
        self.refresh_bars()
        self.live.follow()

    @on(RecordTable.CursorMoved)
    def cursor_moved(self, event: RecordTable.CursorMoved) -> None:
        """The line of the row, and the keys that apply to it."""
        if isinstance(event.table.parent, MetricsPane):
            event.table.parent.show_chart()
        self.show_hint()
        self.query_one(KeyBar).show(*key_cells(self, self.app.boot))
        self.live.follow()

    @on(RecordTable.RowSelected)
    def row_selected(self) -> None:
        """Enter on a row."""
        self.action_key("enter")

    @on(RecordTable.HeaderSelected)
    def header_selected(self) -> None:
        """A click on a title sorts by the next order."""
        self.do_sort()

    @on(Pane.TabChanged)
    def tab_changed(self) -> None:
        """Another kind is shown: have it fed."""
        self.listen()
        self.refresh_bars()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click into another pane focuses it."""
        for pane in self.panes:
            if event.widget in pane.walk_children() and pane.pane != self.focused_pane:
                self.focus_pane(pane.pane)

    def action_key(self, key: str) -> None:
        """Run the verb of a key for the row under the cursor."""
        registry = self.app.boot.registry
        kind = self.pane.view.kind
        found = keys.choose(registry, "deck", key, kind)
        if not found:
            others = keys.elsewhere(registry, "deck", key)
            if others:
                kinds = sorted({kind for verb in others for kind in verb.applies_to})
                self.app.say(f"{others[0].title}: not for {kind} rows, but for {', '.join(kinds)}", "warning")
            return
        if len(found) == 1:
            self.run_verb(found[0])
        else:
            self.choose_verb(found)

    def run_verb(self, verb: Verb) -> None:
        """Look, or act."""
        if verb.kind is VerbKind.MUTATION:
            self.act(verb)
            return
        if self.own_command(verb) is not None:
            self.run_own(verb)
            return
        handler = getattr(self, f"do_{verb.id.replace('.', '_')}", None)
        if handler is not None:
            handler()

    @on(Input.Changed, "#prompt")
    def filter_typed(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        if self.filtering:
            problem = self.pane.choose_filter(event.value)
            self.query_one(PromptBar).complain(problem)

    @on(PromptBar.Closed)
    def prompt_closed(self, event: PromptBar.Closed) -> None:
        """Enter keeps the filter, Escape drops it."""
        if self.filtering:
            self.filtering = False
            self.pane.choose_filter(event.value if event.kept else "")
        self.table.focus(scroll_visible=False)
        self.refresh_bars()
