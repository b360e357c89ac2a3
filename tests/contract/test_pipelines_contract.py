"""One contract for every CI system: what the pipelines pane asks of it, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contract.pipelines_subjects import Opened, Subject, opened, served
from parts.operating import Bench
from parts.practice import practice_story
from quarterdeck_demo.faults import Html, Status
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Refused,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.feed import Feed, State
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.records import Status as Is
from quarterdeck_lifecycle.verbs import built_in

MODES = ("live", "polling ", "available when the job ends")
ENDED = (Is.OK, Is.BAD, Is.IDLE)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture(params=served(), ids=lambda subject: subject.system)
async def ci(request: pytest.FixtureRequest, story: Story) -> AsyncIterator[Opened]:
    subject: Subject = request.param
    if not subject.served and "fault" in request.fixturenames:
        pytest.skip("no server answers for it")
    async with opened(subject, story) as made:
        yield made
        assert made.server.errors == []


async def test_runs_are_listed_once_each_tied_to_their_commit_and_timed(ci: Opened) -> None:
    runs = await ci.runs()
    assert len({run.ref for run in runs}) == len(runs) >= 20
    assert {run.system for run in runs} == {ci.subject.system}
    assert all(run.name and run.number and run.repository and run.state for run in runs)
    assert {Is.OK, Is.BAD, Is.RUNNING} <= {run.status for run in runs}
    ended = [run for run in runs if run.status is Is.OK]
    assert all(run.duration_s is not None and run.duration_s >= 0 for run in ended)
    assert sum(run.median_s is not None for run in ended) > len(ended) / 2
    heads = [run for run in runs if run.head]
    assert len(heads) > len(runs) / 2
    assert all(len(run.head) in (40, 64) and run.link("commit") == run.head for run in heads)
    known = {sha for repository in ci.story.repositories.values() for sha in repository.commits}
    assert {run.head for run in heads} <= known
    assert all(run.link("repository").count("/") >= 1 for run in heads)


async def test_nothing_is_new_while_nothing_happens(ci: Opened) -> None:
    assert await ci.runs() == await ci.runs()


async def test_it_asks_quickly_while_something_runs_and_slowly_at_rest(ci: Opened) -> None:
    runs = await ci.runs()
    moving = ci.source.interval("run", runs)
    rest = ci.source.interval("run", [run for run in runs if run.status in ENDED][-5:])
    assert moving <= 15 < rest


async def test_a_failed_run_opens_on_its_failure(ci: Opened) -> None:
    run = await ci.pick(lambda run: run.status is Is.BAD)
    assert run.note
    listing, _ = await ci.source.children(run.ref)
    jobs = [row for row in listing.rows if isinstance(row, Job)]
    assert jobs
    assert jobs[0].status is Is.BAD
    assert all(job.name and job.state and job.ref.source == run.ref.source for job in jobs)
    sections = await ci.source.describe(run.ref)
    assert sections[0].title == "Failure"
    assert "failed" in sections[0].text
    assert "last " in sections[0].text


async def test_a_run_that_is_gone_is_said_to_be(ci: Opened) -> None:
    ref = Ref(ci.source.name, "run", ci.subject.gone)
    for ask in (ci.source.children(ref), ci.source.describe(ref)):
        with pytest.raises(NotFound) as raised:
            await ask
        assert raised.value.why or raised.value.mend


async def test_the_log_of_what_has_ended_is_whole_and_ends(ci: Opened) -> None:
    run = await ci.pick(lambda run: run.status is Is.BAD)
    listing, _ = await ci.source.children(run.ref)
    job = listing.rows[0]
    assert ci.source.log_mode(job.ref).startswith(MODES)
    lines = [line.text async for batch in ci.source.logs([job.ref], LogOptions()) for line in batch.lines]
    assert lines
    assert not any("\x1b" in line for line in lines)
    few = [line.text async for batch in ci.source.logs([job.ref], LogOptions(tail=2)) for line in batch.lines]
    assert few == lines[-2:]


async def test_the_log_of_what_runs_grows_to_its_end(ci: Opened) -> None:
    run = await ci.pick(ci.subject.moving)
    before = ci.clock.now
    lines, notices = 0, 0
    async for batch in ci.source.logs([run.ref], LogOptions()):
        lines, notices = lines + len(batch.lines), notices + bool(batch.notice)
        assert ci.clock.now - before < 20 * ci.subject.ends_after_s
    assert lines
    assert notices
    now = await ci.read(run.ref)
    assert now is None or now.status in (*ENDED, Is.WAITING)


async def test_what_has_ended_is_run_again_and_what_runs_is_cancelled(ci: Opened, tmp_path: Path) -> None:
    bench = Bench(ci.source, tmp_path)
    if "run.rerun" not in ci.subject.cannot:
        await bench.hub.once(20.0, ("pipelines",))
        run = await ci.pick(lambda run: ci.subject.starts(run) and run.status in ENDED)
        done = await bench.do("run.rerun", run.ref)
        assert (done.result, done.error) == ("SUCCEEDED", None)
    if "run.cancel" not in ci.subject.cannot:
        await bench.hub.once(20.0, ("pipelines",))
        run = await ci.pick(ci.subject.moving)
        done = await bench.do("run.cancel", run.ref)
        assert (done.result, done.error) == ("SUCCEEDED", None)
        ci.clock.move(ci.subject.stops_in_s)
        now = await ci.read(run.ref)
        assert now is not None
        assert now.status in ENDED
        # What has ended by now is not cancelled once more.
        with pytest.raises(QuarterdeckError):
            await bench.do("run.cancel", run.ref)


async def test_a_new_run_is_started_and_found(ci: Opened, tmp_path: Path) -> None:
    if "run.trigger" in ci.subject.cannot:
        pytest.skip(ci.subject.cannot["run.trigger"])
    bench = Bench(ci.source, tmp_path)
    await bench.hub.once(20.0, ("pipelines",))
    before = {run.ref for run in await ci.runs()}
    run = await ci.pick(ci.subject.starts)
    done = await bench.do("run.trigger", run.ref, **ci.subject.trigger)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    new = [run for run in await ci.runs() if run.ref not in before]
    assert new
    assert new[0].status in (Is.QUEUED, Is.RUNNING, Is.WAITING)


async def test_what_waits_for_an_approval_is_approved(ci: Opened, tmp_path: Path) -> None:
    if "run.approve" in ci.subject.cannot:
        pytest.skip(ci.subject.cannot["run.approve"])
    bench = Bench(ci.source, tmp_path)
    await bench.hub.once(20.0, ("pipelines",))
    run = await ci.pick(lambda run: run.status is Is.WAITING and run.waits_for_me)
    preview = await bench.preview("run.approve", run.ref, comment="seen")
    assert preview.steps
    assert preview.impact
    done = await bench.operator.perform(preview)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    now = await ci.read(run.ref)
    assert now is not None
    assert not now.waits_for_me


async def test_nothing_is_written_without_a_permit(ci: Opened) -> None:
    run = await ci.pick(ci.subject.moving)
    action = ci.source.actions["run.cancel"]
    preview = await action.preview(run.ref, {})
    sent = len(ci.server.requests)
    with pytest.raises(Refused):
        await action.execute(preview)
    assert (await ci.read(run.ref)) is not None
    assert all(seen.method in ("GET", "HEAD") for seen in list(ci.server.requests)[sent:]) or ci.subject.posts_reads


async def test_what_it_cannot_do_is_greyed_with_the_reason(ci: Opened) -> None:
    runs = await ci.runs()
    listing, _ = await ci.source.children(runs[0].ref)
    rows = {"run": runs[0], "job": listing.rows[0]}
    for verb in built_in():
        kind = verb.id.partition(".")[0]
        if kind not in rows or verb.kind != "mutation":
            continue
        assert verb.id in ci.source.actions, f"{verb.id}: neither done nor refused with a reason"
        action = ci.source.actions[verb.id]
        if verb.id in ci.subject.cannot:
            assert ci.subject.cannot[verb.id] in (action.permitted(rows[kind]) or "")
            with pytest.raises(Unsupported):
                await action.preview(rows[kind].ref, {})


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        (Status(code=401), (AuthFailed,)), (Status(code=429, retry_after=30), (RateLimited,)),
        (Status(code=429), (RateLimited,)), (Html(), (Malformed, Unavailable)), (Status(code=502), (Unavailable,)),
    ],
    ids=["401", "429 with a time", "429 without", "HTML", "502"],
)  # fmt: skip
async def test_a_fault_is_said_and_the_rows_stay(
    ci: Opened, fault: Status | Html, kinds: tuple[type[QuarterdeckError], ...]
) -> None:
    board = Hub([ci.source], now=ci.clock)
    feed = Feed(ci.source, "run", lambda old, new: None, board.busy, now=ci.clock)
    before = await feed.once()
    assert before.state is State.FRESH
    ci.clock.move(120)
    ci.server.faults.add(fault)
    now = await feed.once()
    assert isinstance(now.error, kinds), now.error
    assert [row.ref for row in now.rows] == [row.ref for row in before.rows]
    if isinstance(now.error, RateLimited):
        sent = len(ci.server.requests)
        with pytest.raises(RateLimited):
            await ci.source.list("run")
        assert len(ci.server.requests) == sent, "asked again while it was told to wait"
    ci.server.faults.clear()
    ci.clock.move(3600)
    again = await feed.once()
    assert again.state is State.FRESH
    assert again.error is None


async def test_a_run_is_a_row_of_plain_words(ci: Opened) -> None:
    for run in await ci.runs():
        assert isinstance(run, Run)
        for text in (run.name, run.state, run.note, run.where, run.branch, run.actor, run.workflow, run.queued_for):
            assert text.isprintable()
