"""An operation as it goes: each step's state, since when, how long at most, and what it said last. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from quarterdeck.views.fmt import GLYPHS, STYLES, duration, one_line
from quarterdeck.views.planwords import short_targets
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.release.model import Event, Plan, Step
from quarterdeck_lifecycle.text import LogLine

State = Literal["waits", "running", "done", "failed", "unknown", "not needed"]
SIGNS: dict[State, Status] = {
    "waits": Status.QUEUED, "running": Status.RUNNING, "done": Status.OK, "failed": Status.BAD,
    "unknown": Status.UNKNOWN, "not needed": Status.IDLE,
}  # fmt: skip
_STATUS = (Column("status", "", 1), Column("number", "#", 3, "right"), Column("step", "STEP", 9, flex=1, min_width=9))
_TARGET = Column("target", "ON", 12, flex=2, min_width=8, priority=2)
_REST = (
    Column("state", "STATE", 10, min_width=7),
    Column("took", "TOOK", 5, "right"),
    Column("deadline", "AT MOST", 7, "right", priority=1),
    Column("said", "LAST WORD", 40, flex=9, min_width=12),
)
QUIET_S = 15.0
"""From this age on the last output of the step that runs says how old it is."""


def step_columns(several: bool) -> tuple[Column, ...]:
    """The columns of the steps; the target has one where there are `several`."""
    return (*_STATUS, *((_TARGET,) if several else ()), *_REST)


def epoch(text: str) -> float | None:
    """RFC 3339 as epoch seconds, None for what is none."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


class StepState(msgspec.Struct):
    """One step: times are epoch seconds."""

    step: Step
    number: int
    back: bool = False
    state: State = "waits"
    began_at: float | None = None
    ended_at: float | None = None
    said: str = ""
    said_at: float | None = None


class Progress:
    """What the events of an operation tell so far. `feed` each once, in order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.result = ""
        self.message = ""
        self.last_at: float | None = None
        self.began_at: float | None = None
        self.ended_at: float | None = None
        self.dead = False
        forward = [StepState(step, number) for number, step in enumerate(plan.steps, 1)]
        back = [StepState(step, number, True) for number, step in enumerate(plan.back_steps, 1)]
        self._steps = {each.step.id: each for each in (*forward, *back)}
        self.short = short_targets(plan)
        self.several = len(self.short) > 1

    def feed(self, event: Event) -> None:
        """Take one event in."""
        at = epoch(event.at)
        self.dead = event.phase == "dead"
        if self.dead:
            self.message = event.message
            return
        self.last_at = at
        self.began_at = at if self.began_at is None else self.began_at
        if event.result:
            self._end(event, at)
            return
        found = self._steps.get(event.step)
        if found is None:
            return
        if event.phase == "intent":
            found.state, found.began_at, found.ended_at, found.said = "running", at, None, ""
        elif event.phase == "outcome":
            found.state = "done" if event.message.startswith("DONE") else "failed"
            found.ended_at = at
            found.said = event.message.partition(": ")[2] or event.message
        else:
            found.said = event.message
        found.said_at = at

    def _end(self, event: Event, at: float | None) -> None:
        self.result, self.message, self.ended_at = event.result, event.message, at
        for each in self._steps.values():
            if each.state == "running":
                each.state, each.ended_at = "unknown", at
            elif each.state == "waits":
                each.state = "not needed"

    @property
    def current(self) -> StepState | None:
        """The step that runs now."""
        return next((each for each in self._steps.values() if each.state == "running"), None)

    @property
    def waits(self) -> bool:
        """Whether another user's approval is awaited."""
        current = self.current
        return current is not None and current.step.name == "approval"

    @property
    def soaking(self) -> bool:
        """Whether what serves is watched before it is kept: it can be kept now, or watched for longer."""
        current = self.current
        return current is not None and current.step.name == "soak"

    @property
    def switched(self) -> bool:
        """Whether something serves otherwise than before, so that it can be put back."""
        return any(each.step.phase == "switch" and each.began_at is not None for each in self._steps.values())

    @property
    def turned(self) -> bool:
        """Whether what was switched is being put back, or was."""
        return any(each.back and each.began_at is not None for each in self._steps.values())

    def shown(self) -> list[StepState]:
        """The steps of the way forward, and those of the way back once one of them was begun."""
        return [each for each in self._steps.values() if not each.back or self.turned]


