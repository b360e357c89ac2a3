"""The ledger: what is written stays, in one chain, whoever writes at the same time."""

import asyncio
import hashlib
import json
import os
import pwd
import re
import socket
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from quarterdeck_lifecycle.ledger import Actor, Entry, Filter, Ledger, op_id
from quarterdeck_lifecycle.schema import GENESIS
from quarterdeck_lifecycle.state import StateDB, StateError

ACTOR = Actor(user="ana", origin="203.0.113.7", host="bastion")
REF = "prod-1/container/fraud-api"


def redact(text: str) -> str:
    return re.sub(r"ghp_\w+", "‹secret›", text)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[StateDB]:
    state = StateDB(tmp_path)
    yield state
    assert await state.aclose()


@pytest.fixture
def ledger(db: StateDB) -> Ledger:
    return Ledger(db, ACTOR, redact)


async def fill(ledger: Ledger, count: int) -> None:
    for number in range(count):
        await ledger.append(Entry(action="container.restart", phase="note", ref=REF, why=f"reason {number}"))


async def test_a_row_says_who_where_what_and_when(ledger: Ledger) -> None:
    intent = await ledger.intent("image.deploy", REF, before="sha256:aa", after="sha256:bb", why="fix", step="switch")
    row = await ledger.outcome(intent, "ok", after="sha256:bb read back")
    assert (row.seq, row.actor, row.origin, row.host) == (2, "ana", "203.0.113.7", "bastion")
    assert (row.op, row.action, row.ref, row.step, row.why) == (intent.op, "image.deploy", REF, "switch", "fix")
    assert (row.before, row.after, row.result) == ("sha256:aa", "sha256:bb read back", "ok")
    assert (intent.phase, row.phase) == ("intent", "outcome")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row.at)
    assert (intent.prev, row.prev) == (GENESIS, intent.hash)
    assert await ledger.rows() == [row, intent]
    names = "seq at op actor from host action ref before after why step phase result prev hash"
    assert " ".join(row.to_dict()) == names


async def test_the_seal_is_what_the_documentation_says(ledger: Ledger) -> None:
    """Recomputed here from the columns alone, as a reader with sqlite3 and sha256sum would."""
    await fill(ledger, 1)
    row = await ledger.append(Entry(action="é", phase="refused", ref=REF, result="read-only"))
    fields = {name: value for name, value in row.to_dict().items() if name not in ("prev", "hash")}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    assert row.hash == hashlib.sha256((row.prev + text).encode()).hexdigest()


async def test_free_text_is_redacted_and_safe(ledger: Ledger, tmp_path: Path) -> None:
    row = await ledger.append(
        Entry(
            action="env.set\x1b[2J",
            phase="note",
            before="token ghp_abc",
            after="token ghp_def\x1b]0;x\x07",
            why="because ghp_ghi \u202e",
            step="use ghp_jkl",
            result="said ghp_mno \udc80",
        )
    )
    assert row.action == "env.set␛"
    assert row.after == "token ‹secret›␛"
    assert row.why == "because ‹secret› <U+202E>"
    assert row.result == "said ‹secret› \\udc80"
    for path in tmp_path.iterdir():
        assert b"ghp_" not in path.read_bytes()
    assert (await ledger.verify()).ok


async def test_rows_are_filtered_and_paged(ledger: Ledger) -> None:
    await fill(ledger, 10)
    other = await ledger.refused("model.alias", "ml/model/fraud", "protected: needs --confirm", why="Night shift")
    assert [row.seq for row in await ledger.rows(limit=3)] == [11, 10, 9]
    assert [row.seq for row in await ledger.rows(limit=3, before_seq=9)] == [8, 7, 6]
    for asked in (
        Filter(op=other.op),
        Filter(action="model.alias"),
        Filter(ref="ml/model/fraud"),
        Filter(phase="refused"),
        Filter(contains="NIGHT"),
        Filter(since=other.at, action="model.alias"),
    ):
        assert await ledger.rows(asked) == [other], asked
    assert await ledger.rows(Filter(phase="refused", actor="someone else")) == []
    assert await ledger.rows(Filter(contains="' OR 1 --")) == []


async def test_intents_without_an_outcome_are_found(ledger: Ledger) -> None:
    done = await ledger.intent("a", REF, step="1")
    lost = await ledger.intent("a", REF, op=done.op, step="2")
    await ledger.outcome(done, "ok")
    again = await ledger.intent("a", REF, op=done.op, step="1")
    assert await ledger.open_intents() == [lost, again]
    await ledger.outcome(again, "not done")
    await ledger.outcome(lost, "unknown")
    assert await ledger.open_intents() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET why = 'nothing happened' WHERE seq = 2",
        "DELETE FROM ledger WHERE seq = 2",
        "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 2",
        "REPLACE INTO ledger SELECT 2, at, op, 'eve', \"from\", host, action, ref, before, after, why, step, phase, "
        "result, prev, hash FROM ledger WHERE seq = 3",
        'INSERT INTO ledger SELECT 9, at, op, actor, "from", host, action, ref, before, after, why, step, phase, '
        "result, hash, hash FROM ledger WHERE seq = 3",
    ],
)
async def test_the_file_itself_refuses_changes(ledger: Ledger, db: StateDB, statement: str) -> None:
    await fill(ledger, 3)
    before = await ledger.rows()
    with pytest.raises(StateError, match="append-only"):
        await db.run(lambda connection: connection.execute(statement))
    assert await ledger.rows() == before


