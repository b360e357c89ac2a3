"""The proxy's part of a start-first release: which server gets traffic. Servers are told apart by their addresses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.facts import Facts
from quarterdeck_adapters.docker.release.recreate import networks
from quarterdeck_adapters.docker.release.reviving import revived
from quarterdeck_lifecycle.errors import Conflict, Unavailable
from quarterdeck_lifecycle.release.ports import Say

if TYPE_CHECKING:
    from quarterdeck_adapters.proxy import Proxy

ADDRESS_S = 10.0


def server_name(container: Json) -> str:
    """What a new server is called in its backend: it holds the container's id."""
    return f"qd-{str(container['Id'])[:12]}"


def address(container: Json, network: str, port: int) -> str:
    """IP:PORT of a container in a network (empty: its only one); empty when it has no address there."""
    endpoints = networks(container)
    if network:
        found: Json = endpoints.get(network) or {}
    else:
        found = next((each for each in endpoints.values() if each and each.get("IPAddress")), {})
    ip = str(found.get("IPAddress") or "")
    return f"{ip}:{port}" if ip and port else ""


class Routing:
    """One change's proxy. Every method raises QuarterdeckError and can be run again."""

    def __init__(self, calls: Calls, facts: Facts) -> None:
        self.calls, self.facts = calls, facts

    def proxy(self, container_id: str = "") -> Proxy:
        """The proxy; `container_id` is where its `drain_exec` runs."""
        from quarterdeck_adapters.proxy import make

        async def run(argv: Sequence[str]) -> object:
            return await self.calls.run(container_id, argv, 30.0)

        return make(self.calls.name, json.loads(self.facts.proxy), run)

    async def _address(self, container: Json) -> str:
        """Its address, once the engine has given it one."""
        at, id = address(container, self.facts.network, self.facts.port), str(container["Id"])
        try:
            async with asyncio.timeout(ADDRESS_S):
                while not at:
                    found = await self.calls.container(id)
                    if found is None or not (found.get("State") or {}).get("Running"):
                        break
                    at = address(found, self.facts.network, self.facts.port)
                    await asyncio.sleep(0.1 if not at else 0)
        except TimeoutError:
            pass
        if not at:
            raise Unavailable(
                f"container {id[:12]} has no address in the network {self.facts.network or 'of the proxy'}",
                source=self.calls.name, why="it does not run, or is not in that network",
            )  # fmt: skip
        return at

    async def route(self, new: Json, deadline: float) -> str:
        """Add the new one, wait until the proxy finds it well, give it traffic."""
        from quarterdeck_adapters.proxy import wait_healthy

        proxy, at = self.proxy(str(new["Id"])), await self._address(new)
        await self.calls.guard()
        name = await proxy.add(server_name(new), at)
        await wait_healthy(proxy, name, deadline, self.calls.name)
        await self.calls.guard()
        await proxy.ready(name)
        return f"{name} ({at}) gets traffic"

    async def drain(self, old: Json, new: Json, say: Say) -> str:
        """Nothing new for the old one; wait for what is in progress, then take it out. The new one must be in."""
        from quarterdeck_adapters.proxy import wait_idle

        proxy = self.proxy(str(old["Id"]))
        there = await proxy.find(await self._address(new))
        servers = await proxy.servers()
        if there is None or servers[there].state != "ready":
            raise Conflict(
                "the old one was not drained",
                source=self.calls.name,
                why="the proxy does not send traffic to the new one",
            )
        name = await proxy.find(self.facts.old_server) if self.facts.old_server else None
        if name is None or name == there:
            return "the old one was out of the proxy already"
        await self.calls.guard()
        await proxy.drain(name)
        left = await wait_idle(proxy, name, say)
        if left:
            await say(f"{name}: {left} still in progress after {proxy.drain_s:g} s, they are ended")
        await self.calls.guard()
        await proxy.remove(name)
        return f"{name} drained, {left} left" if left else f"{name} drained, nothing was left"

    async def back(self, goal: Json, leaving: Sequence[Json], deadline: float, say: Say) -> str:
        """Traffic to the goal; then nothing to those that leave, nor to where the old one was before it stopped."""
        from quarterdeck_adapters.proxy import wait_healthy, wait_idle

        proxy, at = self.proxy(str(leaving[0]["Id"]) if leaving else ""), await self._address(goal)
        at = await self._address(await revived(self.calls, self.facts, proxy, at, goal, leaving, say))
        name = await proxy.find(at)
        if name is None or (await proxy.servers())[name].state != "ready":
            await self.calls.guard()
            name = await proxy.add(server_name(goal), at)
            await wait_healthy(proxy, name, deadline, self.calls.name)
            await self.calls.guard()
            await proxy.ready(name)
        gone = [found for each in leaving if (found := await self._server_of(proxy, each)) is not None]
        if self.facts.old_server not in ("", at) and (stale := await proxy.find(self.facts.old_server)) is not None:
            gone.append(stale)
        for each in dict.fromkeys(gone):
            if each != name:
                await self.calls.guard()
                await proxy.drain(each)
                await wait_idle(proxy, each, say)
                await self.calls.guard()
                await proxy.remove(each)
        return f"{name} ({at}) gets traffic"

    async def _server_of(self, proxy: Proxy, container: Json) -> str | None:
        at = address(container, self.facts.network, self.facts.port)
        if at:
            return await proxy.find(at)
        servers: Any = await proxy.servers()
        return server_name(container) if server_name(container) in servers else None
