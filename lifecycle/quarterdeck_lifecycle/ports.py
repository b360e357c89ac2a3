"""Ports: what a system can do, one small Protocol for each thing.

What the code can do is the Protocol an adapter satisfies; what this instance may do now (scope, version, role)
comes from `probe()`. Raw SDK exceptions never cross a port: adapters raise `quarterdeck_lifecycle.errors` only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from quarterdeck_lifecycle.kinds import Commit, Stats
from quarterdeck_lifecycle.records import Gated, Record, Ref
from quarterdeck_lifecycle.text import LogLine, clean, clean_line

TEXT_LIMIT = 4_000_000


class Probe(Gated, frozen=True, kw_only=True):
    """What an instance said of itself. `can` maps a verb's id to None (allowed) or the reason it is not."""

    version: str = ""
    identity: str = ""
    evidence: str = ""
    warnings: tuple[str, ...] = ()
    can: dict[str, str | None] = {}


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a rate limit: requests `remaining` of `limit` until `reset_at` (epoch seconds)."""

    remaining: int
    limit: int
    reset_at: float


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to `list`. `partial` says in words what is missing; `total` is known only to some systems."""

    rows: Sequence[Record]
    partial: str = ""
    total: int | None = None
    budget: Budget | None = None


@runtime_checkable
class Source(Protocol):
    """One configured or discovered endpoint. Opening is lazy: nothing is imported or connected before first use."""

    name: str
    system: str
    environment: str
    address: str
    kinds: tuple[str, ...]

    async def probe(self) -> Probe:
        """Ask who is there and what it allows. Raises QuarterdeckError."""

    async def list(self, kind: str) -> Listing:
        """All rows of a kind, bounded by the adapter's paging. Raises QuarterdeckError."""

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds until the next poll: quick while something is in flight, slow at rest."""

    async def close(self) -> None:
        """Let go of connections, threads and child processes, within a second."""


@runtime_checkable
class Watches(Protocol):
    """A system that tells when something changed, so that nothing needs polling."""

    watched_kinds: tuple[str, ...]

    def watch(self, kind: str) -> AsyncIterator[None]:
        """Yield once when connected and then whenever `kind` should be listed again. Ends or raises when lost."""


@runtime_checkable
class KnowsMe(Protocol):
    """A system with accounts, whose rows name people by them."""

    @property
    def me(self) -> str:
        """The account of the credential, as far as it is known by now; an empty string else. Asks nobody."""


class Section(Gated, frozen=True, kw_only=True):
    """One tab of a detail: lines of `text`, or `fields` as (name, value), or a `table` with its header first.

    Text of more than 256 KB is gated off the loop: make the section on a thread then.
    """

    ungated: ClassVar[frozenset[str]] = frozenset({"text"})

    title: str
    shape: Literal["fields", "text", "diff", "table", "json"] = "fields"
    fields: tuple[tuple[str, str], ...] = ()
    text: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        Gated.__post_init__(self)
        for field, gated in (
            ("text", clean(self.text, TEXT_LIMIT)),
            ("fields", tuple((clean_line(name), clean(value)) for name, value in self.fields)),
            ("table", tuple(tuple(map(clean_line, row)) for row in self.table)),
        ):
            msgspec.structs.force_setattr(self, field, gated)


@runtime_checkable
class Describes(Protocol):
    """Details of one thing, fetched when its screen opens."""

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of the detail, the most useful first. Raises QuarterdeckError."""


@runtime_checkable
class Drills(Protocol):
    """Things inside a thing: jobs of a run, versions of a model, tags of a registry's repository."""

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """A page of what is inside `ref`, and the token of the next page or an empty string."""


class Parameter(Gated, frozen=True, kw_only=True):
    """Something that a run may be given before it starts. `secret` values are never shown nor recorded."""

    name: str
    title: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    secret: bool = False


@runtime_checkable
class TakesParameters(Protocol):
    """A system whose pipelines say what a new run may be given."""

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        """What a new run of the pipeline of `ref` (a run) may be given. Raises QuarterdeckError."""


class Between(Gated, frozen=True, kw_only=True):
    """What one revision has and another has not: the commits that come, those that go, and the files that differ."""

    commits: tuple[Commit, ...] = ()
    gone: tuple[Commit, ...] = ()
    files: tuple[str, ...] = ()


