"""What a first look tells of the days before: each once, and never again what was seen when it happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from quarterdeck_lifecycle.changelog import ChangeLog
from quarterdeck_lifecycle.changes import diff
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.kinds import Alert, Container, Run, Series
from quarterdeck_lifecycle.pastchanges import LATER, past
from quarterdeck_lifecycle.records import Record, Ref, State, Status
from quarterdeck_lifecycle.state import StateDB

NOW = datetime.now(UTC).timestamp()
HOUR = 3600.0


def look(*rows: Record, at: float = NOW) -> Snapshot:
    return Snapshot(
        source="s", system="x", environment="prod", kind=rows[0].kind, rows=rows, state=State.FRESH, fetched_at=at
    )


def made(name: str, at: float | None, **more: Any) -> Container:
    return Container(ref=Ref("s", "container", name), name=name, image="api:v41", created_at=at, **more)


def run(number: int, status: Status, branch: str, **more: Any) -> Run:
    return Run(
        ref=Ref("s", "run", str(number)), name=f"ci #{number}", system="x", repository="a/b", number=str(number),
        status=status, state=str(status), branch=branch, finished_at=NOW - number * HOUR, actor="ana", **more,
    )  # fmt: skip


def test_rows_tell_when_they_came_or_ended_and_who_did_it() -> None:
    marks = {"quarterdeck.op": "op-1", "quarterdeck.actor": "oper@bast"}
    ours, old, without = made("a", NOW - HOUR, labels=marks), made("b", NOW - 8 * 24 * HOUR), made("c", None)
    (found,) = past(look(ours, old, without, made("ahead", NOW + 60)), NOW)
    assert (found.what, found.after, found.by, found.op, found.actor) == ("new", "api:v41", "us", "op-1", "oper@bast")
    assert found.at.timestamp() == NOW - HOUR
    assert found.note.startswith(LATER)
    alert = Alert(ref=Ref("s", "alert", "p"), name="p", state="firing", active_at=NOW - HOUR)
    assert [(row.what, row.after) for row in past(look(alert), NOW)] == [("new", "firing")]
    runs = (
        run(1, Status.BAD, "topic"), run(2, Status.OK, "topic"), run(3, Status.OK, "main"),
        run(4, Status.OK, "trunk", default_branch="main"), run(5, Status.RUNNING, "main"),
    )  # fmt: skip
    told = past(look(*runs), NOW)
    assert [row.name for row in told] == ["ci #1", "ci #3"]
    assert [row.actor for row in told] == ["ana", "ana"]
    assert told[1].note == "default branch main; seen later; started the run"
    assert past(look(Series(ref=Ref("s", "series", "x"), name="x")), NOW) == []


async def test_the_past_is_kept_once_and_not_where_more_is_known(tmp_path: Path) -> None:
    db = StateDB(tmp_path)
    log = ChangeLog(db, str)
    row = made("a", NOW - HOUR)
    assert await log.add_past(past(look(row), NOW)) == 1
    assert await log.add_past(past(look(row), NOW + 60)) == 0
    seen = diff(
        look(made("z", None), at=NOW - HOUR), look(made("z", None), made("b", NOW - 60)), at=NOW,
        by=lambda *_: ("outside", "", ""),
    )  # fmt: skip
    assert len(seen) == 1
    assert await log.add(seen) == 1
    assert await log.add_past(past(look(made("b", NOW - 60)), NOW)) == 0
    assert await log.add_past(past(look(made("b", NOW - 60)), NOW), slack=timedelta(seconds=-120)) == 1
    assert await db.aclose()
