"""Promises of a release that no other test would miss: one each, in memory or by the real commands."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from parts.releasing import ReleaseWorld
from quarterdeck_lifecycle.release.model import Change
from quarterdeck_lifecycle.release.planning import utc_seconds
from releases.memorytargets import ContainerTarget
from releases.memoryworld import Process
from releases.releasecase import NEW, OLD, Case, Way


@pytest.mark.parametrize("way", ["start-first", "overlap"])
def test_what_serves_is_not_touched_before_the_new_one_is_proven(way: Way) -> None:
    case = Case(way)
    case.world.broken[NEW] = 0.0
    old = next(iter(case.world.hosts["host-1"].containers.values()))
    case.world.watchers.append(lambda moment: running.append((moment, old.running and old.restart == "always")))
    running: list[tuple[str, bool]] = []
    ended = case.run()
    case.must_have_settled(ended, "broken from its start")
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    assert [moment for moment, runs in running if not runs] == []
    assert case.world.unserved == []


@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap", "rolling", "alias"])
def test_a_runner_that_slept_past_its_lease_stops(way: Way) -> None:
    """The lease is still there when it wakes: even so it does not go on, but back."""
    straight = Case(way)
    straight.run()
    trail = [point.where for point in straight.process.trail]
    begun, soak = (next(n for n, where in enumerate(trail) if word in where) for word in ("preflight", "soak"))
    for index in range(begun, soak, 3):
        case = Case(way)
        ended = case.run({index: lambda process: process.world.timeline.suspend(60.0)})
        what = f"slept at {index}: {case.process.trail[index]}"
        case.must_have_settled(ended, what)
        assert ended is not None
        assert ended.result in ("FAILED", "ROLLED_BACK"), f"{what}: {ended}"


def test_a_mark_on_the_target_holds_the_head_of_the_ledger(world: ReleaseWorld) -> None:
    """A chain cannot show that its end was cut off: a mark elsewhere can."""
    assert world.release("deploy", world.other()).code == 0
    head = world.run("ledger", "--verify", "--json").json["head"]
    assert world.release("deploy", world.other()).code == 0
    with closing(world.api()) as api:
        labels = api.inspect_container(world.container)["Config"]["Labels"]
    assert labels["quarterdeck.head"] == head
    assert head in {row["hash"] for row in world.ledger()}


@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap"])
def test_success_is_what_is_read_back_and_not_what_was_asked_for(way: Way) -> None:
    """Another image under the same name, when every step has said that it is done."""
    straight = Case(way)
    straight.run()
    asked = next(n for n, point in enumerate(straight.process.trail) if "intent" in point.where
                 and point.where.endswith("verify"))  # fmt: skip
    case = Case(way)

    def swap(process: Process) -> None:
        for container in process.world.hosts["host-1"].containers.values():
            container.digest = container.digest if container.digest == OLD else "something-else"

    ended = case.run({asked: swap})
    case.must_have_settled(ended, "swapped")
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    assert "does not run what it should: it runs team/app@something-else" in ended.message


@pytest.mark.parametrize(("step", "result"), [("_create", "FAILED"), ("_start", "ROLLED_BACK")])
def test_a_step_that_never_ends_is_given_up_at_its_deadline(
    step: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(self: ContainerTarget, change: Change) -> str:
        await self.process.clock.sleep(10_000)
        return "at last"

    monkeypatch.setattr(ContainerTarget, step, hangs)
    case = Case("stop-start")
    ended = case.run()
    case.must_have_settled(ended, f"{step} hangs")
    assert ended is not None
    assert (ended.result, "not done within" in ended.message) == (result, True), ended
    assert all(each.deadline_s > 0 for each in (*case.plan.steps, *case.plan.back_steps))


def test_instants_are_utc_and_the_local_time_is_beside_them(world: ReleaseWorld) -> None:
    assert utc_seconds(datetime(2026, 1, 1, 9, 30, tzinfo=timezone(timedelta(hours=9)))) == "2026-01-01T00:30:00Z"
    done = world.release("deploy", world.other(), "--json", env={"TZ": "Asia/Tokyo"})
    events = [line for line in done.lines if "at" in line]
    rows = [row for row in world.ledger() if row["op"] == events[0]["op"]]
    now = time.time()
    for at in [each["at"] for each in (*events, *rows)]:
        assert at.endswith("Z")
        assert abs(now - datetime.fromisoformat(at).timestamp()) < 1800, at
    began = next(row["at"] for row in rows)[:19]
    report = world.run("report", events[0]["op"], env={"TZ": "Asia/Tokyo"}).out
    tokyo = datetime.fromisoformat(f"{began}+00:00").astimezone(timezone(timedelta(hours=9)))
    assert f"- ended: {rows[-1]['at'][:16]}" in report
    assert f"({tokyo:%H}:" in report
    assert report.count(" JST)") == 2
    assert " JST)" not in world.run("report", events[0]["op"]).out
