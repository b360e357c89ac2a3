"""Paging, ETags, tokens and limits of the GitHub contract server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from parts.practice import Forge, forge, practice_story
from quarterdeck_demo.github.gate import WRITES_PER_MINUTE
from quarterdeck_demo.story import Story

API = "/repos/acme/fraud-api"
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


def used(response: httpx.Response) -> int:
    return int(response.headers["x-ratelimit-used"])


async def test_links_lead_through_every_page_once(hub: Forge) -> None:
    address: str | None = f"{RUNS}?per_page=25&event=push"
    ids: list[int] = []
    pages = 0
    while address and pages < 20:
        response = await hub.client.get(address)
        ids += [run["id"] for run in response.json()["workflow_runs"]]
        address = response.links.get("next", {}).get("url")
        pages += 1
    total = response.json()["total_count"]
    assert (len(ids), len(set(ids)), pages) == (total, total, -(-total // 25))
    assert total > 50
    assert set(response.links) == {"prev", "first"}


async def test_a_page_holds_thirty_and_at_most_a_hundred(hub: Forge) -> None:
    sizes = [len((await hub.client.get(RUNS, params=more)).json()["workflow_runs"]) for more in (
        {}, {"per_page": 1000}, {"per_page": 1}, {"page": 99},
    )]  # fmt: skip
    total = (await hub.client.get(RUNS)).json()["total_count"]
    assert sizes == [30, min(100, total), 1, 0]


async def test_filters_choose_runs(hub: Forge) -> None:
    async def shown(**params: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = (await hub.client.get(RUNS, params=params)).json()["workflow_runs"]
        return found

    assert {run["conclusion"] for run in await shown(status="failure")} == {"failure"}
    assert [run["display_title"] for run in await shown(status="waiting")] == ["deploy-prod v42"]
    assert {run["head_branch"] for run in await shown(branch="fix/null-amount")} == {"fix/null-amount"}
    release = hub.story.releases["fraud-api"][-1]
    built = await shown(head_sha=release.sha, event="push")
    assert [(run["id"], run["run_number"]) for run in built] == [(release.run_id, release.run_number)]
    assert await shown(created=">=2030-01-01") == []
    assert (await hub.client.get(RUNS, params={"created": ">=soon"})).status_code == 422


async def test_what_has_not_changed_is_free_with_a_token(hub: Forge) -> None:
    runs = "/repos/acme/etl/actions/runs"
    first = await hub.client.get(runs)
    known = {"If-None-Match": first.headers["etag"]}
    second = await hub.client.get(runs, headers=known)
    assert (second.status_code, second.content, used(second)) == (304, b"", used(first))
    # The job that runs ends, which changes the answer and so its tag.
    hub.clock.move(60)
    third = await hub.client.get(runs, headers=known)
    assert (third.status_code, used(third)) == (200, used(first) + 1)


async def test_what_has_not_changed_costs_the_anonymous(hub: Forge) -> None:
    nobody = {"Authorization": ""}
    first = await hub.client.get("/repos/acme/dashboards", headers=nobody)
    again = {**nobody, "If-None-Match": first.headers["etag"]}
    second = await hub.client.get("/repos/acme/dashboards", headers=again)
    assert (second.status_code, first.headers["x-ratelimit-limit"]) == (304, "60")
    assert used(second) == used(first) + 1


async def test_the_limit_ends_with_the_hour(hub: Forge) -> None:
    token = hub.github.state.token
    first = await hub.client.get("/rate_limit")
    core = first.json()["resources"]["core"]
    assert core == {"limit": 5000, "used": 1450, "remaining": 3550, "reset": int(hub.clock.now) + 3600}
    token.used = token.limit - 1
    assert (await hub.client.get(API)).headers["x-ratelimit-remaining"] == "0"
    spent = await hub.client.get(API)
    assert (spent.status_code, "rate limit exceeded" in spent.json()["message"]) == (403, True)
    assert (await hub.client.get("/rate_limit")).status_code == 200
    hub.clock.move(3600)
    assert (await hub.client.get(API)).headers["x-ratelimit-remaining"] == "4999"


async def test_writing_too_fast_meets_the_secondary_limit(hub: Forge) -> None:
    path = f"{API}/actions/runs/1/cancel"
    statuses = {(await hub.client.post(path)).status_code for _ in range(WRITES_PER_MINUTE)}
    slow = await hub.client.post(path)
    assert statuses == {404}
    assert (slow.status_code, slow.headers["retry-after"]) == (403, "61")
    assert "secondary rate limit" in slow.json()["message"]
    hub.clock.move(61)
    assert (await hub.client.post(path)).status_code == 404


async def test_tokens_decide_what_is_seen_and_done(hub: Forge) -> None:
    get, post = hub.client.get, hub.client.post
    wrong = await get(API, headers={"Authorization": "Bearer ghp_wrong"})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Bad credentials")
    nobody = {"Authorization": ""}
    seen = [(await get(path, headers=nobody)).status_code for path in (API, "/repos/acme/dashboards", "/user")]
    assert seen == [404, 200, 401]
    assert (await post(f"{API}/pulls/412/reviews", headers=nobody)).status_code == 401
    reader = {"Authorization": f"Bearer {hub.github.reader_token}"}
    assert (await get(API, headers=reader)).status_code == 200
    refused = await post(f"{API}/pulls/412/reviews", headers=reader, json={"event": "APPROVE"})
    assert (refused.status_code, refused.headers["x-accepted-github-permissions"]) == (403, "actions=write")


async def test_odd_callers_are_refused(hub: Forge) -> None:
    assert (await hub.client.get(API, headers={"User-Agent": ""})).status_code == 403
    assert (await hub.client.get(API, headers={"X-GitHub-Api-Version": "2001-01-01"})).status_code == 400
    assert (await hub.client.post(f"{API}/pulls/412/reviews", content=b"{")).status_code == 400
