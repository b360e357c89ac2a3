"""state.db: where the ledger, the changes and the operations are kept, and the one thread that touches it.

SQLite in WAL mode with synchronous=FULL (https://www.sqlite.org/wal.html), one writing transaction at a time over
all processes of the host. The schema moves forward only; a program older than the file refuses to open it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.schema import MIGRATIONS
from quarterdeck_lifecycle.statefolder import state_path

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

FILE = "state.db"
BUSY_SECONDS = 5.0

_REASONS = {
    sqlite3.SQLITE_FULL: ("no space is left on its disk", "free some space there"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "check its owner and mode, and that its disk is not read-only"),
    sqlite3.SQLITE_PERM: ("it cannot be written", "check its owner and mode"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened or made", "check the owner, mode and space of its folder"),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", "move it away and keep it; a new one is made at the next start"),
    sqlite3.SQLITE_NOTADB: ("it is no SQLite file", "move it away; a new one is made at the next start"),
    sqlite3.SQLITE_BUSY: ("another process has held it for too long", "try again; end the process that holds it"),
    sqlite3.SQLITE_IOERR: ("its disk failed, or is full", "check its disk and the system's log"),
}
_REOPEN = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}


class StateError(QuarterdeckError):
    """The state folder or its database cannot be used; `source` is the path."""

    word = "state"


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where state is kept: $QUARTERDECK_STATE, else the host's shared folder if it can be written, else the user's."""
    return Path(state_path(environ))


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals, so that the order of the texts is the order of the times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def utc_now() -> str:
    """The time now, as `utc_text` writes it."""
    return utc_text(datetime.now(UTC))


def open_state(folder: Path) -> sqlite3.Connection:
    """Open state.db in `folder`, made 0700 where it is missing, and bring its schema up to date. Blocks on the disk.

    The connection is in autocommit mode: write inside `transaction`. Raises StateError.
    """
    path = folder / FILE
    try:
        _prepare(folder, path)
    except OSError as error:
        raise StateError(
            "the state folder cannot be used",
            source=str(folder),
            why=error.strerror or str(error),
            mend="make it writable for you, or set QUARTERDECK_STATE to another folder",
        ) from error
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
    except sqlite3.Error as error:
        if connection:
            connection.close()
        raise _explained(error, path) from error
    except StateError:
        if connection:
            connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One BEGIN IMMEDIATE, so that what is read inside still holds when it is written; rolled back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(folder: Path, path: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH:
        raise StateError(
            "the state folder is refused",
            source=str(folder),
            why="every user of this host can write it",
            mend=f"chmod o-w {folder}",
        )
    if path.is_symlink():
        raise StateError("the state file is refused", source=str(path), why="it is a symbolic link")
    shared = mode & stat.S_IWGRP
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return
    try:
        if shared:
            os.fchmod(made, 0o660)
    finally:
        os.close(made)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set WAL, which does not wait for the lock by itself when two processes make the file at the same time."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    known = len(MIGRATIONS)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < known:
        with transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {max(version, known)}")
    if version > known:
        raise StateError(
            "the state file is refused",
            source=str(path),
            why=f"a newer Quarterdeck wrote it (schema {version}; this one knows up to {known})",
            mend="upgrade Quarterdeck, or set QUARTERDECK_STATE to another folder",
        )


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _explained(error: sqlite3.Error, path: Path) -> StateError:
    why, mend = _REASONS.get(_code(error), (str(error), ""))
    return StateError("the state file cannot be used", source=str(path), why=why, mend=mend)


class StateDB:
    """state.db behind one daemon thread: nothing waits for the disk on the event loop, nor holds the exit.

    The file is opened by the first piece of work, and again after a failure that may have been mended.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._work: queue.SimpleQueue[tuple[Future[Any], Work[Any] | None]] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended: Future[None] | None = None

    async def run(self, work: Work[T], deadline: float = 15.0) -> T:
        """Do `work` with the connection, in turn; wait at most `deadline` seconds.

        Once asked for it is done, even if the caller is cancelled: an outcome must not be lost on the way out.
        Raises StateError when the database fails or the deadline passes, else what `work` raises.
        """
        waiter = asyncio.wrap_future(self._submit(work))
        waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(deadline):
                return await asyncio.shield(waiter)
        except TimeoutError as error:
            raise self._late(deadline) from error

    def run_sync(self, work: Work[T], deadline: float = 15.0) -> T:
        """As `run`, for a command without an event loop."""
        try:
            return self._submit(work).result(deadline)
        except TimeoutError as error:
            raise self._late(deadline) from error

    def close(self, deadline: float = 5.0) -> bool:
        """Finish what was asked for, then close; False if that took longer than `deadline` seconds."""
        try:
            self._end().result(deadline)
        except TimeoutError:
            return False
        return True

    async def aclose(self, deadline: float = 5.0) -> bool:
        """As `close`, without blocking the event loop."""
        done, _ = await asyncio.wait([asyncio.wrap_future(self._end())], timeout=deadline)
        return bool(done)

    def _end(self) -> Future[None]:
        with self._gate:
            if self._ended is None:
                self._ended = Future()
                if self._thread is None:
                    self._ended.set_result(None)
                else:
                    self._work.put((self._ended, None))
            return self._ended

    def _submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        with self._gate:
            if self._ended is not None:
                raise StateError("the state file is closed", source=str(self.path))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="state", daemon=True)
                self._thread.start()
            self._work.put((future, work))
        return future

    def _serve(self) -> None:
        while True:
            future, work = self._work.get()
            if work is None:
                self._drop()
                future.set_result(None)
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._do(work))
            except BaseException as error:
                future.set_exception(error)
            del future, work

    def _do(self, work: Work[T]) -> T:
        if self._connection is None:
            self._connection = open_state(self.path.parent)
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            if _code(error) in _REOPEN:
                self._drop()
            raise _explained(error, self.path) from error
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.rollback()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _late(self, deadline: float) -> StateError:
        return StateError(
            "the state file does not answer",
            source=str(self.path),
            why=f"nothing within {deadline:g} s",
            mend="check the load and the health of its disk",
        )
