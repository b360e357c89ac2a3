"""What the story is made of: plain frozen values. Times are epoch seconds, durations seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from quarterdeck_demo.oci import Image


@dataclass(frozen=True, slots=True)
class Person:
    """An author, reviewer or actor."""

    login: str
    name: str
    email: str
    id: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that exists in the repository's origin or working copy."""

    sha: str
    message: str
    author: Person
    at: float
    parents: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Repository:
    """A working copy at `path` and its bare `origin`; `branches`, `tags` and `commits` are the origin's."""

    name: str
    slug: str
    id: int
    description: str
    language: str
    path: Path
    origin: Path
    branches: dict[str, str]
    tags: dict[str, str]
    commits: dict[str, Commit]
    created_at: float

    @property
    def head(self) -> str:
        """The commit of `main` in the origin."""
        return self.branches["main"]


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of a pull request; `patch` as in a unified diff, without the file's header."""

    path: str
    status: str
    additions: int
    deletions: int
    patch: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request; its head is `branch` in the same origin, and `refs/pull/NUMBER/head`."""

    id: int
    number: int
    repository: str
    title: str
    body: str
    author: Person
    branch: str
    sha: str
    base_sha: str
    created_at: float
    updated_at: float
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()
    files: tuple[ChangedFile, ...] = ()
    commits: int = 1
    conflicts: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a job as it will go: how long it takes, how it ends, what it logs."""

    name: str
    seconds: float
    conclusion: str = "success"
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it will go; it starts when those it `needs` have ended. `environment` asks for approval."""

    name: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    environment: str = ""
    runs_on: str = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file; `jobs` is what its next run will do, `inputs` what a dispatch may carry."""

    id: int
    repository: str
    name: str
    path: str
    jobs: tuple[Job, ...]
    triggers: tuple[str, ...] = ("push", "pull_request")
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A workflow run as planned; what it shows at a moment follows from `jobs` and `started_at`."""

    id: int
    number: int
    repository: str
    workflow: int
    title: str
    branch: str
    sha: str
    event: str
    actor: Person
    created_at: float
    started_at: float | None
    """None: it waits for a runner."""
    jobs: tuple[Job, ...]
    pull_request: int | None = None
    flaky: bool = False
    """True: what failed passes when it is run again."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a service: the commit, the run that built it, the image that it is."""

    service: str
    version: str
    sha: str
    run_id: int
    run_number: int
    created_at: float
    image: Image
    broken: bool = False
    """True: running it is what causes the incident."""


@dataclass(frozen=True, slots=True)
class Port:
    """A container's port and where the host publishes it (None: not published)."""

    container: int
    host: int | None = None
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume (`kind` volume, `source` its name) or a bind mount."""

    source: str
    destination: str
    kind: str = "volume"
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the engine. `reference` is what it was created from, registry host included."""

    id: str
    name: str
    service: str
    environment: str
    project: str
    number: int
    image: Image
    reference: str
    release: Release | None
    created_at: float
    started_at: float
    finished_at: float = 0.0
    state: str = "running"
    """created, running, paused, restarting, exited or dead, in the engine's words."""
    health: str = ""
    """healthy, unhealthy, starting, or empty without a health check."""
    failing_streak: int = 0
    health_output: str = ""
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    restart_policy: str = "unless-stopped"
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    networks: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    memory_limit: int = 0
    """Bytes; 0: none."""
    memory: int = 0
    """Bytes in use while it runs."""
    cpu: float = 0.0
    """Percent of one core while it runs."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a registered model and the training run it came from."""

    model: str
    version: int
    run_id: str
    created_at: float
    updated_at: float
    description: str
    user: str
    tags: dict[str, str]
    logged_model: str
    status: str = "READY"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model; versions ascend, aliases name one each."""

    name: str
    description: str
    created_at: float
    updated_at: float
    tags: dict[str, str]
    versions: tuple[ModelVersion, ...]
    aliases: dict[str, int]


@dataclass(frozen=True, slots=True)
class Experiment:
    """An MLflow experiment."""

    id: str
    name: str
    created_at: float
    tags: dict[str, str] = field(default_factory=dict)
