"""ops/ID/: an operation's log from its first byte, and two locks that tell whether its runner lives.

Alive is a lock held, never a pid: the system lets it go when the process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from quarterdeck.releasing import locks
from quarterdeck_lifecycle.release.model import Event
from quarterdeck_lifecycle.state import StateError, utc_now

Lock = Literal["worker", "supervisor", "launch"]
LOCKS: tuple[Lock, ...] = ("worker", "supervisor", "launch")
LOOK_S = 0.1
"""How often a followed log is looked at, in seconds; only while somebody follows."""
LINES = 2000
RESERVE = 2 * 1024 * 1024
LOG_LIMIT = 64 * 1024 * 1024


class OpFolder:
    """The folder of one operation. Making the object makes nothing; `make` does.

    `lost` counts lines that the disk did not take.
    """

    def __init__(self, state: Path, op: str) -> None:
        self.path = state / "ops" / op
        self.op = op
        self.lost = 0
        self._seq = -1

    def make(self) -> None:
        """Make it, for oneself alone, or for the group where the state folder is shared. Raises StateError."""
        try:
            state = self.path.parent.parent
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            shared = bool(state.stat().st_mode & stat.S_IWGRP)
            for folder in (self.path.parent, self.path):
                with contextlib.suppress(FileExistsError):
                    folder.mkdir(mode=0o700)
                    if shared:
                        folder.chmod(0o2770)
        except OSError as error:
            why = error.strerror or str(error)
            raise StateError("the operation's folder cannot be made", source=str(self.path), why=why) from error

    def open(self, name: str, flags: int) -> int:
        """As `locks.open_in`."""
        return locks.open_in(self.path, name, flags)

    def reserve(self) -> None:
        """Take the space on the disk that a put-back's rows and lines need, before anything is begun.

        Raises StateError when there is none.
        """
        try:
            handle = self.open("reserve", os.O_WRONLY)
            try:
                os.posix_fallocate(handle, 0, RESERVE)
            finally:
                os.close(handle)
        except OSError as error:
            self.release()
            why = error.strerror or str(error)
            raise StateError(
                "there is no space to write a release down", source=str(self.path), why=why, mend="free some there"
            ) from error

    def release(self) -> bool:
        """Give that space up; False when it is not there."""
        try:
            (self.path / "reserve").unlink()
        except OSError:
            return False
        return True

    def discard(self) -> None:
        """Remove the folder of an operation that was refused before it began; one with a log stays."""
        if (self.path / "log").exists():
            return
        with contextlib.suppress(OSError):
            for path in self.path.iterdir():
                path.unlink()
            self.path.rmdir()

    # the log

    def append(self, step: str, phase: str, message: str, result: str = "") -> Event:
        """Write a line. Never raises: a disk that is full or fails stops nothing, the line is counted as lost."""
        if self._seq < 0:
            with contextlib.suppress(StateError):
                self._seq = self.last_seq()
        self._seq += 1
        event = Event(op=self.op, seq=self._seq, at=utc_now(), step=step, phase=phase, message=message, result=result)
        try:
            self._write(msgspec.json.encode(event) + b"\n")
        except OSError:
            self.lost += 1
        return event

    def _write(self, line: bytes) -> None:
        handle = self.open("log", os.O_RDWR | os.O_APPEND)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            if size > LOG_LIMIT and b'"result":""' in line and b'"progress"' in line:
                raise OSError(errno.EFBIG, "the log is full")
            line = b"\n" + line if torn else line
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, "the line was cut")
        finally:
            os.close(handle)

    def events(self) -> list[Event]:
        """Every whole line of the log so far; what is no event is left out."""
        try:
            data = (self.path / "log").read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            why = error.strerror or str(error)
            raise StateError("the operation's log cannot be read", source=str(self.path), why=why) from error
        return list(_events(data[: data.rfind(b"\n") + 1]))

    def last_seq(self) -> int:
        """The number of the last line, 0 for an empty log."""
        return max((event.seq for event in self.events()), default=0)

    def last_step(self) -> str:
        """The step that began last, or an empty string; of a log that cannot be read, too."""
        try:
            return next((event.step for event in reversed(self.events()) if event.phase == "intent"), "")
        except StateError:
            return ""

    async def follow(self) -> AsyncIterator[Event]:
        """Every event from the first byte, then new ones as they come.

        Ends after the line with a result; or, when no runner lives and none wrote one, with an event of phase `dead`.
        A torn last line is waited for while a runner lives.
        """
        rest, offset, ended = b"", 0, False
        while True:
            alive = self.alive()
            data, offset = self._read(offset)
            rest += data
            whole = rest.rfind(b"\n") + 1
            for event in _events(rest[:whole]):
                ended = bool(event.result)
                yield event
            rest = rest[whole:]
            if data:
                await asyncio.sleep(0)
            elif ended:
                return
            elif not alive:
                yield Event(op=self.op, seq=0, at=utc_now(), step="", phase="dead",
                            message=f"its runner is dead: quarterdeck recover {self.op}")  # fmt: skip
                return
            else:
                await asyncio.sleep(LOOK_S)

    def _read(self, offset: int) -> tuple[bytes, int]:
        try:
            with (self.path / "log").open("rb") as log:
                log.seek(offset)
                data = log.read(1024 * 1024)
        except FileNotFoundError:
            return b"", offset
        except OSError as error:
            why = error.strerror or str(error)
            raise StateError("the operation's log cannot be read", source=str(self.path), why=why) from error
        return data, offset + len(data)

    # the locks

    def hold(self, lock: Lock) -> int | None:
        """As `locks.hold`. Raises StateError."""
        try:
            return locks.hold(self.path, lock)
        except OSError as error:
            why = error.strerror or str(error)
            raise StateError("the operation's lock cannot be opened", source=str(self.path), why=why) from error

    def alive(self) -> bool:
        """Whether a runner lives: its worker, its supervisor, or somebody who starts one at this moment."""
        return any(locks.held(self.path, lock) for lock in LOCKS)

    # evidence

    def keep(self, name: str, text: str) -> None:
        """Store evidence for its owner's eyes: the last 2,000 lines. Raises OSError."""
        safe = "".join(c if c.isalnum() or c in "-." else "-" for c in name)[:100]
        lines = text.splitlines()[-LINES:]
        handle = self.open(f"evidence-{safe}.txt", os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write("\n".join(lines) + "\n")

    def kept(self) -> dict[str, str]:
        """Evidence by its name."""
        found = sorted(self.path.glob("evidence-*.txt")) if self.path.is_dir() else []
        texts = {}
        for path in found:
            with contextlib.suppress(OSError):
                texts[path.name.removeprefix("evidence-").removesuffix(".txt")] = path.read_text("utf-8", "replace")
        return texts


def _events(data: bytes) -> Iterator[Event]:
    for line in data.splitlines():
        try:
            yield msgspec.json.decode(line, type=Event)
        except (msgspec.DecodeError, ValueError):
            continue
