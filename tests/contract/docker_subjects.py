"""Engines under test: the practice one in a thread of its own, and a real one; and what their answers look like."""

from __future__ import annotations

import asyncio
import io
import json
import re
import tarfile
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import docker
import requests

from parts import images
from parts.process import wait_until
from quarterdeck_demo.docker import DockerServer, EngineSettings
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story

T = TypeVar("T")
Json = Any
CHANGES = (
    "ENV COLOUR=blue", 'CMD ["sh", "-c", "sleep 1000"]', "EXPOSE 8080", "LABEL team=fraud",
    "HEALTHCHECK --interval=300ms --retries=2 CMD echo well",
)  # fmt: skip
LOOP = "trap 'exit 7' TERM; echo up; echo trouble >&2; while true; do sleep 0.05; done"


class Practice:
    """The practice engine on a unix socket, served by an event loop in a thread."""

    def __init__(
        self,
        story: Story | None,
        clock: Callable[[], float],
        settings: EngineSettings | None = None,
        **options: Any,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
        self.socket = self.folder / "k" / "d.sock"
        self.url = f"unix://{self.socket}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.docker = self.call(self._made, story, clock, settings, options)
        self._serve()

    async def _made(self, story: Any, clock: Any, settings: Any, options: Any) -> DockerServer:
        return DockerServer(story, clock, settings=settings, **options)

    def _serve(self) -> None:
        self.server = Server(self.docker.handler, faults=self.docker.faults)
        self.call(self.server.start_unix, self.socket)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Await `function(*args)` in the engine's loop."""
        return asyncio.run_coroutine_threadsafe(function(*args), self._loop).result(20)

    def do(self, function: Callable[[], T]) -> T:
        """Call a plain function in the engine's loop."""

        async def run() -> T:
            return function()

        return self.call(run)  # type: ignore[no-any-return]

    def restart(self) -> None:
        """What a restart of the engine looks like from outside."""
        self.do(self.docker.engine_restarted)
        self.call(self.server.stop)
        self.socket.unlink(missing_ok=True)
        self._serve()

    def close(self) -> None:
        """Stop, and raise what a handler raised."""
        self.call(self.server.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.socket.unlink(missing_ok=True)
        self.socket.parent.rmdir()
        self.folder.rmdir()
        if self.server.errors:
            raise self.server.errors[0]


class Subject:
    """An engine, practice or real, as the tests use it. `api` speaks 1.41."""

    def __init__(self, url: str, real: bool) -> None:
        self.url = url
        self.real = real
        self.api = docker.APIClient(base_url=url, version="1.41", timeout=20)

    def raw(self, method: str, path: str, body: Json = None, version: str = "v1.41") -> requests.Response:
        """One request as it is, without docker-py's help."""
        return self.api.request(method, f"http+docker://localhost/{version}{path}", json=body, timeout=20)

    def image(self, reference: str = "test/box:1", changes: Sequence[str] = CHANGES) -> str:
        """Import an image: busybox for a real engine, next to nothing for the practice one."""
        name, _, tag = reference.rpartition(":")
        data = images.busybox_tar() if self.real else empty_tar()
        self.api.import_image_from_data(data, name, tag, changes=list(changes))
        return str(self.api.inspect_image(reference)["Id"])

    def run(self, name: str, script: str = LOOP, *, start: bool = True, **options: Any) -> str:
        """Create (and start) a container that runs a script in the network `test-net`."""
        host = {"NetworkMode": "test-net", **options.pop("host", {})}
        body = {"Image": "test/box:1", "Cmd": ["sh", "-c", script], "HostConfig": host, **options}
        made = self.raw("POST", f"/containers/create?name={name}", body)
        assert made.status_code == 201, made.text
        if start:
            started = self.raw("POST", f"/containers/{name}/start")
            assert started.status_code == 204, started.text
        return str(made.json()["Id"])

    def state(self, name: str) -> Json:
        """`State` of a container."""
        return self.api.inspect_container(name)["State"]

    def until(self, name: str, status: str) -> Json:
        """Wait until a container has a status; its state then."""
        return wait_until(lambda: (s := self.state(name))["Status"] == status and s, f"{name} to be {status}")

    def output(self, name: str, **options: Any) -> bytes:
        """The log of a container."""
        return bytes(self.api.logs(name, **options))

    def actions(self, since: float, until: float, **filters: Any) -> list[tuple[str, str]]:
        """Type and action of the events in a time, without those of health checks."""
        found = self.api.events(since=f"{since:.9f}", until=f"{until:.9f}", filters=filters, decode=True)
        pairs = [(event["Type"], event["Action"]) for event in found]
        return [pair for pair in pairs if not pair[1].startswith("exec_")]

    def clear(self) -> None:
        """Remove what the tests made."""
        for container in self.api.containers(all=True):
            self.api.remove_container(container["Id"], force=True, v=True)
        for network in self.api.networks(names=["test-"]):
            self.api.remove_network(network["Id"])
        for volume in self.api.volumes()["Volumes"] or []:
            self.api.remove_volume(volume["Name"])
        for image in self.api.images(all=True):
            self.api.remove_image(image["Id"], force=True)

    def close(self) -> None:
        """Close the client."""
        self.api.close()


def empty_tar() -> bytes:
    """A tar file with one small file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("etc/empty")
        info.size = 6
        archive.addfile(info, io.BytesIO(b"empty\n"))
    return stream.getvalue()


def shape(value: Json) -> Json:
    """The keys and types of an answer: lists merged into one element, ids as keys made alike."""
    if isinstance(value, Mapping):
        return {re.sub(r"^[0-9a-f]{64}$", "<id>", key): shape(item) for key, item in value.items()}
    if isinstance(value, list):
        merged: Json = None
        for item in value:
            merged = _merge(merged, shape(item))
        return [] if merged is None else [merged]
    return {bool: "bool", int: "int", float: "float", str: "str", type(None): "null"}[type(value)]


def _merge(one: Json, other: Json) -> Json:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _merge(one.get(key), other.get(key)) for key in {**one, **other}}
    return other if one in (None, "null", []) else one


def differences(wanted: Json, found: Json, where: str = "") -> list[str]:
    """What `wanted` has and `found` lacks or has with another type; null and an empty list fit every type."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{where}.{key} is missing" for key in wanted if key not in found]
        shared = [key for key in wanted if key in found]
        return missing + [line for key in shared for line in differences(wanted[key], found[key], f"{where}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list):
        return differences(wanted[0], found[0], f"{where}[]") if wanted and found else []
    if wanted == found or "null" in (wanted, found):
        return []
    return [f"{where} is {found!r}, not {wanted!r}"]


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames of a multiplexed stream."""
    found = []
    while data:
        length = int.from_bytes(data[4:8], "big")
        found.append((data[0], data[8 : 8 + length]))
        data = data[8 + length :]
    return found


def portrait(subject: Subject) -> dict[str, Json]:
    """Every answer that the deck reads, of an engine with one container of everything."""
    api = subject.api
    subject.image()
    subject.api.tag("test/box:1", "test/other", "2")
    api.create_network("test-net", labels={"a": "b"})
    api.create_volume("test-volume", labels={"c": "d"})
    host = {
        "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18477"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "Memory": 64 * 1024**2,
        "Binds": ["test-volume:/data"],
    }
    began = engine_time(api)
    subject.run("whole", host=host, Labels={"service": "fraud"}, Env=["A=b"])
    wait_until(lambda: subject.state("whole").get("Health", {}).get("Status") == "healthy", "health")
    execution = api.exec_create("whole", ["sh", "-c", "echo hi"])["Id"]
    api.exec_start(execution)
    stats = api.stats("whole", stream=True, decode=True)
    samples = [next(stats), next(stats)]
    answers = {
        "list": api.containers(all=True, size=True),
        "inspect": api.inspect_container("whole"),
        "top": api.top("whole"),
        "stats": samples,
        "exec": api.exec_inspect(execution),
        "network": api.inspect_network("test-net"),
        "networks": api.networks(names=["test-net"]),
        "volume": api.inspect_volume("test-volume"),
        "volumes": api.volumes(),
        "images": api.images(),
        "image": api.inspect_image("test/box:1"),
        "history": api.history("test/box:1"),
        "df": api.df(),
        "version": api.version(),
        "info": api.info(),
    }
    api.stop("whole", timeout=5)
    until = engine_time(api)
    events = api.events(since=f"{began:.9f}", until=f"{until:.9f}", decode=True)
    answers["events"] = {event["Type"] + event["Action"].partition(":")[0]: event for event in events}
    answers["exited"] = api.inspect_container("whole")["State"]
    answers["exited stats"] = api.stats("whole", stream=False)
    return {name: json.loads(json.dumps(answer)) for name, answer in answers.items()}


def engine_time(api: docker.APIClient) -> float:
    """The engine's clock in epoch seconds."""
    text = api.info()["SystemTime"]
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