def tamper(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "state.db", isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()


SWAP = (
    "UPDATE ledger SET seq = 99 WHERE seq = 2",
    "UPDATE ledger SET seq = 2 WHERE seq = 3",
    "UPDATE ledger SET seq = 3 WHERE seq = 99",
)


@pytest.mark.parametrize(
    ("statements", "bad", "reason"),
    [
        (("UPDATE ledger SET why = 'other' WHERE seq = 3",), 3, "row 3 was changed"),
        (("UPDATE ledger SET actor = 'eve' WHERE seq = 1",), 1, "row 1 was changed"),
        (("UPDATE ledger SET \"from\" = '' WHERE seq = 4",), 4, "row 4 was changed"),
        (("UPDATE ledger SET why = CAST(x'ff' AS TEXT) WHERE seq = 2",), 2, "row 2 was changed"),
        (("UPDATE ledger SET why = x'00' WHERE seq = 2",), 2, "row 2 was changed"),
        (("UPDATE ledger SET hash = 'made up' WHERE seq = 2",), 2, "row 2 was changed"),
        (("DELETE FROM ledger WHERE seq = 2",), 2, "row 2 is missing"),
        (("DELETE FROM ledger WHERE seq IN (1, 2)",), 1, "rows 1 to 2 are missing"),
        (("DELETE FROM ledger WHERE seq = 2", "UPDATE ledger SET seq = seq - 1 WHERE seq > 2"), 2, "does not follow"),
        (SWAP, 2, "does not follow"),
        (("UPDATE ledger SET prev = 'x' WHERE seq = 1",), 1, "does not follow"),
    ],
)
async def test_tampering_shows(
    ledger: Ledger, tmp_path: Path, statements: tuple[str, ...], bad: int, reason: str
) -> None:
    await fill(ledger, 5)
    good = await ledger.verify()
    assert (good.ok, good.rows, good.first_bad_seq, good.reason) == (True, 5, None, "")
    assert good.head == (await ledger.rows(limit=1))[0].hash
    tamper(tmp_path, *statements)
    found = await ledger.verify()
    assert not found.ok
    assert found.first_bad_seq == bad
    assert reason in found.reason


async def test_a_cut_tail_shows_only_to_who_knows_the_head(ledger: Ledger, tmp_path: Path) -> None:
    await fill(ledger, 5)
    head = (await ledger.verify()).head
    assert (await ledger.verify(known_head=head)).ok
    tamper(tmp_path, "DELETE FROM ledger WHERE seq = 5")
    assert (await ledger.verify()).ok
    found = await ledger.verify(known_head=head)
    assert not found.ok
    assert "cut off" in found.reason


async def test_removed_guards_show(ledger: Ledger, db: StateDB) -> None:
    await fill(ledger, 1)
    await db.run(lambda connection: connection.execute("DROP TRIGGER ledger_no_delete"))
    assert "guards" in (await ledger.verify()).reason


async def test_an_empty_ledger_and_one_of_many_pages_are_verified(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await ledger.verify()).head == GENESIS
    monkeypatch.setattr("quarterdeck_lifecycle.ledger._PAGE", 3)
    for count in (3, 4):
        await fill(ledger, count)
        found = await ledger.verify()
        assert found.ok
    assert found.rows == 7


async def test_processes_that_write_at_the_same_time_keep_one_chain(ledger: Ledger, tmp_path: Path) -> None:
    """The file does not exist yet, so they race for making it too."""
    script = f"""
import sys
from pathlib import Path
from quarterdeck_lifecycle.ledger import Actor, Entry, append
from quarterdeck_lifecycle.state import StateDB
db = StateDB(Path({str(tmp_path)!r}))
actor = Actor(user=sys.argv[1], origin="local", host="h")
sys.stdin.readline()
for number in range(100):
    entry = Entry(action="race", phase="note", why=str(number))
    db.run_sync(lambda connection: append(connection, actor, entry, str))
db.close()
"""
    paths = os.pathsep.join(path for path in sys.path if path)
    names = ("one", "two", "three")
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, name, env={**os.environ, "PYTHONPATH": paths}, stdin=PIPE, stderr=PIPE
        )
        for name in names
    ]
    try:
        async with asyncio.timeout(60):
            ended = await asyncio.gather(*(writer.communicate(b"go\n") for writer in writers))
    finally:
        for writer in writers:
            if writer.returncode is None:
                writer.kill()
                await writer.wait()
    assert [errors.decode() for _, errors in ended] == ["", "", ""]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    found = await ledger.verify()
    assert (found.ok, found.rows, found.reason) == (True, 300, "")
    for name in names:
        rows = await ledger.rows(Filter(actor=name))
        assert [row.why for row in reversed(rows)] == [str(number) for number in range(100)]


def test_op_ids_are_uuid7_in_the_order_of_time() -> None:
    ids = [op_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    for name in ids[:: len(ids) // 10]:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", name)


def test_an_op_id_holds_its_millisecond_even_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck_lifecycle.actor._last", 0)
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_123_000_000)
    first = op_id()
    assert int(first.replace("-", "")[:12], 16) == 1_700_000_000_123
    monkeypatch.setattr("time.time_ns", lambda: 1_600_000_000_000_000_000)
    assert op_id() > first


def test_the_actor_is_the_real_user_and_a_claim_is_only_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    environ = {"SSH_CONNECTION": "2001:db8::1 50000 10.0.0.1 22", "USER": "mallory", "LOGNAME": "mallory"}
    actor = Actor.current(environ=environ)
    assert actor == Actor(user=user, origin="2001:db8::1", host=socket.gethostname())
    assert Actor.current(environ={}).origin == "local"
    assert str(actor) == user
    assert str(Actor.current(claim="bob\x1b", environ={})) == f"{user} (says bob␛)"
    assert Actor.current(environ={"SUDO_USER": "carol"}) == replace(actor, origin="local", claim="carol")
    monkeypatch.setattr("os.getuid", lambda: 3_999_999)
    assert Actor.current(environ={}).user == "uid:3999999"
