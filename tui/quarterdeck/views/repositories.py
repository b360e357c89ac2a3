"""Repositories as rows."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.fmt import age, glyph, one_line, short
from quarterdeck.views.model import Look, View, by_name, counted, newest_first, trouble_first, worst
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.records import Status

COLUMNS = (
    Column("status", "", 1),
    Column("name", "REPO", 16, flex=1, min_width=8),
    Column("branch", "BRANCH", 13, flex=1, min_width=6),
    Column("state", "STATE", 14, flex=1, min_width=9),
    Column("commit", "LAST COMMIT", 30, flex=4, min_width=10, priority=1),
    Column("when", "WHEN", 4, "right", priority=2),
)


def track(repo: Repository) -> str:
    """What differs: ↑ahead ↓behind +staged *changed ?untracked, or clean."""
    parts = [
        f"{sign}{count}"
        for sign, count in (
            ("↑", repo.ahead), ("↓", repo.behind), ("!", repo.conflicts), ("+", repo.staged), ("*", repo.changed),
            ("?", repo.untracked), ("$", repo.stashes),
        )
        if count
    ]  # fmt: skip
    if repo.operation:
        parts.insert(0, repo.operation)
    return " ".join(parts) or (repo.state if repo.status in (Status.BAD, Status.UNKNOWN) else "clean")


def row(repo: Repository, look: Look) -> Row:
    """One repository."""
    commit = f"{short(repo.head)} {one_line(repo.subject)}" if repo.head else repo.note or repo.state
    return Row(
        repo.ref,
        (
            glyph(repo.status),
            Cell(repo.name),
            Cell(repo.branch or "-", "accent" if repo.branch else "dim"),
            Cell(track(repo), "dim" if track(repo) == "clean" else ""),
            Cell(commit, "dim"),
            Cell(age(repo.committed_at, look.now), "dim"),
        ),
    )


def line(repos: Sequence[Repository], look: Look) -> str:
    """The collapsed pane."""
    first = worst(repos)
    if first is None:
        return "no repository"
    clean = sum(1 for repo in repos if repo.status is Status.OK)
    return " · ".join(
        part
        for part in (f"{first.name} {first.branch} {track(first)}", counted(repos), f"{clean} clean" if clean else "")
        if part
    )


VIEWS = (
    View("repository", "Repos", COLUMNS, row,
         {"trouble": trouble_first, "newest": newest_first, "name": by_name}, line),
)  # fmt: skip
