"""What decks know of aliases, kept in state.db: moves, and how long each alias was watched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import msgspec

from quarterdeck_lifecycle.release.aliases import Answer, Move, Watched, champion_at
from quarterdeck_lifecycle.state import StateDB, transaction
from quarterdeck_lifecycle.text import clean

_MOVES = ("source", "model", "alias", "version", "origin", "at", "seen_from", "seen_to", "by", "op", "how", "evidence")
_LOOKS = ("source", "model", "alias", "version", "first", "last", "widest")
_ADD_MOVE = f"INSERT OR IGNORE INTO alias_moves (id, {', '.join(_MOVES)}) VALUES ({', '.join('?' * 13)})"  # noqa: S608
_ADD_LOOK = (
    f"INSERT INTO alias_looks ({', '.join(_LOOKS)}) VALUES ({', '.join('?' * 7)}) "  # noqa: S608
    "ON CONFLICT (model, alias, source, first) DO UPDATE SET "
    "last = max(last, excluded.last), widest = max(widest, excluded.widest)"
)


class AliasBook:
    """The moves and looks of all aliases. What it is given passes the redactor, on the state's thread."""

    def __init__(self, db: StateDB, redact: Callable[[str], str]) -> None:
        self._db = db
        self._redact = redact

    async def add(self, moves: Iterable[Move], looks: Iterable[Watched] = ()) -> None:
        """Keep these; a move that is known already is kept once, a watched time grows. Raises StateError."""
        given, watched = tuple(moves), tuple(looks)
        if not given and not watched:
            return

        def work(connection: sqlite3.Connection) -> None:
            rows = [(move.id, *map(self._plain, _fields(move, _MOVES))) for move in given]
            with transaction(connection):
                connection.executemany(_ADD_MOVE, rows)
                connection.executemany(_ADD_LOOK, [_fields(look, _LOOKS) for look in watched])

        await self._db.run(work)

    async def moves(self, source: str, model: str, alias: str) -> Sequence[Move]:
        """The moves of one alias, the oldest first. Raises StateError."""
        sql = f"SELECT {', '.join(_MOVES)} FROM alias_moves"  # noqa: S608 - names of our own columns
        found = await self._rows(sql, (source, model, alias), "coalesce(at, seen_to), seen_to")
        return [msgspec.convert(dict(zip(_MOVES, row, strict=True)), Move) for row in found]

    async def looks(self, source: str, model: str, alias: str) -> Sequence[Watched]:
        """The times in which one alias was watched, the oldest first. Raises StateError."""
        sql = f"SELECT {', '.join(_LOOKS)} FROM alias_looks"  # noqa: S608 - names of our own columns
        found = await self._rows(sql, (source, model, alias), "first")
        return [msgspec.convert(dict(zip(_LOOKS, row, strict=True)), Watched) for row in found]

    async def last(self, source: str) -> Sequence[Watched]:
        """The last watched time of every alias of a source. Raises StateError."""
        sql = (
            f"SELECT {', '.join(_LOOKS)} FROM alias_looks AS one WHERE source = ? AND last = "  # noqa: S608
            "(SELECT max(last) FROM alias_looks AS other WHERE (other.model, other.alias, other.source) = "
            "(one.model, one.alias, one.source))"
        )
        found = await self._db.run(lambda connection: connection.execute(sql, (source,)).fetchall())
        return [msgspec.convert(dict(zip(_LOOKS, row, strict=True)), Watched) for row in found]

    async def sources(self, model: str, alias: str) -> Sequence[str]:
        """The sources whose alias of that name is known. Raises StateError."""
        sql = (
            "SELECT source FROM alias_looks WHERE model = ? AND alias = ? "
            "UNION SELECT source FROM alias_moves WHERE model = ? AND alias = ? ORDER BY 1"
        )
        found = await self._db.run(lambda one: one.execute(sql, (model, alias, model, alias)).fetchall())
        return [row[0] for row in found]

    async def champion_at(self, source: str, model: str, alias: str, at: float) -> Answer:
        """Where an alias was at `at` (epoch seconds), with the evidence and the blind spots. Raises StateError."""
        moves = await self.moves(source, model, alias)
        return champion_at(moves, await self.looks(source, model, alias), at)

    async def _rows(self, sql: str, key: tuple[str, str, str], order: str) -> list[tuple[object, ...]]:
        whole = f"{sql} WHERE source = ? AND model = ? AND alias = ? ORDER BY {order}"
        return await self._db.run(lambda connection: connection.execute(whole, key).fetchall())

    def _plain(self, value: object) -> object:
        return clean(self._redact(value)) if isinstance(value, str) else value


def _fields(row: Move | Watched, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in names)
