"""The traffic probe counts what it says: every way to fail has its reason, and the gap is the longest one."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from parts.process import free_port
from parts.traffic import Traffic, TrafficProcess

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes, status: str = "200 OK", length: int | None = None, headers: bytes = b"") -> bytes:
    """A whole answer, or one whose length is a lie."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status.encode(), len(body) if length is None else length, headers, body,
    )  # fmt: skip


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """A server on loopback that does this with each connection."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v?x=1"
    finally:
        server.close()


async def read(reader: asyncio.StreamReader) -> bytes:
    """The head of a request, empty at the end."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    reset(writer)


async def _cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    writer.write(answer(b"half", length=100))
    await writer.drain()


async def _cut_by_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _cut(reader, writer)
    await asyncio.sleep(0.05)
    reset(writer)


async def _garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    writer.write(b"SSH-2.0-x\r\n\r\n")
    await writer.drain()


async def _busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    writer.write(answer(b"no", "503 Service Unavailable"))
    await writer.drain()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await read(reader):
        assert head.startswith(b"GET /v?x=1 HTTP/1.1\r\n")
        writer.write(answer(b"v1\nmore\n"))
        await writer.drain()


@pytest.mark.parametrize(
    ("serve", "reason"),
    [
        (_refuse, "closed"), (_reset, "reset"), (_cut, "cut"), (_cut_by_reset, "cut"), (_garble, "garbled"),
        (_busy, "503"), (_silent, "timeout"),
    ],
)  # fmt: skip
async def test_each_way_to_fail_has_its_reason(serve: Serve, reason: str) -> None:
    async with serving(serve) as url, Traffic(url, concurrency=1, limit=0.3) as traffic:
        with pytest.raises(ConnectionError, match=f"^{reason}$"):
            await traffic.one("/v?x=1")
    report = traffic.report()
    assert set(report.reasons) == {reason}
    assert report.ok == 0
    assert report.sent == len(report.failed) >= 2


async def test_a_port_where_nobody_listens_is_refused() -> None:
    async with Traffic(f"http://127.0.0.1:{free_port()}/", concurrency=1) as traffic:
        with pytest.raises(ConnectionError, match=r"^refused$"):
            await traffic.one("/")
    assert traffic.report().longest_gap == traffic.report().seconds


@pytest.mark.parametrize("keep_alive", [False, True])
async def test_connections_are_kept_when_asked(keep_alive: bool) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await _well(reader, writer)

    async with serving(serve) as url, Traffic(url, concurrency=2, keep_alive=keep_alive) as traffic:
        await traffic.passed(10)
        await traffic.only("v1", 5)
    report = traffic.report()
    assert report.failed == ()
    assert report.versions == {"v1": report.sent}
    assert connections == (2 if keep_alive else report.sent)


async def test_an_outage_between_two_versions_is_counted_and_is_the_gap() -> None:
    """The server is gone for exactly as many requests as fail, and the gap spans them."""
    port = free_port()

    def serve(version: bytes) -> Serve:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read(reader)
            writer.write(answer(version, headers=b"Connection: close\r\n"))
            await writer.drain()
            writer.close()

        return one

    first = await asyncio.start_server(serve(b"one"), "127.0.0.1", port)
    async with Traffic(f"http://127.0.0.1:{port}/", concurrency=1) as traffic:
        await traffic.saw("one")
        first.close()
        await traffic.until(lambda: len(traffic.failed) >= 10, "ten failures")
        second = await asyncio.start_server(serve(b"two"), "127.0.0.1", port)
        await traffic.only("two", 5)
    second.close()
    report = traffic.report()
    assert list(report.versions) == ["one", "two"]
    assert report.last == "two"
    assert report.reasons == {"refused": len(report.failed)}
    assert report.longest_gap >= report.failed[-1].at - report.failed[0].at
    assert report.ok + len(report.failed) == report.sent


async def test_a_slow_request_counts_and_does_not_hide_a_gap() -> None:
    held = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await read(reader)).startswith(b"GET /slow"):
            await held.wait()
        writer.write(answer(b"v"))
        await writer.drain()

    async with serving(serve) as url, Traffic(url, slow="/slow", concurrency=0) as traffic:
        held.set()
        await traffic.saw("v")
    report = traffic.report()
    assert report.ok == report.sent >= 1
    assert report.longest_gap == report.seconds


async def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    async with serving(_well) as url:
        probe = TrafficProcess(url, tmp_path, concurrency=2)
        probe.process.start()
        try:
            await asyncio.to_thread(probe.process.wait_ready, (tmp_path / "traffic.ready").exists, "its first request")
        finally:
            await asyncio.to_thread(probe.stop)
    report = probe.report()
    assert report.versions == {"v1": report.ok}
    assert report.sent == report.ok >= 1
    assert json.loads((tmp_path / "traffic.json").read_text())["failed"] == []
