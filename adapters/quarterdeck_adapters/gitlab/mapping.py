"""Pipelines, jobs and their words: payloads to records. Pure.

https://docs.gitlab.com/api/pipelines/ https://docs.gitlab.com/api/jobs/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.ci.values import Json, epoch, section, shown, text, whole
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Link, Ref, Status

STATUS = {
    "failed": Status.BAD, "success": Status.OK, "running": Status.RUNNING, "canceling": Status.RUNNING,
    "pending": Status.QUEUED, "created": Status.QUEUED, "preparing": Status.QUEUED, "scheduled": Status.QUEUED,
    "waiting for resource": Status.QUEUED, "waiting for callback": Status.RUNNING, "manual": Status.WAITING,
    "blocked": Status.WAITING, "canceled": Status.IDLE, "skipped": Status.IDLE,
}  # fmt: skip
ENDED = frozenset({"success", "failed", "canceled", "skipped"})
_SOURCES = {
    "merge_request_event": "merge request", "parent_pipeline": "child", "external_pull_request_event": "pull request",
}  # fmt: skip
_MERGE = re.compile(r"refs/merge-requests/(\d{1,19})/(?:head|merge|train)")
TRIGGER = "trigger job"
"""Stands for the runner of a job that only makes another pipeline."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Spot(NamedTuple):
    """Where a run stands: `where` for one that goes on, `note` for one that needs a look; `mine`: I may approve it."""

    where: str = ""
    note: str = ""
    queued_for: str = ""
    mine: bool = False


class Home(NamedTuple):
    """What the records of one project share; its default branch is empty while that is not known."""

    source: str
    environment: str
    host: str
    path: str
    default_branch: str = ""

    @property
    def short(self) -> str:
        """The project's own name."""
        return self.path.rpartition("/")[2]

    def ref(self, kind: str, *parts: int) -> Ref:
        """The ref of a thing in this project."""
        return Ref(self.source, kind, "/".join((self.path, *map(str, parts))))

    def link(self, page: str) -> Link:
        """The project, as the remotes of its clones name it; `page` is the thing's own on the web."""
        try:
            host = urlsplit(page).hostname or self.host
        except ValueError:
            host = self.host
        return Link(kind="repository", value=f"{host}/{self.path}", evidence="web_url")


def word(payload: Json) -> str:
    """The state of a pipeline or job, in GitLab's word."""
    return shown(payload.get("status"), 60).replace("_", " ") or "unknown"


def in_flight(payload: Json) -> bool:
    """Whether it has not ended; a manual one has not, and waits."""
    return word(payload) not in ENDED


def merge_of(ref: str) -> str:
    """The number of the merge request that a pipeline's ref is of, or an empty string."""
    match = _MERGE.fullmatch(ref)
    return match[1] if match else ""


def workflow_of(payload: Json) -> str:
    """What pipelines of one sort share: their name, else what starts them."""
    source = text(payload.get("source"))
    return text(payload.get("name")) or _SOURCES.get(source, source.replace("_", " ")) or "pipeline"


def variable_links(variables: Iterable[Json]) -> tuple[Link, ...]:
    """Images, model versions and training runs that the variables of a pipeline name."""
    given = {text(each.get("key")).upper(): text(each.get("value")) for each in variables}
    found: list[Link] = []
    for key, value in given.items():
        if (match := _DIGEST.search(value)) is not None:
            found.append(Link(kind="digest", value=match[0], evidence=f"variable {key}"))
        if key in ("IMAGE", "IMAGE_REF", "CONTAINER_IMAGE") and value:
            found.append(Link(kind="image", value=value, evidence=f"variable {key}"))
    model, version = given.get("MODEL_NAME", ""), given.get("MODEL_VERSION", "")
    if model and version:
        evidence = "variables MODEL_NAME and MODEL_VERSION"
        found.append(Link(kind="version", value=f"{model}/{version}", evidence=evidence))
    if training := given.get("MLFLOW_RUN_ID", ""):
        found.append(Link(kind="training_run", value=training, evidence="variable MLFLOW_RUN_ID"))
    return tuple(found)


