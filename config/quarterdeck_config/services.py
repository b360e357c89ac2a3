"""Services: what a release puts where, how it is proven, and what may stop it. Times in seconds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from quarterdeck_config.errors import Misfit
from quarterdeck_config.forms import Address, Argv, Duration, FilePath, Name, Regex, Url
from quarterdeck_config.records import Count, Record, Text


class Proxy(Record, frozen=True):
    """What routes traffic to a container, so that the new one serves before the old one is drained.

    haproxy: ``socket`` is its runtime API (unix:///path or tcp://host:port), ``backend`` the backend's name.
    traefik: ``api`` is its API, ``backend`` the service's name; ``drain_exec`` makes the old container unhealthy
    until it is restarted ([touch, /dev/shm/drain], and a healthcheck that looks there).
    """

    kind: Literal["haproxy", "traefik"]
    backend: Text
    port: Annotated[int, Meta(ge=1, le=65535)]
    """The port that the workload listens on, inside its network."""
    socket: Url | None = None
    api: Url | None = None
    network: Text | None = None
    """Which of the container's networks the proxy reaches; None: its only one."""
    drain: Duration = 30.0
    """The longest wait for the old one's sessions to end."""
    drain_exec: Argv | None = None

    def __post_init__(self) -> None:
        if self.kind == "haproxy" and self.socket is None:
            raise Misfit("no socket", "socket: unix:///path or tcp://host:port", "socket")
        if self.kind == "traefik" and self.api is None:
            raise Misfit("no api", "api: http://host:port", "api")


class Target(Record, frozen=True):
    """One workload on one source: ``kind`` is container, swarm or alias."""

    kind: Name
    source: Name
    name: Text
    proxy: Proxy | None = None
    stop_timeout: Duration | None = None
    """Seconds between the polite and the final signal; None: the workload's own."""


class Probe(Record, frozen=True):
    """How a workload proves that it is well; exactly one of http, tcp, exec, engine."""

    __expected__: ClassVar[str] = "{http|tcp|exec|engine}, or none"

    http: Url | None = None
    tcp: Address | None = None
    exec: Argv | None = None
    """Run inside the workload."""
    engine: bool = False
    """The engine's own health check."""
    expect: Annotated[int, Meta(ge=100, le=599)] = 200
    body: Regex | None = None
    timeout: Duration = 2.0
    interval: Duration = 1.0

    def __post_init__(self) -> None:
        given = [n for n in ("http", "tcp", "exec") if getattr(self, n) is not None]
        given += ["engine"] if self.engine else []
        if len(given) != 1:
            raise Misfit(" and ".join(given) or "none of them", "exactly one of {http|tcp|exec|engine}")


class Gate(Record, frozen=True):
    """Passes at ``passes`` consecutive passes within ``within`` seconds, then soaks for ``soak`` seconds."""

    passes: Count = 3
    within: Duration = 60.0
    soak: Duration = 30.0
    failures: Count = 3
    """Consecutive failures in the soak that put the release back."""


class Guard(Record, frozen=True):
    """A measured value that a release must not worsen. ``query``: a series' name, or a query."""

    source: Name
    query: Text
    max: float | None = None
    min: float | None = None
    no_data: Literal["hold", "fail"] = "hold"
    min_samples: Count | None = None
    """Fewer observations than this are no data."""
    samples: Text | None = None
    """A query for the number of observations; None: the points since the switch are counted."""

    def __post_init__(self) -> None:
        if self.max is None and self.min is None:
            raise Misfit("neither", "max or min")


class Hook(Record, frozen=True):
    """A program run here around a release; ``timeout`` in seconds."""

    __expected__: ClassVar[str] = "{argv, timeout}"

    argv: Argv
    timeout: Duration = 60.0


class Hooks(Record, frozen=True):
    pre: Hook | None = None
    post: Hook | None = None


class Served(Record, frozen=True):
    """Where a model server says which version it serves: a field (a.b.0) of an answer, or a metric's label."""

    http: Url | None = None
    field: Text | None = None
    source: Name | None = None
    query: Text | None = None
    label: Text | None = None

    def __post_init__(self) -> None:
        if not ((self.http and self.field) or (self.source and self.query and self.label)):
            raise Misfit("another set of keys", "{http, field} or {source, query, label}")


class Placement(Record, frozen=True):
    """A service in one environment. What stands here replaces what the service says for all of them."""

    targets: Annotated[tuple[Target, ...], Meta(min_length=1)]
    canary: Name | None = None
    """The source that goes first."""
    on_failure: Literal["rollback", "hold"] = "rollback"
    probe: Probe | Literal["none"] | None = None
    gate: Gate | None = None
    guards: tuple[Guard, ...] | None = None

    def __post_init__(self) -> None:
        if self.canary is not None and self.canary not in {target.source for target in self.targets}:
            raise Misfit("a source that no target uses", "the source of one of the targets", "canary")


class Service(Record, frozen=True):
    """What releases act on."""

    repository: FilePath | None = None
    image: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$")] | None = None
    model: Annotated[str, Meta(pattern=r"^[^@\s][^@]{0,250}@[A-Za-z0-9_.-]{1,100}$")] | None = None
    """``NAME@ALIAS``."""
    keep: Count = 5
    environments: dict[Name, Placement] = field(default_factory=dict)
    probe: Probe | Literal["none"] | None = None
    """None: not said, and a release is refused; "none": said to have no probe."""
    gate: Gate = Gate()
    guards: tuple[Guard, ...] = ()
    hooks: Hooks = Hooks()
    served: Served | None = None
    resolves_alias: bool | None = None
    """Whether the workload reads its model's alias when it starts; None: as its env and labels declare."""
    migrations: tuple[Text, ...] = ()
    """File globs in the repository; a change of one between two revisions is not undone by a rollback."""
    announce: tuple[Name, ...] = ()
    """Names of webhooks that are told how a release ended."""
    deployable: bool = True
    """False: shown, never released from here."""
