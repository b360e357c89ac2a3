"""Locks that the system lets go when their holder ends, however it ends. Imports little: runners stay small."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

PATIENCE_S = 1.0
"""Who asks whether a lock is held shares it for an instant: as long as this is waited for that to pass."""


def hold(folder: Path, name: str, patience_s: float = PATIENCE_S) -> int | None:
    """Take a lock: its file handle, which holds it until it is closed; None when another holds it.

    Blocks for at most `patience_s`. No link is followed. Raises OSError.
    """
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(handle)
                return None
            time.sleep(0.01)
        except BaseException:
            os.close(handle)
            raise


def held(folder: Path, name: str) -> bool:
    """Whether somebody holds it now."""
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
