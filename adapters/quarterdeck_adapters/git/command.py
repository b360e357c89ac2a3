"""Running git: its own session and environment, the repository's config disarmed, writes only under a permit."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping

import msgspec

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.faults import failure, without_credentials
from quarterdeck_adapters.git.safety import (
    REMOTE_FOLDER,
    Setting,
    environment,
    has_includes,
    own_values,
    parse_settings,
    value_of,
)
from quarterdeck_adapters.git.urls import is_folder, rewritten
from quarterdeck_adapters.process import Finished, run
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Unavailable, Unsupported
from quarterdeck_lifecycle.permit import require

READ_S = 5.0
BOUND = 4 * 1024 * 1024
HINT = "install git 2.31 or newer"

_READS = (
    ("--version",), ("cat-file",), ("check-ref-format",), ("config", "--list"), ("diff",), ("for-each-ref",), ("log",),
    ("ls-remote",), ("merge-base",), ("remote", "get-url"), ("rev-list",), ("rev-parse",), ("show",), ("status",),
    ("symbolic-ref", "-q", "--short", "HEAD"), ("worktree", "list"),
)  # fmt: skip


class Opened(msgspec.Struct, frozen=True):
    """A repository that may be asked: its folders and its config as git reads it."""

    path: str
    git_dir: str
    common_dir: str
    settings: tuple[Setting, ...]

    @property
    def bare(self) -> bool:
        """Whether there is no work tree."""
        return self.git_dir == self.path or (
            self.git_dir == self.common_dir and self.value("core.bare").lower() == "true"
        )

    def value(self, key: str) -> str:
        """The value that counts for a key of the config, or an empty string."""
        return value_of(self.settings, key)


class Git:
    """Git for one source. Nothing but the reads named above runs without a permit for `source`."""

    def __init__(self, source: str, env: Mapping[str, str], deadline: float = READ_S) -> None:
        self.source = source
        self.deadline = deadline
        self._env = env
        self._known: dict[str, tuple[object, tuple[Setting, ...]]] = {}

    async def open(self, path: str) -> Opened:
        """Read the config of the repository at `path`. Raises QuarterdeckError when it is not fit to be asked.

        A work tree that is elsewhere (core.worktree) is refused: a pull would write where nobody looks.
        """

        def look() -> tuple[str, str, object]:
            found = folders(path, self.source)
            return *found, _stamp(*found)

        git_dir, common_dir, stamp = await call(look, deadline=self.deadline, source=self.source, what="looking at it")
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            settings = known[1]
        else:
            ended = await self._start(path, ("config", "--list", "--show-scope", "-z"), (), self.deadline, BOUND)
            if ended.code:
                raise failure("reading the config", ended.stderr, source=self.source)
            settings = parse_settings(ended.stdout)
            self._known.pop(path, None)
            # A repository of another user answers without its own config until it is trusted: not kept, either.
            if own_values(settings, ".*") and not has_includes(settings):
                self._known[path] = (stamp, settings)
        opened = Opened(path, git_dir, common_dir, settings)
        self._refuse_odd(opened)
        return opened

    def _refuse_odd(self, opened: Opened) -> None:
        elsewhere = own_values(opened.settings, r"core\.worktree")
        if elsewhere:
            top = os.path.join(opened.git_dir, elsewhere[-1].value)
            if os.path.realpath(top) != os.path.realpath(opened.path):
                raise Unsupported("it was not asked", source=self.source, why="its config puts the work tree elsewhere",
                                  mend="look at core.worktree in its config")  # fmt: skip
        if own_values(opened.settings, r"remote\..*\.(uploadpack|receivepack|vcs)") and own_values(
            opened.settings, r"remote\..*\.promisor|extensions\.partialclone"
        ):
            raise Unsupported("it was not asked", source=self.source,
                              why="a partial clone whose config names a program to fetch missing objects with",
                              mend="look at remote.*.uploadpack in its config")  # fmt: skip

    async def run(
        self, repo: Opened, *args: str, deadline: float | None = None, limit: int = BOUND, codes: tuple[int, ...] = (0,)
    ) -> Finished:
        """Run `git args` in the repository; other exit codes than `codes` raise QuarterdeckError."""
        if not any(args[: len(read)] == read for read in _READS):
            require(self.source, self.line(repo, *args))
        ended = await self._start(repo.path, args, repo.settings, deadline or self.deadline, limit)
        if ended.code not in codes:
            raise failure(f"git {args[0]}", ended.stderr or ended.stdout, source=self.source)
        return ended

    async def text(self, repo: Opened, *args: str, codes: tuple[int, ...] = (0,), deadline: float | None = None) -> str:
        """The first line of what a command says."""
        ended = await self.run(repo, *args, codes=codes, deadline=deadline)
        return ended.stdout.decode("utf-8", "surrogateescape").partition("\n")[0]

    def far_end(self, repo: Opened, remote: str, which: str) -> tuple[str, ...]:
        """The option that names the program of the other end: `which` is upload (fetch) or receive (push).

        Needed where the repository would name one (git takes the first that it reads, so config cannot override it),
        and for a remote that is a folder of this machine, where hooks and config of that folder would run.
        """
        key = f"remote.{remote}.{which}pack"
        if any(map(is_folder, remote_urls(repo, remote, push=which == "receive"))):
            return (f"--{which}-pack={REMOTE_FOLDER} {which}-pack",)
        if own_values(repo.settings, re.escape(key)):
            return (f"--{which}-pack={value_of(repo.settings, key, trusted_only=True) or f'git-{which}-pack'}",)
        return ()

    def failed(self, what: str, ended: Finished) -> QuarterdeckError:
        """The error for a command whose code says that it failed."""
        return failure(what, ended.stderr or ended.stdout, source=self.source)

    async def version(self) -> str:
        """Git's own version. Raises ToolMissing, Unavailable."""
        ended = await self._start(os.sep, ("--version",), (), self.deadline, 1000)
        if ended.code:
            raise Unavailable("git --version", source=self.source, why=ended.complaint)
        return ended.stdout.decode("utf-8", "replace").removeprefix("git version ").strip()

    def argv(self, repo: Opened, *args: str) -> tuple[str, ...]:
        """What is run for `args`, whole."""
        return ("git", "-C", repo.path, *args)

    def line(self, repo: Opened, *args: str) -> str:
        """The command as an operator would type it, without a credential that an address in it may hold."""
        return without_credentials(shlex.join(self.argv(repo, *args)))

    async def _start(
        self, path: str, args: tuple[str, ...], settings: tuple[Setting, ...], deadline: float, limit: int
    ) -> Finished:
        env = environment(self._env, os.path.dirname(path), settings)
        return await run(
            ("git", "-C", path, *args), source=self.source, deadline=deadline, env=env, limit=limit, hint=HINT
        )


