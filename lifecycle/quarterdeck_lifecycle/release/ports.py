"""What the release engine asks of the outside. Adapters and the runner bring these; nothing here knows a system.

Every write that a target or a lease makes needs the permit for its source (`permit.permit`): the engine holds it
around `do`, `put_back`, `clear_up` and the lease's writes, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import msgspec

from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.records import Gated
from quarterdeck_lifecycle.release.model import (
    Candidate,
    Change,
    Draft,
    GateRule,
    GuardRule,
    Identity,
    Kind,
    Place,
    ProbeRule,
    Step,
    Through,
    Workload,
)

if TYPE_CHECKING:
    from quarterdeck_lifecycle.release.aliases import Move

Say = Callable[[str], Awaitable[None]]
"""Progress of a step, a line each: output of a pull, sessions that are left, what is waited for."""
Fence = Callable[[], Awaitable[None]]
"""Reads the lease. Raises LeaseLost when it is not ours any more."""
Verdict = Literal["pass", "fail", "unknown"]


class Sample(Gated, frozen=True, kw_only=True):
    """One look at one target: what came, and what that says. `unknown` is never a pass."""

    verdict: Verdict
    said: str
    at: float = 0.0


class Holder(Gated, frozen=True, kw_only=True):
    """Who holds a lease. `beat` counts up while its runner lives; `id` is the lease object's own, so that a lease is
    removed only if it is still the one that was read. `change` is the JSON of the Change, to put back from."""

    op: str
    service: str
    environment: str
    owner: str
    host: str
    since: str
    beat: int = 0
    lease_s: float = 15.0
    id: str = ""
    change: str = ""


class LeaseTaken(Refused):
    """Somebody else holds it."""

    def __init__(self, holder: Holder, *, source: str = "") -> None:
        self.holder = holder
        super().__init__(
            f"{holder.service} in {holder.environment} is being released", source=source,
            why=f"operation {holder.op} by {holder.owner} on {holder.host} since {holder.since}",
            mend=f"quarterdeck attach {holder.op}",
        )  # fmt: skip


class LeaseLost(QuarterdeckError):
    """The lease is not ours any more: nothing may be written."""

    word = "lease lost"


class Lease(Protocol):
    """The lease on a target itself, so that two hosts exclude each other. `advisory` says that it cannot exclude, and
    `window` in words which moment is left in which two may both believe to hold it."""

    advisory: bool
    window: str

    async def read(self) -> Holder | None:
        """Who holds it now, None when it is free. Raises QuarterdeckError."""

    async def acquire(self, holder: Holder) -> Holder:
        """Take it, atomically where the system can; answers the holder with its `id`. Our own op's lease is taken
        over as it is. Raises LeaseTaken."""

    async def beat(self, held: Holder) -> Holder:
        """Show that we live: `beat` + 1. Raises LeaseLost when it is another's or gone."""

    async def check(self, held: Holder) -> None:
        """Read it right before a write. Raises LeaseLost."""

    async def release(self, held: Holder) -> None:
        """Give it back; gone already is fine, another's is left alone."""

    async def evict(self, seen: Holder) -> None:
        """Remove the abandoned lease that was read, if it is still that one. Raises LeaseTaken when it is not."""


class Evidence(Gated, frozen=True, kw_only=True):
    """What outlives a workload that failed or goes (SAFETY S29): redacted by whoever stores it."""

    target: str
    which: Literal["new", "old"]
    exit_code: int | None = None
    state: str = ""
    log: tuple[str, ...] = ()
    inspect: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a target is asked to plan. `candidate` is the id of the retained thing that a rollback goes to, empty for
    a new identity. `back_candidate` is the id of the retained thing that a put-back goes to; empty: what runs now,
    which is the usual case. `restart_only` starts the same identity anew. `settings` are the target's own keys of
    the config (proxy, drain ...)."""

    kind: Kind
    op: str
    service: str
    environment: str
    to: Identity
    back: Identity | None
    revision: int
    actor: str
    at: str
    probe: ProbeRule
    gate: GateRule
    keep: int
    candidate: str = ""
    back_candidate: str = ""
    restart_only: bool = False
    settings: Mapping[str, str] = {}


class Target(Protocol):
    """One workload on one source: what a release changes. Made by `Deploys.target`; sends nothing when made.

    `plan` gives steps in order: `prepare` ones touch nothing that serves; a `gate` step is done by the engine, which
    asks `endpoint` where to probe; `retire` ones let the old go (it is kept, stopped, until `keep` prunes); `do` and
    `put_back` are idempotent: done already means a read and no write.
    """

    place: Place
    lease: Lease
    fence: Fence | None
    """Set by the engine once the lease is held; awaited right before every single write of `do` and `put_back`."""

    async def look(self) -> Workload:
        """What runs there now. Raises QuarterdeckError; a target that does not exist is NotFound."""

    async def resolve(self, wanted: str, name: str) -> Identity:
        """A tag, digest or version of `name` as an identity, read from the system now. Raises NotFound."""

    async def candidates(self, service: str, environment: str) -> Sequence[Candidate]:
        """What it could go back to, newest first, what runs now first of all."""

    async def plan(self, wanted: Wanted) -> Draft:
        """This target's part of a plan. Sends no write. Raises Refused or Unsupported with the reason."""

    async def recheck(self, change: Change) -> None:
        """Right before anything is done: what the plan was made from still holds. Raises Conflict."""

    async def do(self, change: Change, step: Step, say: Say) -> str:
        """One step of its own. Idempotent. Answers what was done or found done. Raises QuarterdeckError."""

    async def clear_up(self, change: Change, say: Say) -> str:
        """Remove what `prepare` made, when nothing was switched. Idempotent."""

    async def put_back(self, change: Change, say: Say) -> str:
        """From whatever state a stop left: what served before serves again. Idempotent; converges by looking."""

    async def endpoint(self, change: Change, through: Through) -> str:
        """HOST:PORT to probe the new workload itself; empty: as the probe is configured."""

    async def probe(self, change: Change, rule: ProbeRule, through: Through) -> Sample:
        """Probes that only the system can do: `engine` and `exec`."""

    async def evidence(self, change: Change, which: Literal["new", "old"], lines: int) -> Evidence:
        """The last lines, exit code and inspect of the new or the old workload."""


