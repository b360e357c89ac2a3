"""Fetch, pull, push, switch, tag and check out, on real repositories, through to the ledger."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from parts.gitrepo import commit, commit_there, context, git, only, ref, repository, source, with_remote
from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.git.source import GitSource
from quarterdeck_config.redact import redact
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, NotFound, QuarterdeckError, Refused, Unsupported
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.ledger import Ledger
from quarterdeck_lifecycle.operate import Operator, Result
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.policy import Policy
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.state import StateDB
from quarterdeck_lifecycle.verbs import Registry, built_in


class Deck:
    """An operator with a real ledger over one source."""

    def __init__(self, made: GitSource, state: StateDB) -> None:
        self.source = made
        self.ledger = Ledger(state, Actor.current(environ={}), redact)
        self.operator = Operator(Hub([made]), Registry(built_in()), Policy(), self.ledger)

    async def preview(self, verb: str, path: Path, **args: str) -> Preview:
        found = self.operator.registry.get(f"repository.{verb}")
        assert found is not None
        return await self.operator.preview(found, ref(path), args)

    async def do(self, verb: str, path: Path, **args: str) -> Result:
        return await self.operator.perform(await self.preview(verb, path, **args), why="a test")

    async def entries(self) -> list[tuple[str, str]]:
        rows = await self.ledger.rows()
        return [(row.action, row.phase) for row in sorted(rows, key=lambda row: row.seq)]


@pytest.fixture
async def deck(tmp_path: Path) -> AsyncIterator[Callable[..., Deck]]:
    states: list[StateDB] = []

    def make(*paths: Path, **options: float) -> Deck:
        (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
        states.append(StateDB(tmp_path / "state"))
        return Deck(source(*paths, **options), states[-1])

    yield make
    for state in states:
        await state.aclose(5)


async def test_fetch_and_pull(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    git(work, "push", "-q", "origin", "main:refs/heads/gone")
    git(work, "fetch", "-q")
    git(bare, "update-ref", "-d", "refs/heads/gone")
    theirs = commit_there(bare, tmp_path)
    made = deck(work)

    done = await made.do("fetch", work)
    assert (done.result, done.message) == ("SUCCEEDED", f"origin/main is at {theirs[:10]}: 0 ahead, 1 behind")
    assert "gone" not in git(work, "branch", "-r")

    preview = await made.preview("pull", work)
    assert preview.impact[0] == f"{theirs[:10]} theirs: theirs"
    assert [step.call.split()[3] for step in preview.steps] == ["fetch", "merge"]
    done = await made.operator.perform(preview)
    assert done.result == "SUCCEEDED"
    assert git(work, "rev-parse", "HEAD") == theirs
    assert (await made.do("pull", work)).message == "main is up to date"
    assert await made.entries() == [
        ("repository.fetch", "intent"), ("repository.fetch", "outcome"),
        ("repository.pull", "intent"), ("repository.pull", "outcome"),
        ("repository.pull", "intent"), ("repository.pull", "outcome"),
    ]  # fmt: skip


async def test_the_preview_says_exactly_what_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, bare = with_remote(tmp_path)
    commit_there(bare, tmp_path)
    made = source(work)
    ran: list[str] = []
    run = made.git.run

    async def recorded(repo, *args, **options):  # type: ignore[no-untyped-def]
        if args[0] in ("fetch", "merge", "push", "tag", "switch"):
            ran.append(made.git.line(repo, *args))
        return await run(repo, *args, **options)

    monkeypatch.setattr(made.git, "run", recorded)
    for verb, args in (("pull", {}), ("tag", {"name": "v1", "message": "it's $(here)"})):
        action = made.actions[f"repository.{verb}"]
        preview = await action.preview(ref(work), args)
        assert ran == []
        with permit("git"):
            await action.execute(preview)
        assert ran == [step.call for step in preview.steps]
        assert preview.command == " && ".join(ran)
        ran.clear()


async def test_a_pull_that_cannot_fast_forward(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    mine = commit(work, "mine.txt", "mine\n", "mine")
    commit_there(bare, tmp_path)
    made = deck(work)
    done = await made.do("pull", work)
    assert done.result == "FAILED"
    assert isinstance(done.error, Conflict)
    assert "diverged" in done.message
    assert git(work, "rev-parse", "HEAD") == mine
    row = await only(made.source)
    assert "diverged" in (made.source.actions["repository.pull"].permitted(row) or "")
    assert "pull first" in (made.source.actions["repository.push"].permitted(row) or "")


async def test_a_pull_over_changed_files(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    commit_there(bare, tmp_path)
    (work / "theirs.txt").write_text("mine, not yet committed\n")
    done = await deck(work).do("pull", work)
    assert done.result == "FAILED"
    assert "commit or stash" in done.message
    assert (work / "theirs.txt").read_text() == "mine, not yet committed\n"


async def test_push(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    mine = commit(work, "mine.txt", "mine\n", "mine")
    made = deck(work)
    preview = await made.preview("push", work)
    assert preview.impact == (f"{mine[:10]} mine",)
    assert f"{mine}:refs/heads/main" in preview.command
    assert "--force" not in preview.command
    assert (await made.operator.perform(preview)).result == "SUCCEEDED"
    assert git(bare, "rev-parse", "main") == mine
    with pytest.raises(Conflict, match="nothing to push"):
        await made.preview("push", work)
    assert await made.entries() == [
        ("repository.push", "intent"), ("repository.push", "outcome"), ("repository.push", "refused"),
    ]  # fmt: skip


async def test_a_push_that_lost_the_race_is_not_forced(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    commit(work, "mine.txt", "mine\n", "mine")
    theirs = commit_there(bare, tmp_path)
    done = await deck(work).do("push", work)
    assert done.result == "FAILED"
    assert isinstance(done.error, Conflict)
    assert git(bare, "rev-parse", "main") == theirs


async def test_a_push_without_upstream_says_how_to_get_one(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, _ = with_remote(tmp_path)
    git(work, "switch", "-q", "-c", "feature/x")
    with pytest.raises(Conflict, match="git push -u origin feature/x"):
        await deck(work).preview("push", work)


async def test_what_moved_since_the_preview_is_not_written(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    commit(work, "mine.txt", "mine\n", "mine")
    made = deck(work)
    preview = await made.preview("push", work)
    commit(work, "mine.txt", "more\n", "more")
    done = await made.operator.perform(preview)
    assert (done.result, type(done.error)) == ("FAILED", Conflict)
    assert "moved since" in done.message
    assert git(bare, "rev-list", "--count", "main") == "1"

    git(work, "switch", "-q", "-c", "other")
    preview = await made.preview("switch", work, branch="main")
    (work / "file.txt").write_text("changed meanwhile\n")
    assert (await made.operator.perform(preview)).result == "FAILED"
    assert git(work, "branch", "--show-current") == "other"


async def test_switch_and_back(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work, bare = with_remote(tmp_path)
    theirs = commit_there(bare, tmp_path, branch="release/1")
    git(work, "fetch", "-q")
    made = deck(work)
    done = await made.do("switch", work, branch="release/1")
    assert done.result == "SUCCEEDED", done
    assert git(work, "rev-parse", "--abbrev-ref", "release/1@{upstream}") == "origin/release/1"
    assert git(work, "rev-parse", "HEAD") == theirs
    last = made.operator.last
    assert last is not None
    assert last.inverse is not None
    verb, args = last.inverse
    assert (verb, args) == ("repository.switch", {"branch": "main"})
    (work / "theirs.txt").write_text("changed\n")
    failed = await made.do("switch", work, **args)
    assert failed.result == "FAILED"
    assert "commit or stash" in failed.message
    git(work, "checkout", "-q", "--", "theirs.txt")
    assert (await made.do("switch", work, **args)).result == "SUCCEEDED"
    with pytest.raises(NotFound, match="no branch nowhere"):
        await made.preview("switch", work, branch="nowhere")
    with pytest.raises(Refused, match="already"):
        await made.preview("switch", work, branch="main")


async def test_a_branch_that_moved_is_not_switched_to(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work = repository(tmp_path / "work")
    git(work, "branch", "other")
    made = deck(work)
    preview = await made.preview("switch", work, branch="other")
    moved = git(work, "commit-tree", "-m", "moved", "-p", "HEAD", "HEAD^{tree}")
    git(work, "update-ref", "refs/heads/other", moved)
    done = await made.operator.perform(preview)
    assert (done.result, type(done.error)) == ("FAILED", Conflict)
    assert git(work, "branch", "--show-current") == "main"


async def test_tags(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work = repository(tmp_path / "work")
    made = deck(work)
    assert (await made.do("tag", work, name="v1")).result == "SUCCEEDED"
    assert (await made.do("tag", work, name="v2", message="-n second\nline")).result == "SUCCEEDED"
    assert git(work, "cat-file", "-t", "v1") == "commit"
    assert git(work, "tag", "-l", "--format=%(contents)", "v2") == "-n second\nline"
    with pytest.raises(Conflict, match="the tag v1 is there"):
        await made.preview("tag", work, name="v1")
    assert "tag -d v3" in (await made.preview("tag", work, name="v3")).why_no_inverse


@pytest.mark.parametrize("kind", ["pull", "merge-requests"])
async def test_a_change_request_is_checked_out(tmp_path: Path, deck: Callable[..., Deck], kind: str) -> None:
    work, bare = with_remote(tmp_path)
    sha = commit_there(bare, tmp_path, branch="theirs")
    git(bare, "update-ref", f"refs/{kind}/7/head", sha)
    git(bare, "update-ref", "-d", "refs/heads/theirs")
    made = deck(work)
    done = await made.do("checkout_pull_request", work, number="pr:7")
    assert done.result == "SUCCEEDED", done
    assert git(work, "branch", "--show-current") == "pr-7"
    assert git(work, "rev-parse", "HEAD") == sha
    with pytest.raises(NotFound, match="no change request 8"):
        await made.preview("checkout_pull_request", work, number="8")
    with pytest.raises(Refused, match="already"):
        await made.preview("checkout_pull_request", work, number="7")


async def test_where_a_verb_does_not_apply(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    git(work, "checkout", "-q", "--detach")
    row = await only(source(work))
    actions = source(work).actions
    assert "detached" in (actions["repository.push"].permitted(row) or "")
    assert actions["repository.fetch"].permitted(row) is None
    row = await only(source(bare))
    assert "bare" in (actions["repository.switch"].permitted(row) or "")
    (work / ".git" / "HEAD").write_text("broken\n")
    row = await only(source(work))
    assert all("in trouble" in (action.permitted(row) or "") for action in actions.values())
    alone = repository(tmp_path / "alone")
    with pytest.raises(Refused, match="git remote add"):
        await source(alone).actions["repository.fetch"].preview(ref(alone), {})


async def test_a_lock_left_behind_is_said(tmp_path: Path, deck: Callable[..., Deck]) -> None:
    work = repository(tmp_path / "work")
    git(work, "branch", "other")
    (work / ".git" / "index.lock").touch()
    done = await deck(work).do("switch", work, branch="other")
    assert done.result == "FAILED"
    assert "another git is at work" in done.message


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    await writer.drain()
    writer.close()


async def test_a_password_is_never_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, _ = with_remote(tmp_path)
    asked = tmp_path / "asked"
    helper = tmp_path / "askpass"
    helper.write_text(f"#!/bin/sh\n: > {asked}\necho secret\n")
    helper.chmod(0o755)
    for name in ("GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(name, str(helper))
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        git(work, "remote", "set-url", "origin", f"http://127.0.0.1:{port}/x.git")
        action = source(work).actions["repository.fetch"]
        preview = await action.preview(ref(work), {})
        with permit("git"), pytest.raises(AuthFailed, match="credential helper"):
            await action.execute(preview)
    finally:
        server.close()
        await server.wait_closed()
    assert not asked.exists()


async def test_a_remote_that_is_gone(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    os.rename(bare, tmp_path / "moved.git")
    action = source(work).actions["repository.fetch"]
    preview = await action.preview(ref(work), {})
    with permit("git"), pytest.raises(QuarterdeckError) as failed:
        await action.execute(preview)
    assert isinstance(failed.value, NotFound)


async def test_other_kinds_are_not_acted_on(tmp_path: Path) -> None:
    config = SourceConfig(name="git", system="git", repos=(str(repository(tmp_path / "work")),))
    made = GitSource(config, context(tmp_path))
    commit_ref = (await made.children(ref(tmp_path / "work")))[0].rows[0].ref
    with pytest.raises(Unsupported):
        await made.actions["repository.tag"].preview(commit_ref, {"name": "v1"})
