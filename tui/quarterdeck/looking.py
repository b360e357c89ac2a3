"""What the deck's looking verbs do. A mixin of the deck; it reads, opens screens and moves the cursor.

A screen is imported when it is opened first: the deck is painted before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from quarterdeck.panes.freshness import explain
from quarterdeck.views.catalog import TABS
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck_lifecycle.kinds import Service
from quarterdeck_lifecycle.owner import owner_of
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.ports import Describes, Drills, TailsLogs
from quarterdeck_lifecycle.records import PANES, Ref, Status

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen


class Looking:
    """Handlers `do_<verb>`; the deck finds them by the verb's id."""

    @property
    def _deck(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def do_open(self) -> None:
        """Drill into what has something inside, else its detail."""
        from quarterdeck.screens.children import ChildrenScreen
        from quarterdeck.screens.metrics import MetricsScreen

        deck = self._deck
        ref = deck.pane.ref
        if ref is None:
            return
        if deck.pane.view.kind == "series":
            deck.app.push_screen(MetricsScreen(deck.app.boot, ref))
            return
        if isinstance(deck.record, Service) and not deck.record.offered:
            deck.do_service_history()
            return
        source = deck.app.boot.hub.sources.get(ref.source)
        if isinstance(source, Drills) and ref.kind in ("run", "model", "version", "pull_request"):
            deck.app.push_screen(ChildrenScreen(deck.app.boot, ref, deck.record))
        else:
            self.do_detail()

    def do_detail(self) -> None:
        """Everything known of the row."""
        from quarterdeck.screens.detail import DetailScreen

        deck = self._deck
        ref = deck.pane.ref
        if ref is None:
            return
        source = deck.app.boot.hub.sources.get(ref.source)
        describes = source if isinstance(source, Describes) else None
        deck.app.push_screen(DetailScreen(deck.app.boot, ref, deck.record, describes))

    def do_logs(self) -> None:
        """The log of the row, or of the marked rows merged."""
        self._open_logs(previous=False)

    def do_previous(self) -> None:
        """The log of the container that this one replaced."""
        self._open_logs(previous=True)

    def _open_logs(self, *, previous: bool) -> None:
        from quarterdeck.screens.logs import LogScreen

        deck = self._deck
        refs = [
            ref for ref in deck.refs if isinstance(deck.app.boot.hub.sources.get(ref.source), TailsLogs)
        ]
        if not refs:
            deck.app.say("nothing here has a log", "warning")
            return
        deck.app.push_screen(LogScreen(deck.app.boot, refs, previous=previous))

    def do_hint(self) -> None:
        """In a drill: the next hint."""
        from quarterdeck.drilling import hint

        hint(self._deck.app)

    def do_back(self) -> None:
        """Take the notices away; drop marks, then the filter, then the zoom."""
        deck = self._deck
        deck.app.clear_notifications()
        if deck.table.marked:
            deck.table.clear_marks()
        elif deck.pane.maker.filter:
            deck.pane.choose_filter("")
        elif deck.zoomed:
            self.do_zoom()

    def do_zoom(self) -> None:
        """The focused pane alone, or all again."""
        deck = self._deck
        deck.zoomed = not deck.zoomed
        deck.lay_out()
        deck.pane.show()
        deck.refresh_bars()

    def do_pane_repositories(self) -> None:
        """Focus."""
        self._deck.focus_pane("repositories")

    def do_pane_pipelines(self) -> None:
        """Focus."""
        self._deck.focus_pane("pipelines")

    def do_pane_containers(self) -> None:
        """Focus."""
        self._deck.focus_pane("containers")

    def do_pane_models(self) -> None:
        """Focus."""
        self._deck.focus_pane("models")

    def do_pane_metrics(self) -> None:
        """Focus."""
        self._deck.focus_pane("metrics")

    def do_pane_next(self) -> None:
        """The next pane."""
        self._step_pane(1)

    def do_pane_previous(self) -> None:
        """The previous pane."""
        self._step_pane(-1)

    def _step_pane(self, step: int) -> None:
        deck = self._deck
        deck.focus_pane(PANES[(PANES.index(deck.focused_pane) + step) % len(PANES)])

    def do_tab_next(self) -> None:
        """The next tab."""
        self._deck.pane.choose_tab(self._deck.pane.tab + 1)

    def do_tab_previous(self) -> None:
        """The previous tab."""
        self._deck.pane.choose_tab(self._deck.pane.tab - 1)

    def do_filter(self) -> None:
        """Type an expression."""
        deck = self._deck
        deck.filtering = True
        deck.query_one(PromptBar).open("/", deck.pane.maker.filter.text)

    def do_environments(self) -> None:
        """Which environments' rows are shown."""
        self._deck.app.viewing.pick_environments()

    def do_view(self) -> None:
        """The views by name."""
        self._deck.app.viewing.pick()

    def do_columns(self) -> None:
        """Which columns of the tab are shown."""
        self._deck.app.viewing.pick_columns(self._deck.pane)

    def do_sort(self) -> None:
        """By the next order."""
        self._deck.app.say(f"sorted by {self._deck.pane.next_order()}")

    def do_mark(self) -> None:
        """Mark the row."""
        self._deck.table.action_toggle_mark()

    def do_top(self) -> None:
        """To the first row."""
        self._deck.table.action_cursor_home()

    def do_bottom(self) -> None:
        """To the last row."""
        self._deck.table.action_cursor_end()

    def do_up(self) -> None:
        """One up."""
        self._deck.table.action_cursor_up()

    def do_down(self) -> None:
        """One down."""
        self._deck.table.action_cursor_down()

    def do_hit_previous(self) -> None:
        """The previous row in trouble."""
        self.next_trouble(-1)

    def next_trouble(self, step: int) -> None:
        """To the next row in trouble, or the one before."""
        deck = self._deck
        keys = [row.key for row in deck.table.rows]
        start = keys.index(deck.table.cursor_key) if deck.table.cursor_key in keys else 0
        for offset in range(1, len(keys) + 1):
            key = keys[(start + step * offset) % len(keys)]
            record = deck.app.boot.hub.find(key) if isinstance(key, Ref) else None
            if record is not None and record.status in (Status.BAD, Status.LOOK, Status.WAITING):
                deck.table.move_to_key(key)
                return
        deck.app.say("no row here is in trouble")

    def do_refresh(self) -> None:
        """Ask the sources of this pane again."""
        deck = self._deck
        for name in {snap.source for snap in deck.pane.snapshots()}:
            deck.app.boot.hub.poke(name)
        deck.app.say("asked again")

    def do_changes(self) -> None:
        """What changed."""
        from quarterdeck.screens.changes import ChangesScreen

        self._deck.app.push_screen(ChangesScreen(self._deck.app.boot))

    def do_ledger(self) -> None:
        """What was done from here."""
        from quarterdeck.screens.ledger import LedgerScreen

        self._deck.app.push_screen(LedgerScreen(self._deck.app.boot))

    def do_help(self) -> None:
        """The keys that apply here."""
        from quarterdeck.screens.help import HelpScreen

        deck = self._deck
        deck.app.push_screen(HelpScreen(deck.app.boot, "deck", deck.pane.view.kind))

    def do_command(self) -> None:
        """The command line."""
        from quarterdeck.screens.palette import Palette

        self._deck.app.push_screen(Palette(self._deck))

    def do_mend(self) -> None:
        """What is wrong with the sources of this pane."""
        from quarterdeck.screens.text import TextScreen

        deck = self._deck
        lines = explain(deck.pane.snapshots(), deck.app.now())
        lines += [*deck.app.boot.looked_for(deck.focused_pane)]
        deck.app.push_screen(TextScreen(f"how {deck.pane.view.title.lower()} are fed", lines or ["nothing is asked"]))

    def do_copy(self) -> None:
        """What of the row goes to the clipboard."""
        deck = self._deck
        record = deck.record
        if record is None:
            return
        values = {"name": record.name, "ref": str(record.ref), "id": record.ref.id}
        for field in ("digest", "head", "image", "url", "path", "address", "run_id"):
            value = getattr(record, field, "")
            if value:
                values[field] = str(value)
        deck.app.choose(f"copy of {record.name}", list(values.items()), deck.app.copy)

    def do_owner(self) -> None:
        """Jump to what the row belongs to: the source repository, the run that built it, the model."""
        deck = self._deck
        record = deck.record
        target = None if record is None else owner_of(record, deck.app.boot.hub.records())
        if record is None:
            return
        if target is None:
            deck.app.say(f"nothing here owns {record.name}, as far as its labels and links say", "warning")
        else:
            self.jump(target.ref)

    def jump(self, ref: Ref) -> None:
        """Focus the pane and tab of a ref and put the cursor on it; its environment is shown from now on."""
        deck = self._deck
        deck.app.viewing.reveal(ref)
        for name, views in TABS.items():
            for tab, view in enumerate(views):
                if view.kind == ref.kind:
                    pane = next(p for p in deck.panes if p.pane == name)
                    if pane.tab != tab:
                        pane.choose_tab(tab)
                    deck.focus_pane(name)
                    if not deck.table.move_to_key(ref):
                        pane.choose_filter("")
                        deck.table.move_to_key(ref)
                    return

    def do_compare(self) -> None:
        """Two marked rows side by side."""
        from quarterdeck.screens.compare import CompareScreen

        deck = self._deck
        records = [r for r in (deck.app.boot.hub.find(ref) for ref in deck.refs) if r is not None]
        if len(records) != 2:
            deck.app.say("mark two rows with Space, then =", "warning")
            return
        deck.app.push_screen(CompareScreen(deck.app.boot, records[0], records[1]))

    def do_query(self) -> None:
        """A chart of any expression."""
        from quarterdeck.screens.metrics import MetricsScreen

        self._deck.app.push_screen(MetricsScreen(self._deck.app.boot, None))

    def do_quit(self) -> None:
        """Leave; while a verb is under way, ask first."""
        app = self._deck.app
        if app.operation is None:
            app.exit()
            return

        def chosen(answer: str) -> None:
            if answer == "leave":
                app.exit()

        answers = [("stay and see how it ends", "stay"), ("leave: the ledger will say UNKNOWN", "leave")]
        app.choose(f"{app.operation[0]} is under way", answers, chosen)

    def do_mouse(self) -> None:
        """Mouse on or off."""
        self._deck.app.toggle_mouse()

    def do_config_reload(self) -> None:
        """Read the config again."""
        self._deck.app.reload_config()

    def do_theme(self) -> None:
        """Choose a theme."""
        app = self._deck.app
        names = [(name, name) for name in sorted(app.available_themes)]
        app.choose("theme", names, app.use_theme)

    def do_write_open(self) -> None:
        """Open the row's source for writing, or shut it."""
        deck = self._deck
        ref = deck.pane.ref
        if ref is not None:
            deck.app.toggle_writing(deck.app.boot.operator.place(ref, deck.record))
            return
        places = list(dict.fromkeys(Place(snap.source, snap.environment) for snap in deck.pane.snapshots()))
        if len(places) > 1:
            names = ", ".join(place.source for place in places)
            deck.app.say(f"no row says which of {names} to open: W works on a row's source", "warning")
        elif places:
            deck.app.toggle_writing(places[0])
