"""A link that can be cut: a relay in front of a unix socket or a TCP port, that resets or goes silent when told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from pathlib import Path
from typing import Literal

Cut = Literal["reset", "silent"]
_DEADLINE = 30.0


class Relay:
    """Takes connections on `path` (a unix socket) or a loopback port, and passes bytes on to `upstream`: a path, or a
    port. Reset: connections are torn, new ones are closed at once. Silent: nothing passes, until it is mended; what
    was sent meanwhile arrives then, as after a cable was plugged in again."""

    def __init__(self, upstream: Path | int, path: Path | None = None) -> None:
        self._upstream, self._path = upstream, path
        self.port = 0
        self._resets = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE)
        self._loop.close()

    def cut(self, how: Cut) -> None:
        """Cut it."""
        self._do(self._cut(how))

    def mend(self) -> None:
        """It works again."""
        self._do(self._mend())

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE)  # type: ignore[arg-type]

    async def _open(self) -> None:
        self._passes = asyncio.Event()
        self._passes.set()
        if self._path is not None:
            self._server: asyncio.Server = await asyncio.start_unix_server(self._serve, str(self._path))
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        await self._cut("reset")
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)

    async def _cut(self, how: Cut) -> None:
        if how == "silent":
            self._passes.clear()
            return
        self._resets = True
        for writer in self._writers:
            _tear(writer)

    async def _mend(self) -> None:
        self._resets = False
        self._passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._resets:
            _tear(writer)
            return
        try:
            if isinstance(self._upstream, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(str(self._upstream))
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            _tear(writer)
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            for each in (writer, far_writer):
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()


def _tear(writer: asyncio.StreamWriter) -> None:
    """Close it so that the other side sees a reset where its kind of socket has one."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
