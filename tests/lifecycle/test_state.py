"""state.db: opened safely, off the loop, with a clear word for every way in which it can fail."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from quarterdeck_lifecycle.schema import MIGRATIONS
from quarterdeck_lifecycle.state import StateDB, StateError, open_state, state_folder, transaction


def one(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT 1").fetchone()[0])


def test_a_new_folder_is_private_and_the_file_is_durable(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    connection = open_state(folder)
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "state.db").stat().st_mode & 0o777 == 0o600
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    finally:
        connection.close()
    open_state(folder).close()


def test_a_team_s_shared_folder_makes_a_file_for_its_group(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    open_state(tmp_path).close()
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o660


def test_where_state_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    monkeypatch.setattr("quarterdeck_lifecycle.statefolder.SHARED", shared)
    assert state_folder({"QUARTERDECK_STATE": "/x", "XDG_STATE_HOME": "/y"}) == Path("/x")
    assert state_folder({"XDG_STATE_HOME": "/y"}) == Path("/y/quarterdeck")
    assert state_folder({"XDG_STATE_HOME": "not/absolute"}) == Path.home() / ".local/state/quarterdeck"
    shared.mkdir()
    assert state_folder({"XDG_STATE_HOME": "/y"}) == shared


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    connection = open_state(tmp_path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateError, match=r"state\.db.*newer Quarterdeck.*schema 99.*upgrade"):
        open_state(tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as again:
        assert again.execute("PRAGMA user_version").fetchone() == (99,)
    again.close()


def test_steps_go_forward_from_an_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_state(tmp_path).close()
    later = (*MIGRATIONS, ("CREATE TABLE later (x)", "INSERT INTO later VALUES (7)"))
    monkeypatch.setattr("quarterdeck_lifecycle.state.MIGRATIONS", later)
    for _ in range(2):
        connection = open_state(tmp_path)
        assert connection.execute("SELECT x FROM later").fetchall() == [(7,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
        connection.close()


def test_a_step_that_fails_leaves_the_older_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_state(tmp_path).close()
    broken = (*MIGRATIONS, ("CREATE TABLE later (x)", "NO SUCH STATEMENT"))
    with monkeypatch.context() as patch:
        patch.setattr("quarterdeck_lifecycle.state.MIGRATIONS", broken)
        with pytest.raises(StateError):
            open_state(tmp_path)
    connection = open_state(tmp_path)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall() == []
    connection.close()


def test_a_file_that_another_process_is_just_making_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE early (x)")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            other.execute("ROLLBACK")

    monkeypatch.setattr("quarterdeck_lifecycle.state.time.sleep", sleep)
    connection = open_state(tmp_path)
    assert len(waits) == 2
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    other.close()


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StateError, match="every user of this host can write it"):
        open_state(tmp_path)


def test_a_linked_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="symbolic link"):
        open_state(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file/state: .*Not a directory.*QUARTERDECK_STATE"):
        open_state(tmp_path / "file" / "state")


def test_a_file_of_another_kind_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StateError, match=r"state\.db.*no SQLite file"):
        open_state(tmp_path)
    assert (tmp_path / "state.db").read_bytes().startswith(b"not a database")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    open_state(tmp_path).close()
    path = tmp_path / "state.db"
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))
    with pytest.raises(StateError, match=r"state\.db.*damaged"):
        open_state(tmp_path)


@pytest.mark.parametrize("kind", ["full", "readonly"])
def test_a_disk_that_refuses_is_named_and_nothing_is_half_written(tmp_path: Path, kind: str) -> None:
    """In a process of its own: a file-size limit stands for the full disk, query_only for the read-only one."""
    script = f"""
import resource, signal, sys
from pathlib import Path
from quarterdeck_lifecycle.state import StateDB, StateError, transaction
db = StateDB(Path({str(tmp_path)!r}))
def make(connection):
    connection.execute("CREATE TABLE big (x)")
    connection.execute("INSERT INTO big VALUES (1)")
    if {kind!r} == "readonly":
        connection.execute("PRAGMA query_only = 1")
