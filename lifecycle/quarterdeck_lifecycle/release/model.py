"""What a release is made of: identities, workloads, changes, steps, the plan. All of it is data, and goes to disk.

A release puts an identity (an image's digest, a model's version) on a service in an environment. A rollback is a
release. Times are epoch seconds in UTC, durations seconds.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Literal

import msgspec

from quarterdeck_lifecycle.records import Gated, Ref

Kind = Literal["deploy", "rollback", "promote"]
Mode = Literal["stop-start", "start-first", "overlap", "rolling", "alias"]
"""How a target changes over: the old stops before the new starts; the new serves behind a proxy before the old is
drained; both answer a network alias for a while; the orchestrator rolls; a name is moved."""
Result = Literal["SUCCEEDED", "ROLLED_BACK", "FAILED", "ABORTED", "STUCK", "REFUSED"]
"""Contract. ABORTED, FAILED: what served before still serves, nothing or nothing lasting was changed."""
Phase = Literal["prepare", "switch", "gate", "retire", "keep", "whole"]
"""Where a step stands: before anything is touched; the change itself; the proof; letting the old go; tidying;
`whole` for steps of the release and not of one target."""
Through = Literal["direct", "traffic"]
MARK = "quarterdeck."
SERVICES = "services"
"""The source that service rows and operations belong to."""


class Identity(Gated, frozen=True, kw_only=True):
    """What a release puts on a service.

    For an image: `name` is the repository, `digest` the manifest's (`sha256:...`), `image_id` the config's digest as
    engines name it, where known. For a model: `name` is the registered model, `digest` its version, as a number.
    `wanted` is what the operator named and what was resolved to this.
    """

    kind: Literal["image", "model"]
    name: str
    digest: str
    image_id: str = ""
    wanted: str = ""
    revision: str = ""
    created_at: float | None = None
    size: int | None = None
    labels: dict[str, str] = {}

    @property
    def reference(self) -> str:
        """`repository@sha256:...` or `models:/name/17`; an image that no registry knows is named by its id."""
        if self.kind == "model":
            return f"models:/{self.name}/{self.digest}"
        return f"{self.name}@{self.digest}" if self.digest else self.image_id

    @property
    def short(self) -> str:
        """For the screen: `v17`, `d04a51c0ffee`."""
        if self.kind == "model":
            return f"v{self.digest}"
        return (self.digest or self.image_id).removeprefix("sha256:")[:12]

    def same(self, other: Identity | None) -> bool:
        """Whether both are the same thing: by digest, else by the engine's id."""
        if other is None or self.kind != other.kind:
            return False
        if self.kind == "model":
            return (self.name, self.digest) == (other.name, other.digest)
        by_digest = bool(self.digest) and self.digest == other.digest
        return by_digest or (bool(self.image_id) and self.image_id == other.image_id)


class Marks(Gated, frozen=True, kw_only=True):
    """What a release writes on a target (labels, tags), under `quarterdeck.`; `at` is RFC 3339 in UTC.

    `head` is the ledger's last hash when the release was planned: a ledger without it was cut.
    """

    op: str = ""
    service: str = ""
    env: str = ""
    revision: int = 0
    digest: str = ""
    previous: str = ""
    actor: str = ""
    at: str = ""
    head: str = ""

    def labels(self) -> dict[str, str]:
        """As labels or tags of the target."""
        return {f"{MARK}{name}": str(getattr(self, name)) for name in self.__struct_fields__ if getattr(self, name)}

    @classmethod
    def read(cls, labels: dict[str, str]) -> Marks | None:
        """The marks among labels or tags, None when there are none. What cannot be read counts as empty."""
        if f"{MARK}op" not in labels:
            return None
        number = labels.get(f"{MARK}revision", "")
        texts = {name: labels.get(f"{MARK}{name}", "") for name in cls.__struct_fields__ if name != "revision"}
        return cls(**texts, revision=int(number) if number.isascii() and number.isdigit() else 0)


class Workload(Gated, frozen=True, kw_only=True):
    """What one target runs now, as read from its system. `state` is the system's word, `detail` one line more."""

    target: str
    identity: Identity | None = None
    running: bool = False
    health: Literal["healthy", "unhealthy", "starting", "none", "unknown"] = "none"
    state: str = ""
    detail: str = ""
    id: str = ""
    since: float | None = None
    marks: Marks | None = None


class Candidate(Gated, frozen=True, kw_only=True):
    """Something that one target could go back to. `ready` only when image and configuration are both there.

    `proven` when a gate passed on it, as its marks or the ledger say; `why_not` tells what is missing.
    """

    target: str
    identity: Identity
    revision: int = 0
    op: str = ""
    at: float | None = None
    proven: bool = False
    ready: bool = True
    why_not: str = ""
    id: str = ""


class Place(Gated, frozen=True, kw_only=True):
    """Which workload: `kind` of target (container, swarm, alias), its source, and its name there."""

    kind: str
    source: str
    name: str

    def __str__(self) -> str:
        return f"{self.source}/{self.name}"


class Change(Gated, frozen=True, kw_only=True):
    """What a release does to one target: all that its steps and its putting back need, decided when it was planned.

    `facts` belongs to the target's adapter (ids, names, the restart policy to restore, all strings, no secrets): it
    lies in the operation and in the lease on the target, so that any host can put the target back from it.
    `restart_only` starts the same identity anew (a model server that resolves its alias when it starts). `head` is the
    ledger's last hash when it was planned, so that the marks are the same however often a step is done.
    """

    place: Place
    service: str
    environment: str
    op: str
    mode: Mode
    to: Identity
    back: Identity | None = None
    revision: int = 0
    actor: str = ""
    at: str = ""
    restart_only: bool = False
    head: str = ""
    facts: dict[str, str] = {}

    @property
    def target(self) -> str:
        """`source/name`."""
        return str(self.place)

    def marks(self) -> Marks:
        """The marks that this change leaves on its target."""
        return Marks(
            op=self.op, service=self.service, env=self.environment, revision=self.revision,
            digest=self.to.digest or self.to.image_id, previous=(self.back.digest or self.back.image_id)
            if self.back else "", actor=self.actor, at=self.at, head=self.head,
        )  # fmt: skip


