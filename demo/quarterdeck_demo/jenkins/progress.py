"""How far a build has come: a pure function of its plan, of what was done to it, and of the moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from quarterdeck_demo.jenkins.plan import Ask, Cause, Job, Stage, Step

_WORDS = {"SUCCESS": "SUCCESS", "FAILURE": "FAILED", "ABORTED": "ABORTED", "UNSTABLE": "UNSTABLE"}


@dataclass(slots=True)
class Build:
    """A build and what was done to it."""

    job: Job
    number: int
    queue_id: int
    queued_at: float
    started_at: float
    stages: tuple[Stage, ...]
    sha: str
    cause: Cause
    values: dict[str, str | bool] = field(default_factory=dict)
    description: str | None = None
    stopped_at: float | None = None
    stubborn: bool = False
    """It ignores `stop`; only `term` or `kill` end it."""
    answers: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """Input id to (proceeded, when)."""
    over: tuple[tuple[object, ...], Moment] | None = field(default=None, compare=False, repr=False)
    """What had been done to it when it was first seen to have ended, and how it ended."""


@dataclass(frozen=True, slots=True)
class StepMoment:
    """A step at a moment; `status` as wfapi says it."""

    id: int
    plan: Step
    status: str
    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class StageMoment:
    """A stage at a moment."""

    id: int
    plan: Stage
    status: str
    started_at: float
    ended_at: float | None
    steps: tuple[StepMoment, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A build at a moment. `ask` is what it waits for."""

    building: bool
    result: str | None
    ended_at: float | None
    stages: tuple[StageMoment, ...]
    ask: Ask | None


def at(build: Build, now: float) -> Moment:
    """The build at a moment: stages one after the other, none after the first that failed."""
    done = build.stopped_at, *build.answers.items()
    if build.over is not None and build.over[0] == done and now >= (build.over[1].ended_at or now):
        return build.over[1]
    moment = _at(build, now)
    build.over = None if moment.building else (done, moment)
    return moment


def _at(build: Build, now: float) -> Moment:
    clock, result, node = build.started_at, "SUCCESS", 5
    made: list[StageMoment] = []
    waits: Ask | None = None
    over = False
    for stage in build.stages:
        if over or clock > now:
            break
        begun, steps, stage_id = clock, [], node
        node += 1
        status = "SUCCESS"
        for step in stage.steps:
            end, status = _step_end(build, step, clock)
            asks = step.ask is not None and end is None
            if end is None or end > now:
                word = "PAUSED_PENDING_INPUT" if asks else "IN_PROGRESS"
                steps.append(StepMoment(node, step, word, clock, None))
                waits = step.ask if asks else None
                status, over = word, True
                break
            steps.append(StepMoment(node, step, _WORDS[status], clock, end))
            clock, node = end, node + 1
            if status != "SUCCESS":
                result = status
            if status in ("FAILURE", "ABORTED"):
                over = True
                break
        ended = None if status in ("IN_PROGRESS", "PAUSED_PENDING_INPUT") else clock
        made.append(StageMoment(stage_id, stage, _WORDS.get(status, status), begun, ended, tuple(steps)))
        node += 3
    moving = bool(made) and made[-1].ended_at is None
    if not made and now < build.started_at:
        moving = True
    if moving:
        return Moment(True, None, None, tuple(made), waits)
    return Moment(False, result, clock, tuple(made), None)


def _step_end(build: Build, step: Step, start: float) -> tuple[float | None, str]:
    """When a step ends and how; None for one that waits for somebody."""
    end: float | None = start + step.seconds
    status = step.result
    if step.ask is not None:
        answer = build.answers.get(step.ask.id)
        end, status = (None, "SUCCESS") if answer is None else (answer[1], "SUCCESS" if answer[0] else "ABORTED")
    stopped = build.stopped_at
    if stopped is not None and (end is None or end > stopped):
        return max(start, stopped), "ABORTED"
    return end, status


def step_lines(step: StepMoment, now: float) -> Iterator[str]:
    """What a step has written by now."""
    until = now if step.ended_at is None else min(now, step.ended_at)
    lines = step.plan.log
    if step.plan.detail and step.plan.name == "Shell Script":
        yield f"+ {step.plan.detail}"
    for number, line in enumerate(lines, 1):
        whole = step.plan.seconds or 1.0
        if step.started_at + whole * number / (len(lines) + 1) > until:
            break
        yield line
    if step.ended_at is not None and step.status == "FAILED":
        yield "ERROR: script returned exit code 1"


def console(build: Build, now: float) -> str:
    """The whole console so far."""
    moment = at(build, now)
    lines = [build.cause.text]
    if build.job.pipeline:
        lines.append("[Pipeline] Start of Pipeline")
    for stage in moment.stages:
        if build.job.pipeline:
            lines += ["[Pipeline] stage", f"[Pipeline] {{ ({stage.plan.name})"]
        for step in stage.steps:
            if step.plan.ask is not None:
                lines += ["[Pipeline] input", step.plan.ask.message, f"{step.plan.ask.ok} or Abort"]
                answer = build.answers.get(step.plan.ask.id)
                lines += [f"Approved by {build.cause.user or 'somebody'}"] if answer and answer[0] else []
                continue
            lines += ["[Pipeline] sh"] if build.job.pipeline else []
            lines += step_lines(step, now)
        if stage.ended_at is not None and build.job.pipeline:
            lines.append("[Pipeline] }")
    if not moment.building:
        lines += ["[Pipeline] End of Pipeline"] if build.job.pipeline else []
        if moment.result == "ABORTED":
            lines.append("Aborted by somebody")
        lines.append(f"Finished: {moment.result}")
    return "\n".join(lines) + "\n"
