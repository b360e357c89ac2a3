"""Several of many: Space or its digit takes one or leaves it, `a` all, `/` looks for names, Enter applies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from quarterdeck.screens.dialogs import Dialog, line
from quarterdeck.widgets.cells import UNICODE, Cell, Column, Row
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck.widgets.table import RecordTable

COLUMNS = (
    Column("taken", "", 1),
    Column("digit", "", 1),
    Column("name", "", 24, flex=1, min_width=10),
    Column("note", "", 40, flex=2, min_width=10, priority=1),
)
ROWS = 12


class Item(NamedTuple):
    """One of many; `style` colours its name."""

    key: str
    name: str
    note: str = ""
    style: str = ""


class SeveralDialog(Dialog[tuple[str, ...]]):
    """Answers the keys that were taken, in the order shown; None when cancelled.

    `alone`: one of them is often all that is wanted, so `o` and its digit take it alone, at once.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("enter", "apply", show=False),
        Binding("space", "turn", show=False),
        Binding("a", "all", show=False),
        Binding("o", "only", show=False),
        Binding("slash", "find", show=False),
        Binding("up,k", "walk(-1)", show=False),
        Binding("down,j", "walk(1)", show=False),
        *(Binding(str(digit), f"digit({digit})", show=False) for digit in range(1, 10)),
    ]

    def __init__(self, title: str, items: Sequence[Item], taken: Iterable[str], *, alone: bool = True) -> None:
        super().__init__()
        self._title = title
        self._items = list(items)
        self._taken = set(taken)
        self._alone = alone
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """Rows, the field that finds some, and the keys."""
        with Vertical():
            yield line(self._title, "bold")
            table = RecordTable(COLUMNS)
            table.can_focus = False
            yield table
            field = PromptInput(id="find", placeholder="/ looks for a name")
            field.can_focus = False
            yield field
            one = "Space takes or leaves · o or digit: it alone" if self._alone else "Space or digit takes or leaves"
            yield line(f"{one} · a all · Enter applies · Esc", "dim")

    def on_mount(self) -> None:
        """The cursor is on the first that is taken."""
        self.table.empty = ["nothing of that name"]
        self.table.styles.height = min(ROWS, max(2, len(self._items))) + 1
        self._show()
        first = next((item.key for item in self._items if item.key in self._taken), None)
        if first is not None and len(self._taken) < len(self._items):
            self.table.move_to_key(first)

    @property
    def table(self) -> RecordTable:
        """The rows."""
        return self.query_one(RecordTable)

    def _show(self) -> None:
        rows = []
        for place, item in enumerate(self._items, 1):
            if all(word in f"{item.name} {item.note}".lower() for word in self._wanted.lower().split()):
                mark = Cell(UNICODE.ok, "ok") if item.key in self._taken else Cell("")
                digit = Cell(str(place) if place < 10 else "", "dim")
                rows.append(Row(item.key, (mark, digit, Cell(item.name, item.style), Cell(item.note, "dim"))))
        self.table.set_rows(rows, ghosts=False)

    @property
    def _here(self) -> str | None:
        key = self.table.cursor_key
        return key if isinstance(key, str) and self.table.rows else None

    def action_walk(self, rows: int) -> None:
        """One up or down."""
        (self.table.action_cursor_down if rows > 0 else self.table.action_cursor_up)()

    def action_turn(self) -> None:
        """Take the row, or leave it."""
        if self._here is not None:
            self._taken ^= {self._here}
            self._show()

    def action_all(self) -> None:
        """Take all, or leave all where all are taken."""
        every = {item.key for item in self._items}
        self._taken = set() if self._taken >= every else every
        self._show()

    def action_only(self) -> None:
        """This one alone, at once."""
        if self._alone and self._here is not None:
            self.dismiss((self._here,))

    def action_digit(self, digit: int) -> None:
        """That one."""
        keys = [item.key for item in self._items[digit - 1 : digit]]
        if keys and self._alone:
            self.dismiss((keys[0],))
        else:
            self._taken.symmetric_difference_update(keys)
            self._show()

    def action_apply(self) -> None:
        """What is taken now; taking none is no choice."""
        if self._taken:
            self.dismiss(tuple(item.key for item in self._items if item.key in self._taken))
        else:
            self.app.bell()

    def action_find(self) -> None:
        """The keyboard to the field."""
        field = self.query_one(PromptInput)
        field.can_focus = True
        field.focus()

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """Those that hold every word."""
        event.stop()
        self._wanted = event.value
        self._show()

    @on(Input.Submitted)
    def found(self, event: Input.Submitted) -> None:
        """The keyboard back to the rows."""
        event.stop()
        self.set_focus(None)
        event.input.can_focus = False
