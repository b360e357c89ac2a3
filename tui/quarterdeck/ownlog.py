"""The deck's own log: a private file in the state folder, redacted, rotated, written off the event loop."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.calls import CALLS, Call, shown
from quarterdeck_lifecycle.statefolder import own_path
from quarterdeck_lifecycle.text import clean_line

MOST_BYTES = 1024 * 1024
KEPT = 3
"""Older files beside the one that is written."""
AHEAD = 10_000
LONGEST = 4000
NAME = "quarterdeck.log"
LOG = logging.getLogger("quarterdeck")


def log_path(env: Mapping[str, str]) -> Path:
    """The file that is written now."""
    return Path(own_path("log", env)) / NAME


class OwnLog(logging.Handler):
    """A handler that never blocks its caller and never raises. When the disk fails, lines are lost and counted.

    Several decks may write one file: each line is one append, and who finds the file too long moves it away.
    """

    def __init__(self, env: Mapping[str, str], *, debug: bool = False, most: int = MOST_BYTES) -> None:
        super().__init__(logging.DEBUG if debug else logging.INFO)
        self.path = log_path(env)
        self.lost = 0
        self._most = most
        self._queue: queue.Queue[str | None] = queue.Queue(AHEAD)
        self._thread = threading.Thread(target=self._write_all, name="own log", daemon=True)
        self._thread.start()
        self._debug = debug
        self._before = LOG.level
        LOG.setLevel(self.level)
        for name in ("quarterdeck", "asyncio"):
            logging.getLogger(name).addHandler(self)
        LOG.propagate = False
        if debug:
            CALLS.listeners.append(self._call)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; dropped, and counted, where the disk is far behind."""
        try:
            at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
            text = record.getMessage()
            if record.exc_info:
                text += "\n" + logging.Formatter().formatException(record.exc_info)
            line = clean_line(redact(text), LONGEST)
            self._queue.put_nowait(f"{at}Z {os.getpid()} {record.levelname.lower():<7} {record.name}: {line}\n")
        except queue.Full:
            self.lost += 1
        except Exception:
            self.lost += 1

    def _call(self, call: Call) -> None:
        made = shown(call)
        LOG.debug("%s %s %s %.0f ms %s", made.source, made.method, made.target, call.ms, made.status)

    def _write_all(self) -> None:
        more: str | None = ""
        while more is not None and (line := self._queue.get()) is not None:
            lines = [line]
            with suppress(queue.Empty):
                while len(lines) < 500 and (more := self._queue.get_nowait()) is not None:
                    lines.append(more)
            try:
                self._append("".join(lines).encode("utf-8", "replace"))
            except OSError:
                self.lost += len(lines)

    def _append(self, data: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = self._open()
        try:
            if os.fstat(handle).st_size + len(data) > self._most:
                self._rotate(handle)
                os.close(handle)
                handle = self._open()
            os.write(handle, data)
        finally:
            os.close(handle)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path, flags, 0o600)

    def _rotate(self, handle: int) -> None:
        """Move the files on by one; not where another deck has just done so."""
        with suppress(OSError):
            if os.fstat(handle).st_ino != os.stat(self.path).st_ino:
                return
            for number in range(KEPT - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            os.replace(self.path, f"{self.path}.1")

    def close(self) -> None:
        """Write what is left, for at most a second."""
        for name in ("quarterdeck", "asyncio"):
            logging.getLogger(name).removeHandler(self)
        LOG.setLevel(self._before)
        if self._call in CALLS.listeners:
            CALLS.listeners.remove(self._call)
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(1)
        super().close()


def tail(env: Mapping[str, str], most: int = 256 * 1024) -> str:
    """The end of the log, redacted once more; empty when there is none. Raises OSError."""
    try:
        with log_path(env).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - most))
            return redact(file.read(most).decode("utf-8", "replace"))
    except FileNotFoundError:
        return ""
