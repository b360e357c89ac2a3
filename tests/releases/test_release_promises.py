"""Promises of a release that no other test would miss: one each, in memory or by the real commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from parts.releasing import ReleaseWorld
from releases.memoryworld import Process
from releases.releasecase import NEW, OLD, Case, Way


@pytest.fixture(scope="module")
def shared_world() -> Iterator[ReleaseWorld]:
    with ReleaseWorld() as made:
        yield made


@pytest.fixture
def world(shared_world: ReleaseWorld) -> Iterator[ReleaseWorld]:
    shared_world.reset()
    yield shared_world
    shared_world.settle()


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
