"""Space on the state's disk that only a way back may use: a full one stops a deploy, never a rollback or a recovery."""

from __future__ import annotations

import os
from pathlib import Path

from quarterdeck.releasing import locks
from quarterdeck_lifecycle.state import StateError

NAME = "room"
ROOM = 4 * 1024 * 1024
"""What a rollback writes down at most, in bytes, with what it reserves for its own way back."""
LOW = 1024 * 1024
"""With less than this free, in bytes, the room is given up."""


def keep_room(state: Path) -> None:
    """Take the space, where it is not taken yet. Blocks. Raises StateError when there is none: nothing is deployed."""
    try:
        handle = locks.open_in(state, NAME, os.O_WRONLY)
        try:
            os.posix_fallocate(handle, 0, ROOM)
        finally:
            os.close(handle)
    except OSError as error:
        give_room(state)
        why = error.strerror or str(error)
        raise StateError(
            "there is no space to write a release down and to take it back", source=str(state), why=why,
            mend="free some there",
        ) from error  # fmt: skip


def make_room(state: Path) -> bool:
    """Before a way back: give the space up where the disk is full. Whether it was. Blocks, never raises."""
    try:
        found = os.statvfs(state)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < LOW and give_room(state)


def give_room(state: Path) -> bool:
    """Give the space up; False when none was taken."""
    try:
        (state / NAME).unlink()
    except OSError:
        return False
    return True
