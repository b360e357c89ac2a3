"""Mutes in state.db, so that every deck of the user knows of them, after a restart too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from quarterdeck_lifecycle.mutes import Mute
from quarterdeck_lifecycle.state import StateDB, transaction

_COLUMNS = ("key", "ref", "text", "word", "environment", "harm", "calm", "grade", "mark", "at", "until")


class MuteBook:
    """The mutes of one user of the operating system. All methods raise StateError when the state cannot be used."""

    def __init__(self, db: StateDB, user: str) -> None:
        self._db = db
        self._user = user

    async def read(self) -> dict[str, Mute]:
        """All of them, by the key of their need."""
        sql = f"SELECT {', '.join(_COLUMNS)} FROM mutes WHERE user = ? ORDER BY at"  # noqa: S608 - our own columns
        rows = await self._db.run(lambda connection: connection.execute(sql, (self._user,)).fetchall())
        found = [msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), Mute) for row in rows]
        return {mute.key: mute for mute in found}

    async def add(self, mute: Mute) -> None:
        """Mute, in the place of an earlier one of the same need."""
        values = (self._user, *(getattr(mute, name) for name in _COLUMNS))
        sql = f"INSERT OR REPLACE INTO mutes (user, {', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(sql, values)

        await self._db.run(write)

    async def remove(self, mutes: Iterable[Mute]) -> None:
        """Take these very mutes away; one that was made anew meanwhile stays."""
        rows = [(self._user, mute.key, mute.at) for mute in mutes]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany("DELETE FROM mutes WHERE user = ? AND key = ? AND at = ?", rows)

        await self._db.run(write)
