"""Which process is meant: a pid alone may be another's by now, its start time with it is not."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
PGRP, STARTTIME = 5, 22
"""Fields of /proc/PID/stat: its group, and when it started, in ticks since the boot (proc_pid_stat(5))."""


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def boot() -> str:
    """What differs after each start of this machine."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


def started(pid: int) -> str:
    """When the process of that number started, by its machine's own count; empty when there is none, or only its
    remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _elsewhere(pid)
    except OSError:
        return ""
    # The name, in brackets, may hold anything; the fields after it are counted from its end.
    fields = stat[stat.rfind(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else fields[STARTTIME - 3].decode()


def _elsewhere(pid: int) -> str:
    import psutil

    with suppress(psutil.Error):
        return f"{psutil.Process(pid).create_time():.2f}"
    return ""


def is_that(pid: int, start: str) -> bool:
    """Whether the process of that number is the one that started then, and still runs."""
    return pid > 1 and bool(start) and started(pid) == start


def send(pid: int, start: str, number: signal.Signals) -> bool:
    """Send a signal to that very process; False when it is not there any more, or another has its number."""
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            # The handle is of whoever had the number at that moment: who it is, is asked afterwards.
            if not is_that(pid, start):
                return False
            signal.pidfd_send_signal(handle, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
    if not is_that(pid, start):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def members(group: int, mark: str) -> list[tuple[int, str]]:
    """Pid and start time of the processes of a group whose environment holds `mark` (`NAME=value`).

    The mark tells them from another group that got the same number since. Reads /proc; none where there is none.
    """
    found = []
    wanted = mark.encode("utf-8", "surrogateescape")
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            stat = Path(f"/proc/{name}/stat").read_bytes()
            if int(stat[stat.rfind(b")") + 2 :].split()[PGRP - 3]) != group:
                continue
            if wanted in Path(f"/proc/{name}/environ").read_bytes().split(b"\0") and (start := started(int(name))):
                found.append((int(name), start))
    return found
