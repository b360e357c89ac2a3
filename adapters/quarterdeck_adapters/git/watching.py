"""Seeing from outside that a repository changed: the times of the files that every change of git touches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from quarterdeck_adapters.git.command import folders
from quarterdeck_lifecycle.errors import QuarterdeckError

_MOST_FOLDERS = 200
_FILES = ("HEAD", "index", "FETCH_HEAD", "ORIG_HEAD", "logs/HEAD")
_SHARED = ("packed-refs", "config", "refs/stash", "logs/refs/stash")

Mark = tuple[object, ...]


def mark(paths: Sequence[str]) -> Mark:
    """What is equal as long as nothing was committed, staged, fetched, switched or tagged in any repository.

    Ref files are replaced by renaming, so their folders' times tell; a file that was changed in the work tree below
    its top is not seen here. Blocks for about 20 system calls a repository.
    """
    return tuple(map(_mark_of, paths))


def _mark_of(path: str) -> Mark:
    try:
        git_dir, common = folders(path)
    except QuarterdeckError:
        return (path,)
    found: list[object] = [path, _time(path), _time(git_dir)]
    found += [_time(os.path.join(git_dir, name)) for name in _FILES]
    found += [_time(os.path.join(common, name)) for name in _SHARED]
    room = _MOST_FOLDERS
    for folder, below, _ in os.walk(os.path.join(common, "refs")):
        below.sort()
        found.append((folder, _time(folder)))
        room -= 1
        if room <= 0:
            break
    return tuple(found)


def _time(path: str) -> int:
    with suppress(OSError):
        return os.stat(path).st_mtime_ns
    return 0
