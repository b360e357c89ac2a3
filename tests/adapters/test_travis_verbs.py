"""Travis's verbs end to end: previewed, compared, sent once, read back, in the ledger."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.travisrig import CHURN, DASHBOARDS, SCORER, Rig, jobs, rig, runs
from parts.operating import Bench
from quarterdeck_adapters.travis.adapter import TravisSource
from quarterdeck_demo.faults import BlackHole, Status
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.travis.progress import LiveBuild
from quarterdeck_lifecycle.errors import Conflict, Forbidden, RateLimited, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref


@pytest.fixture
async def hub() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


@pytest.fixture
def source(hub: Rig) -> TravisSource:
    return hub.source()


@pytest.fixture
async def bench(source: TravisSource, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(source, tmp_path / "state")
    yield made
    await made.db.aclose()


async def newest(source: TravisSource, slug: str, state: str = "") -> Run:
    """The newest build, or that in a state."""
    return next(row for row in await runs(source, slug) if not state or row.state == state)


def half_failed(hub: Rig) -> LiveBuild:
    """A build whose tests failed and whose image was canceled with them."""
    found = [pair for slug in (DASHBOARDS, SCORER, CHURN) for pair in hub.travis.state.builds_of(slug)]
    return next(live for live, at in found if at.stages == ["failed", "canceled"])


async def test_a_restart_is_told_by_the_build_and_not_by_the_answer(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    row = await newest(source, CHURN, "passed")
    path = f"/build/{row.ref.id.rpartition('/')[2]}"
    preview = await bench.preview("run.rerun", row.ref)
    assert [step.call for step in preview.steps] == [f"POST {path}/restart"]
    assert preview.command == f"travis restart {row.number} -r {CHURN} --api-endpoint {hub.url}"
    assert preview.inverse == ("run.cancel", {})
    assert "those of now are replaced" in preview.warnings[0]
    assert preview.impact[1] == "4 jobs: Python: 3.11, Python: 3.12, lint, build and push"
    assert hub.asked(method="POST") == []
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "it is created")
    assert hub.asked(method="POST") == [f"{path}/restart"]
    assert hub.slept == [0.3, 0.7]
    assert await bench.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
    again = next(each for each in await runs(source, CHURN) if each.ref == row.ref)
    assert again.number == row.number
    assert "only what has ended" in (source.actions["run.rerun"].permitted(again) or "")


async def test_a_restart_that_changes_nothing_is_unknown(hub: Rig, source: TravisSource, bench: Bench) -> None:
    row = await newest(source, CHURN, "passed")
    hub.faults.add(Status(code=202, body={"@type": "pending"}), method="POST", path="/restart$")
    result = await bench.do("run.rerun", row.ref)
    assert result.result == "UNKNOWN"
    assert "the build is as it was after 16 s" in result.message


async def test_a_build_that_somebody_else_restarted_is_not_restarted_again(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    row = await newest(source, CHURN, "passed")
    preview = await bench.preview("run.rerun", row.ref)
    live = hub.travis.state.build(row.ref.id.rpartition("/")[2])
    assert live is not None
    hub.travis.state.restart(live, live.jobs, hub.travis.story.viewer)
    hub.clock.move(600)
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert hub.asked(method="POST") == []


async def test_failed_jobs_are_restarted_one_call_each_the_earlier_stage_first(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    # A push whose tests failed: its image was canceled with them, and would stay so.
    live = half_failed(hub)
    plan = live.plan
    ref = Ref("tr", "run", f"{plan.repository}/{plan.id}")
    preview = await bench.preview("run.rerun_failed", ref)
    failed, image = live.jobs[0].id, live.jobs[-1].id
    assert [step.call for step in preview.steps] == [f"POST /job/{failed}/restart", f"POST /job/{image}/restart"]
    assert preview.impact[1] == "2 jobs, one call each: Python: 3.11 (failed), build and push (canceled)"
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "2 jobs have begun anew")
    assert hub.asked(method="POST") == [f"/job/{failed}/restart", f"/job/{image}/restart"]
    found = await jobs(source, ref)
    assert {job.name for job in found if "restarted by oper-a" in job.note} == {"Python: 3.11", "build and push"}
    with pytest.raises(Conflict, match="it is created"):
        await bench.preview("run.rerun_failed", ref)
    with pytest.raises(Conflict, match="there is no failed job"):
        await bench.preview("run.rerun_failed", (await newest(source, CHURN, "passed")).ref)


async def test_of_several_calls_what_was_not_sent_is_named(hub: Rig, source: TravisSource, bench: Bench) -> None:
    live = half_failed(hub)
    ref = Ref("tr", "run", f"{live.plan.repository}/{live.plan.id}")
    body = {"error_type": "job_already_running", "error_message": "job already running, cannot restart"}
    hub.faults.add(Status(code=409, body=body), method="POST", path=f"/job/{live.jobs[-1].id}/restart")
    result = await bench.do("run.rerun_failed", ref)
    assert result.result == "FAILED"
    assert "1 of 2 jobs have begun anew; not: build and push" in result.message
    assert "job already running, cannot restart; the calls after it were not sent" in result.message
    hub.faults.add(Status(code=409, body=body), method="POST", path="/restart")
    other = next(row for row in await runs(source, CHURN) if row.state == "failed")
    refused = await bench.do("run.rerun_failed", other.ref)
    assert (refused.result, type(refused.error)) == ("FAILED", Conflict)


async def test_a_failed_job_that_passed_meanwhile_is_not_restarted(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    row = await newest(source, CHURN)
    preview = await bench.preview("run.rerun_failed", row.ref)
    live = hub.travis.state.build(row.ref.id.rpartition("/")[2])
    assert live is not None
    hub.travis.state.restart(live, live.jobs[:1], hub.travis.story.viewer)
    hub.clock.move(30)
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert "is not among the failed jobs now" in result.message
    assert hub.asked(method="POST") == []


async def test_cancel_stops_what_goes_on(hub: Rig, source: TravisSource, bench: Bench) -> None:
    row = await newest(source, SCORER)
    preview = await bench.preview("run.cancel", row.ref)
    assert preview.impact[1] == "stops Python: 3.11, Python: 3.12, build and push"
    hub.clock.move(5)
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "it is canceled")
    with pytest.raises(Conflict, match="it has ended: canceled"):
        await bench.preview("run.cancel", row.ref)
    queued = await newest(source, DASHBOARDS)
    assert (await bench.do("run.cancel", queued.ref)).message == "it is canceled"


async def test_a_build_that_ends_before_the_cancel_is_not_cancelled(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    preview = await bench.preview("run.cancel", (await newest(source, SCORER)).ref)
    hub.clock.move(3600)
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert hub.asked(method="POST") == []


async def test_a_job_is_restarted_and_cancelled_alone(hub: Rig, source: TravisSource, bench: Bench) -> None:
    row = await newest(source, CHURN)
    [bad, *others] = await jobs(source, row.ref)
    preview = await bench.preview("job.rerun", bad.ref)
    assert preview.steps[0].call == f"POST /job/{bad.ref.id.rpartition('/')[2]}/restart"
    assert preview.impact == (f"stage Test of build {row.number}",)
    assert (await bench.operator.perform(preview)).message == "it is queued"
    again = next(job for job in await jobs(source, row.ref) if job.ref == bad.ref)
    assert source.actions["job.rerun"].permitted(again) == "it is queued: only what has ended is restarted"
    assert (await bench.do("job.cancel", bad.ref)).message == "it is canceled"
    assert [job.state for job in await jobs(source, row.ref) if job.ref != bad.ref] == [job.state for job in others]
    assert source.actions["job.cancel"].permitted(bad) == "it has ended: failed"
    assert source.actions["job.cancel"].permitted(row) == "not for a run"


async def test_a_build_that_is_asked_for_is_told_by_its_request(hub: Rig, source: TravisSource, bench: Bench) -> None:
    row = await newest(source, SCORER, "passed")
    preview = await bench.preview("run.trigger", row.ref, ref="main", inputs="CANARY='5 %' message=again")
    assert preview.steps[0].call == "POST /repo/acme%2Fscorer/requests"
    assert json.loads(preview.steps[0].detail)["request"]["config"] == {"env": {"global": ["CANARY='5 %'"]}}
    result = await bench.operator.perform(preview)
    number = int((await newest(source, SCORER)).number)
    assert (result.result, result.message) == ("SUCCEEDED", f"build #{number} appeared: created")
    assert (await newest(source, SCORER)).event == "api"
    assert len(hub.asked(method="POST")) == 1


async def test_a_request_that_is_rejected_says_why(hub: Rig, source: TravisSource, bench: Bench) -> None:
    row = await newest(source, SCORER, "passed")
    result = await bench.do("run.trigger", row.ref, ref="no-such-branch")
    assert result.result == "FAILED"
    assert "was rejected: requested branch not found" in result.message
    with pytest.raises(Refused, match="no name of a branch"):
        await bench.preview("run.trigger", row.ref, ref="-x")
    with pytest.raises(Refused, match="no name of a variable"):
        await bench.preview("run.trigger", row.ref, ref="main", inputs="1X=2")
    with pytest.raises(Refused, match="everybody who sees the build"):
        await bench.preview("run.trigger", row.ref, ref="main", inputs="REGISTRY_PASSWORD=x")


async def test_the_limit_of_builds_by_the_api_closes_nothing_else(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    row = await newest(source, SCORER, "passed")
    preview = await bench.preview("run.trigger", row.ref, ref="main")
    state = hub.travis.state
    for _ in range(10):
        state.ask(state.repositories[SCORER], "main", "", {})
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", RateLimited)
    assert "10 builds in 60 minutes may be asked for by the API for acme/scorer" in result.message
    assert (await source.list("run")).rows


async def test_too_many_writes_at_once_are_a_pause_and_no_want_of_rights(
    hub: Rig, source: TravisSource, bench: Bench
) -> None:
    row = await newest(source, CHURN, "passed")
    hub.travis.state.tokens[hub.token].posts.extend([hub.clock.now] * 50)
    result = await bench.do("run.rerun", row.ref)
    assert (result.result, type(result.error)) == ("FAILED", RateLimited)
    assert "after more than 50 writes within 30 s" in result.message
    with pytest.raises(RateLimited, match="not sent"):
        await source.list("run")
    hub.clock.move(3601)
    assert (await source.list("run")).rows


async def test_an_answer_that_is_lost_leaves_it_unknown(hub: Rig, tmp_path: Path) -> None:
    source = hub.source(deadline=0.3)
    bench = Bench(source, tmp_path)
    row = await newest(source, SCORER, "passed")
    hub.faults.add(BlackHole(effect=True), method="POST")
    result = await bench.do("run.trigger", row.ref, ref="main")
    assert result.result == "UNKNOWN"
    assert "named no request" in result.message
    assert len(hub.asked(method="POST")) == 1
    await bench.db.aclose()


async def test_a_token_without_the_right_is_told_so_by_the_server_too(hub: Rig) -> None:
    writer, row = hub.source(), await newest(hub.source(), CHURN)
    preview = await writer.actions["run.rerun"].preview(row.ref, {})
    hub.token = hub.travis.reader_token
    writer.api.credential.forget()

    async def blind(request: Request) -> Response:
        # As a server that tells no @permissions.
        made = await hub.travis.handler(request)
        body = made.body if isinstance(made.body, bytes) else b""
        document = json.loads(body)
        if isinstance(document, dict):
            document.pop("@permissions", None)
        return json_response(document, made.status)

    hub.app = blind
    with permit("tr"), pytest.raises(Forbidden, match="operation requires restart access to build") as raised:
        await writer.actions["run.rerun"].execute(preview)
    assert raised.value.scope == "restart"


async def test_what_travis_has_not_is_refused_with_the_reason(hub: Rig, source: TravisSource) -> None:
    row = await newest(source, SCORER)
    action = source.actions["run.approve"]
    assert action.permitted(row) == "Travis has no approvals: no build waits for one"
    with pytest.raises(Unsupported, match="no approvals"):
        await action.preview(row.ref, {})
