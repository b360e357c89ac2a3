"""The calls that a release makes to an engine, each by an exact id or name.

https://docs.docker.com/reference/api/engine/version/v1.41/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from quarterdeck_adapters.docker.release.naming import VALID
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.release.once import once
from quarterdeck_lifecycle.release.ports import Fence

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.adapter import DockerSource
    from quarterdeck_adapters.docker.client import Engine

T = TypeVar("T")
Json = Mapping[str, Any]
REGISTRY_S = 20.0
SLOW_S = 60.0
LOG_BYTES = 4 * 1024 * 1024
OUTPUT_BYTES = 4000


class Calls:
    """One engine, as a release uses it. Every method raises QuarterdeckError.

    `fence`, where it is set, is awaited right before every write.
    """

    def __init__(self, source: DockerSource) -> None:
        self.source = source
        self.fence: Fence | None = None

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    @property
    def engine(self) -> Engine:
        """The engine behind the source."""
        return self.source.engine()

    @property
    def login(self) -> dict[str, str] | None:
        """None: as the operator's docker config says; empty: nobody."""
        return None if self.source.credentials else {}

    async def _call(self, work: Callable[[Any], T], what: str, deadline: float | None = None) -> T:
        return await self.engine.call(work, what=what, deadline=deadline)

    async def _look(self, work: Callable[[Any], T], what: str, deadline: float | None = None) -> T:
        """A read that several services of one refresh share."""
        return await once((self.name, what), lambda: self._call(work, what, deadline))

    async def _write(self, work: Callable[[Any], T], what: str, deadline: float | None = None) -> T:
        await self.guard()
        return await self._call(work, what, deadline)

    async def guard(self) -> None:
        """Await the fence. Raises LeaseLost."""
        if self.fence is not None:
            await self.fence()

    async def container(self, id: str) -> dict[str, Any] | None:
        """The container of exactly this id, None when there is none."""
        if not id:
            return None
        try:
            found = await self._look(lambda c: dict(c.inspect_container(id)), f"looking at container {id[:12]}")
        except NotFound:
            return None
        return found if found.get("Id") == id else None

    async def named(self, name: str) -> dict[str, Any] | None:
        """The container of exactly this name: a prefix of an id, which the engine takes too, finds nothing."""
        if not VALID.fullmatch(name):
            return None
        try:
            found = await self._look(lambda c: dict(c.inspect_container(name)), f"looking at container {name}")
        except NotFound:
            return None
        return found if found.get("Name") == f"/{name}" else None

    async def containers(self) -> list[dict[str, Any]]:
        """All containers, as the engine lists them."""
        return await self._look(lambda c: list(c.containers(all=True)), "listing the containers", SLOW_S)

    async def image(self, reference: str) -> dict[str, Any] | None:
        """A local image by id or reference, None when there is none."""
        try:
            return await self._look(lambda c: dict(c.inspect_image(reference)), f"looking at image {reference}")
        except NotFound:
            return None

    async def info(self) -> dict[str, Any]:
        """The engine of itself."""
        return await self._call(lambda c: dict(c.info()), "asking the engine who it is")

    async def distribution(self, reference: str) -> dict[str, Any]:
        """What the registry has under a reference, as the engine sees it: `Descriptor` and `Platforms`."""
        return await self._call(
            lambda c: dict(c.inspect_distribution(reference, auth_config=self.login)),
            f"asking the registry for {reference}", REGISTRY_S,
        )  # fmt: skip

    async def pull(self, name: str, tag: str, deadline: float) -> AsyncGenerator[Json, None]:
        """The lines of a pull as they come; what went wrong may be one of them (`error`). Raises Timeout."""
        loop, lines = asyncio.get_running_loop(), asyncio.Queue[Json | None]()
        login = self.login

        def work(client: Any) -> None:
            for line in client.pull(name, tag=tag, stream=True, decode=True, auth_config=login):
                if isinstance(line, dict):
                    loop.call_soon_threadsafe(lines.put_nowait, line)

        pulling = loop.create_task(self._write(work, f"pulling {name}@{tag}", deadline))
        pulling.add_done_callback(lambda _task: lines.put_nowait(None))
        try:
            while (line := await lines.get()) is not None:
                yield line
            await pulling
        finally:
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)

    async def create(self, name: str, body: Json) -> str:
        """Create a container; its id. A used name is a Conflict."""
        config = dict(body)
        made = await self._write(
            lambda c: c.create_container_from_config(config, name), f"creating the container {name}", SLOW_S
        )
        return str(made["Id"])

    async def connect(self, network: str, id: str, endpoint: Json) -> None:
        """Connect a container to one more network."""

        def send(client: Any) -> None:
            url = client._url("/networks/{0}/connect", network)
            client._raise_for_status(client._post_json(url, data={"Container": id, "EndpointConfig": dict(endpoint)}))

        await self._write(send, f"connecting {id[:12]} to the network {network}")

    async def start(self, id: str) -> None:
        """Start it."""
        await self._write(lambda c: c.start(id), f"starting container {id[:12]}", SLOW_S)

    async def stop(self, id: str, seconds: int) -> None:
        """Ask it to end, and kill it after `seconds`."""

        def send(client: Any) -> None:
            client._raise_for_status(client._post(client._url("/containers/{0}/stop", id), params={"t": seconds}))

        await self._write(send, f"stopping container {id[:12]}", self.engine.deadline + seconds + 15)

    async def rename(self, id: str, name: str) -> None:
        """Give it another name."""
        await self._write(lambda c: c.rename(id, name), f"naming container {id[:12]} {name}")

    async def policy(self, id: str, policy: Json) -> None:
        """Set its restart policy."""
        body = {"RestartPolicy": {"Name": policy.get("Name") or "no",
                                  "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}}  # fmt: skip

        def send(client: Any) -> None:
            client._raise_for_status(client._post_json(client._url("/containers/{0}/update", id), data=body))

        await self._write(send, f"setting the restart policy of container {id[:12]}")

    async def remove(self, id: str, *, volumes: bool = False, force: bool = False) -> None:
        """Remove it; gone already is fine. Its anonymous volumes stay, unless `volumes`."""
        try:
            await self._write(
                lambda c: c.remove_container(id, v=volumes, force=force), f"removing container {id[:12]}", SLOW_S
            )
        except NotFound:
            return

    async def log(self, id: str, lines: int) -> tuple[str, ...]:
        """The last lines that it wrote, both streams together."""

        def read(client: Any) -> bytes:
            return bytes(client.logs(id, stdout=True, stderr=True, tail=lines))

        data = await self._call(read, f"reading the log of container {id[:12]}", SLOW_S)
        return tuple(data[-LOG_BYTES:].decode("utf-8", "replace").splitlines()[-lines:])

    async def run(self, id: str, argv: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a program inside; its exit code and the end of its output. Raises Timeout after `seconds`."""

        def work(client: Any) -> tuple[int, str]:
            from docker.utils.socket import frames_iter

            made = client.exec_create(id, list(argv))
            said = b""
            # The engine takes the connection over for the program's output: it goes back to no pool.
            answer = client.exec_start(made["Id"], socket=True)
            try:
                for _, piece in frames_iter(answer, tty=False):  # type: ignore[no-untyped-call]
                    said = (said + piece)[-OUTPUT_BYTES:]
            finally:
                for each in (answer, getattr(answer, "_sock", answer)):
                    with suppress(OSError):
                        each.close()
            code = client.exec_inspect(made["Id"]).get("ExitCode")
            return (int(code) if code is not None else -1), said.decode("utf-8", "replace").strip()

        return await self._call(work, f"running {argv[0]} in container {id[:12]}", seconds)
