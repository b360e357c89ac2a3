"""The tabs of a repository."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import Git, Opened
from quarterdeck_adapters.git.diffs import PATCH, diff_section
from quarterdeck_adapters.git.history import PAGE
from quarterdeck_adapters.git.library import reflog
from quarterdeck_adapters.git.mapping import parse_log, parse_status
from quarterdeck_adapters.git.reading import LOG, STATUS, remote_names
from quarterdeck_adapters.git.urls import shown
from quarterdeck_lifecycle.errors import QuarterdeckError, Timeout, ToolMissing
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import utc

DEADLINE_S = 10.0
MOST_REFS = 200

Table = tuple[tuple[str, ...], ...]
Tab = Callable[[Git, Opened], Awaitable[Section]]


async def repository_sections(git: Git, opened: Opened) -> Sequence[Section]:
    """Commits, Diff, Files, Branches, Tags, Stashes, Worktrees, Remotes, Reflog. One that fails says so in its tab."""
    bare = {"Diff", "Files"} if opened.bare else set()
    return await asyncio.gather(*(_or_note(title, tab, git, opened) for title, tab in TABS if title not in bare))


async def _or_note(title: str, tab: Tab, git: Git, opened: Opened) -> Section:
    try:
        return await tab(git, opened)
    except ToolMissing:
        raise
    except QuarterdeckError as error:
        return Section(title=title, note=str(error))


def _table(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], note: str = "") -> Section:
    if not rows:
        return Section(title=title, shape="table", note=note or "none")
    return Section(title=title, shape="table", table=(header, *rows), note=note)


def _day(seconds: float | None) -> str:
    return (utc(seconds) or "")[:16].replace("T", " ")


async def _commits(git: Git, opened: Opened) -> Section:
    ended = await git.run(opened, *LOG, f"-{PAGE}", codes=(0, 128), deadline=DEADLINE_S)
    if ended.code and b"does not have any commits yet" not in ended.stderr:
        raise git.failed("reading the log", ended)
    rows = [(one.sha[:10], _day(one.at), one.author, one.subject) for one in parse_log(ended.stdout)]
    return _table("Commits", ("commit", "date (UTC)", "author", "subject"), rows, "" if rows else "no commits yet")


async def _diff(git: Git, opened: Opened) -> Section:
    return await diff_section(
        git, opened, "Diff",
        "not staged", ("diff", *PATCH, "--"), "staged", ("diff", *PATCH, "--cached", "--"),
    )  # fmt: skip


async def _files(git: Git, opened: Opened) -> Section:
    ended = await git.run(opened, *STATUS, "--untracked-files=normal", deadline=DEADLINE_S)
    entries = parse_status(ended.stdout).entries
    rows = [(entry.letters.replace(".", " ").replace("u", "U"), entry.path) for entry in entries[:2000]]
    note = f"the first 2000 of {len(entries)}" if len(entries) > 2000 else "" if rows else "nothing differs"
    return _table("Files", ("XY", "file"), rows, note)


async def _refs(git: Git, opened: Opened, kind: str, sort: str, *fields: str) -> list[tuple[str, ...]]:
    ended = await git.run(
        opened, "for-each-ref", f"--sort=-{sort}", f"--count={MOST_REFS}", f"--format={'%00'.join(fields)}%00",
        f"refs/{kind}", deadline=DEADLINE_S,
    )  # fmt: skip
    lines = ended.stdout.decode("utf-8", "surrogateescape").split("\0\n")[:-1]
    return [tuple(line.split("\0")) for line in lines]


async def _branches(git: Git, opened: Opened) -> Section:
    start = ("%(HEAD)", "%(refname:lstrip=2)", "%(upstream:short)")
    end = ("%(committerdate:unix)", "%(contents:subject)")
    note = ""
    try:
        rows = await _refs(git, opened, "heads", "committerdate", *start, "%(upstream:track,nobracket)", *end)
    except Timeout:
        note = "ahead and behind take too long here"
        rows = await _refs(git, opened, "heads", "committerdate", *start, "", *end)
    found = [
        (head.strip(), name, upstream, track, _day(float(at or 0)), subject)
        for head, name, upstream, track, at, subject in rows
    ]
    return _table("Branches", ("", "branch", "upstream", "track", "last commit", "subject"), found, note)


async def _tags(git: Git, opened: Opened) -> Section:
    rows = await _refs(
        git, opened, "tags", "creatordate",
        "%(refname:lstrip=2)", "%(creatordate:unix)", "%(objecttype)", "%(objectname)", "%(*objectname)",
        "%(contents:subject)",
    )  # fmt: skip
    found = [
        (name, _day(float(at or 0)), "annotated" if kind == "tag" else "", (target or sha)[:10], subject)
        for name, at, kind, sha, target, subject in rows
    ]
    note = f"the newest {MOST_REFS}" if len(found) == MOST_REFS else ""
    return _table("Tags", ("tag", "date (UTC)", "", "commit", "subject"), found, note)


async def _log_of(git: Git, folder: str, ref: str) -> list[tuple[str, ...]]:
    entries = await call(
        lambda: reflog(folder, ref, git.source), deadline=DEADLINE_S, source=git.source, what=f"the log of {ref}"
    )
    return [(str(n), _day(entry.at), entry.sha[:10], entry.by, entry.message) for n, entry in enumerate(entries)]


async def _stashes(git: Git, opened: Opened) -> Section:
    rows = await _log_of(git, opened.common_dir, "refs/stash")
    found = [(f"stash@{{{n}}}", *rest) for n, *rest in rows]
    return _table("Stashes", ("stash", "date (UTC)", "commit", "author", "message"), found)


async def _reflog(git: Git, opened: Opened) -> Section:
    rows = await _log_of(git, opened.git_dir, "HEAD")
    found = [(f"HEAD@{{{n}}}", *rest) for n, *rest in rows]
    return _table("Reflog", ("entry", "date (UTC)", "commit", "by", "what"), found)


async def _worktrees(git: Git, opened: Opened) -> Section:
    ended = await git.run(opened, "worktree", "list", "--porcelain")
    rows = []
    for block in ended.stdout.decode("utf-8", "surrogateescape").strip().split("\n\n"):
        facts = dict(line.partition(" ")[::2] for line in block.splitlines())
        state = ", ".join(word for word in ("bare", "detached", "locked", "prunable") if word in facts)
        branch = facts.get("branch", "").removeprefix("refs/heads/")
        rows.append((facts.get("worktree", ""), branch, facts.get("HEAD", "")[:10], state))
    return _table("Worktrees", ("folder", "branch", "commit", ""), rows)


async def _remotes(_git: Git, opened: Opened) -> Section:
    rows = []
    for name in remote_names(opened):
        for key, what in ((f"remote.{name}.url", "fetch"), (f"remote.{name}.pushurl", "push")):
            rows += [(name, what, shown(s.value)) for s in opened.settings if s.key == key]
    return _table("Remotes", ("remote", "", "address"), rows, "no remote" if not rows else "")


TABS: tuple[tuple[str, Tab], ...] = (
    ("Commits", _commits),
    ("Diff", _diff),
    ("Files", _files),
    ("Branches", _branches),
    ("Tags", _tags),
    ("Stashes", _stashes),
    ("Worktrees", _worktrees),
    ("Remotes", _remotes),
    ("Reflog", _reflog),
)
