"""Approvals and rejections, jobs run again, runs ended by force: previewed, compared, sent once, read back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.ghrig import API, Bench, Rig, rig, run_of
from parts.practice import practice_story
from quarterdeck_config.schema import SecretRef
from quarterdeck_demo.faults import BlackHole, Status
from quarterdeck_demo.github.progress import LiveRun
from quarterdeck_demo.story import Story
from quarterdeck_demo.story.records import Job as Plan
from quarterdeck_demo.story.records import Run as Planned
from quarterdeck_demo.story.records import Step
from quarterdeck_lifecycle.errors import Conflict, Forbidden, NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref

WAITS = Ref("gh", "run", f"{API}/9900098")
SEVERAL = Ref("gh", "run", f"{API}/9900500")


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture
async def bench(hub: Rig, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(hub.source(), tmp_path / "state")
    yield made
    await made.db.aclose()


@pytest.fixture
def several(hub: Rig) -> Ref:
    """A run that waits for three environments: two that oper-a may decide on, one that is dara-n's."""
    jobs = tuple(Plan(name, (Step("Go", 5),), environment=name) for name in ("canary", "prod", "security"))
    now, people = hub.story.now, hub.story.people
    run = Planned(9_900_500, 500, API, 7101, "all at once", "main", hub.story.repositories[API].head,
                  "workflow_dispatch", people["op2"], now - 60, now - 58, jobs)  # fmt: skip
    hub.github.state.runs[run.id] = LiveRun.of(run)
    return SEVERAL


async def test_an_approval_names_what_it_lets_go_and_is_read_back_from_the_run_s_history(
    hub: Rig, bench: Bench
) -> None:
    preview = await bench.preview("run.approve", WAITS, comment="go")
    assert [step.call for step in preview.steps] == [f"POST /repos/{API}/actions/runs/9900098/pending_deployments"]
    sent = json.loads(preview.steps[0].detail)
    assert (sent["state"], sent["comment"], len(sent["environment_ids"])) == ("approved", "go", 1)
    assert preview.impact[1] == "approved: prod by oper-a or op2"
    assert "deploy-prod v42" in preview.impact[0]
    assert (preview.before, preview.inverse) == ("waits at prod", None)
    assert "state=approved" in preview.command
    assert hub.asked(method="POST") == []
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "prod approved by oper-a; the run is running")
    assert len(hub.asked("pending_deployments", "POST")) == 1
    row = run_of((await bench.source.list("run")).rows, 98, "deploy-prod")
    assert (row.state, row.waits_for_me) == ("running", False)
    with pytest.raises(Conflict, match="it is running: nothing of it waits"):
        await bench.preview("run.approve", WAITS)


async def test_a_rejection_ends_the_job_and_another_attempt_asks_again(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("run.reject", WAITS, comment="not today")
    assert preview.inverse == ("run.rerun_failed", {})
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "prod rejected by oper-a; the run is failure")
    first = (await bench.source.describe(WAITS))[0]
    assert (first.title, first.text) == ("Failure", "deploy failed")
    assert first.note == "oper-a rejected prod: not today"
    again = await bench.do("run.rerun_failed", WAITS)
    assert again.message == "attempt 2 is waiting"


async def test_of_several_gates_one_is_named_else_all_that_are_mine_are_shown(
    hub: Rig, bench: Bench, several: Ref
) -> None:
    both = await bench.preview("run.approve", several)
    assert both.after == "approved by you: canary, prod"
    assert both.impact[1:] == (
        "approved: canary by oper-a", "approved: prod by oper-a or op2",
        "still waits then: approval: security by dara-n",
    )  # fmt: skip
    assert both.warnings == ("2 environments at once; gate=NAME takes one of them",)
    with pytest.raises(Conflict, match="not yours to decide: approval: security by dara-n"):
        await bench.preview("run.approve", several, gate="security")
    with pytest.raises(Conflict, match="nothing waits at moon; it waits at canary, prod, security"):
        await bench.preview("run.approve", several, gate="moon")
    one = await bench.preview("run.approve", several, gate="Canary")
    assert (one.after, one.warnings) == ("approved by you: canary", ())
    result = await bench.operator.perform(one)
    assert (result.result, result.message) == ("SUCCEEDED", "canary approved by oper-a; the run is waiting")
    # What was shown for both is not what waits now.
    stale = await bench.operator.perform(both)
    assert (stale.result, type(stale.error)) == ("FAILED", Conflict)
    assert "is attempt 1 waiting at prod, security now" in stale.message


