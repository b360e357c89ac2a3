"""A peer on loopback that answers as a script says, byte by byte, with or without TLS of a private authority."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Heard(NamedTuple):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """Plays `scripts` one by one, the last one again and again; `heard` holds the requests."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.heard: list[Heard] = []
        self.connections = 0
        self.names: list[str | None] = []
        self.port = 0

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.heard.append(Heard(line, headers, body))
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            await script(writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answers(status: int, body: bytes = b"", **headers: str) -> Script:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return script


def says(raw: bytes) -> Script:
    """Bytes as they are, then the end."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return script


def hangs(raw: bytes = b"") -> Script:
    """Bytes, then nothing until the test ends."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        await asyncio.Event().wait()

    return script


def drips(raw: bytes, rest: bytes = b".") -> Script:
    """Bytes, then one piece after another, as long as the other side takes them."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        while not writer.is_closing():
            writer.write(rest)
            await writer.drain()
            await asyncio.sleep(0.01)

    return script


async def drops(writer: asyncio.StreamWriter) -> None:
    """A reset instead of an answer."""
    writer.transport.abort()


@asynccontextmanager
async def peer(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A peer that listens, and what still holds a connection ends with it."""
    made = Peer(*scripts)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: made.names.append(name)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


class Authority:
    """A private certificate authority of a test's own (the openssl program)."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", str(folder / "ca.key"), "-out", str(self.ca_file),
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    @staticmethod
    def missing() -> bool:
        """Whether there is no openssl here."""
        return shutil.which("openssl") is None

    def context(self, names: Sequence[str]) -> ssl.SSLContext:
        """A server's TLS with a certificate for these names (`DNS:a.test`, `IP:127.0.0.1`)."""
        stem = self.folder / names[0].replace(":", "_").replace("*", "any")
        self._openssl(
            "req", "-x509", "-CA", str(self.ca_file), "-CAkey", str(self.folder / "ca.key"), "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=a server",
            "-keyout", f"{stem}.key", "-out", f"{stem}.pem", "-addext", f"subjectAltName={','.join(names)}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth",
        )  # fmt: skip
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(f"{stem}.pem", f"{stem}.key")
        return made

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


def authority(folder: Path, name: str = "Test authority") -> Authority:
    """One, or a skip where there is no openssl."""
    if Authority.missing():
        pytest.skip("needs openssl")
    return Authority(folder, name)
