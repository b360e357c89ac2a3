"""Answers of Buildbot that are bad, gone, late or not its own: served as they were recorded, and spoiled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from parts.buildbot_recorded import ASKED, BUILD, WORKER
from parts.buildbot_rig import context, opened
from parts.practice import Clock
from quarterdeck_adapters.base import Published, SourceConfig
from quarterdeck_adapters.buildbot.adapter import BuildbotSource
from quarterdeck_adapters.buildbot.discovery import discover, identify
from quarterdeck_adapters.buildbot.events import Ear
from quarterdeck_demo.faults import Faults, Html, Reset, Status, Truncate
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.server import Server
from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.feed import Feed
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Ref, State

RUN = Ref("ci", "run", "5")


class Recorded:
    """Answers below /api/v2 by their path, and the events that are sent to who listens."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {
            "builders": [{"builderid": 2, "name": "fraud-api"}], "builds": [BUILD], "buildrequests": [], "workers": [],
            "builds/4/steps": [], "buildrequests/5/builds": [BUILD], "builds/4": [BUILD],
            "buildsets/5": [{"bsid": 5, "sourcestamps": [], "reason": "because"}],
            "buildrequests/5": [{**ASKED, "claimed": True, "complete": True, "results": 2}],
        }  # fmt: skip
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.events: list[bytes] | None = None

    async def app(self, request: Request) -> Response:
        if request.path.startswith("/sse/listen/") and self.events is not None:
            return Response(200, {"Content-Type": "text/event-stream"}, self._stream(self.events))
        path = request.path.removeprefix("/api/v2/")
        self.asked.append((path, request.query))
        if path not in self.rows:
            return json_response({"error": f"not found while getting {path}"}, 404)
        parts = path.split("/")
        key = {"contents": "logchunks"}.get(parts[-1], parts[-1]) if not parts[-1].isdigit() else parts[-2]
        return json_response({key: self.rows[path], "meta": {}})

    async def _stream(self, events: list[bytes]) -> AsyncIterator[bytes]:
        for event in events:
            yield event

    def log(self, lines: int, *, complete: bool = True, kind: str = "s") -> dict[str, Any]:
        return {"logid": 9, "name": "stdio", "slug": "stdio", "stepid": 3, "complete": complete, "num_lines": lines,
                "type": kind}  # fmt: skip

    def with_log(self, lines: int, content: str, **log: Any) -> None:
        """One step with one log."""
        step = {"buildid": 4, "stepid": 3, "number": 1, "name": "test", "complete": True, "results": 2,
                "started_at": 1, "complete_at": 2, "hidden": False, "state_string": "failed"}  # fmt: skip
        found = [self.log(lines, **log)]
        self.rows |= {"builds/4/steps": [step], "steps/3": [step], "steps/3/logs": found, "logs/9": found,
                      "logs/9/contents": [{"logid": 9, "firstline": 0, "content": content}]}  # fmt: skip


class Case:
    """A source on recorded answers."""

    def __init__(self, recorded: Recorded, server: Server, source: BuildbotSource, clock: Clock) -> None:
        self.recorded, self.server, self.source, self.clock = recorded, server, source, clock
        self.rows = recorded.rows

    async def runs(self) -> list[Run]:
        return [row for row in (await self.source.list("run")).rows if isinstance(row, Run)]

    async def log(self, **options: Any) -> tuple[list[str], list[str]]:
        """Lines and notices."""
        async with asyncio.timeout(30):
            batches = [batch async for batch in self.source.logs([RUN], LogOptions(**options))]
        return [line.text for batch in batches for line in batch.lines], [b.notice for b in batches if b.notice]


@asynccontextmanager
async def recorded() -> AsyncIterator[Case]:
    made, clock = Recorded(), Clock(1795450000.0)
    server = Server(made.app, faults=Faults(), clock=clock)
    url = f"http://127.0.0.1:{await server.start_tcp()}"

    async def sleep(seconds: float) -> None:
        clock.move(seconds)
        await asyncio.sleep(0)

    source = BuildbotSource(SourceConfig(name="ci", system="buildbot", url=url), context(now=clock), sleep=sleep)
    try:
        yield Case(made, server, source, clock)
    finally:
        await source.close()
        await server.stop()
    assert server.errors == []


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    async with recorded() as made:
        yield made


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Html(), Malformed), (Status(code=401), AuthFailed), (Status(code=403, body={"error": "no role"}), Forbidden),
        (Status(code=429), RateLimited), (Status(code=429, retry_after=7), RateLimited),
        (Status(code=502), Unavailable), (Reset(), Unavailable),
    ],
)  # fmt: skip
async def test_the_rows_stay_and_the_trouble_is_named(case: Case, fault: Any, kind: type[QuarterdeckError]) -> None:
    feed = Feed(case.source, "run", lambda old, new: None, Busy(), now=case.clock)
    before = await feed.once()
    assert (before.state, len(before.rows)) == (State.FRESH, 1)
    case.server.faults.add(fault)
    now = await feed.once()
    assert isinstance(now.error, kind), now.error
    assert now.rows == before.rows
    case.server.faults.clear()
    case.clock.move(3600)
    assert (await feed.once()).error is None


