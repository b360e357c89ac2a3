"""What happens outside appears by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from parts.gitrepo import commit, git, only, repository, source, with_remote
from quarterdeck_adapters.git.watching import mark
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.hub import Hub


async def _next(watched: AsyncIterator[None]) -> None:
    async with asyncio.timeout(10):
        await anext(watched)


async def test_a_commit_from_outside_is_noticed(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    made = source(work)
    async with aclosing(made.watch("repository")) as watched:
        await _next(watched)
        sha = commit(work, text="two\n")
        await _next(watched)
        assert (await only(made)).head == sha


async def test_nothing_is_said_while_nothing_happens(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    made = source(work, look_s=0)
    async with aclosing(made.watch("repository")) as watched:
        await _next(watched)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(watched)


@pytest.mark.parametrize(
    "command",
    ["tag v1", "branch feature/x", "switch -q -c other", "stash", "pack-refs --all", "config user.name x", "add -A"],
)
def test_what_moves_the_mark(tmp_path: Path, command: str) -> None:
    work = repository(tmp_path / "work")
    (work / "file.txt").write_text("changed")
    before = mark([str(work)])
    assert mark([str(work)]) == before
    git(work, *command.split())
    assert mark([str(work)]) != before


def test_a_fetch_and_a_new_file_move_the_mark(tmp_path: Path) -> None:
    work, _ = with_remote(tmp_path)
    before = mark([str(work)])
    git(work, "fetch", "-q")
    fetched = mark([str(work)])
    assert fetched != before
    (work / "new.txt").touch()
    assert mark([str(work)]) != fetched
    assert mark([str(tmp_path / "gone")])


async def test_a_reading_moves_nothing(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    os.utime(work / "file.txt", (1_000_000_000, 1_000_000_000))
    before = mark([str(work)])
    made = source(work)
    row = await only(made)
    sections = {section.title: section for section in await made.describe(row.ref)}
    assert mark([str(work)]) == before
    assert (row.state, sections["Diff"].note) == ("clean", "no difference")


async def test_it_reaches_the_hub_and_the_changes(tmp_path: Path) -> None:
    work = repository(tmp_path / "work")
    hub = Hub([source(work)])
    found: list[ChangeRow] = []
    told = asyncio.Event()

    def tell(rows: object) -> None:
        found.extend(rows)  # type: ignore[call-overload]
        told.set()

    hub.changes.append(tell)
    live = asyncio.Event()

    def dirty(_kinds: frozenset[str]) -> None:
        if hub.snapshots("repository")[0].live:
            live.set()

    leave = hub.listen(dirty)
    try:
        async with asyncio.timeout(20):
            await live.wait()
            sha = commit(work, text="two\n")
            await told.wait()
    finally:
        leave()
        await hub.close()
    (change,) = [row for row in found if row.what == "head"]
    assert (change.after, change.by) == (sha, "outside")


async def test_only_repositories_are_watched(tmp_path: Path) -> None:
    async with aclosing(source(tmp_path).watch("commit")) as watched:
        with pytest.raises(Unsupported):
            await anext(watched)
