"""A pseudo-terminal that counts bytes and knows when each came: nothing is drawn, so that measuring costs little."""

from __future__ import annotations

import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from parts.process import wait_until
from parts.pty import Pty

TESTS = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SIZE = (160, 45)
KEPT = TESTS.parent / ".bench"
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(KEPT / "pycache")}
"""Byte code is kept, as on an operator's machine, whatever the environment of this run says."""
QUIET_S = 0.3
"""So long without a byte, and a frame is whole."""


class Tap(Pty):
    """A program on a terminal of which only bytes and times are kept."""

    def __init__(
        self, command: Sequence[str], size: tuple[int, int] = SIZE, env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__(command, *size, env={"PYTHONPATH": str(TESTS), **COMPILED, **(env or {})}, cwd=cwd)
        self.started = 0.0
        self._times: list[float] = []
        self._ends: list[int] = []

    def start(self) -> None:
        """Start the program; the clock of `seen` starts here."""
        self.started = time.monotonic()
        super().start()

    def _feed(self, chunk: bytes) -> None:
        self._times.append(time.monotonic())
        self._ends.append(len(self._received))

    @property
    def count(self) -> int:
        """How many bytes have come."""
        return len(self._received)

    @property
    def process(self) -> psutil.Process:
        """The program."""
        return psutil.Process(self.pid)

    def cpu(self) -> float:
        """CPU seconds that it took so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def rss(self) -> float:
        """Its resident memory in MB (10^6 bytes)."""
        return self.process.memory_info().rss / 1e6

    def seen(self, words: str | bytes, since: int = 0, deadline: float = 60.0) -> float:
        """When these bytes had come whole (time.monotonic), looking from offset `since` on.

        Raises TimeoutError when they do not come.
        """
        wanted = words.encode() if isinstance(words, str) else words
        start = since

        def look() -> int | None:
            nonlocal start
            with self._lock:
                place = self._received.find(wanted, start)
                start = max(since, len(self._received) - len(wanted)) if place < 0 else start
            return place + len(wanted) if place >= 0 else None

        end = wait_until(look, f"{words!r} on the terminal", deadline)
        return self._times[bisect_left(self._ends, end)]

    def quiet(self, seconds: float = QUIET_S, deadline: float = 30.0) -> int:
        """Wait until no byte came for so long from now on; answers how many there are."""
        began = time.monotonic()
        while time.monotonic() < began + deadline:
            last = max([began, *self._times[-1:]])
            left = last + seconds - time.monotonic()
            if left <= 0:
                return self.count
            time.sleep(left)
        raise TimeoutError(f"the terminal was not quiet for {seconds} s within {deadline} s")


def subject(name: str, *arguments: object, size: tuple[int, int] = SIZE, out: Path | None = None) -> Tap:
    """One of the programs of `bench.subject` on a terminal; `out` is where it writes what it measured itself."""
    command = [sys.executable, "-m", "bench.subject", name, *map(str, arguments)]
    return Tap(command, size, {"BENCH_OUT": str(out)} if out else {})


def bare(size: tuple[int, int] = SIZE) -> Tap:
    """The reference on a terminal."""
    return Tap([sys.executable, str(TESTS / "bench" / "bare.py")], size)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes away."""
    return tempfile.TemporaryDirectory(prefix="qd-bench-")
