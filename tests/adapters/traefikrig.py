"""Traefik as its documentation says it is, for the one driver that cannot meet a real one here.

- The API, read only, `GET /api/http/services/NAME@PROVIDER`, 404 for one that is not there:
  https://doc.traefik.io/traefik/operations/api/#endpoints
- The Docker provider: the labels name service and port, a container with a healthcheck is routed only while healthy,
  and without containers there is no service: https://doc.traefik.io/traefik/providers/docker/
- Changes are taken together, at most one set each `throttle` (providers.providersThrottleDuration):
  https://doc.traefik.io/traefik/providers/overview/#providersprovidersthrottleduration
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.server import Server


@dataclass
class Container:
    """What the provider sees of a container. `health` is the engine's word, empty without a healthcheck."""

    ip: str
    labels: dict[str, str]
    health: str = "healthy"
    running: bool = True


@dataclass
class Traefik:
    """`containers` is what runs; `sync` is one look of the provider, which `follow` does again and again."""

    containers: list[Container] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    services: dict[str, list[str]] = field(default_factory=dict)
    looks: int = 0

    def __post_init__(self) -> None:
        router = Router(self._no_route)
        router.add("GET", "/api/http/services/{name}", self._service)
        self.server = Server(router)
        self.url = ""

    def sync(self) -> None:
        """Build the services from the labels of the containers."""
        found: dict[str, list[str]] = {}
        for container in self.containers:
            labels = container.labels
            if (
                not container.running
                or labels.get("traefik.enable") != "true"
                or container.health not in ("", "healthy")
            ):
                continue
            for label, port in labels.items():
                match label.split("."):
                    case ["traefik", "http", "services", name, "loadbalancer", "server", "port"]:
                        found.setdefault(f"{name}@docker", []).append(f"http://{container.ip}:{port}")
        self.services = found
        self.looks += 1

    async def looked(self, times: int) -> None:
        """Wait until the provider has looked that often."""
        goal = self.looks + times
        async with asyncio.timeout(30):
            while True:
                if self.looks >= goal:
                    return
                await asyncio.sleep(0.005)

    async def _service(self, request: Request) -> Response:
        name = request.match["name"]
        if name == "weighted@file":
            return json_response({"weighted": {"services": []}, "name": name, "type": "weighted", "status": "enabled"})
        if name not in self.services:
            return json_response({"message": f"service not found: {name}"}, 404)
        urls = self.services[name]
        return json_response(
            {
                "loadBalancer": {"servers": [{"url": url} for url in urls], "passHostHeader": True},
                "status": "enabled",
                "usedBy": ["shop@docker"],
                "serverStatus": {url: "DOWN" if url in self.down else "UP" for url in urls},
                "name": name,
                "provider": name.partition("@")[2],
                "type": "loadbalancer",
            }
        )

    async def _no_route(self, _: Request) -> Response:
        return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n")


@asynccontextmanager
async def traefik(*containers: Container) -> AsyncIterator[Traefik]:
    """One that listens and follows its containers."""
    made = Traefik(list(containers))
    made.sync()
    made.url = f"http://127.0.0.1:{await made.server.start_tcp()}"

    async def follow() -> None:
        while True:
            await asyncio.sleep(0.02)
            made.sync()

    task = asyncio.create_task(follow())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.server.stop()


def labelled(ip: str, service: str = "shop", port: int = 8080, **options: object) -> Container:
    """A container as compose would label it."""
    labels = {"traefik.enable": "true", f"traefik.http.services.{service}.loadbalancer.server.port": str(port)}
    return Container(ip, labels, **options)  # type: ignore[arg-type]