@runtime_checkable
class ComparesRevisions(Protocol):
    """A source that holds history, and tells what lies between two revisions."""

    async def between(self, path: str, old: str, new: str) -> Between:
        """From commit `old` to `new` in the repository at `path`. Raises QuarterdeckError."""


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What part of a log is wanted: the last `tail` lines, or a window in epoch seconds, and whether to follow."""

    tail: int = 1000
    since: float | None = None
    until: float | None = None
    follow: bool = True
    previous: bool = False


class LogBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines, in order. `notice` tells the operator of a gap, a reconnect or the end; `dropped` lines were lost."""

    lines: Sequence[LogLine] = ()
    notice: str = ""
    dropped: int = 0


@runtime_checkable
class TailsLogs(Protocol):
    """Logs of one or several things of this source, merged by time."""

    def log_mode(self, ref: Ref) -> str:
        """How lines arrive: `live`, `polling 5 s`, `available when the job ends`."""

    def logs(self, refs: Sequence[Ref], options: LogOptions) -> AsyncIterator[LogBatch]:
        """Lines without loss or doubles across reconnects. Ends when there is nothing more. Raises QuarterdeckError."""


@runtime_checkable
class Samples(Protocol):
    """Live use of what is on the screen, and of nothing else."""

    def stats(self, refs: Sequence[Ref]) -> AsyncIterator[Stats]:
        """Samples of these refs until closed."""


class SeriesAnswer(Gated, frozen=True, kw_only=True):
    """The answer to a query: rows of Series, and warnings that mean partial data."""

    rows: tuple[Record, ...] = ()
    warnings: tuple[str, ...] = ()


@runtime_checkable
class QueriesSeries(Protocol):
    """Time series by an expression in the system's own language."""

    async def query(self, expr: str, start: float, end: float, step: float) -> SeriesAnswer:
        """Points between two instants (epoch seconds), `step` seconds apart. Raises QuarterdeckError."""

    async def complete(self, prefix: str) -> Sequence[str]:
        """Metric names, functions and labels that continue `prefix`, at most 100."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A program that takes the terminal over: argv (never a shell line), and environment added to ours."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    title: str = ""


@runtime_checkable
class OpensShell(Protocol):
    """A shell inside a thing. It bypasses the text gate by nature; the deck says so before."""

    def shell(self, ref: Ref) -> Session:
        """The session to run in the operator's terminal. Raises QuarterdeckError."""


class Step(Gated, frozen=True, kw_only=True):
    """One thing that will be sent: on which source, as which call, with what."""

    call: str
    detail: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb would do, before it does it.

    `steps` is exactly what will be sent. `token` is the precondition: what the operator saw, compared again right
    before execution. `impact` lists what goes or changes; `inverse` is the verb and its arguments that undo it, or
    None with `why_no_inverse`. `after` is what the verification must read back, in words.
    `deadline_s` bounds the execution where the operator's default of two minutes is too short for what it does.
    """

    verb: str
    ref: Ref
    record: Record | None = None
    args: dict[str, str] = {}
    title: str = ""
    steps: tuple[Step, ...] = ()
    impact: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    deadline_s: float = 0.0
    token: Any = None
    inverse: tuple[str, dict[str, str]] | None = None
    why_no_inverse: str = ""
    command: str = ""


class Outcome(Gated, frozen=True, kw_only=True):
    """What came of it: `verified` only when a read after the write showed it."""

    verified: bool
    message: str
    observed: str = ""


class Action(Protocol):
    """One mutation a source can do, found in `Source.actions` under the verb's id."""

    def permitted(self, record: Record) -> str | None:
        """None when it applies to this record now, else the reason shown beside the greyed key."""

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Read what is there and say what would be sent. Sends no write. Raises QuarterdeckError."""

    async def execute(self, preview: Preview) -> str:
        """Compare the token (Conflict when it moved), send the write once, answer what the system said."""

    async def verify(self, preview: Preview) -> Outcome:
        """Read back what is there now."""


@runtime_checkable
class Acts(Protocol):
    """A source with mutations. Which of them this instance may do now is for `probe()` and `permitted()` to say."""

    actions: Mapping[str, Action]


@runtime_checkable
class Adopts(Protocol):
    """A source that carries verbs out for rows of other sources."""

    def adopt(self, verb: str, record: Record | None, args: Mapping[str, str]) -> Ref:
        """The row of its own that a verb (by its title) is meant for. Raises NotFound, Refused, Unsupported."""


@runtime_checkable
class Authors(Protocol):
    """A source that knows which changes of other sources' rows are of its making."""

    def by(self, ref: Ref, at: float) -> tuple[str, str]:
        """The operation that a change seen at `at` (epoch seconds) is of, and who began it; empty texts for none."""
