"""Runs, jobs and their words: payloads to records. Pure.

https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28
https://docs.github.com/en/rest/actions/workflow-jobs?apiVersion=2022-11-28
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.ci.values import Json, epoch, login, rows, section, shown, text, whole
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Link, Ref, Status

_WORDS = {
    "in_progress": "running", "requested": "queued", "pending": "queued", "timed_out": "timed out",
    "action_required": "action required", "startup_failure": "startup failure",
}  # fmt: skip
_STATUS = {
    "failure": Status.BAD, "timed out": Status.BAD, "startup failure": Status.BAD, "error": Status.BAD,
    "action required": Status.WAITING, "waiting": Status.WAITING, "running": Status.RUNNING,
    "queued": Status.QUEUED, "success": Status.OK, "cancelled": Status.IDLE, "skipped": Status.IDLE,
    "neutral": Status.IDLE, "stale": Status.IDLE,
}  # fmt: skip
_FAILURES = frozenset({"failure", "timed out", "startup failure"})
SAMPLES = 20


class Spot(NamedTuple):
    """Where a run stands: `where` for one that goes on, `note` for one that needs a look; `mine`: I may approve it.

    `queued` says why one that has not begun waits.
    """

    where: str = ""
    note: str = ""
    mine: bool = False
    queued: str = ""


class Home(NamedTuple):
    """What the records of one repository share; its default branch is empty while that is not known."""

    source: str
    environment: str
    host: str
    slug: str
    default_branch: str = ""

    @property
    def short(self) -> str:
        """The repository's own name."""
        return self.slug.partition("/")[2]

    def ref(self, kind: str, *parts: int) -> Ref:
        """The ref of a thing in this repository."""
        return Ref(self.source, kind, "/".join((self.slug, *map(str, parts))))

    def link(self, page: str) -> Link:
        """The repository, as the remotes of its clones name it; `page` is the thing's own on the web."""
        try:
            host = urlsplit(page).hostname or self.host
        except ValueError:
            host = self.host
        return Link(kind="repository", value=f"{host}/{self.slug}", evidence="html_url")


def word(payload: Json) -> str:
    """The state of a run, job, step or check in one word: how it ended, else how far it is."""
    status = text(payload.get("status"))
    if status == "completed":
        status = text(payload.get("conclusion")) or status
    return _WORDS.get(status, shown(status, 60).replace("_", " ")) or "unknown"


def status_of(state: str) -> Status:
    """How a state is doing."""
    return _STATUS.get(state, Status.UNKNOWN)


def in_flight(payload: Json) -> bool:
    """Whether a run or job has not ended."""
    return text(payload.get("status")) != "completed"


def failed(payload: Json) -> bool:
    """Whether it ended badly."""
    return word(payload) in _FAILURES


def duration(payload: Json) -> float | None:
    """Seconds that a run which has ended took; None while it goes on, so that nothing ticks."""
    start, end = epoch(payload.get("run_started_at")), epoch(payload.get("updated_at"))
    if in_flight(payload) or start is None or end is None or end < start:
        return None
    return end - start


def median_before(payload: Json, runs: Iterable[Json]) -> float | None:
    """The median duration, in seconds, of the last successful runs of the same workflow before this one."""
    workflow, id = payload.get("workflow_id"), whole(payload.get("id")) or 0
    past = [
        seconds
        for other in runs
        if other.get("workflow_id") == workflow and (whole(other.get("id")) or 0) < id
        and word(other) == "success" and (seconds := duration(other)) is not None
    ]  # fmt: skip
    return statistics.median(past[:SAMPLES]) if past else None


def run_record(payload: Json, home: Home, *, spot: Spot = Spot(), median_s: float | None = None) -> Run:  # noqa: B008
    """A workflow-run as a row."""
    state = word(payload)
    ended = not in_flight(payload)
    number = text(payload.get("run_number"))
    workflow = text(payload.get("name")) or text(payload.get("path")).rpartition("/")[2]
    head, branch = text(payload.get("head_sha")), text(payload.get("head_branch"))
    links = [home.link(text(payload.get("html_url")))]
    if head:
        links.append(Link(kind="commit", value=head, evidence="head_sha of the run"))
    if branch:
        links.append(Link(kind="branch", value=branch, evidence="head_branch of the run"))
    links += [
        Link(kind="pull_request", value=text(pull.get("number")), evidence="pull_requests of the run")
        for pull in rows(payload, "pull_requests")
        if whole(pull.get("number"))
    ]
    return Run(
        ref=home.ref("run", whole(payload.get("id")) or 0),
        name=f"{home.short} {shown(workflow)} #{number}",
        status=status_of(state),
        state=state,
        updated_at=epoch(payload.get("updated_at")),
        environment=home.environment,
        url=text(payload.get("html_url")),
        note=spot.note,
        links=tuple(links),
        system="github",
        repository=home.slug,
        number=number,
        workflow=workflow,
        branch=branch,
        head=head,
        event=text(payload.get("event")),
        actor=login(payload, "triggering_actor") or login(payload, "actor"),
        attempt=whole(payload.get("run_attempt")) or 1,
        where=spot.where,
        created_at=epoch(payload.get("created_at")),
        started_at=epoch(payload.get("run_started_at")),
        finished_at=epoch(payload.get("updated_at")) if ended else None,
        duration_s=duration(payload),
        median_s=median_s,
        default_branch=home.default_branch,
        waits_for_me=spot.mine,
        queued_for=spot.queued,
    )


