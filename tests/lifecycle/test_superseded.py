"""Failures that something later made history."""

from __future__ import annotations

from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.superseded import settle


def run(number: int, status: Status, branch: str = "main", workflow: str = "ci", finished: bool = True) -> Run:
    return Run(
        ref=Ref("gh", "run", str(number)), name=str(number), system="github", repository="acme/x", number=str(number),
        branch=branch, workflow=workflow, status=status, created_at=float(number),
        finished_at=float(number) + 60 if finished else None,
    )  # fmt: skip


def told(*runs: Run) -> list[Status]:
    return [row.status for row in settle(runs)]


def test_only_the_last_failure_of_a_branch_and_workflow_is_trouble() -> None:
    assert told(run(3, Status.BAD), run(2, Status.BAD), run(1, Status.OK)) == [Status.BAD, Status.IDLE, Status.OK]
    assert told(run(2, Status.OK), run(1, Status.BAD)) == [Status.OK, Status.IDLE]


def test_another_branch_or_workflow_or_one_in_flight_settles_nothing() -> None:
    assert told(run(2, Status.OK, branch="x"), run(1, Status.BAD)) == [Status.OK, Status.BAD]
    assert told(run(2, Status.OK, workflow="deploy"), run(1, Status.BAD)) == [Status.OK, Status.BAD]
    assert told(run(2, Status.RUNNING, finished=False), run(1, Status.BAD)) == [Status.RUNNING, Status.BAD]
