"""What a view of a kind of record is: columns, a row for each record, its orders, and what an empty one says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import msgspec

from quarterdeck.widgets.cells import Column, Row
from quarterdeck_lifecycle.kinds import Stats
from quarterdeck_lifecycle.records import TROUBLE, Record, Ref
from quarterdeck_lifecycle.scope import environment_of

R = TypeVar("R", bound=Record)


class Look(NamedTuple):
    """What a view may know beside the record: the time, colours of environments, live stats, who is here."""

    now: float = 0.0
    colours: Mapping[str, str] = {}
    stats: Mapping[Ref, Stats] = {}
    served: Mapping[tuple[str, str], str] = {}
    environments: frozenset[str] = frozenset()
    """Those that are known, by which labels are believed."""

    def environment(self, record: Record) -> str:
        """The environment a row belongs to, or an empty string."""
        return environment_of(record, self.environments)


class View(NamedTuple):
    """One tab of a pane."""

    kind: str
    title: str
    columns: tuple[Column, ...]
    row: Callable[[Any, Look], Row]
    orders: Mapping[str, Callable[[Any], Any]]
    line: Callable[[Sequence[Any], Look], str]


def trouble_first(record: Record) -> tuple[int, str, str]:
    """The default order: what is broken first, then by name."""
    return TROUBLE[record.status], record.environment, record.name


def newest_first(record: Record) -> tuple[float, str]:
    """By the time of the last change, newest first."""
    return -(record.updated_at or 0.0), record.name


def by_name(record: Record) -> str:
    """By name."""
    return record.name


def worst(records: Sequence[R]) -> R | None:
    """The record that a collapsed pane names."""
    return min(records, key=trouble_first, default=None)


def counted(records: Sequence[Record]) -> str:
    """How many are not fine, by sign, such as `✗2 ▲1 ▸3`."""
    from quarterdeck.views.fmt import GLYPHS

    counts: dict[str, int] = {}
    for record in sorted(records, key=lambda r: TROUBLE[r.status]):
        if record.status.value in ("bad", "look", "waiting", "running", "queued", "unknown"):
            sign = GLYPHS[record.status]
            counts[sign] = counts.get(sign, 0) + 1
    return " ".join(f"{sign}{count}" for sign, count in counts.items())


def haystack(record: Record) -> str:
    """What the filter looks through: every word of the record that the table may show."""
    words, others = _fields(type(record))
    number = getattr(record, "number", "")
    parts = [record.ref.source, *words(record), f"#{number}" if number else ""]
    for field in others:
        value = getattr(record, field)
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], str):
            parts.extend(value)
    return " ".join(parts)


@cache
def _fields(kind: type[Record]) -> tuple[Callable[[Record], tuple[str, ...]], tuple[str, ...]]:
    """What reads the fields that are always words, and the names of those that may be."""
    own = [field for field in msgspec.structs.fields(kind) if field.name not in _NOT_SHOWN]
    words = [field.name for field in own if field.type is str]
    others = [field.name for field in own if field.type not in (str, int, float, bool, int | None, float | None)]
    return attrgetter("name", "state", "environment", "note", "status", *words), tuple(others)


_NOT_SHOWN = frozenset(Record.__struct_fields__)
