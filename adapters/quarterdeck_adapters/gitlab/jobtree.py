"""What is inside a pipeline: every attempt of every job, trigger jobs, and the jobs of the pipelines that they made.

https://docs.gitlab.com/api/jobs/ https://docs.gitlab.com/ci/pipelines/downstream_pipelines/
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.sections import trouble_order
from quarterdeck_adapters.ci.values import Json, section, shown, text, whole
from quarterdeck_adapters.gitlab import mapping
from quarterdeck_adapters.gitlab.mapping import Home
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_adapters.gitlab.runs import Runs
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Job

CHILDREN = 10
"""Downstream pipelines whose jobs are shown too, at most."""


def job_rows(jobs: Sequence[Json], home: Home, run: int, under: str = "") -> list[Job]:
    """Jobs as rows, in the order in which they go; `under` names the trigger job of a child pipeline."""
    tries = mapping.attempts(jobs)
    made = []
    for job in sorted(jobs, key=lambda each: whole(each.get("id")) or 0):
        attempt, superseded = tries.get(whole(job.get("id")) or 0, (1, False))
        row = mapping.job_record(job, home, run, attempt, superseded=superseded)
        made.append(replace(row, name=f"{under} ▸ {row.name}", stage=f"{under} ▸ {row.stage}") if under else row)
    return made


def downstream(bridge: Json, home: Home) -> tuple[int, str]:
    """The pipeline that a trigger job made: its id when it is of the same project, and where it is in words."""
    made = section(bridge, "downstream_pipeline")
    id = whole(made.get("id")) or 0
    page = text(made.get("web_url"))
    own = f"/{home.path}/-/pipelines/".lower() in page.lower() or f"/{home.path}/pipelines/".lower() in page.lower()
    if not id:
        return 0, ""
    where = f"pipeline #{id} {mapping.word(made)}"
    return (id, f"child {where}") if own else (0, f"{where} at {page}")


def bridge_row(bridge: Json, home: Home, run: int, attempt: int, *, superseded: bool) -> Job:
    """A trigger job as a row; it has no log of its own."""
    row = mapping.job_record(bridge, home, run, attempt, superseded=superseded)
    child, where = downstream(bridge, home)
    links = row.links
    if child:
        links = (*links, *(replace(link, value=f"{home.path}/{child}", evidence="downstream pipeline")
                           for link in links if link.kind == "run"))  # fmt: skip
    return replace(row, note=" · ".join(filter(None, (row.note, where))), links=links, runner=mapping.TRIGGER)


async def children(runs: Runs, place: Place, home: Home) -> list[Job]:
    """The jobs of a pipeline and of its child pipelines: the failed ones first. Raises QuarterdeckError."""
    listed, bridges = await runs.jobs(place), await runs.bridges(place)
    made = job_rows(listed, home, place.number)
    tries = mapping.attempts(bridges)
    below: list[tuple[str, int]] = []
    for bridge in bridges:
        attempt, superseded = tries.get(whole(bridge.get("id")) or 0, (1, False))
        made.append(bridge_row(bridge, home, place.number, attempt, superseded=superseded))
        child, _ = downstream(bridge, home)
        if child:
            below.append((shown(bridge.get("name"), 60), child))
    below = below[:CHILDREN]
    answers = await together(runs.jobs(place._replace(number=child)) for _, child in below)
    for (name, child), answer in zip(below, answers, strict=True):
        if isinstance(answer, list):
            made += job_rows(answer, home, child, name)
        elif not isinstance(answer, QuarterdeckError):
            raise answer
    return sorted(made, key=trouble_order)
