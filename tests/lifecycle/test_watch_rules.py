"""What is told of a watched row, from what was seen last and what is seen now. Pure: no clock, no disk."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quarterdeck_lifecycle.errors import AuthFailed, Unavailable
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.kinds import (
    Alert,
    Container,
    ModelVersion,
    Operation,
    PullRequest,
    RegisteredModel,
    Repository,
    Rule,
    Run,
    TrainingRun,
)
from quarterdeck_lifecycle.records import Record, Ref, State, Status
from quarterdeck_lifecycle.watches import Watch, begun, hear, look, unseen

OK, BAD, RUNNING, WAITING, IDLE, LOOK = (
    Status.OK, Status.BAD, Status.RUNNING, Status.WAITING, Status.IDLE, Status.LOOK,
)  # fmt: skip
REF = Ref("one", "thing", "1")


def run(state: str, status: Status, **more: Any) -> Run:
    return Run(
        ref=REF, name="api ci #7", system="github", repository="a/api", number="7", state=state, status=status, **more
    )


def box(state: str, status: Status, **more: Any) -> Container:
    return Container(ref=REF, name="api-1", state=state, status=status, **more)


def op(step: str = "", state: str = "running", **more: Any) -> Operation:
    return Operation(
        ref=REF, name="deploy api", op="7f", verb="deploy", service="api", step=step, state=state, **more
    )


def pull(state: str = "open", review: str = "", **checks: int) -> PullRequest:
    return PullRequest(
        ref=REF, name="api #9", number=9, repository="a/api", title="t", state=state, review=review, checks=checks
    )


def alert(state: str) -> Alert:
    return Alert(ref=REF, name="P95High", state=state, status=BAD if state == "firing" else LOOK)


def training(state: str, status: Status, note: str = "", at: float | None = None) -> TrainingRun:
    return TrainingRun(ref=REF, name="velocity-3", state=state, status=status, note=note, finished_at=at)


def heard(*records: Record | None) -> list[tuple[str, bool | None, bool]]:
    """What each of them tells after the first: word, good, final. A final one ends it."""
    assert records[0] is not None
    kind = records[0].kind
    watch = begun("w", msgspec.structs.replace(records[0], ref=Ref("one", kind, "1")), 0.0)
    found = []
    for record in records[1:]:
        told, facts = hear(watch, record)
        watch = msgspec.structs.replace(watch, facts=facts)
        if told is not None:
            found.append((told.word, told.good, told.final))
            if told.final:
                break
    return found


ENDED = ("ended", True, True)
CASES: dict[str, tuple[list[Record | None], list[tuple[str, bool | None, bool]]]] = {
    "a run that succeeds": ([run("queued", Status.QUEUED), run("running", RUNNING), run("success", OK)], [ENDED]),
    "a run that fails": ([run("running", RUNNING), run("failure", BAD)], [("ended", False, True)]),
    "a cancelled run": ([run("running", RUNNING), run("cancelled", IDLE)], [("ended", False, True)]),
    "a skipped run is no failure": ([run("queued", Status.QUEUED), run("skipped", IDLE)], [ENDED]),
    "a run that waits is told once": (
        [run("running", RUNNING), run("waiting", WAITING), run("waiting", WAITING), run("success", OK)],
        [("waits", None, False), ENDED],
    ),
    "a run that had ended": ([run("failure", BAD), run("failure", BAD)], []),
    "its second attempt": (
        [run("failure", BAD), run("running", RUNNING, attempt=2), run("success", OK, attempt=2)], [ENDED],
    ),
    "its second attempt, not seen while it went on": (
        [run("failure", BAD), run("success", OK, attempt=2)], [ENDED],
    ),
    "a run that is gone": ([run("running", RUNNING), None], [("gone", None, True)]),
    "a container that becomes healthy": (
        [box("starting", RUNNING), box("healthy", OK, health="healthy")], [("healthy", True, True)],
    ),
    "one without a check": ([box("created", IDLE), box("running", OK)], [("healthy", True, True)]),
    "one that goes down and up": (
        [box("healthy", OK), box("unhealthy 1/5", BAD), box("unhealthy 2/5", BAD), box("healthy", OK)],
        [("unhealthy", False, False), ("healthy", True, True)],
    ),
    "one that ends well": ([box("running", OK), box("exited", IDLE, exit_code=0)], [("ended", True, True)]),
    "one that crashes": ([box("running", OK), box("exited 137 OOM", BAD, exit_code=137)], [("ended", False, True)]),
    "one that restarts again and again": (
        [box("running", OK), box("restarting, exited 1", BAD), box("starting", RUNNING),
         box("restarting, exited 1", BAD)],
        [("restarting", False, False)],
    ),
    "one that had ended and stays so": ([box("exited 1", BAD), box("exited 1", BAD)], []),
    "a container that is removed": ([box("running", OK), None], [("gone", None, True)]),
    "an alert that fires": ([alert("pending"), alert("firing")], [("fires", False, True)]),
    "an alert that clears by not being listed": ([alert("firing"), alert("firing"), None], [("clears", True, True)]),
    "an alert that was pending only": ([alert("pending"), None], [("clears", True, True)]),
    "a rule": (
        [Rule(ref=REF, name="P95", state="inactive"), Rule(ref=REF, name="P95", state="pending"),
         Rule(ref=REF, name="P95", state="firing")],
        [("fires", False, True)],
    ),
    "an operation's gate and end": (
        [op("start"), op("gate"), op("soak"), op("verify"), op("", "SUCCEEDED", result="SUCCEEDED")],
        [("gate", True, False), ENDED],
    ),
    "an operation that is put back": (
        [op("gate"), op("put-back", "putting back"), op("verify", "putting back"),
         op("", "ROLLED_BACK", result="ROLLED_BACK")],
        [("gate", False, False), ("ended", False, True)],
    ),
    "a training run": ([training("running", RUNNING), training("finished", OK, at=9.0)], [ENDED]),
    "a training run that breaks first": (
        [training("running", RUNNING), training("running", BAD, "nan loss"), training("running", BAD, "nan loss"),
         training("failed", BAD, at=9.0)],
        [("broken", False, False), ("ended", False, True)],
    ),
    "an alias that moves": (
        [RegisteredModel(ref=REF, name="fraud", aliases={"champion": "17"}, latest_version="18"),
         RegisteredModel(ref=REF, name="fraud", aliases={"champion": "17"}, latest_version="19"),
         RegisteredModel(ref=REF, name="fraud", aliases={"champion": "18"}, latest_version="19")],
        [("moves", None, True)],
    ),
    "a version that gets an alias": (
        [ModelVersion(ref=REF, name="fraud v18", model="fraud", version="18", state="READY"),
         ModelVersion(ref=REF, name="fraud v18", model="fraud", version="18", state="READY", aliases=("champion",))],
        [("moves", None, True)],
    ),
    "checks of a change request": (
        [pull(running=2), pull(running=1, failed=1), pull(failed=1, passed=1)], [("checks", False, True)],
    ),
    "a merge": ([pull(passed=1), pull("merged", passed=1)], [ENDED]),
    "any other row": (
        [Repository(ref=REF, name="api", path="/api", head="a" * 40, subject="one"),
         Repository(ref=REF, name="api", path="/api", head="a" * 40, subject="two"),
         Repository(ref=REF, name="api", path="/api", head="b" * 40)],
        [("changes", None, True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_told(name: str) -> None:
    records, told = CASES[name]
    assert heard(*records) == told


def test_words_name_what_moved() -> None:
    before = RegisteredModel(ref=Ref("ml", "model", "fraud"), name="fraud", aliases={"champion": "17", "old": "3"})
    after = msgspec.structs.replace(before, aliases={"champion": "18"})
    told = hear(begun("w", before, 0.0), after).told
    assert told is not None
    assert told.text == "@champion v17→v18, @old v3→none"


def test_a_container_that_was_replaced_is_said_so() -> None:
    watch = begun("w", container := box("healthy", OK, environment="prod"), 0.0)
    watch = msgspec.structs.replace(watch, ref=Ref("one", "container", "old"))
    told = hear(watch, None, msgspec.structs.replace(container, state="starting")).told
    assert told is not None
    assert told.text == "was replaced: another of its name is starting"


def test_facts_hold_no_time_and_survive_the_state_file_as_texts() -> None:
    for records, _ in CASES.values():
        assert records[0] is not None
        watch = begun("w", msgspec.structs.replace(records[0], ref=Ref("one", records[0].kind, "1")), 1e9)
        assert all(isinstance(value, str) for value in watch.facts.values())
        assert hear(watch, records[0]).told is None, "nothing happened"


def test_a_source_that_goes_silent_is_said_once_and_so_is_its_return() -> None:
    watch = begun("w", msgspec.structs.replace(run("running", RUNNING), ref=Ref("gh", "run", "7")), 0.0)
    told, facts = unseen(watch, "no route\x1b]0;x\x07")
    assert told is not None
    assert not told.final
    assert told.text.isprintable()
    silent = msgspec.structs.replace(watch, facts=facts)
    assert unseen(silent, "no route").told is None
    told, facts = hear(silent, run("running", RUNNING))
    assert told is not None
    assert told.word == "seen"
    assert facts == watch.facts
    told, _ = hear(silent, run("failure", BAD))
    assert told is not None
    assert told.word == "ended", "what happened meanwhile is told, and not only that it is seen again"


def snapshot(state: State = State.FRESH, **more: Any) -> Snapshot:
    return Snapshot(source="one", system="github", kind="run", state=state, fetched_at=1.0, **more)


def test_absence_is_believed_only_from_a_whole_fresh_listing() -> None:
    row = run("running", RUNNING)
    assert look(snapshot(rows=(row,)), REF, row).record is row
    assert look(snapshot(), REF, None).gone
    cut = snapshot(partial="first 100"), snapshot(total=9)
    for part in (*cut, snapshot(State.STALE), snapshot(State.LOADING), None):
        view = look(part, REF, None)
        assert not view.gone
        assert view.why
    down = snapshot(State.STALE, rows=(row,), error=Unavailable("listing runs", source="one", why="no route"))
    assert look(down, REF, row).record is None, "an old row says nothing of now"
    assert "no route" in look(down, REF, row).why
    assert look(snapshot(State.AUTH, error=AuthFailed("listing runs", source="one")), REF, row).lasting


def test_hostile_names_are_cleaned_when_the_watch_is_made() -> None:
    watch = Watch(id="w", ref=REF, name="a\x1b]2;owned\x07\u202eb", environment="pr\nod", at=0.0)
    assert watch.title.isprintable()
