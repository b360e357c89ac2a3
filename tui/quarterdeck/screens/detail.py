"""Everything known of one thing, in tabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from quarterdeck.screens.text import TextScreen, plain
from quarterdeck.views.fmt import stamp
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Describes, Section
from quarterdeck_lifecycle.records import Record, Ref, row_json
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from quarterdeck.boot import Boot


class TabBar(Bar):
    """The tabs of a detail."""


class DetailScreen(TextScreen):
    """What the record says at once, and what its source says when asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket,tab", "tab(1)", show=False),
        Binding("left_square_bracket,shift+tab", "tab(-1)", show=False),
        Binding("r", "again", show=False),
        Binding("o", "link", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("[ ]", "tabs"), ("/", "search"), ("n N", "hits"), ("y", "copy"), ("o", "link"), ("r", "ask again"),
    )  # fmt: skip

    def __init__(self, boot: Boot, ref: Ref, record: Record | None, describes: Describes | None) -> None:
        super().__init__(f"{ref.kind} {record.name if record else ref.id}", [])
        self._boot = boot
        self._ref = ref
        self._record = record
        self._describes = describes
        self._sections: list[Section] = [record_section(record)] if record else []
        self._tab = 0
        self._problem = ""

    def body(self) -> ComposeResult:
        """Tabs above the lines."""
        yield TabBar()
        yield from super().body()

    def on_mount(self) -> None:
        """Show what is known, ask for the rest."""
        super().on_mount()
        self.show_tab()
        self.action_again()

    def action_again(self) -> None:
        """Ask the source."""
        if self._describes is not None:
            self.app.work(self._ask(), f"detail of {self._ref.kind}")

    def action_link(self) -> None:
        """The row's web address."""
        self.app.deck.link(self._boot.hub.find(self._ref) or self._record)

    async def _ask(self) -> None:
        assert self._describes is not None
        self._problem = "asking, at most 30 s"
        self._show_tabs()
        try:
            found = await self._boot.bounded(self._describes.describe(self._ref), 30, "its detail", self._ref.source)
        except QuarterdeckError as error:
            self._problem = f"{error.short}"
            self.app.say(str(error), "error")
        else:
            self._problem = ""
            own = [record_section(self._record)] if self._record else []
            self._sections = [*found, *own]
            self._tab = min(self._tab, len(self._sections) - 1)
        if self.is_running:
            self.show_tab()

    def action_tab(self, step: int) -> None:
        """Another tab."""
        if self._sections:
            self._tab = (self._tab + step) % len(self._sections)
            self.show_tab()

    def show_tab(self) -> None:
        """The lines of the tab."""
        self._show_tabs()
        if self._sections:
            self.fill(section_lines(self._sections[self._tab]))
        else:
            self.fill(plain(["nothing is known of it any more"]))

    def _show_tabs(self) -> None:
        cells = []
        for place, section in enumerate(self._sections):
            cells.append(Cell(f" {section.title} ", "accent" if place == self._tab else "dim"))
        self.query_one(TabBar).show(cells, [Cell(self._problem, "warn")] if self._problem else [])


def record_section(record: Record) -> Section:
    """The record's own fields as a tab."""
    fields: list[tuple[str, str]] = []
    for key, value in row_json(record).items():
        if key == "links":
            fields += [(f"link {link['kind']}", f"{link['value']}  ({link['evidence']})") for link in value]
        elif isinstance(value, dict):
            fields += [(f"{key} {name}", str(item)) for name, item in value.items()]
        elif key in ("points", "history"):
            fields.append((key, f"{len(value)} points"))
        elif value not in ("", None, [], ()):
            fields.append((key, str(value)))
    return Section(title="Record", fields=tuple(fields), note=f"as of {stamp(record.updated_at)}")


def section_lines(section: Section) -> list[LogLine]:
    """A tab as lines."""
    lines: list[LogLine] = []
    if section.note:
        lines += plain(section.note.splitlines(), "dim")
    if section.shape == "fields" or section.fields:
        width = min(32, max((len(name) for name, _ in section.fields), default=0))
        for name, value in section.fields:
            for place, line in enumerate(value.splitlines() or [""]):
                head = (name if place == 0 else "").ljust(width)
                lines.append(LogLine(f"{head}  {line}", ((0, width, "cyan"),)))
    if section.table:
        lines += table_lines(section.table)
    if section.text:
        for line in section.text.splitlines():
            style = ""
            if section.shape == "diff":
                style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
                style = "cyan" if line.startswith("@@") else style
                style = "bold" if line.startswith(("diff ", "+++", "---")) else style
            lines.append(LogLine(line, ((0, len(line), style),) if style else ()))
    return lines or plain(["empty"], "dim")


def table_lines(table: Sequence[Sequence[str]]) -> list[LogLine]:
    """A table with its header first, columns as wide as they need, at most 60 cells each."""
    widths = [min(60, max(len(row[c]) if c < len(row) else 0 for row in table)) for c in range(len(table[0]))]
    lines = []
    for place, row in enumerate(table):
        text = "  ".join(cell[:width].ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        lines.append(LogLine(text, ((0, len(text), "bold"),) if place == 0 else ()))
    return lines
