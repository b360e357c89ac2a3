"""Each fault does what it says, as often as it is told, to the requests that it is for."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from quarterdeck_demo import faults as bad
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.hostile import HOSTILE, rewrite
from quarterdeck_demo.server import Request, Response, Router, Server, json_response, text_response

ROWS = [{"id": f"row-{number}", "title": f"title {number}", "state": "open"} for number in range(5)]


class Desk:
    """A server with pages, a write, a log and a stream."""

    def __init__(self) -> None:
        self.writes = 0
        router = Router()
        router.add("GET", "/rows", self.rows)
        router.add("GET", "/tokens", self.tokens)
        router.add("POST", "/rows", self.write)
        router.add("GET", "/log", self.log)
        router.add("GET", "/events", self.events)
        self.server = Server(router)

    async def rows(self, request: Request) -> Response:
        page = int(request.arg("page", "1"))
        link = {"Link": f'<http://x/rows?page={page + 1}>; rel="next"'} if page < 5 else {}
        return json_response(ROWS[page - 1 : page], headers=link)

    async def tokens(self, request: Request) -> Response:
        page = int(request.arg("token", "0"))
        more = {"next_page_token": str(page + 1)} if page < 4 else {}
        return json_response({"rows": ROWS[page : page + 1], **more})

    async def write(self, _: Request) -> Response:
        self.writes += 1
        return json_response({"written": self.writes}, 201)

    async def log(self, _: Request) -> Response:
        return text_response("a line\n")

    async def events(self, _: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b'{"Action":"start"}\n{"note":"x"}\n'
            yield b"not json\n"

        return Response(200, {"Content-Type": "application/json"}, body())


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.server.stop()
    assert made.server.errors == []


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    port = await desk.server.start_tcp()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False, timeout=20) as made:
        yield made


@pytest.fixture
def faults(desk: Desk) -> Faults:
    return desk.server.faults


@pytest.mark.parametrize("code", [401, 403, 404, 409, 410, 429, 500, 502, 503])
async def test_a_status_strikes_as_often_as_told(client: httpx.AsyncClient, faults: Faults, code: int) -> None:
    rule = faults.add(bad.Status(code=code), path="^/rows$", method="GET", count=2)
    statuses = [(await client.get("/rows")).status_code for _ in range(3)]
    assert (statuses, rule.hits) == ([code, code, 200], 2)
    assert (await client.get("/tokens")).status_code == 200


async def test_retry_after_is_there_only_when_told(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.Status(code=429, retry_after=7), count=1)
    faults.add(bad.Status(code=429), count=1)
    told = [(await client.get("/rows")).headers.get("retry-after") for _ in range(3)]
    assert told == ["7", None, None]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (bad.Reset(), httpx.ReadError),
        (bad.BlackHole(), httpx.ReadTimeout),
        (bad.Truncate(framed=False), httpx.RemoteProtocolError),
    ],
)
async def test_a_connection_breaks(client: httpx.AsyncClient, faults: Faults, fault: Any, error: type) -> None:
    faults.add(fault, count=1)
    with pytest.raises(error):
        await client.get("/rows", timeout=0.2 if isinstance(fault, bad.BlackHole) else 20)
    assert (await client.get("/rows")).status_code == 200


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("fault", [bad.Reset, bad.Status])
async def test_a_write_takes_effect_before_its_answer_is_lost(
    client: httpx.AsyncClient, desk: Desk, faults: Faults, fault: Any, effect: bool
) -> None:
    faults.add(fault(effect=effect, **({"code": 500} if fault is bad.Status else {})), method="POST", count=1)
    try:
        assert (await client.post("/rows")).status_code == 500
    except httpx.ReadError:
        assert fault is bad.Reset
    assert desk.writes == int(effect)


async def test_json_ends_in_the_middle(client: httpx.AsyncClient, faults: Faults) -> None:
    whole = (await client.get("/rows")).content
    faults.add(bad.Truncate(fraction=0.5))
    cut = await client.get("/rows")
    assert (cut.status_code, cut.content) == (200, whole[: len(whole) // 2])


async def test_a_page_of_a_proxy_comes_as_html(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.Html())
    response = await client.get("/rows")
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")


async def test_an_answer_drips(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.Drip(chunk=10, interval=0.0))
    async with client.stream("GET", "/rows") as response:
        parts = [part async for part in response.aiter_raw()]
    assert json.loads(b"".join(parts)) == ROWS[:1]
    assert response.headers["content-length"] == str(sum(map(len, parts)))


async def test_a_body_is_huge(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.Huge(size=300_000))
    response = await client.get("/rows")
    assert len(response.content) == 300_000
    assert response.json() == ["A" * 299_996]


async def test_pages_overlap(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.DuplicatePages())
    pages = [(await client.get("/rows", params={"page": page})).json() for page in (1, 2, 3)]
    assert pages[:2] == [ROWS[:1], ROWS[:2]]
    assert pages[2][-1] == ROWS[2]
    tokens = [(await client.get("/tokens", params={"token": token})).json() for token in (0, 1)]
    assert (tokens[1]["rows"], tokens[1]["next_page_token"]) == (ROWS[:2], "2")


async def test_page_tokens_and_links_go_round(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.TokenLoop())
    token, seen = "0", []
    for _ in range(4):
        token = (await client.get("/tokens", params={"token": token})).json()["next_page_token"]
        seen.append(token)
    assert seen == ["1", "1", "1", "1"]
    links = [(await client.get("/rows", params={"page": page})).headers["link"] for page in (1, 2, 5)]
    assert set(links) == {'<http://x/rows?page=2>; rel="next"'}


async def test_the_clock_is_off(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.ClockSkew(seconds=-86_400))
    date = parsedate_to_datetime((await client.get("/rows")).headers["date"]).timestamp()
    assert abs(date + 86_400 - time.time()) < 3600


async def test_hostile_strings_stand_in_every_text_and_no_identifier(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.add(bad.Hostile())
    titles = [(await client.get("/rows")).json()[0] for _ in HOSTILE]
    assert [row["title"] for row in titles] == [f"{string}title 0" for string in HOSTILE]
    assert {(row["id"], row["state"]) for row in titles} == {("row-0", "open")}
    faults.clear()
    faults.add(bad.Hostile(strings=("!",), everything=True))
    assert (await client.get("/rows")).json() == [{"id": "!row-0", "title": "!title 0", "state": "!open"}]
    assert (await client.get("/log")).text == "a line\n\n!\n"
    assert (await client.get("/events")).text == '{"Action": "!start"}\n{"note": "!x"}\nnot json\n'


def test_the_hostile_strings_are_all_kinds() -> None:
    text = "".join(HOSTILE)
    kinds = {
        "CSI": "\x1b[", "OSC 52": "\x1b]52;", "OSC 8": "\x1b]8;", "DCS": "\x1bP", "RIS": "\x1bc", "C1": "\x9b",
        "bidi": "\u202e", "markup": "[@click=", "newline": "\n", "NUL": "\x00", "zero width": "\u200b",
        "path": "../", "shell": "$(reboot)", "emoji": "👩",
    }  # fmt: skip
    assert [name for name, part in kinds.items() if part not in text] == []
    assert any(len(string) >= 10_000 for string in HOSTILE)
    assert any(string.startswith("-") for string in HOSTILE)


def test_rewriting_reaches_lists_and_keeps_what_is_named() -> None:
    document = {"a": ["x", {"b": "y", "html_url": "u"}], "sha": "s", "kept": "k", "n": 1, "none": None}
    assert rewrite(document, str.upper, keep=("kept",)) == {
        "a": ["X", {"b": "Y", "html_url": "u"}], "sha": "s", "kept": "k", "n": 1, "none": None,
    }  # fmt: skip


async def test_faults_are_told_through_the_control_path() -> None:
    faults = Faults()

    def request(method: str, body: bytes = b"") -> Request:
        return Request(method, "/_faults", {}, {}, body)

    made = await faults.control(request("POST", b'{"fault":{"fault":"status","code":503},"path":"^/a","count":1}'))
    assert made.status == 200
    wrong = await faults.control(request("POST", b'{"fault":{"fault":"status"}}'))
    assert wrong.status == 422

    async def well(_: Request) -> Response:
        return Response(204)

    statuses = [(await faults.answer(well, Request("GET", path, {}, {}, b""))).status for path in ("/b", "/a", "/a")]
    assert statuses == [204, 503, 204]
    await faults.control(request("DELETE"))
    assert faults.rules == []


def test_every_fault_has_a_name_of_its_own() -> None:
    kinds = bad.AnyFault.__args__
    names = [kind.__struct_config__.tag for kind in kinds]
    assert len(set(names)) == len(names) == 11
