"""GitLab's payloads and words as records: pure, whatever is sent."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck_adapters.gitlab import ci_file, gates, graph, loglines, mapping, merge_mapping, places
from quarterdeck_adapters.gitlab.faults import words
from quarterdeck_adapters.gitlab.mapping import Home
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_lifecycle.records import Ref, Status, row_json

HOME = Home("gl", "", "gitlab.example", "acme/data/churn", "main")


def job(id: int, name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "status": status, "stage": "test", "allow_failure": False, **more}


def test_ids_name_projects_in_groups_in_groups() -> None:
    known = ["acme/data/churn", "acme/etl"]
    assert places.place_of(Ref("gl", "run", "acme/data/churn/7"), known) == places.Place("acme/data/churn", 7)
    assert places.place_of(Ref("gl", "job", "ACME/etl/7/9"), known) == places.Place("acme/etl", 7, 9)
    for wrong in ("acme/etl", "acme/etl/0", "acme/other/7", "acme/etl/7/x", "../etl/7", "acme/etl/7\n"):
        assert places.place_of(Ref("gl", "run", wrong), known) is None
    assert places.Place("acme/data/churn", 7, 9).the_job == "/projects/acme%2Fdata%2Fchurn/jobs/9"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (None, "https://gitlab.com/api/v4"), ("https://git.acme.example/", "https://git.acme.example/api/v4"),
        ("https://acme.example/gitlab/api/v4", "https://acme.example/gitlab/api/v4"),
    ],
)  # fmt: skip
def test_the_address_is_that_of_gitlab_itself(url: str | None, base: str) -> None:
    assert places.api_address(url) == base


def test_names_that_are_no_projects_are_told() -> None:
    good, bad = places.paths(["acme/etl", "Acme/ETL", "etl", "a/../b", "acme/x y", "acme/data/churn.git"])
    assert good == ["acme/etl", "acme/data/churn"]
    assert bad == ["etl", "a/../b", "acme/x y"]


def test_attempts_count_by_name_in_the_order_of_their_ids() -> None:
    jobs = [job(9, "unit", "success"), job(4, "unit", "failed"), job(5, "lint", "success"), job(7, "unit", "canceled")]
    assert mapping.attempts(jobs) == {4: (1, True), 7: (2, True), 9: (3, False), 5: (1, False)}
    assert [each["id"] for each in mapping.newest(jobs)] == [5, 9]


def test_a_run_stands_at_what_failed_and_not_at_its_earlier_attempts() -> None:
    failed = job(4, "unit", "failed", failure_reason="script_failure")
    assert mapping.spot_of([failed]).note == "test / unit: script failure"
    assert mapping.spot_of([failed, job(9, "unit", "running")]) == mapping.Spot(where="test / unit 1/1")
    assert mapping.spot_of([{**failed, "allow_failure": True}]) == mapping.Spot()
    waits = mapping.spot_of([job(1, "train", "pending", tag_list=["gpu", 7, "a100"])])
    assert waits.queued_for == "train waits for a runner with gpu, 7, a100"
    assert "resource group" in mapping.spot_of([job(1, "deploy", "waiting_for_resource")]).queued_for
    assert mapping.spot_of([job(1, "prod", "manual")]).note == "test / prod waits to be started"
    assert mapping.spot_of([job(1, "prod", "manual", allow_failure=True)]).note == ""


def test_optional_jobs_are_no_trouble() -> None:
    fails = mapping.job_record(job(1, "spell", "failed", allow_failure=True, failure_reason="script_failure"), HOME, 7)
    assert (fails.status, fails.note) == (Status.LOOK, "script failure · may fail")
    assert mapping.job_record(job(1, "prod", "manual", allow_failure=True), HOME, 7).status is Status.IDLE
    assert mapping.job_record(job(1, "prod", "manual"), HOME, 7).status is Status.WAITING
    old = mapping.job_record(job(1, "unit", "failed"), HOME, 7, 1, superseded=True)
    assert (old.status, old.superseded, old.note) == (Status.IDLE, True, "tried again")


def test_a_pipeline_of_a_merge_request_names_it() -> None:
    run = mapping.run_record(
        {"id": 7, "ref": "refs/merge-requests/88/head", "sha": "a" * 40, "status": "success",
         "source": "merge_request_event", "web_url": "https://gitlab.example/acme/data/churn/-/pipelines/7"},
        HOME,
    )  # fmt: skip
    assert (run.branch, run.link("pull_request"), run.event) == ("!88", "88", "pull_request")
    assert run.link("repository") == "gitlab.example/acme/data/churn"
    assert run.link("branch") == ""


def test_variables_tie_a_run_to_images_versions_and_training_runs() -> None:
    digest = "sha256:" + "ab" * 32
    links = mapping.variable_links([
        {"key": "MODEL_NAME", "value": "fraud"}, {"key": "model_version", "value": "19"},
        {"key": "MLFLOW_RUN_ID", "value": "8bc3"}, {"key": "IMAGE", "value": f"reg/fraud@{digest}"}, {"key": 7},
    ])  # fmt: skip
    assert {(link.kind, link.value) for link in links} == {
        ("version", "fraud/19"), ("training_run", "8bc3"), ("digest", digest), ("image", f"reg/fraud@{digest}"),
    }  # fmt: skip


@pytest.mark.parametrize("odd", [None, 7, -1, True, "x", [], {}, [7], {"a": []}, "\x1b]0;owned\x07", "9" * 5000])
def test_fields_of_another_type_count_as_absent(odd: Any) -> None:
    keys = ("id", "iid", "ref", "sha", "status", "source", "web_url", "name", "user", "duration", "created_at",
            "updated_at", "finished_at", "stage", "pipeline", "commit", "tag_list", "runner", "failure_reason",
            "environment", "deployable", "approvals", "approval_summary", "reviewers", "author", "title",
            "detailed_merge_status", "pending_approval_count", "approved_by")  # fmt: skip
    payload = dict.fromkeys(keys, odd)
    row_json(mapping.run_record(payload, HOME, detail=payload, spot=mapping.spot_of([payload])))
    row_json(mapping.job_record(payload, HOME, 7))
    row_json(merge_mapping.record(payload, HOME, merge_mapping.MergeFacts(), "me"))
    merge_mapping.reviews_of(payload, payload)
    gates.why_not_mine(payload, "me", 30)
    words(payload)
    assert mapping.attempts([payload, {}])


@pytest.mark.parametrize("bad", HOSTILE)
def test_no_text_of_a_record_moves_the_terminal(bad: str) -> None:
    payload = {"id": 7, "ref": bad, "sha": bad, "status": bad, "source": bad, "name": bad, "web_url": bad,
               "stage": bad, "failure_reason": bad, "user": {"username": bad}, "tag_list": [bad]}  # fmt: skip
    for record in (mapping.run_record(payload, HOME), mapping.job_record(payload, HOME, 7),
                   merge_mapping.record({**payload, "iid": 7, "title": bad}, HOME, merge_mapping.MergeFacts(), "")):
        for value in (record.name, record.state, record.note, record.url, getattr(record, "branch", "")):
            assert value.replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize(
    "odd",
    [
        None, 7, [], "x", {"data": None}, {"data": {"project": None}},
        {"data": {"project": {"pipelines": {"nodes": [7, {"id": "gid://gitlab/X/1"}]}}}},
    ],
)  # fmt: skip
def test_graphs_that_are_none_hold_no_pipeline(odd: Any) -> None:
    assert graph.read(odd) == {}


def test_checks_of_a_merge_request_count_newest_attempts() -> None:
    jobs = [job(1, "unit", "failed"), job(2, "unit", "success"), job(3, "lint", "failed"), job(4, "slow", "running"),
            job(5, "spell", "failed", allow_failure=True), job(6, "prod", "manual", allow_failure=True)]  # fmt: skip
    assert merge_mapping.checks_of(jobs) == ({"passed": 1, "failed": 1, "running": 1, "skipped": 2}, ("lint",))


def test_who_may_approve_is_read_from_the_rules() -> None:
    rule = {"access_level": 40, "access_level_description": "Maintainers", "required_approvals": 1,
            "deployment_approvals": []}  # fmt: skip
    one = {"user": {"username": "op2"}, "approvals": [], "approval_summary": {"rules": [rule]}}
    assert gates.why_not_mine(one, "me", 40) == ""
    assert gates.why_not_mine(one, "me", 30) == "it needs Maintainers"
    assert gates.why_not_mine(one, "me", None) == ""
    assert "your own" in gates.why_not_mine(one, "op2", 50)
    said = {**one, "approvals": [{"user": {"username": "me"}, "status": "approved"}]}
    assert "already" in gates.why_not_mine(said, "me", 40)


RAW = (
    b"\x1b[0KRunning with gitlab-runner\nsection_start:10:get_sources\r\x1b[0K\x1b[0K\x1b[36;1mGetting\x1b[0;m\n"
    b"section_end:12:get_sources\r\x1b[0Ksection_start:12:step_script[collapsed=true]\r\x1b[0Kgo\n"
    b"2026-11-23T05:11:00.250000Z 00O $ pytest\nsection_end:19:step_script\r\x1b[0K\n"
    b"section_start:19:cleanup_file_variables\r\x1b[0Kbye\nERROR: Job failed: exit code 1\n"
)  # fmt: skip


def test_sections_of_a_log_are_headings_times_and_the_place_of_the_failure() -> None:
    lines = list(loglines.lines(RAW))
    assert [line.text for line in lines] == [
        "Running with gitlab-runner", "▸ get sources", "Getting", "▸ script", "go", "$ pytest", "▸ clean up", "bye",
        "ERROR: Job failed: exit code 1",
    ]  # fmt: skip
    assert lines[5].at == 1795410660.25
    assert loglines.sections(RAW)[:2] == [loglines.Section("get sources", 2.0), loglines.Section("script", 7.0)]
    assert loglines.failing(RAW) == "script"
    assert loglines.failing(b"no mark at all") == ""


def test_a_pipelines_file_says_what_it_takes() -> None:
    found = ci_file.declared(
        b"spec:\n  inputs:\n    env: {options: [a, b]}\n    dry: {type: boolean, default: false}\n---\n"
        b"variables:\n  PLAIN: x\n  SIZE: {value: 3, description: how big}\n  API_TOKEN: {description: t}\n  L: [1]\n"
        b"job:\n  script: !reference [.a, script]\n"
    )
    assert found.known
    assert found.inputs == {"env", "dry"}
    by = {parameter.name: parameter for parameter in found.parameters}
    assert list(by) == ["env", "dry", "SIZE", "API_TOKEN", "PLAIN"]
    assert (by["env"].choices, by["env"].required) == (("a", "b"), True)
    assert (by["dry"].choices, by["dry"].default) == (("true", "false"), "false")
    assert (by["SIZE"].title, by["SIZE"].default) == ("how big", "3")
    assert by["API_TOKEN"].secret


@pytest.mark.parametrize("raw", [b"", b"\x00\xff", b"- a list", b"a: [", b"&a [*a]", b"!!python/object:os.system x",
                                 b"a: " + b"[" * 900, b"x" * (ci_file.LARGEST + 1)],
                         ids=range(8))  # fmt: skip
def test_a_file_that_is_none_is_not_known(raw: bytes) -> None:
    assert not ci_file.declared(raw).known


def test_gitlabs_messages_are_read_in_all_their_shapes() -> None:
    assert words({"base": ["Reference not found"]}) == "Reference not found"
    assert words({"name": ["is missing", "is short"]}) == "name is missing; is short"
    assert words(["a", {"b": ["c"]}]) == "a; b c"
    assert words([[[[["deep"]]]]]) == ""
