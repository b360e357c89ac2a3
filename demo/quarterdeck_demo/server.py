"""An HTTP/1.1 server on loopback or a unix socket, on h11: all servers of the practice world run on it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import h11

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import (
    Drop,
    Handler,
    Request,
    Response,
    Silence,
    Upgrade,
    json_response,
    text_response,
)
from quarterdeck_demo.router import Router

__all__ = [
    "Drop", "Handler", "Request", "Response", "Router", "Seen", "Server", "Silence", "Upgrade",
    "json_response", "text_response",
]  # fmt: skip

KEPT_HEADERS = frozenset(
    (
        "accept", "authorization", "connection", "content-type", "host", "if-none-match", "prefer", "range",
        "upgrade", "user-agent", "x-github-api-version", "x-registry-auth",
    )
)  # fmt: skip
BODILESS = frozenset({204, 304})


class Seen(NamedTuple):
    """A request as the tests look at it afterwards."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, list[str]]


class TooLarge(Exception):
    """A request body over the server's bound."""


class Server:
    """Serves `app`; requests are kept in `requests`, exceptions of a handler in `errors` (and are a 500)."""

    def __init__(
        self,
        app: Handler,
        *,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
        max_body: int = 256 * 1024 * 1024,
    ) -> None:
        self.faults = faults or Faults()
        self.requests: deque[Seen] = deque(maxlen=10_000)
        self.errors: list[Exception] = []
        self._app = app
        self._clock = clock
        self._max_body = max_body
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start_tcp(self, port: int = 0, *, bound: socket.socket | None = None) -> int:
        """Listen on 127.0.0.1, or on a socket that is already bound, and return the port."""
        if bound is None:
            self._listener = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=1 << 20)
        else:
            self._listener = await asyncio.start_server(self._connected, sock=bound, limit=1 << 20)
        name: tuple[str, int] = self._listener.sockets[0].getsockname()
        return name[1]

    async def start_unix(self, path: Path) -> None:
        """Listen on a unix socket (path under 104 bytes) in a folder that only its owner enters."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        self._listener = await asyncio.start_unix_server(self._connected, str(path), limit=1 << 20)

    async def stop(self) -> None:
        """Close the listener and every connection, black holes too."""
        if self._listener is not None:
            self._listener.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._listener = None

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        conn = h11.Connection(h11.SERVER, max_incomplete_event_size=32_768)
        try:
            while await self._exchange(conn, reader, writer):
                conn.start_next_cycle()
        except h11.RemoteProtocolError as error:
            with contextlib.suppress(h11.LocalProtocolError, OSError):
                body = str(error).encode()
                await self._send(conn, reader, writer, Response(error.error_status_hint, {}, body), head=False)
        except TooLarge:
            with contextlib.suppress(h11.LocalProtocolError, OSError):
                response = json_response({"message": "request body too large"}, 413)
                await self._send(conn, reader, writer, response, head=False)
        except OSError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, conn: h11.Connection, reader: StreamReader, writer: StreamWriter) -> bool:
        """One request and its answer; whether the connection lives on."""
        request = await self._read(conn, reader, writer)
        if request is None:
            return False
        kept = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        self.requests.append(Seen(request.method, request.path, kept, request.query))
        response = await self._answer(request)
        if isinstance(response, Silence):
            while await reader.read(65_536):
                pass
            return False
        if isinstance(response, Drop):
            _reset(writer)
            return False
        if isinstance(response, Upgrade):
            await _hijack(conn, reader, writer, request, response)
            return False
        return await self._send(conn, reader, writer, response, head=request.method == "HEAD")

    async def _answer(self, request: Request) -> Response:
        async def dated(request: Request) -> Response:
            response = await self._app(request)
            if response.header("Date") is None:
                response.headers["Date"] = formatdate(self._clock(), usegmt=True)
            return response

        try:
            response = await self.faults.answer(dated, request)
        except Exception as error:  # the handler's fault must not end the server, and the tests must see it
            self.errors.append(error)
            response = json_response({"message": f"{type(error).__name__}: {error}"}, 500)
        if response.header("Date") is None:
            response.headers["Date"] = formatdate(self._clock(), usegmt=True)
        return response

    async def _read(self, conn: h11.Connection, reader: StreamReader, writer: StreamWriter) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = conn.next_event()
            if event is h11.NEED_DATA:
                if conn.they_are_waiting_for_100_continue:
                    writer.write(conn.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                    await writer.drain()
                conn.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._max_body:
                    raise TooLarge
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return _request(head, bytes(body))
            else:
                return None

    async def _send(
        self,
        conn: h11.Connection,
        reader: StreamReader,
        writer: StreamWriter,
        response: Response,
        *,
        head: bool,
    ) -> bool:
        body = response.body
        bodiless = head or response.status in BODILESS
        sized = response.header("Content-Length") is not None and head
        if isinstance(body, bytes) and response.status not in BODILESS and not sized:
            response.set_header("Content-Length", str(len(body)))
        event = h11.Response(
            status_code=response.status,
            headers=[(name.encode(), value.encode("latin-1", "replace")) for name, value in response.headers.items()],
        )
        writer.write(conn.send(event) or b"")
        if isinstance(body, bytes):
            if not bodiless:
                kept = body if response.cut is None else body[: response.cut]
                writer.write(conn.send(h11.Data(data=kept)) or b"")
                await writer.drain()
                if response.cut is not None:
                    return False
        elif not bodiless:
            await writer.drain()
            if not await _stream(conn, reader, writer, response):
                return False
        writer.write(conn.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return conn.our_state is h11.DONE and conn.their_state is h11.DONE


async def _stream(conn: h11.Connection, reader: StreamReader, writer: StreamWriter, response: Response) -> bool:
    """Send an iterator body; stops, and says False, as soon as the client has gone."""
    assert not isinstance(response.body, bytes)

    async def send() -> None:
        assert not isinstance(response.body, bytes)
        async for chunk in response.body:
            if chunk:
                writer.write(conn.send(h11.Data(data=chunk)) or b"")
                await writer.drain()

    sending = asyncio.ensure_future(send())
    watching = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done() and watching.result():  # a pipelined request: the client is still there
            conn.receive_data(watching.result())
            await sending
        if not sending.done():
            return False
        sending.result()
        return True
    finally:
        for task in (sending, watching):
            task.cancel()
        results = await asyncio.gather(sending, watching, return_exceptions=True)
        if isinstance(results[1], bytes) and results[1] and conn.trailing_data[0] == b"":
            conn.receive_data(results[1])
        close = getattr(response.body, "aclose", None)
        if close is not None:
            await close()


async def _hijack(
    conn: h11.Connection, reader: StreamReader, writer: StreamWriter, request: Request, response: Upgrade
) -> None:
    if request.header("upgrade"):
        response.set_header("Connection", "Upgrade")
        response.set_header("Upgrade", request.header("upgrade"))
        status = b"HTTP/1.1 101 UPGRADED"
    else:
        status = b"HTTP/1.1 200 OK"
    lines = [status, *(f"{name}: {value}".encode("latin-1") for name, value in response.headers.items())]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    await writer.drain()
    raw = StreamReader()
    raw.feed_data(conn.trailing_data[0])

    async def pump() -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                raw.feed_data(data)
        raw.feed_eof()

    pumping = asyncio.ensure_future(pump())
    try:
        await response.run(raw, writer)
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)


def _request(head: h11.Request, body: bytes) -> Request:
    target = urlsplit(head.target.decode("latin-1"))
    return Request(
        method=head.method.decode(),
        path=target.path,
        query=parse_qs(target.query, keep_blank_values=True),
        headers={name.decode(): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )


def _reset(writer: StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