@pytest.mark.parametrize("fault", [Truncate(), Truncate(framed=False), Html()])
async def test_a_garbled_answer_is_asked_for_once_more(case: Case, fault: Any) -> None:
    case.server.faults.add(fault, path="/api/v2/builds", count=1)
    assert [run.number for run in await case.runs()] == ["2"]
    assert [path for path, _ in case.recorded.asked].count("builds") >= 1


async def test_what_is_no_list_is_said(case: Case) -> None:
    case.rows["builds"] = {"1": BUILD}  # type: ignore[assignment]
    with pytest.raises(Malformed, match="answered no builds"):
        await case.source.list("run")


async def test_builds_that_come_twice_are_shown_once_and_of_too_many_the_newest(case: Case) -> None:
    moving = {"complete": False, "results": None}
    many = [{**BUILD, "buildid": n, "buildrequestid": n, "number": n, **moving} for n in range(1, 10_001)]
    case.rows["builds"] = [*many, *many[5000:], 7, None, {"buildid": "x"}, {"buildid": -3}]
    runs = await case.runs()
    assert len({run.ref for run in runs}) == len(runs) == 100
    assert {run.number for run in runs} == {str(n) for n in range(9901, 10_001)}


async def test_only_what_is_new_is_asked_for_until_something_disappears(case: Case) -> None:
    moving = {**BUILD, "buildid": 8, "buildrequestid": 8, "number": 3, "complete": False, "results": None}
    case.rows["builds"] = [BUILD, moving]
    await case.runs()

    async def asked() -> list[list[str] | None]:
        case.recorded.asked.clear()
        await case.runs()
        return [query.get("buildid__ge") for path, query in case.recorded.asked if path == "builds"]

    assert await asked() == [["5"]]
    case.rows["builds"] = [BUILD]
    # The build that went on is gone: everything is read anew.
    assert (await asked())[-1] is None
    assert [run.number for run in await case.runs()] == ["2"]


async def test_a_build_that_lost_its_worker_waits_again_as_the_same_run(case: Case) -> None:
    lost = {**BUILD, "results": 5, "buildid": 4}
    case.rows |= {"builds": [lost], "buildrequests": [ASKED], "workers": [WORKER]}
    (run,) = await case.runs()
    assert (run.ref, run.state) == (RUN, "queued")
    assert run.queued_for == "waits to be taken: a lock, or a rule of its builder"
    again = {**BUILD, "buildid": 6, "number": 3, "complete": False, "results": None}
    case.rows |= {"builds": [again, lost], "buildrequests": []}
    (run,) = await case.runs()
    assert (run.ref, run.state, run.attempt, run.number) == (RUN, "running", 2, "3")


async def test_a_request_that_is_gone_from_the_queue_is_looked_after(case: Case) -> None:
    case.rows |= {"builds": [], "buildrequests": [{**ASKED, "buildrequestid": id} for id in (5, 6, 7)]}
    assert len(await case.runs()) == 3
    case.rows |= {
        "buildrequests": [], "buildrequests/6": [{**ASKED, "buildrequestid": 6, "claimed": True}],
        "buildrequests/5": [{**ASKED, "complete": True, "complete_at": 1795449990, "results": 6}],
    }  # fmt: skip
    for _ in range(2):
        states = {run.ref.id: run.state for run in await case.runs()}
        assert states == {"5": "cancelled", "6": "starting"}
    case.clock.move(2 * 86_400)
    assert [run.ref.id for run in await case.runs()] == ["6"]


async def test_what_is_asked_beside_may_fail_alone(case: Case) -> None:
    moving = {**BUILD, "complete": False, "results": None}
    case.rows |= {"builds": [moving], "buildrequests": [{**ASKED, "buildrequestid": 6}]}
    case.server.faults.add(Status(code=500), path="/api/v2/(workers|builds/4/steps|buildsets/5)")
    listing = await case.source.list("run")
    assert len(listing.rows) == 2
    for word in ("why requests wait is not known", "where build 4 stands", "what request set 5 is for"):
        assert word in listing.partial


async def test_of_a_log_of_millions_of_lines_the_last_are_asked_for(case: Case) -> None:
    case.recorded.with_log(3_000_000, "".join(f"oline {n}\n" for n in range(1000)))
    lines, notices = await case.log(tail=1000)
    assert (len(lines), lines[0]) == (1000, "line 0")
    assert "test: 2,999,000 earlier lines are not shown" in notices
    (query,) = [query for path, query in case.recorded.asked if path == "logs/9/contents"]
    assert query == {"offset": ["2999000"], "limit": ["2000"]}


async def test_an_offset_that_brings_nothing_ends_the_log(case: Case) -> None:
    case.recorded.with_log(50, "")
    assert (await case.log())[0] == []


