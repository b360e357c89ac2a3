"""Jenkins' verbs end to end: previewed, compared, sent once, read back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.jenkinsrig import DEPLOY, MAIN, ME, NIGHTLY, TRAIN, Rig, bench, rig, run_of, runs
from parts.operating import Bench
from quarterdeck_config.schema import SecretRef
from quarterdeck_demo.faults import BlackHole, Status
from quarterdeck_demo.jenkins.plan import by_timer
from quarterdeck_demo.messages import Request, Response
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Forbidden, Refused, Unsupported
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref

WAITS = Ref("ci", "run", f"{TRAIN}@4712")


@pytest.fixture
async def hub() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


@pytest.fixture
async def desk(hub: Rig, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(hub.source(), tmp_path) as made:
        yield made


async def test_a_new_build_is_told_by_its_queue_item_and_undone_by_its_cancel(hub: Rig, desk: Bench) -> None:
    preview = await desk.preview("run.trigger", hub.ref(MAIN, 40), ref="deps/httpx")
    path = "/job/acme/job/fraud-api/job/deps%252Fhttpx"
    assert [step.call for step in preview.steps] == [f"POST {path}/build"]
    done = await desk.operator.perform(preview)
    assert (done.result, done.message) == ("SUCCEEDED", "in the queue: In the quiet period. Expires in 5.0 sec")
    assert hub.asked(method="POST") == [f"/jenkins{path}/build"]
    assert desk.operator.last is preview
    verb, args = preview.inverse or ("", {})
    ended = run_of(await runs(hub.made[0]), MAIN, 40)
    assert hub.made[0].actions[verb].permitted(ended) is None
    undo = await desk.preview(verb, preview.ref, **args)
    assert [step.call for step in undo.steps] == ["POST /queue/cancelItem?id=4713"]
    assert (await desk.operator.perform(undo)).message == "it is out of the queue"
    assert not [run for run in await runs(hub.made[0]) if run.number == "q4713"]
    with pytest.raises(Conflict, match="it has ended"):
        await desk.preview("run.cancel", preview.ref)
    with pytest.raises(Refused, match="no job for the branch nowhere"):
        await desk.preview("run.trigger", hub.ref(MAIN, 40), ref="nowhere")


async def test_parameters_are_checked_and_sent_and_secrets_are_read_at_the_last_moment(hub: Rig, desk: Bench) -> None:
    ref = hub.ref(DEPLOY, 57)
    for wrong, said in (("TARGET=moon", "cannot be moon"), ("ODD=1", "no input ODD"), ("DEPLOY_KEY=abc", "a secret")):
        with pytest.raises(Refused, match=said):
            await desk.preview("run.trigger", ref, inputs=wrong)
    hub.secrets["KEY"] = "s3cret"
    preview = await desk.preview("run.trigger", ref, inputs="VERSION=v43 TARGET=prod DEPLOY_KEY=env:KEY")
    sent = json.loads(preview.steps[0].detail)
    assert sent == {"VERSION": "v43", "TARGET": "prod", "DEPLOY_KEY": "env:KEY"}
    assert "s3cret" not in str(preview)
    assert "no multibranch job" in preview.warnings[0]
    assert (await desk.operator.perform(preview)).result == "SUCCEEDED"
    item = hub.state.items[4713]
    assert item.values == {"VERSION": "v43", "TARGET": "prod", "DEPLOY_KEY": "s3cret"}
    left = await desk.preview("run.trigger", ref, inputs="VERSION=v43")
    assert json.loads(left.steps[0].detail) == {"VERSION": "v43"}
    assert left.impact[1] == "by the job's own default: TARGET=staging, DEPLOY_KEY=a secret"
    assert left.command.endswith("/jenkins/ build ops/deploy-fraud-api -p VERSION=v43")


async def test_an_equal_item_that_waits_is_joined_which_is_said(hub: Rig, desk: Bench) -> None:
    first = await desk.do("run.trigger", hub.ref(MAIN, 40))
    again = await desk.do("run.trigger", hub.ref(MAIN, 40))
    assert first.result == again.result == "SUCCEEDED"
    assert again.message.startswith("it joined an equal item that waited already")


async def test_a_build_whose_answer_is_lost_is_found_by_what_is_new(hub: Rig, tmp_path: Path) -> None:
    async with bench(hub.source(deadline=1.5), tmp_path) as desk:
        hub.faults.add(BlackHole(effect=True), method="POST", count=1)
        done = await desk.do("run.trigger", hub.ref(MAIN, 40))
        assert done.result == "SUCCEEDED"
        assert len(hub.asked(method="POST")) == 1
        # One of somebody else's that begins meanwhile is not taken for ours.
        main = hub.state.jobs["acme/fraud-model/main"]
        hub.faults.add(BlackHole(), method="POST", count=1)
        app = hub.app

        async def beside(request: Request) -> Response:
            if hub.asked("fraud-model/job/main", "POST"):
                hub.state.add(main, by_timer(), {})
            return await app(request)

        hub.app = beside
        lost = await desk.do("run.rerun", hub.ref("acme/fraud-model/main", 11))
        assert lost.result == "UNKNOWN"


async def test_a_rerun_is_a_new_build_and_says_so(hub: Rig, desk: Bench) -> None:
    preview = await desk.preview("run.rerun", hub.ref(TRAIN, 211))
    assert preview.warnings[0].startswith("a new build, not a replay")
    assert json.loads(preview.steps[0].detail) == {
        "BRANCH": "main", "EPOCHS": "60", "DEVICE": "gpu", "REGISTER": "true"}  # fmt: skip
    assert (await desk.operator.perform(preview)).result == "SUCCEEDED"
    with pytest.raises(Unsupported, match="DEPLOY_KEY is a secret"):
        await desk.preview("run.rerun", hub.ref(DEPLOY, 57))
    with pytest.raises(Conflict, match="only what has ended"):
        await desk.preview("run.rerun", hub.ref(TRAIN, 212))


async def test_what_failed_is_restarted_where_jenkins_can(hub: Rig, desk: Bench) -> None:
    preview = await desk.preview("run.rerun_failed", hub.ref(MAIN, 38))
    assert preview.steps[0].call == "POST /job/acme/job/fraud-api/job/main/38/restart/restart"
    assert json.loads(preview.steps[0].detail) == {"json": {"stageName": "Test"}}
    done = await desk.operator.perform(preview)
    assert (done.result, done.message.partition(":")[0]) == ("SUCCEEDED", "in the queue")
    assert hub.state.items[4713].restarted == (38, "Test")
    hub.clock.move(10)
    begun = run_of(await runs(hub.made[0]), MAIN, 41)
    assert (begun.event, begun.where) == ("restart", "Test (stage 3 of 3 so far)")
    stage = next(row for row in (await hub.made[0].children(hub.ref(MAIN, 38)))[0].rows if row.name == "Lint")
    assert (await desk.do("job.rerun", stage.ref)).result == "SUCCEEDED"
    with pytest.raises(Conflict, match="no stage failed"):
        await desk.preview("run.rerun_failed", hub.ref(MAIN, 40))
    aborted = next(b.number for b in hub.state.builds[DEPLOY] if hub.state.moment(b).result == "ABORTED")
    with pytest.raises(Unsupported, match="only declarative Pipelines"):
        await desk.preview("run.rerun_failed", hub.ref(DEPLOY, aborted))


async def test_cancel_stops_a_build_and_force_ends_a_stubborn_one(hub: Rig, desk: Bench) -> None:
    ref = hub.ref(TRAIN, 212)
    preview = await desk.preview("run.cancel", ref)
    assert [step.call for step in preview.steps] == ["POST /job/acme/job/train/212/stop"]
    build = hub.state.build(TRAIN, 212)
    assert build is not None
    build.stubborn = True
    stuck = await desk.operator.perform(preview)
    assert (stuck.result, "it still goes on" in stuck.message) == ("UNKNOWN", True)
    hard = await desk.preview("run.cancel", ref, force="true")
    assert [step.call.rpartition("/")[2] for step in hard.steps] == ["term", "kill"]
    assert "clean-up" in hard.warnings[0]
    done = await desk.operator.perform(hard)
    assert (done.result, done.message) == ("SUCCEEDED", "it is aborted")
    assert [path.rpartition("/")[2] for path in hub.asked(method="POST")] == ["stop", "term", "kill"]
    assert "has ended: aborted" in (hub.made[0].actions["run.cancel"].permitted(run_of(await runs(hub.made[0]), TRAIN,
                                    212)) or "")  # fmt: skip


async def test_an_item_that_became_a_build_is_not_taken_out_of_the_queue(hub: Rig, desk: Bench) -> None:
    preview = await desk.preview("run.cancel", WAITS)
    assert preview.steps[0].call == "POST /queue/cancelItem?id=4712"
    hub.clock.move(1500)
    done = await desk.operator.perform(preview)
    assert (done.result, type(done.error)) == ("FAILED", Conflict)
    assert "an item of the queue, queued and is #213, running now" in done.message
    assert hub.asked(method="POST") == []


async def test_an_input_is_answered_with_its_parameters(hub: Rig, desk: Bench) -> None:
    ref = hub.ref(DEPLOY, 58)
    with pytest.raises(Conflict, match="no input other waits"):
        await desk.preview("run.approve", ref, gate="other")
    with pytest.raises(Refused, match="no input WHY"):
        await desk.preview("run.approve", ref, inputs="WHY=x")
    preview = await desk.preview("run.approve", ref, comment="ok", gate="Promote", inputs="REASON='tested on staging'")
    assert preview.steps[0].call == "POST /job/ops/job/deploy-fraud-api/58/wfapi/inputSubmit?inputId=Promote"
    assert preview.impact[1] == "REASON=tested on staging"
    assert preview.warnings == ("Jenkins keeps no comment on an input",)
    other = await desk.preview("run.reject", ref)
    assert other.steps[0].call.endswith("/58/input/Promote/abort")
    done = await desk.operator.perform(preview)
    assert (done.result, done.message) == ("SUCCEEDED", "it was answered; the build is running")
    build = hub.state.build(DEPLOY, 58)
    assert build is not None
    assert build.values["REASON"] == "tested on staging"
    late = await desk.operator.perform(other)
    assert (late.result, "does not wait any more" in late.message) == ("FAILED", True)
    assert len(hub.asked(method="POST")) == 1


async def test_a_rejected_input_ends_the_build_and_one_without_parameters_proceeds_empty(
    hub: Rig, desk: Bench
) -> None:
    build = hub.state.build(DEPLOY, 58)
    assert build is not None
    ask = build.stages[1].steps[0].ask
    assert ask is not None
    object.__setattr__(ask, "inputs", ())
    preview = await desk.preview("run.approve", hub.ref(DEPLOY, 58))
    assert preview.steps[0].call == "POST /job/ops/job/deploy-fraud-api/58/input/Promote/proceedEmpty"
    done = await desk.do("run.reject", hub.ref(DEPLOY, 58))
    assert (done.result, done.message) == ("SUCCEEDED", "it was answered; the build is aborted")
    object.__setattr__(ask, "submitters", ("op2",))
    build.answers.clear()
    refused = await desk.do("run.approve", hub.ref(DEPLOY, 58))
    assert (refused.result, "You need to be op2 to submit this" in refused.message) == ("FAILED", True)


async def test_who_may_only_read_is_told_which_permission_is_missing(hub: Rig) -> None:
    hub.secrets["READER"] = hub.jenkins.reader_token
    source = hub.source(username="reader", token=SecretRef(env="READER"))
    action = source.actions["run.cancel"]
    preview = await action.preview(hub.ref(TRAIN, 212), {})
    with permit("ci"), pytest.raises(Forbidden, match=r"ask Jenkins' administrator for hudson\.model\.Item\.Cancel"):
        await action.execute(preview)
    row = run_of(await runs(source), TRAIN, 212)
    assert action.permitted(row) == "reader is missing the Job/Cancel permission"
    await source.probe()
    assert action.permitted(row) is None


async def test_a_password_sends_the_crumb_of_its_session_with_each_write(hub: Rig, tmp_path: Path) -> None:
    hub.secrets["PASSWORD"] = hub.state.users[ME.login].password
    source = hub.source(token=None, password=SecretRef(env="PASSWORD"))
    async with bench(source, tmp_path) as desk:
        done = await desk.do("run.trigger", hub.ref(MAIN, 40))
        assert (done.result, done.error) == ("SUCCEEDED", None)
        assert len(hub.asked("crumbIssuer")) == 1
        preview = await desk.preview("run.cancel", hub.ref(TRAIN, 212))
        hub.faults.add(Status(code=403, headers={"Content-Type": "text/html"}, body="No valid crumb"), method="POST")
        assert (await desk.operator.perform(preview)).result == "FAILED"
        hub.faults.clear()
        # A controller without protection issues none, and wants none; this one wants it.
        hub.faults.add(Status(code=404), path="crumbIssuer")
        assert "No valid crumb was included" in (await desk.operator.perform(preview)).message
    hub.secrets["PASSWORD"] = "wrong"
    with pytest.raises(AuthFailed):
        await hub.source(token=None, password=SecretRef(env="PASSWORD")).list("run")


async def test_a_freestyle_build_knows_no_force_and_no_stage(hub: Rig, desk: Bench) -> None:
    build = hub.state.build(NIGHTLY, 90)
    assert build is not None
    build.started_at = hub.clock() - 5
    preview = await desk.preview("run.cancel", hub.ref(NIGHTLY, 90), force="true")
    assert [step.call.rpartition("/")[2] for step in preview.steps] == ["stop"]
    assert "only Pipelines" in preview.warnings[0]
    assert (await desk.operator.perform(preview)).result == "SUCCEEDED"
    with pytest.raises(Unsupported, match="no failed stage"):
        await desk.preview("run.rerun_failed", hub.ref(NIGHTLY, 90))
