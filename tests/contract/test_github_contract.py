"""Every answer of the GitHub contract server, held to GitHub's published OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from parts.openapi import Description
from parts.practice import Forge, forge, practice_story

GITHUB = Description(Path(__file__).parent / "github_openapi.json")
API, MODEL, DASHBOARDS = "/repos/acme/fraud-api", "/repos/acme/fraud-model", "/repos/acme/dashboards"


async def held(response: httpx.Response) -> None:
    """Fail on an answer that is not as described."""
    await response.aread()
    request = response.request
    content_type = response.headers.get("content-type", "")
    found = GITHUB.faults(request.method, request.url.path, response.status_code, content_type, response.content)
    assert not found, "\n".join(found[:12])


@pytest.fixture
async def hub() -> AsyncIterator[Forge]:
    with practice_story() as story:
        async with forge(story) as running:
            running.client.event_hooks["response"].append(held)
            yield running
            assert running.server.errors == []


async def test_every_read_is_as_described(hub: Forge) -> None:
    story = hub.story
    waiting = next(run for run in story.runs if run.title == "deploy-prod v42")
    failed = next(run for run in story.runs if run.number == 1841)
    job = (await hub.client.get(f"{API}/actions/runs/{failed.id}/jobs")).json()["jobs"][1]["id"]
    paths = [
        "/user", "/user/repos", "/rate_limit", API, MODEL, f"{API}/branches", f"{API}/commits", f"{API}/commits/main",
        f"{API}/commits/v42/check-runs", f"{API}/commits/v42/status", f"{API}/commits/main/status",
        f"{API}/pulls?state=all", f"{API}/pulls/412", f"{API}/pulls/412/files", f"{API}/pulls/409/commits",
        f"{API}/pulls/405/reviews", f"{API}/pulls/398", f"{API}/actions/workflows", f"{API}/actions/workflows/ci.yml",
        f"{API}/actions/workflows/7101/runs", f"{API}/actions/runs?per_page=100", f"{MODEL}/actions/runs",
        "/repos/acme/etl/actions/runs", f"{API}/actions/runs/{waiting.id}/pending_deployments",
        f"{API}/actions/runs/{waiting.id}", f"{API}/actions/runs/{waiting.id}/jobs", f"{API}/actions/jobs/{job}",
        f"{API}/actions/jobs/{job}/logs", f"{API}/deployments", f"{API}/environments", f"{API}/releases",
        f"{API}/environments/prod", f"{API}/deployments/{waiting.id * 100 + 11}", f"{API}/deployments/611/statuses",
        f"{API}/deployments/{waiting.id * 100 + 11}/statuses", f"{API}/actions/runs/9900097/approvals",
        f"{API}/actions/runs/{failed.id - 1}/artifacts", f"{API}/actions/runs/{failed.id}/attempts/1/jobs",
        f"{MODEL}/actions/runs/9900212/concurrency_groups", f"{MODEL}/actions/concurrency_groups/train-gpu",
        f"{API}/contents/README.md",
    ]  # fmt: skip
    for path in paths:
        response = await hub.client.get(path)
        assert response.status_code in (200, 302), (path, response.text)
        if response.status_code == 200 and path not in ("/user", "/rate_limit"):
            document = response.json()
            rows = document if isinstance(document, list) else next(
                (value for value in document.values() if isinstance(value, list) and value), [document]
            )  # fmt: skip
            assert rows, f"{path} shows nothing: its rows were not held to the description"


async def test_errors_are_as_described(hub: Forge) -> None:
    missing = [("GET", "/repos/acme/nothing"), ("GET", f"{API}/pulls/9"), ("GET", f"{API}/commits/nothing")]
    statuses = [(await hub.client.request(method, path)).status_code for method, path in missing]
    assert statuses == [404, 404, 422]
    assert (await hub.client.get(f"{API}/pulls", params={"state": "odd"})).status_code == 422
    assert (await hub.client.put(f"{API}/pulls/398/merge", json={})).status_code == 405
    stale = await hub.client.put(f"{API}/pulls/412/merge", json={"sha": "0" * 40})
    assert (stale.status_code, "modified" in stale.json()["message"]) == (409, True)
    own = await hub.client.post(f"{API}/pulls/412/reviews", json={"event": "COMMENT"})
    assert own.status_code == 422
    bad = await hub.client.get("/user", headers={"Authorization": "Bearer nothing"})
    assert (bad.status_code, bad.json()["message"]) == (401, "Bad credentials")


async def test_every_write_is_as_described_and_done(hub: Forge) -> None:
    client, runs = hub.client, f"{API}/actions/runs"
    review = await client.post(f"{API}/pulls/412/reviews", json={"event": "APPROVE", "body": "good"})
    assert review.json()["state"] == "APPROVED"
    head = (await client.get(f"{API}/pulls/412")).json()["head"]["sha"]
    merged = await client.put(f"{API}/pulls/412/merge", json={"sha": head, "merge_method": "squash"})
    assert merged.json()["merged"] is True
    assert (await client.get(f"{API}/pulls/412")).json()["state"] == "closed"
    assert (await client.get(f"{API}/branches")).json()[0]["name"] == "cache-scores"
    newest = (await client.get(runs, params={"branch": "main", "per_page": 1})).json()["workflow_runs"][0]
    assert newest["head_sha"] == merged.json()["sha"]
    waiting = next(run for run in hub.story.runs if run.title == "deploy-prod v42")
    gate = (await client.get(f"{runs}/{waiting.id}/pending_deployments")).json()[0]["environment"]["id"]
    body = {"environment_ids": [gate], "state": "approved", "comment": "go"}
    assert (await client.post(f"{runs}/{waiting.id}/pending_deployments", json=body)).status_code == 200
    hub.clock.move(1000)
    assert (await client.get(f"{runs}/{waiting.id}")).json()["conclusion"] == "success"
    failed = next(run for run in hub.story.runs if run.number == 1841)
    assert (await client.post(f"{runs}/{failed.id}/rerun-failed-jobs")).status_code == 201
    assert (await client.post(f"{runs}/{failed.id}/cancel")).status_code == 202
    assert (await client.post(f"{runs}/{failed.id}/cancel")).status_code == 409
    assert (await client.post(f"{runs}/{failed.id}/rerun")).status_code == 201
    assert (await client.post(f"{runs}/{failed.id}/force-cancel")).status_code == 202
    job = (await client.get(f"{runs}/{failed.id}/jobs")).json()["jobs"][0]
    assert (await client.post(f"{API}/actions/jobs/{job['id']}/rerun")).status_code == 201
    dispatch = f"{API}/actions/workflows/deploy-prod.yml/dispatches"
    assert (await client.post(dispatch, json={"ref": "main"})).status_code == 204
    named = await client.post(dispatch, json={"ref": "main", "return_run_details": True})
    assert (await client.get(f"{runs}/{named.json()['workflow_run_id']}")).status_code == 200


def test_the_description_catches_what_is_wrong() -> None:
    user = {"login": "x"}
    assert any("id is missing" in fault for fault in GITHUB.check(user, GITHUB.schema("simple-user"), "$"))
    job = json.dumps({"total_count": "1", "jobs": [{"status": "done"}]}).encode()
    faults = GITHUB.faults("GET", f"{API}/actions/runs/1/jobs", 200, "application/json", job)
    assert any("str where integer" in fault for fault in faults)
    assert any("'done' is none of" in fault for fault in faults)
    assert GITHUB.faults("GET", "/nothing", 200, "application/json", b"{}") == [
        "GET /nothing is not in the description"
    ]
