"""A container `app` behind a real haproxy on a real engine: released start-first by the release engine itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from parts.engine import Engine as Docker
from parts.haproxy import CHECKED, Haproxy
from quarterdeck_adapters.docker.adapter import DockerSource
from quarterdeck_adapters.docker.release.container import ContainerTarget
from quarterdeck_adapters.proxy import Proxy, make
from quarterdeck_adapters.releasing.probe import NetProber
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.engine import Ended, Engine
from quarterdeck_lifecycle.release.model import GateRule, Pace, Plan, ProbeRule
from quarterdeck_lifecycle.release.planning import Request, make_plan
from releases.memoryports import Book, MemoryAnnouncer, MemoryControl, MemoryHooks, MemoryJournal, MemoryMeasures
from releases.memoryworld import Process, World

from .conftest import make_source, until

REPOSITORY = "127.0.0.1:1/team/app"
SERVE = ("sh", "-c", "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait")
SLOW_S = 2


class RealClock:
    """The machine's."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """For durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Shop:
    """The engine, the proxy, and what a test does to `app`, whose versions answer `/` with their tag.

    `/cgi-bin/slow` takes SLOW_S seconds. A version stops at once when it is told to, whatever it is doing.
    """

    def __init__(self, docker: Docker, network: str) -> None:
        self.docker, self.network = docker, network
        self.source: DockerSource = make_source(docker.url)
        self.book = Book()
        self.said: list[str] = []

    def behind(self, haproxy: Haproxy) -> None:
        """Stand behind this proxy. `given` is the target's `proxy` of the config, `settings` what a test changes."""
        self.haproxy = haproxy
        self.given = {"kind": "haproxy", "backend": "app", "port": 8080, "socket": haproxy.socket, "drain": 10}
        self.settings: dict[str, Any] = dict(self.given)

    def build(self, tag: str, files: Mapping[str, str] | None = None, command: tuple[str, ...] = SERVE) -> None:
        """An image of this version, with more files."""
        slow = f"#!/bin/sh\nsleep {SLOW_S}\nprintf 'Content-Type: text/plain\\r\\n\\r\\n{tag}\\n'\n"
        www = {"/www/index.html": f"{tag}\n", "/www/healthz": f"{tag}\n", "/www/cgi-bin/slow": slow}
        self.docker.image(f"{REPOSITORY}:{tag}", command=command, files={**www, **(files or {})})

    def start(self, tag: str) -> str:
        """Run `app` with this version; its address in the network."""
        id = self.docker.run(
            f"{REPOSITORY}:{tag}", name="app", network=self.network,
            host={"restart_policy": {"Name": "unless-stopped"}},
        )  # fmt: skip
        return self.address(id)

    def address(self, id: str) -> str:
        """IP:PORT of a container."""
        found = self.docker.api.inspect_container(id)
        return f"{found['NetworkSettings']['Networks'][self.network]['IPAddress']}:8080"

    def proxy(self) -> Proxy:
        """The driver."""
        return make("local", self.settings)

    def target(self) -> ContainerTarget:
        """A handle of its own on the target, as each process has."""
        made = self.source.target("container", "app", {"stop_timeout": "5", "proxy": json.dumps(self.settings)})
        assert isinstance(made, ContainerTarget)
        return made

    async def plan(self, tag: str, probe: str = "/healthz") -> Plan:
        """A deploy of this version, proven over the proxy's own address."""
        request = Request(
            kind="deploy", op="op-1", service="shop", environment="prod", wanted=tag, reason="", actor="ada", origin="",
            host="bastion", at="2026-01-02T03:04:05Z", image=REPOSITORY,
            probe=ProbeRule(http=self.haproxy.url("app", probe), timeout_s=1.0, interval_s=0.1),
            gate=GateRule(passes=3, within_s=1.5, soak_s=0.3, failures=3), pace=Pace(beat_s=1.0, lease_s=3.0),
        )  # fmt: skip
        return await make_plan(request, [self.target()])

    def engine(self, plan: Plan) -> Engine:
        """A release engine with nothing in memory but the plan and the ledger."""
        process = Process(World(), "runner")
        return Engine(
            plan, {plan.changes[0].target: self.target()}, journal=MemoryJournal(process, self.book),
            control=MemoryControl(), prober=NetProber(), measures=MemoryMeasures(process), hooks=MemoryHooks(process),
            announcer=MemoryAnnouncer(), clock=RealClock(),
        )  # fmt: skip

    async def deploy(self, tag: str, probe: str = "/healthz") -> Ended:
        """Plan and run."""
        return await self.engine(await self.plan(tag, probe)).run()

    async def say(self, line: str) -> None:
        """Keep what a step said."""
        self.said.append(line)

    async def steps(self, plan: Plan, count: int, since: int = 0) -> None:
        """Steps of the target without its gates, up to the given one, as a runner does that dies after it."""
        mine = [step for step in plan.steps if step.target and step.phase != "gate"]
        for step in mine[since:count]:
            with permit("local"):
                await self.target().do(plan.changes[0], step, self.say)

    def gates(self) -> dict[str, str]:
        """How the gates ended: that of the container itself, that through the proxy, that of the way back."""
        rows = [row for row in self.book.rows if row.phase == "outcome" and " gate " in row.step]
        named = {row.step.split(" ", 1)[0]: row.result.partition(":")[0] for row in rows}
        forward = [result for number, result in named.items() if not number.startswith("b")]
        back = [result for number, result in named.items() if number.startswith("b")]
        return dict(zip(("direct", "traffic"), forward, strict=False)) | dict(zip(("back",), back, strict=False))

    async def routed(self) -> None:
        """Wait until haproxy finds the first version well."""

        async def well() -> bool:
            return any(each.health == "up" for each in (await self.proxy().servers()).values())

        await until(well, "haproxy to find app well")

    async def close(self) -> None:
        """Close the source."""
        await self.source.close()


def lines(old: str, more: tuple[str, ...] = ()) -> list[str]:
    """A backend with the first version as its only server."""
    return [*CHECKED, *more, f"server web {old} check"]
