"""One operation, attached: every step with its clock and deadline, the log from its first byte, and what may be asked.

It is a viewer: leaving it, quitting the deck or losing the terminal ends nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from quarterdeck import keys
from quarterdeck.releasing.local_time import local_words
from quarterdeck.releasing.telling import operation_record
from quarterdeck.screens.acting import act_on
from quarterdeck.screens.base import VerbScreen
from quarterdeck.screens.planscreens import plan_screen
from quarterdeck.screens.report import open_report
from quarterdeck.views.progress import Progress, event_line, head_words, step_columns, step_row, whole_time
from quarterdeck.views.releases import short_op
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import UNICODE, Cell
from quarterdeck.widgets.logview import LogView
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Operation as OperationRow
from quarterdeck_lifecycle.release.model import SERVICES, Event
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck.boot import Boot
    from quarterdeck.releasing.desk import Operation

TICK_S, SLOW_TICK_S = 1.0, 5.0
MOST_EVENTS = 20_000
"""What is kept to show the log of one step; an hour's soak at a probe each second is 3600."""


class ProgressBar(Bar):
    """What goes on now."""


class OperationScreen(VerbScreen):
    """Attached to an operation, one's own or another's."""

    place = "operation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", show=False),
        Binding("tab,shift+tab", "steps", show=False),
        Binding("j", "down(1)", show=False),
        Binding("k", "down(-1)", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("operation.keep", "keep now"), ("operation.extend", "extend"), ("operation.put_back", "put back"),
        ("operation.abort", "abort"), ("operation.approve", "approve"), ("operation.recover", "recover"),
        ("operation.plan", "plan"), ("operation.report", "report"), ("help", "keys"),
    )  # fmt: skip

    def __init__(self, boot: Boot, op: str) -> None:
        super().__init__(f"operation {short_op(op)}")
        self._boot = boot
        self._op = op
        self._found: Operation | None = None
        self.progress: Progress | None = None
        self._follower: asyncio.Task[None] | None = None
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._only: Hashable | None = None
        self._shown = False
        self._trouble = ""

    def body(self) -> ComposeResult:
        """What goes on, the steps, the log."""
        yield ProgressBar()
        yield RecordTable(step_columns(several=False))
        yield LogView()

    def on_mount(self) -> None:
        """Attach."""
        super().on_mount()
        table = self.query_one(RecordTable)
        table.hold_resort_s = 0.0
        table.empty = ["reading its plan"]
        view = self.query_one(LogView)
        view.fps = 4.0 if self.app.slow_link else 15.0
        view.timestamps = True
        view.wrap = True
        view.focus()
        self.set_interval(SLOW_TICK_S if self.app.slow_link else TICK_S, self._tick)
        self.start()

    def on_unmount(self) -> None:
        """Look on no more; the operation goes on."""
        if self._follower is not None:
            self._follower.cancel()

    def start(self) -> None:
        """Follow it from its first byte."""
        if self._follower is not None:
            self._follower.cancel()
        self._events.clear()
        self.query_one(LogView).clear()
        self._follower = asyncio.create_task(self._follow(), name=f"operation {self._op}")

    async def _follow(self) -> None:
        try:
            with self.app.busy.work("attaching"):
                self._found = await self._boot.desk.operation(self._op)
            if self._found.plan is not None:
                self.progress = Progress(self._found.plan)
                self.query_one(RecordTable).set_columns(step_columns(self.progress.several))
            else:
                self._trouble = "another version of this program wrote its plan; its log is below"
            self._soon()
            async for event in self._boot.desk.follow(self._found.op):
                self._take(event)
        except QuarterdeckError as error:
            self._trouble = str(error)
            self._soon()

    def _take(self, event: Event) -> None:
        if not self.is_running:
            return
        if self.progress is not None:
            self.progress.feed(event)
        if event.result:
            self._boot.hub.poke(SERVICES)
        self._events.append(event)
        if self._only in (None, event.step):
            self.query_one(LogView).append(self._lines([event]))
        self._soon()

    def _lines(self, events: Iterable[Event]) -> list[LogLine]:
        short = self.progress.short if self.progress is not None else {}
        return [event_line(event, short) for event in events]

    def _soon(self) -> None:
        """Show what is known, once for all that arrives together."""
        if not self._shown and self.is_running:
            self._shown = True
            self.call_later(self._show)

    def _tick(self) -> None:
        """Clocks go on while it runs; what stands still is not painted."""
        if self.progress is not None and not self.progress.result and not self.progress.dead:
            self._show()
        elif self._taken_up():
            self.start()

    def _taken_up(self) -> bool:
        """Whether what is shown as dead or stuck goes on, or was settled meanwhile, here or from elsewhere."""
        progress, follower = self.progress, self._follower
        if progress is None or follower is None or not follower.done():
            return False
        if not (progress.dead or progress.result == "STUCK"):
            return False
        rows = (row for snap in self._boot.hub.snapshots("operation") for row in snap.rows)
        row = next((row for row in rows if isinstance(row, OperationRow) and row.op == self._op), None)
        return row is not None and (row.alive or row.result != progress.result)

    def _show(self) -> None:
        self._shown = False
        if not self.is_running:
            return
        found, progress, now = self._found, self.progress, self.app.now()
        self.show_foot()
        if found is not None:
            title = f"{found.kind} {found.service} → {found.environment or '-'}   {short_op(found.op)}"
            local = local_words(found.created_at)
            since = f" since {found.created_at[11:16]}Z ({local})" if local else ""
            self.entitle(title, [Cell(f" by {found.actor} on {found.host}{since} ", "dim")])
        bar = self.query_one(ProgressBar)
        if progress is None:
            bar.show([Cell(self._trouble or "attaching", "warn" if self._trouble else "dim")])
            return
        words, style = head_words(progress, now)
        left = [Cell(f"{UNICODE.op} {words}", style)]
        if self._trouble:
            left.append(Cell(f"   {self._trouble}", "bad"))
        bar.show(left, [Cell(f" {whole_time(progress, now)} in all", "dim")])
        table = self.query_one(RecordTable)
        shown = progress.shown()
        table.set_rows([step_row(each, now, progress) for each in shown], ghosts=False)
        if not table.has_focus:
            begun = [each.step.id for each in shown if each.began_at is not None]
            table.move_to_key(begun[-1] if begun else None)

    # the log of one step

    def action_steps(self) -> None:
        """To the steps, whose logs are then shown one by one, and back to the whole log."""
        table, view = self.query_one(RecordTable), self.query_one(LogView)
        (view if table.has_focus else table).focus()

    def on_descendant_focus(self) -> None:
        """The whole log, or that of the step under the cursor."""
        table = self.query_one(RecordTable)
        self._show_log_of(table.cursor_key if table.has_focus else None)
        self.show_foot()

    @on(RecordTable.CursorMoved)
    def step_chosen(self, event: RecordTable.CursorMoved) -> None:
        """Another step's log, while the steps have the keyboard."""
        event.stop()
        if self.query_one(RecordTable).has_focus:
            self._show_log_of(event.key)

    def _show_log_of(self, only: Hashable | None) -> None:
        if only == self._only:
            return
        self._only = only
        view = self.query_one(LogView)
        view.clear()
        view.append(self._lines(event for event in self._events if only in (None, event.step)))
        view.follow = True

    def action_down(self, rows: int) -> None:
        """One row down or up in what has the keyboard."""
        table, view = self.query_one(RecordTable), self.query_one(LogView)
        if table.has_focus:
            (table.action_cursor_down if rows > 0 else table.action_cursor_up)()
        else:
            (view.action_scroll_down if rows > 0 else view.action_scroll_up)()

    # what may be asked

    def action_key(self, key: str) -> None:
        """Run the verb of a key."""
        for verb in keys.choose(self.registry, self.place, key, "operation"):
            handler = self._handler(verb)
            if handler is not None:
                handler()
                return

    def foot_keys(self) -> tuple[tuple[str, str], ...]:
        """The keys that apply to it as it is now."""
        progress = self.progress
        ended = progress is not None and bool(progress.result)
        dead = progress is not None and (progress.dead or progress.result == "STUCK")
        goes = progress is not None and not ended and not dead
        shown = {"help", "operation.plan"} | (set() if goes else {"operation.report"})
        if progress is not None and goes and not progress.turned:
            shown |= {"operation.abort"}
            shown |= {"operation.keep", "operation.extend"} if progress.soaking else set()
            shown |= {"operation.approve"} if progress.waits else set()
            shown |= {"operation.put_back"} if progress.switched else set()
        shown |= {"operation.recover"} if dead else set()
        tab = ("Tab", "whole log" if self.query_one(RecordTable).has_focus else "steps")
        named = [(self.key_of(id), word) for id, word in self.foot if id in shown]
        return *named[:-1], tab, named[-1]

    def _ask(self, id: str) -> None:
        self.app.work(self._asked(id), id)

    async def _asked(self, id: str) -> None:
        pressed = self.app.keys_pressed
        found = await self._boot.desk.operation(self._op)
        verb = self.registry.get(f"operation.{id}")
        if verb is not None and self.app.keys_pressed == pressed and self.app.screen is self:
            act_on(self.app, verb, operation_record(found))

    def do_operation_keep(self) -> None:
        """End the soak."""
        self._ask("keep")

    def do_operation_extend(self) -> None:
        """Soak longer."""
        self._ask("extend")

    def do_operation_put_back(self) -> None:
        """Put back without waiting for the gate."""
        self._ask("put_back")

    def do_operation_abort(self) -> None:
        """Stop it, to its defined end."""
        self._ask("abort")

    def do_operation_approve(self) -> None:
        """Say yes to another's plan."""
        self._ask("approve")

    def do_operation_recover(self) -> None:
        """Settle what its dead runner left; it is followed anew."""
        self._ask("recover")

    def do_operation_plan(self) -> None:
        """Every step of it."""
        if self._found is not None and self._found.plan is not None:
            self.app.push_screen(plan_screen(self._found.plan, title=f"plan of {short_op(self._op)}"))

    def do_operation_report(self) -> None:
        """The incident page."""
        open_report(self.app, self._op)

    def on_screen_resume(self) -> None:
        """Back from a dialog: a recovery may have begun anew what had ended."""
        ended = self._follower is not None and self._follower.done()
        if ended and (self.progress is None or self.progress.dead or self.progress.result == "STUCK"):
            self.start()

    def action_interrupt(self) -> None:
        """Ctrl-C: never guesses."""

        def chosen(answer: str) -> None:
            if answer == "abort":
                self.do_operation_abort()
            elif answer == "leave":
                self.action_leave()

        answers = [("leave it running, stop looking", "leave"), ("abort it", "abort"), ("stay", "stay")]
        with suppress(Exception):
            self.app.choose(f"operation {short_op(self._op)}", answers, chosen)
