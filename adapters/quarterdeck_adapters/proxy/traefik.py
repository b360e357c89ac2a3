"""Traefik as a release's proxy, by labels: its Docker provider routes to what it finds, its API says what that is.

The provider takes a container up by the labels that it inherited, one with a healthcheck only while that is healthy,
and drops it when it turns unhealthy or stops (https://doc.traefik.io/traefik/providers/docker/). The API is only
read: `GET /api/http/services/NAME@docker` (https://doc.traefik.io/traefik/operations/api/). So adding is waiting,
draining is making the old container unhealthy with `drain_exec`, and there is nothing to remove. What `drain_exec` did
must not outlast a restart of the container: going back restarts it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from quarterdeck_adapters.http import HttpClient
from quarterdeck_adapters.proxy.base import (
    Health,
    Run,
    Server,
    Settings,
    checked_name,
    chosen,
    joined,
    parsed_address,
)
from quarterdeck_lifecycle.errors import Conflict, Malformed, QuarterdeckError, Timeout, Unsupported
from quarterdeck_lifecycle.permit import require

APPEAR_S = 120.0
"""Longest wait until Traefik lists a container that is healthy, or drops one that is not: the provider follows the
engine's events (at most every 2 s, providersThrottleDuration), the healthcheck needs its interval times its retries,
90 s when it says nothing of them."""
EXEC_S = 30.0
DEADLINE_S = 5.0
POLL_S = 0.5
PORTS = {"http": 80, "h2c": 80, "https": 443}


class Traefik:
    """One service of one Traefik. Its servers have no names of their own: they go by IP:PORT. See `Proxy`."""

    def __init__(self, source: str, settings: Settings, run: Run | None = None, appear_s: float = APPEAR_S) -> None:
        self.source, self.drain_s, self.appear_s = source, settings.drain_s, appear_s
        name, _, provider = settings.backend.partition("@")
        self.service = f"{checked_name(source, name)}@{checked_name(source, provider or 'docker')}"
        self._api, self._exec, self._run = settings.api, settings.drain_exec, run
        self._gone_since: dict[str, float] = {}

    async def servers(self) -> Mapping[str, Server]:
        """What the service balances over; empty when Traefik knows no such service, as it does without containers."""
        client = HttpClient(self.source, self._api, deadline=DEADLINE_S)
        try:
            answer = await client.get(f"api/http/services/{quote(self.service, safe='@')}", ok=(404,))
            return {} if answer.status == 404 else _listed(await answer.json(), self.source)
        finally:
            await client.close()

    async def find(self, address: str) -> str | None:
        """The address as it is listed, None when it is not."""
        wanted = joined(*parsed_address(self.source, address))
        return wanted if wanted in await self.servers() else None

    async def add(self, server: str, address: str) -> str:
        """Wait until Traefik lists the address, which then gets traffic. Answers it. Raises Timeout."""
        wanted = joined(*parsed_address(self.source, address))
        if await self._until(wanted, listed=True):
            return wanted
        raise Timeout(
            f"{self.service} does not list {wanted}", source=self.source, why=f"after {self.appear_s:g} s",
            mend=f"check that {server} is healthy, labelled for this service and on a network of Traefik's",
        )  # fmt: skip

    async def healthy(self, server: str) -> bool:
        """Whether it is listed and Traefik's own check, if there is one, does not find it down."""
        found = chosen(await self.servers(), server)
        return found is not None and found.health != "down"

    async def ready(self, server: str) -> None:
        """Wait until it is listed: after a drain that takes a container that is healthy again. Raises Conflict."""
        if not await self._until(server, listed=True):
            raise Conflict(
                f"{self.service} does not list {server}", source=self.source, why="its container is not healthy",
                mend="undo what drain_exec did in it, or restart it" if self._exec else "look at its healthcheck",
            )  # fmt: skip
        self._gone_since.pop(server, None)

    async def drain(self, server: str) -> None:
        """Run `drain_exec` in the container, and wait until Traefik drops it. Needs the permit. Raises Timeout."""
        if chosen(await self.servers(), server) is None:
            return
        require(self.source, f"drain_exec in {server}")
        if not self._exec or self._run is None:
            raise self._no_exec(server)
        try:
            async with asyncio.timeout(EXEC_S):
                await self._run(self._exec)
        except TimeoutError as error:
            raise Timeout(f"drain_exec in {server}", source=self.source, why=f"not done in {EXEC_S:g} s") from error
        if not await self._until(server, listed=False):
            raise Timeout(
                f"{self.service} still lists {server}", source=self.source,
                why=f"{self.appear_s:g} s after drain_exec",
                mend="drain_exec has to make the container's healthcheck fail; one without a healthcheck stays listed",
            )  # fmt: skip

    async def sessions(self, server: str) -> int:
        """Traefik does not say: 1 while it is listed and for `drain_s` seconds since it was first seen gone, then 0."""
        if chosen(await self.servers(), server) is not None:
            self._gone_since.pop(server, None)
            return 1
        since = self._gone_since.setdefault(server, time.monotonic())
        return 0 if time.monotonic() - since >= self.drain_s else 1

    async def remove(self, server: str) -> None:
        """Nothing: Traefik drops a container when it stops."""

    async def warnings(self) -> tuple[str, ...]:
        """What Traefik cannot tell. Raises Unsupported without a program to drain with."""
        if not self._exec:
            raise self._no_exec(self.service)
        waits = f"Traefik does not count requests in flight: {self.drain_s:g} s are waited after it dropped the old one"
        return (waits,) if await self.servers() else (f"Traefik lists no servers for {self.service}", waits)

    def _no_exec(self, what: str) -> Unsupported:
        return Unsupported(
            f"{what} cannot be drained", source=self.source, why="the target's proxy has no drain_exec",
            mend="name a program that makes the container's healthcheck fail until it is restarted: "
            "drain_exec: [touch, /dev/shm/drain]",
        )  # fmt: skip

    async def _until(self, server: str, *, listed: bool) -> bool:
        """Whether it came to be so within `appear_s`. Traefik may restart meanwhile: the last error counts."""
        error: QuarterdeckError | None = None
        try:
            async with asyncio.timeout(self.appear_s):
                while True:
                    try:
                        found = chosen(await self.servers(), server)
                        error = None
                        if (found is not None) == listed:
                            return True
                    except QuarterdeckError as failure:
                        error = failure
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            if error is not None:
                raise error from None
        return False


def _listed(body: Any, source: str) -> dict[str, Server]:
    """The servers of a service's representation; the documented fields are loadBalancer.servers and serverStatus."""
    if not isinstance(body, dict):
        raise Malformed("the service", source=source, why="Traefik sent no object")
    balancer, status = body.get("loadBalancer"), body.get("serverStatus")
    if not isinstance(balancer, dict):
        raise Unsupported(
            "the service balances no servers", source=source, why=f"its type is {body.get('type', 'unknown')}",
            mend="name the loadBalancer service of the containers",
        )  # fmt: skip
    states = status if isinstance(status, dict) else {}
    found = {}
    for entry in balancer.get("servers") or ():
        url = str(entry.get("url", "")) if isinstance(entry, dict) else ""
        if address := _address(url):
            said = states.get(url)
            health: Health = "down" if said == "DOWN" else "up" if said == "UP" else "unknown"
            found[address] = Server(name=address, address=address, state="ready", health=health)
    return found


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 80)
        return joined(*parsed_address("", f"{parts.hostname}:{port}"))
    except (ValueError, QuarterdeckError):
        return ""
