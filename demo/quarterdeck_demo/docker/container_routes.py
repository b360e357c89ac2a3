"""Handlers of the container operations: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

from quarterdeck_demo.docker import create, filters, lifecycle, logs, stats, templates, tick, views
from quarterdeck_demo.docker.exec_routes import stream_type
from quarterdeck_demo.docker.settings import EngineSettings, api_version
from quarterdeck_demo.docker.state import Container
from quarterdeck_demo.docker.wire import EngineError, parse_time, truthy
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router

STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
LIST_FILTERS = frozenset(
    ("ancestor", "before", "expose", "exited", "health", "id", "isolation", "is-task", "label", "name", "network",
     "publish", "since", "status", "volume")
)  # fmt: skip
PRUNE_FILTERS = frozenset(("label", "label!", "until"))
CONDITIONS = ("not-running", "next-exit", "removed")
UPDATABLE = ("CpuShares", "CpuPeriod", "CpuQuota", "CpusetCpus", "CpusetMems", "NanoCpus", "Memory", "MemorySwap",
             "MemoryReservation", "PidsLimit", "BlkioWeight")  # fmt: skip


class ContainerRoutes:
    """The handlers of /containers."""

    def __init__(self, world: World, settings: EngineSettings, life_for: create.LifeFor) -> None:
        self._world = world
        self._settings = settings
        self._life_for = life_for

    def add_to(self, router: Router) -> None:
        """Register the routes."""
        router.add("GET", "/containers/json", self.list)
        router.add("POST", "/containers/create", self.create)
        router.add("POST", "/containers/prune", self.prune)
        router.add("GET", "/containers/{id}/json", self.inspect)
        router.add("GET", "/containers/{id}/logs", self.logs)
        router.add("GET", "/containers/{id}/stats", self.stats)
        router.add("GET", "/containers/{id}/top", self.top)
        router.add("GET", "/containers/{id}/changes", self.changes)
        for action in ("start", "stop", "restart", "kill", "pause", "unpause", "rename", "wait", "update"):
            router.add("POST", f"/containers/{{id}}/{action}", getattr(self, action))
        router.add("DELETE", "/containers/{id}", self.remove)

    def _find(self, request: Request) -> Container:
        return self._world.container(request.match["id"])

    async def list(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), LIST_FILTERS)
        for status in wanted.get("status", []):
            if status not in STATUSES:
                raise EngineError(400, f"Invalid filter 'status={status}'")
        limit = int(request.arg("limit") or 0)
        everything = truthy(request.arg("all")) or "status" in wanted or "exited" in wanted or limit > 0
        found = [c for c in self._world.containers.values() if (everything or c.running) and self._fits(c, wanted)]
        found.sort(key=lambda container: -container.created)
        size, api = truthy(request.arg("size")), api_version(request)
        shown = found[:limit] if limit > 0 else found
        return json_response([views.summary(self._world, c, api, size=size) for c in shown])

    def _fits(self, container: Container, wanted: filters.Filters) -> bool:
        health = container.health.status if container.health else "none"
        world = self._world
        image = world.images.get(container.image_id)
        images = {container.image, container.image.rpartition(":")[0], container.image_id}
        ended = container.exit_code if container.runs and not container.running else None
        tests: dict[str, Callable[[str], bool]] = {
            "id": lambda v: container.id.startswith(v),
            "name": lambda v: filters.any_fits([v], f"/{container.name}"),
            "status": lambda v: v == container.status,
            "health": lambda v: v == health,
            "exited": lambda v: str(ended) == v,
            "ancestor": lambda v: v in images or (image is not None and world.find_image(v) is image),
            "network": lambda v: any(v in (n, e["NetworkID"]) for n, e in container.endpoints.items()),
            "volume": lambda v: any(v in (m.get("Name"), m["Destination"]) for m in container.mounts),
            "publish": lambda v: any(v.partition("/")[0] == b["HostPort"] for p in container.ports.values() for b in p),
            "expose": lambda v: any(v.partition("/")[0] == p.partition("/")[0] for p in container.ports),
            "before": lambda v: container.created < world.container(v).created,
            "since": lambda v: container.created > world.container(v).created,
        }
        if not filters.labels_fit(wanted.get("label", []), container.labels):
            return False
        return all(any(test(v) for v in wanted[name]) for name, test in tests.items() if name in wanted)

    async def create(self, request: Request) -> Response:
        if not request.body:
            raise EngineError(400, "invalid JSON: EOF")
        container = create.create(self._world, request.arg("name"), request.json() or {}, self._life_for)
        return json_response({"Id": container.id, "Warnings": []}, 201)

    async def inspect(self, request: Request) -> Response:
        size = truthy(request.arg("size"))
        return json_response(views.inspect(self._world, self._find(request), api_version(request), size=size))

    async def start(self, request: Request) -> Response:
        container = self._find(request)
        if container.status == "paused":
            raise EngineError(409, "cannot start a paused container, try unpause instead")
        if container.running:
            return Response(304)
        lifecycle.start(self._world, container)
        return Response(204)

    async def stop(self, request: Request) -> Response:
        container = self._find(request)
        if not container.running:
            return Response(304)
        await lifecycle.stop(self._world, container, _timeout(request), request.arg("signal"))
        return Response(204)

    async def restart(self, request: Request) -> Response:
        await lifecycle.restart(self._world, self._find(request), _timeout(request), request.arg("signal"))
        return Response(204)

    async def kill(self, request: Request) -> Response:
        lifecycle.kill(self._world, self._find(request), request.arg("signal") or "KILL")
        return Response(204)

    async def pause(self, request: Request) -> Response:
        lifecycle.pause(self._world, self._find(request))
        return Response(204)

    async def unpause(self, request: Request) -> Response:
        lifecycle.unpause(self._world, self._find(request))
        return Response(204)

    async def rename(self, request: Request) -> Response:
        container, name = self._find(request), request.arg("name")
        if not name:
            raise EngineError(400, "Neither old nor new names may be empty")
        if name.removeprefix("/") == container.name:
            raise EngineError(400, "Renaming a container with the same name as its current name")
        try:
            new = create.check_name(self._world, name)
        except EngineError as error:
            raise EngineError(error.status, f"Error when allocating new name: {error.message}") from None
        old, container.name = container.name, new
        self._world.container_event(container, "rename", oldName=f"/{old}")
        return Response(204)

    async def update(self, request: Request) -> Response:
        container, body = self._find(request), request.json() or {}
        memory = body.get("Memory") or 0
        if 0 < memory < 6 * 1024**2:
            raise EngineError(400, "Minimum memory limit allowed is 6MB")
        for key in UPDATABLE:
            if body.get(key):
                container.host_config[key] = body[key]
        if policy := body.get("RestartPolicy"):
            if container.host_config["AutoRemove"] and policy.get("Name") not in ("", "no", None):
                why = "because AutoRemove is enabled for the container"
                raise EngineError(400, f"Restart policy cannot be updated {why}")
            container.host_config["RestartPolicy"] = templates.host_config({"RestartPolicy": policy})["RestartPolicy"]
        self._world.container_event(container, "update")
        return json_response({"Warnings": []})

    async def wait(self, request: Request) -> Response:
        container, condition = self._find(request), request.arg("condition") or "not-running"
        if condition not in CONDITIONS:
            raise EngineError(400, f'invalid condition: "{condition}"')
        runs, running = len(container.runs), container.running
        old = api_version(request) < (1, 42)

        async def body() -> AsyncIterator[bytes]:
            while not self._waited(container, condition, runs, running):
                await self._world.wait(logs.PULSE_S)
                tick.advance(self._world)
            answer = {"Error": None, "StatusCode": container.exit_code} if old else {"StatusCode": container.exit_code}
            yield json.dumps(answer, separators=(",", ":")).encode() + b"\n"

        return Response(200, {"Content-Type": "application/json"}, body())

    @staticmethod
    def _waited(container: Container, condition: str, runs: int, running: bool) -> bool:
        if container.gone:
            return True
        if condition == "removed":
            return False
        if condition == "not-running":
            return not container.running
        first = runs - 1 if running else runs
        return any(run.ended is not None for run in container.runs[first:]) and not container.alive

    async def remove(self, request: Request) -> Response:
        force, volumes = truthy(request.arg("force")), truthy(request.arg("v"))
        if truthy(request.arg("link")):
            raise EngineError(400, "Invalid link name")
        lifecycle.remove(self._world, self._find(request), force=force, volumes=volumes)
        return Response(204)

    async def prune(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), PRUNE_FILTERS)
        limits = [parse_time(value, self._world.now) for value in wanted.get("until", [])]
        deleted = []
        for container in list(self._world.containers.values()):
            kept = container.running or any(container.created * 1e9 > limit for limit in limits)
            kept = kept or not filters.labels_fit(wanted.get("label", []), container.labels)
            kept = kept or any(filters.labels_fit([label], container.labels) for label in wanted.get("label!", []))
            if not kept:
                lifecycle.remove(self._world, container, force=False, volumes=False)
                deleted.append(container.id)
        self._world.emit("container", "prune", "", {"reclaimed": "0"})
        return json_response({"ContainersDeleted": deleted or None, "SpaceReclaimed": 0})

    async def logs(self, request: Request) -> Response:
        container = self._find(request)
        want = logs.wanted(request)
        head = {}
        if api_version(request) >= (1, 42):
            head["Content-Type"] = stream_type(request, tty=container.config["Tty"])
        return Response(200, head, logs.stream(self._world, container, want))

    async def stats(self, request: Request) -> Response:
        container, cgroup = self._find(request), self._settings.cgroup
        if truthy(request.arg("stream", "1")):
            body = stats.stream(self._world, container, cgroup, self._settings.stats_interval)
            return Response(200, {"Content-Type": "application/json"}, body)
        if truthy(request.arg("one-shot")) or not container.alive:
            return json_response(stats.sample(container, self._world.now, cgroup))
        before = self._world.now
        await asyncio.sleep(self._settings.stats_interval)
        tick.advance(self._world)
        same = container.alive and container.run.started <= before
        return json_response(stats.sample(container, self._world.now, cgroup, before if same else None))

    async def top(self, request: Request) -> Response:
        container = self._find(request)
        if not container.alive:
            raise EngineError(409, f"Container {container.id} is not running")
        started = time.strftime("%H:%M", time.gmtime(container.run.started))
        row = ["root", str(container.pid), "1", "0", started, "?", "00:00:00", views.command_text(container)]
        titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        self._world.container_event(container, "top")
        return json_response({"Processes": [row], "Titles": titles})

    async def changes(self, request: Request) -> Response:
        self._find(request)
        return json_response(None)


def _timeout(request: Request) -> float | None:
    text = request.arg("t")
    if not text:
        return None
    try:
        return float(int(text))
    except ValueError:
        raise EngineError(400, f'strconv.Atoi: parsing "{text}": invalid syntax') from None
