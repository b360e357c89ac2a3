"""How far a run has come: a pure function of its plan, of what was done to it, and of the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from quarterdeck_demo.story.records import Job, Run, Step

RUNNER_DELAY = 2.0
"""Seconds from a job being ready to a runner taking it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A step or job at a moment, in the API's words."""

    name: str
    status: str
    conclusion: str | None
    started_at: float | None
    completed_at: float | None


@dataclass(frozen=True, slots=True)
class JobMoment(Moment):
    """A job at a moment, with its steps."""

    id: int
    plan: Job
    steps: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a run. `carried` are jobs of the attempt before that are not run again."""

    number: int
    started_at: float | None
    jobs: tuple[Job, ...]
    carried: Mapping[str, JobMoment] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody said to a run that waited for an environment."""

    environment: str
    approved: bool
    at: float
    login: str
    comment: str


class Known(NamedTuple):
    """What a run was when somebody last asked: its latest attempt, what had been done to it, when, and the answer."""

    attempt: Attempt
    done: tuple[object, ...]
    at: float
    answer: RunMoment

    def holds(self, live: LiveRun, done: tuple[object, ...], now: float) -> bool:
        """Whether it is the answer now too: nothing was done to it, and it has ended or no time has passed."""
        since = now == self.at or (now > self.at and self.answer.status == "completed")
        return since and self.attempt is live.attempt and self.done == done


