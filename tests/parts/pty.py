"""A program on a raw pseudo-terminal: every byte that it sends is kept, and shown on a screen of pyte."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

from parts.bytestream import check_bytes
from parts.process import DEADLINE, clean_env, descendants, end_all, wait_until

__all__ = ["Pty", "check_bytes"]

# pyte knows no CSI with < = > or $, and would print the letter that ends it.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<=>?][0-9;]*(?:\$p|u)")


class Pty:
    """`command` with a terminal of `width` x `height` cells. A thread reads all the time: the program never blocks."""

    def __init__(
        self,
        command: Sequence[str],
        width: int = 80,
        height: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        home: Path | None = None,
    ) -> None:
        self.command, self.width, self.height, self.cwd = list(command), width, height, cwd
        self._own_home = None if home else tempfile.mkdtemp(prefix="qd-pty-")
        self.env = clean_env(home or Path(str(self._own_home)), {"TERM": "xterm-256color", **(env or {})})
        self._received = bytearray()
        self._pending = b""
        self._shown: str | None = None
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._master = -1
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Start the program as the leader of a session whose controlling terminal this is."""
        self._master, slave = os.openpty()
        self._set_size()
        self._child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "HUP", "setsid", "--ctty", *self.command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self.env,
            cwd=self.cwd,
        )
        os.close(slave)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id of the program."""
        assert self._child is not None
        return self._child.pid

    @property
    def received(self) -> bytes:
        """Every byte that the program sent so far."""
        with self._lock:
            return bytes(self._received)

    def screen(self) -> str:
        """The screen, one line for each row without trailing blanks."""
        with self._lock:
            if self._shown is None:
                self._shown = "\n".join(line.rstrip() for line in self._screen.display)
            return self._shown

    def write(self, data: bytes | str) -> None:
        """Send bytes as the keyboard would."""
        left = memoryview(data.encode() if isinstance(data, str) else data)
        while left:
            left = left[os.write(self._master, left) :]

    def wait_for(self, wanted: str | re.Pattern[str] | Callable[[str], object], deadline: float = DEADLINE) -> str:
        """The screen, once it holds `wanted`. Raises AssertionError with the last screen after `deadline` seconds."""

        def look() -> bool:
            screen = self.screen()
            if isinstance(wanted, str):
                return wanted in screen
            if isinstance(wanted, re.Pattern):
                return wanted.search(screen) is not None
            return bool(wanted(screen))

        try:
            wait_until(look, "the screen", deadline)
        except TimeoutError as error:
            frame = "\n".join(f"|{line}" for line in self.screen().splitlines())
            raise AssertionError(f"never on the screen: {wanted!r} ({error})\n{frame}") from error
        return self.screen()

    def wait_exit(self, deadline: float = DEADLINE) -> int:
        """The exit status once the program has ended and all its bytes were read; negative for a signal."""
        assert self._child is not None
        status = self._child.wait(deadline)
        self._reader.join(deadline)
        return status

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size; the program gets SIGWINCH."""
        self.width, self.height = width, height
        with self._lock:
            self._screen.resize(height, width)
            self._shown = None
        self._set_size()

    def hangup(self) -> None:
        """Send SIGHUP, as the kernel does when the terminal is closed."""
        os.kill(self.pid, signal.SIGHUP)

    def close(self) -> None:
        """End the program with everything below it, and close the terminal."""
        if self._child is not None:
            below = descendants(self._child.pid)
            if self._child.poll() is None:
                self._child.kill()
                self._child.wait(DEADLINE)
            end_all(below)
        if self._reader.is_alive():
            self._reader.join(DEADLINE)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        if self._own_home:
            shutil.rmtree(self._own_home, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_size(self) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", self.height, self.width, 0, 0))

    def _read(self) -> None:
        # Linux answers EIO once the program and all its children have closed their side.
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [])[0]:
                chunk = os.read(self._master, 65536)
                if not chunk:
                    return
                with self._lock:
                    self._received += chunk
                    self._feed(chunk)
                    self._shown = None

    def _feed(self, chunk: bytes) -> None:
        data = self._pending + chunk
        # An escape sequence may be cut at the end of a chunk: keep it for the next.
        cut = data.rfind(b"\x1b", max(0, len(data) - 32))
        if cut >= 0 and re.fullmatch(rb"\x1b(\[[0-?]*[ -/]*)?", data[cut:]):
            data, self._pending = data[:cut], data[cut:]
        else:
            self._pending = b""
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data))
