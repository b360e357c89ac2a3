"""What lies between two commits of a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from parts.gitrepo import commit, git, init, source
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.ports import ComparesRevisions


async def test_commits_that_come_and_go_and_the_files_that_differ(tmp_path: Path) -> None:
    work = tmp_path / "work"
    init(work)
    first = commit(work, "a.txt", "a", "one")
    second = commit(work, "migrations 1.sql", "b", "two")
    third = commit(work, "c.txt", "c", "three")
    made = source(work)
    assert isinstance(made, ComparesRevisions)
    found = await made.between(str(work), first, third)
    assert [one.sha for one in found.commits] == [third, second]
    assert [one.subject for one in found.commits] == ["three", "two"]
    assert found.gone == ()
    assert found.files == ("c.txt", "migrations 1.sql")
    back = await made.between(str(work), third, second)
    assert [one.sha for one in back.gone] == [third]
    assert (back.commits, back.files) == ((), ("c.txt",))
    git(work, "checkout", "-q", "-b", "side", first)
    side = commit(work, "d.txt", "d", "aside")
    apart = await made.between(str(work), side, third)
    assert ({one.sha for one in apart.commits}, {one.sha for one in apart.gone}) == ({second, third}, {side})


@pytest.mark.parametrize("sha", ["0" * 40, "--help", "main", ""])
async def test_what_is_no_commit_of_it_is_not_found(tmp_path: Path, sha: str) -> None:
    work = tmp_path / "work"
    init(work)
    head = commit(work, "a.txt", "a", "one")
    with pytest.raises(NotFound):
        await source(work).between(str(work), head, sha)
