"""The log screen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult

from quarterdeck import keys
from quarterdeck.screens.base import SubScreen
from quarterdeck.screens.logstream import LEVELS, as_text, json_fields, merged, parse_range, parse_time
from quarterdeck.views.fmt import clock
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.logview import LogView
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import LogBatch, LogOptions, TailsLogs
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

PAGE = 1000


class LogScreen(SubScreen):
    """Lines of one or several things, merged by time; nothing is lost without being counted on the screen."""

    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("f", "follow"), ("Space", "pause"), ("/", "search"), ("&", "filter"), ("v", "levels"), ("w", "wrap"),
        ("t", "times"), ("c", "JSON"), (":", "time"), ("r", "range"), ("s", "save"), ("y", "copy"), ("|", "pager"),
    )  # fmt: skip

    def __init__(
        self, boot: Boot, refs: Sequence[Ref], *, previous: bool = False, names: Mapping[Ref, str] | None = None
    ) -> None:
        self._boot = boot
        self._refs = list(refs)
        found = {ref: boot.hub.find(ref) for ref in refs}
        known = names or {}
        self._names = [known.get(ref) or (r.name if (r := found[ref]) is not None else ref.id) for ref in refs]
        what = self._names[0] if len(self._names) == 1 else f"{len(self._names)} logs merged: {', '.join(self._names)}"
        super().__init__(f"log of {what}{' (previous)' if previous else ''}")
        self._base = self._title
        self._options = LogOptions(tail=PAGE, previous=previous)
        self._reader: asyncio.Task[None] | None = None
        self._asking = ""
        self._level = 0
        self._filter = ""
        self._lost = 0
        self._ended = False
        self._first_at: float | None = None

    def body(self) -> ComposeResult:
        """The log, and a prompt."""
        view = LogView()
        view.fps = 4.0 if self.app.slow_link else 15.0
        yield view
        yield PromptBar()

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        bindings = keys.bind(self._boot.registry, "log")
        for key, found in bindings.key_to_bindings.items():
            self._bindings.key_to_bindings.setdefault(key, found)
        self.view.sources = len(self._refs) > 1
        self.view.focus()
        self.start()

    def on_unmount(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.cancel()

    @property
    def view(self) -> LogView:
        """The log's widget."""
        return self.query_one(LogView)

    def _sources(self) -> list[tuple[TailsLogs, list[Ref]]]:
        found: list[tuple[TailsLogs, list[Ref]]] = []
        for name in dict.fromkeys(ref.source for ref in self._refs):
            source = self._boot.hub.sources.get(name)
            if isinstance(source, TailsLogs):
                found.append((source, [ref for ref in self._refs if ref.source == name]))
        return found

    def start(self) -> None:
        """Read anew with the present options."""
        if self._reader is not None:
            self._reader.cancel()
        self.view.clear()
        self._ended, self._lost, self._first_at = False, 0, None
        self._reader = asyncio.create_task(self._read(), name="log")

    async def _read(self) -> None:
        async for batch in merged(self._sources(), self._options):
            self.take(batch)
        self._ended = True
        self.show_state()

    def take(self, batch: LogBatch) -> None:
        """Show a batch; a notice becomes a marker line."""
        if not self.is_mounted:
            return
        if batch.lines:
            if self._first_at is None:
                self._first_at = batch.lines[0].at
            self.view.append(list(batch.lines))
        if batch.dropped:
            self._lost += batch.dropped
        if batch.notice:
            self.view.add_marker(batch.notice)
            self.show_state()

    @on(LogView.StateChanged)
    def show_state(self) -> None:
        """The right of the title: mode, following, filter, what was dropped."""
        view, state = self.view, self.view.state
        modes = dict.fromkeys(source.log_mode(ref) for source, refs in self._sources() for ref in refs)
        mode = "ended" if self._ended else ", ".join(modes)
        cells = [Cell(f" {mode} ", "ok" if mode == "live" else "dim")]
        if self._filter:
            cells.append(Cell(f"&{self._filter} ", "warn"))
        if self._level:
            cells.append(Cell(f"level:{LEVELS[self._level][0]} ", "warn"))
        if view.paused:
            cells.append(Cell(f"‖ paused, {state.pending:,} waiting ", "warn"))
        elif view.follow:
            cells.append(Cell("▼ following ", "ok"))
        cells.append(Cell(f"{view.dropped + self._lost:,} dropped ", "bad" if view.dropped + self._lost else "dim"))
        self.entitle(self._base, cells)

    def action_key(self, key: str) -> None:
        """Run the verb of a key."""
        for verb in keys.choose(self._boot.registry, "log", key, ""):
            handler = getattr(self, f"do_{verb.id.replace('.', '_')}", None)
            if handler is not None:
                handler()
                return

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
        self.view.columns = None if self.view.columns else json_fields

    def do_log_marker(self) -> None:
        """A line to find again."""
        self.view.add_marker(f"── {clock(self.app.now(), self.app.now())} ──")

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
        """Next hit."""
        self.view.next_hit()

    def do_hit_previous(self) -> None:
        """Previous hit."""
        self.view.previous_hit()

    def _ask(self, what: str, label: str, value: str = "") -> None:
        self._asking = what
        self.query_one(PromptBar).open(label, value)

    def do_log_search(self) -> None:
        """Type what to search for."""
        self._ask("search", "/")

    do_filter = do_log_search

    def do_log_filter(self) -> None:
        """Type what to keep."""
        self._ask("filter", "&", self._filter)

    def do_log_goto(self) -> None:
        """Type a time."""
        self._ask("goto", "go to (02:14:31, -10m)")

    do_command = do_log_goto

    def do_log_range(self) -> None:
        """Type a range."""
        self._ask("range", "range (-1h..-30m, empty for all)")

    @on(PromptBar.Closed)
    def answered(self, event: PromptBar.Closed) -> None:
        """Do what was asked for."""
        self.view.focus()
        text = event.value.strip()
        try:
            if self._asking == "search":
                if not self.view.search(text if event.kept and text else None) and event.kept and text:
                    self.app.say(f"no hit for {text}", "warning")
            elif self._asking == "filter":
                self._filter, self._level = (text if event.kept else ""), 0
                inverse = self._filter.startswith("!")
                self.view.set_filter(self._filter.lstrip("!") or None, inverse)
            elif self._asking == "goto" and event.kept and text:
                if not self.view.go_to_time(parse_time(text, self.app.now())):
                    self.app.say("no kept line from then on", "warning")
            elif self._asking == "range" and event.kept:
                since, until = parse_range(text, self.app.now()) if text else (None, None)
                tail = PAGE if since is None and until is None else 50_000
                self._options = msgspec.structs.replace(
                    self._options, since=since, until=until, follow=until is None, tail=tail
                )
                self.start()
        except ValueError as error:
            self.app.say(str(error), "warning")
        self.show_state()

    @on(LogView.OlderWanted)
    def older_wanted(self) -> None:
        """Scrolled against the first line."""
        self.do_log_older()

    def do_log_older(self) -> None:
        """Read what came before the first kept line."""
        if self._first_at is None:
            self.view.prepend([])
            self.app.say("these lines carry no time, so older ones cannot be asked for", "warning")
        else:
            self.app.work(self._older(self._first_at), "older lines")

    async def _older(self, before: float) -> None:
        options = LogOptions(
            tail=PAGE, since=self._options.since, until=before, follow=False, previous=self._options.previous
        )
        lines: list[LogLine] = []
        try:
            async with asyncio.timeout(20):
                async for batch in merged(self._sources(), options):
                    lines += [line for line in batch.lines if line.at is not None and line.at < before]
        except (TimeoutError, QuarterdeckError) as error:
            self.app.say(f"older lines: {error or 'no answer within 20 s'}", "warning")
        lines = lines[-PAGE:]
        if self.is_mounted:
            self.view.prepend(lines)
            if lines:
                self._first_at = lines[0].at
            else:
                self.app.say("there are no older lines")

    def _kept(self) -> str:
        return as_text(self.view.kept_lines(), len(self._refs) > 1)

    def do_log_save(self) -> None:
        """To a private file."""
        self.app.save_text(self._names[0], self._kept())

    def do_copy(self) -> None:
        """What is selected, else what is visible."""
        self.app.copy(self.view.selected_text() or self.view.visible_text())

    def do_log_pager(self) -> None:
        """In $PAGER."""
        self.app.page_text(self._kept())
