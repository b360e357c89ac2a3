"""Logs: their colours and times, the redirect without the credential, waiting for jobs that run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest

from adapters.ghrig import API, Rig, rig
from parts.practice import practice_story
from quarterdeck_adapters.github.loglines import JobLines
from quarterdeck_demo.faults import Status, Truncate
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.messages import Request, Response, text_response
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import NotFound, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref

ONCE = LogOptions(follow=False)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


def job(hub: Rig, number: int, index: int, slug: str = API) -> Ref:
    """The ref of a job of a run's first attempt."""
    run = hub.run_id(number, slug)
    return Ref("gh", "job", f"{slug}/{run}/{run * 100 + 10 + index}")


async def heard(batches: AsyncIterator[LogBatch]) -> tuple[list[str], list[str]]:
    """The lines' texts and the notices."""
    lines: list[str] = []
    notices: list[str] = []
    async for batch in batches:
        lines += [line.text for line in batch.lines]
        notices += [batch.notice] if batch.notice else []
    return lines, notices


def read(data: bytes, *cuts: int) -> list[tuple[str, tuple[tuple[int, int, str], ...], float | None]]:
    reading = JobLines()
    edges = [0, *cuts, len(data)]
    found = [line for a, b in pairwise(edges) for line in reading.feed(data[a:b])]
    found += list(reading.flush())
    return [(line.text, line.spans, line.at) for line in found]


# The lines that GitHub's own runner writes: https://docs.github.com/en/actions/how-tos/monitor-workflows/view-workflow-run-history
LOG = (
    b"\xef\xbb\xbf2024-01-02T03:04:05.1234567Z ##[group]Run pytest\n"
    b"2024-01-02T03:04:05.2234567Z \x1b[36;1mpytest -q\x1b[0m\r\n"
    b"2024-01-02T03:04:06.0000000Z ##[endgroup]\n"
    b"2024-01-02T03:04:07.5000000Z ok \x1b[31mF\x1b[0m end\n"
    b"a line without a time\n"
    b"2024-01-02T03:04:08.0000000Z ##[error]Process completed with exit code 1.\n"
    b"2024-01-02T03:04:08.0000000Z ##[warning]old \x1b[1mnode\x1b[0m\n"
    b"2024-99-99T03:04:08.0000000Z no such day"
)
BASE = 1704164645.0
READ = [
    ("Run pytest", ((0, 10, "bold"),), BASE + 0.1234567),
    ("pytest -q", ((0, 9, "bold cyan"),), BASE + 0.2234567),
    ("ok F end", ((3, 4, "red"),), BASE + 2.5),
    ("a line without a time", (), BASE + 2.5),
    ("Error: Process completed with exit code 1.", ((0, 42, "bold red"),), BASE + 3),
    ("Warning: old node", ((0, 9, "yellow"), (13, 17, "bold")), BASE + 3),
    ("2024-99-99T03:04:08.0000000Z no such day", (), BASE + 3),
]  # fmt: skip


def test_times_colours_and_commands_of_a_log() -> None:
    assert [(text, spans, pytest.approx(at)) for text, spans, at in read(LOG)] == READ


def test_where_the_chunks_are_cut_does_not_matter() -> None:
    whole = read(LOG)
    for at in range(1, len(LOG)):
        assert read(LOG, at) == whole
    assert read(LOG, *range(1, len(LOG))) == whole
    assert read(b"\xef\xbb") == [("\ufffd", (), None)]
    assert read(b"") == []


def test_hostile_lines_are_made_safe_and_stay_where_they_are() -> None:
    for text in HOSTILE:
        head = "2024-01-02T03:04:05.0000000Z ##[group]"
        for line, spans, at in read(f"{head}{text}\n".encode("utf-8", "surrogatepass")):
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2066\u061c" for char in line)
            assert all(0 <= start < end <= len(line) for start, end, _ in spans)
            assert at is None or at == BASE


async def test_the_log_of_a_failed_job_is_there_with_its_colours(hub: Rig) -> None:
    source = hub.source()
    ref = job(hub, 1841, 1)
    assert source.log_mode(ref) == "available when the job ends"
    batches = [batch async for batch in source.logs([ref], LogOptions())]
    lines = [line for batch in batches for line in batch.lines]
    failed = next(line for line in lines if line.text.startswith("FAILED tests/test_amount.py"))
    assert failed.spans[0] == (0, 6, "red")
    assert failed.at is not None
    assert lines[-1].text == "Error: Process completed with exit code 1."
    assert [line.at for line in lines] == sorted(line.at or 0 for line in lines)
    assert all(line.source == "" for line in lines)


async def test_a_run_s_log_is_that_of_all_its_jobs_one_after_the_other(hub: Rig) -> None:
    source = hub.source()
    lines, notices = await heard(source.logs([Ref("gh", "run", f"{API}/{hub.run_id(1841)}")], LogOptions()))
    assert notices == ["lint: success", "unit-tests: failure", "build-image was skipped: it has no log"]
    assert lines.count("All checks passed!") == 1
    assert lines.index("All checks passed!") < lines.index("Error: Process completed with exit code 1.")


async def test_the_last_lines_and_a_window(hub: Rig) -> None:
    source = hub.source()
    ref = job(hub, 1841, 1)
    every = [line async for batch in source.logs([ref], ONCE) for line in batch.lines]
    lines, notices = await heard(source.logs([ref], LogOptions(tail=3, follow=False)))
    assert lines == [line.text for line in every[-3:]]
    assert notices == [f"unit-tests: {len(every) - 3} earlier lines are not shown"]
    before = every[-3].at
    lines, _ = await heard(source.logs([ref], LogOptions(tail=2, until=before, follow=False)))
    assert lines == [line.text for line in every if (line.at or 0) < (before or 0)][-2:]


