"""The config as typed records. One Struct per mapping of the file; the keys are the fields.

Durations are seconds, paths absolute, secrets references. Names of environments, sources and services are
the keys of their mappings, or ``name``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from quarterdeck_config.errors import Misfit
from quarterdeck_config.forms import (
    Argv,
    Color,
    Duration,
    FilePath,
    Instant,
    Name,
    Regex,
    Url,
)
from quarterdeck_config.records import Count, Record, SecretRef, Share, Text
from quarterdeck_config.services import (
    Gate,
    Guard,
    Hook,
    Hooks,
    Placement,
    Probe,
    Proxy,
    Served,
    Service,
    Target,
)

__all__ = [
    "Command",
    "Config",
    "ConfirmOptions",
    "Count",
    "Environment",
    "Freeze",
    "Gate",
    "Guard",
    "Hook",
    "Hooks",
    "LocalPipeline",
    "ModelOptions",
    "Notify",
    "Pane",
    "Placement",
    "Probe",
    "Proxy",
    "Record",
    "Releases",
    "SecretRef",
    "Series",
    "Served",
    "Service",
    "Source",
    "Step",
    "Target",
    "Text",
    "Threshold",
    "View",
    "Webhook",
]

Pane = Literal["repositories", "pipelines", "containers", "models", "metrics"]


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


class ModelOptions(Record, frozen=True):
    """Which metric decides between two versions of a registered model; never guessed."""

    primary_metric: Text
    direction: Literal["max", "min"]


class View(Record, frozen=True):
    """What the deck shows, under a name; what it does not say is as on a plain deck."""

    environments: tuple[Name, ...] = ()
    """Those whose rows are shown; none: all."""
    pane: Pane | None = None
    """The one that has the keyboard."""
    zoom: bool = False
    tabs: dict[Pane, Text] = field(default_factory=dict)
    """The kind of row on top, such as ``alert``; the keys below speak of it."""
    filter: dict[Pane, Regex] = field(default_factory=dict)
    sort: dict[Pane, Text] = field(default_factory=dict)
    """The order's name; a leading ``-`` reverses it."""
    hide: dict[Pane, tuple[Text, ...]] = field(default_factory=dict)
    """Keys or titles of columns that are not shown."""
    window: Duration | None = None
    """Seconds that the charts show."""


class Command(Record, frozen=True):
    """An operator's own command: an argv template, never a shell line. ``{field}`` is a field of the row."""

    argv: Argv
    scopes: tuple[Name, ...] = ()
    """Kinds of rows it applies to; none: everywhere."""
    key: Text | None = None
    confirm: bool = True
    dangerous: bool = False
    """The name is typed first; refused while the row's place is read-only."""
    env: dict[Text, str] = field(default_factory=dict)
    """Variables for it alone, laid over the deck's own; templates as ``argv``."""
    pause: bool = False
    """Waits for Enter behind its output, for programs that do not fill the screen."""
    description: str = ""


class Step(Record, frozen=True):
    """One step of a local pipeline, run on this machine; ``timeout`` in seconds."""

    name: Name
    argv: Argv
    folder: FilePath | None = None
    timeout: Duration = 3600.0


class LocalPipeline(Record, frozen=True):
    """Steps run on this machine one after the other, or the targets of a Makefile, each a pipeline of its own."""

    __expected__: ClassVar[str] = "{steps}, or {makefile, targets}"

    steps: Annotated[tuple[Step, ...], Meta(min_length=1)] = ()
    makefile: FilePath | None = None
    """A Makefile, or the folder that has one. It is read to find its targets, never run for that."""
    targets: tuple[Text, ...] = ()
    """Those of its targets that are pipelines; none: every one that it declares phony."""
    inputs: dict[Text, str] = field(default_factory=dict)
    """What a run may be given, with the defaults: variables of the steps' environment, or of make."""
    timeout: Duration = 3600.0
    """Seconds that a target may take."""
    runnable: bool = True
    """False: shown, never run from here."""

    def __post_init__(self) -> None:
        if bool(self.steps) == (self.makefile is not None):
            raise Misfit("both" if self.steps else "neither", "exactly one of {steps|makefile}")


class ConfirmOptions(Record, frozen=True):
    """What asks more than it must. Nothing here makes a confirmation weaker."""

    typed: tuple[Text, ...] = ()
    """Ids of verbs that always want the name typed."""
    write_window: Annotated[Duration, Meta(gt=0, le=600)] = 600.0
    """Seconds for which ``W`` opens a read-only source; at most 10 minutes."""


class Releases(Record, frozen=True):
    """The pace of every release's runner."""

    heartbeat: Annotated[Duration, Meta(gt=0, le=60)] = 5.0
    """Seconds between two signs of life on a lease."""
    lease: Annotated[Duration, Meta(gt=0, le=600)] = 15.0
    """Seconds without one until a lease counts as abandoned; at least three heartbeats."""

    def __post_init__(self) -> None:
        if self.lease < 3 * self.heartbeat:
            raise Misfit("less than three heartbeats", "at least three times heartbeat", "lease")


class Webhook(Record, frozen=True):
    """Where releases are announced: https alone, no redirects, the connected peer's address checked."""

    url: Url
    token: SecretRef | None = None
    """Sent as ``Authorization: Bearer``."""
    ca_file: FilePath | None = None
    """A private authority's certificate; None: the public ones."""
    peers: tuple[Text, ...] = ()
    """Private or loopback addresses (CIDR) that the peer may have; without them only public ones."""

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise Misfit("another scheme", "an https:// url", "url")


class Notify(Record, frozen=True):
    """How the deck calls its operator when something watched has happened."""

    bell: bool = True
    title: bool = True
    """The terminal's window title says it, until somebody looks."""
    osc: Literal[9, 777] | None = None
    """A desktop notification by the terminal: OSC 9 (iTerm2, WezTerm, kitty) or OSC 777 (urxvt, foot, Ghostty)."""
    webhook: Name | None = None
    """The name of one of ``webhooks``, which is told too."""


class Config(Record, frozen=True):
    """Everything that the files say; with no file, all of it empty."""

    environments: dict[Name, Environment] = field(default_factory=dict)
    repositories: tuple[FilePath, ...] = ()
    sources: tuple[Source, ...] = ()
    services: dict[Name, Service] = field(default_factory=dict)
    releases: Releases = Releases()
    webhooks: dict[Name, Webhook] = field(default_factory=dict)
    notify: Notify = Notify()
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
