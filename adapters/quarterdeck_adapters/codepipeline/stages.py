"""Stages and their actions as jobs, and where an execution stands among them. Pure.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StageState.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, section, sha_of, shown, text, whole
from quarterdeck_adapters.codepipeline.mapping import (
    MOVING,
    Home,
    Spot,
    moment,
    newest_actions,
    output_links,
    status_of,
    word,
)
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.records import Link, Status


class Gate(NamedTuple):
    """An approval that waits, with the token of this very request."""

    stage: str
    action: str
    token: str

    @property
    def name(self) -> str:
        """The gate in one word, as the argument `gate` names it."""
        return f"{self.stage}/{self.action}"


class Way(NamedTuple):
    """The transition into a stage."""

    enabled: bool = True
    reason: str = ""
    by: str = ""


def stage_state(state: Json, stage: str) -> Json:
    """What GetPipelineState says of a stage."""
    return next((each for each in rows(state, "stageStates") if text(each.get("stageName")) == stage), {})


def way_into(stage: Json) -> Way:
    """Whether executions may enter a stage; without a word of it they may."""
    inbound = section(stage, "inboundTransitionState")
    if inbound.get("enabled") is not False:
        return Way()
    by = text(inbound.get("lastChangedBy")).rpartition("/")[2]
    return Way(False, shown(inbound.get("disabledReason"), 300), shown(by, 60))


def gates(state: Json, execution: str) -> list[Gate]:
    """The approvals that an execution waits for: only an approval in progress has a token."""
    made = []
    for stage in rows(state, "stageStates"):
        if text(section(stage, "latestExecution").get("pipelineExecutionId")) != execution:
            continue
        for action in rows(stage, "actionStates"):
            latest = section(action, "latestExecution")
            token = text(latest.get("token"))
            if token and latest.get("status") == "InProgress":
                made.append(Gate(text(stage.get("stageName")), text(action.get("actionName")), token))
    return made


def waiting_before(stage: Json) -> list[str]:
    """The executions that wait before a stage."""
    listed = [text(each.get("pipelineExecutionId")) for each in rows(stage, "inboundExecutions")]
    alone = text(section(stage, "inboundExecution").get("pipelineExecutionId"))
    return list(dict.fromkeys(filter(None, (*listed, alone))))


def spot_in(state: Json, execution: str) -> Spot | None:
    """Where an execution that has not ended stands; None where the state does not show it."""
    open_gates = gates(state, execution)
    if open_gates:
        names = ", ".join(shown(gate.name) for gate in open_gates)
        where = f"{open_gates[0].stage} / {open_gates[0].action}"
        return Spot("waiting", shown(where), f"approval: {names}", mine=True)
    for stage in reversed(rows(state, "stageStates")):
        name, latest = shown(stage.get("stageName")), section(stage, "latestExecution")
        if execution in waiting_before(stage):
            way = way_into(stage)
            if not way.enabled:
                why = f"the transition into {name} is disabled: {way.reason}"
                return Spot("held", name, why, why)
            other = text(latest.get("pipelineExecutionId"))[:8]
            why = f"{name} holds #{other}" if latest.get("status") in MOVING else f"before {name}"
            return Spot("queued", f"waits before {name}", why, why)
        if text(latest.get("pipelineExecutionId")) == execution and latest.get("status") in MOVING:
            moving = [
                each for each in rows(stage, "actionStates")
                if section(each, "latestExecution").get("status") == "InProgress"
            ]  # fmt: skip
            more = f" +{len(moving) - 1} more" if len(moving) > 1 else ""
            where = f"{name} / {shown(moving[0].get('actionName'))}{more}" if moving else name
            return Spot("", where)
    return None


def spot_of(details: Sequence[Json]) -> Spot:
    """Where an execution stands, or stopped, by its action executions; with what it put out."""
    newest = [attempts[0] for attempts in newest_actions(details).values()]
    bad = next((each for each in reversed(newest) if each.get("status") == "Failed"), None)
    moving = next((each for each in newest if each.get("status") == "InProgress"), None)
    links = tuple(
        link for each in newest
        if section(each, "input", "actionTypeId").get("category") != "Source"
        for link in output_links(section(each, "output", "outputVariables"), shown(each.get("actionName"), 60))
    )  # fmt: skip
    chosen = bad or moving
    if chosen is None:
        return Spot(links=links)
    where = f"{shown(chosen.get('stageName'))} / {shown(chosen.get('actionName'))}"
    approval = section(chosen, "input", "actionTypeId").get("category") == "Approval"
    if chosen is moving:
        return Spot("waiting" if approval else "", where, f"approval: {where}" if approval else "", links=links)
    why = failure_of(chosen)
    return Spot("", where, f"{where}: {why}" if why else where, links=links)


def failure_of(detail: Json) -> str:
    """Why an action failed, in the words that came with it."""
    result = section(detail, "output", "executionResult")
    said = shown(section(result, "errorDetails").get("message"), 300)
    return said or shown(result.get("externalExecutionSummary"), 300)


def action_job(detail: Json, home: Home, run: str, attempt: int, *, superseded: bool) -> Job:
    """An attempt of an action as a row."""
    stage, name = text(detail.get("stageName")), text(detail.get("actionName"))
    kind, result = section(detail, "input", "actionTypeId"), section(detail, "output", "executionResult")
    approval = kind.get("category") == "Approval"
    state = "waiting" if approval and detail.get("status") == "InProgress" else word(detail.get("status"))
    note = failure_of(detail) if state == "failed" else shown(result.get("externalExecutionSummary"), 300)
    by = shown(text(detail.get("updatedBy")).rpartition("/")[2], 60)
    started, updated = moment(detail.get("startTime")), moment(detail.get("lastUpdateTime"))
    outputs = section(detail, "output", "outputVariables")
    return Job(
        ref=home.ref("job", run, stage, text(detail.get("actionExecutionId"))),
        name=f"{stage} / {name}",
        status=Status.IDLE if superseded else status_of(state),
        state=state,
        updated_at=updated,
        environment=home.environment,
        url=text(result.get("externalExecutionUrl")),
        note=f"{note} (by {by})" if note and by and approval else note or (f"by {by}" if by and approval else ""),
        links=(
            Link(kind="run", value=f"{home.pipeline}/{run}", evidence="pipelineExecutionId of the action"),
            *(output_links(outputs, name) if kind.get("category") != "Source" else ()),
        ),
        run=f"{home.pipeline}/{run}",
        started_at=started,
        finished_at=None if detail.get("status") == "InProgress" else updated,
        runner=shown(kind.get("provider"), 60),
        stage=stage,
        attempt=attempt,
        superseded=superseded,
    )


def stage_job(home: Home, run: str, stage: str, actions: Sequence[str], jobs: Sequence[Job], state: Json) -> Job:
    """A stage as a row: its actions are its steps. `jobs` are the newest attempts, `state` what holds the stage now."""
    by_name = {job.name.partition(" / ")[2]: job for job in jobs}
    steps = tuple(
        (name, by_name[name].state, str(by_name[name].status), _seconds(by_name[name])) if name in by_name
        else (name, "not begun", str(Status.IDLE), None)
        for name in actions
    )  # fmt: skip
    words = [job.state for job in jobs]
    way, retry = way_into(state), section(state, "retryStageMetadata")
    if run in waiting_before(state):
        found, note = ("queued", "waits to enter") if way.enabled else ("held", "")
    elif not words:
        found, note = "not begun", ""
    else:
        order = ("failed", "abandoned", "waiting", "running")
        found = next((each for each in order if each in words), "")
        found = found or ("succeeded" if len(words) >= len(actions) else "stopped")
        first = next((job for job in jobs if job.state == found and job.note), None)
        note = f"{first.name.partition(' / ')[2]}: {first.note}" if first and found != "succeeded" else ""
    held = f"transition disabled{f' by {way.by}' if way.by else ''}: {way.reason}" if not way.enabled else ""
    again = whole(retry.get("autoStageRetryAttempt"))
    if again and text(section(state, "latestExecution").get("pipelineExecutionId")) == run:
        note = f"{note}; retried by itself" if note else "retried by itself"
    ended = bool(words) and not {"running", "waiting"} & set(words)
    started = [job.started_at for job in jobs if job.started_at is not None]
    updated = [job.updated_at for job in jobs if job.updated_at is not None]
    return Job(
        ref=home.ref("job", run, stage),
        name=stage,
        status=status_of(found),
        state=found,
        updated_at=max(updated, default=None),
        environment=home.environment,
        url=home.page(run),
        note="; ".join(filter(None, (held, note))),
        links=(Link(kind="run", value=f"{home.pipeline}/{run}", evidence="pipelineExecutionId of its actions"),),
        run=f"{home.pipeline}/{run}",
        steps=steps,
        started_at=min(started, default=None),
        finished_at=max(updated, default=None) if ended else None,
        stage=stage,
        attempt=max((job.attempt for job in jobs), default=1),
    )


def _seconds(job: Job) -> float | None:
    return None if job.started_at is None or job.finished_at is None else max(0.0, job.finished_at - job.started_at)


def jobs_of(declared: Json, details: Sequence[Json], state: Json, home: Home, run: str) -> list[Job]:
    """Every stage followed by the attempts of its actions; what failed comes first, the rest as declared."""
    newest = newest_actions(details)
    listed = [
        (text(stage.get("name")), [text(action.get("name")) for action in rows(stage, "actions")])
        for stage in rows(declared, "stages")
    ]
    known = {name for name, _ in listed}
    for stage, action in reversed(newest):  # of a declaration that could not be read, or that changed since
        if stage not in known:
            known.add(stage)
            listed.append((stage, []))
        names = next(actions for name, actions in listed if name == stage)
        if action not in names:
            names.append(action)
    groups: list[list[Job]] = []
    for stage, actions in listed:
        attempts = [
            action_job(each, home, run, len(found) - place, superseded=place > 0)
            for name in actions if (found := newest.get((stage, name)))
            for place, each in enumerate(found)
        ]  # fmt: skip
        latest = [job for job in attempts if not job.superseded]
        row = stage_job(home, run, stage, actions, latest, stage_state(state, stage))
        groups.append([row, *sorted(attempts, key=lambda job: job.status is not Status.BAD)])
    groups.sort(key=lambda group: group[0].status is not Status.BAD)
    return [job for group in groups for job in group]


def head_of(details: Sequence[Json]) -> str:
    """The commit that an execution's source brought, by its action executions."""
    found = (sha_of(section(each, "output", "executionResult").get("externalExecutionId")) for each in details)
    return next(filter(None, found), "")
