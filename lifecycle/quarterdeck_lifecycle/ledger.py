"""The ledger: who did what, where, why, and how it ended; append-only, every row sealed to the one before it.

`hash` is sha256 over the previous row's hash and the canonical JSON (sorted keys, no spaces, ASCII) of the row's
other fields. A chain shows an edited, removed or reordered row. It cannot show that its last rows were cut off,
nor that all of it was written anew: for that, announcements and marks on targets carry the head's hash, which
`verify` then looks for.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import msgspec

from quarterdeck_lifecycle.actor import Actor, op_id
from quarterdeck_lifecycle.schema import GENESIS
from quarterdeck_lifecycle.state import StateDB, transaction, utc_now
from quarterdeck_lifecycle.text import clean, clean_line

__all__ = ["Actor", "Entry", "Filter", "Ledger", "Phase", "Row", "Verification", "append", "op_id", "read_rows"]

Phase = Literal["intent", "outcome", "refused", "note"]
Redactor = Callable[[str], str]

_PAGE = 2000
_SELECT = (
    'SELECT seq, at, op, actor, "from", host, action, ref, before, after, why, step, phase, result, prev, hash '
    "FROM ledger AS row"
)
_INSERT = "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_OPEN = (
    "phase = 'intent' AND NOT EXISTS (SELECT 1 FROM ledger AS ended WHERE ended.op = row.op "
    "AND ended.phase = 'outcome' AND ended.step = row.step AND ended.action = row.action "
    "AND ended.ref = row.ref AND ended.seq > row.seq)"
)
_TRIGGERS = {"ledger_no_update", "ledger_no_delete", "ledger_in_order"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written down. `ref` is a Ref's text; `before` and `after` are what the verb changes."""

    action: str
    phase: Phase
    op: str = ""
    ref: str = ""
    before: str = ""
    after: str = ""
    why: str = ""
    step: str = ""
    result: str = ""


class Row(msgspec.Struct, frozen=True):
    """A row of the ledger. `at` is RFC 3339 in UTC; `origin` is the column `from`, a word that Python keeps."""

    seq: int
    at: str
    op: str
    actor: str
    origin: str
    host: str
    action: str
    ref: str
    before: str
    after: str
    why: str
    step: str
    phase: Phase
    result: str
    prev: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """The row by its column names, as `ledger --json` prints it."""
        return {"from" if name == "origin" else name: value for name, value in msgspec.structs.asdict(self).items()}

    def seal(self) -> str:
        """The hash that belongs to this row's other fields."""
        body = self.to_dict()
        prev = body.pop("prev")
        del body["hash"]
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=repr)
        return hashlib.sha256(f"{prev}{text}".encode("utf-8", "surrogatepass")).hexdigest()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows: empty fields ask for nothing. `since` is inclusive, RFC 3339 in UTC; `contains` ignores case."""

    op: str = ""
    actor: str = ""
    action: str = ""
    ref: str = ""
    phase: Phase | Literal[""] = ""
    since: str = ""
    contains: str = ""

    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL and its values."""
        asked = [(name, getattr(self, name)) for name in ("op", "actor", "action", "ref", "phase")]
        terms = [f"{name} = ?" for name, value in asked if value]
        values = [value for _, value in asked if value]
        if self.since:
            terms.append("at >= ?")
            values.append(self.since)
        if self.contains:
            columns = " || ' ' || ".join(("op", "actor", "action", "ref", "before", "after", "why", "step", "result"))
            terms.append(f"instr(lower({columns}), lower(?)) > 0")
            values.append(self.contains)
        return " AND ".join(["1", *terms]), values


EVERY = Filter()


class Verification(msgspec.Struct, frozen=True):
    """What reading the whole chain showed. `head` is the last row's hash."""

    ok: bool
    rows: int
    first_bad_seq: int | None
    reason: str
    head: str


def append(connection: sqlite3.Connection, actor: Actor, entry: Entry, redact: Redactor) -> Row:
    """Write one entry in one transaction and return its row. What is free text is redacted, then made safe."""

    def free(text: str) -> str:
        return clean(redact(text))

    with transaction(connection):
        last = connection.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
        seq, prev = last or (0, GENESIS)
        fields: dict[str, Any] = {
            "seq": seq + 1,
            "at": utc_now(),
            "op": clean_line(entry.op),
            "actor": str(actor),
            "origin": actor.origin,
            "host": actor.host,
            "action": clean_line(entry.action),
            "ref": clean_line(entry.ref, 20_000),
            "before": free(entry.before),
            "after": free(entry.after),
            "why": free(entry.why),
            "step": clean_line(redact(entry.step)),
            "phase": entry.phase,
            "result": free(entry.result),
            "prev": prev,
        }
        row = Row(**fields, hash=Row(**fields, hash="").seal())
        connection.execute(_INSERT, tuple(row.to_dict().values()))
    return row


