"""What the adapters of CI systems share: tails, failures, medians."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_adapters.ci.api import AT_ONCE, together
from quarterdeck_adapters.ci.failing import ERRORS, LAST, read, read_bytes, section, speaks_of_error
from quarterdeck_adapters.ci.tail import TRIES, Piece, Whole, follow
from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_lifecycle.errors import RateLimited, Unavailable
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref, Status


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_a_log_that_grows_is_told_once(parts: list[bytes]) -> None:
    whole, body, told = Whole(), b"", b""
    for part in parts:
        body += part
        piece = whole.piece(body, ended=False)
        assert not piece.anew
        told += piece.data
    assert told == body


@pytest.mark.parametrize(
    ("body", "why"), [(b"ab", "shrank from 6 to 2 bytes"), (b"", "shrank from 6 to 0"), (b"abcdXf", "written anew")]
)
def test_a_log_that_shrinks_or_changes_begins_anew_and_says_so(body: bytes, why: str) -> None:
    whole = Whole()
    whole.piece(b"abcdef", ended=False)
    piece = whole.piece(body, ended=False)
    assert piece.data == body
    assert why in piece.anew
    assert whole.piece(body + b"g", ended=True) == Piece(b"g", ended=True)


class Asked:
    """What a system answers, one after the other; pauses are kept."""

    def __init__(self, *answers: Piece | Exception) -> None:
        self.answers = list(answers)
        self.slept: list[float] = []

    async def __call__(self) -> Piece:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def all(self, options: LogOptions | None = None) -> list[LogBatch]:
        options = options or LogOptions()
        return [batch async for batch in follow(self, options, sleep=self.sleep, pause_s=5.0)]


def texts(batches: Sequence[LogBatch]) -> list[str]:
    return [line.text for batch in batches for line in batch.lines]


async def test_lines_cut_anywhere_come_whole_and_the_last_one_without_a_break_too() -> None:
    asked = Asked(Piece(b"one\ntw", ended=False), Piece(b"o\nthree", ended=True))
    assert texts(await asked.all()) == ["one", "two", "three"]
    assert asked.slept == [5.0]


async def test_only_the_last_lines_come_first_and_that_is_said() -> None:
    batches = await Asked(Piece(b"1\n2\n3\n4\n", ended=True)).all(LogOptions(tail=2))
    assert texts(batches) == ["3", "4"]
    assert batches[0].notice == "2 earlier lines are not shown"


async def test_a_pause_of_the_system_is_waited_out_and_said() -> None:
    limit = RateLimited("GET log", source="ci", why="slow down", retry_after=42.0)
    asked = Asked(Piece(b"one\n", ended=False), limit, Unavailable("GET log", source="ci"), Piece(b"two\n", ended=True))
    batches = await asked.all()
    assert texts(batches) == ["one", "two"]
    assert asked.slept == [5.0, 42.0, 5.0]
    assert any("asking again in 42 s" in batch.notice for batch in batches)


async def test_a_system_that_stays_away_ends_the_tail_with_its_reason() -> None:
    down = Unavailable("GET log", source="ci")
    asked = Asked(Piece(b"one\n", ended=False), *[down] * (TRIES + 1))
    with pytest.raises(Unavailable):
        await asked.all()
    assert not asked.answers


async def test_a_log_that_shrank_is_shown_from_its_start_behind_a_notice() -> None:
    whole = Whole()
    bodies = [b"one\ntwo\npart", b"one\n", b"one\nnew\n"]
    asked = Asked(*(whole.piece(body, ended=body is bodies[-1]) for body in bodies))
    batches = await asked.all()
    assert texts(batches) == ["one", "two", "one", "new"]
    assert any("shrank from 12 to 4 bytes: from its start" in batch.notice for batch in batches)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("E       assert 412 == 0", True), ("##[error]Process completed with exit code 1.", True),
        ("FAILED tests/test_amount.py::test_null", True), ("npm ERR! code ELIFECYCLE", True),
        ("make: *** [Makefile:3: test] Error 2", True), ("bash: foo: command not found", True),
        ("213 passed, 0 failed", False), ("build finished without errors", False), ("errors: 0", False),
        ("collected 214 items", False), ("terrors of the deep", False),
    ],
)  # fmt: skip
def test_lines_that_speak_of_an_error(line: str, is_one: bool) -> None:
    assert speaks_of_error(line) is is_one


def test_a_failure_shows_its_step_its_errors_and_its_end() -> None:
    log = "".join(f"line {n}\n" for n in range(1, 101)) + "\x1b[31mError: it broke\x1b[0m\nbye\n"
    tab = section("unit-tests", "Run pytest", read_bytes(log.encode()))
    lines = tab.text.splitlines()
    assert lines[0] == "unit-tests failed at step Run pytest"
    assert "   101  Error: it broke" in lines
    assert f"last {LAST} of 102 lines:" in lines
    assert lines[-1] == "bye"


def test_a_failure_without_a_log_says_why() -> None:
    tab = section("deploy", "", None, "not read: 403")
    assert (tab.text, tab.note) == ("deploy failed", "not read: 403")


def test_a_log_of_any_length_is_kept_short() -> None:
    found = read(f"error {n}" for n in range(100_000))
    assert (found.lines, len(found.errors), len(found.last)) == (100_000, ERRORS, LAST)
    assert found.errors[-1] == (100_000, "error 99999")


async def test_what_was_not_asked_when_it_was_given_up_is_not_left_waiting(recwarn: pytest.WarningsRecorder) -> None:
    begun: list[int] = []
    all_of_them = asyncio.Event()

    async def ask(number: int) -> None:
        begun.append(number)
        if len(begun) == AT_ONCE:
            all_of_them.set()
        await asyncio.Event().wait()

    asking = asyncio.ensure_future(together([ask(number) for number in range(20)]))
    await all_of_them.wait()
    mine = asyncio.all_tasks() - {asyncio.current_task(), asking}
    asking.cancel()
    await asyncio.wait({asking, *mine})
    del mine, asking
    gc.collect()
    assert begun == list(range(AT_ONCE))
    assert [str(each.message) for each in recwarn if "never awaited" in str(each.message)] == []


def run(number: int, seconds: float | None, status: Status = Status.OK, workflow: str = "ci") -> Run:
    return Run(
        ref=Ref("ci", "run", str(number)), name=str(number), status=status, state="s", updated_at=float(number),
        system="x", repository="a/b", number=str(number), workflow=workflow, duration_s=seconds,
    )  # fmt: skip


def test_a_median_is_of_the_successful_runs_of_the_same_pipeline_before_it() -> None:
    runs = [
        run(6, None, Status.RUNNING), run(5, 900.0, workflow="deploy"), run(4, 30.0), run(3, 500.0, Status.BAD),
        run(2, 20.0), run(1, 10.0),
    ]  # fmt: skip
    found = {made.number: made.median_s for made in with_medians(runs)}
    assert found == {"6": 20.0, "5": None, "4": 15.0, "3": 15.0, "2": 10.0, "1": None}
