"""What changed in the last seven days, across all systems, kept in state.db and shared by the decks of one host."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

import msgspec

from quarterdeck_lifecycle.state import StateDB, transaction, utc_text
from quarterdeck_lifecycle.text import clean, clean_line

KEPT = timedelta(days=7)
_PRUNE_EVERY = timedelta(hours=1)

_COLUMNS = "id, at, source, system, kind, ref, name, environment, what, before, after, by, op, actor, note"
_SELECT = f"SELECT {_COLUMNS} FROM changes "  # noqa: S608
_INSERT = f"INSERT OR IGNORE INTO changes ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608
_WORDS = ("name", "kind", "system", "source", "environment", "what", "before", "after", "by", "op", "actor", "note")
"""What an expression looks through, in this order with spaces between."""
_EXACT = ("source", "system", "kind", "environment", "ref", "what", "by", "op")


class ChangeRow(msgspec.Struct, frozen=True):
    """One change of one thing.

    `id` says which change it is, the same for every deck that sees it; `at` knows its zone; `what` names the field
    (image, alias, replicas, result); `by` is "us" when an operation of ours did it, then `op` names it. `actor` is
    who, as far as it is known (a name with `?` is only claimed somewhere), and `note` how that is known, and where.
    """

    id: str
    at: datetime
    source: str
    system: str
    kind: str
    ref: str
    name: str
    environment: str
    what: str
    before: str
    after: str
    by: Literal["us", "outside"] = "outside"
    op: str = ""
    actor: str = ""
    note: str = ""


Rows = list[ChangeRow]


class ChangeFilter(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Which changes: empty fields ask for nothing; `contains` looks in names, values and people, without case.

    `matching` is a regular expression without case; a leading `!` keeps what does not match. One that is none is
    looked for as it stands, and `problem` says so.
    """

    source: str = ""
    system: str = ""
    kind: str = ""
    environment: str = ""
    ref: str = ""
    what: str = ""
    by: Literal["us", "outside", ""] = ""
    op: str = ""
    contains: str = ""
    matching: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)

    @cached_property
    def _pattern(self) -> tuple[re.Pattern[str], str]:
        text = self.matching.removeprefix("!")
        try:
            return re.compile(text, re.IGNORECASE), ""
        except (re.error, OverflowError, RecursionError) as error:
            return re.compile(re.escape(text), re.IGNORECASE), f"not a regular expression: {error}"

    @property
    def problem(self) -> str:
        """What is wrong with the expression, or an empty string."""
        return self._pattern[1]

    def found_in(self, words: str) -> bool:
        """Whether the expression is found in these words (of which 4,096 characters are looked at)."""
        return self._pattern[0].search(words[:4096]) is not None

    def keeps(self, row: ChangeRow) -> bool:
        """Whether a change is among those asked for, as the database would say."""
        for name in _EXACT:
            wanted = getattr(self, name)
            if wanted and getattr(row, name) != wanted:
                return False
        words = " ".join(getattr(row, name) for name in _WORDS)
        if self.contains and self.contains.lower() not in f"{words} {row.ref}".lower():
            return False
        return self.matching in ("", "!") or self.found_in(words) is not self.matching.startswith("!")

    def where(self) -> tuple[list[str], list[Any]]:
        """The conditions in SQL and their values."""
        asked = [(name, getattr(self, name)) for name in _EXACT]
        terms = [f"{name} = ?" for name, value in asked if value]
        values = [value for _, value in asked if value]
        if self.contains:
            columns = " || ' ' || ".join(
                ("source", "kind", "ref", "name", "environment", "what", "before", "after", "actor")
            )
            terms.append(f"instr(lower({columns}), lower(?)) > 0")
            values.append(self.contains)
        text = self.matching.removeprefix("!")
        if text:
            columns = " || ' ' || ".join(_WORDS)
            # What is no expression is looked for by SQLite itself, which does not hold up this program meanwhile.
            plain = text.isascii() and re.escape(text).replace("\\-", "-").replace("\\ ", " ") == text
            found = f"instr(lower({columns}), lower(?)) > 0" if plain else f"found_in({columns})"
            terms.append(f"NOT {found}" if self.matching.startswith("!") else found)
            values += [text] if plain else []
        return terms, values


