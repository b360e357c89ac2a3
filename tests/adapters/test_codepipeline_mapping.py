"""AWS's answers to records: pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quarterdeck_adapters.codepipeline.mapping import (
    Home,
    home_of,
    moment,
    newest_actions,
    output_links,
    repository,
    run_record,
    status_of,
)
from quarterdeck_adapters.codepipeline.places import Place, place_of
from quarterdeck_adapters.codepipeline.stages import gates, jobs_of, spot_in, spot_of, way_into
from quarterdeck_lifecycle.records import Ref, Status

A, B = "0a1b2c3d-0000-0000-0000-000000000001", "0a1b2c3d-0000-0000-0000-000000000002"
HOME = Home("aws", "prod", "deploy", "eu-west-1")
SHA = "3f" * 20


def action(name: str, status: str, at: float, *, id: str = "", **more: Any) -> dict[str, Any]:
    return {
        "pipelineExecutionId": A, "actionExecutionId": id or f"{name}-{at}", "stageName": "Build", "actionName": name,
        "status": status, "startTime": at, "lastUpdateTime": at + 10,
        "input": {"actionTypeId": {"category": "Build", "provider": "CodeBuild"}}, "output": more,
    }  # fmt: skip


def stage(name: str = "Build", **more: Any) -> dict[str, Any]:
    return {"stageStates": [{"stageName": name, **more}]}


@pytest.mark.parametrize(
    "value", [1_795_412_000, 1_795_412_000.0, "2026-11-23T05:33:20Z", "2026-11-23T05:33:20+00:00",
              datetime(2026, 11, 23, 5, 33, 20, tzinfo=UTC)]
)  # fmt: skip
def test_a_time_is_one_however_it_is_sent(value: Any) -> None:
    assert moment(value) == 1_795_412_000.0


@pytest.mark.parametrize("value", [None, True, "soon", [], {}, "9" * 50])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert moment(value) is None


@pytest.mark.parametrize(
    ("status", "state", "how"),
    [
        ("Succeeded", "succeeded", Status.OK), ("Failed", "failed", Status.BAD), ("Stopped", "stopped", Status.IDLE),
        ("Superseded", "superseded", Status.IDLE), ("Stopping", "stopping", Status.RUNNING),
        ("Cancelled", "cancelled", Status.IDLE), ("InProgress", "running", Status.RUNNING),
        ("Invented", "invented", Status.UNKNOWN), (None, "unknown", Status.UNKNOWN),
    ],
)  # fmt: skip
def test_every_status_has_a_word_and_a_colour(status: Any, state: str, how: Status) -> None:
    run = run_record({"pipelineExecutionId": A, "status": status}, HOME)
    assert (run.state, run.status) == (state, how)


def test_a_run_of_nothing_but_an_identity_is_still_a_row() -> None:
    run = run_record({"pipelineExecutionId": A, "status": 7, "sourceRevisions": "x", "trigger": []}, HOME)
    assert (run.number, run.repository, run.duration_s) == ("0a1b2c3d", "deploy", None)
    assert run.url.endswith(f"/deploy/executions/{A}/timeline?region=eu-west-1")


def test_an_older_time_than_the_start_is_no_duration() -> None:
    run = run_record({"pipelineExecutionId": A, "status": "Failed", "startTime": 100.0, "lastUpdateTime": 40.0}, HOME)
    assert run.duration_s is None


@pytest.mark.parametrize(
    ("page", "where"),
    [
        ("https://github.com/acme/scorer/commit/3f3f3f3f", ("github.com", "acme/scorer")),
        ("https://gitlab.example/a/b/c/-/commit/3f3f3f3f", ("gitlab.example", "a/b/c")),
        ("https://eu-west-1.console.aws.amazon.com/codesuite/x", ("", "")), ("http://[", ("", "")), ("", ("", "")),
    ],
)  # fmt: skip
def test_the_repository_is_read_from_the_page_of_the_revision(page: str, where: tuple[str, str]) -> None:
    assert repository(HOME, page) == where


def test_the_repository_is_the_declarations_where_no_page_says_it() -> None:
    def declared(provider: str, **settings: str) -> Home:
        source = {"name": "S", "actionTypeId": {"category": "Source", "provider": provider}, "configuration": settings}
        return home_of("aws", "", "eu-west-1", "", {"name": "p", "stages": [{"actions": [source]}]})

    assert repository(declared("GitHub", Owner="acme", Repo="etl", Branch="dev"), "") == ("github.com", "acme/etl")
    assert declared("CodeStarSourceConnection", FullRepositoryId="acme/x", BranchName="rel").branch == "rel"
    host, slug = repository(declared("CodeCommit", RepositoryName="etl"), "")
    assert (host, slug) == ("git-codecommit.eu-west-1.amazonaws.com", "v1/repos/etl")


def test_what_a_build_puts_out_ties_it_to_image_and_model() -> None:
    digest = "sha256:" + "ab" * 32
    found = output_links(
        {"IMAGE_DIGEST": digest, "IMAGE_URI": "r.example/team/x:1", "MODEL_VERSION": "fraud/17", "NOTE": "x/1"}, "image"
    )
    assert [(link.kind, link.value) for link in found] == [
        ("digest", digest), ("image", "r.example/team/x:1"), ("version", "fraud/17"),
    ]  # fmt: skip


def test_only_an_approval_that_waits_is_a_gate() -> None:
    def state(**latest: Any) -> dict[str, Any]:
        return stage(latestExecution={"pipelineExecutionId": A, "status": "InProgress"},
                     actionStates=[{"actionName": "ok", "latestExecution": latest}])  # fmt: skip

    assert [gate.name for gate in gates(state(status="InProgress", token="t"), A)] == ["Build/ok"]
    assert gates(state(status="InProgress", token="t"), B) == []
    assert gates(state(status="Succeeded", token="t"), A) == []
    assert gates(state(status="InProgress"), A) == []


def test_before_a_stage_it_waits_for_the_other_or_for_the_transition() -> None:
    inside = {"pipelineExecutionId": B, "status": "InProgress"}
    waits = {"inboundExecutions": [{"pipelineExecutionId": A, "status": "InProgress"}], "latestExecution": inside}
    spot = spot_in(stage(**waits), A)
    assert spot is not None
    assert (spot.state, spot.queued_for) == ("queued", "Build holds #0a1b2c3d")
    shut = {"enabled": False, "disabledReason": "INC", "lastChangedBy": "arn:aws:iam::1:user/dara"}
    spot = spot_in(stage(**waits, inboundTransitionState=shut), A)
    assert spot is not None
    assert (spot.state, spot.note) == ("held", "the transition into Build is disabled: INC")
    assert way_into({"inboundTransitionState": shut}) == (False, "INC", "dara")
    assert spot_in(stage(latestExecution=inside), A) is None


def test_a_stage_that_retried_by_itself_says_so() -> None:
    state = stage(
        latestExecution={"pipelineExecutionId": A, "status": "InProgress"},
        retryStageMetadata={"autoStageRetryAttempt": 1, "latestRetryTrigger": "AutomatedStageRetry"},
    )
    details = [action("tests", "Failed", 100.0), action("tests", "InProgress", 200.0)]
    jobs = jobs_of({"stages": [{"name": "Build", "actions": [{"name": "tests"}]}]}, details, state, HOME, A)
    assert [(job.name, job.attempt, job.superseded, job.state) for job in jobs] == [
        ("Build", 2, False, "running"), ("Build / tests", 2, False, "running"), ("Build / tests", 1, True, "failed"),
    ]  # fmt: skip
    assert jobs[0].note == "retried by itself"
    assert jobs[2].status is Status.IDLE


def test_stages_that_the_declaration_lost_are_shown_all_the_same() -> None:
    jobs = jobs_of({}, [action("tests", "Succeeded", 100.0)], {}, HOME, A)
    assert [(job.name, job.state) for job in jobs] == [("Build", "succeeded"), ("Build / tests", "succeeded")]


def test_the_same_attempt_on_two_pages_is_one() -> None:
    twice = [action("tests", "Succeeded", 100.0, id="x"), action("tests", "Succeeded", 100.0, id="x")]
    assert len(newest_actions(twice)[("Build", "tests")]) == 1


def test_a_failure_is_told_in_the_words_of_the_newest_attempt() -> None:
    result = {"executionResult": {"errorDetails": {"code": "JobFailed", "message": "exit 1"}}}
    spot = spot_of([action("image", "Succeeded", 90.0), action("tests", "Failed", 100.0, **result)])
    assert spot.note == "Build / tests: exit 1"
    healed = spot_of([action("tests", "Failed", 100.0, **result), action("tests", "Succeeded", 200.0)])
    assert healed.note == ""


@pytest.mark.parametrize(
    ("kind", "id", "place"),
    [
        ("run", f"deploy/{A}", Place("deploy", A)), ("job", f"deploy/{A}/Build", Place("deploy", A, "Build")),
        ("job", f"deploy/{A}/Build/x-1", Place("deploy", A, "Build", "x-1")), ("job", f"deploy/{A}", None),
        ("run", f"deploy/{A}/Build", None), ("run", "deploy/../x", None), ("run", f"de ploy/{A}", None),
        ("run", "", None),
    ],
)  # fmt: skip
def test_a_ref_names_a_run_a_stage_or_an_attempt(kind: str, id: str, place: Place | None) -> None:
    assert place_of(Ref("aws", kind, id)) == place


def test_what_is_not_known_is_unknown() -> None:
    assert status_of("odd") is Status.UNKNOWN
