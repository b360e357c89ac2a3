"""Arenas on a Docker engine: stop-then-start on a fixed port, and start-first behind haproxy."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crash import knocking
from crash.arena import PLACE, SERVICE, Arena, Seen, Watch
from crash.relay import Cut, Relay
from parts.engine import Engine
from parts.haproxy import CHECKED, SLOTS, Haproxy
from parts.process import Process, clean_env, quiet_port, wait_until
from parts.traffic import Failure, Report

SERVE = ("sh", "-c", "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait")
IMAGE = "127.0.0.1:1/team/app"
NETWORK = "edge"
FIRST = ("lease", "preflight", "pull", "create")
LAST = ("soak", "verify", "prune", "release")


class Door(Watch):
    """Requests at a URL, from a process of its own."""

    def __init__(self, url: str, folder: Path, *, clients: int = 2, pause: float = 0.01, limit: float = 10.0) -> None:
        folder = Path(tempfile.mkdtemp(prefix="t-", dir=folder))
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._answers, self._ready = folder / "answers", folder / "ready"
        where = (str(parts.hostname), str(parts.port or 80), path)
        argv = [sys.executable, "-I", "-S", knocking.__file__, *where, str(clients), str(pause), str(limit)]
        self.process = Process([*argv, str(self._answers), str(self._ready)], folder / "log", clean_env(folder))

    def __enter__(self) -> Door:
        self.process.start()
        self.process.wait_ready(self._ready.exists, "its first request was done")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def report(self) -> Report:
        """Stop, and everything that came."""
        self.process.stop()
        told = json.loads(self._answers.read_text())
        return Report(failed=tuple(Failure(**each) for each in told.pop("failed")), **told)

    def seen(self) -> Seen:
        """Stop, and what came."""
        report = self.report()
        return Seen(report.sent, len(report.failed), round(report.longest_gap, 3), str(report.reasons or ""))


class ContainerArena(Arena):
    """The container `app` on an engine of its own."""

    def furnish(self) -> None:
        """Engine, relay, images, container, config."""
        self.engine = self.stack.enter_context(Engine())
        self.relay = self.stack.enter_context(Relay(self.engine.socket, self.home / "r.sock"))
        for tag in ("v1", "v2"):
            self.engine.image(f"{IMAGE}:{tag}", command=SERVE, files={"/www/index.html": f"{tag}\n"})
        self.tags = {self.engine.api.inspect_image(f"{IMAGE}:{tag}")["Id"]: tag for tag in ("v1", "v2")}
        self.engine.network(NETWORK)
        url = self.begin()
        self.url = url
        target: dict[str, Any] = {"kind": "container", "source": "box", "name": SERVICE, "stop_timeout": "5s"}
        source = {"name": "box", "system": "docker", "environment": PLACE, "url": f"unix://{self.home / 'r.sock'}"}
        probe = {"http": url, "interval": "50ms", "timeout": "1s"}
        self.configure({"sources": [source], **self.service({**target, **self.routing()}, image=IMAGE, probe=probe)})
        wait_until(lambda: self._answer() == "v1", "v1 to serve")

    def _answer(self) -> str:
        """What clients get now, `-` for nothing."""
        parts = urlsplit(self.url)
        asks = knocking.Knocking(str(parts.hostname), parts.port or 80, parts.path, 0.0, 5.0)
        try:
            return asks.get(time.monotonic() + 5).decode().strip()
        except knocking.Broken:
            return "-"

    def begin(self) -> str:
        """Start v1; where its clients ask."""
        raise NotImplementedError

    def routing(self) -> dict[str, Any]:
        """More keys of the target."""
        return {}

    def reference(self, version: str) -> str:
        """A tag."""
        return version

    def serving(self) -> set[str]:
        """What runs, by its image; and what answers must be the same."""
        running = {self.tags.get(each["ImageID"], "?") for each in self._all() if each["State"] == "running"}
        return running | {self._answer() for _ in range(4)}

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.engine.api.containers(all=True)
        return found

    def left(self) -> list[str]:
        """Leases, unproven ones, a second that runs, a policy that was not restored."""
        told = []
        for each in self._all():
            name = each["Names"][0].strip("/")
            if name.startswith("qd-lease-") or "-qd-new-" in name:
                told.append(f"{name} is left ({each['State']})")
            if each["State"] == "running" and name != SERVICE:
                told.append(f"{name} runs")
        policy = self.engine.api.inspect_container(SERVICE)["HostConfig"]["RestartPolicy"]["Name"]
        return told + ([] if policy == "unless-stopped" else [f"restart policy {policy}"])

    def snapshot(self) -> Any:
        """Every container with its start."""
        told = [self.engine.api.inspect_container(each["Id"]) for each in self._all()]
        return sorted((each["Id"], each["Name"], each["State"]["StartedAt"], each["State"]["Status"]) for each in told)

    def watch(self) -> Watch:
        """Requests where clients ask."""
        return Door(self.url, self.home)

    def cut(self, how: Cut) -> None:
        """The engine's socket."""
        self.relay.cut(how)

    def mend(self) -> None:
        """The engine's socket."""
        self.relay.mend()


class StopStart(ContainerArena):
    """On a fixed port of the host."""

    name = "stop-start"
    needs = ("docker.io", "busybox-static")
    drops = True
    steps = {
        "deploy": (*FIRST, "stop", "start", "gate", *LAST),
        "rollback": (*FIRST, "stop", "start", "gate", *LAST),
    }  # fmt: skip

    def begin(self) -> str:
        """A published port."""
        port = quiet_port()
        self.engine.run(
            f"{IMAGE}:v1", name=SERVICE, network=NETWORK, ports=[8080],
            host={"restart_policy": {"Name": "unless-stopped"}, "port_bindings": {8080: ("127.0.0.1", port)}},
        )  # fmt: skip
        return f"http://127.0.0.1:{port}/"


class StartFirst(ContainerArena):
    """Behind haproxy."""

    name = "start-first"
    needs = ("docker.io", "busybox-static", "haproxy")
    steps = {
        "deploy": (*FIRST, "start", "gate", "route", "drain", "gate", "stop", *LAST),
        "rollback": (*FIRST, "start", "gate", "route", "drain", "gate", "stop", *LAST),
    }  # fmt: skip

    def begin(self) -> str:
        """A server of the backend."""
        id = self.engine.run(
            f"{IMAGE}:v1", name=SERVICE, network=NETWORK, host={"restart_policy": {"Name": "unless-stopped"}}
        )
        address = self.engine.api.inspect_container(id)["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
        self.haproxy = self.stack.enter_context(
            Haproxy({SERVICE: [*CHECKED, SLOTS, f"server web {address}:8080 check"]})
        )
        return self.haproxy.url(SERVICE)

    def routing(self) -> dict[str, Any]:
        """The proxy."""
        given = {"kind": "haproxy", "backend": SERVICE, "port": 8080, "socket": self.haproxy.socket, "drain": "5s"}
        return {"proxy": {**given, "network": NETWORK}}
