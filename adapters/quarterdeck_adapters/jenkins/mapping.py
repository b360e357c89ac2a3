"""Builds, queue items and stages as rows: payloads to records. Pure.

https://www.jenkins.io/doc/book/using/remote-access-api/
https://javadoc.jenkins.io/hudson/model/Queue.Item.html
https://github.com/jenkinsci/pipeline-stage-view-plugin/blob/master/rest-api/README.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_adapters.jenkins import checkouts
from quarterdeck_adapters.jenkins.places import WHOLE, path_of, run_id
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Link, Ref, Status

_RESULTS = {
    "SUCCESS": "success", "FAILURE": "failure", "UNSTABLE": "unstable", "ABORTED": "aborted",
    "NOT_BUILT": "not built",
}  # fmt: skip
_STAGES = {
    "SUCCESS": "success", "FAILED": "failure", "UNSTABLE": "unstable", "ABORTED": "aborted",
    "IN_PROGRESS": "running", "PAUSED_PENDING_INPUT": "waiting", "NOT_EXECUTED": "not executed",
}  # fmt: skip
_STATUS = {
    "success": Status.OK, "failure": Status.BAD, "unstable": Status.LOOK, "aborted": Status.IDLE,
    "not built": Status.IDLE, "not executed": Status.IDLE, "running": Status.RUNNING, "waiting": Status.WAITING,
    "queued": Status.QUEUED,
}  # fmt: skip
_PULL = re.compile(r"(?:PR|MR)-(\d{1,9})(?:-(?:head|merge))?")
ENDED = frozenset({"success", "failure", "unstable", "aborted", "not built"})


class Found(NamedTuple):
    """A job as the walk through the folders found it. `branch` is set inside a multibranch project."""

    name: str
    branch: str = ""
    primary: str = ""
    last: int = 0
    last_at: float = 0.0
    moving: bool = False

    @property
    def project(self) -> str:
        """The multibranch project, or the job itself."""
        return self.name.rpartition("/")[0] if self.branch else self.name

    @property
    def short(self) -> str:
        """What people call its runs."""
        own = unquote(self.project.rpartition("/")[2])
        return f"{own} {self.branch}" if self.branch else own

    @property
    def pull(self) -> str:
        """The number of the change request that it is a job of, or an empty string."""
        match = _PULL.fullmatch(self.name.rpartition("/")[2]) if self.branch else None
        return match[1] if match else ""


class Home(NamedTuple):
    """What the records of one source share; `base` is the controller's address."""

    source: str
    environment: str
    base: str

    def ref(self, kind: str, id: str) -> Ref:
        """The ref of a thing of it."""
        return Ref(self.source, kind, id)


class Spot(NamedTuple):
    """Where a build stands: `where` for one that goes on, `note` for what failed or is waited for."""

    where: str = ""
    note: str = ""
    waits: bool = False
    mine: bool = False


def instant(millis: object) -> float | None:
    """Milliseconds since 1970 as seconds."""
    number = whole(millis)
    return number / 1000 if number is not None and 0 < number < 253_402_300_800_000 else None


def number_of(build: Json) -> int:
    """A build's number, or 0."""
    return max(0, whole(build.get("number")) or 0)


def queue_of(build: Json) -> int:
    """The id that its queue item had, or 0."""
    return max(0, whole(build.get("queueId")) or 0)


def word(build: Json) -> str:
    """The state of a build in one word."""
    if build.get("building") is True:
        return "running"
    result = text(build.get("result"))
    return _RESULTS.get(result, shown(result, 60).lower()) or "unknown"


def stage_word(node: Json) -> str:
    """The state of a stage or step in one word."""
    status = text(node.get("status"))
    return _STAGES.get(status, shown(status, 60).lower().replace("_", " ")) or "unknown"


def status_of(state: str) -> Status:
    """How a state is doing."""
    return _STATUS.get(state, Status.UNKNOWN)


def duration(build: Json) -> float | None:
    """Seconds that a build which has ended took; None while it goes on."""
    millis = whole(build.get("duration"))
    return millis / 1000 if build.get("building") is not True and millis is not None and millis >= 0 else None


def run_record(build: Json, job: Found, home: Home, spot: Spot = Spot(), *, slug: str = "") -> Run:  # noqa: B008
    """A build as a row. `slug` is the repository of its job's other builds, for one that checked nothing out."""
    actions = rows(build, "actions")
    number, state = number_of(build), "waiting" if spot.waits else word(build)
    built = checkouts.checkout(actions, job.project, job.branch)
    given = checkouts.parameters(actions)
    branch = job.branch or built.branch
    started, took = instant(build.get("timestamp")), duration(build)
    finished = started + took if started is not None and took is not None else None
    return Run(
        ref=home.ref("run", run_id(job.name, queue_of(build), number)),
        name=f"{shown(job.short)} #{number}",
        status=status_of(state),
        state=state,
        updated_at=finished or started,
        environment=home.environment,
        url=f"{home.base}{path_of(job.name)}/{number}/",
        note=spot.note,
        links=tuple(checkouts.links(built, given, text(build.get("description")), job.pull, branch)),
        system="jenkins",
        repository=built.slug or slug or job.project,
        number=str(number),
        workflow=job.project,
        branch=branch,
        head=built.sha,
        event="pull_request" if job.pull else checkouts.event(actions),
        actor=checkouts.actor(actions),
        where=spot.where,
        created_at=started,
        started_at=started,
        finished_at=finished,
        duration_s=took,
        default_branch=job.primary,
        waits_for_me=spot.mine,
    )


