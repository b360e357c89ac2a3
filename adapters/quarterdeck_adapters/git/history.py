"""Commits: pages of them as rows, and one with its message, files and diff."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quarterdeck_adapters.git.command import Git, Opened
from quarterdeck_adapters.git.diffs import PATCH, diff_section
from quarterdeck_adapters.git.mapping import Logged, parse_log
from quarterdeck_adapters.git.reading import LOG
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.kinds import Commit
from quarterdeck_lifecycle.ports import Listing, Section
from quarterdeck_lifecycle.records import Link, Ref, Status, utc

PAGE = 100
DEADLINE_S = 10.0
_MESSAGE = "%H%x00%an <%ae>%x00%at%x00%cn <%ce>%x00%ct%x00%P%x00%D%x00%B"


async def commits(git: Git, opened: Opened, page: str = "") -> tuple[Listing, str]:
    """A page of the current branch's commits as rows, newest first, and the token of the next page."""
    skip = int(page) if page.isdecimal() else 0
    ended = await git.run(opened, *LOG, f"--skip={skip}", f"-{PAGE + 1}", codes=(0, 128), deadline=DEADLINE_S)
    if ended.code and b"does not have any commits yet" not in ended.stderr:
        raise git.failed("reading the log", ended)
    found = list(parse_log(ended.stdout))
    return Listing(rows=rows(git, opened, found[:PAGE])), str(skip + PAGE) if len(found) > PAGE else ""


def rows(git: Git, opened: Opened, found: Iterable[Logged]) -> list[Commit]:
    """Commits as git logged them, as rows."""
    return [
        Commit(
            ref=Ref(git.source, "commit", f"{opened.path}\0{one.sha}"),
            name=one.sha[:10],
            status=Status.IDLE,
            state=", ".join(_short(ref) for ref in one.refs),
            updated_at=one.at,
            sha=one.sha,
            subject=one.subject,
            author=one.author,
            committed_at=one.at,
            refs=tuple(_short(ref) for ref in one.refs),
            links=(Link(kind="commit", value=one.sha, evidence="git log"),),
        )
        for one in found
    ]


def _short(ref: str) -> str:
    return re.sub(r"refs/(heads|remotes|tags)/", "", ref)


async def commit_sections(git: Git, opened: Opened, sha: str) -> list[Section]:
    """Message, Files and Diff of a commit; a merge is compared with its first parent. Raises NotFound."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", sha):
        raise NotFound(f"no commit {sha[:70]}", source=git.source)
    facts = await git.run(
        opened, "log", "-1", "-z", f"--format=tformat:{_MESSAGE}", "--decorate=full", "--encoding=UTF-8",
        "--no-show-signature", "--no-color", "--no-mailmap", sha, "--", codes=(0, 128),
    )  # fmt: skip
    if facts.code and b"bad object" not in facts.stderr and b"bad revision" not in facts.stderr:
        raise git.failed("reading the commit", facts)
    parts = facts.stdout.decode("utf-8", "surrogateescape").split("\0", 7)
    if len(parts) < 8:
        raise NotFound(f"no commit {sha}", source=git.source)
    full, author, authored, committer, committed, parents, refs, message = parts
    fields = [("commit", full), ("author", author), ("authored", utc(float(authored or 0)) or "")]
    if (author, authored) != (committer, committed):
        fields += [("committer", committer), ("committed", utc(float(committed or 0)) or "")]
    fields += [("parents", parents), ("refs", ", ".join(_short(r) for r in refs.split(", ") if r))]
    show = ("show", "--format=", "--diff-merges=first-parent", "--root", *PATCH)
    files = await git.run(opened, *show, "--numstat", "--no-renames", "-z", sha, "--", deadline=DEADLINE_S)
    return [
        Section(
            title="Message",
            shape="text",
            text=message.rstrip("\0\n"),
            fields=tuple((name, value) for name, value in fields if value),
        ),
        Section(title="Files", shape="table", table=_files(files.stdout)),
        await diff_section(git, opened, "Diff", (*show, "--patch", sha, "--")),
    ]


def _files(numstat: bytes) -> tuple[tuple[str, ...], ...]:
    rows = [("added", "removed", "file")]
    for entry in numstat.decode("utf-8", "surrogateescape").split("\0"):
        added, _, rest = entry.strip("\n").partition("\t")
        removed, _, path = rest.partition("\t")
        if path:
            rows.append((added, removed, path) if added != "-" else ("binary", "", path))
    return tuple(rows)