async def test_a_job_that_runs_is_asked_every_five_seconds_and_its_log_comes_whole(hub: Rig) -> None:
    source = hub.source()
    ref = job(hub, 773, 1, "acme/etl")
    lines, notices = await heard(source.logs([ref], LogOptions(tail=2)))
    assert notices == ["unit-tests (running): the log is available when the job ends; asking every 5 s"]
    assert set(hub.slept) == {5.0}
    assert "214 passed in 96.80s" in lines
    assert len(lines) > 2
    lines, notices = await heard(source.logs([job(hub, 213, 0, "acme/fraud-model")], ONCE))
    assert (lines, notices) == ([], ["lint (queued): the log is available when the job ends"])


async def test_a_run_that_goes_on_gives_each_job_s_log_as_it_ends(hub: Rig) -> None:
    source = hub.source()
    ref = Ref("gh", "run", f"acme/etl/{hub.run_id(773, 'acme/etl')}")
    lines, notices = await heard(source.logs([ref], LogOptions()))
    assert [notice for notice in notices if notice.endswith("success")] == [
        "lint: success", "unit-tests: success", "build-image: success",
    ]  # fmt: skip
    assert lines.count("All checks passed!") == 1
    assert len([line for line in lines if line.startswith("#8 pushing layers")]) == 1


async def test_the_address_of_the_log_gets_no_credential(hub: Rig) -> None:
    async def elsewhere(request: Request) -> Response:
        return text_response("2024-01-02T03:04:05.0000000Z from another host\n")

    storage = Server(elsewhere)
    port = await storage.start_tcp()

    async def app(request: Request) -> Response:
        if request.path.endswith("/logs"):
            return Response(302, {"Location": f"http://127.0.0.1:{port}/signed?sig=1"})
        return await hub.github.handler(request)

    hub.app = app
    try:
        lines, _ = await heard(hub.source().logs([job(hub, 1841, 1)], ONCE))
        assert lines == ["from another host"]
        assert [seen.path for seen in storage.requests] == ["/signed"]
        assert "authorization" not in storage.requests[0].headers
        assert "authorization" in hub.server.requests[-1].headers
    finally:
        await storage.stop()


async def test_a_signed_address_that_expired_is_no_trouble_of_the_token(hub: Rig) -> None:
    async def elsewhere(request: Request) -> Response:
        return Response(403, {"Content-Type": "application/xml"}, b"<Error><Code>AuthenticationFailed</Code></Error>")

    storage = Server(elsewhere)
    port = await storage.start_tcp()

    async def app(request: Request) -> Response:
        if request.path.endswith("/logs"):
            return Response(302, {"Location": f"http://127.0.0.1:{port}/signed"})
        return await hub.github.handler(request)

    hub.app = app
    try:
        with pytest.raises(NotFound, match="the address of the log has expired"):
            await heard(hub.source().logs([job(hub, 1841, 1)], ONCE))
    finally:
        await storage.stop()


async def test_a_log_that_is_cut_is_taken_up_again(hub: Rig) -> None:
    source = hub.source()
    ref = job(hub, 1841, 1)
    whole, _ = await heard(source.logs([ref], ONCE))
    hub.faults.add(Truncate(fraction=0.5, framed=False), path="/_logs/", count=1)
    assert (await heard(source.logs([ref], ONCE)))[0] == whole
    hub.faults.add(Truncate(fraction=0.5, framed=False), path="/_logs/")
    with pytest.raises(Unavailable):
        await heard(source.logs([ref], ONCE))


async def test_a_long_log_that_is_cut_while_it_is_followed_has_no_line_twice(hub: Rig) -> None:
    long = "".join(f"2024-01-02T03:04:05.0000000Z line {n}\n" for n in range(20_000))

    async def app(request: Request) -> Response:
        if request.path.startswith("/_logs/"):
            return text_response(long)
        return await hub.github.handler(request)

    hub.app = app
    hub.faults.add(Truncate(fraction=0.6, framed=False), path="/_logs/", count=1)
    lines, _ = await heard(hub.source().logs([job(hub, 773, 1, "acme/etl")], LogOptions(tail=1)))
    assert lines == [f"line {n}" for n in range(20_000)]


async def test_a_lost_connection_while_waiting_is_told_and_survived(hub: Rig) -> None:
    source = hub.source()
    seen: list[str] = []
    async for batch in source.logs([job(hub, 773, 1, "acme/etl")], LogOptions()):
        if batch.notice and not seen:
            hub.faults.add(Status(code=502), path="/actions/jobs/", count=2)
        seen += [batch.notice] if batch.notice else []
    assert len([notice for notice in seen if "asking again in 5 s" in notice]) == 2


async def test_what_has_no_log_here_says_why(hub: Rig) -> None:
    source = hub.source()
    with pytest.raises(Unsupported, match="a pull_request has no log"):
        source.logs([Ref("gh", "pull_request", f"{API}/412")], ONCE)
    with pytest.raises(Unsupported, match="first attempt"):
        await heard(source.logs([job(hub, 1841, 1)], LogOptions(previous=True)))
    with pytest.raises(NotFound):
        await heard(source.logs([Ref("gh", "job", f"{API}/{hub.run_id(1841)}/1")], ONCE))