def step_of(job: Json) -> str:
    """The step that matters: the first failed one, else the one that runs."""
    steps = rows(job, "steps")
    chosen = next((s for s in steps if failed(s)), None) or next((s for s in steps if word(s) == "running"), None)
    return shown(chosen.get("name")) if chosen else ""


def spot_of(jobs: Sequence[Json]) -> Spot:
    """Where a run stands, by its jobs."""

    def named(job: Json) -> str:
        return " / ".join(filter(None, (shown(job.get("name")), step_of(job))))

    bad = [job for job in jobs if failed(job)]
    moving = [job for job in jobs if word(job) == "running"]
    if bad:
        note = named(bad[0]) + (f" +{len(bad) - 1} more" if len(bad) > 1 else "")
        return Spot(where=named(moving[0]) if moving else named(bad[0]), note=note)
    if moving:
        return Spot(where=named(moving[0]) + (f" +{len(moving) - 1} more" if len(moving) > 1 else ""))
    waiting = [shown(job.get("name")) for job in jobs if word(job) == "waiting"]
    if waiting:
        return Spot(where=f"{waiting[0]} waits for an approval")
    queued = [job for job in jobs if word(job) == "queued"]
    if queued:
        why = f"{shown(queued[0].get('name'))} {_held_by(queued[0])}"
        return Spot(where=why, queued=why)
    return Spot()


def _held_by(job: Json) -> str:
    """What a queued job waits for: `pending` is GitHub's word for one that its concurrency group holds."""
    if text(job.get("status")) == "pending":
        return "waits for its concurrency group"
    listed = job.get("labels")
    labels = ", ".join(shown(label, 40) for label in listed) if isinstance(listed, list) else ""
    return f"waits for a runner{f' ({labels})' if labels else ''}"


def approval_note(pending: Iterable[Json]) -> str:
    """What a run waits for: environments, and who may approve (pending-deployment)."""
    found = []
    for each in pending:
        name = shown(section(each, "environment").get("name")) or "an environment"
        people = []
        for reviewer in rows(each, "reviewers"):
            who = section(reviewer, "reviewer")
            people.append(shown(who.get("login")) or shown(who.get("name")) or "somebody")
        found.append(f"{name} by {' or '.join(people[:4])}" if people else name)
    return f"approval: {'; '.join(found)}" if found else ""


def approvable(pending: Iterable[Json]) -> bool:
    """Whether the credential's own account may approve one of the environments that a run waits for."""
    return any(each.get("current_user_can_approve") is True for each in pending)


def _seconds(payload: Json) -> float | None:
    start, end = epoch(payload.get("started_at")), epoch(payload.get("completed_at"))
    return None if start is None or end is None else max(0.0, end - start)


def job_record(payload: Json, home: Home, run: int) -> Job:
    """A job as a row."""
    state = word(payload)
    started = epoch(payload.get("started_at")) if state != "queued" else None
    steps = tuple(
        (shown(s.get("name")), word(s), str(status_of(word(s))), _seconds(s)) for s in rows(payload, "steps")
    )
    finished = epoch(payload.get("completed_at"))
    note = step_of(payload)
    if not note and state == "queued":
        note = _held_by({"status": payload.get("status")})
    return Job(
        ref=home.ref("job", run, whole(payload.get("id")) or 0),
        name=text(payload.get("name")),
        status=status_of(state),
        state=state,
        updated_at=finished or started,
        environment=home.environment,
        url=text(payload.get("html_url")),
        note=note,
        links=(
            Link(kind="run", value=f"{home.slug}/{run}", evidence="run_id of the job"),
            Link(kind="commit", value=text(payload.get("head_sha")), evidence="head_sha of the job"),
        ),
        run=f"{home.slug}/{run}",
        steps=steps,
        started_at=started,
        finished_at=finished,
        runner=text(payload.get("runner_name")),
        attempt=whole(payload.get("run_attempt")) or 1,
    )