def took(each: StepState, now: float) -> str:
    """How long a step took, or runs."""
    if each.began_at is None:
        return "-"
    return duration(max(0.0, (now if each.ended_at is None else each.ended_at) - each.began_at))


def said_words(each: StepState, now: float) -> str:
    """The last output, and its age once it is old: a silent step is told from one that talks."""
    words = one_line(each.said)
    if each.state == "running" and each.said_at is not None and now - each.said_at >= QUIET_S:
        age = duration((now - each.said_at) // QUIET_S * QUIET_S)
        return f"{words}  (last output {age} ago)" if words else f"no output for {age}"
    return words


def late(each: StepState, now: float) -> bool:
    """Whether a step runs longer than it may."""
    return each.state == "running" and each.began_at is not None and now - each.began_at > each.step.deadline_s


def step_row(each: StepState, now: float, progress: Progress) -> Row:
    """One step, in the columns of `step_columns(progress.several)`."""
    status = SIGNS[each.state]
    style = STYLES[status]
    where = progress.short.get(each.step.target, each.step.target)
    return Row(
        each.step.id,
        (
            Cell(GLYPHS[status], style),
            Cell(f"{'b' if each.back else ''}{each.number}", "dim"),
            Cell(each.step.name),
            *((Cell(where, "dim"),) if progress.several else ()),
            Cell(each.state, style),
            Cell(took(each, now), "warn" if late(each, now) else ""),
            Cell(duration(each.step.deadline_s), "dim"),
            Cell(said_words(each, now), "bad" if each.state == "failed" else "dim"),
        ),
    )


def event_line(event: Event, short: Mapping[str, str]) -> LogLine:
    """One event as a line of a log: step, phase where it tells something, message. `short` names the targets."""
    number, _, rest = event.step.partition(" ")
    name, _, target = rest.partition(" ")
    head = f"{number} {name} {short.get(target, target)}".strip() or "operation"
    if event.result:
        text = f"{event.result}: {event.message}"
        return LogLine(text, ((0, len(event.result), "green" if event.result == "SUCCEEDED" else "bold red"),), "",
                       epoch(event.at))  # fmt: skip
    done = event.phase == "outcome" and event.message.startswith("DONE")
    phase = {"progress": "", "intent": "begins: ", "outcome": "" if done else "ends: "}.get(event.phase)
    message = f"done{event.message.removeprefix('DONE')}" if done else event.message
    text = f"{head:<12} {f'{event.phase}: ' if phase is None else phase}{message}"
    failed = event.phase == "outcome" and not done
    style = "red" if failed else "green" if event.phase == "outcome" else "cyan"
    return LogLine(text, ((0, len(head), style),), "", epoch(event.at))


def head_words(progress: Progress, now: float) -> tuple[str, str]:
    """What goes on in a few words, and the style of them."""
    if progress.result:
        style = {"SUCCEEDED": "ok", "ROLLED_BACK": "warn", "ABORTED": "warn"}.get(progress.result, "bad")
        return f"{progress.result}: {one_line(progress.message)}", style
    current = progress.current
    if progress.dead:
        where = f" in {current.step.name}" if current is not None else ""
        return f"its runner is dead{where}: R recovers it", "bad"
    if current is None:
        return "not begun yet", "dim"
    way = "putting back: " if current.back else ""
    total = len(progress.plan.back_steps if current.back else progress.plan.steps)
    since = took(current, now)
    words = f"{way}{current.number}/{total} {current.step.title}  {since} of {duration(current.step.deadline_s)}"
    return words, "warn" if current.back or late(current, now) or progress.waits else "info"


def whole_time(progress: Progress, now: float) -> str:
    """How long the operation takes so far, or took."""
    if progress.began_at is None:
        return "-"
    return duration(max(0.0, (now if progress.ended_at is None else progress.ended_at) - progress.began_at))
