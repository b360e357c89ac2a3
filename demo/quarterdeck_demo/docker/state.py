"""What the practice engine holds: containers, images, volumes, networks, execs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from quarterdeck_demo import oci

Json = dict[str, Any]


class Line(NamedTuple):
    """One line of a container's output, with its newline; `at` in epoch seconds."""

    at: float
    stream: int
    text: str


class Death(NamedTuple):
    """How a run ends by itself."""

    at: float
    code: int
    oom: bool = False


class Usage(NamedTuple):
    """Counters of a running container: nanoseconds of CPU, bytes."""

    cpu_ns: int
    memory: int
    cache: int
    received: int
    sent: int
    read: int
    written: int
    pids: int


@dataclass(slots=True)
class Run:
    """One time that a container ran; `number` counts from 0 and makes its output its own."""

    number: int
    started: float
    ended: float | None = None


class Life(Protocol):
    """What the program in a container does; everything follows from the run and the time."""

    def lines(self, run: Run, start: float, end: float) -> Iterator[Line]:
        """The output between two times, ascending."""

    def death(self, run: Run, now: float) -> Death | None:
        """Its own end, when that came by `now`."""

    def on_signal(self, signal: str) -> int | None:
        """The exit code when a signal (`TERM`) ends it, None when it goes on."""

    def probe(self, test: list[str], at: float) -> tuple[int, str]:
        """Exit code and output of the health check `test` at a time."""

    def usage(self, run: Run, at: float) -> Usage:
        """The counters at a time."""


@dataclass(slots=True)
class Health:
    """The state of the health check."""

    status: str = "starting"
    streak: int = 0
    log: list[Json] = field(default_factory=list)
    next_at: float = 0.0


@dataclass(slots=True)
class Container:
    """A container. `endpoints` are its networks by name, as inspect shows them."""

    id: str
    name: str
    created: float
    image_id: str
    config: Json
    host_config: Json
    life: Life
    path: str = ""
    args: list[str] = field(default_factory=list)
    endpoints: dict[str, Json] = field(default_factory=dict)
    mounts: list[Json] = field(default_factory=list)
    status: str = "created"
    runs: list[Run] = field(default_factory=list)
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    restarts: int = 0
    backoff: float = 0.0
    restart_at: float | None = None
    stopped_by_hand: bool = False
    pid: int = 0
    health: Health | None = None
    execs: list[str] = field(default_factory=list)
    ports: dict[str, list[Json]] = field(default_factory=dict)
    """Published while it runs: `80/tcp` to host bindings."""
    gone: bool = False

    @property
    def running(self) -> bool:
        """In the engine's sense: paused and restarting ones are."""
        return self.status in ("running", "paused", "restarting")

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.status in ("running", "paused")

    @property
    def run(self) -> Run:
        """The current or last run."""
        return self.runs[-1]

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, the image's among them."""
        labels: dict[str, str] = self.config["Labels"] or {}
        return labels

    @property
    def image(self) -> str:
        """The reference it was created from."""
        return str(self.config["Image"])


@dataclass(slots=True)
class Image:
    """A local image; `tags` and `digests` are `NAME:TAG` and `NAME@DIGEST`."""

    id: str
    created: float
    size: int
    config: Json
    layers: list[str]
    tags: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    architecture: str = "amd64"
    tagged_at: float | None = None
    history: list[Json] = field(default_factory=list)
    source: oci.Image | None = None
    """Its bytes, to push them."""

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels."""
        labels: dict[str, str] = self.config["Labels"] or {}
        return labels


@dataclass(slots=True)
class Volume:
    """A volume of the local driver."""

    name: str
    created: float
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None
    anonymous: bool = False
    size: int = 0


@dataclass(slots=True)
class Network:
    """A network; `subnet` is the first three octets, empty for host and none."""

    id: str
    name: str
    created: float
    driver: str = "bridge"
    subnet: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    last_host: int = 1

    @property
    def predefined(self) -> bool:
        """bridge, host and none cannot be removed."""
        return self.name in ("bridge", "host", "none")


@dataclass(slots=True)
class Exec:
    """A command started, or to be started, inside a container."""

    id: str
    container: str
    command: list[str]
    tty: bool
    stdin: bool
    stdout: bool
    stderr: bool
    env: dict[str, str]
    privileged: bool = False
    detach_keys: str = ""
    started: bool = False
    running: bool = False
    exit_code: int | None = None
    pid: int = 0
