"""Travis read over HTTP: pages that move, refusals, limits, and logs that grow, shrink and end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest

from adapters.travisrig import CHURN, DASHBOARDS, SCORER, Rig, heard, jobs, rig, runs
from quarterdeck_demo.faults import ClockSkew, Hostile, Html, Status
from quarterdeck_demo.messages import Request, Response, json_response, text_response
from quarterdeck_demo.travis import gate
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    Malformed,
    NotFound,
    RateLimited,
    Unsupported,
)
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.records import Status as Is

ONCE = LogOptions(follow=False)


@pytest.fixture
async def hub() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


def before(hub: Rig, path: str, change: Callable[[int], Response | None]) -> None:
    """Call `change` with the count of requests on a path (as sent) before each of them; its answer replaces theirs."""
    inner, count = hub.app, 0

    async def app(request: Request) -> Response:
        nonlocal count
        if path in request.path:
            count += 1
            made = change(count)
            if made is not None:
                return made
        return await inner(request)

    hub.app = app


async def test_the_slug_is_one_segment_and_every_request_says_its_version(hub: Rig) -> None:
    source = hub.source(repos=(SCORER,))
    await source.list("run")
    assert hub.asked("/builds")[0] == "/repo/acme%2Fscorer/builds"
    assert all(seen.headers.get("authorization") == f"token {hub.token}" for seen in hub.server.requests)
    # Without the version's header the same server answers as version 2 does.
    assert (await source.api.http.get("/user", ok=(404,))).status == 404


async def test_a_quiet_refresh_costs_one_request_for_each_repository(hub: Rig) -> None:
    source = hub.source(repos=(CHURN,))
    await source.list("run")
    first = len(hub.server.requests)
    listing = await source.list("run")
    assert len(hub.server.requests) == first + 1
    assert source.interval("run", listing.rows) == 60
    assert listing.total == len(hub.travis.state.builds_of(CHURN))


async def test_a_build_that_passed_names_the_image_that_it_made(hub: Rig) -> None:
    source = hub.source(repos=(DASHBOARDS,))
    made = [row for row in await runs(source, DASHBOARDS) if row.link("image")]
    assert made
    assert {row.link("image") for row in made} == {f"127.0.0.1:5000/team/dashboards:{row.head[:10]}" for row in made}
    assert {row.state for row in made} == {"passed"}
    asked = len(hub.asked("/jobs"))
    await source.list("run")
    assert len(hub.asked("/jobs")) == asked + 1, "only what still waits is asked again"


async def test_what_queues_says_for_whom_it_waits(hub: Rig) -> None:
    [row, *_] = await runs(hub.source(), DASHBOARDS)
    assert (row.status, row.state) == (Is.QUEUED, "created")
    assert row.queued_for == "waits for a worker of builds.macos-ventura"
    [going, *_] = await runs(hub.source(), SCORER)
    assert going.where == "Test / Python: 3.11 +1 more"
    [failed, *_] = await runs(hub.source(), CHURN)
    assert (failed.note, failed.status) == ("Test / Python: 3.11", Is.BAD)


async def test_builds_that_are_added_while_pages_are_read_come_once(
    hub: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MOST", 20)  # a server that gives smaller pages than it is asked for
    state = hub.travis.state
    there = len(state.builds_of(SCORER))

    def grow(count: int) -> None:
        if count > 1:
            state.ask(state.repositories[SCORER], "main", "", {})
            hub.clock.move(2)

    before(hub, "/builds", grow)
    rows = await runs(hub.source(repos=(SCORER,), options={"builds": 70}), SCORER)
    assert [int(row.number) for row in rows] == list(range(there, there - 70, -1))
    assert len(state.builds_of(SCORER)) > there


async def test_builds_that_go_while_pages_are_read_leave_no_gap(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST", 20)
    state = hub.travis.state
    first = [live.plan.id for live, _ in state.builds_of(SCORER)]

    def shrink(count: int) -> None:
        if count == 2:
            state.deleted.update(first[:5])

    before(hub, "/builds", shrink)
    listing = await hub.source(repos=(SCORER,), options={"builds": 60}).list("run")
    assert [row.ref.id for row in listing.rows] == [f"{SCORER}/{id}" for id in first[:60]]
    assert "builds went while they were listed" in listing.partial


async def test_pages_that_never_end_are_given_up(hub: Rig) -> None:
    page = {"@pagination": {"is_last": False, "count": 9999}, "builds": [{"id": 1, "number": "1", "state": "passed"}]}
    before(hub, "/builds", lambda _: json_response(page))
    rows = await runs(hub.source(repos=(SCORER,)), SCORER)
    assert len(rows) == 1
    assert len(hub.asked("/builds")) <= 3


async def test_one_repository_that_fails_keeps_its_rows_and_is_named(hub: Rig) -> None:
    source = hub.source()
    whole = await source.list("run")
    hub.faults.add(Status(code=502), path="churn/builds")
    listing = await source.list("run")
    assert [row.ref for row in listing.rows] == [row.ref for row in whole.rows]
    assert listing.partial.startswith("acme/churn: down")
    hub.faults.add(Status(code=404), path="/builds")
    hub.faults.rules.reverse()
    with pytest.raises(NotFound, match="answers 404 for both"):
        await source.list("run")


async def test_a_token_that_is_refused_is_told_from_one_that_may_only_read(hub: Rig) -> None:
    hub.token = "wrong"
    with pytest.raises(AuthFailed, match="access denied") as raised:
        await hub.source().list("run")
    assert "travis token --com" in raised.value.mend
    hub.token = hub.travis.reader_token
    source = hub.source()
    [row, *_] = await runs(source, CHURN)
    assert "@permissions say restart: false" in (source.actions["run.rerun"].permitted(row) or "")
    probe = await source.probe()
    assert probe.identity.startswith("ci-bot at ")
    assert "build_cancel: false" in (probe.can["run.cancel"] or "")
    assert "create_request: false" in (source.actions["run.trigger"].permitted(row) or "")


async def test_probe_says_who_we_are_and_what_is_missing(hub: Rig) -> None:
    probe = await hub.source(repos=(SCORER, "acme/nowhere", "nonsense")).probe()
    assert probe.identity.startswith("oper-a at 127.0.0.1")
    assert probe.can == dict.fromkeys(probe.can)
    assert any(line.startswith("acme/nowhere: 404") for line in probe.warnings)
    assert "not owner/name: nonsense" in probe.warnings
    alone = hub.source(token=None)
    nobody = await alone.probe()
    assert nobody.identity.startswith("nobody at ")
    assert "no token" in (nobody.can["run.rerun"] or "")
    assert len(await runs(alone, SCORER)) == 50


@pytest.mark.parametrize(("fault", "wait"), [(Status(code=429, retry_after=30), 30), (Status(code=429), 60)])
async def test_a_limit_is_waited_for_and_nothing_is_sent_meanwhile(hub: Rig, fault: Status, wait: int) -> None:
    source = hub.source(repos=(SCORER,))
    hub.faults.add(fault, count=1)
    with pytest.raises(RateLimited) as raised:
        await source.list("run")
    assert raised.value.retry_after == wait
    sent = len(hub.server.requests)
    with pytest.raises(RateLimited, match="not sent, as Travis asked for a pause"):
        await source.list("run")
    assert len(hub.server.requests) == sent
    hub.clock.move(wait + 1)
    assert (await source.list("run")).rows


async def test_the_limit_of_a_minute_names_its_end(hub: Rig) -> None:
    source = hub.source(repos=(SCORER,))
    hub.travis.state.tokens[hub.token].recent.extend([hub.clock.now - 20] * 2000)
    with pytest.raises(RateLimited) as raised:
        await source.list("run")
    assert raised.value.retry_after == 41


async def test_a_page_instead_of_json_and_a_list_of_something_else_are_named(hub: Rig) -> None:
    source = hub.source(repos=(SCORER,))
    hub.faults.add(Html(), count=1)
    with pytest.raises(Malformed, match="HTML") as raised:
        await source.list("run")
    assert "https://HOST/api" in raised.value.mend
    before(hub, "/builds", lambda _: json_response({"builds": {"1": 2}}))
    with pytest.raises(Malformed, match="no list of builds"):
        await source.list("run")


async def test_a_server_whose_clock_is_off_is_asked_by_its_own(hub: Rig) -> None:
    source = hub.source()
    hub.faults.add(ClockSkew(seconds=-3600))
    rows = (await source.list("run")).rows
    assert abs(source.api.server_now - (hub.clock.now - 3600)) < 2
    assert source.interval("run", rows) == 5


async def test_a_build_that_went_or_is_another_repository_s_is_not_there(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, CHURN)
    other = Ref("tr", "run", f"{SCORER}/{row.ref.id.rpartition('/')[2]}")
    with pytest.raises(NotFound, match="Travis has it in acme/churn"):
        await source.children(other)
    hub.travis.state.deleted.add(int(row.ref.id.rpartition("/")[2]))
    with pytest.raises(NotFound, match="build not found"):
        await source.describe(row.ref)
    with pytest.raises(NotFound, match="add its repository"):
        await source.children(Ref("tr", "run", "other/repo/5"))
    with pytest.raises(Unsupported):
        await source.children(Ref("tr", "job", f"{CHURN}/1/2"))


async def test_hostile_words_in_every_field_of_every_answer(hub: Rig) -> None:
    hub.faults.add(Hostile(keep=("slug", "number", "state", "compare_url", "@type")))
    source = hub.source()
    rows = (await source.list("run")).rows
    assert len(rows) == 150
    failed = next(row for row in rows if isinstance(row, Run) and row.state == "failed" and row.repository == CHURN)
    texts = [row.name for row in await jobs(source, failed.ref)]
    for section in await source.describe(failed.ref):
        texts += [value for pair in section.fields for value in pair] + [cell for row in section.table for cell in row]
        texts += section.text.splitlines()
    assert texts
    assert not any(char in text for text in texts for char in "\x1b\x9b\u202e\u2066\u061c\x00")


async def test_a_failed_build_opens_on_the_command_that_failed(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, CHURN)
    found = await jobs(source, row.ref)
    assert [(step[0], step[1]) for step in found[0].steps][1:] == [
        ("pip install -r requirements.txt", "passed"), ("pytest -q", "exited with 1"),
    ]  # fmt: skip
    assert found[0].note == "pytest -q"
    sections = await source.describe(row.ref)
    assert [section.title for section in sections] == ["Failure", "Overview", "Jobs", "Commit"]
    assert sections[0].text.startswith("Test / Python: 3.11 failed at step pytest -q")
    assert "FAILED tests/test_drift.py" in sections[0].text
    tabs = await source.describe(found[0].ref)
    assert [section.title for section in tabs] == ["Failure", "Steps", "Overview"]
    hub.faults.add(Status(code=403, body={"error_type": "error", "error_message": "not available"}), path=r"log\.txt")
    spoiled = await source.describe(row.ref)
    assert "its log was not read: 403: not available" in spoiled[0].note


async def test_a_log_grows_by_parts_until_the_final_one(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    job = next(job for job in await jobs(source, row.ref) if job.name == "Python: 3.12")
    assert source.log_mode(job.ref) == "polling 5 s"
    hub.hurry = 4
    lines, notices = await heard(source.logs([job.ref], LogOptions()))
    text = hub.asked("log")
    assert set(hub.slept) == {5.0}
    assert len(text) > 15
    assert lines[-1] == "Done. Your build exited with 0."
    assert sum(line.startswith("tests/test_load.py::") for line in lines) == 180
    assert len([line for line in lines if "test_batch[099]" in line]) == 1
    assert notices[0] == "goes on: Python: 3.12 (started); polling 5 s"


async def test_a_build_s_log_has_those_of_its_jobs_and_of_the_stage_after(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    hub.hurry = 6
    batches = [batch async for batch in source.logs([row.ref], LogOptions())]
    names = {line.source for batch in batches for line in batch.lines}
    assert names == {"Python: 3.11", "Python: 3.12", "lint", "build and push"}
    assert any("build and push (created)" in batch.notice for batch in batches)


async def test_a_log_that_shrinks_and_one_that_begins_anew_are_told(hub: Rig) -> None:
    answers = [("one\ntwo\n", False), ("one\n", False), ("other\nlines\nhere\n", True)]
    before(hub, "/log", lambda count: _log(*answers[min(count, 3) - 1]))
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    job = next(job for job in await jobs(source, row.ref) if job.state == "started")
    lines, notices = await heard(source.logs([job.ref], LogOptions()))
    assert lines == ["one", "two", "one", "other", "lines", "here"]
    assert [notice for notice in notices if "log" in notice] == [
        "the log shrank from 8 to 4 bytes: from its start", "the log was written anew: from its start",
    ]  # fmt: skip


def _log(content: str, final: bool, number: int = 0) -> Response:
    parts = [{"content": content, "final": final, "number": number}]
    return json_response({"@type": "log", "id": 1, "content": content, "log_parts": parts})


async def test_a_part_that_comes_late_is_waited_for_and_one_that_never_comes_is_named(hub: Rig) -> None:
    late = [{"content": "b\n", "final": True, "number": 1}]
    whole = [{"content": "a\n", "final": False, "number": 0}, *late]
    before(hub, "/log", lambda count: json_response({"content": "x", "log_parts": late if count < 3 else whole}))
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    job = next(job for job in await jobs(source, row.ref) if job.state == "started")
    assert (await heard(source.logs([job.ref], LogOptions())))[0] == ["a", "b"]
    before(hub, "/log", lambda _: json_response({"content": "x", "log_parts": late}))
    lines, notices = await heard(source.logs([job.ref], LogOptions()))
    assert lines == ["b"]
    assert "part 0 of the log never came" in notices


async def test_a_restart_while_it_is_read_begins_the_log_anew(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, CHURN)
    live = hub.travis.state.build(row.ref.id.rpartition("/")[2])
    assert live is not None
    job = (await jobs(source, row.ref))[0]
    told: list[str] = []
    hub.hurry = 3
    hub.travis.state.restart(live, [live.jobs[1]], hub.travis.story.viewer)
    hub.clock.move(1)
    async for batch in source.logs([row.ref], LogOptions()):
        if not told:
            hub.travis.state.restart(live, [live.jobs[0]], hub.travis.story.viewer)
        told += [batch.notice, *(f"{line.source}|{line.text}" for line in batch.lines)]
    assert f"{job.name} was started again: its log begins anew" in told
    assert sum(line == "Python: 3.11|Done. Your build exited with 1." for line in told) == 2


async def test_an_end_without_a_final_part_is_an_end_and_said(hub: Rig) -> None:
    before(hub, "/log", lambda _: _log("all\n", False))
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    job = next(job for job in await jobs(source, row.ref) if job.name == "Python: 3.11")
    lines, notices = await heard(source.logs([job.ref], LogOptions()))
    assert lines == ["all"]
    assert notices[-1] == "the job has ended, and the last part of its log never came"


async def test_a_huge_log_keeps_only_what_is_asked_for(hub: Rig) -> None:
    async def body() -> AsyncIterator[bytes]:
        for block in range(30):
            yield b"".join(b"line %d %s\n" % (n, b"." * 80) for n in range(block * 1000, block * 1000 + 1000))

    before(hub, "/log.txt", lambda _: Response(200, {"Content-Type": "text/plain"}, body()))
    source = hub.source()
    [row, *_] = await runs(source, CHURN)
    job = (await jobs(source, row.ref))[0]
    lines, notices = await heard(source.logs([job.ref], LogOptions(tail=3)))
    assert [line.partition(".")[0] for line in lines] == ["line 29997 ", "line 29998 ", "line 29999 "]
    assert notices == ["29,997 earlier lines are not shown"]
    assert "the last 2" in (await source.describe(job.ref))[0].note


async def test_a_log_that_is_gone_and_one_that_is_kept_from_us(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, CHURN)
    job = (await jobs(source, row.ref))[0]
    with pytest.raises(Unsupported, match="one log a job"):
        await heard(source.logs([job.ref], LogOptions(previous=True)))
    hub.faults.add(Status(code=404, body={"error_type": "not_found", "error_message": "log not found"}), path="log")
    with pytest.raises(NotFound, match="log not found"):
        await heard(source.logs([job.ref], ONCE))
    assert "log not found" in str((await heard(source.logs([row.ref], ONCE)))[1])
    hub.faults.clear()
    denied = {"@type": "error", "error_type": "log_access_denied", "error_message": "this data is not available"}
    hub.faults.add(Status(code=403, body=denied), path="log")
    with pytest.raises(Forbidden, match="not available"):
        await heard(source.logs([job.ref], ONCE))


async def test_a_connection_that_is_lost_while_a_log_is_followed_is_taken_up_again(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    job = next(job for job in await jobs(source, row.ref) if job.name == "Python: 3.11")

    def lost(count: int) -> Response | None:
        return text_response("bad gateway", 502) if count in (2, 3) else None

    before(hub, "/log", lost)
    lines, notices = await heard(source.logs([job.ref], LogOptions()))
    assert lines.count("collected 96 items") == 1
    assert sum("asking again in 5 s" in notice for notice in notices) == 2


async def test_parameters_are_the_public_variables_of_the_settings(hub: Rig) -> None:
    source = hub.source()
    [row, *_] = await runs(source, SCORER)
    found = {each.name: each.default for each in await source.parameters(row.ref)}
    assert found == {"message": "", "DEPLOY_TO": "staging"}


def test_payloads_have_the_attributes_that_the_documentation_names() -> None:
    """https://developer.travis-ci.com/resource/build, /job, /log and /request: the standard representations."""
    from quarterdeck_demo.travis import shapes
    from quarterdeck_demo.travis.progress import build_at

    hub = Rig()
    state, token = hub.travis.state, hub.travis.state.tokens[hub.token]
    live, at = state.builds_of(SCORER)[0]
    of = state.repositories[SCORER]
    build = shapes.build(live, at, of, token)
    assert set(build) >= {
        "id", "number", "state", "duration", "event_type", "previous_state", "pull_request_title",
        "pull_request_number", "started_at", "finished_at", "private", "priority", "repository", "branch", "tag",
        "commit", "jobs", "stages", "created_by", "updated_at", "@permissions",
    }  # fmt: skip
    one = shapes.job(live, at, build_at(live, hub.clock.now).jobs[0], of, token, config=False)
    assert set(one) >= {
        "id", "allow_failure", "number", "state", "started_at", "finished_at", "build", "queue", "repository",
        "commit", "owner", "stage", "created_at", "updated_at", "private", "restarted_at", "restarted_by",
    }  # fmt: skip
    assert "config" not in one
    assert set(build["stages"][0]) >= {"id", "number", "name", "state", "started_at", "finished_at"}
    log = shapes.log(at.jobs[0], hub.clock.now, token)
    assert set(log) >= {"id", "content", "log_parts", "@raw_log_href"}
    assert json.dumps([build, one, log])
