"""The practice world's HTTP server: framing, streams, upgrades, bounds, and what it keeps for the tests."""

from __future__ import annotations

import asyncio
import json
import stat
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from quarterdeck_demo.server import Request, Response, Router, Server, Upgrade, json_response, text_response

END_S = 20
"""A wait that is over well before, unless what is waited for never comes."""


class Feed:
    """A stream without an end, and what became of it."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()
        self.closed = asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        try:
            yield b"one\n"
            self.sent.set()
            await asyncio.Event().wait()
        finally:
            self.closed.set()


def app(feed: Feed) -> Router:
    router = Router()

    async def echo(request: Request) -> Response:
        return json_response({
            "match": dict(request.match), "query": request.query, "body": request.body.decode(),
            "first": request.arg("a", "-"), "type": request.header("Content-Type"),
        })  # fmt: skip

    async def follow(_: Request) -> Response:
        return Response(200, {}, feed.body())

    async def fail(_: Request) -> Response:
        raise KeyError("lost")

    async def lines(_: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"a"
            yield b""
            yield b"b"

        return Response(200, {"Content-Type": "text/plain"}, body())

    async def shell(_: Request) -> Response:
        async def run(reader: StreamReader, writer: StreamWriter) -> None:
            writer.write(b"> " + await reader.readline())
            await writer.drain()

        return Upgrade(run, {"Content-Type": "application/vnd.docker.raw-stream"})

    router.add("GET", "/items/{name}/tail", lines)
    router.add("GET", "/items/{name}", echo)
    router.add("POST", "/v2/{name*}/uploads/", echo)
    router.add("GET", "/follow", follow)
    router.add("GET", "/fail", fail)
    router.add("POST", "/shell", shell)
    return router


@pytest.fixture
async def feed() -> Feed:
    return Feed()


@pytest.fixture
async def server(feed: Feed) -> AsyncIterator[Server]:
    running = Server(app(feed), max_body=1000)
    yield running
    await running.stop()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    port = await server.start_tcp()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False, timeout=20) as made:
        yield made


async def test_parameters_are_decoded_and_may_hold_slashes(client: httpx.AsyncClient) -> None:
    one = (await client.get("/items/a%2Fb%20c?a=1&a=2&b=")).json()
    assert (one["match"], one["query"], one["first"]) == ({"name": "a/b c"}, {"a": ["1", "2"], "b": [""]}, "1")
    deep = (await client.post("/v2/team/fraud-api/uploads/", content=b"x")).json()
    assert (deep["match"], deep["body"]) == ({"name": "team/fraud-api"}, "x")
    assert (await client.get("/items/a/b")).status_code == 404


async def test_one_connection_carries_chunked_bodies_expectations_and_heads(server: Server) -> None:
    async with asyncio.timeout(END_S):
        port = await server.start_tcp()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /v2/a/uploads/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nHEAD /items/x HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(length))["body"] == "abcde"
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: " in head.lower()
        writer.write(b"GET /items/y/tail HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
        writer.close()
        assert [(seen.method, seen.path) for seen in server.requests] == [
            ("POST", "/v2/a/uploads/"),
            ("HEAD", "/items/x"),
            ("GET", "/items/y/tail"),
        ]


async def test_a_stream_ends_when_its_client_goes(client: httpx.AsyncClient, feed: Feed) -> None:
    async with client.stream("GET", "/follow") as response:
        assert await anext(response.aiter_bytes()) == b"one\n"
        assert not feed.closed.is_set()
    await asyncio.wait_for(feed.closed.wait(), END_S)


async def test_stopping_ends_streams_and_silences(client: httpx.AsyncClient, server: Server, feed: Feed) -> None:
    async with client.stream("GET", "/follow"):
        await asyncio.wait_for(feed.sent.wait(), END_S)
        await server.stop()
        await asyncio.wait_for(feed.closed.wait(), END_S)


@pytest.mark.parametrize(("ask", "status"), [(True, b"101 UPGRADED"), (False, b"200 OK")])
async def test_an_upgrade_hands_over_the_raw_connection(server: Server, ask: bool, status: bytes) -> None:
    async with asyncio.timeout(END_S):
        port = await server.start_tcp()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        wish = b"Connection: Upgrade\r\nUpgrade: tcp\r\n" if ask else b""
        # The first bytes for the other side may come with the request itself.
        writer.write(b"POST /shell HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" + wish + b"\r\n{}id\n")
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert (b"upgrade: tcp" in head.lower()) is ask
        assert rest == b"> id\n"
        writer.close()


async def test_a_failing_handler_is_a_500_and_kept(client: httpx.AsyncClient, server: Server) -> None:
    response = await client.get("/fail")
    assert (response.status_code, response.json()) == (500, {"message": "KeyError: 'lost'"})
    assert [type(error) for error in server.errors] == [KeyError]
    assert (await client.get("/items/x")).status_code == 200


async def test_what_is_too_large_or_not_http_is_refused(client: httpx.AsyncClient, server: Server) -> None:
    assert (await client.post("/v2/a/uploads/", content=b"x" * 1001)).status_code == 413
    assert (await client.get("/items/x", headers={"X-Long": "y" * 70_000})).status_code == 431
    port = client.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"nonsense\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()


async def test_a_unix_socket_stands_in_a_folder_that_others_cannot_enter(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "run" / "s.sock"
    await server.start_unix(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path), verify=False)) as client:
        assert (await client.get("http://engine/items/x")).json()["match"] == {"name": "x"}


async def test_a_router_tells_the_methods_of_a_path() -> None:
    router = Router()

    async def answer(_: Request) -> Response:
        return text_response("x")

    router.add("GET", "/a/{b}", answer)
    router.add("PUT", "/a/{b}", answer)
    assert (router.methods("/a/1"), router.methods("/b")) == (["GET", "PUT"], [])
