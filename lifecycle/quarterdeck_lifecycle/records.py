"""Records: what every system's things look like here, and how they are named.

A record is frozen. `ref` is its identity: the cursor, marks, confirmations and verbs hold the ref, never a row
number or a bare name. Every other string passes the text gate when the record is made, so no adapter can forget it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from quarterdeck_lifecycle.text import clean

PANES = ("repositories", "pipelines", "containers", "models", "metrics")


class Status(StrEnum):
    """How a row is doing, for its glyph, its colour and its place in the order of trouble."""

    BAD = "bad"
    LOOK = "look"
    WAITING = "waiting"
    RUNNING = "running"
    QUEUED = "queued"
    UNKNOWN = "unknown"
    OK = "ok"
    IDLE = "idle"


TROUBLE = {status: rank for rank, status in enumerate(Status)}


class State(StrEnum):
    """Contract. How a source, and so a pane, is doing."""

    LOADING = "LOADING"
    FRESH = "FRESH"
    STALE = "STALE"
    ERROR = "ERROR"
    AUTH = "AUTH"
    UNSUPPORTED = "UNSUPPORTED"
    PAUSED = "PAUSED"
    NONE = "NONE"


WORST_FIRST = (
    State.AUTH,
    State.ERROR,
    State.STALE,
    State.LOADING,
    State.PAUSED,
    State.UNSUPPORTED,
    State.FRESH,
    State.NONE,
)


class Ref(msgspec.Struct, frozen=True, order=True):
    """Identity of a thing. `id` stays exactly as the system sent it (surrogateescape for bytes)."""

    source: str
    kind: str
    id: str

    def __str__(self) -> str:
        return "/".join(
            quote_from_bytes(part.encode("utf-8", "surrogateescape"), safe=":@+,=")
            for part in (self.source, self.kind, self.id)
        )

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read `source/kind/id`, each part percent-encoded. Raises ValueError when it is not one."""
        parts = text.split("/")
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"not a ref (source/kind/id): {clean(text, 200)}")
        return cls(*(unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in parts))


class Gated(msgspec.Struct, frozen=True, kw_only=True):
    """Every string field passes the gate at construction, in dicts and tuples of strings too."""

    ungated: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        ungated = self.ungated
        for field in self.__struct_fields__:
            value = getattr(self, field)
            kind = type(value)
            if kind is str:
                if not value.isprintable() and field not in ungated:
                    msgspec.structs.force_setattr(self, field, clean(value))
            elif kind is dict:
                if any(not k.isprintable() or (type(v) is str and not v.isprintable()) for k, v in value.items()):
                    fixed = {clean(k): clean(v) if type(v) is str else v for k, v in value.items()}
                    msgspec.structs.force_setattr(self, field, fixed)
            elif kind is tuple and any(type(v) is str and not v.isprintable() for v in value):
                fixed_items = tuple(clean(v) if type(v) is str else v for v in value)
                msgspec.structs.force_setattr(self, field, fixed_items)


LinkKind = Literal[
    "commit", "digest", "image", "run", "model", "version", "training_run", "service", "environment", "repository",
    "pull_request", "branch", "tag", "container", "project", "address",
]  # fmt: skip


class Link(Gated, frozen=True, kw_only=True):
    """A fact that ties this record to another system's: `kind` of thing, its `value`, and the evidence for it."""

    kind: LinkKind
    value: str
    evidence: str


class Record(Gated, frozen=True, kw_only=True):
    """One row. Times are epoch seconds, UTC. `state` is the system's own word, `note` says why it needs a look."""

    kind: ClassVar[str] = ""
    pane: ClassVar[str] = ""
    watched: ClassVar[tuple[str, ...]] = ("state",)
    announced: ClassVar[bool] = True
    ages: ClassVar[bool] = False
    """A listing has the newest of them: one that left it is old, and no news."""

    ref: Ref
    name: str
    status: Status = Status.UNKNOWN
    state: str = ""
    updated_at: float | None = None
    environment: str = ""
    url: str = ""
    note: str = ""
    links: tuple[Link, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the row counts in what is in trouble."""
        return True

    def link(self, kind: LinkKind) -> str:
        """The value of the first link of this kind, or an empty string."""
        return next((link.value for link in self.links if link.kind == kind), "")


def utc(at: float | None) -> str | None:
    """Epoch seconds as RFC 3339 in UTC."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def row_json(record: Record) -> dict[str, Any]:
    """Contract. A row of `status --json`: ref kind name status updated_at and the record's own fields."""
    row: dict[str, Any] = {"ref": str(record.ref), "kind": record.kind}
    for field in record.__struct_fields__:
        if field == "ref":
            continue
        value = getattr(record, field)
        if field.endswith("_at"):
            row[field] = utc(value)
        elif field == "links":
            row[field] = [{"kind": ln.kind, "value": ln.value, "evidence": ln.evidence} for ln in value]
        else:
            row[field] = msgspec.to_builtins(value, enc_hook=str)
    return row


def record_types() -> Iterator[type[Record]]:
    """Every record type, the built-in and the third parties'."""
    todo = list(Record.__subclasses__())
    while todo:
        found = todo.pop(0)
        todo.extend(found.__subclasses__())
        yield found


def pane_of(kind: str) -> str:
    """The pane a kind of record lives in; an empty string for one that is unknown."""
    return next((t.pane for t in record_types() if t.kind == kind), "")
