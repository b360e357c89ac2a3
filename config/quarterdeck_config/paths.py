"""Where the deck's files are, and writing them so that other users can neither read nor forge them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from quarterdeck_config.errors import UnsafeFolder

PROJECT_FILE = "quarterdeck.yaml"
SHARED_STATE = Path("/var/lib/quarterdeck")


def home_dir(env: Mapping[str, str] | None = None) -> Path:
    """The operator's home folder: ``$HOME``, else the user database's."""
    named = (os.environ if env is None else env).get("HOME", "")
    return Path(named) if os.path.isabs(named) else Path.home()


def _xdg(variable: str, default: str, env: Mapping[str, str] | None) -> Path:
    """A base folder of the XDG Base Directory Specification 0.8, which says to ignore relative values."""
    named = (os.environ if env is None else env).get(variable, "")
    base = Path(named) if os.path.isabs(named) else home_dir(env) / default
    return base / "quarterdeck"


def config_dir(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CONFIG_HOME/quarterdeck``, else ``~/.config/quarterdeck``, on every system. Not created."""
    return _xdg("XDG_CONFIG_HOME", ".config", env)


def user_config_file(env: Mapping[str, str] | None = None) -> Path:
    """The operator's own config, which may not exist."""
    return config_dir(env) / "config.yaml"


def user_state_dir(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/quarterdeck``, else ``~/.local/state/quarterdeck``: what is this user's alone (trust).

    Not created, and never ``$QUARTERDECK_STATE``, which a team may share.
    """
    return _xdg("XDG_STATE_HOME", ".local/state", env)


def state_dir(env: Mapping[str, str] | None = None, *, shared: Path = SHARED_STATE) -> Path:
    """The folder of the ledger and the operations, created where missing (mode 0700).

    ``$QUARTERDECK_STATE``, else ``shared`` if it exists and is writable, else the user's own state folder.
    Raises UnsafeFolder when the chosen folder belongs to another user (root apart) or, being the user's own,
    stays open to others; OSError when it cannot be made.
    """
    named = (os.environ if env is None else env).get("QUARTERDECK_STATE", "")
    if named:
        return ensure_private_dir(Path(named).expanduser().absolute(), keep_mode=True)
    if shared.is_dir() and os.access(shared, os.R_OK | os.W_OK | os.X_OK):
        return shared
    return ensure_private_dir(user_state_dir(env))


def ensure_private_dir(path: Path, *, keep_mode: bool = False) -> Path:
    """Make ``path`` with mode 0700 (parents too where missing), or check the one that is there.

    One that is ours is narrowed to 0700 unless ``keep_mode``, which leaves a folder shared on purpose as it
    is but refuses one that everybody may write to. Raises UnsafeFolder for a folder of another user.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeFolder(f"{path} is not a folder; move it away")
    if found.st_uid not in (os.geteuid(), 0):
        raise UnsafeFolder(f"{path} belongs to another user; name a folder of your own")
    if keep_mode:
        if found.st_mode & stat.S_IWOTH:
            raise UnsafeFolder(f"{path} is writable by everybody; run: chmod o-w {path}")
    elif found.st_mode & 0o077 and found.st_uid == os.geteuid():
        path.chmod(0o700)
    return path


def require_own(path: Path) -> None:
    """Raise UnsafeFolder unless ``path`` is owned by this user (or root) and writable by its owner alone."""
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise UnsafeFolder(f"{path} belongs to another user, so it is not believed")
    if found.st_mode & 0o022:
        raise UnsafeFolder(f"{path} is writable by others, so it is not believed; run: chmod go-w {path}")


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step, mode 0600, on disk when this returns. Raises OSError.

    The temporary file is made beside it with O_EXCL, so that no link planted by another user is followed.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file opened for reading; a pipe, a device or a folder is refused instead of waited for.

    Raises OSError; FileNotFoundError where there is none.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bounded(path: Path, limit: int) -> bytes:
    """At most ``limit`` + 1 bytes of a regular file. Raises OSError as `open_regular` does."""
    with open_regular(path) as file:
        return file.read(limit + 1)


def git_root(start: Path) -> Path | None:
    """The nearest folder at or above ``start`` that holds ``.git`` (a folder, or a worktree's file)."""
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), None)


def project_config_file(start: Path | None = None) -> Path | None:
    """``quarterdeck.yaml`` in ``start`` (default: the working folder) or above it, up to the git root.

    Outside a repository only ``start`` itself is looked at, so that a file planted in a folder above that
    others may write to (/tmp) is not picked up.
    """
    here = Path(os.path.abspath(start or Path.cwd()))
    top = git_root(here) or here
    for folder in (here, *here.parents):
        candidate = folder / PROJECT_FILE
        if os.path.lexists(candidate):
            return candidate
        if folder == top:
            return None
    return None


def display_path(path: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """``path`` as short as it stays clear: relative below the working folder, with ``~`` below home."""
    for base, prefix in ((Path(os.path.abspath(cwd or Path.cwd())), ""), (home_dir(env), "~/")):
        if path.is_relative_to(base) and path != base:
            return prefix + str(path.relative_to(base))
    return str(path)
