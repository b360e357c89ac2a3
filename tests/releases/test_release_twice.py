"""Every step twice, every step as the first after a stop, and the plan against what was written down."""

from __future__ import annotations

import pytest

from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Kind
from releases.fakeclock import run
from releases.memoryworld import Process
from releases.releasecase import NEW, WAYS, Case, Way, identity

SHAPES = [(way, kind, places) for way in WAYS for kind in ("deploy", "rollback") for places in (1, 2)]
IDS = [f"{way}-{kind}-{places}" for way, kind, places in SHAPES]
shaped = pytest.mark.parametrize(("way", "kind", "places"), SHAPES, ids=IDS)


def after_outcome(case: Case) -> dict[int, str]:
    """The points right after each step's outcome was written, with the step."""
    case.run()
    rows = [(index, point.where) for index, point in enumerate(case.process.trail) if point.kind == "after"]
    return {index: where.removeprefix("ledger outcome ") for index, where in rows if where.startswith("ledger outcome")}


@shaped
def test_the_ledger_of_a_run_holds_exactly_the_steps_of_the_plan(way: Way, kind: Kind, places: int) -> None:
    case = Case(way, kind, places)
    case.run()
    assert case.book.steps() == [step.id for step in case.plan.steps]
    assert [row.step for row in case.book.rows if row.phase == "outcome"] == [step.id for step in case.plan.steps]


@pytest.mark.parametrize("places", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_failed_run_goes_back_by_the_steps_of_the_plan(way: Way, places: int) -> None:
    case = Case(way, "deploy", places)
    case.world.broken[identity(way, NEW).digest] = 0.0
    ended = case.run()
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    case.must_have_settled(ended, "broken")
    planned = [step.id for step in case.plan.back_steps]
    touched = {step.target for step in case.plan.steps if step.id in case.book.steps() and step.phase == "switch"}
    of_touched = [step.id for step in case.plan.back_steps if not step.target or step.target in touched]
    assert [step for step in case.book.steps() if step in planned] == of_touched


@shaped
def test_every_step_twice_is_once(way: Way, kind: Kind, places: int) -> None:
    """Stopped right after each step, then that step once more: it reads, and writes nothing."""
    for index, step_id in after_outcome(Case(way, kind, places)).items():
        case = Case(way, kind, places)
        case.run({index: lambda process: process.kill()})
        step = case.plan.step(step_id)
        assert step is not None
        change = case.plan.change(step.target)
        if change is None or step.phase == "gate":
            continue
        target = case.targets(Process(case.world, "again"))[step.target]
        before, writes = case.world.snapshot(), len(case.world.writes)

        async def say(line: str) -> None:
            pass

        with permit(change.place.source):
            run(case.world.timeline, target.do(change, step, say))
        assert case.world.writes[writes:] == [], step_id
        assert case.world.snapshot() == before, step_id


@shaped
def test_going_on_after_any_step_ends_in_the_same_state(way: Way, kind: Kind, places: int) -> None:
    """`run` again, on the same ledger, as a supervisor may that knows the plan to be sound."""
    straight = Case(way, kind, places)
    straight.run()
    for index, step in after_outcome(Case(way, kind, places)).items():
        case = Case(way, kind, places)
        case.run({index: lambda process: process.kill()})
        ended = case.run()
        case.must_have_settled(ended, f"stopped after {step}")
        assert case.world.snapshot() == straight.world.snapshot(), step
        assert case.book.steps() == [step.id for step in case.plan.steps], step


@shaped
def test_putting_back_twice_is_once(way: Way, kind: Kind, places: int) -> None:
    for index in after_outcome(Case(way, kind, places)):
        case = Case(way, kind, places)
        case.run({index: lambda process: process.kill()})
        targets = case.targets(Process(case.world, "again"))
        for change in case.plan.changes:
            for time in (1, 2):
                before, writes = case.world.snapshot(), len(case.world.writes)

                async def say(line: str) -> None:
                    pass

                with permit(change.place.source):
                    run(case.world.timeline, targets[change.target].put_back(change, say))
                if time == 2:
                    assert case.world.writes[writes:] == []
                    assert case.world.snapshot() == before
