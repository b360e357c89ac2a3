"""The rows of the pane out of what was read: medians, what is history, where each stands. Pure but for what is kept.

All of that is a matter of one project, so only a project of which something changed is composed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.timing import with_medians
from quarterdeck_adapters.jenkins import mapping
from quarterdeck_adapters.jenkins.mapping import Found, Spot
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.superseded import settle


class Held(NamedTuple):
    """The builds of a job as they were read."""

    job: Found
    read_at: float
    runs: list[Run]
    plain: frozenset[str]
    """Ids of runs that are no Pipeline's: they have no stages."""
    moving: bool
    """Whether one of them goes on."""


class _Part(NamedTuple):
    """What the rows of a project were made of."""

    held: tuple[Held, ...]
    queued: tuple[Run, ...]
    spots: dict[str, Spot]
    steps: dict[str, str]


def newest_first(runs: Iterable[Run]) -> list[Run]:
    """By the time that they were made."""
    return sorted(runs, key=lambda run: (-(run.created_at or 0.0), run.ref.id))


class Composer:
    """Makes the rows, and keeps those of projects at rest as they are."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[_Part, list[Run]]] = {}

    def rows(
        self, held: Sequence[Held], queued: Sequence[Run], spots: Mapping[str, Spot], steps: Mapping[str, str]
    ) -> list[Run]:
        """All rows, newest first. `steps` are what steps of runs wait for in the queue, by the run's id."""
        parts: dict[str, tuple[list[Held], list[Run]]] = {}
        for each in held:
            parts.setdefault(each.job.project, ([], []))[0].append(each)
        for run in queued:
            parts.setdefault(run.workflow, ([], []))[1].append(run)
        made: dict[str, tuple[_Part, list[Run]]] = {}
        for project, (own, waiting) in parts.items():
            ids = [run.ref.id for each in own for run in each.runs]
            part = _Part(
                tuple(own), tuple(waiting), {id: spots[id] for id in ids if id in spots},
                {id: steps[id] for id in ids if id in steps},
            )  # fmt: skip
            before = self._made.get(project)
            made[project] = before if before is not None and _same(before[0], part) else (part, _composed(part))
        self._made = made
        return newest_first(run for _, rows in made.values() for run in rows)


def _same(before: _Part, now: _Part) -> bool:
    """Whether nothing changed; builds that were not read again are the very same objects."""
    return (
        len(before.held) == len(now.held) and all(a is b for a, b in zip(before.held, now.held, strict=True))
        and before[1:] == now[1:]
    )  # fmt: skip


def _composed(part: _Part) -> list[Run]:
    runs = {run.ref.id: run for run in part.queued}
    for each in part.held:
        # A build that took the place of its queue item is the one that counts.
        runs |= {
            run.ref.id: mapping.seated(run, part.spots.get(run.ref.id), part.steps.get(run.ref.id, ""))
            for run in each.runs
        }
    return mapping.rested(settle(with_medians(newest_first(runs.values()))))
