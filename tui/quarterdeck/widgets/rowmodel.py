"""The rows of a table with its cursor and its marks, all held by key: why no verb hits a wrong row."""

from collections.abc import Hashable, Iterable, Sequence
from operator import itemgetter

from .cells import Row

_key_of = itemgetter(0)


class RowModel:
    """Rows in the order they are shown, with a cursor that stays on its key.

    A row that goes while the cursor is on it stays as a ghost in its place until the cursor leaves it. A key
    given twice counts once: the last row wins, in the first one's place.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        """What is shown, the ghost included."""
        self.cursor = -1
        """The place of the cursor in ``rows``; -1 while there are none."""
        self.ghost = False
        """The cursor is on a row that has gone."""
        self.marked: set[Hashable] = set()
        """The keys that are marked; none of them has gone."""
        self._keys: list[Hashable] = []
        self._index: dict[Hashable, int] = {}

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor, a ghost too."""
        return self.rows[self.cursor] if self.rows else None

    @property
    def count(self) -> int:
        """The rows that exist now, without the ghost."""
        return len(self.rows) - self.ghost

    def living(self) -> list[Row]:
        """The rows that exist now, in the order shown."""
        if not self.ghost:
            return self.rows
        return self.rows[: self.cursor] + self.rows[self.cursor + 1 :]

    def apply(self, rows: Sequence[Row], ghosts: bool = True) -> None:
        """Show these rows in this order; cursor and marks stay on their keys.

        Without ``ghosts`` a row under the cursor that is not among them has not gone, it is only not shown:
        the cursor goes to its neighbour.
        """
        fresh = list(rows)
        keys = list(map(_key_of, fresh))
        if keys == self._keys and not self.ghost:
            self.rows = fresh
            return
        index = dict(zip(keys, range(len(keys)), strict=True))
        if len(index) != len(keys):
            unique = dict(zip(keys, fresh, strict=True))
            fresh = list(unique.values())
            keys = list(unique)
            index = dict(zip(keys, range(len(keys)), strict=True))
        under, place = self.cursor_row, self.cursor
        if under is None:
            self.cursor, self.ghost = (0 if fresh else -1), False
        elif under.key in index:
            self.cursor, self.ghost = index[under.key], False
        elif not ghosts:
            self.cursor, self.ghost = min(place, len(fresh) - 1), False
        else:
            place = self._place_of_ghost(place, index)
            fresh.insert(place, under)
            keys.insert(place, under.key)
            self.cursor, self.ghost = place, True
        self.rows, self._keys, self._index = fresh, keys, index
        if self.marked:
            self.marked.intersection_update(index)

    def _place_of_ghost(self, place: int, index: dict[Hashable, int]) -> int:
        """After the row it stood behind, if that one is still there; else where it stood."""
        if place == 0:
            return 0
        before = index.get(self.rows[place - 1].key)
        return min(place, len(index)) if before is None else before + 1

    def move_to(self, place: int) -> bool:
        """Put the cursor on the row at that place (the nearest one there is); True if it moved.

        Leaving a ghost ends it.
        """
        place = max(0, min(place, len(self.rows) - 1))
        if place == self.cursor or not self.rows:
            return False
        if self.ghost:
            del self.rows[self.cursor]
            del self._keys[self.cursor]
            place -= place > self.cursor
            self.ghost = False
        self.cursor = place
        return True

    def place_of(self, key: Hashable) -> int | None:
        """Where the row with this key is shown; None for a key that is not there (a ghost's neither)."""
        place = self._index.get(key)
        if place is None:
            return None
        return place + (self.ghost and place >= self.cursor)

    def toggle_mark(self) -> bool:
        """Mark the row under the cursor, or unmark it; False where there is none or it is a ghost."""
        row = self.cursor_row
        if row is None or self.ghost:
            return False
        self.marked ^= {row.key}
        return True

    def mark_between(self, first: int, last: int) -> bool:
        """Mark every row from one place to another, both included; False if nothing was left to mark."""
        low, high = sorted((first, last))
        keys = {row.key for row in self.rows[max(low, 0) : high + 1]} & self._index.keys()
        new = keys - self.marked
        self.marked |= new
        return bool(new)


def held_order(present: Sequence[Row], incoming: Iterable[Row]) -> list[Row]:
    """The incoming rows in the order that is on the screen, those that are new at the end."""
    fresh = {row.key: row for row in incoming}
    kept = [fresh.pop(row.key) for row in present if row.key in fresh]
    return kept + list(fresh.values())
