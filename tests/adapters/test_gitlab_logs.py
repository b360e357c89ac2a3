"""Logs of GitLab's jobs: they grow, shrink, are written anew, come whole or in ranges, and may be huge."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.glrig import ETL, Rig, rig
from parts.practice import practice_story
from quarterdeck_adapters.gitlab import logs
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_demo.faults import Status
from quarterdeck_demo.messages import Request, Response, text_response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def gl(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


async def read(gl: Rig, ref: Ref, **options: object) -> tuple[list[str], list[str]]:
    lines, notices = [], []
    async for batch in gl.source().logs([ref], LogOptions(**options)):
        lines += [line.text for line in batch.lines]
        notices += [batch.notice] * bool(batch.notice)
    return lines, notices


@pytest.mark.parametrize("ranges", [False, True])
async def test_a_log_that_grows_is_shown_once_to_its_end(gl: Rig, *, ranges: bool) -> None:
    gl.gitlab.state.ranges = ranges
    live = gl.pipeline("running")
    lines, notices = await read(gl, gl.job(live, "transform"), tail=100_000)
    steps = [line for line in lines if line.startswith("step ")]
    assert len(steps) > 50
    assert [line.partition("/")[0] for line in steps] == [f"step {n}" for n in range(1, len(steps) + 1)]
    assert lines[-1] == "Job succeeded"
    assert "▸ script" in lines
    assert notices == []
    asked = [seen.headers for seen in gl.server.requests if seen.path.endswith("/trace")]
    assert len(asked) > 20
    assert all(("range" in headers) == ranges for headers in asked[2:])


async def test_a_whole_log_that_did_not_change_is_not_sent_again(gl: Rig) -> None:
    live = gl.pipeline("running")
    source = gl.source()
    trace = logs.Trace(source, Place(ETL, live.id, live.jobs["transform"][-1].id))
    first = await trace.ask()
    assert first.data.count(b"step ") > 5
    gl.clock.move(0.1)
    for _ in range(3):
        assert (await trace.ask()).data == b""
    tags = [seen.headers.get("if-none-match") for seen in gl.server.requests if seen.path.endswith("/trace")]
    assert tags[-1]
    assert tags[-1] == tags[-2]


class Served:
    """A job whose log is what `body` is; in ranges when `ranges`."""

    def __init__(self, gl: Rig, body: bytes, *, ranges: bool = False, status: str = "running") -> None:
        self.gl, self.body, self.ranges, self.status = gl, body, ranges, status
        gl.app = self.answer
        self.live = gl.pipeline("running")
        self.place = Place(ETL, self.live.id, self.live.jobs["transform"][-1].id)
        self.trace = logs.Trace(gl.source(), self.place)

    async def answer(self, request: Request) -> Response:
        if not request.path.endswith("/trace"):
            return await self.gl.gitlab.handler(request)
        start = request.header("range").removeprefix("bytes=").rstrip("-")
        if not (self.ranges and start):
            return text_response(self.body.decode())
        if int(start) >= len(self.body):
            return Response(416, {"Content-Range": f"bytes */{len(self.body)}"})
        part = self.body[int(start) :]
        return Response(206, {"Content-Range": f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"}, part)

    async def ask(self, body: bytes) -> tuple[bytes, str]:
        """What the next question brings when the log is this."""
        self.body = body
        piece = await self.trace.ask()
        return piece.data, piece.anew


@pytest.mark.parametrize("ranges", [False, True])
async def test_a_log_that_shrinks_or_is_written_anew_is_shown_from_its_start(gl: Rig, *, ranges: bool) -> None:
    served = Served(gl, b"", ranges=ranges)
    assert await served.ask(b"") == (b"", "")
    assert await served.ask(b"one\n") == (b"one\n", "")
    assert await served.ask(b"one\ntwo\n") == (b"two\n", "")
    assert await served.ask(b"one\n") == (b"one\n", "the log shrank from 8 to 4 bytes: from its start")
    assert await served.ask(b"one\nmore\n") == (b"more\n", "")
    assert await served.ask(b"ONE\nmore\nand\n") == (b"ONE\nmore\nand\n", "the log was written anew: from its start")
    assert await served.ask(b"ONE\nmore\nand\nthen\n") == (b"then\n", "")


async def test_ranges_that_mean_nothing_are_given_up(gl: Rig) -> None:
    served = Served(gl, b"one\n")
    assert await served.ask(b"one\n") == (b"one\n", "")
    honest = served.answer

    async def lies(request: Request) -> Response:
        if request.path.endswith("/trace") and request.header("range"):
            return Response(206, {"Content-Range": "bytes 900-903/904"}, b"junk")
        return await honest(request)

    gl.app = lies
    assert await served.ask(b"one\ntwo\n") == (b"two\n", "")
    assert await served.ask(b"one\ntwo\nthree\n") == (b"three\n", "")
    asked = [seen.headers.get("range") for seen in gl.server.requests if seen.path.endswith("/trace")]
    assert asked == [None, "bytes=0-", None, None]


async def test_a_mark_that_is_cut_in_two_is_read_whole(gl: Rig) -> None:
    served = Served(gl, b"")
    assert await served.ask(b"go\nsecti") == (b"go\n", "")
    assert await served.ask(b"go\nsection_start:12:scr") == (b"", "")
    data, _ = await served.ask(b"go\nsection_start:12:script\r\x1b[0Khello\n")
    assert data == b"section_start:12:script=\nhello\n"


async def test_of_a_huge_log_the_end_is_held_and_the_rest_is_told(gl: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST", 256 * 1024)
    size = 24 * 1024 * 1024

    async def body() -> AsyncIterator[bytes]:
        block = b"a line of a log that goes on and on\n" * 1024
        for _ in range(size // len(block)):
            yield block
        yield b"the end\n"

    async def huge(request: Request) -> Response:
        if request.path.endswith("/trace"):
            return Response(200, {"Content-Type": "text/plain"}, body())
        return await gl.gitlab.handler(request)

    gl.app = huge
    live = gl.pipeline("failed")
    tracemalloc.start()
    lines, notices = await read(gl, gl.job(live, "transform"), tail=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines[-1] == "the end"
    assert len(lines) == 3
    assert "bytes before are left out" in notices[0]
    assert peak < 8 * 1024 * 1024


async def test_a_log_that_is_away_for_a_while_is_asked_for_again(gl: Rig) -> None:
    live = gl.pipeline("running")
    ref, notices, lines = gl.job(live, "transform"), [], 0
    async for batch in gl.source().logs([ref], LogOptions(tail=5)):
        if not gl.faults.rules:
            gl.faults.add(Status(code=502), path="/trace$", count=2)
        lines += len(batch.lines)
        notices += [batch.notice] * bool(batch.notice)
    assert sum("asking again in 5 s" in notice for notice in notices) == 2
    assert lines > 30


async def test_what_has_no_log_says_so(gl: Rig) -> None:
    live = gl.pipeline("failed")
    assert await read(gl, gl.job(live, "load")) == ([], ["load is skipped: it has no log"])
    held = gl.pipeline("pending")
    lines, notices = await read(gl, gl.job(held, "backfill"), follow=False)
    assert lines == []
    assert notices == ["backfill waits for a runner with bare-metal, ssd; asking every 5 s"]


async def test_the_attempt_before_has_a_log_of_its_own(gl: Rig) -> None:
    live = next(p for p in gl.gitlab.state.listed(gl.project()) if "contract" in p.plan.retried)
    lines, _ = await read(gl, gl.job(live, "contract"), previous=True)
    assert lines[-1].startswith("ERROR: Job failed")
    with pytest.raises(Unsupported, match="the first attempt"):
        await read(gl, gl.job(live, "lint"), previous=True)


async def test_a_run_is_followed_job_after_job(gl: Rig) -> None:
    live = gl.pipeline("running")
    lines, notices = await read(gl, gl.run(live), tail=2)
    assert [notice for notice in notices if notice.endswith(("running", "success"))] == [
        "extract: success", "transform: running", "load: running",
    ]  # fmt: skip
    assert lines[-1] == "Job succeeded"
    assert gl.slept
    assert set(gl.slept) == {5.0}
