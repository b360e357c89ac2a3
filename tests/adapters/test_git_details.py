"""The tabs of a repository and of a commit."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from parts.gitrepo import commit, commit_there, git, init, ref, repository, source, with_remote
from quarterdeck_adapters.git.library import reflog
from quarterdeck_lifecycle.errors import Malformed, NotFound
from quarterdeck_lifecycle.kinds import Commit
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref


async def _tabs(work: Path) -> dict[str, Section]:
    return {section.title: section for section in await source(work).describe(ref(work))}


async def test_the_tabs_of_a_repository(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    first = git(work, "rev-parse", "HEAD")
    git(work, "tag", "-a", "-m", "the first", "v1.0")
    git(work, "tag", "light")
    commit(work, "mine.txt", "mine\n", "mine")
    commit_there(bare, tmp_path)
    git(work, "fetch", "-q")
    git(work, "switch", "-q", "-c", "feature/x")
    git(work, "worktree", "add", "-q", str(tmp_path / "linked"), "main")
    (work / "file.txt").write_text("stashed\n")
    git(work, "stash", "-q", "-m", "later")
    (work / "file.txt").write_text("changed\n")
    (work / "staged.txt").write_text("staged\n")
    git(work, "add", "staged.txt")
    (work / "image.bin").write_bytes(b"\0\1\2")
    git(work, "add", "image.bin")

    tabs = await _tabs(work)
    assert list(tabs) == [
        "Commits", "Diff", "Files", "Branches", "Tags", "Stashes", "Worktrees", "Remotes", "Reflog",
    ]  # fmt: skip
    assert [row[3] for row in tabs["Commits"].table] == ["subject", "mine", "add a file"]
    diff = tabs["Diff"].text
    assert diff.index("# not staged") < diff.index("+changed") < diff.index("# staged") < diff.index("+staged")
    assert "Binary files /dev/null and b/image.bin differ" in diff
    assert (" M", "file.txt") in tabs["Files"].table
    branches = {row[1]: row for row in tabs["Branches"].table[1:]}
    assert branches["main"][2:4] == ("origin/main", "ahead 1, behind 1")
    assert branches["feature/x"][0] == "*"
    tags = {row[0]: row for row in tabs["Tags"].table[1:]}
    assert tags["v1.0"][2:] == ("annotated", first[:10], "the first")
    assert tags["light"][2:4] == ("", first[:10])
    assert tabs["Stashes"].table[1][0] == "stash@{0}"
    assert tabs["Stashes"].table[1][4] == "On feature/x: later"
    assert [row[:2] for row in tabs["Worktrees"].table[1:]] == [
        (str(work), "feature/x"), (str(tmp_path / "linked"), "main"),
    ]  # fmt: skip
    assert tabs["Remotes"].table[1] == ("origin", "fetch", str(bare))
    assert tabs["Reflog"].table[1][0] == "HEAD@{0}"


async def test_empty_and_bare_have_their_tabs_too(tmp_path: Path) -> None:
    empty, bare = init(tmp_path / "empty"), init(tmp_path / "bare.git", "--bare")
    tabs = await _tabs(empty)
    assert tabs["Commits"].note == "no commits yet"
    assert tabs["Diff"].note == "no difference"
    assert not any("failed" in tab.note or "fatal" in tab.note for tab in tabs.values())
    assert "Diff" not in await _tabs(bare)


async def test_a_broken_part_is_said_in_its_tab(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    (work / ".git" / "index").write_bytes(b"not an index")
    tabs = await _tabs(work)
    assert "index file" in tabs["Diff"].note
    assert len(tabs["Commits"].table) == 2


async def test_a_long_diff_is_cut_and_says_so(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    (work / "file.txt").write_text("a line of some length\n" * 120_000)
    diff = (await _tabs(work))["Diff"]
    assert "first 2 MB" in diff.note
    assert len(diff.text) <= 2 * 1024 * 1024 + 100
    assert diff.text.count("\n+a line") > 80_000


async def test_commits_page_by_page_and_one_by_one(tmp_path: Path) -> None:
    work = init(tmp_path / "work")
    entries = "".join(
        f"commit refs/heads/main\ncommitter T <t@e.invalid> {1_700_000_000 + n} +0000\ndata <<E\ncommit {n}\nE\n"
        f"M 644 inline file.txt\ndata <<E\n{n}\nE\n"
        for n in range(930)
    )
    await asyncio.to_thread(git, work, "fast-import", "--quiet", stdin=entries)
    git(work, "reset", "-q", "--hard")
    made = source(work)
    found: list[Commit] = []
    page = ""
    while True:
        listing, page = await made.children(ref(work), page)
        found += [row for row in listing.rows if isinstance(row, Commit)]
        if not page:
            break
    assert [row.subject for row in found] == [f"commit {n}" for n in reversed(range(930))]
    assert len({row.ref for row in found}) == 930
    last = found[0]
    assert (last.sha, last.refs) == (git(work, "rev-parse", "HEAD"), ("HEAD -> main",))
    assert last.committed_at == 1_700_000_929

    tabs = {section.title: section for section in await made.describe(Ref.parse(str(last.ref)))}
    assert tabs["Message"].text.strip() == "commit 929"
    assert ("author", "T <t@e.invalid>") in tabs["Message"].fields
    assert tabs["Files"].table[1] == ("1", "1", "file.txt")
    assert "-928" in tabs["Diff"].text
    assert "+929" in tabs["Diff"].text
    listing, _ = await made.children(last.ref)
    assert not listing.rows


async def test_a_merge_is_compared_with_its_first_parent(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    git(work, "switch", "-q", "-c", "other")
    commit(work, "other.txt", "other\n", "other")
    git(work, "switch", "-q", "main")
    git(work, "merge", "-q", "--no-ff", "-m", "merged", "other")
    sha = git(work, "rev-parse", "HEAD")
    tabs = {s.title: s for s in await source(work).describe(Ref("git", "commit", f"{work}\0{sha}"))}
    assert tabs["Files"].table[1:] == (("1", "0", "other.txt"),)
    assert dict(tabs["Message"].fields)["parents"].count(" ") == 1


@pytest.mark.parametrize("sha", ["--output=x", "HEAD", "", "f" * 40])
async def test_no_such_commit(tmp_path: Path, sha: str) -> None:
    work = repository(tmp_path / "work")
    with pytest.raises(NotFound):
        await source(work).describe(Ref("git", "commit", f"{work}\0{sha}"))
    assert sorted(os.listdir(work)) == [".git", "file.txt"]


def test_a_reflog_is_read_from_its_end(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    git(work, "commit", "-q", "--allow-empty", "-m", "again")
    (first, second) = reflog(str(work / ".git"), "HEAD", "git")
    assert (first.sha, first.message) == (git(work, "rev-parse", "HEAD"), "commit: again")
    assert second.message == "commit (initial): add a file"
    log = work / ".git" / "logs" / "HEAD"
    log.write_text(log.read_text() * 3000)
    assert len(reflog(str(work / ".git"), "HEAD", "git")) == 100
    assert reflog(str(work / ".git"), "refs/stash", "git") == []
    log.write_text("garbage\n")
    with pytest.raises(Malformed, match="reflog of HEAD"):
        reflog(str(work / ".git"), "HEAD", "git")


def test_the_library_starts_no_program_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = repository(tmp_path / "work")
    reflog(str(work / ".git"), "HEAD", "git")

    def started(*_args: object, **_options: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess.Popen, "__init__", started)
    assert reflog(str(work / ".git"), "HEAD", "git")
