"""How far a build has come: a pure function of its plan, of what was done to it, and of the moment.

States: https://developer.travis-ci.com/resource/job. What follows what, how the states of jobs make those of stages and
builds, and what a restart leaves: https://github.com/travis-ci/travis-hub/tree/master/lib/travis/hub/model
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from quarterdeck_demo.story.records import Person
from quarterdeck_demo.travis.plans import BuildPlan, JobPlan, passing

RECEIVED_S, STARTED_S = 2.0, 4.0
"""Seconds from a job being ready to a worker having it, and to its first command."""
ENDED = frozenset({"passed", "failed", "errored", "canceled"})


@dataclass(slots=True)
class Attempt:
    """One life of a job, from when the hub made it. `by` restarted it."""

    since: float
    by: Person | None = None
    canceled_at: float | None = None


@dataclass(slots=True)
class LiveJob:
    """A job and what was done to it."""

    id: int
    number: str
    plan: JobPlan
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class LiveBuild:
    """A build and its jobs. `request` is what asked for it."""

    plan: BuildPlan
    jobs: list[LiveJob]
    request: int


class JobMoment(NamedTuple):
    """A job at a moment; `plan` is how this attempt goes."""

    job: LiveJob
    plan: JobPlan
    attempt: int
    state: str
    started_at: float | None
    finished_at: float | None
    updated_at: float
    restarted_at: float | None
    restarted_by: Person | None


class BuildMoment(NamedTuple):
    """A build at a moment; `stages` are states by place."""

    state: str
    started_at: float | None
    finished_at: float | None
    updated_at: float
    duration: int | None
    jobs: list[JobMoment]
    stages: list[str]


def ends(plan: JobPlan) -> tuple[float, str]:
    """Seconds from its first command to its end, and how it ends: what fails before the script is an error."""
    seconds = 0.0
    for phase in plan.phases:
        seconds += phase.seconds
        if phase.code:
            return seconds, "failed" if phase.fold == "script" else "errored"
    return seconds, "passed"


def _job_at(build: LiveBuild, job: LiveJob, ready: float | None, blocked: bool, now: float) -> JobMoment:
    number = max(n for n, attempt in enumerate(job.attempts) if attempt.since <= now or n == 0)
    attempt = job.attempts[number]
    plan = passing(job.plan) if number and build.plan.flaky else job.plan

    def moment(state: str, started: float | None, finished: float | None, updated: float) -> JobMoment:
        again = attempt.since if number else None
        return JobMoment(job, plan, number, state, started, finished, updated, again, attempt.by)

    canceled = attempt.canceled_at if attempt.canceled_at is not None and attempt.canceled_at <= now else None
    if blocked and ready is not None and canceled is None:
        return moment("canceled", None, ready, ready)
    if ready is None:
        return moment("canceled" if canceled else "created", None, canceled, canceled or attempt.since)
    began = max(ready, attempt.since)
    started = began + STARTED_S
    seconds, state = ends(plan)
    finished = started + seconds
    if canceled is not None and (plan.stuck or canceled < finished):
        return moment("canceled", started if canceled > started and not plan.stuck else None, canceled, canceled)
    if plan.stuck or now < began + RECEIVED_S:
        return moment("queued" if now >= began else "created", None, None, began)
    if now < started:
        return moment("received", None, None, began + RECEIVED_S)
    if now < finished:
        return moment("started", started, None, started)
    return moment(state, started, finished, finished)


def matrix(jobs: list[JobMoment]) -> str:
    """The state of the jobs of a stage; those that may fail do not count. A restart begins it anew."""
    if all(each.state in ENDED for each in jobs):
        states = [each.state for each in jobs if not each.plan.allow_failure]
        return next((state for state in ("canceled", "errored", "failed") if state in states), "passed")
    again = max((each.restarted_at or 0.0 for each in jobs), default=0.0)
    begun = any(each.started_at is not None and each.started_at >= again for each in jobs)
    return "started" if begun else "created"


def build_at(build: LiveBuild, now: float) -> BuildMoment:
    """The build at a moment."""
    found: list[JobMoment] = []
    stages: list[str] = []
    ready: float | None = build.plan.created_at
    blocked = False
    for place in range(len(build.plan.stages)):
        members = [_job_at(build, job, ready, blocked, now) for job in build.jobs if job.plan.stage == place]
        found += members
        state = matrix(members)
        stages.append(state)
        over = all(each.finished_at is not None for each in members)
        ready = max((each.finished_at or 0.0 for each in members), default=ready) if over else None
        blocked = blocked or (over and state != "passed")
    state = next((each for each in stages if each != "passed"), "passed")
    if state == "created" and stages[0] == "passed":
        state = "started"
    again = max((each.restarted_at or 0.0 for each in found), default=0.0)
    starts = [each.started_at for each in found if each.started_at is not None and each.started_at >= again]
    finishes = [each.finished_at for each in found if each.finished_at is not None]
    over = state in ENDED
    took = sum((each.finished_at or 0) - (each.started_at or 0) for each in found if each.started_at is not None)
    return BuildMoment(
        state, min(starts, default=None), max(finishes) if over and finishes else None,
        max(each.updated_at for each in found), round(took) if over else None, found, stages,
    )  # fmt: skip
