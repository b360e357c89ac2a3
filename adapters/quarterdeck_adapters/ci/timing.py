"""How long runs took before. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Status

SAMPLES = 20
"""Past successful runs that a median is of, at most."""


def median(seconds: Iterable[float]) -> float | None:
    """The median of durations in seconds, or None of none."""
    found = list(seconds)
    return statistics.median(found) if found else None


def with_medians(runs: Sequence[Run]) -> list[Run]:
    """Runs, newest first, each with the median duration of the successful ones of its pipeline before it.

    A pipeline is what its source, repository and workflow name. A median that a run has already is kept.
    """
    past: dict[tuple[str, str, str], list[float]] = {}
    made: list[Run] = []
    for run in reversed(runs):
        before = past.setdefault((run.ref.source, run.repository, run.workflow), [])
        known = run.median_s if run.median_s is not None else median(before[-SAMPLES:])
        made.append(run if known == run.median_s else replace(run, median_s=known))
        if run.status is Status.OK and run.duration_s is not None:
            before.append(run.duration_s)
    made.reverse()
    return made
