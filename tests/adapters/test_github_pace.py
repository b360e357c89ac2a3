"""The rate budget: what is counted, what a 304 costs, and how the pace follows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.ghrig import API, Rig, rig
from parts.practice import practice_story
from quarterdeck_adapters.ci import pacing
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Budget
from quarterdeck_lifecycle.records import Ref, Status

BUDGET = Budget(remaining=1000, limit=5000, reset_at=3600.0)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


def run(status: Status, at: float = 0.0) -> Run:
    return Run(ref=Ref("gh", "run", "a/b/1"), name="x", status=status, system="github", repository="a/b", number="1",
               updated_at=at)  # fmt: skip


def test_the_pace_by_what_the_rows_do() -> None:
    assert pacing.wanted("run", [run(Status.RUNNING), run(Status.BAD)], 0) == 5
    assert pacing.wanted("run", [run(Status.QUEUED)], 0) == 5
    assert pacing.wanted("run", [run(Status.WAITING)], 10_000) == 15
    assert pacing.wanted("run", [run(Status.BAD, at=9_900)], 10_000) == 30
    assert pacing.wanted("run", [run(Status.OK)], 10_000) == 60
    assert pacing.wanted("pull_request", [run(Status.RUNNING)], 0) == 15


def test_the_pace_is_stretched_to_a_quarter_of_what_is_left() -> None:
    # 1000 left for an hour: 250 are ours; 5 requests a refresh make 50 refreshes, one in 72 s.
    assert pacing.stretched(5, {"run": 3, "pull_request": 2}, BUDGET, 0) == pytest.approx(72)
    assert pacing.stretched(5, {"run": 5}, BUDGET, 0, share=1.0) == pytest.approx(18)
    assert pacing.stretched(120, {"run": 5}, BUDGET, 0) == 120
    assert pacing.stretched(5, {"run": 0}, BUDGET, 0) == 5
    assert pacing.stretched(5, {"run": 5}, None, 0) == 5
    assert pacing.stretched(5, {"run": 5}, BUDGET, 4000) == 5
    assert pacing.stretched(5, {"run": 5}, BUDGET, -90_000) == pytest.approx(72)


def test_what_was_spent_counts_and_a_spent_share_waits_for_the_next_window() -> None:
    assert pacing.allowance(BUDGET, 200, None) == 100
    assert pacing.allowance(BUDGET, 400, None) == 0
    assert pacing.stretched(5, {"run": 5}, BUDGET, 600, spent=400) == 3000
    assert pacing.stretched(5, {"run": 0}, BUDGET, 600, spent=400) == 3000


async def test_a_quiet_refresh_is_free(hub: Rig) -> None:
    source = hub.source(repos=(API, "acme/dashboards"))
    for kind in source.kinds:
        await source.list(kind)
        await source.list(kind)
    used, spent = hub.github.state.token.used, source.api.spent
    requests = len(hub.server.requests)
    first = await source.list("run")
    again = await source.list("run")
    await source.list("pull_request")
    assert hub.github.state.token.used == used
    assert source.api.spent == spent
    assert len(hub.server.requests) > requests + 3
    assert first.rows == again.rows


async def test_what_is_counted_is_what_the_forge_charges(hub: Rig) -> None:
    source = hub.source()
    before = hub.github.state.token.used
    for _ in range(3):
        for kind in source.kinds:
            await source.list(kind)
        await source.children(Ref("gh", "run", f"{API}/{hub.run_id(1841)}"))
        hub.clock.move(7)
    assert source.api.spent == hub.github.state.token.used - before
    assert source.api.budget is not None
    assert source.api.budget.remaining == 5000 - hub.github.state.token.used


async def test_where_a_failed_run_stopped_is_asked_once(hub: Rig) -> None:
    source = hub.source()
    await source.list("run")
    path = f"/runs/{hub.run_id(1841)}/jobs"
    assert len(hub.asked(path)) == 1
    hub.clock.move(20)
    await source.list("run")
    assert len(hub.asked(path)) == 1
    assert len(hub.asked(f"/runs/{hub.run_id(773, 'acme/etl')}/jobs")) == 2


async def test_the_interval_follows_the_forge(hub: Rig) -> None:
    source = hub.source()
    rows = (await source.list("run")).rows
    assert source.interval("run", rows) == 5
    assert source.interval("run", [row for row in rows if row.status is Status.OK]) in (30, 60)
    slow = hub.source(interval=90.0)
    rows = (await slow.list("run")).rows
    assert slow.interval("run", rows) == 90
    hub.github.state.token.used = 4945
    scant = hub.source()
    listing = await scant.list("run")
    assert scant.interval("run", listing.rows) > 3000
    asked = len(hub.asked("/jobs"))
    listing = await scant.list("run")
    assert "our share of the rate limit is nearly spent" in listing.partial
    assert len(hub.asked("/jobs")) == asked


async def test_a_window_at_the_deck_s_own_pace_stays_within_the_share(hub: Rig) -> None:
    source = hub.source(repos=("acme/etl",))
    begin = hub.clock()
    hub.github.state.token.used, hub.github.state.token.reset_at = 4920, begin + 600
    due = dict.fromkeys(source.kinds, begin)
    first = hub.github.state.token.used
    while min(due.values()) < begin + 590:
        kind = min(due, key=lambda name: due[name])
        hub.clock.now = max(hub.clock.now, due[kind])
        due[kind] = hub.clock() + source.interval(kind, (await source.list(kind)).rows)
    assert hub.github.state.token.used - first <= 20
    assert len(hub.asked("/actions/runs")) > 5


async def test_the_source_sends_what_the_api_asks_for(hub: Rig) -> None:
    await hub.source().list("run")
    for seen in hub.server.requests:
        assert seen.headers["accept"] == "application/vnd.github+json"
        assert seen.headers["x-github-api-version"] == "2022-11-28"
        assert seen.headers["authorization"] == f"Bearer {hub.token}"
        assert seen.headers["user-agent"] == "quarterdeck"
