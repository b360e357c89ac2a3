"""Runs on the disk, and pipelines that never ran, as rows. Pure."""

from __future__ import annotations

from typing import NamedTuple, cast

from quarterdeck_adapters.local.book import Kept
from quarterdeck_adapters.local.definitions import Pipeline
from quarterdeck_adapters.local.journal import StepState
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Link, LinkKind, Ref, Status

STATUS = {
    "success": Status.OK, "failure": Status.BAD, "timed out": Status.BAD, "lost": Status.BAD,
    "cancelled": Status.IDLE, "refused": Status.IDLE, "running": Status.RUNNING, "queued": Status.QUEUED,
    "elsewhere": Status.UNKNOWN, "never ran": Status.IDLE, "ready": Status.IDLE, "not trusted": Status.IDLE,
    "not run": Status.IDLE, "skipped": Status.IDLE, "not started": Status.BAD,
}  # fmt: skip
ENDED = frozenset({"success", "failure", "timed out", "cancelled", "refused", "lost"})
READY = 0
"""The number of the row that is a pipeline itself."""
FAILED = frozenset({"failure", "timed out", "lost"})


class Home(NamedTuple):
    """What all rows of a source share."""

    source: str
    environment: str = ""


def word(kept: Kept) -> str:
    """A run's state in one word."""
    if kept.state.result:
        return kept.state.result
    if kept.lost:
        return "lost"
    if not kept.alive and not kept.here:
        return "elsewhere"
    return "queued" if kept.state.began is None or kept.state.waits else "running"


def note(kept: Kept) -> str:
    """Why a run needs a look."""
    state = word(kept)
    if state == "elsewhere":
        return f"runs on {kept.state.host}: how it goes is not seen from here"
    if state == "lost":
        pids = ", ".join(str(pid) for pid, _ in kept.orphans[:5])
        left = f"; what it began still runs as pid {pids}" if pids else ""
        return f"{kept.lost}{left}"
    return kept.state.why if state in ("failure", "timed out", "cancelled", "refused") else ""


def run_record(kept: Kept, home: Home) -> Run:
    """A run as a row; its median comes later, when all of its pipeline are known."""
    spec, state, tree = kept.spec, word(kept), kept.spec.tree
    ended = kept.state.ended
    if state == "lost":
        ended = last_seen(kept)
    began = kept.state.began
    at = kept.state.current
    return Run(
        ref=Ref(home.source, "run", kept.id),
        name=f"{spec.pipeline} #{spec.number}",
        status=STATUS[state],
        state=state,
        updated_at=ended or (last_seen(kept) if state == "running" else spec.created_at),
        environment=home.environment,
        note=note(kept),
        links=links(kept),
        system="local",
        repository=tree.remote.partition("/")[2] or tree.name or _last(spec.steps[0].folder if spec.steps else ""),
        number=str(spec.number),
        workflow=spec.pipeline,
        branch=tree.branch,
        head=tree.head,
        event=spec.event,
        actor=spec.actor,
        queued_for=kept.state.waits if state == "queued" else "",
        where=f"{spec.steps[at].name} {at + 1}/{len(spec.steps)}" if state == "running" and at >= 0 else "",
        created_at=spec.created_at,
        started_at=began,
        finished_at=ended if state in ENDED else None,
        duration_s=max(0.0, ended - began) if ended is not None and began is not None and state in ENDED else None,
    )


def last_seen(kept: Kept) -> float:
    """The last time that the journal knows, in epoch seconds."""
    steps = kept.state.steps
    known = [at for step in steps for at in (step.began, step.ended) if at is not None]
    return max([*known, kept.state.began or 0.0, kept.spec.created_at])


def links(kept: Kept) -> tuple[Link, ...]:
    """What ties a run to other systems: its commit, branch and repository, and what its steps say they made."""
    tree = kept.spec.tree
    found = [
        Link(kind="commit", value=tree.head, evidence="HEAD when the run was asked for") if tree.head else None,
        Link(kind="branch", value=tree.branch, evidence="HEAD when the run was asked for") if tree.branch else None,
        Link(kind="repository", value=tree.remote, evidence="the remote's address") if tree.remote else None,
    ]
    steps = kept.spec.steps
    said = [
        Link(kind=cast("LinkKind", kind), value=value, evidence=f"written by the step {steps[at].name}")
        for kind, value, at in kept.state.told
        if 0 <= at < len(steps)
    ]
    return (*(link for link in found if link is not None), *said)


def ready_record(pipeline: Pipeline, home: Home, last: Kept | None = None) -> Run:
    """A pipeline itself as a row, by whose name it is started; `last` is its newest run."""
    state = "not trusted" if pipeline.why_not else "ready" if last is not None else "never ran"
    steps = pipeline.about or ", ".join(step.name for step in pipeline.steps[:5])
    return Run(
        ref=Ref(home.source, "run", f"{pipeline.key}/{READY}"), name=pipeline.name, status=STATUS[state], state=state,
        environment=home.environment, note=pipeline.why_not, system="local", repository=_last(pipeline.folder),
        number="new", workflow=pipeline.name, where=steps, branch=pipeline.branch,
    )  # fmt: skip


def step_word(kept: Kept, at: int) -> str:
    """A step's state in one word."""
    step, spec = kept.state.steps[at], kept.spec
    if at < spec.begin:
        return "skipped"
    if step.state == "running" and kept.lost:
        return "lost"
    if step.state:
        return step.state
    return "not run" if kept.over else "queued"


def step_note(kept: Kept, at: int) -> str:
    """What is to be said of a step."""
    state = step_word(kept, at)
    if state == "skipped":
        return f"done by #{kept.spec.after}"
    if state == "lost":
        return note(kept)
    return kept.state.steps[at].why


def job_records(kept: Kept, home: Home) -> list[Job]:
    """The steps as jobs, in their order; but what failed comes first."""
    made = []
    for at, spec in enumerate(kept.spec.steps):
        step, state = kept.state.steps[at], step_word(kept, at)
        made.append(
            Job(
                ref=Ref(home.source, "job", f"{kept.id}/{at}"), name=spec.name, status=STATUS[state], state=state,
                updated_at=step.ended or step.began, environment=home.environment, note=step_note(kept, at),
                links=links(kept)[:1], run=kept.id, started_at=step.began, finished_at=_finished(kept, step, state),
                runner=kept.state.host,
            )
        )  # fmt: skip
    return sorted(made, key=lambda job: job.status is not Status.BAD)


def _finished(kept: Kept, step: StepState, state: str) -> float | None:
    return step.ended if state != "lost" else last_seen(kept)


def planned_jobs(pipeline: Pipeline, home: Home) -> list[Job]:
    """What a pipeline that never ran would do."""
    return [
        Job(ref=Ref(home.source, "job", f"{pipeline.key}/{READY}/{at}"), name=step.name, status=Status.IDLE,
            state="not run", environment=home.environment, run=f"{pipeline.key}/{READY}")
        for at, step in enumerate(pipeline.steps)
    ]  # fmt: skip


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path
