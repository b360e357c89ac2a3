"""The crash matrix in memory: at every point of every release, each thing that can befall a runner.

A point is a moment right before or right after one write: of the target, of its lease, of the ledger. Only writes
change anything, so a death at these points is a death at every moment.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quarterdeck_lifecycle.release.model import Kind
from releases.memoryworld import Process
from releases.releasecase import WAYS, Case, Way

DOUBLE_STRIDE = {1: 7, 2: 19}
SHAPES = [(way, kind, places) for way in WAYS for kind in ("deploy", "rollback") for places in (1, 2)]
IDS = [f"{way}-{kind}-{places}" for way, kind, places in SHAPES]
shaped = pytest.mark.parametrize(("way", "kind", "places"), SHAPES, ids=IDS)
Befall = Callable[[Process], None]


def moments(case: Case, *, reads: bool = False) -> list[int]:
    """The points of an undisturbed run of such a case."""
    ended = case.run()
    case.must_have_settled(ended, "undisturbed")
    assert case.book.open() == []
    assert ended is not None
    assert ended.result == "SUCCEEDED"
    return [index for index, point in enumerate(case.process.trail) if reads or point.kind != "read"]


def kill(process: Process) -> None:
    process.kill()


def always_served(case: Case, what: str) -> None:
    """Stop-then-start alone has a gap."""
    if case.way != "stop-start":
        assert case.world.unserved == [], what


@shaped
def test_killed_at_every_point_and_recovered_at_once(way: Way, kind: Kind, places: int) -> None:
    points = moments(Case(way, kind, places))
    for index in points:
        case = Case(way, kind, places)
        assert case.run({index: kill}) is None
        what = f"killed at {index}: {case.process.trail[index]}"
        case.must_have_settled(case.recover(), what)
        assert case.book.open() == [], what
        always_served(case, what)
        case.must_stay(what)
    print(f"{way} {kind} on {places}: {len(points)} cases, {len(points)} survived, 0 lost")


@shaped
def test_killed_again_while_recovering(way: Way, kind: Kind, places: int) -> None:
    """A double fault: every seventh death, and the recovery after it killed at every seventh point of its own."""
    cases, stride = 0, DOUBLE_STRIDE[places]
    for number, index in enumerate(moments(Case(way, kind, places))[places - 1 :: stride]):
        case = Case(way, kind, places)
        case.run({index: kill})
        case.recover()
        again = [n for n, point in enumerate(case.process.trail) if point.kind != "read"]
        for second in again[number % stride :: stride]:
            case = Case(way, kind, places)
            case.run({index: kill})
            assert case.recover({second: kill}) is None
            what = f"killed at {index}, and recovering at {second}: {case.process.trail[second]}"
            case.must_have_settled(case.recover(), what)
            assert case.book.open() == [], what
            always_served(case, what)
            case.must_stay(what)
            cases += 1
    print(f"{way} {kind} on {places}: {cases} double faults, {cases} survived, 0 lost")


@shaped
def test_killed_and_found_by_another_host(way: Way, kind: Kind, places: int) -> None:
    """The other host has no ledger of it: only the leases on the targets, and the change that each carries."""
    points = moments(Case(way, kind, places))
    for index in points:
        case = Case(way, kind, places)
        case.run({index: kill})
        what = f"killed at {index}: {case.process.trail[index]}"
        other = case.take_over()
        assert len(case.serving()) == 1, f"{what}: {other}, and {case.serving()} serve"
        assert "-" not in case.serving(), f"{what}: {other}"
        assert not case.world.leases, f"{what}: {other}"
        assert not case.world.trespasses, f"{what}: {case.world.trespasses}"
        always_served(case, what)
        if other.result == "REFUSED":
            case.must_have_settled(case.recover(), f"{what}; {other}; and the first host")
            assert case.book.open() == [], what
    print(f"{way} {kind} on {places}: {len(points)} cases, {len(points)} survived, 0 lost")


@shaped
@pytest.mark.parametrize(("seconds", "silent"), [(0.1, False), (2.0, True), (45.0, True), (2e3, False)])
def test_link_is_cut_for_a_while(way: Way, kind: Kind, places: int, seconds: float, silent: bool) -> None:
    """Between runner and targets, at every point; what is STUCK while nothing answers is recovered afterwards."""
    points = moments(Case(way, kind, places), reads=True)[:: 2 if places == 1 else 9]
    for index in points:
        case = Case(way, kind, places)

        def cut(process: Process) -> None:
            for source in case.sources:  # noqa: B023
                process.cut(seconds, silent=silent, source=source)

        ended = case.run({index: cut})
        what = f"cut at {index}: {case.process.trail[index]}"
        assert ended is not None
        always_served(case, what)
        if ended.result == "STUCK" or not case.settled:
            assert seconds > 10, f"{what}: {ended}; {case.world.leases}"
            case.world.timeline.suspend(seconds)
            ended = case.recover()
        case.must_have_settled(ended, what)
        case.must_stay(what)
    print(f"{way} {kind} on {places}, {seconds:g} s: {len(points)} cases, {len(points)} survived, 0 lost")
