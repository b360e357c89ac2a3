"""What a proxy is to a release: servers that get traffic or not. Settings, addresses, bounded waits."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from quarterdeck_lifecycle.errors import NotFound, Refused, Timeout

State = Literal["ready", "drain", "maint"]
"""Gets traffic; keeps what it has and gets nothing new; gets nothing."""
Health = Literal["up", "down", "starting", "none", "unknown"]
"""`none`: the proxy does not check it; `starting`: no check has passed yet."""
Run = Callable[[Sequence[str]], Awaitable[object]]
"""Runs a program in the container that is being drained; raises where it fails."""
Say = Callable[[str], Awaitable[None]]
POLL_S = 0.2
HEALTHY_S = 60.0
"""Longest wait until a proxy finds a new server well."""
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One server behind a proxy, as the proxy says. `address` is IP:PORT; `sessions` None when it does not count."""

    name: str
    address: str
    state: State
    health: Health
    sessions: int | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The config's `proxy` of a target, read. `drain_s` in seconds."""

    kind: str
    backend: str
    port: int = 0
    socket: str = ""
    api: str = ""
    network: str = ""
    drain_s: float = 30.0
    drain_exec: tuple[str, ...] = ()


class Proxy(Protocol):
    """One backend of one proxy. `server` is a server's name there, or its IP:PORT: a free slot keeps its own name, so
    `add` answers the name, and after a stop the address finds it again.

    Everything is idempotent: what is so already costs a read and no write. Writes need the permit of the target's
    source. All raise QuarterdeckError: Unavailable and Timeout for a proxy that does not answer, NotFound for a
    backend or server that is not there, Forbidden, Unsupported, Conflict, Refused for what was never sent.
    """

    drain_s: float

    async def servers(self) -> Mapping[str, Server]:
        """The backend's servers by name."""

    async def add(self, server: str, address: str) -> str:
        """Have a server with this address, found by the proxy's checks and without traffic where the proxy can hold
        it back (haproxy can; Traefik routes what its provider finds). Answers the name under which it is there."""

    async def healthy(self, server: str) -> bool:
        """Whether the proxy itself finds it well since it was added."""

    async def ready(self, server: str) -> None:
        """Give it traffic."""

    async def drain(self, server: str) -> None:
        """Give it nothing new, leave what is in progress. Does not wait for that: ask `sessions`. Gone
        already is fine."""

    async def sessions(self, server: str) -> int:
        """How much is in progress on it; 0 for one that is gone. A proxy that cannot count answers 1 until `drain_s`
        seconds have passed since it dropped the server, then 0."""

    async def remove(self, server: str) -> None:
        """Have it gone (a slot: empty). What is still in progress is ended: drain first. Gone already is fine."""

    async def find(self, address: str) -> str | None:
        """The name of the server with this address, in whatever state."""

    async def warnings(self) -> tuple[str, ...]:
        """What a plan has to say about this proxy, a sentence each. Raises Unsupported for what would stop a release
        half-way: a socket that may not write, nothing to drain with."""


def settings_of(source: str, settings: Mapping[str, Any]) -> Settings:
    """The settings of a mapping, whose values may be texts (`drain_exec` as JSON then). Raises Refused."""
    argv = settings.get("drain_exec") or ()
    try:
        if isinstance(argv, str):
            argv = json.loads(argv)
        read = Settings(
            kind=str(settings["kind"]),
            backend=str(settings["backend"]),
            port=int(settings.get("port") or 0),
            socket=str(settings.get("socket") or ""),
            api=str(settings.get("api") or ""),
            network=str(settings.get("network") or ""),
            drain_s=float(30.0 if settings.get("drain") in (None, "") else settings["drain"]),
            drain_exec=tuple(str(part) for part in argv),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise Refused("the proxy's settings", source=source, why=f"cannot be read: {error!r}") from error
    return read


def checked_name(source: str, name: str) -> str:
    """The name, if it can be sent: haproxy ends a command at a line break and at `;`. Raises Refused."""
    if not _NAME.fullmatch(name):
        raise Refused(
            f"the name {name!r} is not sent to a proxy", source=source, why="it holds more than A-Z a-z 0-9 _ . : -",
            mend="rename the backend or server",
        )  # fmt: skip
    return name


def parsed_address(source: str, address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """IP and port of IP:PORT or [IP]:PORT. Raises Refused: a proxy is never given a name to look up."""
    host, _, port = address.rpartition(":")
    try:
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise ValueError(f"{port!r} is no port")
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]), int(port)
    except ValueError as error:
        raise Refused(f"the address {address!r} is not sent to a proxy", source=source, why=str(error)) from error


def joined(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    """IP:PORT, or [IP]:PORT for IPv6."""
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def chosen(servers: Mapping[str, Server], wanted: str) -> Server | None:
    """The server of that name or, failing that, of that address; one that is in use before one in maintenance."""
    if wanted in servers:
        return servers[wanted]
    at = [server for server in servers.values() if server.address == wanted]
    return min(at, key=lambda server: server.state == "maint", default=None)


async def wait_healthy(proxy: Proxy, server: str, within_s: float = HEALTHY_S, source: str = "") -> None:
    """Wait until the proxy finds the server well. Raises Timeout with what it says instead."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                if await proxy.healthy(server):
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        found = chosen(await proxy.servers(), server)
        state = f"{found.address} is {found.health}" if found else "it is not there"
        raise Timeout(
            f"the proxy does not find {server} well", source=source, why=f"after {within_s:g} s {state}",
            mend="check that the proxy reaches the workload's port over their network",
        ) from error  # fmt: skip


async def wait_idle(proxy: Proxy, server: str, say: Say, within_s: float | None = None) -> int:
    """Wait at most `within_s` seconds (the proxy's `drain_s`) until nothing is in progress on a drained server.

    Answers how much is left: 0 when all ended in time. A number that changes is said.
    """
    left, said = 0, -1
    try:
        async with asyncio.timeout(proxy.drain_s if within_s is None else within_s):
            while left := await proxy.sessions(server):
                if left != said:
                    said = left
                    await say(f"{server}: {left} in progress")
                await asyncio.sleep(POLL_S)
    except (TimeoutError, NotFound):
        pass
    return left
