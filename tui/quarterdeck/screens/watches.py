"""Watches: what is watched now, and what was heard. Kept current while it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.operation import OperationScreen
from quarterdeck.screens.table import TableScreen
from quarterdeck.views.watches import COLUMNS, watch_row, words
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.watches import Watch

if TYPE_CHECKING:
    from quarterdeck.boot import Boot
    from quarterdeck_lifecycle.watchkeeper import WatchKeeper

CLOCK_S = 2.0


class WatchesScreen(TableScreen):
    """Those that go on first, then what was heard, the newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w,delete", "remove", show=False),
        Binding("x", "clear", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "go there"), ("w", "remove"), ("x", "clear what was heard"), ("/", "filter"),
    )  # fmt: skip

    def __init__(self, boot: Boot, keeper: WatchKeeper) -> None:
        super().__init__("watches", COLUMNS, "nothing is watched: w on any row of the deck watches it")
        self._boot = boot
        self._keeper = keeper
        self._leave: Callable[[], None] | None = None

    def on_mount(self) -> None:
        """Be told of changes."""
        super().on_mount()
        self._leave = self._boot.hub.listen(self._changed)
        self.set_interval(CLOCK_S, self.filtered)
        self.filtered()

    def on_unmount(self) -> None:
        """No more."""
        if self._leave is not None:
            self._leave()

    def _changed(self, _kinds: frozenset[str]) -> None:
        if self.is_running:
            self.filtered()

    def filtered(self) -> None:
        """Those that the filter keeps."""
        keeps, now = Filter(self.wanted).keeps, self.app.now()
        watches = self._keeper.watches
        kept = [watch for watch in watches if keeps(words(watch))]
        self.table.set_rows([watch_row(watch, self._boot.hub.find(watch.ref), now) for watch in kept], ghosts=False)
        going = sum(watch.ended_at is None for watch in watches)
        trouble = f", not kept on disk: {self._keeper.trouble}" if self._keeper.trouble else ""
        self.entitle(f"watches: {going} go on, {len(watches) - going} were heard{trouble}")

    def _watch(self) -> Watch | None:
        return next((watch for watch in self._keeper.watches if watch.id == self.table.cursor_key), None)

    @on(RecordTable.RowSelected)
    def chosen(self) -> None:
        """Go to the row."""
        watch = self._watch()
        if watch is None:
            return
        if watch.ref.kind == "operation":
            self.app.push_screen(OperationScreen(self._boot, watch.ref.id))
        elif self._boot.hub.find(watch.ref) is None:
            self.app.say(f"{watch.name} is not among the rows now", "warning")
        else:
            self.dismiss()
            self.app.deck.jump(watch.ref)

    def action_remove(self) -> None:
        """Watch it no more, or take it off the list."""
        marked = [key for key in self.table.marked if isinstance(key, str)]
        watch = self._watch()
        self._keeper.remove(marked or ([watch.id] if watch is not None else []))
        self.filtered()

    def action_clear(self) -> None:
        """Take what was heard off the list."""
        self._keeper.remove([watch.id for watch in self._keeper.watches if watch.ended_at is not None])
        self.filtered()
