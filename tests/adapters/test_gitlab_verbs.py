"""The verbs end to end: previewed, compared, sent once, read back: GitLab answers with what was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.glrig import CHURN, ETL, MODEL, Rig, rig
from parts.operating import Bench
from parts.practice import practice_story
from quarterdeck_demo.faults import Status
from quarterdeck_demo.gitlab.progress import Approval, deployment_status
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Conflict, Forbidden, Refused, Unsupported
from quarterdeck_lifecycle.records import Ref


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def gl(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture
async def bench(gl: Rig, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(gl.source(), tmp_path / "state")
    yield made
    await made.db.aclose()


async def test_a_retried_pipeline_has_other_jobs_under_other_ids(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("failed")
    preview = await bench.preview("run.rerun_failed", gl.run(live))
    assert [step.call for step in preview.steps] == [f"POST /projects/acme%2Fetl/pipelines/{live.id}/retry"]
    assert preview.impact[0] == "1 jobs: transform"
    assert preview.command.endswith(f"--method POST projects/acme%2Fetl/pipelines/{live.id}/retry")
    assert gl.asked(method="POST") == []
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "tried again: transform pending")
    assert len(gl.asked(method="POST")) == 1
    assert await bench.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
    late = await bench.operator.perform(preview)
    assert isinstance(late.error, Conflict)
    assert "nothing was sent" in late.message


async def test_a_retry_that_only_answers_with_the_old_job_is_unknown(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("failed")
    before = await bench.source.api.object(f"/projects/31/jobs/{gl.attempt(live, 'transform').id}")
    gl.faults.add(Status(code=201, body=dict(before)), method="POST", path="/retry$")
    result = await bench.do("job.rerun", gl.job(live, "transform"))
    assert result.result == "UNKNOWN"
    assert "no later attempt of it is listed after 16 s" in result.message


async def test_a_retried_job_is_told_by_its_new_id(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("failed")
    old = gl.job(live, "transform")
    result = await bench.do("job.rerun", old)
    new = gl.attempt(live, "transform")
    assert (result.result, result.message) == ("SUCCEEDED", f"job {new.id} is pending")
    assert not old.id.endswith(str(new.id))
    with pytest.raises(Conflict, match="a later attempt took its place"):
        await bench.preview("job.rerun", old)
    with pytest.raises(Conflict, match="only what has ended is tried again"):
        await bench.preview("job.rerun", gl.job(live, "transform"))
    done = gl.pipeline("success", source="push")
    await bench.do("job.rerun", gl.job(done, "lint"))
    states = {name: gl.gitlab.state.at(done).jobs[tries[-1].id].status for name, tries in done.jobs.items()}
    assert (states["lint"], states["unit"], states["image"]) == ("pending", "success", "success")


async def test_cancelling_waits_until_the_jobs_have_stopped(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("running")
    preview = await bench.preview("run.cancel", gl.run(live))
    assert preview.impact == ("stops transform, load",)
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "it is cancelled")
    assert gl.slept
    with pytest.raises(Conflict, match="it has ended: canceled"):
        await bench.preview("run.cancel", gl.run(live))
    with pytest.raises(Refused, match="no pipeline"):
        await bench.preview("run.cancel", gl.run(live), force="true")


async def test_one_job_is_cancelled_and_others_go_on(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("running")
    result = await bench.do("job.cancel", gl.job(live, "transform"))
    assert (result.result, result.message) == ("SUCCEEDED", "it is cancelled")


async def test_a_manual_job_is_started_with_variables_and_no_typed_secret(gl: Rig, bench: Bench) -> None:
    live = next(
        each for each in gl.gitlab.state.listed(gl.project(CHURN))
        if each.plan.source == "push" and gl.gitlab.state.at(each).jobs[gl.attempt(each, "deploy-prod").id].status
        == "manual"
    )  # fmt: skip
    ref = gl.job(live, "deploy-prod", CHURN)
    with pytest.raises(Refused, match="name where it is: API_TOKEN=env:NAME"):
        await bench.preview("job.start", ref, inputs="API_TOKEN=hunter2")
    preview = await bench.preview("job.start", ref, inputs="REGION=eu API_TOKEN=env:DEPLOY")
    assert "env:DEPLOY" in preview.steps[0].detail
    result = await bench.operator.perform(preview)
    assert result.result == "SUCCEEDED"
    assert result.message.endswith("is pending")
    assert gl.attempt(live, "deploy-prod").variables == (("REGION", "eu"), ("API_TOKEN", "value of DEPLOY"))
    with pytest.raises(Conflict, match="only a manual job is started"):
        await bench.preview("job.start", ref)


async def test_a_blocked_deployment_is_approved_and_then_started(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("manual")
    preview = await bench.preview("run.approve", gl.run(live), comment="seen")
    assert '"comment": "seen"' in preview.steps[0].detail
    assert preview.impact[0].endswith("on prod, by Maintainers")
    result = await bench.operator.perform(preview)
    assert (result.result, result.message) == ("SUCCEEDED", "approved: deploy-prod can be started now")
    attempt = gl.attempt(live, "deploy-prod")
    assert [(a.login, a.status, a.comment) for a in attempt.approvals] == [("oper-a", "approved", "seen")]
    again = await bench.operator.perform(preview)
    assert isinstance(again.error, Conflict)
    with pytest.raises(Unsupported, match="is a manual job: it is not rejected"):
        await bench.preview("run.reject", gl.run(live))
    rows = (await bench.source.list("deployment")).rows
    waits = next(row for row in rows if row.ref.id == f"{ETL}/{attempt.deployment}")
    assert (waits.state, waits.note) == ("created", "approved: deploy-prod waits to be started")
    started = await bench.do("run.approve", gl.run(live), inputs="REGION=eu")
    assert attempt.variables == (("REGION", "eu"),)
    assert (started.result, started.message) == ("SUCCEEDED", "deploy-prod is pending")
    with pytest.raises(Conflict, match="nothing"):
        await bench.preview("run.approve", gl.run(live))


async def test_a_gate_that_somebody_else_moved_is_looked_at_again(gl: Rig, bench: Bench) -> None:
    attempt = gl.attempt(gl.pipeline("manual"), "deploy-prod")
    attempt.needs = 2
    preview = await bench.preview("run.approve", gl.run(gl.pipeline("manual")))
    attempt.approvals.append(Approval("chen-li", "approved", "", gl.clock.now))
    result = await bench.operator.perform(preview)
    assert isinstance(result.error, Conflict)
    assert "it was blocked, 2 approvals left and is blocked, 1 approvals left now" in result.message
    assert gl.asked(method="POST") == []


async def test_a_rejected_deployment_fails_its_job(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("manual")
    ref = Ref("gl", "deployment", f"{ETL}/{gl.attempt(live, 'deploy-prod').deployment}")
    result = await bench.do("deployment.reject", ref, comment="not on a Friday")
    assert (result.result, result.message) == ("SUCCEEDED", "rejected: it is failed")
    assert gl.gitlab.state.at(live).status == "failed"
    with pytest.raises(Conflict, match="it waits for no approval"):
        await bench.preview("deployment.approve", ref)


async def test_an_approval_that_this_gitlab_has_not_says_premium(gl: Rig, bench: Bench) -> None:
    live = gl.pipeline("manual")
    ref = Ref("gl", "deployment", f"{ETL}/{gl.attempt(live, 'deploy-prod').deployment}")
    preview = await bench.preview("deployment.approve", ref)
    gl.faults.add(Status(code=404, body={"message": "404 Not found"}), method="POST")
    result = await bench.operator.perform(preview)
    assert isinstance(result.error, Unsupported)
    assert "Premium" in result.message


async def test_ones_own_deployment_is_not_approved(gl: Rig, bench: Bench) -> None:
    made = await bench.do("run.trigger", gl.run(gl.pipeline("success", name="nightly load")), ref="main")
    assert made.result == "SUCCEEDED"
    live = gl.pipeline()
    gl.clock.move(600)
    attempt = gl.attempt(live, "deploy-prod")
    assert deployment_status(attempt, gl.gitlab.state.at(live).jobs[attempt.id]) == "blocked"
    with pytest.raises(Refused, match="your own deployment"):
        await bench.preview("deployment.approve", Ref("gl", "deployment", f"{ETL}/{attempt.deployment}"))


async def test_an_older_deployment_is_the_way_back(gl: Rig, bench: Bench) -> None:
    project = gl.project(CHURN)
    done = [
        (id, live, attempt) for id, (live, attempt) in sorted(project.deployments.items())
        if attempt.plan.environment == "prod" and gl.gitlab.state.at(live).jobs[attempt.id].status == "success"
    ]  # fmt: skip
    old, live, attempt = done[-2]
    elsewhere = await bench.preview("deployment.redeploy", Ref("gl", "deployment", f"{CHURN}/{done[-3][0]}"))
    preview = await bench.preview("deployment.redeploy", Ref("gl", "deployment", f"{CHURN}/{old}"))
    now = done[-1][1].plan.sha
    assert preview.impact[0] == f"prod goes from {now[:10]} to {live.plan.sha[:10]}"
    assert preview.steps[0].call == f"POST /projects/acme%2Fdata%2Fchurn/jobs/{attempt.id}/retry"
    assert preview.why_no_inverse == f"the way back is to deploy {now[:10]} again"
    result = await bench.operator.perform(preview)
    assert result.result == "SUCCEEDED"
    new = gl.attempt(live, "deploy-prod")
    assert new.id != attempt.id
    assert f"{CHURN}/{new.deployment}" == f"{CHURN}/{max(project.deployments)}"
    gl.clock.move(300)
    other = await bench.preview("deployment.redeploy", Ref("gl", "deployment", f"{CHURN}/{done[-1][0]}"))
    assert live.plan.sha[:10] in other.impact[0]
    late = await bench.operator.perform(elsewhere)
    assert isinstance(late.error, Conflict)
    assert f"by deployment {new.deployment} now" in late.message


async def test_a_redeploy_to_a_protected_environment_waits_for_its_approval(gl: Rig, bench: Bench) -> None:
    project = gl.project()
    old = next(
        id for id, (live, attempt) in sorted(project.deployments.items())
        if attempt.plan.environment == "prod" and gl.gitlab.state.at(live).jobs[attempt.id].status == "success"
    )
    result = await bench.do("deployment.redeploy", Ref("gl", "deployment", f"{ETL}/{old}"))
    assert result.result == "SUCCEEDED"
    assert result.message.endswith("is blocked: it waits for an approval")


async def test_a_pipeline_is_started_with_variables_and_inputs_and_found(gl: Rig, bench: Bench) -> None:
    ref = gl.run(gl.pipeline("success", path=CHURN, name="weekly scores"), CHURN)
    for words, why in (("environment=moon", "cannot be moon"), ("horizon=60", "environment is missing")):
        with pytest.raises(Refused, match=why):
            await bench.preview("run.trigger", ref, inputs=words)
    for name in ("no-such", "a..b", "-x", ""):
        with pytest.raises(Refused):
            await bench.preview("run.trigger", ref, ref=name)
    of_a_merge = await bench.preview("run.trigger", ref, ref="!12", inputs="environment=prod")
    assert of_a_merge.args["ref"] == "horizon-60"
    preview = await bench.preview("run.trigger", ref, inputs="horizon=60 environment=prod DEBUG='a b'")
    assert preview.warnings == ("its file does not name DEBUG: sent as variables all the same",)
    result = await bench.operator.perform(preview)
    live = gl.pipeline(path=CHURN)
    assert (result.result, result.message) == ("SUCCEEDED", f"pipeline #{live.id} appeared: pending")
    assert live.plan.variables == (("DEBUG", "a b"),)


async def test_an_answer_that_names_an_older_pipeline_is_not_believed(gl: Rig, bench: Bench) -> None:
    old = gl.pipeline("success", name="nightly load")

    async def stale(request: Request) -> Response:
        response = await gl.gitlab.handler(request)
        if request.method == "POST" and isinstance(response.body, bytes):
            response.body = b'{"id": %d, "status": "success"}' % old.id
        return response

    gl.app = stale
    result = await bench.do("run.trigger", gl.run(old), ref="main")
    assert (result.result, result.message) == ("SUCCEEDED", f"pipeline #{gl.pipeline().id} appeared: pending")
    assert gl.pipeline().id != old.id


async def test_a_branch_that_moved_since_the_preview_starts_nothing(gl: Rig, bench: Bench) -> None:
    preview = await bench.preview("run.trigger", gl.run(gl.pipeline("success", name="nightly load")), ref="main")
    gl.project().heads["main"] = gl.project().plan.repository.tags["v8"]
    result = await bench.operator.perform(preview)
    assert isinstance(result.error, Conflict)
    assert gl.asked("/pipeline", "POST") == []


async def test_the_whole_pipeline_again_is_for_the_head_alone(gl: Rig, bench: Bench) -> None:
    train = gl.pipeline("success", path=MODEL, name="train")
    preview = await bench.preview("run.rerun", gl.run(train, MODEL))
    assert '"MODEL_VERSION"' in preview.steps[0].detail
    result = await bench.operator.perform(preview)
    assert result.result == "SUCCEEDED"
    assert gl.pipeline(path=MODEL).plan.variables == train.plan.variables
    gl.faults.add(Status(code=403, body={"message": "403 Forbidden"}), path="/variables$")
    with pytest.raises(Forbidden):
        await bench.preview("run.rerun", gl.run(train, MODEL))
    merge = gl.pipeline(source="merge_request_event")
    with pytest.raises(Conflict, match="a pipeline of a merge request is not started anew"):
        await bench.preview("run.rerun", gl.run(merge))
    older = next(p for p in gl.gitlab.state.listed(gl.project()) if p.plan.sha != gl.project().heads["main"]
                 and p.plan.source == "push")  # fmt: skip
    with pytest.raises(Conflict, match="starts pipelines at the head alone"):
        await bench.preview("run.rerun", gl.run(older))


async def test_a_merge_request_is_approved_and_merged_at_the_head_that_was_seen(gl: Rig, bench: Bench) -> None:
    ref = Ref("gl", "pull_request", f"{ETL}/88")
    merge = await bench.preview("pull_request.merge", ref, method="merge")
    assert merge.warnings == ("GitLab says: not approved",)
    approved = await bench.do("pull_request.approve", ref, comment="fine")
    assert approved.result == "SUCCEEDED"
    assert approved.message.startswith("you approved")
    with pytest.raises(Conflict, match="approved it already"):
        await bench.preview("pull_request.approve", ref)
    gl.project().merges[88].sha, seen = gl.project().heads["main"], gl.project().merges[88].sha
    moved = await bench.operator.perform(merge)
    assert isinstance(moved.error, Conflict)
    assert gl.asked("/merge", "PUT") == []
    gl.project().merges[88].sha = seen
    result = await bench.operator.perform(merge)
    assert result.result == "SUCCEEDED"
    assert result.message.startswith("merged into main as ")
    with pytest.raises(Conflict, match="is merged"):
        await bench.preview("pull_request.merge", ref)


async def test_what_cannot_be_merged_is_refused_before_it_is_sent(gl: Rig, bench: Bench) -> None:
    with pytest.raises(Refused, match="only squashing is chosen"):
        await bench.preview("pull_request.merge", Ref("gl", "pull_request", f"{ETL}/86"), method="rebase")
    with pytest.raises(Conflict, match="it is a draft"):
        await bench.preview("pull_request.merge", Ref("gl", "pull_request", f"{ETL}/81"))
    with pytest.raises(Refused, match="your role may not merge"):
        await bench.preview("pull_request.merge", Ref("gl", "pull_request", f"{MODEL}/31"))
    with pytest.raises(Refused, match="it is your own"):
        await bench.preview("pull_request.approve", Ref("gl", "pull_request", f"{CHURN}/12"))
    preview = await bench.preview("pull_request.approve", Ref("gl", "pull_request", f"{ETL}/88"))
    gl.faults.add(Status(code=401, body={"message": "401 Unauthorized"}), method="POST")
    result = await bench.operator.perform(preview)
    assert isinstance(result.error, Forbidden), "a 401 here is no word on the token"


async def test_a_token_that_only_reads_writes_nothing(gl: Rig, tmp_path: Path) -> None:
    gl.token = gl.gitlab.reader_token
    bench = Bench(gl.source(), tmp_path / "reader")
    live = gl.pipeline("running")
    result = await bench.do("run.cancel", gl.run(live))
    assert isinstance(result.error, Forbidden)
    assert "give the token the scope api" in str(result.error)
    assert gl.gitlab.state.at(live).status == "running"
    await bench.db.aclose()


async def test_what_gitlab_has_not_is_greyed_with_where_it_is_instead(gl: Rig, bench: Bench) -> None:
    rows = (await bench.source.children(gl.run(gl.pipeline("manual"))))[0].rows
    actions = bench.source.actions
    assert "Deployments tab" in actions["job.rollback"].permitted(rows[0])
    bridge = next(row for row in rows if row.name == "data-quality")
    assert "trigger job" in actions["job.rerun"].permitted(bridge)