@dataclass(slots=True)
class LiveRun:
    """A run and what was done to it."""

    run: Run
    attempts: list[Attempt]
    cancelled_at: float | None = None
    approvals: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """Environment to (approved, when), of the latest attempt."""
    decisions: list[Decision] = field(default_factory=list)
    """Of all attempts."""
    earlier: list[tuple[JobMoment, ...]] = field(default_factory=list)
    """The jobs of the attempts before the latest, as they ended."""
    held: bool = False
    """It waits until another run of its concurrency group has ended."""
    known: Known | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, run: Run) -> LiveRun:
        """A run as planned."""
        return cls(run, [Attempt(1, run.started_at, run.jobs)])

    @property
    def attempt(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    def decide(self, environment: str, *, approved: bool, at: float, login: str, comment: str) -> None:
        """Approve or reject a deployment to an environment."""
        self.approvals[environment] = approved, at
        self.decisions.append(Decision(environment, approved, at, login, comment))

    def again(self, now: float, names: set[str]) -> None:
        """Run the named jobs again, keeping the results of the others; what is flaky passes now."""
        ended = tuple(jobs_at(self, now))
        self.earlier.append(ended)
        kept = {job.name: job for job in ended if job.name not in names}
        plans = tuple(_passing(job) if self.run.flaky else job for job in self.attempt.jobs)
        self.attempts.append(Attempt(self.attempt.number + 1, now, plans, kept))
        self.cancelled_at, self.held = None, False
        self.approvals.clear()


def _passing(job: Job) -> Job:
    return replace(job, steps=tuple(Step(s.name, s.seconds, "success", s.log[:2]) for s in job.steps))


def jobs_at(live: LiveRun, now: float) -> list[JobMoment]:
    """The jobs of the latest attempt at a moment, in the order of the plan."""
    attempt, done = live.attempt, {}
    for index, job in enumerate(attempt.jobs):
        if job.name in attempt.carried:
            done[job.name] = attempt.carried[job.name]
            continue
        identity = live.run.id * 100 + attempt.number * 10 + index
        done[job.name] = _job_at(live, job, identity, done, now)
    return list(done.values())


def _job_at(live: LiveRun, job: Job, identity: int, done: Mapping[str, JobMoment], now: float) -> JobMoment:
    def moment(status: str, conclusion: str | None, start: float | None, end: float | None,
               steps: tuple[Moment, ...] = ()) -> JobMoment:  # fmt: skip
        return JobMoment(job.name, status, conclusion, start, end, identity, job, steps)

    cancelled = live.cancelled_at
    before = [done[name] for name in job.needs]
    if any(need.conclusion not in (None, "success") for need in before):
        end = max(need.completed_at or now for need in before)
        return moment("completed", "skipped", end, end)
    ends = [need.completed_at for need in before]
    if live.attempt.started_at is None or None in ends:
        if cancelled is not None:
            return moment("completed", "cancelled", cancelled, cancelled)
        return moment("queued", None, None, None)
    ready = max([live.attempt.started_at, *(end for end in ends if end is not None)])
    if job.environment:
        decision = live.approvals.get(job.environment)
        if decision is None:
            if cancelled is not None:
                return moment("completed", "cancelled", cancelled, cancelled)
            return moment("waiting" if now >= ready else "queued", None, None, None)
        approved, at = decision
        ready = max(ready, at)
        if not approved:
            return moment("completed", "failure", ready, ready)
    start = ready + RUNNER_DELAY
    if cancelled is not None and cancelled <= start:
        return moment("completed", "cancelled", cancelled, cancelled)
    if now < start:
        return moment("queued", None, None, None)
    return _running(job, identity, start, now, cancelled)


def _running(job: Job, identity: int, start: float, now: float, cancelled: float | None) -> JobMoment:
    steps: list[Moment] = []
    at, conclusion = start, "success"
    for step in job.steps:
        end = at + step.seconds
        if conclusion == "success" and cancelled is not None and end > cancelled:
            at = max(at, cancelled)
            conclusion = "cancelled"
            steps.append(Moment(step.name, "completed", "cancelled", at, at))
        elif conclusion != "success":
            steps.append(Moment(step.name, "completed", "skipped", at, at))
        elif now < at:
            steps.append(Moment(step.name, "queued", None, None, None))
        elif now < end:
            steps.append(Moment(step.name, "in_progress", None, at, None))
            at = end
        else:
            steps.append(Moment(step.name, "completed", step.conclusion, at, end))
            conclusion, at = step.conclusion, end
    if now < at or any(step.status != "completed" for step in steps):
        return JobMoment(job.name, "in_progress", None, start, None, identity, job, tuple(steps))
    return JobMoment(job.name, "completed", conclusion, start, at, identity, job, tuple(steps))


@dataclass(frozen=True, slots=True)
class RunMoment:
    """A run at a moment."""

    status: str
    conclusion: str | None
    updated_at: float
    jobs: tuple[JobMoment, ...]


def run_at(live: LiveRun, now: float) -> RunMoment:
    """The run's state at a moment, from its jobs."""
    done = live.held, live.cancelled_at, *live.approvals.items()
    if live.known is None or not live.known.holds(live, done, now):
        live.known = Known(live.attempt, done, now, _run_at(live, now))
    return live.known.answer


def _run_at(live: LiveRun, now: float) -> RunMoment:
    if live.held and live.cancelled_at is not None:
        return RunMoment("completed", "cancelled", live.cancelled_at, ())
    if live.held:
        return RunMoment("pending", None, live.run.created_at, ())
    jobs = tuple(jobs_at(live, now))
    times = [live.run.created_at, live.attempt.started_at or 0.0, live.cancelled_at or 0.0]
    times += [t for job in jobs for s in (job, *job.steps) for t in (s.started_at, s.completed_at) if t]
    updated = max(t for t in times if t <= now) if live.run.created_at <= now else live.run.created_at
    states = {job.status for job in jobs}
    if states == {"completed"}:
        ends = {job.conclusion for job in jobs}
        conclusion = next((c for c in ("cancelled", "failure") if c in ends), "success")
        return RunMoment("completed", conclusion, updated, jobs)
    if "in_progress" in states:
        status = "in_progress"
    elif "waiting" in states:
        status = "waiting"
    else:
        ended = any(job.status == "completed" for job in jobs if job.name not in live.attempt.carried)
        status = "in_progress" if ended else "queued"
    return RunMoment(status, None, updated, jobs)
