"""The engine's state as a whole: lookups, events, and what waits for changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from quarterdeck_demo.docker import references
from quarterdeck_demo.docker.state import Container, Exec, Image, Json, Network, Volume
from quarterdeck_demo.docker.wire import NANO, EngineError, digest

KEPT_EVENTS = 256
"""An engine remembers this many events for `since`: moby daemon/events/events.go."""


class World:
    """The state of one engine. Everything in it runs in one event loop."""

    def __init__(self, seed: int, clock: Callable[[], float]) -> None:
        self.seed = seed
        self._clock = clock
        self.containers: dict[str, Container] = {}
        self.images: dict[str, Image] = {}
        self.volumes: dict[str, Volume] = {}
        self.networks: dict[str, Network] = {}
        self.execs: dict[str, Exec] = {}
        self.events: deque[Json] = deque(maxlen=KEPT_EVENTS)
        self.listeners: list[deque[Json]] = []
        self.watchers: list[Callable[[Container, str], None]] = []
        """Called with each container event."""
        self.epoch = 0
        """Grows when all streams have to end."""
        self._serial = 0
        self._last_nano = 0
        self._changed = asyncio.Event()

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self._clock()

    def new_id(self, kind: str) -> str:
        """64 hex digits, the same ones in each world of this seed."""
        self._serial += 1
        return digest(self.seed, kind, self._serial)

    def new_pid(self) -> int:
        """A process id that was not given before."""
        self._serial += 1
        return 4_000 + 37 * self._serial % 60_000

    def notify(self) -> None:
        """Wake all that wait for a change."""
        event, self._changed = self._changed, asyncio.Event()
        event.set()

    async def wait(self, timeout: float) -> None:
        """Return at the next change, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)

    def end_streams(self) -> None:
        """End every log, stats and event stream now, as a restart of the engine does."""
        self.epoch += 1
        self.notify()

    def container(self, ref: str) -> Container:
        """By id, name or unambiguous beginning of the id.

        Raises EngineError 404, or 400 when the beginning fits several.
        """
        if ref in self.containers:
            return self.containers[ref]
        name = ref.removeprefix("/")
        named = next((c for c in self.containers.values() if c.name == name), None)
        if named is not None:
            return named
        found = [c for c in self.containers.values() if ref and c.id.startswith(ref)]
        if len(found) > 1:
            raise EngineError(400, f"Multiple IDs found with provided prefix: {ref}")
        if not found:
            raise EngineError(404, f"No such container: {ref}")
        return found[0]

    def find_image(self, ref: str) -> Image | None:
        """By id, beginning of the id, tag or digest."""
        bare = ref.removeprefix("sha256:")
        if f"sha256:{bare}" in self.images:
            return self.images[f"sha256:{bare}"]
        with contextlib.suppress(EngineError):
            wanted = str(references.parse(ref))
            for image in self.images.values():
                if wanted in image.tags or wanted in image.digests:
                    return image
        if len(bare) >= 4 and all(c in "0123456789abcdef" for c in bare):
            found = [image for image in self.images.values() if image.id.startswith(f"sha256:{bare}")]
            if len(found) == 1:
                return found[0]
        return None

    def image(self, ref: str) -> Image:
        """As `find_image`; raises EngineError 404."""
        found = self.find_image(ref)
        if found is None:
            name = ref if ":" in ref.rpartition("/")[2] or "@" in ref else f"{ref}:latest"
            raise EngineError(404, f"No such image: {name}")
        return found

    def network(self, ref: str) -> Network:
        """By id, name or beginning of the id; raises EngineError 404."""
        for network in self.networks.values():
            if ref in (network.id, network.name):
                return network
        found = [network for network in self.networks.values() if ref and network.id.startswith(ref)]
        if len(found) != 1:
            raise EngineError(404, f"network {ref} not found")
        return found[0]

    def volume(self, name: str) -> Volume:
        """By name; raises EngineError 404."""
        if name not in self.volumes:
            raise EngineError(404, f"get {name}: no such volume")
        return self.volumes[name]

    def attached(self, network: Network) -> list[Container]:
        """The containers that have a process in a network."""
        return [
            c
            for c in self.containers.values()
            if c.alive and any(e["NetworkID"] == network.id for e in c.endpoints.values())
        ]

    def emit(self, kind: str, action: str, actor: str, attributes: dict[str, str], at: float | None = None) -> None:
        """Publish an event: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/System/operation/SystemEvents."""
        nano = max(round((self.now if at is None else at) * NANO), self._last_nano + 1)
        self._last_nano = nano
        event: Json = {}
        if kind in ("container", "image"):
            event |= {"status": action, "id": actor}
        if kind == "container":
            event["from"] = attributes.get("image", "")
        event |= {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": actor, "Attributes": dict(sorted(attributes.items()))},
            "scope": "local",
            "time": nano // NANO,
            "timeNano": nano,
        }
        self.events.append(event)
        for queue in self.listeners:
            queue.append(event)
        self.notify()

    def container_event(self, container: Container, action: str, at: float | None = None, **extra: str) -> None:
        """An event of a container, with its labels, image and name."""
        attributes = {**container.labels, "image": container.image, "name": container.name, **extra}
        self.emit("container", action, container.id, attributes, at)
        for watcher in self.watchers:
            watcher(container, action)

    def network_event(self, network: Network, action: str, container: str = "", at: float | None = None) -> None:
        """An event of a network."""
        attributes = {"name": network.name, "type": network.driver}
        self.emit("network", action, network.id, attributes | ({"container": container} if container else {}), at)
