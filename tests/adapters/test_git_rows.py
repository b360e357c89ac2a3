"""Repositories as rows: every state a real one can be in, and every way one can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from parts.gitrepo import commit, commit_there, context, git, init, only, ref, repository, rows, source, with_remote
from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.git.finding import discover
from quarterdeck_adapters.git.source import GitSource
from quarterdeck_lifecycle.errors import ToolMissing, Unsupported
from quarterdeck_lifecycle.ports import Acts, Describes, Drills, Source, Watches
from quarterdeck_lifecycle.records import Ref, Status


def test_what_it_can_do(tmp_path: Path) -> None:
    made = source(tmp_path / "none")
    for port in (Source, Watches, Describes, Drills, Acts):
        assert isinstance(made, port)


async def test_a_repository_on_its_way(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    made = source(work)
    row = await only(made)
    head = git(work, "rev-parse", "HEAD")
    assert (row.status, row.state, row.branch, row.head) == (Status.OK, "clean", "main", head)
    assert (row.upstream, row.upstream_head, row.ahead, row.behind) == ("origin/main", head, 0, 0)
    assert (row.subject, row.author) == ("add a file", "Tester")
    assert row.committed_at == float(git(work, "log", "-1", "--format=%ct"))
    assert {(link.kind, link.value) for link in row.links} == {("commit", head), ("branch", "main")}

    (work / "new.txt").write_text("x")
    (work / "file.txt").write_text("changed")
    (work / "staged.txt").write_text("x")
    git(work, "add", "staged.txt")
    row = await only(made)
    assert (row.status, row.state) == (Status.LOOK, "dirty")
    assert (row.staged, row.changed, row.untracked) == (1, 1, 1)
    git(work, "stash", "-q", "-u")
    row = await only(made)
    assert (row.state, row.stashes) == ("clean", 1)

    mine = commit(work, "mine.txt", "mine\n", "mine")
    git(work, "tag", "v1.0")
    row = await only(made)
    assert (row.state, row.ahead, row.tag, row.link("tag")) == ("ahead 1", 1, "v1.0", "v1.0")
    theirs = commit_there(bare, tmp_path)
    git(work, "fetch", "-q")
    row = await only(made)
    assert (row.state, row.status, row.head, row.upstream_head) == ("diverged", Status.LOOK, mine, theirs)
    assert row.fetched_at == os.stat(work / ".git" / "FETCH_HEAD").st_mtime
    git(work, "reset", "-q", "--hard", "HEAD~1")
    assert (await only(made)).state == "behind 1"


async def test_conflicts_and_a_rebase_are_bad(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    git(work, "switch", "-q", "-c", "other")
    commit(work, text="other\n")
    git(work, "switch", "-q", "main")
    commit(work, text="main\n")
    with pytest.raises(subprocess.CalledProcessError):
        git(work, "rebase", "other")
    row = await only(source(work))
    assert (row.status, row.state, row.operation, row.conflicts) == (Status.BAD, "conflicts", "rebasing", 1)
    (work / "file.txt").write_text("both\n")
    git(work, "add", "file.txt")
    row = await only(source(work))
    assert (row.status, row.state, row.conflicts) == (Status.BAD, "rebasing", 0)
    git(work, "rebase", "--abort")
    with pytest.raises(subprocess.CalledProcessError):
        git(work, "merge", "other")
    (work / "file.txt").write_text("both\n")
    git(work, "add", "file.txt")
    row = await only(source(work))
    assert (row.status, row.state) == (Status.LOOK, "merging")


async def test_unusual_and_sound(tmp_path: Path) -> None:
    empty = init(tmp_path / "empty")
    full = repository(tmp_path / "full")
    for text in ("two\n", "three\n"):
        commit(full, text=text)
    bare, shallow, linked = (tmp_path / name for name in ("bare.git", "shallow", "linked"))
    git(tmp_path, "clone", "-q", "--bare", "--template=", str(full), str(bare))
    git(tmp_path, "clone", "-q", "--depth=1", "--template=", f"file://{full}", str(shallow))
    git(full, "worktree", "add", "-q", "-b", "linked", str(linked))
    detached = tmp_path / "detached"
    git(tmp_path, "clone", "-q", "--template=", str(full), str(detached))
    git(detached, "checkout", "-q", "--detach", "HEAD~1")
    with_module = repository(tmp_path / "with-module")
    git(with_module, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(full), "sub")
    git(with_module, "commit", "-q", "-m", "a submodule")
    (with_module / "sub" / "file.txt").write_text("changed in the submodule\n")

    found = await rows(source(empty, full, bare, shallow, linked, detached, with_module, with_module / "sub"))
    assert (found["empty"].state, found["empty"].status, found["empty"].head) == ("no commits", Status.OK, "")
    assert (found["full"].state, found["full"].worktrees) == ("clean", 1)
    assert (found["bare.git"].state, found["bare.git"].branch, found["bare.git"].subject) == (
        "bare",
        "main",
        "add a file",
    )
    assert (found["shallow"].state, found["shallow"].note) == ("clean", "shallow clone")
    assert (found["linked"].state, found["linked"].branch) == ("clean", "linked")
    assert (found["detached"].branch, found["detached"].note) == ("", "detached HEAD")
    assert found["with-module"].state == "clean"
    assert found["sub"].state == "dirty"


async def test_broken_ones_are_rows_in_trouble(tmp_path: Path) -> None:
    names = ("head", "sha", "ref", "index", "config", "gone", "plain", "dotgit", "sound")
    made = {name: repository(tmp_path / name) for name in names}
    (made["head"] / ".git" / "HEAD").write_text("no ref at all\n")
    (made["sha"] / ".git" / "HEAD").write_text("deadbeef" * 5 + "\n")
    (made["ref"] / ".git" / "refs" / "heads" / "main").write_text("garbage\n")
    (made["index"] / ".git" / "index").write_bytes(b"not an index")
    (made["config"] / ".git" / "config").write_text("[core\n")
    for name in ("gone", "plain", "dotgit"):
        shutil.rmtree(made[name] / ".git")
    shutil.rmtree(made["gone"])
    (made["dotgit"] / ".git").write_text("gitdir: /nowhere\n")
    found = await rows(source(*made.values()))
    expected = {
        "head": "not a repository", "sha": "broken", "ref": "broken", "index": "corrupt index",
        "config": "broken config", "gone": "not a repository", "plain": "not a repository",
        "dotgit": "not a repository", "sound": "clean",
    }  # fmt: skip
    assert {name: row.state for name, row in found.items()} == expected
    assert all(row.status is Status.BAD and row.note for name, row in found.items() if name != "sound")


async def test_a_repository_inside_another_is_not_taken_for_it(tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer")
    inner = repository(outer / "inner")
    made = source(outer, inner)
    assert (await rows(made))["inner"].state == "clean"
    shutil.rmtree(inner / ".git" / "objects")
    assert (await rows(made))["inner"].state == "not a repository"


async def test_the_last_facts_stay_in_trouble(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    made = source(work)
    before = await only(made)
    (work / ".git" / "index").write_bytes(b"not an index")
    now = await only(made)
    assert (now.status, now.head, now.subject) == (Status.BAD, before.head, before.subject)


async def test_one_that_hangs_does_not_hold_the_others(tmp_path: Path) -> None:
    slow, sound = repository(tmp_path / "slow"), repository(tmp_path / "sound")
    (slow / ".git" / "config").unlink()
    os.mkfifo(slow / ".git" / "config")
    found = await rows(source(slow, sound, deadline=0.5))
    assert (found["slow"].status, found["slow"].state) == (Status.UNKNOWN, "slow")
    assert found["sound"].state == "clean"


async def test_another_users_repository_says_how_to_trust_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = repository(tmp_path / "work")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    made = source(work)
    row = await only(made)
    assert (row.status, row.state) == (Status.BAD, "untrusted")
    assert f"git config --global --add safe.directory {work}" in row.note
    git(tmp_path, "config", "--global", "--add", "safe.directory", str(work))
    assert (await only(made)).state == "clean"


async def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    work = init(folder)
    (work / os.fsdecode(b"na\xefve")).write_text("x")
    git(work, "add", "-A")
    message = os.fsdecode(b"na\xefve")
    git(
        work,
        "-c",
        "i18n.commitEncoding=UTF-8",
        "commit",
        "-q",
        "-m",
        message,
        env={"GIT_AUTHOR_NAME": os.fsdecode(b"Ren\xe9")},
    )
    row = await only(source(work))
    assert os.fsencode(row.ref.id) == os.fsencode(folder)
    assert Ref.parse(str(row.ref)) == row.ref
    assert row.state == "clean"
    assert row.name.isprintable()
    assert row.author.startswith("Ren")
    assert row.author.isprintable()
    (work / "b").write_text("x")
    sections = {section.title: section for section in await source(work).describe(row.ref)}
    assert sections["Commits"].table[1][2].startswith("Ren")
    assert len(sections["Reflog"].table) == 2


async def test_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    made = [repository(tmp_path / one / "api") for one in ("acme", "umbrella")] + [repository(tmp_path / "web")]
    assert set(await rows(source(*made))) == {"acme/api", "umbrella/api", "web"}


async def test_a_lock_of_another_git_is_no_trouble_for_a_reading(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    (work / ".git" / "index.lock").touch()
    assert (await only(source(work))).state == "clean"


async def test_many_files_are_counted_and_nothing_flickers(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    for n in range(400):
        (work / f"{n}.txt").touch()
    made = source(work)
    first, second = await only(made), await only(made)
    assert first == second
    assert first.untracked == 400


async def test_no_git_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = repository(tmp_path / "work")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="git is not installed"):
        await only(source(work))
    with pytest.raises(Unsupported):
        await source(work).list("commit")


async def test_where_repositories_are_looked_for(tmp_path: Path) -> None:
    inside = repository(tmp_path / "src" / "api")
    (inside / "deep" / "down").mkdir(parents=True)
    deeper = repository(tmp_path / "src" / "group" / "web")
    repository(tmp_path / "src" / "a" / "b" / "too-deep")
    repository(tmp_path / "src" / ".hidden")

    (found,) = await discover(context(inside / "deep" / "down"))
    assert found.source.repos == (str(inside),)
    (found,) = await discover(context(tmp_path / "src"))
    assert found.source.repos == (str(inside), str(deeper))
    assert found.answered
    assert await discover(context(tmp_path / "src" / "a" / "nothing")) == ()

    configured = context(tmp_path, repositories=(str(tmp_path / "src" / "*"), str(tmp_path / "missing")))
    (found,) = await discover(configured)
    made = GitSource(found.source, configured)
    assert await made.paths() == (str(inside), str(tmp_path / "missing"))
    repository(tmp_path / "src" / "new")
    assert str(tmp_path / "src" / "new") in await made.paths()


async def test_a_home_path_and_a_folder_inside(tmp_path: Path, isolated_home: Path) -> None:
    work = repository(isolated_home / "src" / "api")
    (work / "below").mkdir()
    config = SourceConfig(name="git", system="git", repos=("~/src/*", str(work / "below")))
    assert await GitSource(config, context(tmp_path)).paths() == (str(work),)


def test_the_ref_is_the_path(tmp_path: Path) -> None:
    assert ref(tmp_path).id == str(tmp_path)
