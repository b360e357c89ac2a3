"""The config as typed records. One Struct per mapping of the file; the keys are the fields.

Durations are seconds, paths absolute, secrets references. Names of environments, sources and services are
the keys of their mappings, or ``name``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from quarterdeck_config.errors import Misfit
from quarterdeck_config.forms import (
    Address,
    Argv,
    Color,
    Duration,
    FilePath,
    Instant,
    Name,
    Regex,
    Url,
)

Pane = Literal["repositories", "pipelines", "containers", "models", "metrics"]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Share = Annotated[float, Meta(gt=0, le=1)]


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every mapping of the config shares: immutable, no unknown keys."""

    __expected__: ClassVar[str] = "a mapping"
    """How a message calls this mapping."""
    __shorthand__: ClassVar[str] = ""
    """The field that a bare text stands for, if one may."""


class SecretRef(Record, frozen=True):
    """Where a secret is kept: exactly one of the four. The secret itself never stands in the config."""

    __expected__: ClassVar[str] = "{env|file|command|keyring}"

    env: Text | None = None
    file: FilePath | None = None
    command: Argv | None = None
    keyring: Text | None = None
    """``SERVICE`` or ``SERVICE/USER`` in the desktop's keyring."""

    def __post_init__(self) -> None:
        given = [name for name in ("env", "file", "command", "keyring") if getattr(self, name) is not None]
        if len(given) != 1:
            raise Misfit(" and ".join(given) or "an empty mapping", f"exactly one of {self.__expected__}")

    @property
    def kind(self) -> str:
        """env, file, command or keyring."""
        return next(n for n in ("env", "file", "command", "keyring") if getattr(self, n) is not None)


class Freeze(Record, frozen=True):
    """No release into this environment; from ``start`` to ``end`` (ISO 8601 with zone) where they are given."""

    __shorthand__: ClassVar[str] = "reason"

    reason: Text
    start: Instant | None = None
    end: Instant | None = None


class Environment(Record, frozen=True):
    """A named place where services run."""

    protected: bool = False
    """The operator types the service's name before anything that cannot be undone."""
    color: Color | None = None
    freeze: Freeze | None = None
    approval: bool = False
    """Four eyes: a release needs the approval of another user."""


class Threshold(Record, frozen=True):
    """Where a value stops being fine; in the series' own unit."""

    max: float | None = None
    min: float | None = None

    def __post_init__(self) -> None:
        if self.max is None and self.min is None:
            raise Misfit("neither", "max or min")


class Series(Record, frozen=True):
    """One chart: a query in the source's own language, with its unit and limits (in that unit)."""

    __expected__: ClassVar[str] = "a query, or {query, unit, label, max, min}"
    __shorthand__: ClassVar[str] = "query"

    query: Text
    unit: str = ""
    label: str = ""
    max: float | None = None
    min: float | None = None


class Source(Record, frozen=True):
    """One endpoint of one system, uniquely named."""

    __lenient__: ClassVar[frozenset[str]] = frozenset({"series", "thresholds"})
    """Mappings whose broken entries are dropped without the source."""

    name: Name
    system: Name
    environment: Name | None = None
    url: Url | None = None
    repos: tuple[Text, ...] = ()
    username: Text | None = None
    token: SecretRef | None = None
    password: SecretRef | None = None
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    plain_http: bool = False
    """Allows a credential over plain http to a host that is not loopback."""
    insecure: bool = False
    """TLS not verified, for this source alone, under a permanent red badge."""
    read_only: bool | None = None
    """None: read-only unless the source is on this machine."""
    credentials: bool = True
    """False: no credential goes to this source, no discovered one and no SSH key either."""
    series: dict[str, Series] = field(default_factory=dict)
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    interval: Duration | None = None
    """Seconds between two refreshes; None: the adapter's own."""
    deadline: Duration | None = None
    """Seconds that one request may take; None: the adapter's own."""
    rate_share: Share | None = None
    """The part of a shared rate limit that the deck may spend; None: a quarter."""
    options: dict[str, str | int | float | bool | tuple[str, ...]] = field(default_factory=dict)
    """For the adapter alone, which checks them."""


class Target(Record, frozen=True):
    """One workload on one source."""

    kind: Name
    source: Name
    name: Text


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
    deployable: bool = True
    """False: shown, never released from here."""


class ModelOptions(Record, frozen=True):
    """Which metric decides between two versions of a registered model; never guessed."""

    primary_metric: Text
    direction: Literal["max", "min"]


class View(Record, frozen=True):
    environments: tuple[Name, ...] = ()
    filter: dict[Pane, Regex] = field(default_factory=dict)


class Command(Record, frozen=True):
    """An operator's own command: an argv template, never a shell line."""

    argv: Argv
    scopes: tuple[Name, ...] = ()
    """Kinds of rows it applies to; none: everywhere."""
    key: Text | None = None
    confirm: bool = True
    dangerous: bool = False
    """Refused while the deck is read-only."""
    description: str = ""


class Step(Record, frozen=True):
    """One step of a local pipeline, run on this machine; ``timeout`` in seconds."""

    name: Name
    argv: Argv
    folder: FilePath | None = None
    timeout: Duration = 3600.0


class LocalPipeline(Record, frozen=True):
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]


class ConfirmOptions(Record, frozen=True):
    """What asks more than it must. Nothing here makes a confirmation weaker."""

    typed: tuple[Text, ...] = ()
    """Ids of verbs that always want the name typed."""
    write_window: Annotated[Duration, Meta(gt=0, le=600)] = 600.0
    """Seconds for which ``W`` opens a read-only source; at most 10 minutes."""


class Config(Record, frozen=True):
    """Everything that the files say; with no file, all of it empty."""

    environments: dict[Name, Environment] = field(default_factory=dict)
    repositories: tuple[FilePath, ...] = ()
    sources: tuple[Source, ...] = ()
    services: dict[Name, Service] = field(default_factory=dict)
    models: dict[str, ModelOptions] = field(default_factory=dict)
    pipelines: dict[Name, LocalPipeline] = field(default_factory=dict)
    views: dict[Name, View] = field(default_factory=dict)
    commands: dict[Name, Command] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Verb id -> key."""
    theme: Name | None = None
    themes: dict[Name, dict[str, Color]] = field(default_factory=dict)
    slow_link: bool | Literal["auto"] = "auto"
    confirm: ConfirmOptions = ConfirmOptions()
    secret_names: tuple[Text, ...] = ()
    """More names (``*`` is a wildcard) of env variables, labels and arguments whose values are masked."""

    def source(self, name: str) -> Source | None:
        """The source of that name, or None."""
        return next((source for source in self.sources if source.name == name), None)
