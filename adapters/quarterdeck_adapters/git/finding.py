"""Which repositories there are: configured paths, or those around the working folder. Nothing runs for it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import is_bare

MOST = 200
DEADLINE_S = 3.0
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})


async def discover(context: Context) -> Sequence[Candidate]:
    """One candidate for all repositories; none when there is no repository. Runs nothing."""
    configured = context.config.repositories
    if any(source.system == "git" for source in context.config.sources):
        return ()
    if configured:
        source = SourceConfig(name="git", system="git", repos=tuple(configured))
        return [Candidate(source, f"repositories of the config ({len(configured)})", True)]

    paths = await call(
        lambda: around(context.project), deadline=DEADLINE_S, source="git", what="looking for repositories"
    )
    if not paths:
        return ()
    where = "the working folder" if paths == [nearest(context.project)] else f"below {context.project}"
    return [Candidate(SourceConfig(name="git", system="git", repos=tuple(paths)), where, True)]


def around(folder: str) -> list[str]:
    """The repository that `folder` is in, else those at most two levels below it. Reads folders."""
    here = nearest(folder)
    if here:
        return [here]
    found: list[str] = []
    level = [os.path.abspath(folder)]
    for _ in range(2):
        below = [child for parent in level for child in _folders_in(parent)]
        found += [child for child in below if _has_git(child)]
        level = [child for child in below if not _has_git(child)]
    return sorted(found)[:MOST]


def nearest(folder: str) -> str:
    """The folder itself or the nearest above it that holds `.git`, or is a bare repository; else an empty string."""
    here = os.path.abspath(folder)
    while not (_has_git(here) or is_bare(here)):
        above = os.path.dirname(here)
        if above == here:
            return ""
        here = above
    return here


def expand(patterns: Iterable[str], base: str, home: str) -> list[str]:
    """The repositories that paths and patterns (`*`, `?`, `[...]`, `**`) name, once each, at most 200.

    A pattern finds only repositories. A path that is none stays in the list, so that its row says what is wrong.
    """
    found: dict[str, None] = {}
    for given in patterns:
        pattern = home + given[1:] if given == "~" or given.startswith("~/") else given
        pattern = os.path.normpath(os.path.join(base, pattern))
        if os.path.isdir(pattern) or not glob.has_magic(pattern):
            found[nearest(pattern) or pattern] = None
        else:
            matches = sorted(glob.iglob(pattern, recursive=True))
            found.update(dict.fromkeys(m for m in matches if _has_git(m) or (os.path.isdir(m) and is_bare(m))))
    return list(found)[:MOST]


def _has_git(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".git"))


def _folders_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [
                entry.path
                for entry in entries
                if not entry.name.startswith(".") and entry.name not in _SKIPPED and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