class Step(Gated, frozen=True, kw_only=True):
    """One step of a plan. `name` is the verb (pull, create, stop, start, route, drain, gate ...), `target` empty for
    the whole release. `id` is unique in the plan; ledger rows and events carry it."""

    id: str
    name: str
    title: str
    phase: Phase
    deadline_s: float
    target: str = ""
    through: Through = "traffic"


class Check(Gated, frozen=True, kw_only=True):
    """One thing that the preflight looks at: `ok` None means it could not be told."""

    name: str
    ok: bool | None
    said: str
    blocks: bool = True


class Draft(Gated, frozen=True, kw_only=True):
    """A target's part of a plan: its change, its steps in order, what it found, and the gap it expects in seconds.

    `gap_s` 0 promises no failed request; None means that failures are counted and not promised away.
    """

    ungated: ClassVar[frozenset[str]] = frozenset()

    change: Change
    steps: tuple[Step, ...]
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()
    gap_s: float | None = 0.0
    config: tuple[str, ...] = ()
    """How the workload's configuration differs, a line each, secrets masked."""


class ProbeRule(msgspec.Struct, frozen=True, kw_only=True):
    """How a target is proven well; the config's probe. `none` was said where all are empty."""

    http: str = ""
    tcp: str = ""
    exec: tuple[str, ...] = ()
    engine: bool = False
    expect: int = 200
    body: str = ""
    timeout_s: float = 2.0
    interval_s: float = 1.0

    @property
    def none(self) -> bool:
        """Whether nothing is probed, because the config says so."""
        return not (self.http or self.tcp or self.exec or self.engine)


class GateRule(msgspec.Struct, frozen=True, kw_only=True):
    """`passes` consecutive passes within `within_s`; then `soak_s` in which `failures` consecutive ones fail it."""

    passes: int = 3
    within_s: float = 60.0
    soak_s: float = 30.0
    failures: int = 3


class GuardRule(msgspec.Struct, frozen=True, kw_only=True):
    """A measured value with limits. `samples` is a query for how many observations there are, where one is given;
    else the points since the switch are counted. Below `min_samples` the value is unknown."""

    source: str
    query: str
    name: str = ""
    max: float | None = None
    min: float | None = None
    no_data: Literal["hold", "fail"] = "hold"
    min_samples: int = 0
    samples: str = ""


class HookRule(msgspec.Struct, frozen=True, kw_only=True):
    """A program of a trusted config, run where the runner runs."""

    argv: tuple[str, ...]
    timeout_s: float = 60.0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """`beat_s` between two signs of life of the lease, `lease_s` without one until it counts as abandoned."""

    beat_s: float = 5.0
    lease_s: float = 15.0


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where a release is announced. The token is a reference that the runner resolves."""

    name: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A release, decided. `steps` is what the ledger of an undisturbed run holds, in that order; `back_steps` is what
    is done if it fails after the first switch."""

    op: str
    kind: Kind
    service: str
    environment: str
    actor: str
    origin: str
    host: str
    reason: str
    at: str
    to: Identity
    back: Identity | None
    before: Identity | None = None
    wanted: str = ""
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    back_steps: tuple[Step, ...] = ()
    probe: ProbeRule = ProbeRule()
    gate: GateRule = GateRule()
    guards: tuple[GuardRule, ...] = ()
    pre: HookRule | None = None
    post: HookRule | None = None
    announce: tuple[str, ...] = ()
    on_failure: Literal["rollback", "hold"] = "rollback"
    keep: int = 5
    pace: Pace = Pace()
    approval: bool = False
    protected: bool = False
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    gap_s: float | None = 0.0
    revision: int = 0

    @property
    def ref(self) -> Ref:
        """The service in its environment, as its row names it."""
        return service_ref(self.service, self.environment)

    def step(self, id: str) -> Step | None:
        """The step of that id, of the way forward or back."""
        return next((step for step in (*self.steps, *self.back_steps) if step.id == id), None)

    def change(self, target: str) -> Change | None:
        """The change of that target."""
        return next((change for change in self.changes if change.target == target), None)

    def digest(self) -> str:
        """What an approval is bound to: everything but who said yes, as a hash."""
        return hashlib.sha256(json.dumps(msgspec.to_builtins(self), sort_keys=True).encode()).hexdigest()


def service_ref(service: str, environment: str) -> Ref:
    """The ref of a service's row: one for each environment."""
    return Ref(SERVICES, "service", f"{service}@{environment}")


def encode(plan: Plan) -> str:
    """A plan as the state keeps it."""
    return msgspec.json.encode(plan).decode()


def decode(text: str) -> Plan:
    """The plan that `encode` wrote. Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=Plan)


class Event(Gated, frozen=True, kw_only=True):
    """Contract. One line of an operation's log and of `--json`: `{op, seq, at, step, phase, message}`.

    `phase` is plan, intent, progress, outcome, sample, ask or note; `result` stands in the last line alone.
    """

    op: str
    seq: int
    at: str
    step: str
    phase: str
    message: str
    result: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As it is printed."""
        if self.result:
            return {"op": self.op, "result": self.result, "seq": self.seq, "at": self.at, "message": self.message}
        return {
            "op": self.op, "seq": self.seq, "at": self.at, "step": self.step, "phase": self.phase,
            "message": self.message,
        }  # fmt: skip