def remote_urls(repo: Opened, name: str, *, push: bool = False) -> list[str]:
    """A remote's addresses as git will use them (`url.*.insteadOf` applied), credentials included: never shown so.

    A name that is no remote is taken for an address, as git does.
    """
    urls = [s.value for s in repo.settings if s.key == f"remote.{name}.url"] or [name]
    pushed = [s.value for s in repo.settings if s.key == f"remote.{name}.pushurl"] if push else []
    rules = [(s.key, s.value) for s in repo.settings if s.key.startswith("url.")]
    found = [rewritten(url, rules, push=push and not pushed) for url in pushed or urls]
    return found if push else found[:1]


def folders(path: str, source: str = "") -> tuple[str, str]:
    """The git folder and the common one of the repository whose top is `path`. Raises NotFound.

    Read as gitrepository-layout(5) says: `.git` is a folder, or a file that names one; `commondir` names the main one.
    """
    dot_git = os.path.join(path, ".git")
    try:
        if os.path.isdir(dot_git):
            git_dir = dot_git
        elif os.path.isfile(dot_git):
            with open(dot_git, encoding="utf-8", errors="surrogateescape") as file:
                named = file.read(4096)
            if not named.startswith("gitdir:"):
                why = ".git is a file that names nothing"
                raise NotFound(f"{path} is not a git repository", source=source, why=why)
            git_dir = os.path.normpath(os.path.join(path, named.removeprefix("gitdir:").strip()))
        elif is_bare(path):
            git_dir = path
        else:
            why = "there is no .git" if os.path.isdir(path) else "the folder is gone"
            raise NotFound(f"{path} is not a git repository any more", source=source, why=why)
        common = os.path.join(git_dir, "commondir")
        if not os.path.isfile(common):
            return git_dir, git_dir
        with open(common, encoding="utf-8", errors="surrogateescape") as file:
            return git_dir, os.path.normpath(os.path.join(git_dir, file.read(4096).strip()))
    except OSError as error:
        raise Unavailable(f"{path} cannot be read", source=source, why=error.strerror or str(error)) from error


def is_bare(path: str) -> bool:
    """Whether the folder itself looks like a git folder."""
    inside = [os.path.join(path, name) for name in ("HEAD", "objects", "refs")]
    return os.path.isfile(inside[0]) and os.path.isdir(inside[1]) and os.path.isdir(inside[2])


def _stamp(git_dir: str, common_dir: str) -> object:
    """What changes when the config may have: the time, size and inode of each file it is read from."""
    found: list[object] = []
    for file in (os.path.join(common_dir, "config"), os.path.join(git_dir, "config.worktree")):
        try:
            seen = os.stat(file)
            found.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
