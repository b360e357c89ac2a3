"""Exec and attach: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Exec."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

from quarterdeck_demo.docker import logs
from quarterdeck_demo.docker.settings import api_version
from quarterdeck_demo.docker.shell import SPAWN_S, Session
from quarterdeck_demo.docker.state import Container, Exec
from quarterdeck_demo.docker.wire import STDERR, STDOUT, EngineError, truthy
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request, Response, Upgrade, json_response
from quarterdeck_demo.router import Router

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"


class ExecRoutes:
    """The handlers that run commands and hand connections over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._detached: set[asyncio.Task[None]] = set()

    def add_to(self, router: Router) -> None:
        """Register the routes."""
        router.add("POST", "/containers/{id}/exec", self.create)
        router.add("POST", "/containers/{id}/attach", self.attach)
        router.add("POST", "/containers/{id}/resize", self.resize_container)
        router.add("POST", "/exec/{id}/start", self.start)
        router.add("POST", "/exec/{id}/resize", self.resize)
        router.add("GET", "/exec/{id}/json", self.inspect)

    async def create(self, request: Request) -> Response:
        container = self._world.container(request.match["id"])
        body = request.json() or {}
        if not body.get("Cmd"):
            raise EngineError(400, "No exec command specified")
        _check_runs(container)
        command = Exec(
            id=self._world.new_id("exec"),
            container=container.id,
            command=[str(word) for word in body["Cmd"]],
            tty=bool(body.get("Tty")),
            stdin=bool(body.get("AttachStdin")),
            stdout=bool(body.get("AttachStdout")),
            stderr=bool(body.get("AttachStderr")),
            env=dict(entry.split("=", 1) for entry in body.get("Env") or [] if "=" in entry),
            privileged=bool(body.get("Privileged")),
            detach_keys=str(body.get("DetachKeys") or ""),
        )
        self._world.execs[command.id] = command
        container.execs.append(command.id)
        words = " ".join(command.command) + (" " if len(command.command) == 1 else "")
        self._world.container_event(container, f"exec_create: {words}", execID=command.id)
        return json_response({"Id": command.id}, 201)

    async def start(self, request: Request) -> Response:
        command = self._find(request)
        container = self._world.container(command.container)
        body = request.json() or {}
        if command.started:
            raise EngineError(409, f"Exec command {command.id} has already run")
        _check_runs(container)
        command.tty = bool(body.get("Tty", command.tty))
        if body.get("Detach"):
            task = asyncio.ensure_future(Session(self._world, container, command, None).run(None))
            self._detached.add(task)
            task.add_done_callback(self._detached.discard)
            return Response(200)

        async def run(reader: StreamReader, writer: StreamWriter) -> None:
            await Session(self._world, container, command, writer).run(reader if command.stdin else None)

        return Upgrade(run, {"Content-Type": stream_type(request, tty=command.tty)})

    async def attach(self, request: Request) -> Response:
        container = self._world.container(request.match["id"])
        if container.status == "paused":
            raise EngineError(409, f"Container {container.name} is paused, unpause the container before attach")
        streams = frozenset(n for n, key in ((STDOUT, "stdout"), (STDERR, "stderr")) if truthy(request.arg(key)))
        history, follow = truthy(request.arg("logs")), truthy(request.arg("stream"))
        want = logs.Wanted(streams, 0, None, None if history else 0, follow, False)

        async def run(reader: StreamReader, writer: StreamWriter) -> None:
            await asyncio.sleep(SPAWN_S)

            async def copy() -> None:
                async for chunk in logs.stream(self._world, container, want):
                    writer.write(chunk)
                    await writer.drain()

            async def hang_up() -> None:
                while await reader.read(4096):
                    pass
                if truthy(request.arg("stdin")):
                    await asyncio.Event().wait()

            ends = [asyncio.ensure_future(copy()), asyncio.ensure_future(hang_up())]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in ends:
                    task.cancel()
                await asyncio.gather(*ends, return_exceptions=True)

        return Upgrade(run, {"Content-Type": stream_type(request, tty=container.config["Tty"])})

    async def inspect(self, request: Request) -> Response:
        command = self._find(request)
        return json_response(
            {
                "ID": command.id,
                "Running": command.running,
                "ExitCode": command.exit_code,
                "ProcessConfig": {
                    "tty": command.tty,
                    "entrypoint": command.command[0],
                    "arguments": command.command[1:],
                    "privileged": command.privileged,
                },
                "OpenStdin": command.stdin,
                "OpenStderr": command.stderr,
                "OpenStdout": command.stdout,
                "CanRemove": False,
                "ContainerID": command.container,
                "DetachKeys": command.detach_keys,
                "Pid": command.pid,
            }
        )

    async def resize(self, request: Request) -> Response:
        command = self._find(request)
        _size(request)
        if not command.running:
            raise EngineError(404, "no such exec")
        return Response(200)

    async def resize_container(self, request: Request) -> Response:
        container = self._world.container(request.match["id"])
        _size(request)
        if not container.alive:
            raise EngineError(409, f"Container {container.id} is not running")
        return Response(200)

    def _find(self, request: Request) -> Exec:
        wanted = request.match["id"]
        if wanted not in self._world.execs:
            raise EngineError(404, f"No such exec instance: {wanted}")
        return self._world.execs[wanted]


def stream_type(request: Request, *, tty: bool) -> str:
    """The content type of a container's output; before 1.42 it said nothing of the frames."""
    return RAW if tty or api_version(request) < (1, 42) else MULTIPLEXED


def _check_runs(container: Container) -> None:
    if container.status == "paused":
        raise EngineError(409, f"Container {container.name} is paused, unpause the container before exec")
    if container.status == "restarting":
        raise EngineError(409, f"Container {container.id} is restarting, wait until the container is running")
    if not container.alive:
        raise EngineError(409, f"Container {container.id} is not running")


def _size(request: Request) -> None:
    for name in ("h", "w"):
        if not request.arg(name).isdigit():
            raise EngineError(400, f'strconv.Atoi: parsing "{request.arg(name)}": invalid syntax')
