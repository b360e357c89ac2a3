"""The line of `quarterdeck status --line`: a running deck writes it into the state folder, and it is read from there.

This module imports next to nothing: a status bar runs it every few seconds. No system is ever asked.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Sequence

from quarterdeck_lifecycle.statefolder import own_path

LATE_S = 150.0
"""A deck touches its line once a minute; one that has not for so long is stopped or hangs."""
MOST = 64 * 1024
POLL_MS = 500
NOTHING = "no deck has told its state here yet: start one, or ask with `quarterdeck status`"


def key_of(folder: str) -> str:
    """The file's name for a project's folder."""
    name = os.path.realpath(folder).replace("%", "%25").replace("/", "%2F")
    raw = os.fsencode(name)
    if len(raw) <= 200:
        return name
    import zlib

    return f"{zlib.crc32(raw):08x}{name[-48:]}"


class Line:
    """One line as it was found. `age` in seconds; `live` while the deck that wrote it runs and keeps it fresh."""

    __slots__ = ("age", "code", "details", "live", "text")

    def __init__(self, text: str, code: int, details: str, age: float, live: bool) -> None:
        self.text, self.code, self.details, self.age, self.live = text, code, details, age, live

    def shown(self) -> str:
        """The text; with its age when no deck keeps it fresh."""
        return self.text if self.live else f"{self.text} ({ago(self.age)} ago)"

    def json(self) -> str:
        """The same as one JSON object."""
        age = "null" if self.live else str(round(self.age))
        return f'{{"live": {"true" if self.live else "false"}, "age_s": {age}, {self.details.lstrip("{")}'


def ago(seconds: float) -> str:
    """`12s`, `5m`, `3h`, `2d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def read(path: str, now: float) -> Line | None:
    """The line in a file of this user's; None when there is none that can be believed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid():
            return None
        code, _, rest = file.read(MOST).decode("utf-8", "replace").partition("\n")
    text, _, details = rest.partition("\n")
    age = now - found.st_mtime
    return Line(text, 4 if code == "4" else 0, details.strip(), age, age <= LATE_S and held(f"{path}.lock"))


def held(lock: str) -> bool:
    """Whether the deck that writes it is alive: it holds this lock as long as it runs."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def find(folder: str, cwd: str, now: float) -> Line | None:
    """The line of the project around `cwd`; else that of a deck that runs, the one that told last first."""
    try:
        owner = os.stat(folder).st_uid
        names = [name for name in os.listdir(folder) if not name.endswith((".lock", ".new"))]
    except OSError:
        return None
    if owner != os.geteuid():
        return None
    above = os.path.realpath(cwd)
    while True:
        key = key_of(above)
        if key in names and (line := read(os.path.join(folder, key), now)) is not None:
            return line
        if above == os.path.dirname(above):
            break
        above = os.path.dirname(above)
    lines = [line for name in names if (line := read(os.path.join(folder, name), now)) is not None]
    return min(lines, key=lambda line: (not line.live, line.age), default=None)


def main(options: Sequence[str]) -> int:
    """Print the line, once or whenever it changes. Exit code 0; 4 when a source is down or nothing is known."""
    try:
        return _tell(options)
    except KeyboardInterrupt:
        return 130


def _tell(options: Sequence[str]) -> int:
    folder, as_json = own_path("line"), "--json" in options
    said = ""
    watch = "--watch" in options
    if watch:
        import select

        reader = select.poll()
        reader.register(1, 0)
    while True:
        line = find(folder, _cwd(), time.time())
        text = ('{"live": false}' if as_json else NOTHING) if line is None else line.json() if as_json else line.shown()
        if text != said:
            said = text
            sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "replace") + b"\n")
            sys.stdout.buffer.flush()
        if not watch:
            return 4 if line is None else line.code
        if reader.poll(POLL_MS):
            return 0  # nobody reads any more


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed below us
        return "/"


class Teller:
    """The file of a running deck, written in one step. All of it blocks on the disk: call it off the loop."""

    def __init__(self, folder: str, project: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, key_of(project))
        self._lock: int | None = None

    def tell(self, text: str, code: int, details: str) -> bool:
        """Write the line; False where another deck of the same project tells already. Raises OSError."""
        if not self._ours():
            return False
        new = f"{self._path}.new"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"{code}\n{text}\n{details}\n")
        os.replace(new, self._path)
        return True

    def touch(self) -> None:
        """It is still so. Raises OSError."""
        if self._lock is not None:
            os.utime(self._path)

    def _ours(self) -> bool:
        if self._lock is not None:
            return True
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        if os.stat(self._folder).st_uid != os.geteuid():
            return False
        handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def close(self) -> None:
        """Let the lock go: from now on the line has an age."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
