"""What the repositories pane shows."""

from __future__ import annotations

from typing import ClassVar

from quarterdeck_lifecycle.records import Record


class Repository(Record, frozen=True, kw_only=True):
    """A git working copy. `ahead` and `behind` are None without an upstream."""

    kind: ClassVar[str] = "repository"
    pane: ClassVar[str] = "repositories"
    watched: ClassVar[tuple[str, ...]] = ("head", "branch", "upstream_head")

    path: str
    branch: str = ""
    head: str = ""
    upstream: str = ""
    upstream_head: str = ""
    ahead: int | None = None
    behind: int | None = None
    staged: int = 0
    changed: int = 0
    untracked: int = 0
    conflicts: int = 0
    stashes: int = 0
    worktrees: int = 0
    operation: str = ""
    subject: str = ""
    author: str = ""
    committed_at: float | None = None
    tag: str = ""
    remote: str = ""
    fetched_at: float | None = None


class Commit(Record, frozen=True, kw_only=True):
    """A commit of a repository; the ref's id is the repository's path, a NUL, and the full sha."""

    kind: ClassVar[str] = "commit"
    pane: ClassVar[str] = "repositories"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    sha: str
    subject: str = ""
    author: str = ""
    committed_at: float | None = None
    refs: tuple[str, ...] = ()
