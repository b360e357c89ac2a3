"""Rows, trees and details from GitLab's practice server, and what is said when it fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.glrig import CHURN, ETL, MODEL, Rig, job_of, rig, row_of
from parts.practice import practice_story
from quarterdeck_adapters.gitlab import runs
from quarterdeck_demo.faults import AnyFault, ClockSkew, DuplicatePages, Hostile, Html, Status, Truncate
from quarterdeck_demo.messages import Request, Response, json_response, text_response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.kinds import Deployment, Job, PullRequest, Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref, row_json
from quarterdeck_lifecycle.records import Status as Is


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def gl(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


async def test_runs_say_where_they_stand_and_why(gl: Rig) -> None:
    source = gl.source()
    listing = await source.list("run")
    assert listing.partial == ""
    assert listing.budget is not None
    assert listing.budget.limit == 2000
    rows = listing.rows
    failed = row_of(rows, gl.pipeline("failed"))
    assert (failed.status, failed.note) == (Is.BAD, "transform / transform: script failure")
    assert failed.link("commit") in gl.story.repositories["acme/etl"].commits
    running = row_of(rows, gl.pipeline("running"))
    assert (running.status, running.where, running.duration_s) == (Is.RUNNING, "transform / transform 2/3", None)
    assert (running.actor, running.default_branch) == ("oper-a", "main")
    held = row_of(rows, gl.pipeline("pending"))
    assert (held.status, held.queued_for) == (Is.QUEUED, "backfill waits for a runner with bare-metal, ssd")
    waits = row_of(rows, gl.pipeline("manual"))
    assert (waits.status, waits.waits_for_me, waits.note) == (Is.WAITING, True, "approval: prod by Maintainers")
    assert waits.link("digest") == gl.story.releases["etl"][-1].image.digest
    done = row_of(rows, gl.pipeline("success", name="nightly load"))
    assert done.duration_s is not None
    assert 400 < done.duration_s < 1000
    train = row_of(rows, gl.pipeline("running", path=MODEL))
    assert train.link("version") == "fraud/19"
    asked = len(gl.server.requests)
    again = await source.list("run")
    assert all(a is b for a, b in zip(rows, again.rows, strict=True) if a.status is Is.OK)
    assert len(gl.server.requests) - asked == 3 + 4 * 2 + 2, "the lists, four that move with their jobs, one gate"


async def test_without_graphql_every_pipeline_is_asked_for_by_itself(gl: Rig) -> None:
    source = gl.source(repos=(CHURN,))
    many = (await source.list("run")).rows
    assert gl.asked("/api/graphql", "POST") == ["/api/graphql"]
    singles = len(gl.asked("/pipelines/"))
    gl.faults.add(Status(code=200, body={"errors": [{"message": "Query has complexity of 900"}]}), path="graphql")
    other = gl.source(repos=(CHURN,))
    rows = (await other.list("run")).rows
    assert rows == many
    assert len(gl.asked("/pipelines/")) >= 2 * singles + len(rows) - 2
    await other.list("run")
    assert len(gl.asked("/api/graphql", "POST")) == 2


async def test_pages_that_move_under_the_reader_bring_no_row_twice(
    gl: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gl.faults.add(DuplicatePages(), path="/pipelines$")
    monkeypatch.setattr(runs, "DETAILS", 0)
    listing = await gl.source(repos=(ETL,), options={"runs": 150}).list("run")
    refs = [row.ref for row in listing.rows]
    assert len(set(refs)) == len(refs) == 150
    assert sum("page" in seen.query for seen in gl.server.requests) == 1


async def test_a_project_that_fails_keeps_the_rows_it_had(gl: Rig) -> None:
    source = gl.source(repos=(ETL, CHURN))
    before = [row.ref for row in (await source.list("run")).rows]
    gl.faults.add(Status(code=500), path="churn/pipelines$")
    listing = await source.list("run")
    assert [row.ref for row in listing.rows] == before
    assert "acme/data/churn: down: " in listing.partial


async def test_a_run_that_disappears_between_two_questions_spoils_nothing(gl: Rig) -> None:
    source = gl.source(repos=(ETL,))
    live = gl.pipeline("running")
    gl.faults.add(Status(code=404, body={"message": "404 Not found"}), path=f"/pipelines/{live.id}$")
    listing = await source.list("run")
    assert listing.partial == ""
    assert row_of(listing.rows, live).actor == ""
    with pytest.raises(errors.NotFound, match="the token may not see it"):
        await source.describe(gl.run(live))


async def test_the_tree_has_every_attempt_and_the_jobs_of_child_pipelines(gl: Rig) -> None:
    live = next(p for p in gl.gitlab.state.listed(gl.project()) if "contract" in p.plan.retried)
    rows = (await gl.source().children(gl.run(live)))[0].rows
    now, before = job_of(rows, "contract"), job_of(rows, "contract", superseded=True)
    assert (now.attempt, now.state) == (2, "success")
    assert (before.attempt, before.state, before.status) == (1, "failed", Is.IDLE)
    bridge = job_of(rows, "data-quality")
    assert "child pipeline #" in bridge.note
    child = job_of(rows, "data-quality ▸ drift")
    assert child.run != now.run
    assert child.stage == "data-quality ▸ quality"
    assert "include_retried" in str([seen.query for seen in gl.server.requests])
    (about,) = await gl.source().describe(bridge.ref)
    assert dict(about.fields)["starts"] == bridge.note
    with pytest.raises(errors.Unsupported, match="a trigger job has no log"):
        [batch async for batch in gl.source().logs([bridge.ref], LogOptions())]
    sections = {section.title: section for section in await gl.source().describe(gl.run(live))}
    assert ("test", "contract", "failed", "40s", "2s", "1 tried again", "script failure") in sections["Jobs"].table


async def test_a_failed_job_opens_on_its_failure_and_tells_how_long_it_takes(gl: Rig) -> None:
    live = gl.pipeline("failed")
    first, *rest = await gl.source().describe(gl.job(live, "transform"))
    assert first.title == "Failure"
    assert "transform / transform failed at step script" in first.text
    assert "MemoryError: Unable to allocate" in first.text.partition("last ")[0]
    assert first.note == "GitLab says: script failure"
    tabs = {section.title: section for section in rest}
    assert tabs["Sections"].table[2][0] == "get sources"
    assert tabs["Earlier"].note.startswith("usually ")
    pages = [seen.query for seen in gl.server.requests if seen.path.endswith("/jobs") and "pagination" in seen.query]
    assert pages[0]["pagination"] == ["keyset"]
    assert int(pages[1]["id_before"][0]) < int(live.jobs["transform"][-1].id)


async def test_a_keyset_that_goes_in_circles_ends(gl: Rig) -> None:
    source, calls = gl.source(), []

    async def circles(request: Request) -> Response:
        if request.path.endswith("/jobs"):
            calls.append(request.query)
            link = f'<{gl.url}{request.path}?id_before=500>; rel="next"'
            return json_response([{"id": 501, "name": "unit"}], headers={"Link": link})
        return await gl.gitlab.handler(request)

    gl.app = circles
    assert len(await source.api.by_keyset("/projects/31/jobs", {})) == 1
    assert len(calls) == 2


async def test_deployments_show_what_stands_where_and_what_waits(gl: Rig) -> None:
    source = gl.source()
    await source.list("run")
    rows = [row for row in (await source.list("deployment")).rows if isinstance(row, Deployment)]
    blocked = next(row for row in rows if row.state == "blocked")
    assert (blocked.target, blocked.waits_for_me, blocked.status) == ("prod", True, Is.WAITING)
    assert blocked.note == "approval by Maintainers: 1 left"
    assert blocked.run == f"{ETL}/{gl.pipeline('manual').id}"
    current = [(row.repository, row.target) for row in rows if row.current]
    assert len(set(current)) == len(current)
    assert {target for path, target in current if path == ETL} == {"prod", "staging"}
    assert {row.state for row in rows} <= {"blocked", "success", "failed", "running"}
    overview, approvals, history = await source.describe(blocked.ref)
    assert ("environment", "prod") in overview.fields
    assert approvals.note == "1 left, by Maintainers"
    assert len(history.table) > 3


async def test_merge_requests_have_the_jobs_of_their_head_as_checks(gl: Rig) -> None:
    source = gl.source()
    rows = {row.number: row for row in (await source.list("pull_request")).rows
            if isinstance(row, PullRequest) and row.repository == ETL}  # fmt: skip
    assert sorted(rows) == [81, 86, 88]
    assert (rows[88].status, rows[88].note) == (Is.LOOK, "your review is asked for")
    assert rows[88].checks["passed"] >= 1
    assert (rows[86].review, rows[86].mergeable) == ("approved", "clean")
    assert (rows[81].state, rows[81].draft, rows[81].mergeable) == ("draft", True, "conflicts")
    titles = [section.title for section in await source.describe(rows[88].ref)]
    assert titles == ["Overview", "Checks", "Approvals", "Files", "Commits"]
    children = (await source.children(rows[88].ref))[0].rows
    assert {type(row) for row in children} == {Job}


async def test_what_the_token_may_do_is_told_before_it_is_tried(gl: Rig) -> None:
    source = gl.source()
    found = await source.probe()
    assert (found.version, found.can["run.cancel"]) == ("17.11.2-ee", None)
    assert found.identity.startswith("oper-a at 127.0.0.1")
    gl.token = gl.gitlab.reader_token
    reader = gl.source()
    may = (await reader.probe()).can
    assert all("needs the scope api, it has read_api" in (why or "") for why in may.values())
    row = row_of((await reader.list("run")).rows, gl.pipeline("running"))
    assert "scope api" in (reader.actions["run.cancel"].permitted(row) or "")
    assert not row_of((await reader.list("run")).rows, gl.pipeline("manual")).waits_for_me


async def test_a_community_edition_has_no_approvals_of_deployments(gl: Rig) -> None:
    gl.gitlab.state.premium = False
    source = gl.source()
    assert "Premium" in ((await source.probe()).can["deployment.approve"] or "")
    blocked = next(r for r in (await source.list("deployment")).rows if r.state == "blocked")
    assert "Premium" in (source.actions["deployment.approve"].permitted(blocked) or "")
    with pytest.raises(errors.Unsupported, match="Premium"):
        await gl.source().actions["deployment.approve"].preview(blocked.ref, {})


async def test_both_headers_sign_in(gl: Rig) -> None:
    await gl.source(options={"private_token": True, "runs": 1}, repos=(CHURN,)).list("run")
    assert "authorization" not in gl.server.requests[-1].headers
    await gl.source(options={"runs": 1}, repos=(CHURN,)).list("run")
    assert gl.server.requests[-1].headers["authorization"] == f"Bearer {gl.token}"


SAID: list[tuple[AnyFault, type[errors.QuarterdeckError], str]] = [
    (Status(code=401, body={"message": "401 Unauthorized"}), errors.AuthFailed, "renew the token"),
    (
        Status(code=403, body={"error": "insufficient_scope", "error_description": "more is needed",
                               "scope": "read_api"}),
        errors.Forbidden, "more is needed.*give the token the scope read_api",
    ),
    (Status(code=404, body={"message": "404 Project Not Found"}), errors.NotFound, "404 Project Not Found"),
    (Status(code=400, body={"message": {"base": ["it is odd"]}}), errors.Conflict, "it is odd"),
    (Status(code=429, retry_after=17), errors.RateLimited, "it ends in 17 s"),
    (Status(code=502), errors.Unavailable, "injected fault"),
    (Html(), errors.Malformed, "the address of GitLab itself"),
    (Truncate(), errors.Malformed, "not JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "words"), SAID, ids=lambda value: getattr(value, "__name__", None))
async def test_what_failed_is_said_with_what_to_do(
    gl: Rig, fault: AnyFault, kind: type[errors.QuarterdeckError], words: str
) -> None:
    source = gl.source(repos=(ETL,))
    gl.faults.add(fault)
    with pytest.raises(kind, match=words):
        await source.list("run")


async def test_a_limit_is_waited_out_and_read_from_gitlabs_own_headers(gl: Rig) -> None:
    source = gl.source(repos=(ETL,), options={"runs": 1})
    await source.list("run")
    gl.gitlab.state.limit = 1
    with pytest.raises(errors.RateLimited) as raised:
        await source.list("run")
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 60
    sent = len(gl.server.requests)
    with pytest.raises(errors.RateLimited, match="not sent, as GitLab asked for a pause"):
        await source.list("deployment")
    assert len(gl.server.requests) == sent
    gl.gitlab.state.limit = 2000
    gl.clock.move(61)
    assert (await source.list("run")).rows


async def test_a_429_without_a_time_is_a_minutes_pause(gl: Rig) -> None:
    async def bare(_: Request) -> Response:
        return text_response("Retry later\n", 429)

    gl.app = bare
    with pytest.raises(errors.RateLimited) as raised:
        await gl.source(repos=(ETL,)).list("run")
    assert raised.value.retry_after == 60.0


async def test_a_server_whose_clock_is_off_is_read_by_its_own(gl: Rig) -> None:
    gl.faults.add(ClockSkew(seconds=-7200))
    source = gl.source(repos=(ETL,), options={"runs": 1})
    rows = (await source.list("run")).rows
    assert abs(source.api.server_now - (gl.clock.now - 7200)) < 2
    assert source.interval("run", rows) >= 5


async def test_hostile_words_reach_no_terminal(gl: Rig) -> None:
    gl.faults.add(Hostile(keep=("username", "path_with_namespace", "status")))
    source = gl.source(repos=(ETL,))
    for kind in source.kinds:
        for row in (await source.list(kind)).rows:
            shown = json.dumps(row_json(row), ensure_ascii=False)
            assert shown.isprintable()
    live = gl.pipeline("failed")
    for section in await source.describe(gl.run(live)):
        shown = "".join((section.title, section.note, *(v for pair in section.fields for v in pair),
                         *(cell for row in section.table for cell in row)))  # fmt: skip
        assert shown.replace("\n", "").replace("\t", "").isprintable()


async def test_what_is_not_of_this_source_is_said_to_be(gl: Rig) -> None:
    source = gl.source(repos=(ETL, "nonsense"), options={"runs": 6, "speed": 9})
    assert source.notes == ["not group/project: nonsense", "unknown option speed"]
    with pytest.raises(errors.NotFound, match="add its project"):
        await source.describe(Ref("gl", "run", "acme/other/7"))
    with pytest.raises(errors.Unsupported, match="a deployment has no log"):
        source.logs([Ref("gl", "deployment", f"{ETL}/901")], None)
    with pytest.raises(errors.Unsupported, match="repos:"):
        await gl.source(repos=()).list("run")
    assert all(isinstance(row, Run) for row in (await source.list("run")).rows)