class ChangeLog:
    """The changes on disk. What it is given passes the redactor (on the state's thread) and the text gate."""

    def __init__(
        self, db: StateDB, redact: Callable[[str], str], clock: Callable[[], datetime] | None = None,
        searching: StateDB | None = None,
    ) -> None:  # fmt: skip
        """`searching` is where expressions are asked: one that takes long holds up nothing but itself there."""
        self._db = db
        self._searching = searching or db
        self._redact = redact
        self._clock = clock or (lambda: datetime.now(UTC))
        self._pruned: datetime | None = None

    async def add(self, rows: Iterable[ChangeRow]) -> int:
        """Keep these changes, in one transaction; how many were not there yet. Raises StateError.

        About once an hour what is older than seven days goes at the same time.
        """
        now = self._clock()
        oldest = utc_text(now - KEPT)
        prune = self._pruned is None or abs(now - self._pruned) > _PRUNE_EVERY
        given = tuple(rows)
        if not given:
            return 0

        def work(connection: sqlite3.Connection) -> int:
            values = [row for row in map(self._values, given) if row[1] >= oldest]
            with transaction(connection):
                before = connection.total_changes
                connection.executemany(_INSERT, values)
                added = connection.total_changes - before
                if prune:
                    connection.execute("DELETE FROM changes WHERE at < ?", (oldest,))
            return added

        added = await self._db.run(work)
        if prune:
            self._pruned = now
        return added

    async def add_past(self, rows: Iterable[ChangeRow], slack: timedelta = timedelta(minutes=5)) -> int:
        """Keep what was seen late, where nothing of the same thing is known since `slack` before; how many were new.

        Raises StateError.
        """
        given = tuple(rows)

        def work(connection: sqlite3.Connection) -> int:
            added = 0
            with transaction(connection):
                for row in given:
                    known = connection.execute(
                        "SELECT 1 FROM changes WHERE ref = ? AND at >= ? LIMIT 1",
                        (clean_line(row.ref, 20_000), utc_text(row.at - slack)),
                    ).fetchone()
                    if known is None:
                        added += connection.execute(_INSERT, self._values(row)).rowcount
            return added

        return await self._db.run(work) if given else 0

    async def prune(self) -> int:
        """Drop what is older than seven days; how many rows went. Raises StateError."""
        oldest = utc_text(self._clock() - KEPT)

        def work(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                return connection.execute("DELETE FROM changes WHERE at < ?", (oldest,)).rowcount

        return await self._db.run(work)

    async def recent(
        self,
        since: datetime | None = None,
        limit: int = 200,
        asked: ChangeFilter | None = None,
        until: datetime | None = None,
        before: ChangeRow | None = None,
        after: ChangeRow | None = None,
    ) -> Rows:
        """The newest changes from `since` (inclusive) to `until` (exclusive), newest first. Raises StateError.

        `before`, the last row of an earlier answer, goes on from there; `after`, a first row, answers those nearest
        above it, newest first too.
        """
        terms, values = _conditions(since, until, asked)
        for sign, row in (("<", before), (">", after)):
            if row is not None:
                terms.append(f"(at, id) {sign} (?, ?)")
                values += (utc_text(row.at), row.id)
        way = "DESC" if after is None else "ASC"
        sql = _SELECT + f"WHERE {' AND '.join(['1', *terms])} ORDER BY at {way}, id {way} LIMIT ?"
        rows = await self._read(sql, [*values, limit], asked)
        return rows if after is None else rows[::-1]

    async def oldest(self, limit: int, since: datetime | None = None, asked: ChangeFilter | None = None) -> Rows:
        """The oldest changes from `since` on, newest first. Raises StateError."""
        terms, values = _conditions(since, None, asked)
        sql = _SELECT + f"WHERE {' AND '.join(['1', *terms])} ORDER BY at, id LIMIT ?"
        return (await self._read(sql, [*values, limit], asked))[::-1]

    async def count(
        self, since: datetime | None = None, asked: ChangeFilter | None = None, until: datetime | None = None
    ) -> int:
        """How many there are from `since` (inclusive) to `until` (exclusive). Raises StateError."""
        terms, values = _conditions(since, until, asked)
        sql = f"SELECT count(*) FROM changes WHERE {' AND '.join(['1', *terms])}"  # noqa: S608

        def work(connection: sqlite3.Connection) -> int:
            _teach(connection, asked)
            return int(connection.execute(sql, values).fetchone()[0])

        return await self._for(asked).run(work)

    async def known(self, column: Literal["environment", "system", "source", "kind"]) -> list[str]:
        """The values that a column has in the changes that are kept, in order. Raises StateError."""
        sql = f"SELECT DISTINCT {column} FROM changes WHERE {column} <> '' ORDER BY 1"  # noqa: S608
        return await self._db.run(lambda connection: [row[0] for row in connection.execute(sql)])

    async def that(self, condition: str, since: datetime, until: datetime | None = None) -> Rows:
        """Those that an SQL condition of this program keeps, the oldest first. Raises StateError."""
        terms, values = _conditions(since, until, None)
        sql = _SELECT + f"WHERE {' AND '.join([*terms, f'({condition})'])} ORDER BY at, id"
        return await self._read(sql, values, None)

    async def _read(self, sql: str, values: list[Any], asked: ChangeFilter | None) -> Rows:
        def work(connection: sqlite3.Connection) -> Rows:
            _teach(connection, asked)
            found = connection.execute(sql, values)
            return [ChangeRow(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in found]

        return await self._for(asked).run(work)

    def _for(self, asked: ChangeFilter | None) -> StateDB:
        return self._searching if asked is not None and asked.matching else self._db

    def _values(self, row: ChangeRow) -> tuple[str, ...]:
        return (
            clean_line(row.id),
            utc_text(row.at),
            clean_line(row.source),
            clean_line(row.system),
            clean_line(row.kind),
            clean_line(row.ref, 20_000),
            clean_line(row.name),
            clean_line(row.environment),
            clean_line(row.what),
            clean(self._redact(row.before)),
            clean(self._redact(row.after)),
            row.by,
            clean_line(row.op),
            clean_line(row.actor),
            clean(self._redact(row.note)),
        )


def _conditions(
    since: datetime | None, until: datetime | None, asked: ChangeFilter | None
) -> tuple[list[str], list[Any]]:
    terms, values = asked.where() if asked else ([], [])
    for term, moment in (("at >= ?", since), ("at < ?", until)):
        if moment is not None:
            terms.append(term)
            values.append(utc_text(moment))
    return terms, values


def _teach(connection: sqlite3.Connection, asked: ChangeFilter | None) -> None:
    """Let the database ask the expression."""
    if asked is not None and asked.matching:
        connection.create_function("found_in", 1, asked.found_in, deterministic=True)
