"""Real repositories in temporary folders, made quickly: no templates, no network, remotes are bare neighbours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.git.source import GitSource
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.records import Ref


def git(folder: Path, *args: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run git in a folder and answer what it printed. Raises CalledProcessError."""
    done = subprocess.run(
        ["git", "-C", str(folder), *args],
        input=stdin,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=True,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(env or {})},
        timeout=30,
    )
    return done.stdout.strip()


def init(folder: Path, *options: str) -> Path:
    """An empty repository on the branch main."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "--template=", "-b", "main", *options, ".")
    return folder


def commit(folder: Path, name: str = "file.txt", text: str = "one\n", message: str = "add a file") -> str:
    """Write a file, commit it, and answer the sha."""
    (folder / name).write_text(text)
    git(folder, "add", "--", name)
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> Path:
    """A repository with one commit."""
    init(folder)
    commit(folder)
    return folder


def with_remote(root: Path, name: str = "work") -> tuple[Path, Path]:
    """A repository with one commit whose branch main follows a bare neighbour's; and the neighbour."""
    bare = init(root / f"{name}-remote.git", "--bare")
    work = repository(root / name)
    git(work, "remote", "add", "origin", str(bare))
    git(work, "push", "-q", "-u", "origin", "main")
    return work, bare


def commit_there(bare: Path, root: Path, text: str = "theirs\n", branch: str = "main") -> str:
    """A commit that somebody else pushed to the remote; answers its sha."""
    other = root / "somebody-else"
    if not other.exists():
        git(root, "clone", "-q", "--template=", str(bare), str(other))
    git(other, "checkout", "-q", "-B", branch)
    sha = commit(other, "theirs.txt", text, f"theirs: {text.strip()}")
    git(other, "push", "-q", "origin", branch)
    return sha


def context(project: Path, **config: Any) -> Context:
    """What an adapter is given, with the test's environment."""

    def no_secret(_ref: object) -> str:
        raise AssertionError("no secret is needed here")

    return Context(secret=no_secret, env=dict(os.environ), config=Config(**config), project=str(project))


def source(*paths: Path, deadline: float | None = None, look_s: float = 0.02, name: str = "git") -> GitSource:
    """The source over these repositories."""
    config = SourceConfig(name=name, system="git", repos=tuple(map(os.fsdecode, paths)), deadline=deadline)
    return GitSource(config, context(paths[0].parent), look_s=look_s)


def ref(path: Path) -> Ref:
    """The ref of a repository of the source named git."""
    return Ref("git", "repository", os.fsdecode(path))


async def rows(made: GitSource) -> dict[str, Repository]:
    """The source's rows by name."""
    listing = await made.list("repository")
    return {row.name: row for row in listing.rows if isinstance(row, Repository)}


async def only(made: GitSource) -> Repository:
    """The source's one row."""
    (row,) = (await rows(made)).values()
    return row


def record_json(value: object) -> str:
    """A record as text, to look for what must not be in it."""
    return msgspec.json.encode(value, enc_hook=str).decode()
