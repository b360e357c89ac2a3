"""What needs me: everything that somebody has to do something about, the worst first, and what is muted of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from quarterdeck.panes.freshness import explain
from quarterdeck.panes.rows import Filter
from quarterdeck.screens.base import VerbScreen
from quarterdeck.screens.table import TableScreen
from quarterdeck.screens.text import TextScreen
from quarterdeck.views.fmt import glyph, one_line
from quarterdeck.views.needs import COLUMNS, WITH_MUTED, idle_row, need_row, need_text
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.mutes import Mute
from quarterdeck_lifecycle.need import SOURCE, Need
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

HOUR = 3600.0
TIMES: tuple[tuple[str, float | None], ...] = (
    ("for 1 hour", HOUR), ("for 8 hours", 8 * HOUR), ("until it changes", None)
)  # fmt: skip
AGES_S = 60.0


class WhyBar(Bar):
    """All that is known of the need under the cursor: its column is narrow."""


class NeedsScreen(TableScreen, VerbScreen):
    """Enter goes to the row in its pane; `m` mutes, and tells of a muted one again."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("0", "leave", show=False)]
    place: ClassVar[str] = "needs"
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("open", "go there"), ("needs.mute", "mute"), ("needs.watch", "watch"),
        ("needs.watches", "heard"), ("filter", "filter"), ("help", "order"),
    )  # fmt: skip

    def __init__(self, boot: Boot) -> None:
        super().__init__("what needs me", COLUMNS, "nothing needs you")
        self._boot = boot
        self._needs: dict[str, Need] = {}
        self._mutes: dict[str, Mute] = {}
        self._leave: Callable[[], None] | None = None

    def body(self) -> ComposeResult:
        """The table, its filter, and why the one under the cursor is there."""
        yield from super().body()
        yield WhyBar()

    @property
    def verbs(self) -> list[Verb]:
        """All but the mouse's: its key mutes here."""
        return [verb for verb in super().verbs if verb.id != "mouse"]

    def on_mount(self) -> None:
        """Be told of changes, and read what other decks muted."""
        super().on_mount()
        if self._leave is None:
            self._leave = self._boot.hub.listen(lambda _: self._changed())
            self.set_interval(AGES_S, self.filtered)
            self.app.work(self._read(), "mutes")
            self.filtered()

    def on_unmount(self) -> None:
        """No more."""
        if self._leave is not None:
            self._leave()

    def _changed(self) -> None:
        if self.is_running and self.app.is_running:
            self.filtered()

    async def _read(self) -> None:
        await self.app.needing.read()
        self._changed()

    def filtered(self) -> None:
        """Those that the filter keeps: what needs the operator, then what is muted, then mutes without a need."""
        found, now, colours = self.app.needing.current(), self.app.now(), self.app.colours
        keeps = Filter(self.wanted).keeps
        self._needs = {need.key: need for need in (*found.told, *(need for need, _ in found.muted))}
        self._mutes = {mute.key: mute for mute in (*found.idle, *(mute for _, mute in found.muted))}
        rows = [need_row(need, now, colours) for need in found.told if keeps(need_text(need))]
        shown = len(rows)
        rows += [need_row(need, now, colours, mute) for need, mute in found.muted if keeps(need_text(need))]
        rows += [idle_row(mute, now) for mute in found.idle if keeps(f"{mute.text} {mute.word} {mute.environment}")]
        self.table.set_columns(WITH_MUTED if self._mutes else COLUMNS)
        self.table.set_rows(rows)
        hidden = str(self.table.cursor_key)
        if rows and self.table.cursor_is_ghost and (hidden in self._needs or hidden in self._mutes):
            self.table.move_to_key(rows[0].key)  # only the filter took the row away: no ghost of it
        self.show_why()
        muted = len(found.muted) + len(found.idle)
        count = f"{shown} of {len(found.told)}" if self.wanted else str(len(found.told))
        self.entitle(f"what needs me: {count}{f' · {muted} muted' if muted else ''}")

    @on(RecordTable.CursorMoved)
    def show_why(self) -> None:
        """The need under the cursor in words."""
        need = self._needs.get(str(self.table.cursor_key))
        cells: list[Cell] = []
        if need is not None and not self.table.cursor_is_ghost:
            cells = [glyph(need.status), Cell(f" {need.text} {need.word}: "), Cell(one_line(need.why), "dim")]
        self.query_one(WhyBar).show(cells)

    @on(RecordTable.RowSelected)
    def chosen(self, event: RecordTable.RowSelected) -> None:
        """Go there."""
        event.stop()
        need = self._needs.get(str(event.key))
        if need is None or event.is_ghost:
            self.app.say("this needs nobody now", "warning")
        elif need.ref.kind == SOURCE:
            self._explain(need)
        elif need.ref.kind == "operation":
            from quarterdeck.screens.operation import OperationScreen

            self.dismiss()
            self.app.push_screen(OperationScreen(self._boot, need.ref.id))
        else:
            self.dismiss()
            self.app.deck.jump(need.ref)
            if self.app.deck.pane.ref != need.ref:
                self.app.say(f"{need.text} is not among the rows that are shown", "warning")

    def do_filter(self) -> None:
        """Type an expression."""
        self.action_filter()

    def _explain(self, need: Need) -> None:
        snapshots = [snap for snap in self._boot.hub.snapshots() if snap.source == need.ref.source]
        lines = explain(snapshots, self.app.now())
        if failed := self._boot.failed.get(need.ref.source):
            lines = str(failed).splitlines()
        self.app.push_screen(TextScreen(f"how {need.text} is fed", lines or [need.why]))

    # watches

    def do_needs_watch(self) -> None:
        """Watch the marked ones or the one under the cursor; once more ends it."""
        keys = [str(key) for key in self.table.marked] or [str(self.table.cursor_key)]
        rows = [self._boot.hub.find(self._needs[key].ref) for key in keys if key in self._needs]
        records = [row for row in rows if row is not None]
        if not records:
            self.app.say("there is no row of it to watch", "warning")
        elif self.app.watching is not None:
            self.app.watching.toggle(records)

    def do_needs_watches(self) -> None:
        """What is watched, and what was heard."""
        self.app.deck.do_watches()

    # mutes

    def do_needs_mute(self) -> None:
        """Mute the marked ones or the one under the cursor; a muted one is told of again."""
        keys = [str(key) for key in self.table.marked] or [str(self.table.cursor_key)]
        muted = [self._mutes[key] for key in keys if key in self._mutes]
        needs = [self._needs[key] for key in keys if key in self._needs and key not in self._mutes]
        if needs:
            name = needs[0].text if len(needs) == 1 else f"{len(needs)} of them"
            choices = [(words, words) for words, _ in TIMES]
            self.app.choose(f"mute {name}", choices, lambda words: self._mute(needs, words))
        elif muted:
            self.app.work(self._unmute(muted), "unmute")

    def _mute(self, needs: list[Need], words: str) -> None:
        self.app.work(self._keep(needs, words), "mute")

    async def _keep(self, needs: list[Need], words: str) -> None:
        following = self._after(needs)
        for need in needs:
            await self.app.needing.mute(need, dict(TIMES)[words])
        self._settled()
        if self.is_running and following:
            self.table.move_to_key(following)

    def _after(self, needs: list[Need]) -> str:
        """Where the cursor goes on when these have left: the next one that is not muted."""
        leaving = {need.key for need in needs}
        keys = [str(row.key) for row in self.table.rows]
        start = keys.index(str(self.table.cursor_key))
        stay = [key for key in (*keys[start:], *keys[:start]) if key not in leaving and key not in self._mutes]
        return stay[0] if stay else ""

    async def _unmute(self, mutes: list[Mute]) -> None:
        for mute in mutes:
            await self.app.needing.unmute(mute)
        self._settled()
        self.app.say(f"{', '.join(mute.text for mute in mutes[:3])}: told of again")

    def _settled(self) -> None:
        if self.is_running:
            self.table.clear_marks()
            self.filtered()
        self.app.deck.show_top()
