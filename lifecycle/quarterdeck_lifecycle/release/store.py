"""Operations as the state keeps them: what runs, what viewers ask of it, who approved it, and what is frozen.

A row belongs to one operation for good; the first result that is written stays. Every method is one transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.release import freezing
from quarterdeck_lifecycle.release.freezing import Freeze
from quarterdeck_lifecycle.release.model import Plan, decode, encode
from quarterdeck_lifecycle.release.ports import Ask
from quarterdeck_lifecycle.state import StateDB, transaction, utc_now
from quarterdeck_lifecycle.text import clean

APPROVAL_S = 1800.0
"""How long an approval holds, in seconds."""
Progress = Literal["waiting", "running", "ended"]
_COLUMNS = (
    "op", "kind", "service", "environment", "user", "actor", "origin", "host", "reason", "created_at", "plan",
    "context", "state", "result", "message", "ended_at",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM operations"  # noqa: S608
_INSERT = f"INSERT INTO operations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_UNENDED = f"{_SELECT} WHERE service = ? AND environment = ? AND state <> 'ended'"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A row of operations. `user` is the operating system's, `actor` with what was claimed; times are RFC 3339 in UTC.

    `context` is JSON of what a runner needs beside the plan; it belongs to whoever starts runners.
    """

    op: str
    kind: str
    service: str
    environment: str
    user: str
    actor: str
    origin: str
    host: str
    reason: str
    created_at: str
    plan: str
    context: str
    state: Progress
    result: str
    message: str
    ended_at: str

    def decoded(self) -> Plan:
        """The plan. Raises msgspec.ValidationError for one of another version of this program."""
        return decode(self.plan)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a viewer asked of an operation."""

    seq: int
    at: str
    actor: str
    ask: Ask
    why: str


class Running(Refused):
    """Another operation on the same service has not ended; `op` is its id."""

    def __init__(self, row: Stored) -> None:
        self.op = row.op
        super().__init__(
            f"{row.service} in {row.environment} is being released",
            why=f"operation {row.op} by {row.actor} on {row.host} since {row.created_at}",
            mend=f"quarterdeck attach {row.op}",
        )


class Store:
    """The tables of operations in state.db. `redact` is called on the state's thread.

    All methods raise StateError when the state cannot be used.
    """

    def __init__(
        self,
        db: StateDB,
        folder: Path | None = None,
        *,
        redact: Callable[[str], str] = lambda text: text,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.db = db
        self.folder = folder or db.path.parent
        self._redact = redact
        self._now = now

    def _free(self, text: str) -> str:
        return clean(self._redact(text))

    # operations

    async def begin(self, plan: Plan, actor: Actor, context: str = "{}") -> None:
        """Write down that an operation starts. Raises Running when one on that service has not ended."""
        values = (
            plan.op, plan.kind, plan.service, plan.environment, actor.user, str(actor), actor.origin, actor.host,
            self._free(plan.reason), utc_now(), encode(plan), context, "waiting" if plan.approval else "running",
            "", "", "",
        )  # fmt: skip

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                if row := connection.execute(_UNENDED, (plan.service, plan.environment)).fetchone():
                    raise Running(_stored(row))
                connection.execute(_INSERT, values)

        await self.db.run(write)

    async def operation(self, op: str) -> Stored:
        """The operation of that id, or of its unique beginning. Raises NotFound, also for an ambiguous one."""
        sql = f"{_SELECT} WHERE op = ?1 OR substr(op, 1, length(?1)) = ?1 ORDER BY op = ?1 DESC LIMIT 3"
        found = await self._rows(sql, (op,)) if op else []
        if not found:
            raise NotFound(f"no operation is called {op}", mend="quarterdeck ledger shows their ids")
        if len(found) > 1 and found[0].op != op:
            raise NotFound(f"{op} is ambiguous", why=f"{', '.join(row.op for row in found)}", mend="give more of it")
        return found[0]

    async def operations(self, limit: int = 100, service: str = "", environment: str = "") -> list[Stored]:
        """The newest first: of all services, or of one."""
        where = "WHERE (?1 = '' OR service = ?1) AND (?2 = '' OR environment = ?2)"
        return await self._rows(f"{_SELECT} {where} ORDER BY op DESC LIMIT ?3", (service, environment, limit))

    async def unended(self) -> list[Stored]:
        """Operations without a result, the oldest first."""
        return await self._rows(f"{_SELECT} WHERE state <> 'ended' ORDER BY op")

    async def progress(self, op: str, state: Literal["waiting", "running"]) -> None:
        """Say that it waits for an approval, or no longer; one that ended stays so."""
        sql = "UPDATE operations SET state = ? WHERE op = ? AND state NOT IN ('ended', ?)"
        await self._write(sql, state, op, state)

    async def finish(self, op: str, result: str, message: str) -> bool:
        """Write its result; False, and nothing changed, when it had one."""
        sql = "UPDATE operations SET state = 'ended', result = ?, message = ?, ended_at = ?"
        where = "WHERE op = ? AND state <> 'ended'"
        return await self._write(f"{sql} {where}", result, self._free(message), utc_now(), op) > 0

    async def reopen(self, op: str) -> bool:
        """Let a STUCK operation be recovered once more; False when it is not STUCK. Raises Running."""
        sql = "UPDATE operations SET state = 'running', result = '', ended_at = '' WHERE op = ? AND result = 'STUCK'"
        row = await self.operation(op)

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                if other := connection.execute(_UNENDED, (row.service, row.environment)).fetchone():
                    raise Running(_stored(other))
                return connection.execute(sql, (row.op,)).rowcount > 0

        return await self.db.run(write)

    # what viewers ask

    async def ask(self, op: str, ask: Ask, actor: Actor, why: str = "") -> None:
        """Ask something of a running operation. Raises Refused when it has ended."""

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                row = connection.execute("SELECT state, result FROM operations WHERE op = ?", (op,)).fetchone()
                if row is None or row[0] == "ended":
                    raise Refused(f"operation {op} has ended", why=row[1] if row else "it is not known here")
                connection.execute(
                    "INSERT INTO asks (op, at, actor, ask, why) VALUES (?, ?, ?, ?, ?)",
                    (op, utc_now(), str(actor), ask, self._free(why)),
                )

        await self.db.run(write)

    async def asks(self, op: str, after: int = 0) -> list[Asked]:
        """What was asked since the ask `after`, oldest first."""
        sql = "SELECT seq, at, actor, ask, why FROM asks WHERE op = ? AND seq > ? ORDER BY seq"
        rows = await self.db.run(lambda connection: connection.execute(sql, (op, after)).fetchall())
        return [Asked(seq=seq, at=at, actor=actor, ask=ask, why=why) for seq, at, actor, ask, why in rows]

    # four eyes

    async def approve(self, row: Stored, digest: str, actor: Actor, why: str = "") -> None:
        """Say yes to the plan of that digest. Raises Refused for the one who started it, and once it has ended."""
        if actor.user == row.user:
            raise Refused(
                f"{actor.user} started operation {row.op}", why="four eyes: another user of this host approves it",
                mend=f"quarterdeck approve {row.op}, as another user",
            )  # fmt: skip
        if row.state == "ended":
            raise Refused(f"operation {row.op} has ended", why=row.result)
        values = (row.op, digest, actor.user, str(actor), actor.host, self._now(), self._free(why))
        await self._write("INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?)", *values)

    async def approved(self, op: str, digest: str, user: str) -> str:
        """Who approved that digest in the last 30 minutes and is not `user`; empty: nobody."""
        sql = "SELECT actor FROM approvals WHERE op = ? AND digest = ? AND user <> ? AND at > ? ORDER BY at LIMIT 1"
        asked = (op, digest, user, self._now() - APPROVAL_S)
        row = await self.db.run(lambda connection: connection.execute(sql, asked).fetchone())
        return str(row[0]) if row else ""

    # freezes

    async def freeze(
        self, service: str, environment: str, actor: Actor, reason: str, until: float | None = None
    ) -> Freeze:
        """Forbid releases, until then (epoch seconds) or until `actor` allows them again. Raises ValueError without
        a reason."""
        made = Freeze(
            service=service, environment=environment, user=actor.user, actor=str(actor), host=actor.host,
            at=utc_now(), reason=self._free(reason.strip()), until=until,
        )  # fmt: skip
        if not made.reason:
            raise ValueError("a reason is required")
        await self.db.run(lambda connection: freezing.write(connection, made))
        return made

    async def unfreeze(self, service: str, environment: str, actor: Actor) -> None:
        """Take one's own freeze away; nobody takes another's. Raises Refused, NotFound."""
        now = self._now()
        await self.db.run(lambda connection: freezing.remove(connection, service, environment, actor.user, now))

    async def freezes(self) -> list[Freeze]:
        """Every freeze that holds now."""
        now = self._now()
        return await self.db.run(lambda connection: freezing.read(connection, now))

    # helpers

    async def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Stored]:
        rows = await self.db.run(lambda connection: connection.execute(sql, values).fetchall())
        return [_stored(row) for row in rows]

    async def _write(self, sql: str, *values: Any) -> int:
        def write(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                return connection.execute(sql, values).rowcount

        return await self.db.run(write)


def _stored(row: tuple[Any, ...]) -> Stored:
    return Stored(**dict(zip(_COLUMNS, row, strict=True)))
