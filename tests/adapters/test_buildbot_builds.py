"""The adapter on a real Buildbot that builds real commits: listed, followed, tailed, opened on its failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from parts.buildbot_rig import context, eventually, opened, runs, the_run
from parts.buildbot_server import FAILS, PASSES, BuildbotServer
from quarterdeck_adapters.buildbot.adapter import BuildbotSource
from quarterdeck_adapters.buildbot.discovery import identify
from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.feed import Feed
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref, Status


@pytest.fixture
async def source(buildbot: BuildbotServer) -> AsyncIterator[BuildbotSource]:
    async with opened(buildbot.url) as made:
        yield made
    buildbot.clear()


async def test_a_pushed_commit_is_followed_from_its_start_to_its_end_by_events(
    buildbot: BuildbotServer, source: BuildbotSource
) -> None:
    seen: list[str] = []
    sha = buildbot.commit(PASSES, "follow this commit")

    def row() -> Run | None:
        # The commit of a push is known before it is checked out.
        rows = (each for each in feed.snapshot.rows if isinstance(each, Run) and each.workflow == "fraud-api")
        return next((each for each in rows if each.head == sha), None)

    def changed(_old: object, _new: object) -> None:
        if (found := row()) is not None and found.state not in seen[-1:]:
            seen.append(found.state)

    feed = Feed(source, "run", changed, Busy())
    feed.start()
    try:
        await eventually(lambda: feed.snapshot.live, "a feed that lives of events")
        buildbot.push(sha, "follow this commit")
        await eventually(lambda: (found := row()) is not None and found.state == "success", "the end of the build")
    finally:
        await feed.stop()
    assert seen[-1] == "success"
    assert set(seen[:-1]) <= {"queued", "starting", "running"}
    assert "running" in seen
    run = row()
    assert run is not None
    assert (run.status, run.system, run.repository, run.branch, run.event) == (
        Status.OK, "buildbot", "fraud-api", "main", "pushes",
    )  # fmt: skip
    assert run.link("commit") == sha == run.head
    assert next(link.evidence for link in run.links if link.kind == "commit") == "got_revision of the build"
    assert run.duration_s is not None
    assert run.actor == "Ada <ada@example.invalid>"
    assert run.url == f"{buildbot.url}/#/builders/{builder(buildbot, 'fraud-api')}/builds/{run.number}"
    listing, more = await source.children(run.ref)
    steps = [job for job in listing.rows if isinstance(job, Job)]
    assert [job.name for job in steps][-3:] == ["checkout", "lint", "test"]
    assert {job.status for job in steps} == {Status.OK}
    assert {(job.runner, job.link("commit"), more) for job in steps} == {("local", sha, "")}
    tabs = {tab.title: tab for tab in await source.describe(run.ref)}
    assert list(tabs) == ["Overview", "Steps", "Changes", "Properties"]
    assert tabs["Changes"].table[1][0] == sha[:10]
    assert tabs["Changes"].table[1][3] == "follow this commit"
    again = await source.actions["run.rerun"].preview(run.ref, {})
    assert (again.warnings, again.token.state) == ((), "success")


def builder(buildbot: BuildbotServer, name: str) -> int:
    """The id of a builder."""
    return next(int(each["builderid"]) for each in buildbot.get("builders")["builders"] if each["name"] == name)


async def test_a_failed_build_opens_on_its_failure(buildbot: BuildbotServer, source: BuildbotSource) -> None:
    sha = buildbot.commit(FAILS, "lose the score")
    buildbot.push(sha)
    request = await eventually(lambda: newest_request(buildbot, sha), "the request of the push")
    run = await the_run(source, request, "failure")
    assert (run.status, run.link("commit")) == (Status.BAD, sha)
    assert run.note.startswith("test: failed ")
    first, *_ = await source.describe(run.ref)
    assert first.title == "Failure"
    assert first.text.splitlines()[0] == f"{run.name} failed at step test"
    assert "ERROR: score is 0.4, wanted 0.9" in first.text
    assert "program finished with exit code 3" in first.text
    listing, _ = await source.children(run.ref)
    assert (listing.rows[0].name, listing.rows[0].status) == ("test", Status.BAD)
    (failure, about) = await source.describe(listing.rows[0].ref)
    assert (failure.title, ("step", "test") in about.fields) == ("Failure", True)
    lines = [line.text async for batch in source.logs([listing.rows[0].ref], LogOptions()) for line in batch.lines]
    assert "ERROR: score is 0.4, wanted 0.9" in lines
    few = [line.text async for batch in source.logs([listing.rows[0].ref], LogOptions(tail=2)) for line in batch.lines]
    assert few == lines[-2:]


def newest_request(buildbot: BuildbotServer, sha: str) -> int | None:
    """The build request of a pushed commit, once there is one."""
    sets = buildbot.get("buildsets")["buildsets"]
    mine = {each["bsid"] for each in sets if any(stamp["revision"] == sha for stamp in each["sourcestamps"])}
    found = buildbot.get("buildrequests")["buildrequests"]
    return next((int(each["buildrequestid"]) for each in found if each["buildsetid"] in mine), None)


async def test_the_log_of_a_running_build_grows_to_its_end_and_no_line_comes_twice(
    buildbot: BuildbotServer, source: BuildbotSource
) -> None:
    request = buildbot.force("train", region="us", rows=12)
    run = await the_run(source, request, "running")
    lines: list[str] = []
    notices: list[str] = []

    async def read() -> None:
        async for batch in source.logs([run.ref], LogOptions()):
            lines.extend(line.text for line in batch.lines)
            notices.append(batch.notice)

    reading = asyncio.create_task(read())
    await eventually(lambda: "epoch 2 loss 0.2" in lines, "two epochs")
    assert source.log_mode(run.ref) == "live"
    assert (await the_run(source, request, "running")).where == "train"
    before = len(lines)
    await eventually(lambda: len(lines) > before, "a further line")
    buildbot.go(int(run.number))
    async with asyncio.timeout(30):
        await reading
    assert {"train: running", "checkout: success"} & set(notices)
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == len(set(epochs))
    assert "train on us, 12 rows" in lines
    assert lines.index("trained") > lines.index(epochs[-1])
    done = await the_run(source, request, "success")
    whole = [line.text async for batch in source.logs([done.ref], LogOptions(follow=False)) for line in batch.lines]
    assert whole == lines
    with pytest.raises(Unsupported, match="re-runs have rows of their own"):
        [batch async for batch in source.logs([done.ref], LogOptions(previous=True))]


async def test_two_logs_are_read_at_once_each_line_with_its_run(
    buildbot: BuildbotServer, source: BuildbotSource
) -> None:
    ended = await the_run(source, buildbot.force("fraud-api"), "success", "failure")
    moving = await the_run(source, buildbot.force("train"), "running")
    found: set[tuple[str, str]] = set()
    async for batch in source.logs([ended.ref, moving.ref], LogOptions()):
        found |= {(line.source, line.text) for line in batch.lines}
        if {(ended.name, "4 tests"), (moving.name, "train on eu, 1000 rows")} <= found:
            buildbot.go(int(moving.number))
    assert (moving.name, "trained") in found
    assert (ended.name, "trained") not in found


async def test_what_it_is_and_what_it_has_not(buildbot: BuildbotServer, source: BuildbotSource) -> None:
    probe = await source.probe()
    assert probe.version.split(".")[0].isdigit()
    assert probe.identity == "nobody (anonymous) at the tests' Buildbot"
    assert probe.warnings == ("not connected: away",)
    assert "no approvals" in (probe.can["run.approve"] or "")
    assert probe.can["run.cancel"] is None
    for id in ("999999", "0", "-1", "x", "1/2", "9" * 30):
        with pytest.raises(NotFound):
            await source.describe(Ref("ci", "run", id))
    with pytest.raises(Unsupported):
        await source.list("job")
    found = await identify(buildbot.url, context(), "loopback")
    assert (found.answered, found.source.system) == (True, "buildbot")
    other = await identify("http://192.0.2.7:8010", context(), "published")
    assert (other.answered, other.why) == (False, "not on this machine, so it was not asked")


async def test_only_the_builders_that_are_named_are_shown(buildbot: BuildbotServer, source: BuildbotSource) -> None:
    request = buildbot.force("arm", branch="main")
    run = await the_run(source, request, "queued")
    assert (run.status, run.queued_for, run.where) == (Status.QUEUED, *["no worker is connected: away"] * 2)
    assert (run.name, run.branch, run.event) == (f"arm request {request}", "main", "")
    assert [batch.notice async for batch in source.logs([run.ref], LogOptions(follow=False))] == [
        f"{run.name} has no log yet: no worker is connected: away"
    ]
    assert ("waits because", "no worker is connected: away") in (await source.describe(run.ref))[0].fields
    assert (await source.children(run.ref))[0].rows == []
    async with opened(buildbot.url, repos=("arm",)) as named, opened(buildbot.url, repos=("none",)) as none:
        assert {each.workflow for each in await runs(named)} == {"arm"}
        assert await runs(none) == []
        assert "no such builder: none" in (await none.probe()).warnings
