"""The log screen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult

from quarterdeck.screens.logkeys import LogKeys
from quarterdeck.screens.logstream import (
    LEVELS,
    Ask,
    First,
    as_text,
    merged,
    older,
    parse_range,
)
from quarterdeck.views.fmt import stamp
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.logview import LogView
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck_lifecycle.instant import LOG_HALF_S, around, parse_time, words
from quarterdeck_lifecycle.ports import LogBatch, LogOptions, TailsLogs
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.text import LogLine, clean_line

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

PAGE = 1000
NOTED = 5 * PAGE
"""Of so many lines the first one of each thing is looked for: those that a log begins with."""


class LogScreen(LogKeys):
    """Lines of one or several things, merged by time; nothing is lost without being counted on the screen."""

    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("help", "keys"), ("log.follow", "follow"), ("log.pause", "pause"), ("log.search", "search"),
        ("log.filter", "filter"), ("log.level", "levels"), ("log.goto", "time"), ("log.range", "range"),
        ("log.times", "times"), ("log.wrap", "wrap"), ("log.columns", "JSON"), ("log.save", "save"),
        ("log.copy", "copy"), ("log.pager", "pager"),
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
        self._range = ""
        self._lost = 0
        self._ended = False
        self._noted = 0
        self._first: First = {}

    def body(self) -> ComposeResult:
        """The log, and a prompt."""
        view = LogView()
        view.fps = 4.0 if self.app.slow_link else 15.0
        yield view
        yield PromptBar()

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self.view.sources = len(self._refs) > 1
        self.view.focus()
        self._unfollow = self.app.moment.listen(self.follow_moment)
        self.follow_moment()

    def follow_moment(self) -> None:
        """Read around the deck's instant and go there; all is live again without one."""
        at, now = self.app.moment.at, self.app.now()
        if at is not None and self.view.go_to_time(at) and self._first and min(self._first.values()) <= at:
            return
        since, until = (None, None) if at is None else around(at)
        self._range = "" if at is None else f"{words(at, now)} ±{LOG_HALF_S / 60:.0f}m"
        self._options = msgspec.structs.replace(
            self._options, since=since, until=until, follow=at is None, tail=PAGE if at is None else 50_000
        )
        self.start()

    def on_unmount(self) -> None:
        """Stop reading."""
        self._unfollow()
        if self._reader is not None:
            self._reader.cancel()

    def _asks(self) -> list[Ask]:
        found: list[Ask] = []
        for name in dict.fromkeys(ref.source for ref in self._refs):
            source = self._boot.hub.sources.get(name)
            if isinstance(source, TailsLogs):
                found.append(Ask(source, [ref for ref in self._refs if ref.source == name], self._options))
        return found

    def start(self) -> None:
        """Read anew with the present options."""
        if self._reader is not None:
            self._reader.cancel()
        self.view.clear()
        self._ended, self._lost, self._noted, self._first = False, 0, 0, {}
        self._reader = asyncio.create_task(self._read(), name="log")

    async def _read(self) -> None:
        try:
            async with aclosing(merged(self._asks())) as batches:
                async for place, batch in batches:
                    self.take(place, batch)
        except Exception as error:
            if self.is_running:
                self.view.add_marker(f"the log stopped: {type(error).__name__}: {clean_line(str(error))}")
        self._ended = True
        if self.is_running and (at := self.app.moment.at) is not None:
            self.view.show_now()
            self._stand_at(at)
        self.show_state()

    def take(self, place: int, batch: LogBatch) -> None:
        """Show a batch of the source at that place; a notice becomes a marker line."""
        if not self.is_running:
            return
        if batch.lines:
            self._note_first(place, batch.lines)
            self.view.append(list(batch.lines))
        if batch.notice:
            self.view.add_marker(batch.notice)
        if batch.dropped:
            self._lost += batch.dropped
            self.show_state()

    def _note_first(self, place: int, lines: Sequence[LogLine]) -> None:
        if self._noted < NOTED:
            self._noted += len(lines)
            for line in lines:
                if line.at is not None:
                    self._first.setdefault((place, line.source), line.at)

    @on(LogView.StateChanged)
    def show_state(self) -> None:
        """The right of the title: mode, following, filter, what was dropped."""
        view, state = self.view, self.view.state
        modes = dict.fromkeys(ask.source.log_mode(ref) for ask in self._asks() for ref in ask.refs)
        mode = "ended" if self._ended else ", ".join(modes)
        cells = [Cell(f" {mode} ", "ok" if mode == "live" else "dim")]
        if not state.kept:
            cells.append(Cell("no line ", "dim"))
        if self._range:
            cells.append(Cell(f"{self._range} ", "warn"))
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

    def _ask(self, what: str, label: str, value: str = "") -> None:
        self._asking = what
        self.query_one(PromptBar).open(label, value)

    def do_log_search(self) -> None:
        """Type what to search for."""
        self._ask("search", "/")

    def do_log_filter(self) -> None:
        """Type what to keep."""
        self._ask("filter", "&", self._filter)

    def do_log_goto(self) -> None:
        """Type a time."""
        self._ask("goto", "go to (02:14:31, -10m)")

    def do_log_range(self) -> None:
        """Type a range."""
        self._ask("range", "range (-1h..-30m, empty for all)", self._range)

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
                self._keep_only(text if event.kept else "")
            elif self._asking == "goto" and event.kept and text:
                self._go_to(parse_time(text, self.app.now()))
            elif self._asking == "range" and event.kept:
                self._read_range(text)
        except ValueError as error:
            self.app.say(str(error), "warning")
        self.show_state()

    def _keep_only(self, text: str) -> None:
        self.view.set_filter(text.removeprefix("!") or None, text.startswith("!"))
        self._filter, self._level = text, 0

    def _stand_at(self, at: float) -> None:
        if self._first and self.view.go_to_time(at):
            first = min(self._first.values())
            if first > at:
                self.app.say(f"nothing is kept of then: these lines begin at {stamp(first)}")
        else:
            self.app.say(f"no line was written within {LOG_HALF_S / 60:.0f} min after {stamp(at)}", "warning")

    def _go_to(self, at: float) -> None:
        if not self.view.go_to_time(at):
            self.app.say("no kept line from then on", "warning")
        elif self._first and at < min(self._first.values()):
            key = self.key_of("log.older")
            self.app.say(f"the kept lines begin at {stamp(min(self._first.values()))}; {key} reads older ones")

    def _read_range(self, text: str) -> None:
        since, until = parse_range(text, self.app.now()) if text else (None, None)
        tail = PAGE if since is None and until is None else 50_000
        self._options = msgspec.structs.replace(
            self._options, since=since, until=until, follow=until is None, tail=tail
        )
        self._range = text
        self.start()

    @on(LogView.OlderWanted)
    def older_wanted(self) -> None:
        """Scrolled against the first line."""
        self.do_log_older()

    def do_log_older(self) -> None:
        """Read what came before the first kept line."""
        if not self._first:
            self.view.prepend([])
            self.app.say("these lines carry no time, so older ones cannot be asked for", "warning")
        else:
            self.app.work(self._older(), "older lines")

    async def _older(self) -> None:
        options = msgspec.structs.replace(self._options, tail=PAGE)
        lines, said = await older([ask._replace(options=options) for ask in self._asks()], self._first)
        if not self.is_running:
            return
        added = self.view.prepend([line for _, line in lines])
        for place, line in reversed(lines[len(lines) - added :]):
            self._first[place, line.source] = line.at or 0.0
        if said:
            self.app.say(f"older lines: {said}", "warning")
        elif not lines:
            self.app.say("there are no older lines")
        elif added < len(lines):
            self.app.say(f"no room for more: {self.view.state.kept:,} lines are kept", "warning")

    def _kept(self) -> str:
        return as_text(self.view.kept_lines(), len(self._refs) > 1)

    def do_log_save(self) -> None:
        """To a private file."""
        self.app.save_text(self._names[0], self._kept())

    def do_log_copy(self) -> None:
        """What is selected, else what is visible."""
        self.app.copy(self.view.selected_text() or self.view.visible_text())

    def do_log_pager(self) -> None:
        """In $PAGER."""
        self.app.page_text(self._kept())
