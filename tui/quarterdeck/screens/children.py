"""What is inside a thing: jobs of a run, versions of a model. Paged: more rows come when the cursor reaches the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.acting import act_on
from quarterdeck.screens.detail import DetailScreen
from quarterdeck.screens.dialogs import Choice, MenuDialog
from quarterdeck.screens.logs import LogScreen
from quarterdeck.screens.table import TableScreen
from quarterdeck.views.catalog import view_of
from quarterdeck.views.fmt import age, duration, glyph, one_line
from quarterdeck.views.model import Look, haystack
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.goodhour import FAILED
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Describes, Drills, TailsLogs
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.verbs import Verb, VerbKind

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

COLUMNS = (
    Column("status", "", 1),
    Column("name", "NAME", 34, flex=3, min_width=12),
    Column("state", "STATE", 14, flex=1, min_width=8),
    Column("took", "TOOK", 6, "right", priority=1),
    Column("when", "WHEN", 5, "right", priority=2),
    Column("note", "NOTE", 40, flex=3, min_width=8, priority=1),
)


def child_row(record: Record, look: Look) -> Row:
    """A row of any kind; kinds with a view of their own show as that."""
    view = view_of(record.kind)
    if view is not None:
        return view.row(record, look)
    took = "-"
    if isinstance(record, Job) and record.started_at is not None:
        took = duration((record.finished_at or look.now) - record.started_at)
    return Row(
        record.ref,
        (
            glyph(record.status),
            Cell(record.name),
            Cell(record.state),
            Cell(took, "dim"),
            Cell(age(record.updated_at, look.now), "dim"),
            Cell(one_line(record.note), "dim"),
        ),
    )


class ChildrenScreen(TableScreen):
    """A drill-down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "logs", show=False),
        Binding("d", "detail", show=False),
        Binding("o", "link", show=False),
        Binding("r", "again", show=False),
        Binding("space", "mark", show=False, priority=True),
        Binding("R", "act('R')", show=False),
        Binding("X", "act('X')", show=False),
        Binding("A", "act('A')", show=False),
        Binding("colon", "verbs", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "open"), ("l", "logs"), ("d", "detail"), ("o", "link"), ("/", "filter"), ("r", "ask again"),
        (":", "all it can do"),
    )  # fmt: skip

    def __init__(self, boot: Boot, ref: Ref, parent: Record | None) -> None:
        self._called = parent.name if parent else ref.id
        self._parent_record = parent
        super().__init__(f"{ref.kind.replace('_', ' ')} {self._called}", COLUMNS, "asking, at most 30 s")
        self._boot = boot
        self._ref = ref
        self._rows: list[Record] = []
        self._next = ""
        self._asking = False

    def on_mount(self) -> None:
        """Ask for the first page; before what is inside a failed run stands its failure."""
        super().on_mount()
        self.action_again()
        parent = self._parent_record
        if isinstance(parent, Run) and (parent.status is Status.BAD or parent.state in FAILED):
            self._detail(parent)

    def action_again(self) -> None:
        """Ask from the first page on."""
        self._rows, self._next = [], ""
        self.app.work(self._page(), "what is inside")

    async def _page(self) -> None:
        source = self._boot.hub.sources.get(self._ref.source)
        if not isinstance(source, Drills) or self._asking:
            return
        self._asking = True
        try:
            listing, self._next = await self._boot.bounded(
                source.children(self._ref, self._next), 30, "what is inside", self._ref.source
            )
        except QuarterdeckError as error:
            if self.is_running:
                self.table.empty = [str(error)]
                self.app.say(str(error), "error")
            return
        finally:
            self._asking = False
        known = {row.ref for row in self._rows}
        self._rows += [row for row in listing.rows if row.ref not in known]
        if self.is_running:
            self.filtered()

    def filtered(self) -> None:
        """Those that the filter keeps."""
        table = self.table
        if self._rows:
            view = view_of(self._rows[0].kind)
            table.set_columns(view.columns if view else COLUMNS)
            table.empty = [f"nothing matches /{self.wanted}", "Esc clears the filter"]
        else:
            table.empty = [f"{self._ref.source} answered: nothing inside"]
        keeps = Filter(self.wanted).keeps
        kept = [row for row in self._rows if keeps(haystack(row))]
        table.set_rows([child_row(row, Look(now=self.app.now())) for row in kept], ghosts=False)
        more = ", more on the way down" if self._next else ""
        self.entitle(f"{self._ref.kind.replace('_', ' ')} {self._called}: {len(kept)} rows{more}")

    @on(RecordTable.CursorMoved)
    def moved(self) -> None:
        """The next page when the cursor reaches the end."""
        table = self.table
        if self._next and table.rows and table.cursor_key == table.rows[-1].key:
            self.app.work(self._page(), "the next page")

    def action_link(self) -> None:
        """The row's web address."""
        self.app.deck.link(self._current())

    def _current(self) -> Record | None:
        key = self.table.cursor_key
        return next((row for row in self._rows if row.ref == key), None)

    @on(RecordTable.RowSelected)
    def chosen(self) -> None:
        """Enter: the log of a job, the inside of what has one, else the detail."""
        record = self._current()
        if record is None:
            return
        if record.kind == "job":
            self.action_logs()
        else:
            self.action_detail()

    def action_logs(self) -> None:
        """The log."""
        record = self._current()
        if record is not None and isinstance(self._boot.hub.sources.get(record.ref.source), TailsLogs):
            self.app.push_screen(LogScreen(self._boot, [record.ref], names={record.ref: record.name}))

    def action_detail(self) -> None:
        """Everything known of it."""
        record = self._current()
        if record is not None:
            self._detail(record)

    def _detail(self, record: Record) -> None:
        source = self._boot.hub.sources.get(record.ref.source)
        describes = source if isinstance(source, Describes) else None
        self.app.push_screen(DetailScreen(self._boot, record.ref, record, describes))

    def action_verbs(self) -> None:
        """Everything that can be done to the row, with the reason where it cannot."""
        record = self._current()
        if record is not None:
            self._choose([v for v in self.app.boot.registry.on(record.kind) if v.kind is VerbKind.MUTATION], record)

    def action_act(self, key: str) -> None:
        """What a key does to the row."""
        record = self._current()
        if record is not None:
            found = [v for v in self.app.boot.registry.on(record.kind, key) if v.kind is VerbKind.MUTATION]
            self._choose(found, record)

    def _choose(self, verbs: list[Verb], record: Record) -> None:
        if not verbs:
            self.app.say(f"nothing here acts on a {record.kind.replace('_', ' ')}", "warning")
        elif len(verbs) == 1:
            act_on(self.app, verbs[0], record, self.action_again)
        else:
            operator = self.app.boot.operator
            choices = [Choice(verb.id, verb.title, operator.why_not(verb, record.ref, record) or "") for verb in verbs]

            def chosen(id: str | None) -> None:
                if id is not None:
                    act_on(self.app, next(verb for verb in verbs if verb.id == id), record, self.action_again)

            self.app.push_screen(MenuDialog(record.name, choices), chosen)

    def action_mark(self) -> None:
        """Mark the row."""
        self.table.action_toggle_mark()