def read_rows(
    connection: sqlite3.Connection, asked: Filter = EVERY, limit: int = 200, before_seq: int | None = None
) -> list[Row]:
    """The newest rows that pass the filter, newest first; `before_seq` goes on from an earlier answer."""
    where, values = asked.where()
    if before_seq is not None:
        where += " AND seq < ?"
        values.append(before_seq)
    found = connection.execute(f"{_SELECT} WHERE {where} ORDER BY seq DESC LIMIT ?", [*values, limit])
    return [Row(*row) for row in found]


def first_break(rows: Iterable[Row], seq: int, prev: str) -> tuple[int, str] | None:
    """Where the chain breaks, and how, in rows that should follow the row `seq` whose hash is `prev`."""
    for row in rows:
        seq += 1
        if row.seq != seq:
            gap = f"row {seq} is" if row.seq == seq + 1 else f"rows {seq} to {row.seq - 1} are"
            return seq, f"{gap} missing"
        if row.prev != prev:
            return seq, f"row {seq} does not follow the row before it"
        if row.hash != row.seal():
            return seq, f"row {seq} was changed after it was written"
        prev = row.hash
    return None


class Ledger:
    """The ledger as one actor writes it. `redact` is called on the state's thread."""

    def __init__(self, db: StateDB, actor: Actor, redact: Redactor) -> None:
        self._db = db
        self.actor = actor
        self._redact = redact

    async def append(self, entry: Entry) -> Row:
        """Write one entry; it is on the disk when this returns. Raises StateError."""
        return await self._db.run(lambda connection: append(connection, self.actor, entry, self._redact))

    async def intent(
        self,
        action: str,
        ref: str,
        *,
        op: str = "",
        before: str = "",
        after: str = "",
        why: str = "",
        step: str = "",
    ) -> Row:
        """Say what is about to be done, before it is sent; a new op id is made where none is given."""
        entry = Entry(
            action=action, phase="intent", op=op or op_id(), ref=ref, before=before, after=after, why=why, step=step
        )
        return await self.append(entry)

    async def outcome(self, intent: Row, result: str, *, after: str | None = None, why: str = "") -> Row:
        """Say how an intent ended; `after` is what was read back, where that was done."""
        entry = Entry(
            action=intent.action,
            phase="outcome",
            op=intent.op,
            ref=intent.ref,
            before=intent.before,
            after=intent.after if after is None else after,
            why=why or intent.why,
            step=intent.step,
            result=result,
        )
        return await self.append(entry)

    async def refused(self, action: str, ref: str, result: str, *, op: str = "", why: str = "") -> Row:
        """Say that something was asked for and not sent, with the reason as `result`."""
        return await self.append(
            Entry(action=action, phase="refused", op=op or op_id(), ref=ref, why=why, result=result)
        )

    async def rows(self, asked: Filter = EVERY, limit: int = 200, before_seq: int | None = None) -> list[Row]:
        """As `read_rows`. Raises StateError."""
        return await self._db.run(lambda connection: read_rows(connection, asked, limit, before_seq))

    async def open_intents(self) -> list[Row]:
        """Intents that no outcome followed, oldest first: begun and not known to have ended."""
        sql = f"{_SELECT} WHERE {_OPEN} ORDER BY seq"
        return await self._db.run(lambda connection: [Row(*row) for row in connection.execute(sql)])

    async def verify(self, known_head: str = "") -> Verification:
        """Read the whole chain, in pages so that writers are not kept waiting.

        `known_head` is a hash that was seen before (on a mark, in an announcement): a chain without it was cut.
        """
        seq, head, seen = 0, GENESIS, not known_head
        while True:
            page = await self._db.run(partial(_page, after=seq))
            if broken := first_break(page, seq, head):
                return Verification(False, broken[0] - 1, broken[0], broken[1], head)
            if page:
                seq, head = page[-1].seq, page[-1].hash
                seen = seen or any(row.hash == known_head for row in page)
            if len(page) < _PAGE:
                break
        if not seen:
            reason = f"{known_head[:12]} was seen as its head and is not in it: rows were cut off or written anew"
            return Verification(False, seq, None, reason, head)
        if not await self._db.run(_guarded):
            return Verification(False, seq, None, "its guards against changes were removed", head)
        return Verification(True, seq, None, "", head)


def _page(connection: sqlite3.Connection, after: int) -> list[Row]:
    sql = f"{_SELECT} WHERE seq > ? ORDER BY seq LIMIT ?"
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        return [Row(*row) for row in connection.execute(sql, (after, _PAGE))]
    finally:
        connection.text_factory = str


def _guarded(connection: sqlite3.Connection) -> bool:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger'")
    return {name for (name,) in rows} >= _TRIGGERS
