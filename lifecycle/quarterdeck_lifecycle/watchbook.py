"""Watches kept in state.db, so that they outlive a deck, and are the same on every deck of one user on one project.

A watch is its user's: others who share the state folder neither see it nor are woken by it. And it is its project's:
the sources of another one have the same names and other rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.state import StateDB, transaction
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.watches import Watch

MOST = 1000
"""Watches of one user and project at a time."""
KEPT = 200
"""Watches that have ended, the newest."""
_FIELDS = "id, ref, name, environment, facts, at, ended_at, heard, good"
_PRUNE = (
    "DELETE FROM watches WHERE user = :user AND project = :project AND ended_at IS NOT NULL AND id NOT IN (SELECT id "
    "FROM watches WHERE user = :user AND project = :project AND ended_at IS NOT NULL ORDER BY rowid DESC LIMIT :kept)"
)


class WatchBook:
    """The watches of one user of this host on one project, which is named by its folder."""

    def __init__(self, db: StateDB, user: str, project: str) -> None:
        self._db = db
        self._user = user
        self._project = project
        self._version: int | None = None

    async def add(self, watches: Iterable[Watch]) -> None:
        """Keep these; a row that is watched already stays as it is. Raises StateError."""
        rows = [
            (w.id, self._user, self._project, str(w.ref), w.name, w.environment, json.dumps(w.facts), w.at)
            for w in watches
        ]

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(
                    "INSERT OR IGNORE INTO watches (id, user, project, ref, name, environment, facts, at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )

        await self._db.run(work)

    async def news(self) -> list[Watch] | None:
        """Every watch, those that ended too, in the order they were begun; None where no other program wrote since the
        last call. Raises StateError.
        """

        def work(connection: sqlite3.Connection) -> list[tuple[object, ...]] | None:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            known, self._version = self._version, version
            return None if version == known else self._read(connection)

        found = await self._db.run(work)
        return None if found is None else [watch for watch in map(_watch, found) if watch is not None]

    def again(self) -> None:
        """Have `news` answer next time whoever wrote."""
        self._version = None

    async def seen(self, watches: Iterable[Watch]) -> set[str]:
        """Keep what was seen last, and how those ended that did; the ids that no other deck had told of yet.

        Raises StateError.
        """
        given = tuple(watches)

        def work(connection: sqlite3.Connection) -> set[str]:
            first = set()
            with transaction(connection):
                for watch in given:
                    facts = json.dumps(watch.facts)
                    good = None if watch.good is None else int(watch.good)
                    done = connection.execute(
                        "UPDATE watches SET facts = ?, ended_at = ?, heard = ?, good = ? "
                        "WHERE id = ? AND ended_at IS NULL AND (facts <> ? OR ? IS NOT NULL)",
                        (facts, watch.ended_at, clean_line(watch.heard), good, watch.id, facts, watch.ended_at),
                    )
                    if done.rowcount:
                        first.add(watch.id)
                connection.execute(_PRUNE, {"user": self._user, "project": self._project, "kept": KEPT})
            return first

        return await self._db.run(work)

    async def remove(self, ids: Iterable[str]) -> None:
        """Forget these. Raises StateError."""
        given = [(self._user, self._project, id) for id in ids]

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany("DELETE FROM watches WHERE user = ? AND project = ? AND id = ?", given)

        await self._db.run(work)

    def _read(self, connection: sqlite3.Connection) -> list[tuple[object, ...]]:
        sql = f"SELECT {_FIELDS} FROM watches WHERE user = ? AND project = ? ORDER BY rowid LIMIT ?"  # noqa: S608
        return connection.execute(sql, (self._user, self._project, MOST + KEPT)).fetchall()


def _watch(row: Sequence[object]) -> Watch | None:
    """A row as a watch; None for one that no Quarterdeck wrote."""
    id, ref, name, environment, facts, at, ended_at, heard, good = row
    try:
        return Watch(
            id=str(id), ref=Ref.parse(str(ref)), name=str(name), environment=str(environment),
            facts={str(key): str(value) for key, value in json.loads(str(facts)).items()}, at=float(str(at)),
            ended_at=None if ended_at is None else float(str(ended_at)), heard=str(heard),
            good=None if good is None else bool(good),
        )  # fmt: skip
    except (ValueError, AttributeError):
        return None
