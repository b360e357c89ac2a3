"""What is driven in the GitHub contract server changes it: runs progress, pushes and merges are real."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from parts.practice import Forge, forge, practice_story
from quarterdeck_demo.repos import git
from quarterdeck_demo.story import Story

API, ETL = "/repos/acme/fraud-api", "/repos/acme/etl"
RUNS = f"{API}/actions/runs"


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Forge]:
    async with forge(story) as running:
        yield running
        assert running.server.errors == []


@pytest.fixture
async def own() -> AsyncIterator[Forge]:
    """A forge whose repositories no other test sees."""
    with practice_story() as made:
        async with forge(made) as running:
            yield running
            assert running.server.errors == []


async def get(hub: Forge, path: str, **params: Any) -> Any:
    response = await hub.client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def number(hub: Forge, run_number: int) -> int:
    return next(run.id for run in hub.story.runs if run.number == run_number)


async def test_a_dispatch_is_answered_without_its_run_which_comes_a_moment_later(hub: Forge) -> None:
    path = f"{API}/actions/workflows/deploy-prod.yml/dispatches"
    body = {"ref": "main", "inputs": {"version": "v42", "nonce": "n-77"}}
    before = (await get(hub, RUNS))["total_count"]
    answer = await hub.client.post(path, json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await get(hub, RUNS))["total_count"] == before
    hub.clock.move(2)
    run = (await get(hub, RUNS, event="workflow_dispatch"))["workflow_runs"][0]
    assert (run["display_title"], run["run_number"], run["status"]) == ("deploy-prod v42 n-77", 99, "queued")
    refused = [
        {"inputs": {}}, {"ref": "nowhere"}, {"ref": "main", "inputs": {"odd": 1}},
    ]  # fmt: skip
    assert {(await hub.client.post(path, json=wrong)).status_code for wrong in refused} == {422}
    assert (await hub.client.post(f"{API}/actions/workflows/nothing.yml/dispatches", json=body)).status_code == 404


async def test_a_run_progresses_its_log_grows_and_it_ends(hub: Forge) -> None:
    run = (await get(hub, f"{ETL}/actions/runs"))["workflow_runs"][0]
    assert (run["status"], run["conclusion"]) == ("in_progress", None)
    path = f"{ETL}/actions/runs/{run['id']}/jobs"
    jobs = {job["name"]: job for job in (await get(hub, path))["jobs"]}
    assert (jobs["lint"]["conclusion"], jobs["unit-tests"]["status"]) == ("success", "in_progress")
    assert (jobs["build-image"]["status"], jobs["build-image"]["steps"]) == ("queued", [])
    assert {step["status"] for step in jobs["unit-tests"]["steps"]} == {"completed", "in_progress", "queued"}

    async def log(job: int) -> str:
        response = await hub.client.get(f"{ETL}/actions/jobs/{job}/logs")
        assert response.status_code == 302
        return (await hub.client.get(response.headers["location"])).text

    early = await log(jobs["unit-tests"]["id"])
    assert (await hub.client.get(f"{ETL}/actions/jobs/{jobs['build-image']['id']}/logs")).status_code == 404
    hub.clock.move(60)
    late = await log(jobs["unit-tests"]["id"])
    assert late.startswith(early.rstrip("\n"))
    assert len(late) > len(early)
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z \x1b\[32m?", late)
    hub.clock.move(300)
    ended = await get(hub, f"{ETL}/actions/runs/{run['id']}")
    assert (ended["status"], ended["conclusion"]) == ("completed", "success")
    states = [job["conclusion"] for job in (await get(hub, path))["jobs"]]
    assert states == ["success", "success", "success"]


async def test_the_address_of_a_log_ends(hub: Forge) -> None:
    jobs = (await get(hub, f"{RUNS}/{number(hub, 1841)}/jobs"))["jobs"]
    address = (await hub.client.get(f"{API}/actions/jobs/{jobs[1]['id']}/logs")).headers["location"]
    assert "\x1b[31mFAILED\x1b[0m tests/test_amount.py" in (await hub.client.get(address)).text
    hub.clock.move(61)
    assert (await hub.client.get(address)).status_code == 404


async def test_failed_jobs_run_again_and_the_others_keep_their_result(hub: Forge) -> None:
    path = f"{RUNS}/{number(hub, 1836)}"
    before = {job["name"]: job for job in (await get(hub, f"{path}/jobs"))["jobs"]}
    assert (before["unit-tests"]["conclusion"], before["build-image"]["conclusion"]) == ("failure", "skipped")
    assert (await hub.client.post(f"{path}/rerun-failed-jobs")).status_code == 201
    assert (await hub.client.post(f"{path}/rerun")).status_code == 403
    run = await get(hub, path)
    assert (run["run_attempt"], run["status"]) == (2, "queued")
    hub.clock.move(400)
    after = {job["name"]: job for job in (await get(hub, f"{path}/jobs"))["jobs"]}
    assert {name: job["conclusion"] for name, job in after.items()} == dict.fromkeys(after, "success")
    assert after["lint"]["id"] == before["lint"]["id"]
    assert after["unit-tests"]["id"] != before["unit-tests"]["id"]
    assert (await hub.client.post(f"{path}/rerun-failed-jobs")).status_code == 403
    old = hub.story.runs[-1]
    refused = await hub.client.post(f"/repos/{old.repository}/actions/runs/{old.id}/rerun")
    assert (refused.status_code, "over a month ago" in refused.json()["message"]) == (403, True)


async def test_a_run_is_cancelled_where_it_is(hub: Forge) -> None:
    run = (await get(hub, f"{ETL}/actions/runs"))["workflow_runs"][0]["id"]
    assert (await hub.client.post(f"{ETL}/actions/runs/{run}/cancel")).status_code == 202
    jobs = (await get(hub, f"{ETL}/actions/runs/{run}/jobs"))["jobs"]
    assert [job["conclusion"] for job in jobs] == ["success", "cancelled", "skipped"]
    assert (await get(hub, f"{ETL}/actions/runs/{run}"))["conclusion"] == "cancelled"
    assert (await hub.client.post(f"{ETL}/actions/runs/{run}/cancel")).status_code == 409


@pytest.mark.parametrize(("state", "conclusion"), [("approved", "success"), ("rejected", "failure")])
async def test_a_waiting_run_goes_on_when_it_is_decided(hub: Forge, state: str, conclusion: str) -> None:
    path = f"{RUNS}/{number(hub, 98)}"
    assert (await get(hub, path))["status"] == "waiting"
    pending = await get(hub, f"{path}/pending_deployments")
    body = {"environment_ids": [pending[0]["environment"]["id"]], "state": state, "comment": "seen"}
    assert (await hub.client.post(f"{path}/pending_deployments", json={**body, "state": "maybe"})).status_code == 422
    made = (await get(hub, f"{API}/deployments"))[0]
    assert (await get(hub, f"{API}/deployments/{made['id']}/statuses"))[0]["state"] == "pending"
    assert (await hub.client.post(f"{path}/pending_deployments", json=body)).json()[0]["id"] == made["id"]
    statuses = f"{API}/deployments/{made['id']}/statuses"
    assert (await get(hub, statuses))[0]["state"] == ("queued" if state == "approved" else "failure")
    hub.clock.move(300)
    assert (await get(hub, statuses))[0]["state"] == conclusion
    assert (await get(hub, path))["conclusion"] == conclusion
    said = (await get(hub, f"{path}/approvals"))[0]
    assert (said["state"], said["user"]["login"], said["comment"]) == (state, "oper-a", "seen")
    assert await get(hub, f"{path}/pending_deployments") == []


async def test_a_merge_is_a_merge_in_the_repository_and_starts_a_run(own: Forge) -> None:
    repository = own.story.repositories["acme/fraud-api"]
    first, second = [await get(own, f"{API}/pulls/412") for _ in range(2)]
    assert (first["mergeable"], second["mergeable"], second["mergeable_state"]) == (None, True, "clean")
    head = second["head"]["sha"]
    assert (await own.client.put(f"{API}/pulls/412/merge", json={"sha": "1" * 40})).status_code == 409
    merged = (await own.client.put(f"{API}/pulls/412/merge", json={"sha": head})).json()["sha"]
    git(repository.path, "fetch", "--quiet", "origin")
    assert git(repository.path, "rev-parse", "origin/main").strip() == merged
    parents = git(repository.path, "rev-list", "--parents", "-n1", merged).split()[1:]
    assert parents == [repository.head, head]
    after = await get(own, f"{API}/pulls/412")
    assert (after["state"], after["merged"], after["merged_by"]["login"]) == ("closed", True, "oper-a")
    assert (await own.client.put(f"{API}/pulls/412/merge", json={})).status_code == 405
    run = (await get(own, RUNS, branch="main", event="push"))["workflow_runs"][0]
    assert (run["head_sha"], run["run_number"]) == (merged, 1842)


async def test_conflicts_and_drafts_do_not_merge(hub: Forge) -> None:
    pulls = [await get(hub, f"{API}/pulls/398") for _ in range(2)]
    assert (pulls[1]["mergeable"], pulls[1]["draft"]) == (False, True)
    before = hub.github.state.refs["acme/fraud-api"].branches()["main"]
    assert (await hub.client.put(f"{API}/pulls/398/merge", json={})).status_code == 405
    assert hub.github.state.refs["acme/fraud-api"].branches()["main"] == before


async def test_a_push_to_a_pull_request_moves_its_head_and_starts_a_run(own: Forge) -> None:
    repository = own.story.repositories["acme/fraud-api"]
    git(repository.path, "fetch", "--quiet", "origin", "pull/412/head:review")
    before = git(repository.path, "rev-parse", "review").strip()
    assert before == repository.branches["fix/null-amount"]
    git(repository.path, "checkout", "--quiet", "--force", "review")
    git(repository.path, "commit", "--quiet", "--allow-empty", "--message", "Say why")
    git(repository.path, "push", "--quiet", "origin", "review:fix/null-amount")
    sha = git(repository.path, "rev-parse", "HEAD").strip()
    run = (await get(own, RUNS, event="pull_request"))["workflow_runs"][0]
    assert (run["head_sha"], run["display_title"], run["head_commit"]["message"]) == (sha, "Say why", "Say why")
    assert [pull["number"] for pull in run["pull_requests"]] == [412]
    assert (await get(own, f"{API}/pulls/412"))["head"]["sha"] == sha
    assert sha in git(repository.path, "ls-remote", "origin", "refs/pull/412/head")
    checks = (await get(own, f"{API}/commits/{sha}/check-runs"))["check_runs"]
    assert {check["name"] for check in checks} == {"lint", "unit-tests", "build-image"}


async def test_of_a_concurrency_group_one_run_goes_on_and_only_the_newest_waits(hub: Forge) -> None:
    model = "/repos/acme/fraud-model"
    dispatch = f"{model}/actions/workflows/train.yml/dispatches"
    for _ in range(2):
        assert (await hub.client.post(dispatch, json={"ref": "main"})).status_code == 204
        hub.clock.move(2)
    runs = (await get(hub, f"{model}/actions/runs", event="workflow_dispatch"))["workflow_runs"]
    assert [(run["run_number"], run["status"], run["conclusion"]) for run in runs] == [
        (214, "pending", None), (213, "completed", "cancelled"), (212, "in_progress", None),
    ]  # fmt: skip
    own = (await get(hub, f"{model}/actions/runs/{runs[0]['id']}/concurrency_groups"))["concurrency_groups"][0]
    assert (own["group_name"], own["group_members"][0]["position"]) == ("train-gpu", 1)
    queue = await get(hub, f"{model}/actions/concurrency_groups/train-gpu", ahead_of_run=runs[0]["id"])
    assert [each["status"] for each in queue["group_members"]] == ["in_progress", "pending"]
    hub.clock.move(2000)
    after = (await get(hub, f"{model}/actions/runs/{runs[0]['id']}"))["status"]
    assert after in ("queued", "in_progress")
    assert (await hub.client.get(f"{model}/actions/concurrency_groups/train-gpu")).status_code == 200
    hub.clock.move(4000)
    assert (await hub.client.get(f"{model}/actions/concurrency_groups/train-gpu")).status_code == 404


async def test_the_end_of_a_log_is_given_by_a_range(hub: Forge) -> None:
    jobs = (await get(hub, f"{RUNS}/{number(hub, 1841)}/jobs"))["jobs"]
    address = (await hub.client.get(f"{API}/actions/jobs/{jobs[1]['id']}/logs")).headers["location"]
    whole = (await hub.client.get(address)).content
    part = await hub.client.get(address, headers={"Range": f"bytes={len(whole) - 40}-"})
    assert (part.status_code, part.content) == (206, whole[-40:])
    assert (await hub.client.get(address, headers={"Range": f"bytes={len(whole)}-"})).status_code == 416


async def test_reviews_are_kept_and_not_for_ones_own(hub: Forge) -> None:
    path = f"{API}/pulls/412/reviews"
    assert await get(hub, path) == []
    assert (await hub.client.post(path, json={"event": "APPROVE"})).status_code == 200
    shown = [(review["user"]["login"], review["state"]) for review in await get(hub, path)]
    assert shown == [("oper-a", "APPROVED")]
    assert (await get(hub, f"{API}/pulls/412"))["requested_reviewers"] == []
    assert (await hub.client.post(path, json={"event": "COMMENT"})).status_code == 422
