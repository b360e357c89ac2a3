"""Executions, stages and actions as rows: what the pane shows of CodePipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.awsrig import API, NIGHTLY, SCORER, TOGETHER, Rig, rig, run_in, runs_of, the_story
from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Deployment, Job
from quarterdeck_lifecycle.ports import LogOptions, TakesParameters
from quarterdeck_lifecycle.records import Ref, Status

pytestmark = TOGETHER



@pytest.fixture
def story() -> Story:
    return the_story()


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture
def source(hub: Rig) -> CodePipelineSource:
    return hub.source()


async def jobs(source: CodePipelineSource, ref: Ref) -> list[Job]:
    listing, more = await source.children(ref)
    assert more == ""
    return [row for row in listing.rows if isinstance(row, Job)]


async def test_each_way_of_waiting_says_for_what(source: CodePipelineSource) -> None:
    rows = await runs_of(source)
    approval = run_in(rows, SCORER, "waiting")
    assert (approval.where, approval.note) == ("Production / approve", "approval: Production/approve")
    assert approval.waits_for_me
    assert approval.status is Status.WAITING
    running, queued = run_in(rows, API, "running"), run_in(rows, API, "queued")
    assert running.where == "Build / tests +1 more"
    assert queued.queued_for == f"Build holds #{running.number}"
    held = run_in(rows, NIGHTLY, "held")
    assert held.queued_for == "the transition into Report is disabled: INC-412 - no report until the figures are right"
    assert held.status is Status.WAITING
    assert not held.waits_for_me


async def test_a_run_is_tied_to_its_commit_its_repository_its_image_and_its_model(
    source: CodePipelineSource, story: Story
) -> None:
    rows = await runs_of(source)
    release = story.releases["fraud-api"][-1]
    run = next(run for run in rows if run.head == release.sha and run.event == "WebhookV2")
    assert run.link("repository") == "github.com/acme/fraud-api"
    assert run.link("branch") == run.branch == "main"
    scorer = await source.children(run_in(rows, SCORER, "waiting").ref)
    image = next(row for row in scorer[0].rows if row.name == "Build / image")
    newest = story.releases["scorer"][-1]
    assert image.link("digest") == newest.image.digest
    assert image.link("image").endswith("team/scorer:2.3.0")
    assert image.link("version") == "fraud/17"


async def test_a_rollback_says_to_what_it_went_back(source: CodePipelineSource) -> None:
    back = next(run for run in await runs_of(source) if "rollback" in run.event)
    assert back.event == "AutomatedRollback (rollback)"
    assert back.note.startswith("back to ")


async def test_stages_hold_their_actions_and_what_failed_comes_first(source: CodePipelineSource) -> None:
    rows = await runs_of(source)
    failed = next(run for run in rows if run.workflow == API and run.state == "failed" and "Production" in run.note)
    found = await jobs(source, failed.ref)
    assert [job.name for job in found[:4]] == [
        "Production", "Production / verify", "Production / approve", "Production / deploy",
    ]  # fmt: skip
    assert [step[:2] for step in found[0].steps] == [
        ("approve", "succeeded"), ("deploy", "succeeded"), ("verify", "failed"),
    ]  # fmt: skip
    assert "Build terminated with state: FAILED" in found[1].note
    assert found[2].note.startswith("looks well (by ")
    assert {job.stage for job in found} == {"Source", "Build", "Staging", "Production"}


async def test_a_disabled_transition_shows_its_reason_on_its_stage(source: CodePipelineSource) -> None:
    held = run_in(await runs_of(source), NIGHTLY, "held")
    report = next(job for job in await jobs(source, held.ref) if job.name == "Report")
    assert report.state == "held"
    assert report.note.startswith("transition disabled by dara-n: INC-412")
    assert report.steps == (("report", "not begun", "idle", None),)


async def test_the_parameters_are_the_pipelines_variables(source: CodePipelineSource) -> None:
    assert isinstance(source, TakesParameters)
    ref = run_in(await runs_of(source), NIGHTLY).ref
    rate, minutes = await source.parameters(ref)
    assert (rate.name, rate.default, rate.required) == ("RATE", "", True)
    assert (minutes.name, minutes.default, minutes.required) == ("MINUTES", "12", False)


async def test_the_tabs_of_a_run_a_stage_and_an_action(source: CodePipelineSource) -> None:
    run = run_in(await runs_of(source), NIGHTLY, "failed")
    tabs = await source.describe(run.ref)
    assert [tab.title for tab in tabs] == ["Failure", "Overview", "Stages", "Source", "Variables"]
    assert tabs[0].text.startswith("Test / load failed at step BUILD")
    assert "1 of 3 thresholds crossed" in tabs[0].text
    assert dict(tabs[-1].fields) == {"RATE": "40", "MINUTES": "12"}
    stage, action = (await jobs(source, run.ref))[:2]
    assert [tab.title for tab in await source.describe(stage.ref)][:2] == ["Failure", "Stage"]
    about = dict((await source.describe(action.ref))[1].fields)
    assert about["does"] == "Test by CodeBuild"
    assert about["error"] == "Build terminated with state: FAILED"


async def test_named_pipelines_alone_are_shown(hub: Rig) -> None:
    source = hub.source(repos=(SCORER, "no/pipeline"))
    listing = await source.list("run")
    assert {run.workflow for run in listing.rows} == {SCORER}  # type: ignore[attr-defined]
    assert listing.partial == "not the name of a pipeline: no/pipeline"
    assert "ListPipelines" not in hub.operations()
    with pytest.raises(NotFound):
        await source.children(Ref("aws", "run", f"{API}/00000000-0000-0000-0000-000000000000"))


async def test_at_rest_one_question_a_pipeline(hub: Rig, source: CodePipelineSource) -> None:
    await runs_of(source)
    hub.clock.move(30)
    seen = len(hub.operations())
    await runs_of(source)
    # The state is asked of pipelines in which something moves; what has ended is asked about once.
    assert sorted(hub.operations()[seen:]) == ["GetPipelineState"] * 3 + ["ListPipelineExecutions"] * 3


async def test_what_is_no_build_has_no_log_and_says_why(source: CodePipelineSource) -> None:
    run = run_in(await runs_of(source), SCORER, "waiting")
    found = {job.name: job for job in await jobs(source, run.ref)}
    for name, why in (("Production / approve", "an approval"), ("Staging / deploy", "ECS"), ("Source", "no action")):
        with pytest.raises(Unsupported, match=why):
            async for _ in source.logs([found[name].ref], LogOptions()):
                pass


async def test_who_signs_and_where(source: CodePipelineSource) -> None:
    probe = await source.probe()
    assert probe.identity == "arn:aws:iam::123456789012:user/oper-a in eu-west-1, 3 pipelines"
    assert probe.can["run.approve"] is None
    assert source.me == "oper-a"


async def test_deployments_say_what_each_stage_has_now(source: CodePipelineSource, story: Story) -> None:
    rows = [row for row in (await source.list("deployment")).rows if isinstance(row, Deployment)]
    assert {row.repository for row in rows} == {"acme/fraud-api", "acme/scorer"}
    current = {(row.run.partition("/")[0], row.target): row for row in rows if row.current}
    assert set(current) == {(API, "Staging"), (API, "Production"), (SCORER, "Staging"), (SCORER, "Production")}
    staging = current[SCORER, "Staging"]
    assert staging.head == story.repositories["acme/scorer"].head
    assert staging.link("repository") == "github.com/acme/scorer"
    assert staging.note == "staging/scorer"
    assert sum(row.target == "Staging" and row.run.startswith(SCORER) for row in rows) > 5
    assert "deploy" in {tab.title for tab in await source.describe(staging.ref)}
