"""What changed in the last seven days, across all systems, kept in state.db and shared by the decks of one host."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from quarterdeck_lifecycle.state import StateDB, transaction, utc_text
from quarterdeck_lifecycle.text import clean, clean_line

KEPT = timedelta(days=7)
_PRUNE_EVERY = timedelta(hours=1)

_SELECT = (
    "SELECT id, at, source, system, kind, ref, name, environment, what, before, after, by, op, actor FROM changes "
)
_INSERT = "INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change of one thing.

    `id` says which change it is, the same for every deck that sees it; `at` knows its zone; `what` names the field
    (image, alias, replicas, result); `by` is "us" when an operation of ours did it, then `op` names it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes: empty fields ask for nothing; `contains` looks in names, values and people, without case."""

    source: str = ""
    system: str = ""
    kind: str = ""
    environment: str = ""
    ref: str = ""
    what: str = ""
    by: Literal["us", "outside", ""] = ""
    op: str = ""
    contains: str = ""

    def where(self) -> tuple[list[str], list[Any]]:
        """The conditions in SQL and their values."""
        asked = [
            (name, getattr(self, name))
            for name in ("source", "system", "kind", "environment", "ref", "what", "by", "op")
        ]
        terms = [f"{name} = ?" for name, value in asked if value]
        values = [value for _, value in asked if value]
        if self.contains:
            columns = " || ' ' || ".join(
                ("source", "kind", "ref", "name", "environment", "what", "before", "after", "actor")
            )
            terms.append(f"instr(lower({columns}), lower(?)) > 0")
            values.append(self.contains)
        return terms, values


class ChangeLog:
    """The changes on disk. What it is given passes the redactor (on the state's thread) and the text gate."""

    def __init__(self, db: StateDB, redact: Callable[[str], str], clock: Callable[[], datetime] | None = None) -> None:
        self._db = db
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
    ) -> list[ChangeRow]:
        """The newest changes from `since` (inclusive) to `until` (exclusive), newest first. Raises StateError.

        `before`, the last row of an earlier answer, goes on from there.
        """
        terms, values = asked.where() if asked else ([], [])
        for term, moment in (("at >= ?", since), ("at < ?", until)):
            if moment is not None:
                terms.append(term)
                values.append(utc_text(moment))
        if before is not None:
            terms.append("(at, id) < (?, ?)")
            values += (utc_text(before.at), before.id)
        sql = _SELECT + f"WHERE {' AND '.join(['1', *terms])} ORDER BY at DESC, id DESC LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[ChangeRow]:
            found = connection.execute(sql, [*values, limit])
            return [ChangeRow(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in found]

        return await self._db.run(work)

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
        )
