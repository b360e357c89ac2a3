"""HTTP messages as the practice world's servers see them: plain values, no sockets."""

from __future__ import annotations

import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec


class Request(NamedTuple):
    """One request, read whole. `path` is as sent, percent-encoded; header names are lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    match: Mapping[str, str] = {}
    """Route parameters, percent-decoded; filled in by `Router`."""

    def json(self) -> Any:
        """The body as JSON, `None` when it is empty; raises `ValueError` when it is not JSON."""
        return json.loads(self.body) if self.body else None

    def arg(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def header(self, name: str, default: str = "") -> str:
        """One header, by its name in any case."""
        return self.headers.get(name.lower(), default)


Body = bytes | AsyncIterator[bytes]


class Response:
    """An answer; an iterator body is streamed, chunked unless `headers` hold a Content-Length."""

    def __init__(self, status: int = 200, headers: Mapping[str, str] | None = None, body: Body = b"") -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body
        self.cut: int | None = None
        """Bytes of the body after which the connection is dropped, whatever the headers promised."""

    def header(self, name: str) -> str | None:
        """One header, by its name in any case."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    def set_header(self, name: str, value: str) -> None:
        """Set a header, taking the place of one that differs only by case."""
        for key in [key for key in self.headers if key.lower() == name.lower()]:
            del self.headers[key]
        self.headers[name] = value


class Upgrade(Response):
    """After the head, the raw connection goes to `run(reader, writer)` (Docker's hijacked attach and exec).

    The status is 101 when the client asked for an upgrade, else 200, as the engine does:
    https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
    """

    def __init__(
        self,
        run: Callable[[StreamReader, StreamWriter], Awaitable[None]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(101, headers)
        self.run = run


class Silence(Response):
    """Accept, never answer: the connection stays open until the client or the server ends it."""


class Drop(Response):
    """Reset the connection (RST over TCP) without an answer."""


Handler = Callable[[Request], Awaitable[Response]]


def json_response(obj: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`obj` as UTF-8 JSON; NaN and Infinity are null, as JSON has none."""
    body = msgspec.json.encode(obj)
    return Response(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)


def text_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`text` as UTF-8 text/plain unless `headers` name another Content-Type."""
    return Response(status, {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}, text.encode())
