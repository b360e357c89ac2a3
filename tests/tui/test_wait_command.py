"""`quarterdeck wait`: what it prints and how it ends, on told sources and on the practice world."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from parts.process import DEADLINE
from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended
from quarterdeck.commands.wait import wait_for
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.errors import AuthFailed, Unavailable
from quarterdeck_lifecycle.kinds import Alert, Container, Operation, RegisteredModel, Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Record, Ref, Status
from scripted import Scripted, container


def run(state: str, status: Status, note: str = "") -> Run:
    return Run(
        ref=Ref("gh", "run", "7"), name="api ci #7", system="github", repository="a/api", number="7", state=state,
        status=status, note=note,
    )  # fmt: skip


def op(result: str) -> Operation:
    ref = Ref("services", "operation", "0198aaaa-1111")
    return Operation(
        ref=ref, name="deploy api", op=ref.id, verb="deploy", service="api", step="gate", result=result,
        state=result or "running",
    )  # fmt: skip


def alert(state: str) -> Alert:
    return Alert(ref=Ref("prom", "alert", "P95"), name="P95", state=state)


def model(version: str) -> RegisteredModel:
    return RegisteredModel(ref=Ref("ml", "model", "fraud"), name="fraud", aliases={"champion": version})


def box(state: str, status: Status = Status.OK, **more: Any) -> Container:
    return container("api", state, status, **more)


Row = Record | None
CASES: dict[str, tuple[str, str, Sequence[Row], int, str]] = {
    "ended well already": ("gh/run/7", "", [run("success", Status.OK)], 0, "DONE"),
    "ended badly already": ("api ci #7", "", [run("failure", Status.BAD)], 1, "FAILED"),
    "ends well": ("gh/run/7", "", [run("running", Status.RUNNING), run("success", Status.OK)], 0, "DONE"),
    "ends badly": ("gh/run/7", "", [run("running", Status.RUNNING), run("failure", Status.BAD)], 1, "FAILED"),
    "ends as asked": (
        "gh/run/7", "failure", [run("running", Status.RUNNING), run("failure", Status.BAD)], 0, "DONE",
    ),
    "ends otherwise than asked": (
        "gh/run/7", "success", [run("running", Status.RUNNING), run("cancelled", Status.IDLE)], 1, "FAILED",
    ),
    "healthy already": ("api", "", [box("healthy", health="healthy")], 0, "DONE"),
    "becomes healthy": ("api", "healthy", [box("starting", Status.RUNNING), box("healthy")], 0, "DONE"),
    "goes down on the way": (
        "api", "", [box("starting", Status.RUNNING), box("unhealthy 1/5", Status.BAD), box("healthy")], 0, "DONE",
    ),
    "crashes": ("api", "healthy", [box("starting", Status.RUNNING), box("exited 1", Status.BAD)], 1, "FAILED"),
    "is removed": ("api", "", [box("starting", Status.RUNNING), None], 1, "NOT_THERE"),
    "is removed, as asked": ("api", "gone", [box("healthy"), None], 0, "DONE"),
    "an alert clears": ("prom/alert/P95", "", [alert("firing"), None], 0, "DONE"),
    "an alert fires": ("prom/alert/P95", "", [alert("pending"), alert("firing")], 1, "FAILED"),
    "an alert that is not there fires": ("prom/alert/P95", "firing", [None, alert("firing")], 0, "DONE"),
    "an alert is clear already": ("prom/alert/P95", "clear", [None, alert("firing")], 0, "DONE"),
    "an alias moves": ("fraud", "", [model("17"), model("18")], 0, "DONE"),
    "an alias moves to what was asked": (
        "fraud", "champion=19", [model("17"), model("18"), model("19")], 0, "DONE",
    ),
    "an operation by the beginning of its id": ("0198aaaa", "", [op(""), op("ROLLED_BACK")], 1, "FAILED"),
    "nothing of that name": ("nobody", "", [box("healthy")], 1, "NOT_THERE"),
    "a ref that no row has": ("local/container/nobody", "", [box("healthy")], 1, "NOT_THERE"),
    "a source that is not there": ("nowhere/container/x", "", [box("healthy")], 1, "NOT_THERE"),
}  # fmt: skip


class Told(Scripted):
    """Lists these rows one after the other, the first one twice: to look it up, and to begin with. The last stays."""

    def __init__(self, rows: Sequence[Row]) -> None:
        first = next(row for row in rows if row is not None)
        super().__init__(first.ref.source, kind=first.kind)
        self.answers = rows
        self.seconds = 0.0

    async def list(self, kind: str) -> Listing:
        row = self.answers[min(max(0, self.listed - 1), len(self.answers) - 1)]
        self.rows = [] if row is None else [row]
        return await super().list(kind)


async def waits(source: Scripted, words: str, word: str = "", timeout: float | None = DEADLINE) -> int:
    boot = Boot(loaded=Loaded(Config()), discovery=False, read_only=True)
    boot.hub.add(source)
    return await ended(boot, wait_for(boot, words, word=word, timeout=timeout, as_json=True))


@pytest.mark.parametrize("name", CASES)
async def test_how_it_ends(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, word, rows, code, result = CASES[name]
    assert await waits(Told(rows), words, word) == code
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1].keys() == {"ref", "result", "message"}
    assert lines[-1]["result"] == result
    assert all(line.keys() == {"ref", "seq", "at", "state", "message"} for line in lines[:-1])
    assert [line["seq"] for line in lines[:-1]] == list(range(1, len(lines)))


async def test_time_that_is_over_and_a_source_that_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    source = Scripted(rows=[box("starting", Status.RUNNING)])
    assert await waits(source, "api", timeout=0.2) == 124
    assert '"result": "TIMEOUT"' in capsys.readouterr().out
    source.error = Unavailable("listing containers", source="local", why="no route")
    for words in ("local/container/id-api", "api"):
        assert await waits(source, words) == 4
        assert "no route" in capsys.readouterr().out
    assert await waits(Refuses("local", [box("starting", Status.RUNNING)]), "local/container/id-api") == 4
    assert '"result": "UNAVAILABLE"' in capsys.readouterr().out.splitlines()[-1]


class Refuses(Scripted):
    """Answers once, and then wants another password."""

    async def list(self, kind: str) -> Listing:
        self.seconds = 0.0
        if self.listed:
            raise AuthFailed("listing containers", source=self.name)
        return await super().list(kind)


async def test_words_that_several_rows_answer_to_end_with_the_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    twice = [container("api"), Container(ref=Ref("local", "container", "2"), name="api")]
    assert await waits(Scripted(rows=twice), "api") == 2
    assert "local/container/2" in capsys.readouterr().err
