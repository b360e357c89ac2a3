"""The verbs on a real Buildbot: start with parameters, stop, take back, rebuild; who may not; what moved meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts import gitrepo
from parts.buildbot_rig import opened, runs, the_run
from parts.buildbot_server import BuildbotServer
from parts.operating import Bench
from quarterdeck_adapters.buildbot.adapter import BuildbotSource
from quarterdeck_config.schema import SecretRef
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.verbs import built_in


@pytest.fixture
async def source(buildbot: BuildbotServer) -> AsyncIterator[BuildbotSource]:
    async with opened(buildbot.url) as made:
        yield made
    buildbot.clear()


@pytest.fixture
async def bench(source: BuildbotSource, tmp_path: Path) -> Bench:
    return Bench(source, tmp_path)


async def listed(bench: Bench, request: int, *states: str) -> Run:
    """The row of a request in one of these states, known to the operator too."""
    assert isinstance(bench.source, BuildbotSource)
    run = await the_run(bench.source, request, *states)
    await bench.hub.once(20.0, ("pipelines",))
    return run


async def test_a_build_is_started_with_parameters_stopped_and_built_again(
    buildbot: BuildbotServer, source: BuildbotSource, bench: Bench
) -> None:
    known = await listed(bench, buildbot.force("train"), "running")
    buildbot.go(int(known.number))
    await listed(bench, int(known.ref.id), "success")

    names = {each.name: each for each in await source.parameters(known.ref)}
    assert set(names) == {"username", "reason", "priority", "region", "rows"}
    assert (names["region"].choices, names["region"].default, names["rows"].title) == (("eu", "us"), "eu", "Rows")
    preview = await bench.preview("run.trigger", known.ref, ref="main", inputs="region=us rows=7 reason='by hand'")
    (step,) = preview.steps
    assert step.call == "POST /api/v2/forceschedulers/train-force"
    for word in ('"branch": "main"', '"region": "us"', '"rows": 7', '"reason": "by hand"', '"method": "force"'):
        assert word in step.detail
    done = await bench.operator.perform(preview)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    run = max(await runs(source), key=lambda each: int(each.ref.id))
    run = await listed(bench, int(run.ref.id), "running")
    assert run.name in done.message
    assert (run.workflow, run.branch) == ("train", "main")
    async for batch in source.logs([run.ref], LogOptions()):
        if any(line.text == "train on us, 7 rows" for line in batch.lines):
            break

    done = await bench.do("run.cancel", run.ref)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    stopped = await listed(bench, int(run.ref.id), "cancelled")
    assert stopped.status is Status.IDLE
    assert "stopped from quarterdeck" in stopped.note
    with pytest.raises(Conflict, match="it has ended: cancelled"):
        await source.actions["run.cancel"].preview(run.ref, {})

    preview = await bench.preview("run.rerun", run.ref)
    assert preview.steps[0].call.startswith("POST /api/v2/builds/")
    (warning,) = preview.warnings
    assert warning.startswith("it was asked for without a commit: what is built is the tip of main then")
    done = await bench.operator.perform(preview)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    again = max(await runs(source), key=lambda each: int(each.ref.id))
    assert again.ref != run.ref
    again = await listed(bench, int(again.ref.id), "running")
    assert ("reason", "rebuild") in (await source.describe(again.ref))[0].fields
    with pytest.raises(Conflict, match="it is running"):
        await source.actions["run.rerun"].preview(again.ref, {})
    buildbot.go(int(again.number))
    await listed(bench, int(again.ref.id), "success")


async def test_a_branch_or_a_commit_is_what_is_built(
    buildbot: BuildbotServer, source: BuildbotSource, bench: Bench
) -> None:
    run = await listed(bench, buildbot.force("arm"), "queued")
    sha = gitrepo.git(buildbot.repository, "rev-parse", "HEAD")
    for ref, field in ((sha, "revision"), ("v1.2", "branch")):
        preview = await source.actions["run.trigger"].preview(run.ref, {"ref": ref})
        assert f'"{field}": "{ref}"' in preview.steps[0].detail
        assert len(preview.token.params) == 2
    done = await bench.do("run.trigger", run.ref, ref=sha)
    assert (done.result, done.error) == ("SUCCEEDED", None)
    assert "no worker is connected: away" in done.message
    new = next(each for each in await runs(source) if each.workflow == "arm" and each.ref != run.ref)
    assert (new.head, new.state) == (sha, "queued")


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ("region=mars", "region cannot be mars"), ("rows=many", "rows is a whole number"), ("row=1", "no input row"),
        ("region", "is no key=value"), ("project=x", "no input project"),
    ],
)  # fmt: skip
async def test_inputs_that_cannot_be_are_refused_before_anything_is_sent(
    buildbot: BuildbotServer, bench: Bench, inputs: str, why: str
) -> None:
    request = next((each for each in buildbot.get("buildrequests")["buildrequests"]
                    if each["builderid"] == trainer(buildbot)), None) or {}  # fmt: skip
    id = request.get("buildrequestid") or buildbot.force("train")
    with pytest.raises(Refused, match=why):
        await bench.source.actions["run.trigger"].preview(  # type: ignore[attr-defined]
            Ref("ci", "run", str(id)), {"ref": "main", "inputs": inputs}
        )


def trainer(buildbot: BuildbotServer) -> int:
    """The id of the builder train."""
    return next(int(each["builderid"]) for each in buildbot.get("builders")["builders"] if each["name"] == "train")


async def test_a_request_that_waits_is_taken_back_and_stays_a_row(
    buildbot: BuildbotServer, source: BuildbotSource, bench: Bench
) -> None:
    request = buildbot.force("arm")
    run = await listed(bench, request, "queued")
    preview = await bench.preview("run.cancel", run.ref)
    assert preview.steps[0].call == f"POST /api/v2/buildrequests/{request}"
    assert preview.why_no_inverse.startswith("Buildbot builds no cancelled request again")
    assert (await bench.operator.perform(preview)).result == "SUCCEEDED"
    gone = await listed(bench, request, "cancelled")
    assert gone.status is Status.IDLE
    assert source.actions["run.rerun"].permitted(gone) == "it was never built: start a new run instead"
    again = [batch.notice async for batch in source.logs([gone.ref], LogOptions())]
    assert again == ["it was never built: cancelled"]


async def test_what_moved_since_the_preview_is_not_sent(
    buildbot: BuildbotServer, source: BuildbotSource, bench: Bench
) -> None:
    request = buildbot.force("arm")
    run = await listed(bench, request, "queued")
    preview = await bench.preview("run.cancel", run.ref)
    buildbot.call(f"buildrequests/{request}", "cancel")
    await the_run(source, request, "cancelled")
    done = await bench.operator.perform(preview)
    assert done.result in ("REFUSED", "FAILED")
    assert isinstance(done.error, Conflict)
    assert "it was queued and is cancelled now" in str(done.error)


async def test_who_may_not_is_told_and_signs_in_with_a_password(
    buildbot: BuildbotServer, source: BuildbotSource, bench: Bench, tmp_path: Path
) -> None:
    ref = (await listed(bench, buildbot.force("arm"), "queued")).ref
    number = next(each["builderid"] for each in buildbot.get("builders")["builders"] if each["name"] == "guarded")

    async with opened(buildbot.url, username="ada", password=SecretRef(env="PASSWORD")) as ada:
        assert (await ada.probe()).identity == "ada at the tests' Buildbot"
        assert ada.me == "ada"
        hers = Bench(ada, tmp_path / "hers")
        body = ada.api.rpc("force", {"builderid": str(number)})
        with pytest.raises(Refused):
            await ada.api.control("forceschedulers/force", body)
        await hers.hub.once(20.0, ("pipelines",))
        seen = {run.ref for run in await runs(ada)}
        first = await _start_guarded(hers, ref, number)
        assert (first.result, first.error) == ("SUCCEEDED", None)
        new = [run for run in await runs(ada) if run.ref not in seen]
        assert [run.workflow for run in new] == ["guarded"]
        assert new[0].actor == "ada"

    refused = await _start_guarded(bench, ref, number)
    assert refused.result == "FAILED"
    assert "you need to have role 'admins'" in str(refused.error)
    assert "give this source username: and password:" in str(refused.error)

    async with opened(buildbot.url, "wrong", username="ada", password=SecretRef(env="PASSWORD")) as wrong:
        with pytest.raises(AuthFailed, match="refused the password"):
            await wrong.list("run")


async def _start_guarded(bench: Bench, ref: Ref, builderid: int):
    """Start a build of `guarded` through the operator, by a preview for another builder of the same form."""
    preview = await bench.preview("run.trigger", ref, ref="main")
    preview.token.params["builderid"] = str(builderid)
    return await bench.operator.perform(preview)


async def test_what_buildbot_has_not_is_greyed_with_the_reason(
    buildbot: BuildbotServer, source: BuildbotSource, bench: Bench
) -> None:
    run = await listed(bench, buildbot.force("arm"), "queued")
    for verb in built_in():
        if verb.kind != "mutation" or verb.id.partition(".")[0] not in ("run", "job"):
            continue
        assert verb.id in source.actions, f"{verb.id}: neither done nor refused with a reason"
    for verb, word in {"run.approve": "no approvals", "run.rerun_failed": "never its failed steps alone"}.items():
        assert word in (source.actions[verb].permitted(run) or "")
        with pytest.raises(Unsupported):
            await source.actions[verb].preview(run.ref, {})