def run_record(
    payload: Json, home: Home, *, detail: Json | None = None, spot: Spot = Spot(), more: Sequence[Link] = ()  # noqa: B008
) -> Run:
    """A pipeline of a list as a row; `detail` is the single pipeline, which alone tells its times and its user."""
    about = detail or payload
    state, ended = word(payload), not in_flight(payload)
    id, ref, head = whole(payload.get("id")) or 0, text(payload.get("ref")), text(payload.get("sha"))
    merge, workflow, updated = merge_of(ref), workflow_of(payload), epoch(payload.get("updated_at"))
    links = [home.link(text(payload.get("web_url")))]
    if head:
        links.append(Link(kind="commit", value=head, evidence="sha of the pipeline"))
    if merge:
        links.append(Link(kind="pull_request", value=merge, evidence="ref of the pipeline"))
    elif ref:
        tag = about.get("tag") is True
        links.append(Link(kind="tag" if tag else "branch", value=ref, evidence="ref of the pipeline"))
    source = text(payload.get("source"))
    return Run(
        ref=home.ref("run", id),
        name=f"{home.short} {shown(workflow)} #{id}",
        status=STATUS.get(state, Status.UNKNOWN),
        state=state,
        updated_at=updated,
        environment=home.environment,
        url=text(payload.get("web_url")),
        note=spot.note,
        links=(*links, *more),
        system="gitlab",
        repository=home.path,
        number=str(id),
        workflow=workflow,
        branch=f"!{merge}" if merge else ref,
        head=head,
        event="pull_request" if source == "merge_request_event" else source,
        actor=text(section(about, "user").get("username")),
        where=spot.where,
        created_at=epoch(payload.get("created_at")),
        started_at=epoch(about.get("started_at")),
        finished_at=(epoch(about.get("finished_at")) or updated) if ended else None,
        duration_s=_number(about.get("duration")) if ended else None,
        default_branch=home.default_branch,
        waits_for_me=spot.mine,
        queued_for=spot.queued_for,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def why_failed(job: Json) -> str:
    """The reason of a failure, in GitLab's words: https://docs.gitlab.com/api/jobs/"""
    return shown(job.get("failure_reason"), 60).replace("_", " ")


def newest(jobs: Iterable[Json]) -> list[Json]:
    """The newest attempt of each job, in the order in which they go: by id."""
    last: dict[str, Json] = {}
    for job in sorted(jobs, key=lambda each: whole(each.get("id")) or 0):
        last.pop(name := text(job.get("name")), None)
        last[name] = job
    return list(last.values())


def attempts(jobs: Iterable[Json]) -> Mapping[int, tuple[int, bool]]:
    """Of each job's id: the number of its attempt, and whether a later one took its place."""
    tries: dict[str, list[int]] = {}
    for job in sorted(jobs, key=lambda each: whole(each.get("id")) or 0):
        tries.setdefault(text(job.get("name")), []).append(whole(job.get("id")) or 0)
    return {id: (at, id != ids[-1]) for ids in tries.values() for at, id in enumerate(ids, 1)}


def spot_of(jobs: Sequence[Json]) -> Spot:
    """Where a pipeline stands, by its jobs of whatever attempt."""
    now = newest(jobs)
    ended = sum(word(job) in ENDED for job in now)

    def named(job: Json) -> str:
        return " / ".join(filter(None, (shown(job.get("stage"), 60), shown(job.get("name")))))

    bad = [job for job in now if word(job) == "failed" and job.get("allow_failure") is not True]
    moving = [job for job in now if word(job) in ("running", "canceling")]
    where = f"{named(moving[0])} {ended + 1}/{len(now)}" if moving else ""
    if len(moving) > 1:
        where += f" +{len(moving) - 1} more"
    if bad:
        why, more = why_failed(bad[0]), f" +{len(bad) - 1} more" if len(bad) > 1 else ""
        return Spot(where=where, note=f"{named(bad[0])}{f': {why}' if why else ''}{more}")
    if moving:
        return Spot(where=where)
    held = next((job for job in now if word(job) in ("pending", "waiting for resource", "preparing")), None)
    if held is not None:
        return Spot(where=(why := queued_for(held)), queued_for=why)
    stop = next((job for job in now if word(job) == "manual" and job.get("allow_failure") is not True), None)
    return Spot(note=f"{named(stop)} waits to be started") if stop is not None else Spot()


def queued_for(job: Json) -> str:
    """Why a job still waits: for a runner with its tags, or for what it shares with others."""
    name = shown(job.get("name"), 60)
    if word(job) == "waiting for resource":
        return f"{name} waits for its resource group: another job holds it"
    listed = job.get("tag_list")
    tags = ", ".join(shown(tag, 40) for tag in listed) if isinstance(listed, list) else ""
    return f"{name} waits for a runner{f' with {tags}' if tags else ''}"


def job_record(job: Json, home: Home, run: int, attempt: int = 1, *, superseded: bool = False) -> Job:
    """A job as a row. One that may fail, and one that may be started but need not, is no trouble."""
    state = word(job)
    status = STATUS.get(state, Status.UNKNOWN)
    optional = job.get("allow_failure") is True
    started, finished = epoch(job.get("started_at")), epoch(job.get("finished_at"))
    note = why_failed(job) if state == "failed" else ""
    if state == "failed" and optional:
        status, note = Status.LOOK, " · ".join(filter(None, (note, "may fail")))
    elif state == "manual":
        status = Status.IDLE if optional else Status.WAITING
        note = "can be started" if optional else "waits to be started"
    elif state in ("pending", "waiting for resource"):
        note = queued_for(job)
    if superseded:
        status, note = Status.IDLE, " · ".join(filter(None, (note, "tried again")))
    links = [Link(kind="run", value=f"{home.path}/{run}", evidence="pipeline of the job")]
    if sha := text(section(job, "commit").get("id")):
        links.append(Link(kind="commit", value=sha, evidence="commit of the job"))
    return Job(
        ref=home.ref("job", run, whole(job.get("id")) or 0),
        name=text(job.get("name")),
        status=status,
        state=state,
        updated_at=finished or started or epoch(job.get("created_at")),
        environment=home.environment,
        url=text(job.get("web_url")),
        note=note,
        links=tuple(links),
        run=f"{home.path}/{run}",
        started_at=started,
        finished_at=finished,
        runner=text(section(job, "runner").get("description")),
        stage=text(job.get("stage")),
        attempt=attempt,
        superseded=superseded,
    )
