"""From records to rows: filter, order, and a cache so that a row that did not change is the same object."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quarterdeck.views.model import Look, View, haystack
from quarterdeck.widgets.cells import Row
from quarterdeck_lifecycle.records import Record, Ref


class Filter:
    """A regular expression over the words of a row; a leading `!` keeps what does not match. Case is ignored."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.inverse = text.startswith("!")
        self.problem = ""
        self._pattern: re.Pattern[str] | None = None
        source = text[1:] if self.inverse else text
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


class RowMaker:
    """Makes one tab's rows. Cells are made again only for records that changed, or when the minute did."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.order = next(iter(view.orders))
        self.reverse = False
        self.filter = Filter()
        self._rows: dict[Ref, tuple[Record, object, Row]] = {}
        self._words: dict[Ref, tuple[Record, str]] = {}
        self._minute: object = None

    def make(self, records: Iterable[Record], look: Look) -> list[Row]:
        """The rows to show, in order."""
        stamp = (int(look.now // 60), tuple(sorted(look.colours.items())), tuple(sorted(look.served.items())))
        if stamp != self._minute:
            self._rows.clear()
            self._minute = stamp
        kept = [record for record in records if self._keeps(record)]
        kept.sort(key=self.view.orders[self.order], reverse=self.reverse)
        rows = [self._row(record, look) for record in kept]
        if len(self._rows) > 2 * len(rows) + 1000:
            shown = {row.key for row in rows}
            self._rows = {ref: known for ref, known in self._rows.items() if ref in shown}
            self._words = {ref: known for ref, known in self._words.items() if ref in shown}
        return rows

    def next_order(self) -> str:
        """The next order; after the last one, the first reversed, and so on."""
        orders = list(self.view.orders)
        place = orders.index(self.order) + 1
        if place == len(orders):
            self.reverse = not self.reverse
        self.order = orders[place % len(orders)]
        return self.order

    def _keeps(self, record: Record) -> bool:
        if not self.filter:
            return True
        known = self._words.get(record.ref)
        if known is None or known[0] is not record:
            known = self._words[record.ref] = record, haystack(record)
        return self.filter.keeps(known[1])

    def _row(self, record: Record, look: Look) -> Row:
        extra = look.stats.get(record.ref) if look.stats else None
        known = self._rows.get(record.ref)
        if known is not None and known[0] is record and known[1] is extra:
            return known[2]
        row = self.view.row(record, look)
        self._rows[record.ref] = record, extra, row
        return row
