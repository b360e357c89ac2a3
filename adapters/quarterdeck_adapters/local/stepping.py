"""One step of a local run: a program of its own session, bounded in time, its output bounded on the disk. Blocks.

It stands on waitid(2) with WNOWAIT: while its leader is not yet reaped, the number of a group is nobody else's.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from quarterdeck_adapters.local.identity import started
from quarterdeck_adapters.local.model import StepSpec

CHUNK = 64 * 1024
TAIL = 256 * 1024
"""Bytes of a log's end that are kept when its beginning has filled what is kept of it."""
LEFT_S = 1.0
"""What the output may take after the program's own end, when others that it started hold it open."""
NO_LIMIT_S = 86_400.0


class Stop(Protocol):
    """Who asked the run to end."""

    asked: bool
    force: bool

    def drain(self) -> None:
        """Take what woke the wait."""

    def fileno(self) -> int:
        """What becomes readable when a signal came."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a step ended: `code` is its exit code, or a signal's number, negative."""

    state: str
    code: int | None = None
    why: str = ""


class BoundedLog:
    """A log file of at most `limit` bytes: its beginning, a notice, and its last 256 KiB.

    A disk that takes no more stops nothing: what was not written is counted.
    """

    def __init__(self, path: Path, limit: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._handle = os.open(path, flags, 0o600)
        tail = min(TAIL, limit // 4)
        self._room, self._keep = limit - tail, tail
        self._limit = limit
        self._tail = bytearray()
        self._left_out = 0
        self.lost = 0

    def write(self, chunk: bytes) -> None:
        """Keep what there is room for."""
        head, rest = chunk[: self._room], chunk[self._room :]
        if head:
            self._room -= len(head)
            self._put(head)
        if not rest:
            return
        if not self._tail and not self._left_out:
            self._put(f"\n[quarterdeck] this log has reached {self._limit:,} bytes: from here on only its end is "
                      "kept, and shown when the step has ended\n".encode())  # fmt: skip
        self._tail += rest
        over = len(self._tail) - self._keep
        if over > self._keep:
            del self._tail[:over]
            self._left_out += over

    def close(self, notice: str = "") -> None:
        """Write the end, and a last notice."""
        over = len(self._tail) - self._keep
        if over > 0:
            del self._tail[:over]
            self._left_out += over
        if self._left_out:
            self._put(f"[quarterdeck] {self._left_out:,} bytes are left out here\n".encode())
        self._put(bytes(self._tail))
        if self.lost:
            notice = f"{notice}\n[quarterdeck] {self.lost:,} bytes of this log could not be written".strip()
        if notice:
            self._put(f"\n{notice}\n".encode())
        os.close(self._handle)

    def _put(self, data: bytes) -> None:
        while data:
            try:
                written = os.write(self._handle, data)
            except OSError:
                self.lost += len(data)
                return
            data = data[written:]


def run_step(
    spec: StepSpec, env: Mapping[str, str], log: BoundedLog, stop: Stop, grace_s: float,
    begun: Callable[[int, str], None], clock: Callable[[], float] = time.monotonic,
) -> Ended:  # fmt: skip
    """Run one program to its end; `begun` is told its pid and start time. Nothing is raised.

    What it started and left in its group ends with it.
    """
    try:
        process = subprocess.Popen(
            spec.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=spec.folder, env=dict(env), start_new_session=True, bufsize=0,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        gone = not os.path.isdir(spec.folder)
        why = f"{spec.folder} is gone" if gone else f"{spec.argv[0]}: {getattr(error, 'strerror', '') or error}"
        return Ended(state="not started", why=why)
    begun(process.pid, started(process.pid))
    assert process.stdout is not None
    try:
        why = _follow(process.pid, process.stdout.fileno(), log, stop, spec.timeout_s, grace_s, clock)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        _rest(process.stdout.fileno(), log, clock)
        process.stdout.close()
        code = process.wait()
    if why:
        return Ended(state=why, code=code, why=_how(code))
    return Ended(state="failure" if code else "success", code=code, why=_how(code) if code else "")


def _follow(
    pid: int, out: int, log: BoundedLog, stop: Stop, timeout_s: float, grace_s: float, clock: Callable[[], float]
) -> str:
    """Take its output until its leader has ended; answers why it was ended, empty when it ended by itself."""
    deadline, kill_at, why = clock() + (timeout_s or NO_LIMIT_S), 0.0, ""
    reading = [out, stop.fileno()]
    while not _over(pid):
        until = kill_at or deadline
        ready, _, _ = select.select(reading, [], [], max(0.0, min(until - clock(), 60.0)))
        if stop.fileno() in ready:
            stop.drain()
        if out in ready:
            chunk = os.read(out, CHUNK)
            if chunk:
                log.write(chunk)
            else:
                reading.remove(out)
        now = clock()
        if not why and (stop.asked or now >= deadline):
            why = "cancelled" if stop.asked else "timed out"
            kill_at = now + grace_s
            _signal(pid, signal.SIGTERM)
        if kill_at and (now >= kill_at or stop.force):
            _signal(pid, signal.SIGKILL)
            kill_at = now + grace_s
    return why


def _rest(out: int, log: BoundedLog, clock: Callable[[], float]) -> None:
    """What is still in the pipe; what programs outside its group write later is cut off."""
    until = clock() + LEFT_S
    while (left := until - clock()) > 0:
        ready, _, _ = select.select([out], [], [], left)
        if not ready:
            return
        chunk = os.read(out, CHUNK)
        if not chunk:
            return
        log.write(chunk)


def _over(pid: int) -> bool:
    """Whether the leader has ended; it stays to be reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
