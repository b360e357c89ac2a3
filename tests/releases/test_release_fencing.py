"""Runners that were away for longer than their lease, hosts that inherit from them, and clocks that are wrong."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from quarterdeck_lifecycle.release.engine import Ended
from quarterdeck_lifecycle.release.model import Plan
from releases.fakeclock import run
from releases.memoryports import Book
from releases.memoryworld import Killed, Process
from releases.releasecase import NAME, OTHER_OP, WAYS, Case, Way

SHAPES = [(way, places) for way in WAYS for places in (1, 2)]
shaped = pytest.mark.parametrize(("way", "places"), SHAPES, ids=[f"{way}-{places}" for way, places in SHAPES])


def others_plan(case: Case) -> Plan:
    changes = tuple(replace(change, op=OTHER_OP) for change in case.plan.changes)
    return replace(case.plan, op=OTHER_OP, actor="ben", host="bastion-2", changes=changes)


def written(case: Case) -> list[int]:
    case.run()
    return [index for index, point in enumerate(case.process.trail) if point.kind != "read"]


async def overtaken(case: Case, index: int) -> tuple[Ended, Ended, Process]:
    """The first runner stands still at that point until another host's release has ended."""
    first, other = Process(case.world, "first"), Process(case.world, "other")
    still = asyncio.Event()

    def stop() -> None:
        first.stop()
        still.set()

    first.befalls[index] = stop
    running = asyncio.ensure_future(case.engine(first).run())
    await still.wait()
    ended = await case.engine(other, others_plan(case), Book()).run()
    first.go()
    return await running, ended, first


@shaped
def test_a_runner_that_stood_still_past_its_lease_writes_nothing_more(way: Way, places: int) -> None:
    points = written(Case(way, "deploy", places))[:: places * places]
    for index in points:
        case = Case(way, "deploy", places)
        mine, other, first = run(case.world.timeline, overtaken(case, index))
        point = first.trail[index]
        what = f"stood still at {index}: {point}; {mine}; the other: {other}"
        assert len(case.serving()) == 1, f"{what}: {case.serving()}"
        assert "-" not in case.serving(), what
        assert not case.world.leases, what
        in_the_window = point.kind == "before" and point.source.startswith("host")
        assert in_the_window or not case.world.trespasses, f"{what}: {case.world.trespasses}"
        if way != "stop-start" and not in_the_window:
            assert case.world.unserved == [], what
        case.recover()
        assert len(case.serving()) == 1, what
        assert case.book.open() == [], what
    print(f"{way} on {places}: {len(points)} cases, {len(points)} survived, 0 lost")


@shaped
def test_a_machine_that_slept_puts_back_what_is_still_its_own(way: Way, places: int) -> None:
    points = written(Case(way, "deploy", places))[:: places * places]
    for index in points:
        case = Case(way, "deploy", places)
        ended = case.run({index: lambda process: process.world.timeline.suspend(3600.0)})
        what = f"slept at {index}: {case.process.trail[index]}"
        case.must_have_settled(ended, what)
        case.must_stay(what)
    print(f"{way} on {places}: {len(points)} cases, {len(points)} survived, 0 lost")


@shaped
def test_an_heir_that_dies_while_putting_back_leaves_the_duty_to_the_next(way: Way, places: int) -> None:
    """The first dies in the middle of its change, the second while putting that back; a third host finds it."""
    case = Case(way, "deploy", places)
    middle = [n for n, point in enumerate(written_trail(case)) if point in ("start new", "alias to 8", "after update")]
    cases = 0
    for index in middle:
        second = 0
        while True:
            case = Case(way, "deploy", places)
            case.run({index: lambda process: process.kill()})
            heir = Process(case.world, "heir")
            heir.befalls[second] = heir.kill
            try:
                run(case.world.timeline, case.engine(heir, others_plan(case), Book()).run())
                break
            except Killed:
                second += 1
            if heir.trail[-1].kind == "read":
                continue
            if all(f"{source}/{NAME}" in case.world.leases for source in case.sources):
                case.take_over(op="op-0003")
            else:  # the dead one's lease was taken away, and its own not yet made: the first host's ledger knows
                case.world.timeline.suspend(60.0)
                case.recover()
            what = f"killed at {index}, the heir at {second}: {heir.trail[-1]}"
            assert len(case.serving()) == 1, f"{what}: {case.serving()}"
            assert "-" not in case.serving(), what
            assert not case.world.leases, what
            cases += 1
    print(f"{way} on {places}: {cases} cases, {cases} survived, 0 lost")


def written_trail(case: Case) -> list[str]:
    case.run()
    return [point.where if point.kind == "after" else "" for point in case.process.trail]


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_an_hour_of_wrong_clock_changes_nothing(skew: float) -> None:
    """A live lease is respected and a dead one found by the observer's own monotonic clock."""
    case = Case("stop-start")
    killed = 30
    case.run({killed: lambda process: process.kill()})
    late = Process(case.world, "late", skew=skew)
    began = case.world.now
    ended = run(case.world.timeline, case.engine(late, others_plan(case), Book()).run())
    assert ended.result == "REFUSED"
    assert case.plan.pace.lease_s <= case.world.now - began < 3 * case.plan.pace.lease_s
    assert not case.world.leases