async def test_what_somebody_else_decided_meanwhile_is_not_sent_and_not_claimed(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("run.approve", WAITS)
    live = hub.github.state.runs[9_900_098]
    live.decide("prod", approved=False, at=hub.clock(), login="op2", comment="no")
    result = await bench.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    outcome = await bench.source.actions["run.approve"].verify(preview)
    assert (outcome.verified, outcome.message) == (False, "the run's history says: prod rejected; the run is failure")


async def test_an_approval_whose_answer_is_lost_is_found_done_and_sent_once(hub: Rig, tmp_path: Path) -> None:
    bench = Bench(hub.source(deadline=0.5), tmp_path / "lost")
    try:
        hub.faults.add(BlackHole(effect=True), method="POST", path="pending_deployments", count=1)
        result = await bench.do("run.approve", WAITS)
        assert result.result == "SUCCEEDED"
        assert len(hub.asked("pending_deployments", "POST")) == 1
    finally:
        await bench.db.aclose()


async def test_an_approval_that_does_not_show_is_unknown(hub: Rig, bench: Bench) -> None:
    hub.faults.add(Status(code=200, body=[]), method="POST", path="pending_deployments")
    result = await bench.do("run.approve", WAITS)
    assert result.result == "UNKNOWN"
    assert "prod still waits after 16 s" in result.message


async def test_rows_say_for_whom_they_wait_and_are_greyed_for_others(hub: Rig, bench: Bench) -> None:
    rows = (await bench.source.list("run")).rows
    row, failed = run_of(rows, 98, "deploy-prod"), run_of(rows, 1841)
    approve = bench.source.actions["run.approve"]
    assert approve.permitted(row) is None
    assert approve.permitted(replace(row, waits_for_me=False)) == (
        "it waits for others (approval: prod by oper-a or op2)"
    )
    assert approve.permitted(failed) == "it is failure: nothing of it waits for an approval"
    # Where it was not asked who may approve, the question is left to the preview.
    assert approve.permitted(replace(row, waits_for_me=False, note="")) is None
    assert "newcomer" in (approve.permitted(replace(row, state="action required")) or "")


async def test_a_token_that_only_reads_is_refused_in_words(hub: Rig) -> None:
    hub.token = hub.github.reader_token
    source = hub.source(token=SecretRef(env="READER"))
    preview = await source.actions["run.approve"].preview(WAITS, {})
    with permit("gh"), pytest.raises(Forbidden, match="personal access token"):
        await source.actions["run.approve"].execute(preview)


async def test_a_deployment_is_decided_on_by_itself(hub: Rig, bench: Bench, several: Ref) -> None:
    rows = (await bench.source.list("deployment")).rows
    prod = next(row for row in rows if row.ref.id == f"{API}/990050011")
    mine = await bench.preview("deployment.approve", prod.ref, comment="yes")
    assert mine.after == "approved by you: prod"
    assert mine.ref == prod.ref
    result = await bench.operator.perform(mine)
    assert (result.result, result.message) == ("SUCCEEDED", "prod approved by oper-a; the run is waiting")
    others = Ref("gh", "deployment", f"{API}/990050012")
    with pytest.raises(Conflict, match="not yours to decide"):
        await bench.preview("deployment.reject", others)
    with pytest.raises(Conflict, match="neither its statuses nor its payload name a run"):
        await bench.preview("deployment.reject", Ref("gh", "deployment", f"{API}/611"))
    canary = await bench.do("deployment.reject", Ref("gh", "deployment", f"{API}/990050010"))
    assert canary.message == "canary rejected by oper-a; the run is waiting"


async def jobs_of(bench: Bench, run: Ref) -> dict[str, Job]:
    listing, _ = await bench.source.children(run)
    return {row.name: row for row in listing.rows if isinstance(row, Job)}


async def test_a_job_is_run_again_with_those_that_need_it(hub: Rig, bench: Bench) -> None:
    run = Ref("gh", "run", f"{API}/{hub.run_id(1836)}")
    before = await jobs_of(bench, run)
    preview = await bench.preview("job.rerun", before["unit-tests"].ref)
    assert preview.steps[0].call.endswith(f"/actions/jobs/{before['unit-tests'].ref.id.rpartition('/')[2]}/rerun")
    assert preview.impact[1] == "and the jobs that need it"
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "attempt 2 is queued")
    after = await jobs_of(bench, run)
    assert after["lint"].ref == before["lint"].ref
    assert after["unit-tests"].attempt == 2
    with pytest.raises(Conflict, match="it is queued: only what has ended"):
        await bench.preview("job.rerun", after["unit-tests"].ref)
    with pytest.raises(Conflict, match="GitHub runs a job again when the run has ended"):
        await bench.preview("job.rerun", after["lint"].ref)
    hub.clock.move(1000)
    with pytest.raises(NotFound):
        await bench.preview("job.rerun", before["unit-tests"].ref)
    done = await bench.do("job.rerun", after["unit-tests"].ref)
    assert done.message == "attempt 3 is queued"


async def test_verbs_that_github_has_not_say_why(hub: Rig, bench: Bench) -> None:
    job = (await jobs_of(bench, Ref("gh", "run", f"{API}/{hub.run_id(1841)}")))["lint"]
    for verb, why in (("job.cancel", "cancel the run"), ("job.start", "no manual jobs"), ("job.hold", "no stages")):
        assert why in (bench.source.actions[verb].permitted(job) or "")
        with pytest.raises(Unsupported, match=why):
            await bench.source.actions[verb].preview(job.ref, {})


async def test_force_ends_a_run_by_another_call_and_says_what_stays(hub: Rig, bench: Bench) -> None:
    ref = Ref("gh", "run", f"acme/etl/{hub.run_id(773, 'acme/etl')}")
    preview = await bench.preview("run.cancel", ref, force="true")
    assert preview.title.startswith("force-cancel etl ci #773")
    assert preview.steps[0].call.endswith("/force-cancel")
    assert "do not run" in preview.warnings[0]
    assert preview.command.startswith("gh run cancel --force ")
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "it is cancelled")
    assert [path.rpartition("/")[2] for path in hub.asked("cancel", "POST")] == ["force-cancel"]
