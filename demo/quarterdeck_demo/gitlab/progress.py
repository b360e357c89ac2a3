"""How far pipelines and jobs have come: functions of what was planned, of what was done to them, and of the moment.

Statuses: https://docs.gitlab.com/api/jobs/ https://docs.gitlab.com/ci/pipelines/#pipeline-status
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from quarterdeck_demo.gitlab.plan import JobPlan, PipelinePlan

QUEUED, CANCELING = 2.0, 2.0
"""Seconds until a runner takes a job, and until a cancelled job has stopped."""
ENDED = frozenset({"success", "failed", "canceled", "skipped"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A job at a moment, in the API's words. Times are epoch seconds."""

    status: str
    started_at: float | None = None
    finished_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's word on a deployment."""

    login: str
    status: str
    comment: str
    at: float


@dataclass(slots=True)
class Attempt:
    """One attempt of a job, with an id of its own; what was done to it."""

    id: int
    plan: JobPlan
    created_at: float
    deployment: int = 0
    needs: int = 0
    """Approvals that its deployment needs."""
    played_at: float | None = None
    cancelled_at: float | None = None
    approvals: list[Approval] = field(default_factory=list)
    variables: tuple[tuple[str, str], ...] = ()
    child: LivePipeline | None = None
    frozen: Moment | None = None
    """How it ended, once a later attempt took its place."""

    @property
    def approved(self) -> int:
        """How many have approved its deployment."""
        return sum(each.status == "approved" for each in self.approvals)

    @property
    def rejected(self) -> Approval | None:
        """The rejection of its deployment."""
        return next((each for each in self.approvals if each.status == "rejected"), None)


@dataclass(slots=True)
class LivePipeline:
    """A pipeline; `jobs` are the attempts of each, the newest last."""

    id: int
    iid: int
    plan: PipelinePlan
    jobs: dict[str, list[Attempt]]
    parent: LivePipeline | None = None
    created_at: float = 0.0
    touched_at: float = 0.0

    def attempts(self) -> Iterable[Attempt]:
        """All attempts of all jobs."""
        return (each for tries in self.jobs.values() for each in tries)


@dataclass(frozen=True, slots=True)
class PipelineMoment:
    """A pipeline at a moment; `jobs` by the attempt's id."""

    status: str
    started_at: float | None
    finished_at: float | None
    updated_at: float
    jobs: dict[int, Moment]


def _of(attempt: Attempt, ready: float | None, now: float, *, skipped: bool) -> Moment:
    """An attempt whose turn came at `ready` (None: not yet)."""
    if attempt.frozen is not None:
        return attempt.frozen
    cancelled, plan = attempt.cancelled_at, attempt.plan
    if skipped:
        return Moment("skipped")
    if ready is None or now < ready:
        return Moment("canceled", None, cancelled) if cancelled is not None else Moment("created")
    if (said := attempt.rejected) is not None:
        return Moment("failed", None, said.at, "deployment_rejected")
    start = max(ready, attempt.created_at)
    if plan.manual or attempt.needs:
        if attempt.played_at is None:
            return Moment("canceled", None, cancelled) if cancelled is not None else Moment("manual")
        start = max(start, attempt.played_at)
    start += QUEUED
    if cancelled is not None and (cancelled <= start or plan.stuck):
        return Moment("canceled", None, cancelled)
    if plan.stuck or now < start:
        return Moment("pending")
    if attempt.child is not None:
        return _bridge(attempt.child, start, now)
    end = start + plan.seconds
    if cancelled is not None and cancelled < end:
        return Moment("canceling", start) if now < cancelled + CANCELING else Moment("canceled", start, cancelled)
    if now < end:
        return Moment("running", start)
    return Moment("failed" if plan.fails else "success", start, end, plan.fails)


def _bridge(child: LivePipeline, start: float, now: float) -> Moment:
    """A trigger job with `strategy: depend`: it has the status of the pipeline that it made."""
    child.created_at = start
    at = pipeline_at(child, now)
    return Moment(at.status if at.status in ENDED else "running", start, at.finished_at)


def pipeline_at(live: LivePipeline, now: float) -> PipelineMoment:
    """The pipeline at a moment: stages one after the other, a manual job that must run stops it."""
    stages: dict[str, list[list[Attempt]]] = {}
    for tries in live.jobs.values():
        stages.setdefault(tries[0].plan.stage, []).append(tries)
    ready: float | None = live.created_at
    skipped = False
    jobs: dict[int, Moment] = {}
    latest: list[tuple[Attempt, Moment]] = []
    for several in stages.values():
        here = []
        for tries in several:
            for attempt in tries[:-1]:
                jobs[attempt.id] = attempt.frozen or Moment("failed")
            moment = _of(tries[-1], ready, now, skipped=skipped)
            jobs[tries[-1].id] = moment
            here.append((tries[-1], moment))
        latest += here
        must = [(a, m) for a, m in here if not (a.plan.allow_failure and m.status in ("manual", "failed", "canceled"))]
        if any(m.status in ("failed", "canceled", "skipped") for _, m in must):
            skipped = skipped or any(m.status in ("failed", "canceled") for _, m in must)
        if any(m.status not in ENDED for _, m in must):
            ready = None
        elif ready is not None:
            ready = max([ready, *(m.finished_at for _, m in must if m.finished_at is not None)])
    status = _status(latest)
    starts = [m.started_at for m in jobs.values() if m.started_at is not None]
    ends = [m.finished_at for m in jobs.values() if m.finished_at is not None]
    times = [t for t in (live.created_at, live.touched_at, *starts, *ends) if t <= now]
    finished = max(ends, default=live.touched_at or live.created_at) if status in ENDED else None
    return PipelineMoment(status, min(starts, default=None), finished, max(times, default=live.created_at), jobs)


def _status(latest: list[tuple[Attempt, Moment]]) -> str:
    """The status of the whole, by the latest attempt of each job."""
    known = [m.status for a, m in latest if not (a.plan.allow_failure and m.status in ("failed", "manual"))]
    found = set(known)
    if "canceling" in found:
        return "canceling"
    if "running" in found:
        return "running"
    if "pending" in found:
        return "running" if found & {"success", "failed"} else "pending"
    if "manual" in found:
        return "manual"
    if "failed" in found:
        return "failed"
    if "canceled" in found:
        return "canceled"
    if "created" in found:
        return "running" if "success" in found else "created"
    return "skipped" if found == {"skipped"} else "success"


def deployment_status(attempt: Attempt, moment: Moment) -> str:
    """A deployment's status, by the job that makes it."""
    if moment.status in ("pending", "created", "manual"):
        return "blocked" if moment.status == "manual" and attempt.approved < attempt.needs else "created"
    return "running" if moment.status in ("running", "canceling") else moment.status