@runtime_checkable
class Deploys(Protocol):
    """A source that has targets of releases."""

    target_kinds: tuple[str, ...]

    def target(self, kind: str, name: str, settings: Mapping[str, str]) -> Target:
        """The target of that name. Raises Unsupported with the reason."""


@runtime_checkable
class RemembersMoves(Protocol):
    """A source that can use what decks recorded of the moves of its aliases."""

    past_moves: Callable[[str, str, str], Awaitable[Sequence[Move]]] | None
    """The moves of (source, model, alias), in any order; None where nobody keeps them."""


class Prober(Protocol):
    """Probes over the network, from where the runner runs: no redirects, a deadline, a bounded body."""

    async def http(self, url: str, address: str, rule: ProbeRule) -> Sample:
        """GET `url`, connecting to `address` (HOST:PORT) instead of the url's own where it is given."""

    async def tcp(self, address: str, rule: ProbeRule) -> Sample:
        """Open a connection to HOST:PORT."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a guard's query answers now: None for no data. `samples` observations stand behind it."""

    value: float | None
    samples: int = 0
    said: str = ""


class Measures(Protocol):
    """Metrics for guards."""

    async def read(self, guard: GuardRule, since: float) -> Reading:
        """The guard's value now, from data since `since` (epoch seconds). Never raises: trouble is no data."""


class Clock(Protocol):
    """Time, so that tests need none."""

    def now(self) -> float:
        """Epoch seconds: for people."""

    def monotonic(self) -> float:
        """Seconds that only go forward, also while the machine sleeps (CLOCK_BOOTTIME): for durations."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Journal(Protocol):
    """Where steps are written down before and after. `blocking` False (putting back) never raises: a ledger failure
    stops a deploy, never a rollback."""

    async def intent(self, step: Step, before: str = "") -> None:
        """Say what is about to be done; on the disk when this returns. Raises StateError."""

    async def outcome(self, step: Step, result: str, after: str = "") -> None:
        """Say how the intent ended. Raises StateError."""

    async def note(self, step: str, message: str, phase: str = "progress") -> None:
        """A line of the operation's log, no ledger row. Never raises."""

    async def done(self) -> Mapping[str, str]:
        """Ids of the steps that an outcome says are done, with that outcome."""

    async def begun(self) -> Mapping[str, str]:
        """Ids of the steps that have an intent, each with its outcome; an empty one where none followed."""

    async def head(self) -> str:
        """The hash of the ledger's last row; empty when it cannot be read."""

    def lenient(self) -> None:
        """From now on a failing ledger is noted and does not stop anything."""

    async def keep(self, name: str, text: str) -> None:
        """Keep evidence with the operation, redacted. Never raises."""


Ask = Literal["abort", "keep", "extend", "put back"]


class Control(Protocol):
    """What viewers ask of a running operation."""

    async def asked(self) -> Sequence[tuple[Ask, str]]:
        """What was asked since the last call, oldest first, each with who asked. Never raises."""

    async def approved(self, digest: str) -> str:
        """Who approved this plan (its digest) and may, within the last 30 minutes; empty: nobody yet."""

    async def frozen(self) -> str:
        """Why this release is frozen out now; empty when it is not. Raises StateError."""


class Hooks(Protocol):
    """Programs around a release."""

    async def run(self, argv: Sequence[str], timeout_s: float, env: Mapping[str, str], say: Say) -> str:
        """Run it bounded, output captured. Raises Conflict with the exit code and the last lines."""


class Announcer(Protocol):
    """Tells others how a release ended."""

    async def tell(self, names: Sequence[str], facts: Mapping[str, str]) -> str:
        """Send to each; answers in words what arrived. Never raises: a release does not fail by its news."""
