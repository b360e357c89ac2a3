"""GitLab's practice server is held to the fields of GitLab's documentation, and to its refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from parts.practice import Clock, practice_story
from quarterdeck_adapters.gitlab.graph import QUERY
from quarterdeck_adapters.gitlab.graph import read as graph_read
from quarterdeck_demo.gitlab import GitlabServer
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story

# https://docs.gitlab.com/api/pipelines/#list-project-pipelines and #get-a-single-pipeline
PIPELINE = "id iid project_id status source ref sha name web_url created_at updated_at"
SINGLE = f"{PIPELINE} before_sha tag yaml_errors user started_at finished_at committed_at duration queued_duration \
coverage detailed_status"
# https://docs.gitlab.com/api/jobs/#list-pipeline-jobs and #list-pipeline-trigger-jobs
JOB = "commit coverage allow_failure created_at started_at finished_at duration queued_duration artifacts_expire_at \
tag_list id name pipeline ref artifacts runner stage status tag web_url project user"
BRIDGE = "commit coverage allow_failure created_at started_at finished_at duration queued_duration id name pipeline \
ref stage status tag web_url project user downstream_pipeline"
# https://docs.gitlab.com/api/deployments/#get-a-specific-deployment
DEPLOYMENT = "id iid ref sha created_at updated_at status user environment deployable pending_approval_count approvals"
RULE = "user_id group_id access_level access_level_description required_approvals deployment_approvals"
# https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests
MERGE = "id iid project_id title description state merged_by merge_user merged_at created_at updated_at target_branch \
source_branch upvotes downvotes author assignee assignees reviewers source_project_id target_project_id labels draft \
milestone merge_when_pipeline_succeeds merge_status detailed_merge_status sha merge_commit_sha squash_commit_sha \
user_notes_count discussion_locked should_remove_source_branch force_remove_source_branch web_url references squash"
STATUSES = {"created", "waiting_for_resource", "preparing", "pending", "running", "success", "failed", "canceling",
            "canceled", "skipped", "manual", "scheduled"}  # fmt: skip
ROOT = "/api/v4/projects/31"


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
def gitlab(story: Story) -> GitlabServer:
    return GitlabServer(story, Clock(story.now))


async def ask(server: GitlabServer, path: str, method: str = "GET", *, token: str = "", **query: str) -> Response:
    headers = {"host": "gitlab.example", "private-token": token or server.token}
    return await server.handler(Request(method, path, {key: [value] for key, value in query.items()}, headers, b""))


async def read(server: GitlabServer, path: str, **query: str) -> Any:
    response = await ask(server, path, **query)
    assert response.status == 200
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def lacks(payload: Any, fields: str) -> set[str]:
    return set(fields.split()) - set(payload)


async def test_payloads_have_the_documented_fields(gitlab: GitlabServer) -> None:
    pipelines = await read(gitlab, f"{ROOT}/pipelines", per_page="100")
    assert len(pipelines) == 100
    assert {row["status"] for row in pipelines} <= STATUSES
    assert {"failed", "running", "pending", "manual", "success"} <= {row["status"] for row in pipelines}
    assert not any(lacks(row, PIPELINE) for row in pipelines)
    assert "parent_pipeline" not in {row["source"] for row in pipelines}
    children = await read(gitlab, f"{ROOT}/pipelines", source="parent_pipeline")
    assert {row["source"] for row in children} == {"parent_pipeline"}
    waits = next(row["id"] for row in pipelines if row["status"] == "manual")
    assert not lacks(await read(gitlab, f"{ROOT}/pipelines/{waits}"), SINGLE)
    jobs = await read(gitlab, f"{ROOT}/pipelines/{waits}/jobs")
    assert not any(lacks(job, JOB) for job in jobs)
    assert [job["id"] for job in jobs] == sorted((job["id"] for job in jobs), reverse=True)
    assert not lacks((await read(gitlab, f"{ROOT}/pipelines/{waits}/bridges"))[0], BRIDGE)
    blocked = (await read(gitlab, f"{ROOT}/deployments", status="blocked"))[0]
    assert not lacks(blocked, DEPLOYMENT)
    whole = await read(gitlab, f"{ROOT}/deployments/{blocked['id']}")
    assert not lacks(whole["approval_summary"]["rules"][0], RULE)
    assert not any(lacks(merge, MERGE) for merge in await read(gitlab, f"{ROOT}/merge_requests", state="opened"))


async def test_retried_jobs_are_left_out_unless_they_are_asked_for(gitlab: GitlabServer) -> None:
    state = gitlab.state
    live = next(p for p in state.listed(state.projects[31]) if p.plan.retried)
    path = f"{ROOT}/pipelines/{live.id}/jobs"
    assert len(await read(gitlab, path, include_retried="true")) == len(await read(gitlab, path)) + 1


async def test_pages_name_their_neighbours_and_keysets_only_the_next(gitlab: GitlabServer) -> None:
    paged = await ask(gitlab, f"{ROOT}/pipelines", per_page="50", page="2")
    assert paged.headers["X-Next-Page"] == "3"
    assert 'page=1>; rel="prev"' in paged.headers["Link"]
    first = await ask(gitlab, f"{ROOT}/jobs", pagination="keyset", per_page="50")
    assert "X-Total" not in first.headers
    assert first.headers["Link"].endswith('rel="next"')


async def test_who_may_not_is_refused_in_gitlabs_words(gitlab: GitlabServer) -> None:
    for token, path, method, status, words in (
        ("glpat-nobody", ROOT, "GET", 401, "401 Unauthorized"),
        (gitlab.reader_token, f"{ROOT}/pipeline", "POST", 403, "insufficient_scope"),
        ("", "/api/v4/projects/acme%2Fnone", "GET", 404, "404 Project Not Found"),
        ("", f"{ROOT}/pipelines/1", "GET", 404, "404 Not found"),
        ("", f"{ROOT}/pipeline", "POST", 400, "ref is missing"),
    ):
        response = await ask(gitlab, path, method, token=token)
        assert isinstance(response.body, bytes)
        assert (response.status, words in response.body.decode()) == (status, True)
    gitlab.state.limit = 6
    answers = [await ask(gitlab, ROOT) for _ in range(8)]
    assert {answer.status for answer in answers} == {200, 429}
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].headers["RateLimit-Remaining"] == "0"


async def test_graphql_tells_of_many_pipelines_and_refuses_what_it_has_not(gitlab: GitlabServer) -> None:
    async def query(text: str, **variables: object) -> Any:
        body = json.dumps({"query": text, "variables": variables}).encode()
        headers = {"host": "h", "private-token": gitlab.reader_token}
        response = await gitlab.handler(Request("POST", "/api/graphql", {}, headers, body))
        assert response.status == 200
        assert isinstance(response.body, bytes)
        return json.loads(response.body)

    found = await query(QUERY, path="acme/etl", first=3)
    nodes = found["data"]["project"]["pipelines"]["nodes"]
    rest = await read(gitlab, f"{ROOT}/pipelines", per_page="3")
    assert [node["id"] for node in nodes] == [f"gid://gitlab/Ci::Pipeline/{row['id']}" for row in rest]
    single = await read(gitlab, f"{ROOT}/pipelines/{rest[2]['id']}")
    assert graph_read(found)[single["id"]]["duration"] == single["duration"]
    assert (await query(QUERY, path="acme/none", first=3)) == {"data": {"project": None}}
    wrong = await query('{ project(fullPath: "acme/etl") { pipelines { nodes { colour } } } }')
    assert wrong["errors"][0]["message"] == "Field 'colour' doesn't exist on type 'Pipeline'"
    assert "errors" in await query("mutation { x }")
    assert "errors" in await query('{ project(fullPath: "acme/etl") { pipelines {')


async def test_what_did_not_change_is_a_304_that_is_charged(gitlab: GitlabServer) -> None:
    first = await ask(gitlab, ROOT)
    headers = {"host": "h", "private-token": gitlab.token, "if-none-match": first.headers["ETag"]}
    again = await gitlab.handler(Request("GET", ROOT, {}, headers, b""))
    assert again.status == 304
    assert int(again.headers["RateLimit-Observed"]) == int(first.headers["RateLimit-Observed"]) + 1
