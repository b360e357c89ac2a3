"""From records to rows: filter, order, and cells that are made when a line is painted, and not before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsIndex, overload

from quarterdeck.panes.layout import Layout, lay_out
from quarterdeck.views.model import Look, View, haystack
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.records import Record, Ref


class Filter:
    """A regular expression over the words of a row; a leading `!` keeps what does not match. Case is ignored."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.inverse = text.startswith("!")
        self.problem = ""
        self._pattern: re.Pattern[str] | None = None
        source = text[1:] if self.inverse else text
        self._literal = source.lower() if source.isascii() and source == re.escape(source).replace("\\-", "-") else ""
        if source:
            try:
                self._pattern = re.compile(source, re.IGNORECASE)
            except re.error as error:
                self.problem = f"not a regular expression: {error}"
                self._pattern = re.compile(re.escape(source), re.IGNORECASE)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def keeps(self, words: str) -> bool:
        """Whether a row with these words stays."""
        return self._pattern is None or bool(self._pattern.search(words[:4096])) is not self.inverse

    def kept(self, rows: Sequence[Row], words: Sequence[str]) -> list[Row]:
        """The rows that stay; `words` are theirs, in the same order, lower case, of at most 4,096 characters."""
        if self._pattern is None:
            return list(rows)
        inverse, literal, search = self.inverse, self._literal, self._pattern.search
        if literal:
            return [row for row, text in zip(rows, words, strict=True) if (literal in text) is not inverse]
        return [row for row, text in zip(rows, words, strict=True) if (search(text) is None) is inverse]


class LazyCells(Sequence[Cell]):
    """The cells of one row, made when they are first asked for: of 10,000 rows forty are on the screen."""

    __slots__ = ("_layout", "_look", "_made", "_record", "_view")

    def __init__(self, view: View, record: Record, look: Look, layout: Layout) -> None:
        self._view, self._record, self._look, self._layout = view, record, look, layout
        self._made: tuple[Cell, ...] | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them."""
        if self._made is None:
            made = self._view.row(self._record, self._look).cells
            self._made = self._layout.cells(made, self._record, self._look)
        return self._made

    @overload
    def __getitem__(self, index: SupportsIndex) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Cell, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Cell | tuple[Cell, ...]:
        return self.cells[index]

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def __eq__(self, other: object) -> bool:
        return self is other or self.cells == (other.cells if isinstance(other, LazyCells) else other)

    def __hash__(self) -> int:
        return hash(self.cells)


class RowMaker:
    """Makes one tab's rows. A row is another object only when its record changed, its live use, or the minute did."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.layout = Layout(view.columns)
        self.hidden: frozenset[str] = frozenset()
        """The keys of the columns that the operator does not want to see."""
        self.order = next(iter(view.orders))
        self.reverse = False
        self.filter = Filter()
        self._rows: dict[Ref, tuple[Record, object, Row]] = {}
        self._minute: object = None
        self._given: list[Record] = []
        self._by: object = None
        self._sorted: list[Record] = []
        self._made: list[Row] | None = None
        self._words: list[str] | None = None
        self._known_words: dict[Ref, tuple[Record, str]] = {}

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns that can be shown, the environment's too."""
        return lay_out(self.view).columns

    def make(self, records: Iterable[Record], look: Look) -> list[Row]:
        """The rows to show, in order."""
        colours, served = tuple(sorted(look.colours.items())), tuple(sorted(look.served.items()))
        stamp = (int(look.now // 60), colours, served, look.environments)
        if stamp != self._minute:
            self._rows.clear()
            self._minute, self._made = stamp, None
        self._sort(list(records))
        if self._made is None or look.stats:
            self._made = [self._row(record, look) for record in self._sorted]
        return self.filter.kept(self._made, self._haystacks()) if self.filter else list(self._made)

    def lay_out(self, *, context: bool) -> bool:
        """Lay the columns out anew; whether they are others now. `context`: with the environment's."""
        layout = lay_out(self.view, self.hidden, context=context)
        if layout == self.layout:
            return False
        self.layout, self._made = layout, None
        self._rows.clear()
        return True

    def next_order(self) -> str:
        """The next order; after the last one, the first reversed, and so on."""
        orders = list(self.view.orders)
        place = orders.index(self.order) + 1
        if place == len(orders):
            self.reverse = not self.reverse
        self.order = orders[place % len(orders)]
        return self.order

    def _sort(self, records: list[Record]) -> None:
        """In order, sorted again only when a record or the order is another."""
        by = self.order, self.reverse
        if by == self._by and records == self._given:
            return
        self._by, self._given, self._words, self._made = by, records, None, None
        self._sorted = sorted(records, key=self.view.orders[self.order], reverse=self.reverse)
        if len(self._rows) > 2 * len(records) + 1000:
            self._rows.clear()

    def _haystacks(self) -> list[str]:
        """What the filter looks through, for every sorted record; made again only for those that changed."""
        if self._words is None:
            before, known = self._known_words, {}
            for record in self._sorted:
                entry = before.get(record.ref)
                known[record.ref] = entry if entry and entry[0] is record else (record, haystack(record)[:4096].lower())
            self._known_words = known
            self._words = [known[record.ref][1] for record in self._sorted]
        return self._words

    def _row(self, record: Record, look: Look) -> Row:
        extra = look.stats.get(record.ref) if look.stats else None
        known = self._rows.get(record.ref)
        if known is not None and known[0] is record and known[1] is extra:
            return known[2]
        row = Row(record.ref, LazyCells(self.view, record, look, self.layout))
        self._rows[record.ref] = record, extra, row
        return row
