"""Freezes: no release of a service into an environment, said by somebody and never taken away by another."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

import msgspec

from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.state import transaction

_SELECT = "SELECT service, environment, user, actor, host, at, reason, until FROM freezes"
_NOW = "(until IS NULL OR until > ?1)"


class Freeze(msgspec.Struct, frozen=True, kw_only=True):
    """One freeze. `at` is RFC 3339 in UTC, `until` epoch seconds, None for ever."""

    service: str
    environment: str
    user: str
    actor: str
    host: str
    at: str
    reason: str
    until: float | None = None

    def __str__(self) -> str:
        until = f" until {datetime.fromtimestamp(self.until, UTC).isoformat()[:19]}Z" if self.until is not None else ""
        return f"frozen by {self.actor} on {self.host} since {self.at}{until}: {self.reason}"


def write(connection: sqlite3.Connection, freeze: Freeze) -> None:
    """Set a user's freeze, in the place of an earlier one of theirs."""
    with transaction(connection):
        values = msgspec.structs.astuple(freeze)
        connection.execute("INSERT OR REPLACE INTO freezes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def read(connection: sqlite3.Connection, now: float, service: str = "", environment: str = "") -> list[Freeze]:
    """The freezes that hold at `now`, of all services or of one."""
    sql = f"{_SELECT} WHERE {_NOW} AND (?2 = '' OR service = ?2) AND (?3 = '' OR environment = ?3) ORDER BY at"
    return [_freeze(row) for row in connection.execute(sql, (now, service, environment))]


def remove(connection: sqlite3.Connection, service: str, environment: str, user: str, now: float) -> None:
    """Take a user's own freeze away. Raises Refused while another's is left, NotFound when there was none."""
    with transaction(connection):
        mine = "DELETE FROM freezes WHERE service = ? AND environment = ? AND user = ?"
        removed = connection.execute(mine, (service, environment, user)).rowcount
        others = read(connection, now, service, environment)
    if others:
        own = "yours is gone; " if removed else ""
        raise Refused(
            f"{service} in {environment} stays frozen", why=f"{own}{others[0]}",
            mend=f"only {others[0].user} takes that away",
        )  # fmt: skip
    if not removed:
        raise NotFound(f"{service} in {environment} is not frozen")


def blocking(found: list[Freeze], kind: str, user: str) -> Freeze | None:
    """The freeze that stops a release of that kind by `user`: a rollback by the one who froze goes through."""
    return next((freeze for freeze in found if kind != "rollback" or freeze.user != user), None)


def _freeze(row: tuple[Any, ...]) -> Freeze:
    return Freeze(**dict(zip(Freeze.__struct_fields__, row, strict=True)))
