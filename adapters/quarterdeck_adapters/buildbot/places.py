"""What a ref names: a run by its build request, a job by its request and step. Pure."""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck_lifecycle.records import Ref


class Place(NamedTuple):
    """The ids of a thing; `step` is 0 for a run."""

    request: int
    step: int = 0


def place_of(ref: Ref) -> Place | None:
    """The place that a ref of this source names; None for what is none."""
    parts = ref.id.split("/")
    if ref.kind not in ("run", "job") or len(parts) != (1 if ref.kind == "run" else 2):
        return None
    if not all(part.isascii() and part.isdigit() and len(part) < 16 and int(part) for part in parts):
        return None
    return Place(*map(int, parts))