db.run_sync(make)
if {kind!r} == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
def write(connection):
    with transaction(connection):
        connection.execute("DELETE FROM big")
        connection.execute("INSERT INTO big VALUES (zeroblob(5000000))")
try:
    db.run_sync(write)
except StateError as error:
    print(error)
print(db.run_sync(lambda connection: connection.execute("SELECT x FROM big").fetchall()))
"""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
    )
    message, rows = done.stdout.splitlines()
    assert str(tmp_path / "state.db") in message
    assert {"full": "disk", "readonly": "cannot be written"}[kind] in message
    assert rows == "[(1,)]"


async def test_work_is_done_off_the_loop_and_in_turn(tmp_path: Path) -> None:
    db = StateDB(tmp_path)
    threads: list[str] = []
    order: list[int] = []

    def work(connection: sqlite3.Connection, number: int) -> int:
        threads.append(threading.current_thread().name)
        order.append(number)
        return number

    results = await asyncio.gather(
        *(db.run(lambda connection, number=number: work(connection, number)) for number in range(50))
    )
    assert results == order == list(range(50))
    assert set(threads) == {"state"}
    assert await db.aclose()


async def test_what_work_raises_comes_back_and_its_transaction_is_undone(tmp_path: Path) -> None:
    db = StateDB(tmp_path)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE half (x)")
        raise KeyError("of ours")

    with pytest.raises(KeyError, match="of ours"):
        await db.run(half)
    with pytest.raises(StateError, match="no such table"):
        await db.run(lambda connection: connection.execute("SELECT * FROM half"))
    await db.aclose()


async def test_a_cancelled_caller_loses_nothing(tmp_path: Path) -> None:
    db = StateDB(tmp_path)
    hold = threading.Event()
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(started.set)
        hold.wait(10)

    def second(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("CREATE TABLE written (x)")

    tasks = [asyncio.create_task(db.run(work)) for work in (first, second)]
    await started.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    hold.set()
    assert await db.run(lambda connection: connection.execute("SELECT count(*) FROM written").fetchone()) == (0,)
    await db.aclose()


async def test_a_stuck_disk_is_waited_for_only_so_long(tmp_path: Path) -> None:
    db = StateDB(tmp_path)
    hold = threading.Event()
    try:
        with pytest.raises(StateError, match=r"does not answer.*within 0\.05 s"):
            await db.run(lambda connection: hold.wait(20), deadline=0.05)
        assert await db.aclose(deadline=0.05) is False
        assert db.close(deadline=0.05) is False
    finally:
        hold.set()
    assert db.close(deadline=10)


async def test_closing_finishes_what_was_asked_for(tmp_path: Path) -> None:
    db = StateDB(tmp_path)
    asked = [asyncio.create_task(db.run(one)) for _ in range(20)]
    await asyncio.sleep(0)
    assert await db.aclose()
    assert await asyncio.gather(*asked) == [1] * 20
    with pytest.raises(StateError, match="closed"):
        await db.run(one)
    assert db.close()
    assert StateDB(tmp_path / "never used").close()
    assert not (tmp_path / "never used").exists()


def test_the_command_line_needs_no_loop(tmp_path: Path) -> None:
    db = StateDB(tmp_path)
    assert db.run_sync(one) == 1
    assert db.close()


async def test_a_mended_folder_works_again(tmp_path: Path) -> None:
    blocker = tmp_path / "state"
    blocker.write_text("")
    db = StateDB(blocker)
    with pytest.raises(StateError):
        await db.run(one)
    blocker.unlink()
    assert await db.run(one) == 1
    await db.aclose()


def test_a_stuck_state_does_not_hold_the_exit(tmp_path: Path) -> None:
    script = f"""
import threading
from pathlib import Path
from quarterdeck_lifecycle.state import StateDB, StateError
try:
    StateDB(Path({str(tmp_path)!r})).run_sync(lambda connection: threading.Event().wait(), deadline=0.05)
except StateError:
    print("left")
"""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "left\n")
