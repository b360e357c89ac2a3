"""Which failed runs still matter. Pure; for every CI system's adapter."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Status


def settle(runs: Iterable[Run]) -> list[Run]:
    """A failure that a later finished run of the same workflow and branch followed is history, no trouble.

    Such a run keeps its state's word and rests as IDLE. Order stays.
    """
    rows = list(runs)
    latest: dict[tuple[str, str, str], float] = {}
    for run in rows:
        if run.finished_at is not None and run.status in (Status.OK, Status.BAD):
            key = run.repository, run.workflow, run.branch
            latest[key] = max(latest.get(key, 0.0), run.created_at or 0.0)
    return [
        msgspec.structs.replace(run, status=Status.IDLE)
        if run.status is Status.BAD
        and (run.created_at or 0.0) < latest.get((run.repository, run.workflow, run.branch), 0.0)
        else run
        for run in rows
    ]