def queued_record(item: Json, job: Found, home: Home, *, slug: str = "") -> Run:
    """An item of the queue as a row, with the reason why it waits. It becomes the row of its build."""
    id = max(0, whole(item.get("id")) or 0)
    actions = rows(item, "actions")
    why = shown(item.get("why"), 300) or "no reason is given"
    since = instant(item.get("inQueueSince"))
    return Run(
        ref=home.ref("run", run_id(job.name, id)),
        name=f"{shown(job.short)} in the queue",
        status=Status.QUEUED,
        state="queued",
        updated_at=since,
        environment=home.environment,
        url=f"{home.base}{path_of(job.name)}/",
        note=f"stuck: {why}" if item.get("stuck") is True else "",
        links=tuple(checkouts.links(checkouts.Checkout(), checkouts.parameters(actions), "", job.pull, job.branch)),
        system="jenkins",
        repository=slug or job.project,
        number=f"q{id}",
        workflow=job.project,
        branch=job.branch,
        event="pull_request" if job.pull else checkouts.event(actions),
        actor=checkouts.actor(actions),
        where=why,
        created_at=since,
        default_branch=job.primary,
        queued_for=why,
    )


def seated(run: Run, spot: Spot | None, why: str = "") -> Run:
    """A run with where it stands; `why` is what a step of it waits for in the queue."""
    if spot is None and not why:
        return run
    spot = spot or Spot()
    state = "waiting" if spot.waits and run.state == "running" else run.state
    where = f"{spot.where}: {why}" if spot.where and why else spot.where or why
    return msgspec.structs.replace(
        run, state=state, status=status_of(state), where=where, note=spot.note or run.note, waits_for_me=spot.mine,
        queued_for=why,
    )  # fmt: skip


def failed(node: Json) -> bool:
    """Whether a stage or step ended badly."""
    return stage_word(node) in ("failure", "unstable")


def first_bad(nodes: Sequence[Json]) -> Json:
    """The stage or step that ended the build: the first failed one, else the first unstable; or an empty object."""
    for state in ("failure", "unstable", "aborted"):
        found = next((node for node in nodes if stage_word(node) == state), None)
        if found is not None:
            return found
    return {}


def step_name(step: Json) -> str:
    """A step with what it runs."""
    detail = shown(step.get("parameterDescription"), 80)
    return f"{shown(step.get('name'), 80)}{f' ({detail})' if detail else ''}"


def stage_spot(stages: Sequence[Json], steps: Sequence[Json] = ()) -> Spot:
    """Where a build stands, by its stages; `steps` are those of the stage that failed."""
    total = len(stages)
    bad = first_bad(stages)
    moving = [(n, stage) for n, stage in enumerate(stages, 1) if stage_word(stage) in ("running", "waiting")]
    note = ""
    if bad:
        note = " / ".join(filter(None, (shown(bad.get("name"), 100), step_name(first_bad(steps)) if steps else "")))
    where = f"{shown(moving[0][1].get('name'), 100)} (stage {moving[0][0]} of {total} so far)" if moving else ""
    return Spot(where=where, note=note)


def job_record(stage: Json, run: str, home: Home) -> Job:
    """A stage as a row, with its steps."""
    state = stage_word(stage)
    steps = rows(stage, "stageFlowNodes")
    started, millis = instant(stage.get("startTimeMillis")), whole(stage.get("durationMillis"))
    over = state not in ("running", "waiting", "not executed")
    finished = started + millis / 1000 if over and started is not None and millis is not None else None
    error = shown(section(first_bad(steps), "error").get("message"), 200)
    note = " · ".join(filter(None, (step_name(first_bad(steps)) if failed(stage) else "", error)))
    return Job(
        ref=home.ref("job", f"{run}/{text(stage.get('id'))}"),
        name=text(stage.get("name")),
        status=status_of(state),
        state=state,
        updated_at=finished or started,
        environment=home.environment,
        note=note,
        links=(Link(kind="run", value=run, evidence="the build of the stage"),),
        run=run,
        steps=tuple((step_name(s), stage_word(s), str(status_of(stage_word(s))), _seconds(s)) for s in steps),
        started_at=started,
        finished_at=finished,
        runner=text(stage.get("execNode")),
        stage=text(stage.get("name")),
    )


def _seconds(node: Json) -> float | None:
    millis = whole(node.get("durationMillis"))
    return millis / 1000 if millis is not None and stage_word(node) not in ("running", "waiting") else None


def whole_job(run: Run, home: Home) -> Job:
    """The one job of a build without stages."""
    return Job(
        ref=home.ref("job", f"{run.ref.id}/{WHOLE}"), name="build", status=run.status, state=run.state,
        updated_at=run.updated_at, environment=home.environment, note=run.note, url=run.url, run=run.ref.id,
        links=(Link(kind="run", value=run.ref.id, evidence="the build itself"),), started_at=run.started_at,
        finished_at=run.finished_at,
    )  # fmt: skip



def rested(runs: Iterable[Run]) -> list[Run]:
    """Unstable runs that a later ended run of the same job followed are history, as failed ones are."""
    seen: set[tuple[str, str]] = set()
    made = []
    for run in runs:
        key = run.workflow, run.branch
        past = run.state == "unstable" and key in seen
        if run.finished_at is not None and run.state in ("success", "failure", "unstable"):
            seen.add(key)
        made.append(msgspec.structs.replace(run, status=Status.IDLE) if past else run)
    return made
