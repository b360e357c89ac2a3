"""Logs of local runs: followed live, bounded, in the order of the steps; and what keeps them bounded on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.localrig import Rig, at, begun, done, ended, lines_of, step, whole, write_log
from quarterdeck_adapters.local import locks, logs
from quarterdeck_adapters.local.journal import Journal
from quarterdeck_adapters.local.model import RUNNER
from quarterdeck_adapters.local.stepping import BoundedLog
from quarterdeck_config.schema import LocalPipeline
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import LogOptions


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, {"check": LocalPipeline(steps=(step("one"), step("two")))})


async def test_the_steps_of_a_run_come_one_after_the_other(rig: Rig) -> None:
    folder = rig.past("check", whole(3))
    write_log(folder, 0, "a\nb\n")
    write_log(folder, 1, "c\n\x1b[31mred\x1b[0m without an end")
    lines, notices = await rig.log(rig.ref("check", 1))
    assert lines == ["a", "b", "c", "red without an end"]
    assert notices == ["check #1 one: success", "check #1 two: success", "check #1: success"]
    assert await rig.log(rig.ref("check", 1, 1)) == (["c", "red without an end"], [])
    assert rig.source.log_mode(rig.ref("check", 1)) == "live"


async def test_only_the_last_lines_are_shown_and_the_others_counted(rig: Rig) -> None:
    folder = rig.past("check", whole(3))
    write_log(folder, 0, "".join(f"line {number}\n" for number in range(5000)))
    lines, notices = await rig.log(rig.ref("check", 1, 0), tail=3)
    assert (lines, notices) == (["line 4997", "line 4998", "line 4999"], ["one: 4,997 earlier lines are not shown"])


@pytest.mark.parametrize(
    ("text", "count", "begin", "skipped"),
    [(b"", 3, 0, 0), (b"a\nb\nc\n", 2, 2, 1), (b"a\nb\nc", 2, 2, 1), (b"a\nb\n", 9, 0, 0), (b"\n\n\n", 1, 2, 2)],
)
def test_where_the_last_lines_begin(tmp_path: Path, text: bytes, count: int, begin: int, skipped: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(text)
    found = logs.last_lines(path, count)
    assert (found.offset, found.skipped, found.size) == (begin, skipped, len(text))


def test_a_big_log_is_looked_through_at_its_end_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "END", 100)
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%09d\n" % number for number in range(1000)))
    found = logs.last_lines(path, 500)
    assert (found.offset, found.skipped) == (10_000 - 90, 991)


async def test_a_run_that_goes_on_is_followed_until_it_ends(rig: Rig) -> None:
    folder = rig.past("check", [begun(), at(0, 0)])
    path, journal = write_log(folder, 0, "first\n"), Journal(folder)
    alive = locks.hold(folder, RUNNER)
    assert alive is not None
    told: list[float] = []

    async def sleeping(seconds: float) -> None:
        told.append(seconds)
        match len(told):
            case 1:
                with path.open("ab") as file:
                    file.write(b"half of a ")
            case 2:
                with path.open("ab") as file:
                    file.write(b"line\n")
            case 3:
                path.write_bytes(b"anew\n")
            case 4:
                for event in (ended(0, 5), at(1, 5)):
                    journal.add(event)
            case 5:
                write_log(folder, 1, "last")
                for event in (ended(1, 6, "failure", 1, "exit code 1"), done(6, "failure", "two: exit code 1")):
                    journal.add(event)

    rig.sleeping = sleeping
    try:
        seen = [batch async for batch in rig.source.logs([rig.ref("check", 1)], LogOptions())]
    finally:
        os.close(alive)
    lines, notices = lines_of(seen)
    assert lines == ["first", "half of a line", "anew", "last"]
    assert notices == [
        "check #1 one: running", "one: the log shrank from 21 to 5 bytes: from its start", "check #1 two: running",
        "check #1: failure: two: exit code 1",
    ]  # fmt: skip
    assert set(told) == {logs.PAUSE_S}


async def test_what_is_not_followed_ends_with_what_there_is(rig: Rig) -> None:
    folder = rig.past("check", [begun(), at(0, 0)])
    write_log(folder, 0, "first\n")
    alive = locks.hold(folder, RUNNER)
    assert alive is not None
    try:
        assert (await rig.log(rig.ref("check", 1), follow=False))[0] == ["first"]
    finally:
        os.close(alive)


async def test_several_runs_are_shown_as_one_and_each_line_names_its_step(rig: Rig) -> None:
    for number in (1, 2):
        write_log(rig.past("check", whole(3)), 0, f"of {number}\n")
    refs = [rig.ref("check", 1, 0), rig.ref("check", 2, 0)]
    batches = [batch async for batch in rig.source.logs(refs, LogOptions())]
    assert [(line.text, line.source) for batch in batches for line in batch.lines] == [("of 1", "one"), ("of 2", "one")]


async def test_the_run_before_and_what_has_no_log(rig: Rig) -> None:
    write_log(rig.past("check", whole(3)), 0, "before\n")
    rig.past("check", [begun(), at(0, 0)])
    assert (await rig.log(rig.ref("check", 2), previous=True))[0] == ["before"]
    with pytest.raises(NotFound, match="no earlier run"):
        await rig.log(rig.ref("check", 1), previous=True)
    with pytest.raises(Unsupported, match="not a run of it"):
        await rig.log(rig.ref("check", 0))
    lines, notices = await rig.log(rig.ref("check", 2))
    assert (lines, notices[-1].startswith("check #2: lost: its runner")) == ([], True)


async def test_a_run_that_disappears_says_so(rig: Rig) -> None:
    folder = rig.past("check", [begun(), at(0, 0)])
    alive = locks.hold(folder, RUNNER)
    assert alive is not None

    async def sleeping(_seconds: float) -> None:
        (folder / "spec.json").unlink()

    rig.sleeping = sleeping
    try:
        with pytest.raises(NotFound, match="not kept any more"):
            await rig.log(rig.ref("check", 1))
    finally:
        os.close(alive)


def test_a_log_keeps_its_beginning_its_end_and_counts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = BoundedLog(path, 1000)
    for number in range(1000):
        log.write(b"%09d\n" % number)
    grown = path.stat().st_size
    log.close("over")
    text = path.read_text()
    assert grown < 1000
    assert text.startswith("000000000\n000000001\n")
    assert "this log has reached 1,000 bytes" in text
    assert "9,000 bytes are left out here\n" in text
    assert text.endswith("000000999\n\nover\n")
    assert path.stat().st_size < 1300


def test_a_full_disk_loses_lines_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError):
        BoundedLog(tmp_path / "full", 1000)
    log = BoundedLog(Path("/dev/full"), 1000)
    log.write(b"abc")
    log.close("over")
    assert log.lost >= 3
