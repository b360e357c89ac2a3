"""What needs the operator: which rows do, in which order, and what mutes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError, RateLimited, Timeout
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.kinds import Alert, Container, Operation, PullRequest, Repository, Run, Service, TrainingRun
from quarterdeck_lifecycle.mutebook import MuteBook
from quarterdeck_lifecycle.mutes import FORGOTTEN_S, Mute, sort
from quarterdeck_lifecycle.need import HARM_WORDS, Harm, Me, Need
from quarterdeck_lifecycle.needs import needs
from quarterdeck_lifecycle.records import Record, Ref, State, Status
from quarterdeck_lifecycle.state import StateDB

NOW = 1_795_000_000.0
ME = Me(user="ann", logins={"gh": "Ann-B"}, guarded=lambda _, environment: environment == "prod")


def snapshot(rows: list[Record], source: str = "here", **more: Any) -> Snapshot:
    made = {"state": State.FRESH, "fetched_at": NOW, "kind": rows[0].kind if rows else "container"} | more
    return Snapshot(source=source, system="any", rows=tuple(rows), **made)


def found(*rows: Record) -> list[Need]:
    kinds = dict.fromkeys(row.kind for row in rows)
    return needs([snapshot([row for row in rows if row.kind == kind]) for kind in kinds], ME, NOW)


def box(name: str = "api", state: str = "unhealthy 3/5", status: Status = Status.BAD, **more: Any) -> Container:
    made = {"health": "unhealthy" if state.startswith("unhealthy") else "", "updated_at": NOW - 60} | more
    return Container(ref=Ref("here", "container", name), name=name, state=state, status=status, **made)


def alert(name: str = "P95High", state: str = "firing", **more: Any) -> Alert:
    made = {"severity": "critical", "active_at": NOW - 240} | more
    return Alert(ref=Ref("prom", "alert", name), name=name, state=state, status=Status.BAD, **made)


def run(number: int, status: Status = Status.BAD, **more: Any) -> Run:
    made = {
        "workflow": "ci", "branch": "main", "actor": "bob", "created_at": NOW - 1000 + number,
        "finished_at": NOW - 900 + number, "repository": "acme/api",
    } | more  # fmt: skip
    return Run(ref=Ref("gh", "run", str(number)), name=f"api #{number}", system="github", number=str(number),
               status=status, state="failure" if status is Status.BAD else "success", **made)  # fmt: skip


def operation(op: str, **more: Any) -> Operation:
    made = {"verb": "deploy", "service": "api", "environment": "prod", "user": "bob", "alive": True} | more
    return Operation(ref=Ref("services", "operation", op), name=op, op=op, **made)


def training(status: Status, **more: Any) -> TrainingRun:
    return TrainingRun(ref=Ref("ml", "training_run", "r"), name="velocity", status=status, **more)


NEEDED: list[tuple[Record, Harm, str]] = [
    (alert(), Harm.SERVING, "firing"),
    (alert(labels={"env": "prod"}), Harm.SERVING, "firing"),
    (alert(silenced_by="unknown: Alertmanager does not answer"), Harm.SERVING, "firing"),
    (alert(severity="warning"), Harm.WARNING, "firing"),
    (alert(severity="none"), Harm.NOTICE, "firing"),
    (box(), Harm.SERVING, "unhealthy 3/5"),
    (box(environment="prod"), Harm.SERVING, "unhealthy 3/5"),
    (box(environment="dev"), Harm.ELSEWHERE, "unhealthy 3/5"),
    (box(state="restarting, exited 1", restarts=4), Harm.SERVING, "restarting, exited 1 x4"),
    (box(state="exited 137 OOM"), Harm.SERVING, "exited 137 OOM"),
    (box(state="running", status=Status.OK, restarts=5, started_at=NOW - 20), Harm.SERVING, "restarting x5"),
    (run(7), Harm.DELIVERY, "failed"),
    (run(7, branch="fix", actor="ann-b"), Harm.ELSEWHERE, "failed"),
    (run(7, branch="dev", default_branch="dev"), Harm.DELIVERY, "failed"),
    (run(7, Status.WAITING, waits_for_me=True), Harm.WAITING, "waits for you"),
    (PullRequest(ref=Ref("gh", "pull_request", "4"), name="api #4", number=4, repository="acme/api", title="fix",
                 state="open", asked=("ann-b",)), Harm.WAITING, "asks your review"),
    (operation("1", waits=True), Harm.WAITING, "waits for you"),
    (operation("1", result="STUCK", alive=False), Harm.STUCK, "stuck"),
    (operation("1", alive=False), Harm.STUCK, "no runner"),
    (Repository(ref=Ref("git", "repository", "/a"), name="a", path="/a", status=Status.BAD, state="broken config"),
     Harm.BLIND, "broken config"),
    (training(Status.LOOK, note="stalled: no metric for 15m"), Harm.LEARNING, "stalled"),
    (training(Status.BAD, metrics={"loss": "nan"}), Harm.LEARNING, "NaN"),
    (training(Status.BAD, metrics={"loss": "nan"}, finished_at=NOW - 60), Harm.LEARNING, "NaN"),
    (Service(ref=Ref("services", "service", "api@prod"), name="api", service="api", frozen="frozen by bob: INC-4"),
     Harm.NOTICE, "frozen"),
]  # fmt: skip

LEFT_ALONE: list[Record] = [
    alert(state="pending"),
    alert(silenced_by="bob: known"),
    box(state="healthy", status=Status.OK, health="healthy"),
    box(state="running", status=Status.OK, restarts=5, started_at=NOW - 3600),
    box(state="exited 1"),
    run(7, branch="fix"),
    run(7, branch="fix", actor="ann-b", finished_at=NOW - 8 * 86_400),
    run(7, branch="main", default_branch="dev"),
    run(7, event="pull_request"),
    run(7, Status.WAITING),
    PullRequest(ref=Ref("gh", "pull_request", "4"), name="api #4", number=4, repository="acme/api", title="fix",
                state="open", draft=True, asked=("ann-b",)),
    PullRequest(ref=Ref("gh", "pull_request", "4"), name="api #4", number=4, repository="acme/api", title="fix",
                state="open", asked=("bob",)),
    Repository(ref=Ref("git", "repository", "/a"), name="a", path="/a", status=Status.BAD, state="conflicts"),
    operation("1", waits=True, user="ann"),
    operation("1"),
    operation("1", result="SUCCEEDED", alive=False),
    training(Status.BAD, metrics={"loss": "nan"}, finished_at=NOW - 2 * 86_400),
    training(Status.BAD, metrics={"loss": 0.4}, finished_at=NOW - 60),
]  # fmt: skip


@pytest.mark.parametrize(("row", "harm", "word"), NEEDED, ids=lambda value: getattr(value, "kind", str(value)))
def test_these_rows_need_somebody(row: Record, harm: Harm, word: str) -> None:
    (need,) = found(row)
    assert (need.harm, need.word, need.ref) == (harm, word, row.ref)


@pytest.mark.parametrize("row", LEFT_ALONE, ids=lambda row: f"{row.kind} {row.state}")
def test_these_rows_need_nobody(row: Record) -> None:
    assert found(row) == []


def test_what_waits_says_of_which_repository_it_is() -> None:
    (need,) = found(run(7, Status.WAITING, waits_for_me=True, note="approval: prod"))
    assert need.why == "acme/api ci · approval: prod"


def test_of_a_workflow_and_branch_only_the_newest_run_that_ended_counts() -> None:
    assert found(run(1), run(2, Status.OK)) == []
    (need,) = found(run(1, Status.OK), run(2), run(3, Status.RUNNING), run(2, workflow="lint", status=Status.OK))
    assert need.text == "run#2 ci"
    assert "runs again now" in need.why
    (again,) = found(run(4))
    assert (again.key, again.mark == need.mark) == (need.key, False)


def test_what_is_stuck_is_settled_by_a_later_operation_of_its_service() -> None:
    stuck = operation("1", result="STUCK", alive=False)
    assert found(stuck, operation("2", result="SUCCEEDED", alive=False)) == []
    assert [need.ref.id for need in found(stuck, operation("2", service="etl", result="SUCCEEDED"))] == ["1"]


def test_sources_that_cannot_be_seen_are_told_once_each_and_refused_credentials_at_once() -> None:
    def failing(error: QuarterdeckError, state: State, kind: str = "run", **more: Any) -> Snapshot:
        return snapshot([], error.source, kind=kind, state=state, error=error, **more)

    refused = AuthFailed("runs", source="gh", why="401 Bad credentials")
    late = Timeout("containers", source="edge", why="no answer within 10 s")
    told = needs(
        [
            failing(refused, State.AUTH), failing(refused, State.AUTH, "pull_request"),
            failing(late, State.STALE, "container", fetched_at=NOW - 301),
            failing(Timeout("m", source="young"), State.STALE, fetched_at=NOW - 299),
            failing(Timeout("m", source="never"), State.ERROR, fetched_at=None),
            failing(RateLimited("m", source="busy", retry_after=60), State.ERROR, fetched_at=None),
        ],
        ME, NOW, {"broken": AuthFailed("no secret", source="broken")},
    )  # fmt: skip
    assert [(need.text, need.word) for need in told] == [
        ("gh", "401"), ("broken", "401"), ("edge", "timeout"), ("never", "timeout"),
    ]  # fmt: skip
    assert {need.harm for need in told} == {Harm.BLIND}


def test_the_order_is_by_harm_then_place_then_grade_then_the_newest() -> None:
    rows = [
        training(Status.LOOK, note="stalled"), run(7), box("old", environment="prod", updated_at=NOW - 900),
        box("new", environment="prod", updated_at=NOW - 30), box("dead", "exited 137 OOM", environment="prod"),
        box("somewhere"), box("dev", environment="dev"), alert(labels={"environment": "prod"}),
        operation("1", waits=True),
    ]  # fmt: skip
    assert [need.text for need in found(*rows)] == [
        "dead", "P95High", "new", "old", "somewhere", "run#7 ci", "deploy api", "dev", "velocity",
    ]  # fmt: skip
    assert set(HARM_WORDS) == set(Harm)
    assert list(HARM_WORDS) == sorted(Harm)


# mutes


def muted(need: Need, seconds: float | None) -> dict[str, Mute]:
    made = Mute.of(need, NOW, seconds)
    return {made.key: made}


def test_a_mute_ends_by_its_time_and_at_once_when_its_need_gets_worse() -> None:
    (need,) = found(box(environment="prod"))
    kept = muted(need, 3600)
    assert [each.text for each, _ in sort([need], kept, NOW + 3599).muted] == ["api"]
    late = sort([need], kept, NOW + 3601)
    assert (late.told, [mute.key for mute in late.ended]) == ([need], [need.key])
    better = msgspec.structs.replace(need, mark="other")
    assert sort([better], kept, NOW).told == []
    (worse,) = found(box(state="exited 137 OOM", environment="prod"))
    back = sort([worse], kept, NOW)
    assert (back.told, len(back.ended)) == ([worse], 1)
    (elsewhere,) = found(box(environment="dev"))
    assert sort([need], muted(elsewhere, 3600), NOW).told == [need]


def test_a_mute_until_it_changes_ends_with_the_change_and_when_it_is_seen_to_be_gone() -> None:
    (need,) = found(run(7))
    (later,) = found(run(8))
    kept = muted(need, None)
    assert sort([need], kept, NOW + 86_400).told == []
    assert sort([later], kept, NOW).told == [later]
    assert sort([later], muted(need, 3600), NOW).told == []
    unseen = sort([], kept, NOW, {("gh", "pull_request")})
    assert (len(unseen.idle), unseen.ended) == (1, [])
    assert len(sort([], kept, NOW, {("gh", "run")}).ended) == 1
    assert sort([], muted(need, 3600), NOW, {("gh", "run")}).ended == []
    assert len(sort([need], kept, NOW + FORGOTTEN_S + 1).ended) == 1


def test_a_muted_source_is_gone_when_its_own_feed_answers() -> None:
    error = AuthFailed("runs", source="gh")
    (need,) = needs([snapshot([], "gh", kind="run", state=State.AUTH, error=error)], ME, NOW)
    assert len(sort([], muted(need, None), NOW, {("gh", "pull_request")}).idle) == 1
    assert len(sort([], muted(need, None), NOW, {("gh", "run")}).ended) == 1


async def test_mutes_are_kept_for_each_user_and_only_the_very_one_is_taken_away(tmp_path: Path) -> None:
    db, other = StateDB(tmp_path), StateDB(tmp_path)
    try:
        (need,) = found(box())
        first, second = Mute.of(need, NOW, 3600), Mute.of(need, NOW + 5, None)
        await MuteBook(db, "ann").add(first)
        assert await MuteBook(other, "ann").read() == {need.key: first}
        assert await MuteBook(other, "bob").read() == {}
        await MuteBook(other, "ann").add(second)
        await MuteBook(db, "ann").remove([first])
        assert await MuteBook(db, "ann").read() == {need.key: second}
        await MuteBook(db, "ann").remove([second])
        assert await MuteBook(other, "ann").read() == {}
    finally:
        await db.aclose()
        await other.aclose()