async def test_a_log_that_shrank_is_shown_from_its_start_and_one_that_was_removed_ends(case: Case) -> None:
    from quarterdeck_adapters.buildbot.logs import Reader

    case.recorded.with_log(3, "ha\nob\nec\n", complete=False)
    reader = Reader(case.source, case.rows["logs/9"][0], 1000)
    assert (await reader.ask()).data == b"a\nb\nc\n"
    case.recorded.with_log(1, "onew\n", complete=False)
    piece = await reader.ask()
    assert (piece.data, piece.anew) == (b"new\n", "the log shrank from 3 to 1 lines: from its start")
    del case.rows["logs/9"]
    assert (await reader.ask()).ended
    with pytest.raises(NotFound):
        await Reader(case.source, {"logid": 9}, 10).ask()


async def test_hostile_lines_are_text_and_a_log_of_html_is_named(case: Case) -> None:
    case.recorded.with_log(2, "o\x1b]0;stolen\x07\x1b[31mred\x1b[0m\no\u202eevil\n")
    lines, _ = await case.log()
    assert not any(bad in line for line in lines for bad in ("\x1b", "\x07", "\u202e"))
    case.recorded.with_log(2, "<b>", kind="h")
    lines, notices = await case.log()
    assert lines == []
    assert "test: its log stdio is a page of HTML, see it on the web" in notices


async def test_secrets_in_properties_and_addresses_are_masked(case: Case) -> None:
    properties = {**BUILD["properties"], "api_token": ["t0psecret", "Force Build Form"], "count": [3, "x"], "odd": 7}
    case.rows |= {"builds/4/properties": [properties], "builds/4/changes": []}
    tabs = {tab.title: tab for tab in await case.source.describe(RUN)}
    table = {row[0]: row[1] for row in tabs["Properties"].table}
    assert (table["api_token"], table["count"], "odd" in table) == ("***", "3", False)
    assert table["repository"] == "https://ada:***@git.example/acme/fraud-api.git"
    assert "pw@" not in str(tabs)


async def test_a_run_that_disappeared_is_said_to_be(case: Case) -> None:
    del case.rows["buildrequests/5"]
    for ask in (case.source.describe(RUN), case.source.children(RUN), case.log()):
        with pytest.raises(NotFound):
            await ask


HANDSHAKE = b"event: handshake\ndata: 4e498e2f-a912-43bb\n\n"


async def test_without_events_it_is_asked_again_and_again(case: Case) -> None:
    with pytest.raises(Unsupported, match="/sse/listen answered 404"):
        await anext(aiter(case.source.watch("run")))
    moving = {**BUILD, "complete": False, "results": None}
    case.recorded.with_log(1, "oone\n")
    case.rows |= {"buildrequests/5/builds": [moving], "builds/4": [moving]}
    reading = aiter(case.source.logs([RUN], LogOptions()))
    assert (await anext(reading)).notice == "test: failure"
    assert case.source.log_mode(RUN) == "polling 2 s"
    assert [line.text for line in (await anext(reading)).lines] == ["one"]
    case.rows["builds/4"] = [BUILD]
    before = case.clock.now
    assert [batch async for batch in reading] == []
    assert case.clock.now - before == 2.0


async def _hear_on(ear: Ear) -> None:
    while True:
        await ear.hear(5)


async def test_a_stream_that_ends_or_talks_nonsense_is_lost_and_not_believed(case: Case) -> None:
    case.recorded.events = [HANDSHAKE, b": hello\nevent: event\ndata: {nonsense\n\n\x00\xff\n"]
    async with Ear(case.source.api, "builds/*/*") as ear:
        assert await ear.hear()
        with pytest.raises(Unavailable):
            await _hear_on(ear)
        assert not ear.alive
    case.recorded.events = [b"event: handshake\ndata: ../../evil\n\n"]
    with pytest.raises(Malformed, match="no id"):
        await Ear(case.source.api, "builds/*/*").__aenter__()
    case.recorded.events = []
    with pytest.raises(Unavailable):
        await Ear(case.source.api, "builds/*/*").__aenter__()


async def test_a_port_that_a_buildbot_container_publishes_is_a_lead() -> None:
    leads = (
        Published(container="ci", image="buildbot/buildbot-master:4.3", address="127.0.0.1:9"),
        Published(container="web", image="nginx", address="127.0.0.1:19"),
    )
    found = await discover(msgspec.structs.replace(context(), published=leads))
    assert [(each.source.url, each.evidence) for each in found] == [
        ("http://127.0.0.1:9", "container ci publishes 127.0.0.1:9"), ("http://127.0.0.1:8010", "loopback port 8010"),
    ]  # fmt: skip


async def test_what_answers_there_decides_whether_it_is_a_buildbot(case: Case) -> None:
    address = case.source.address
    assert (await identify(address, context(), "loopback")).answered is False
    case.rows["/api/v2"] = []
    assert (await identify("http://127.0.0.1:9", context(), "loopback")).answered is False
    case.server.faults.add(Html())
    assert (await identify(address, context(), "loopback")).answered is False


async def test_a_source_without_an_address_says_what_to_name() -> None:
    with pytest.raises(Unsupported, match="name the address of its web"):
        async with opened(""):
            pass
