"""Which project files the operator has read and trusts: by path and by content, in the operator's own state.

Trust lies in the user's state folder even where the ledger is shared: what a colleague trusts is not trusted
for me.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from quarterdeck_config.document import MAX_BYTES
from quarterdeck_config.errors import UnsafeFolder
from quarterdeck_config.paths import (
    ensure_private_dir,
    read_bounded,
    require_own,
    user_state_dir,
    write_private,
)

_FILE_LIMIT = 4 * 1024 * 1024


class Trust(StrEnum):
    """Whether a project file may do more than be looked at."""

    TRUSTED = "trusted"
    NEW = "new"
    """Never trusted."""
    CHANGED = "changed"
    """Trusted once, with another content."""


class _Entry(msgspec.Struct, frozen=True):
    sha256: str
    at: str


class _Book(msgspec.Struct, frozen=True):
    files: dict[str, _Entry] = msgspec.field(default_factory=dict)


def digest(data: bytes) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _read(folder: Path) -> _Book:
    """The book in ``folder``; empty where there is none. Raises UnsafeFolder where others could forge it."""
    book = folder / "trust.json"
    try:
        require_own(folder)
        require_own(book)
        return msgspec.json.decode(read_bounded(book, _FILE_LIMIT), type=_Book)
    except FileNotFoundError:
        return _Book()
    except msgspec.DecodeError as error:
        raise UnsafeFolder(f"{book} is damaged, so nothing in it is believed; remove it") from error


def trust_state(path: Path, sha256: str, env: Mapping[str, str] | None = None) -> Trust:
    """What the book says of ``path`` with that content. Raises UnsafeFolder when the book can't be believed."""
    entry = _read(user_state_dir(env)).files.get(os.path.realpath(path))
    if entry is None:
        return Trust.NEW
    return Trust.TRUSTED if entry.sha256 == sha256 else Trust.CHANGED


def is_trusted(path: Path, env: Mapping[str, str] | None = None) -> bool:
    """Whether the file as it is on disk now is trusted; a file or book that can't be read is not.

    Whoever goes on to use the file compares the bytes that it read itself, with `trust_state`.
    """
    try:
        return trust_state(path, digest(read_bounded(path, MAX_BYTES)), env) is Trust.TRUSTED
    except OSError:
        return False


def trust(path: Path, env: Mapping[str, str] | None = None, *, sha256: str | None = None) -> str:
    """Record ``path`` with its content as trusted; returns the sha256.

    ``sha256`` is the content that the operator was shown: another one on disk is refused (ValueError). Raises
    UnsafeFolder when the state folder is open to other users, OSError when the file can't be read.
    """
    data = read_bounded(path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES // 1024} KiB")
    found = digest(data)
    if sha256 is not None and found != sha256:
        raise ValueError(f"{path} changed while you looked at it; look again")
    with _locked(env) as folder:
        files = dict(_read(folder).files)
        files[os.path.realpath(path)] = _Entry(found, datetime.now(UTC).isoformat(timespec="seconds"))
        _write(folder, files)
    return found


def untrust(path: Path, env: Mapping[str, str] | None = None) -> bool:
    """Forget ``path``; False where it was not trusted. Raises as `trust` does."""
    with _locked(env) as folder:
        files = dict(_read(folder).files)
        known = files.pop(os.path.realpath(path), None)
        if known is not None:
            _write(folder, files)
    return known is not None


def _write(folder: Path, files: dict[str, _Entry]) -> None:
    book = msgspec.json.format(msgspec.json.encode(_Book(files)), indent=1)
    write_private(folder / "trust.json", book + b"\n")


@contextmanager
def _locked(env: Mapping[str, str] | None) -> Iterator[Path]:
    """The state folder while this process alone changes the book in it."""
    folder = user_state_dir(env)
    if folder.exists():
        require_own(folder)
    ensure_private_dir(folder)
    handle = os.open(folder / "trust.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)
