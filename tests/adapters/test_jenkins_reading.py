"""What the Jenkins adapter lists, opens, describes and tails, against the practice server, its faults included."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from adapters.jenkinsrig import DEPLOY, MAIN, ME, NIGHTLY, TRAIN, Rig, heard, rig, run_of, runs, sha
from quarterdeck_adapters.jenkins.adapter import JenkinsSource
from quarterdeck_config.schema import SecretRef
from quarterdeck_demo.faults import ClockSkew, Hostile, Html, Status
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Acts, Describes, Drills, LogOptions, Source, TailsLogs, TakesParameters
from quarterdeck_lifecycle.records import Record, Ref, row_json
from quarterdeck_lifecycle.records import Status as Is

ONCE = LogOptions(follow=False)


@pytest.fixture
async def hub() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


async def test_it_satisfies_the_ports(hub: Rig) -> None:
    for port in (Source, Describes, Drills, TailsLogs, Acts, TakesParameters):
        assert isinstance(hub.source(), port)


async def test_runs_of_folders_and_branches_say_how_they_are_and_what_they_belong_to(hub: Rig) -> None:
    source = hub.source()
    found = await runs(source)
    main = run_of(found, MAIN, 40)
    assert (main.name, main.repository, main.branch, main.workflow) == (
        "fraud-api main #40", "acme/fraud-api", "main", "acme/fraud-api",
    )  # fmt: skip
    # The commit of the project, not that of the shared library that was checked out, too.
    assert main.head == main.link("commit") == sha("fraud-api/39")
    assert main.link("repository") == "github.com/acme/fraud-api"
    assert main.url == f"{hub.url}/jenkins/job/acme/job/fraud-api/job/main/40/"
    assert {run.default_branch for run in found if run.workflow == "acme/fraud-api"} == {"main"}
    failed = run_of(found, MAIN, 38)
    assert (failed.state, failed.note) == ("failure", "Test / Shell Script (pytest -q)")
    pull = next(run for run in found if run.branch == "PR-412")
    assert (pull.event, pull.link("pull_request")) == ("pull_request", "412")
    assert any(run.branch == "deps/httpx" for run in found)
    training = run_of(found, TRAIN, 212)
    assert (training.status, training.where) == (Is.RUNNING, "Train (stage 2 of 2 so far)")
    assert (training.actor, training.event, training.branch) == ("chen-li", "manual", "retrain-nov")
    assert training.median_s is not None
    waiting = run_of(found, DEPLOY, 58)
    assert (waiting.status, waiting.waits_for_me, waiting.note) == (
        Is.WAITING, True, "approval: Deploy to production?",
    )  # fmt: skip
    assert waiting.link("digest") == f"sha256:{'ab' * 32}"
    candidate = next(run for run in found if run.link("version"))
    assert (candidate.link("version"), len(candidate.link("training_run"))) == ("fraud/17", 32)
    assert found == sorted(found, key=lambda run: -(run.created_at or 0))


async def test_what_waits_is_a_row_with_its_reason_that_becomes_the_row_of_its_build(hub: Rig) -> None:
    source = hub.source()
    waits = run_of(await runs(source), TRAIN, "q4712")
    assert (waits.state, waits.queued_for) == ("queued", "Waiting for next available executor on ‘gpu’")
    queue = {s.title: s for s in await source.describe(waits.ref)}["Queue"]
    assert dict(queue.fields)["could run"] == "yes, an executor is missing"
    listing, _ = await source.children(waits.ref)
    assert (listing.rows, listing.partial) == ((), f"it waits in the queue: {waits.queued_for}")
    hub.clock.move(3000)
    begun = next(run for run in await runs(source) if run.ref == waits.ref)
    assert (begun.number, begun.state, begun.queued_for) == ("213", "running", "")
    # Another deck, which never saw the item, finds its build by the same ref.
    hub.clock.move(900)
    hub.state.tick()
    assert 4712 not in hub.state.items
    stages, _ = await hub.source().children(waits.ref)
    assert [job.name for job in stages.rows] == ["Prepare", "Train", "Evaluate"]


async def test_a_step_that_waits_for_a_machine_says_so_on_its_build(hub: Rig) -> None:
    async def app(request: Request) -> Response:
        if request.path.endswith("/queue/api/json"):
            item = {"id": 9, "why": "Waiting for next available executor on ‘big’", "task": {
                "_class": "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask",
                "name": "part of acme » train #212", "url": f"{hub.url}/jenkins/job/acme/job/train/212/"}}  # fmt: skip
            project = {"id": 11, "why": "scan", "task": {"url": f"{hub.url}/jenkins/job/acme/job/fraud-api/", "_class":
                       "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"}}  # fmt: skip
            return json_response({"items": [item, {"id": 10, "task": {"url": "http://x/computer/y/"}}, project]})
        return await hub.jenkins.handler(request)

    hub.app = app
    found = await runs(hub.source())
    assert run_of(found, TRAIN, 212).where.endswith(": Waiting for next available executor on ‘big’")
    assert not [run for run in found if run.state == "queued"]


async def test_queue_ids_that_a_restored_controller_gave_out_twice_name_the_newer_build(hub: Rig) -> None:
    older, newer = hub.state.build(MAIN, 39), hub.state.build(MAIN, 40)
    assert older is not None
    assert newer is not None
    older.queue_id = newer.queue_id
    source = hub.source()
    found = {run.ref.id: run.number for run in await runs(source) if run.ref.id.startswith(MAIN)}
    assert found[f"{MAIN}@{newer.queue_id}"] == "40"
    assert found[f"{MAIN}#39"] == "39"
    assert dict((await source.describe(Ref("ci", "run", f"{MAIN}#39")))[0].fields)["number"] == "39"


async def test_a_build_that_waits_far_behind_the_newest_is_found_by_its_executor(hub: Rig) -> None:
    old = hub.state.build(DEPLOY, 3)
    assert old is not None
    old.answers.clear()
    found = await runs(hub.source())
    numbers = sorted(int(run.number) for run in found if run.workflow == DEPLOY)
    assert numbers == [3, *range(29, 59)]
    assert run_of(found, DEPLOY, 3).status is Is.WAITING
    hub.faults.add(Status(code=403), path="/computer/")
    assert run_of(await runs(hub.source()), DEPLOY, 58).status is Is.WAITING


async def test_only_what_moved_is_asked_again_and_never_everything(hub: Rig) -> None:
    source = hub.source()
    await runs(source)
    first = len(hub.server.requests)
    again = await runs(source)
    asked = [seen.path for seen in list(hub.server.requests)[first:]]
    assert len(asked) < first / 2
    assert f"/jenkins{'/job/acme/job/nightly-eval'}/api/json" not in asked
    assert again == await runs(source)
    assert hub.state.floods == 0
    assert all("tree" in seen.query for seen in hub.server.requests if seen.path.endswith("api/json"))


async def test_configured_names_bound_what_is_looked_at(hub: Rig) -> None:
    source = hub.source(repos=("acme/fraud-api", f"{DEPLOY}/", "acme/fraud-api/main", "no//name"))
    found = await runs(source)
    assert {run.workflow for run in found} == {"acme/fraud-api", DEPLOY}
    assert not [run for run in found if run.state == "queued"]
    assert "no//name" in (await source.list("run")).partial
    alone = await runs(hub.source(repos=(MAIN,)))
    assert {(run.branch, run.workflow) for run in alone} == {("main", "acme/fraud-api")}
    with pytest.raises(errors.NotFound, match="repos:"):
        await source.describe(hub.ref(TRAIN, 212))
    few = await hub.source(options={"jobs": 2, "builds": 3, "odd": True}).list("run")
    assert len([row for row in few.rows if row.state != "queued"]) == 6
    assert "left out" in few.partial
    assert "unknown option: odd" in few.partial


async def test_a_folder_that_fails_keeps_its_rows_and_one_that_is_gone_loses_them(hub: Rig) -> None:
    source = hub.source(repos=("acme", "ops"))
    before = {run.ref for run in await runs(source)}
    hub.faults.add(Status(code=500), path=r"/job/ops/api/json")
    after = await source.list("run")
    assert {row.ref for row in after.rows} == before
    assert after.partial.startswith("ops: down")
    hub.faults.clear()
    hub.faults.add(Status(code=404), path=r"/job/ops/api/json")
    gone = await source.list("run")
    assert {row.ref.id.partition("/")[0] for row in gone.rows} == {"acme"}
    hub.faults.clear()
    hub.faults.add(Status(code=502), path=r"/job/train/api/json|/queue/api/json|wfapi")
    partly = (await source.list("run")).partial
    assert "acme/train: down" in partly
    assert "the queue: down" in partly


async def test_a_failed_run_opens_on_its_failure(hub: Rig) -> None:
    source = hub.source()
    ref = hub.ref(MAIN, 38)
    listing, _ = await source.children(ref)
    jobs = [row for row in listing.rows if isinstance(row, Job)]
    assert [(job.name, job.status) for job in jobs] == [
        ("Test", Is.BAD), ("Checkout", Is.OK), ("Lint", Is.OK),
    ]  # fmt: skip
    assert jobs[0].note == "Shell Script (pytest -q) · script returned exit code 1"
    tabs = {s.title: s for s in await source.describe(ref)}
    assert list(tabs) == ["Failure", "Overview", "Stages and steps", "Parameters", "Changes", "Artefacts"]
    assert tabs["Failure"].text.startswith("Test failed at step Shell Script (pytest -q)")
    assert "test_null_amount - assert 412 == 0" in tabs["Failure"].text
    assert dict(tabs["Overview"].fields)["cause"] == "Push event to branch"
    assert tabs["Changes"].table[1] == (sha("fraud-api/37")[:10], "Amina Okafor", "change 37")
    stage = {s.title: s for s in await source.describe(jobs[0].ref)}
    assert list(stage) == ["Failure", "Stages and steps"]
    hub.faults.add(Status(code=500), path="/log/")
    assert (await source.describe(ref))[0].note.startswith("not read: down")


async def test_a_freestyle_build_is_one_job_whose_note_is_its_last_error(hub: Rig) -> None:
    source = hub.source()
    build = hub.state.build(NIGHTLY, 90)
    assert build is not None
    bad = build.stages[0].steps[0]
    object.__setattr__(bad, "result", "FAILURE")
    run = run_of(await runs(source), NIGHTLY, 90)
    assert (run.state, run.note) == ("failure", "Finished: FAILURE")
    listing, _ = await source.children(run.ref)
    assert [(row.ref.id, row.status) for row in listing.rows] == [(f"{run.ref.id}/build", Is.BAD)]
    lines, _ = await heard(source.logs([listing.rows[0].ref], ONCE))
    assert lines[0] == "Started by timer"
    assert (await source.describe(run.ref))[0].text.startswith("build failed")


async def test_parameters_of_a_run_and_of_its_job(hub: Rig) -> None:
    source = hub.source()
    asked = {each.name: each for each in await source.parameters(hub.ref(DEPLOY, 58))}
    assert asked["TARGET"].choices == ("staging", "prod")
    assert asked["DEPLOY_KEY"].secret
    given = {s.title: s for s in await source.describe(hub.ref(DEPLOY, 58))}["Parameters"]
    assert ("DEPLOY_KEY", "a secret: Jenkins does not tell it") in given.table
    assert await source.parameters(hub.ref(MAIN, 40)) == []


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Html(), errors.Malformed, "its path included"), (Html(code=502), errors.Unavailable, "502"),
        (Status(code=429, retry_after=17), errors.RateLimited, "17 s|rate_share"),
        (Status(code=429), errors.RateLimited, "injected fault"),
        (Status(code=401), errors.AuthFailed, "API token of that user"),
        (Status(code=200, body={"_class": "x"}), errors.Malformed, "url of a Jenkins"),
        (Status(code=200, body=[1]), errors.Malformed, "Jenkins"),
    ],
    ids=["html", "502", "429 after", "429", "401", "no jobs", "a list"],
)  # fmt: skip
async def test_a_fault_is_said_in_words(
    hub: Rig, fault: Html | Status, kind: type[errors.QuarterdeckError], words: str
) -> None:
    hub.faults.add(fault)
    with pytest.raises(kind, match=words) as caught:
        await hub.source().list("run")
    assert type(caught.value) is kind


async def test_who_asks_and_what_they_may(hub: Rig) -> None:
    hub.faults.add(ClockSkew(seconds=-900))
    source = hub.source()
    found = await source.probe()
    assert (found.version, found.identity) == ("2.516.3", f"oper-a at {source.host}")
    assert set(found.can.values()) == {None}
    assert (source.me, source.api.skew_s) == ("oper-a", -900)
    hub.secrets["TOKEN"] = "wrong"
    with pytest.raises(errors.AuthFailed, match="Invalid password/token for user: oper-a"):
        await hub.source().probe()
    nobody = hub.source(token=None, username=None)
    with pytest.raises(errors.AuthFailed, match="Authentication required"):
        await nobody.probe()
    assert nobody.actions["run.cancel"].permitted(run_of(await runs(source_of(hub)), TRAIN, 212)) == (
        "no credential: Jenkins lets nobody unknown act"
    )
    with pytest.raises(errors.Unsupported, match="set url:"):
        hub.source(url=None)
    assert ME.login in repr(await source_of(hub).probe())


def source_of(hub: Rig) -> JenkinsSource:
    """A source with the right token."""
    hub.secrets["TOKEN"] = hub.jenkins.token
    return hub.source()


async def test_a_run_that_vanished_is_not_found(hub: Rig) -> None:
    source = hub.source()
    await runs(source)
    ref = hub.ref(MAIN, 38)
    hub.state.builds[MAIN] = [build for build in hub.state.builds[MAIN] if build.number != 38]
    for ask in (source.describe(ref), source.children(ref), heard(source.logs([ref], ONCE))):
        with pytest.raises(errors.NotFound):
            await ask
    for other in ("acme/fraud-api/main@77", "nowhere@5", "acme/fraud-api/main#999"):
        with pytest.raises(errors.NotFound):
            await source.describe(Ref("ci", "run", other))


@pytest.mark.parametrize("everything", [False, True])
async def test_hostile_strings_in_every_field_reach_nothing(hub: Rig, everything: bool) -> None:
    source = hub.source()
    bad = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u061c]")
    refs = [hub.ref(MAIN, 38), hub.ref(DEPLOY, 58), Ref("ci", "run", f"{TRAIN}@4712")]
    hub.faults.add(Hostile(everything=everything, keep=("_class", "result", "building")))
    rows: list[Record] = list((await source.list("run")).rows)
    said = [(await source.list("run")).partial, str(await source.probe())]
    for ref in refs:
        try:
            rows += (await source.children(ref))[0].rows
            for section in await source.describe(ref):
                said += [section.title, section.text, section.note, str(section.fields), str(section.table)]
            lines, notices = await heard(source.logs([ref], ONCE))
            said += lines + notices
        except errors.QuarterdeckError as error:
            assert everything or ref is refs[2]
            said.append(str(error))
    if not everything:
        assert len([row for row in rows if isinstance(row, Run)]) > 100
        for verb, ref in (("run.trigger", refs[0]), ("run.rerun", refs[0]), ("run.approve", refs[1])):
            preview = await source.actions[verb].preview(ref, {})
            said += [preview.title, preview.before, preview.after, *preview.impact, *preview.warnings]
            said += [text for step in preview.steps for text in (step.call, step.detail)]
    said += [str(row_json(row)) for row in rows]
    assert not [text for text in said if bad.search(text)]


async def test_a_password_needs_no_token_to_read(hub: Rig) -> None:
    hub.secrets["PASSWORD"] = hub.state.users[ME.login].password
    source = hub.source(token=None, password=SecretRef(env="PASSWORD"))
    assert await runs(source)
    assert hub.asked("crumbIssuer") == []
