"""Locks that the system lets go when their holder ends, however it ends. Imports little: the supervisor stays small."""

from __future__ import annotations

import fcntl
import os
import stat
import time

PATIENCE_S = 1.0
"""Who asks whether a lock is held shares it for an instant: as long as this is waited for that to pass."""


def open_in(folder: os.PathLike[str] | str, name: str, flags: int) -> int:
    """Open a file of an operation's folder, made where it is missing; no link is followed. Raises OSError."""
    handle = os.open(os.path.join(folder, name), flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    found = os.fstat(handle)
    if found.st_uid == os.geteuid() and not found.st_mode & 0o060 and os.stat(folder).st_mode & stat.S_IWGRP:
        os.fchmod(handle, 0o660)
    return handle


def hold(folder: os.PathLike[str] | str, name: str) -> int | None:
    """Take a lock: its file handle, which holds it until it is closed; None when another holds it.

    Blocks for at most a second. Raises OSError.
    """
    handle = open_in(folder, name, os.O_RDWR)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(handle)
                return None
            time.sleep(0.01)
        except BaseException:
            os.close(handle)
            raise


def held(folder: os.PathLike[str] | str, name: str) -> bool:
    """Whether somebody holds it now. Asking shares the lock for an instant, which disturbs no other asker."""
    try:
        handle = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def sign(handle: int) -> None:
    """Write our pid into a lock that we hold: for people. Whether we live is told by the lock alone."""
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
