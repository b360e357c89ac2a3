"""Payloads to records, with the examples of GitHub's documentation; and what is not as documented."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.ci.sections import trouble_order
from quarterdeck_adapters.ci.values import epoch
from quarterdeck_adapters.github import mapping, places, pull_mapping
from quarterdeck_adapters.github.dispatch import Sent, Wanted, fitting
from quarterdeck_adapters.github.mapping import Home, Spot
from quarterdeck_adapters.github.pull_mapping import PullFacts, Reviews
from quarterdeck_adapters.github.workflow_file import check_inputs, declared
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.records import Ref, Status

HOME = Home("gh", "", "github.com", "octo-org/octo-repo")

# https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28#get-a-workflow-run
RUN: dict[str, Any] = {
    "id": 30433642, "name": "Build", "head_branch": "main",
    "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d", "path": ".github/workflows/build.yml@main",
    "run_number": 562, "event": "push", "display_title": "Update README.md", "status": "queued", "conclusion": None,
    "workflow_id": 159038, "html_url": "https://github.com/octo-org/octo-repo/actions/runs/30433642",
    "pull_requests": [], "created_at": "2020-01-22T19:33:08Z", "updated_at": "2020-01-22T19:33:08Z",
    "actor": {"login": "octocat", "id": 1}, "run_attempt": 1, "run_started_at": "2020-01-22T19:33:08Z",
    "triggering_actor": {"login": "hubot", "id": 2},
}  # fmt: skip

# https://docs.github.com/en/rest/actions/workflow-jobs?apiVersion=2022-11-28#get-a-job-for-a-workflow-run
JOB: dict[str, Any] = {
    "id": 399444496, "run_id": 29679449, "head_sha": "f83a356604ae3c5d03e1b46ef4d1ca77d64a90b0",
    "html_url": "https://github.com/octo-org/octo-repo/runs/29679449/jobs/399444496",
    "status": "completed", "conclusion": "success", "started_at": "2020-01-20T17:42:40Z",
    "completed_at": "2020-01-20T17:44:39Z", "name": "build",
    "steps": [
        {"name": "Set up job", "status": "completed", "conclusion": "success", "number": 1,
         "started_at": "2020-01-20T09:42:40.000-08:00", "completed_at": "2020-01-20T09:42:41.000-08:00"},
        {"name": "Run actions/checkout@v2", "status": "completed", "conclusion": "success", "number": 2,
         "started_at": "2020-01-20T09:42:41.000-08:00", "completed_at": "2020-01-20T09:42:45.000-08:00"},
    ],
    "labels": ["self-hosted", "foo", "bar"], "runner_id": 1, "runner_name": "my runner",
}  # fmt: skip

# https://docs.github.com/en/rest/pulls/pulls?apiVersion=2022-11-28#get-a-pull-request
PULL: dict[str, Any] = {
    "id": 1, "number": 1347, "state": "open", "title": "Amazing new feature", "user": {"login": "octocat"},
    "body": "Please pull these awesome changes in!", "html_url": "https://github.com/octocat/Hello-World/pull/1347",
    "created_at": "2011-01-26T19:01:12Z", "updated_at": "2011-01-26T19:01:12Z", "merged_at": None, "draft": False,
    "requested_reviewers": [{"login": "other_user"}], "requested_teams": [{"slug": "justice-league"}],
    "head": {"label": "octocat:new-topic", "ref": "new-topic", "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e"},
    "base": {"label": "octocat:master", "ref": "master", "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e"},
}  # fmt: skip

# https://docs.github.com/en/rest/checks/runs?apiVersion=2022-11-28#list-check-runs-for-a-git-reference
CHECK: dict[str, Any] = {
    "id": 4, "head_sha": "ce587453ced02b1526dfb4cb910479d431683101", "details_url": "https://example.com",
    "html_url": "https://github.com/github/hello-world/runs/4", "status": "completed", "conclusion": "neutral",
    "started_at": "2018-05-04T01:14:52Z", "completed_at": "2018-05-04T01:14:52Z", "name": "mighty_readme",
    "output": {"title": "Mighty Readme report", "summary": "There are 0 failures", "text": ""},
    "app": {"name": "Octocat App"},
}  # fmt: skip

# https://docs.github.com/en/rest/commits/statuses?apiVersion=2022-11-28
STATUS = {"id": 1, "state": "success", "description": "Build has completed successfully",
          "target_url": "https://ci.example.com/1000/output", "context": "continuous-integration/jenkins",
          "updated_at": "2012-07-20T01:19:13Z"}  # fmt: skip


def test_a_run_as_documented() -> None:
    row = mapping.run_record(RUN, HOME)
    assert (row.name, row.number, row.workflow, row.attempt) == ("octo-repo Build #562", "562", "Build", 1)
    assert (row.state, row.status, row.actor, row.event) == ("queued", Status.QUEUED, "hubot", "push")
    assert (row.started_at, row.finished_at, row.duration_s) == (epoch("2020-01-22T19:33:08Z"), None, None)
    assert row.ref == Ref("gh", "run", "octo-org/octo-repo/30433642")
    assert Ref.parse(str(row.ref)) == row.ref


@pytest.mark.parametrize(
    ("status", "conclusion", "state", "shown"),
    [
        ("queued", None, "queued", Status.QUEUED), ("requested", None, "queued", Status.QUEUED),
        ("pending", None, "queued", Status.QUEUED), ("in_progress", None, "running", Status.RUNNING),
        ("waiting", None, "waiting", Status.WAITING), ("completed", "success", "success", Status.OK),
        ("completed", "failure", "failure", Status.BAD), ("completed", "timed_out", "timed out", Status.BAD),
        ("completed", "startup_failure", "startup failure", Status.BAD),
        ("completed", "cancelled", "cancelled", Status.IDLE), ("completed", "skipped", "skipped", Status.IDLE),
        ("completed", "neutral", "neutral", Status.IDLE), ("completed", "stale", "stale", Status.IDLE),
        ("completed", "action_required", "action required", Status.WAITING),
        ("completed", None, "completed", Status.UNKNOWN), ("new_word", None, "new word", Status.UNKNOWN),
        (None, 7, "unknown", Status.UNKNOWN),
    ],
)  # fmt: skip
def test_states(status: Any, conclusion: Any, state: str, shown: Status) -> None:
    row = mapping.run_record({**RUN, "status": status, "conclusion": conclusion}, HOME)
    assert (row.state, row.status) == (state, shown)


def test_the_median_is_of_earlier_good_runs_of_the_same_workflow() -> None:
    def run(id: int, seconds: int, **more: Any) -> dict[str, Any]:
        end = f"2020-01-22T19:{33 + seconds // 60:02}:{8 + seconds % 60:02}Z"
        return {**RUN, "id": id, "status": "completed", "conclusion": "success", "updated_at": end, **more}

    others = [run(2, 999, conclusion="failure"), run(1, 49, workflow_id=1)]
    runs = [run(9, 50), run(5, 10), run(4, 30), run(3, 20), *others]
    assert mapping.median_before(runs[1], runs) == 25
    assert mapping.median_before(runs[0], runs) == 20
    assert mapping.median_before(runs[3], runs) is None


def test_a_job_as_documented_and_where_a_run_stands() -> None:
    row = mapping.job_record(JOB, HOME, 29679449)
    assert row.ref.id == "octo-org/octo-repo/29679449/399444496"
    assert (row.started_at, row.finished_at, row.runner) == (1579542160.0, 1579542279.0, "my runner")
    assert row.steps[1] == ("Run actions/checkout@v2", "success", "ok", 4.0)
    step = {"name": "Run tests", "status": "completed", "conclusion": "failure"}
    bad = {**JOB, "name": "test", "conclusion": "failure", "steps": [*JOB["steps"], step]}
    moving = {**JOB, "status": "in_progress", "conclusion": None, "steps": [{"name": "x", "status": "in_progress"}]}
    queued = {**JOB, "status": "queued", "conclusion": None, "steps": []}
    assert mapping.spot_of([JOB, bad]) == Spot("test / Run tests", "test / Run tests")
    assert mapping.spot_of([JOB, bad, bad]).note == "test / Run tests +1 more"
    assert mapping.spot_of([moving, bad]) == Spot("build / x", "test / Run tests")
    assert mapping.spot_of([moving, moving]).where == "build / x +1 more"
    assert mapping.spot_of([queued]).where == "build waits for a runner (self-hosted, foo, bar)"
    assert mapping.spot_of([JOB]) == Spot()
    order = [mapping.job_record(each, HOME, 1) for each in (JOB, queued, moving, bad)]
    assert [job.status for job in sorted(order, key=trouble_order)] == [
        Status.BAD, Status.RUNNING, Status.QUEUED, Status.OK,
    ]  # fmt: skip


def test_who_may_approve() -> None:
    # https://docs.github.com/en/rest/actions/workflow-runs#get-pending-deployments-for-a-workflow-run
    people = [{"type": "User", "reviewer": {"login": "octocat"}}]
    teams = [{"type": "Team", "reviewer": {"name": "Justice League"}}]
    pending = {"environment": {"id": 161088068, "name": "staging"}, "reviewers": people + teams}
    assert mapping.approval_note([pending]) == "approval: staging by octocat or Justice League"
    assert mapping.approval_note([]) == ""


def test_checks_are_counted_with_the_statuses_of_other_systems() -> None:
    failed = {**CHECK, "id": 5, "conclusion": "timed_out", "name": "slow"}
    running = {**CHECK, "id": 6, "status": "in_progress", "conclusion": None}
    queued = {**CHECK, "id": 7, "status": "queued", "conclusion": None}
    checks = pull_mapping.count([CHECK, failed, running, queued], [STATUS, {"state": "error", "context": "ci/x"}])
    assert checks.counts == {"passed": 2, "failed": 2, "running": 1, "waiting": 1}
    assert checks.failed == ("slow", "ci/x")
    assert not checks.settled
    assert pull_mapping.count([CHECK], [STATUS]).settled


def test_what_reviewers_say_together() -> None:
    def review(who: str, state: str, sha: str = "a") -> dict[str, Any]:
        return {"user": {"login": who}, "state": state, "commit_id": sha}

    say = pull_mapping.reviewed
    assert say([], PULL) == Reviews("review required", ("other_user", "justice-league"))
    assert say([], {**PULL, "requested_reviewers": [], "requested_teams": []}) == Reviews("")
    assert say([review("a", "APPROVED"), review("a", "COMMENTED")], PULL) == Reviews("approved", ("a",), "a")
    assert say([review("a", "CHANGES_REQUESTED"), review("b", "APPROVED")], PULL).state == "changes requested"
    assert say([review("a", "CHANGES_REQUESTED"), review("a", "APPROVED")], PULL).state == "approved"
    assert say([review("a", "APPROVED"), review("a", "DISMISSED")], PULL).state == "review required"
    assert say([{"user": None, "state": "APPROVED"}], PULL).state == "review required"


def test_a_pull_request_says_what_matters_most() -> None:
    def row(*, reviews: Reviews | None = None, viewer: str = "", mergeable: str = "clean", **more: Any) -> Any:
        checks = pull_mapping.count(more.pop("checks", [CHECK]), [])
        return pull_mapping.pull_record({**PULL, **more}, HOME, PullFacts(checks, reviews, mergeable), viewer)

    failed = {**CHECK, "conclusion": "failure"}
    running = {**CHECK, "status": "in_progress", "conclusion": None}
    asked = Reviews("review required", ("other_user",))
    assert row(checks=[failed, running]).status is Status.BAD
    conflicts = row(mergeable="conflicts")
    assert (conflicts.status, conflicts.note) == (Status.LOOK, "conflicts with master")
    assert row(reviews=Reviews("changes requested", ("a",)), checks=[running]).note == "changes requested by a"
    assert row(checks=[running]).status is Status.RUNNING
    assert row(draft=True).status is Status.IDLE
    assert row(reviews=Reviews("approved", ("a",), PULL["head"]["sha"])).status is Status.OK
    assert row(reviews=Reviews("approved", ("a",), "old")).note == "approved before the last push"
    assert (row(reviews=asked, viewer="other_user").status, row(reviews=asked).status) == (Status.LOOK, Status.IDLE)
    assert pull_mapping.pull_record(PULL, HOME, PullFacts(), "").status is Status.UNKNOWN


def test_checks_of_other_systems_are_rows_without_a_log() -> None:
    row = pull_mapping.check_record(CHECK, HOME)
    assert (row.ref.id, row.run, row.note) == ("octo-org/octo-repo/check-4", "", "Octocat App · Mighty Readme report")
    assert places.place_of(row.ref, [HOME.slug]) is None
    posted = pull_mapping.status_record(STATUS, HOME)
    assert (posted.name, posted.state, posted.status) == ("continuous-integration/jenkins", "success", Status.OK)
    page = "https://github.com/octo-org/octo-repo/actions/runs/12/job/34"
    assert pull_mapping.check_record({**CHECK, "details_url": page}, HOME).ref.id == "octo-org/octo-repo/12/34"
    other = page.replace("octo-repo", "else")
    assert pull_mapping.check_record({**CHECK, "details_url": other}, HOME).run == ""


def test_fields_of_other_types_count_as_absent() -> None:
    for wrong in (None, 7, "x", [], {}, [None], {"login": []}):
        run = mapping.run_record(dict.fromkeys(RUN, wrong), HOME)
        assert run.attempt in (1, 7)
        pull_mapping.pull_record(dict.fromkeys(PULL, wrong), HOME, PullFacts(), "")
        mapping.job_record(dict.fromkeys(JOB, wrong), HOME, 1)
        pull_mapping.check_record(dict.fromkeys(CHECK, wrong), HOME)
        pull_mapping.status_record(dict.fromkeys(STATUS, wrong), HOME)


def test_addresses_and_names() -> None:
    assert places.api_address(None) == places.api_address("https://github.com/") == "https://api.github.com"
    assert places.api_address("https://ghe.acme.example/api/v3/") == "https://ghe.acme.example/api/v3"
    assert places.web_host("https://api.github.com") == "github.com"
    assert places.web_host("https://api.acme.ghe.com") == "acme.ghe.com"
    assert places.web_host("https://ghe.acme.example/api/v3") == "ghe.acme.example"
    assert places.slugs(["a/b", "A/B", "a/b.git", "x", "a/..", "a/b/c", "-a/b"]) == (
        ["a/b"], ["x", "a/..", "a/b/c", "-a/b"],
    )  # fmt: skip


def test_a_dispatch_is_told_by_what_is_new_ours_and_named() -> None:
    wanted = Wanted(1, "sha", "main", "", "k")
    sent = Sent(frozenset({5}), epoch("2020-01-22T19:33:00Z") or 0)
    base = {**RUN, "event": "workflow_dispatch", "actor": {"login": "me"}}
    ours = {**base, "id": 6, "display_title": "deploy n-1"}
    others = [
        {**base, "id": 5}, {**base, "id": 7, "event": "push"}, {**base, "id": 8, "head_branch": "x"},
        {**base, "id": 9, "created_at": "2020-01-22T19:00:00Z"}, {**base, "id": 10, "actor": {"login": "you"}},
    ]  # fmt: skip
    assert fitting([*others, ours], wanted, sent, "me") == [ours]
    twin = {**base, "id": 11, "display_title": "deploy n-2"}
    assert fitting([ours, twin], wanted, sent, "me") == [ours, twin]
    assert fitting([ours, twin], wanted._replace(nonce="n-1"), sent, "me") == [ours]
    assert fitting([ours, twin], wanted._replace(nonce="n-3"), sent, "") == [ours, twin]


def test_inputs_and_the_file_that_declares_them() -> None:
    def read(text: str) -> Any:
        return declared({"content": base64.encodebytes(text.encode()).decode()})

    assert inputs.parse("a=1 b='x y' c=", "gh") == {"a": "1", "b": "x y", "c": ""}
    for wrong in ("a", "=1", "a='"):
        with pytest.raises(Refused):
            inputs.parse(wrong, "gh")
    takes = read("on:\n  workflow_dispatch:\n    inputs:\n      env: {type: choice, options: [dev, prod]}\n")
    assert (takes.known, takes.dispatch, list(takes.inputs)) == (True, True, ["env"])
    with pytest.raises(Refused, match="env is one of dev, prod"):
        check_inputs({"env": "x"}, takes, "gh")
    check_inputs({"env": "dev"}, takes, "gh")
    assert read("on: workflow_dispatch").dispatch
    assert not read("on: [push, pull_request]").dispatch
    for unreadable in ("", "a: [", "- 1", "!!python/object:os.system {}", "on: 7", "x" * 300_000):
        assert not read(unreadable).known
    assert not declared({"content": 7}).known
