"""Plain HTTP servers to stand behind a proxy: each says its version, and can hold an answer until it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from parts.haproxy import Haproxy
from quarterdeck_adapters.proxy import Proxy, make
from quarterdeck_demo.messages import Request, Response, text_response
from quarterdeck_demo.server import Server

SOURCE = "edge"
OpenHaproxy = Callable[..., Haproxy]


class Backend:
    """One server. `GET /slow` waits for `release`; `asked` is set when such a request is there. `well` False: 503."""

    def __init__(self, version: str) -> None:
        self.version, self.well = version, True
        self.asked, self.release = asyncio.Event(), asyncio.Event()
        self.server = Server(self._answer)
        self.port = 0

    @property
    def address(self) -> str:
        """IP:PORT."""
        return f"127.0.0.1:{self.port}"

    async def _answer(self, request: Request) -> Response:
        if request.path == "/slow":
            self.asked.set()
            await self.release.wait()
        return text_response(f"{self.version}\n", 200 if self.well else 503)


@asynccontextmanager
async def backends(*versions: str) -> AsyncIterator[list[Backend]]:
    """Servers of these versions, listening."""
    made = [Backend(version) for version in versions]
    try:
        for each in made:
            each.port = await each.server.start_tcp()
        yield made
    finally:
        for each in made:
            each.release.set()
            await each.server.stop()


def driver(haproxy: Haproxy, backend: str = "app", **settings: object) -> Proxy:
    """The driver of one backend."""
    return make(SOURCE, {"kind": "haproxy", "backend": backend, "port": 80, "socket": haproxy.socket, **settings})
