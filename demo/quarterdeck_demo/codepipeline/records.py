"""What an execution is made of while it runs: plain mutable records. Times are epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from quarterdeck_demo.codepipeline.definitions import Action, Pipeline


@dataclass(slots=True)
class ActionRun:
    """One attempt of an action. `end` is when it will have ended, None while a person is waited for."""

    id: str
    stage: str
    action: Action
    start: float
    end: float | None
    outcome: str = "Succeeded"
    token: str = ""
    """The approval's token: another one for each attempt."""
    summary: str = ""
    by: str = ""
    external: str = ""
    """The build's id, or the deployment's."""
    log: str = ""
    """What its log tells: the seed of its numbers and the kind of its failure."""
    abandoned: float | None = None
    past: bool = False
    """A retry of the whole stage began anew after it."""

    def status(self, now: float) -> str:
        """InProgress, Succeeded, Failed or Abandoned."""
        if self.abandoned is not None and self.abandoned <= now:
            return "Abandoned"
        return "InProgress" if self.end is None or now < self.end else self.outcome

    def changed(self, now: float) -> float:
        """When its status last changed."""
        if self.abandoned is not None and self.abandoned <= now:
            return self.abandoned
        return self.start if self.end is None or now < self.end else self.end


@dataclass(slots=True)
class Execution:
    """One execution of a pipeline. It is inside the stage `at`, or waits before it."""

    id: str
    pipeline: Pipeline
    started: float
    sha: str
    subject: str
    trigger: tuple[str, str]
    variables: dict[str, str]
    pace: float = 1.0
    failing: dict[str, int] = field(default_factory=dict)
    """How many attempts of `stage/action` fail."""
    type: str = "STANDARD"
    target: str = ""
    at: int = 0
    inside: bool = False
    status: str = "InProgress"
    summary: str = ""
    updated: float = 0.0
    runs: list[ActionRun] = field(default_factory=list)
    stop: tuple[bool, str] | None = None
    """Whether its actions are abandoned, and the reason."""
    retried: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By stage: retries by itself, retries by people."""
    entered: dict[str, float] = field(default_factory=dict)
    """When it last entered each stage."""
    stage_status: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    """What its build put out as variables."""

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("InProgress", "Stopping")

    def latest(self, stage: str) -> dict[str, ActionRun]:
        """The last attempt of each action of a stage, by name."""
        return {run.action.name: run for run in self.runs if run.stage == stage and not run.past}


@dataclass(slots=True)
class Transition:
    """The way into a stage."""

    enabled: bool = True
    by: str = ""
    changed: float = 0.0
    reason: str = ""
