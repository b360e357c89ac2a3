"""Builds, jobs and their words: payloads to records. Pure.

https://developer.travis-ci.com/resource/build and https://developer.travis-ci.com/resource/job
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.ci.values import Json, epoch, login, section, sha_of, shown, text, whole
from quarterdeck_adapters.travis.steps import Told
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Link, Ref, Status

ENDED = frozenset({"passed", "failed", "errored", "canceled"})
FAILED = frozenset({"failed", "errored"})
_STATUS = {
    "created": Status.QUEUED, "queued": Status.QUEUED, "received": Status.RUNNING, "booting": Status.RUNNING,
    "started": Status.RUNNING, "passed": Status.OK, "failed": Status.BAD, "errored": Status.BAD,
    "canceled": Status.IDLE,
}  # fmt: skip
_VERSIONS = ("python", "node_js", "go", "rvm", "jdk", "php", "rust", "r", "julia", "scala", "compiler", "os")
_VARIABLE = re.compile(r"(?:^|\s)([A-Z][A-Z0-9_]*)=(?:\"([^\"]*)\"|'([^']*)'|(\S+))")
_IMAGE, _DIGEST = re.compile(r"(?:.*_)?IMAGE(?:_NAME|_TAG|_REF)?"), re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9][\w.-]*/\d+")


class Spot(NamedTuple):
    """Where a build stands: `where` for one that goes on, `note` for one that failed, `queued` for one that waits.

    `made` links to what its jobs made, by their variables.
    """

    where: str = ""
    note: str = ""
    queued: str = ""
    made: tuple[Link, ...] = ()


class Home(NamedTuple):
    """What the records of one repository share; its default branch is empty while that is not known."""

    source: str
    environment: str
    web: str
    git_host: str
    slug: str
    default_branch: str = ""

    @property
    def short(self) -> str:
        """The repository's own name."""
        return self.slug.partition("/")[2]

    def ref(self, kind: str, *parts: int) -> Ref:
        """The ref of a thing in this repository."""
        return Ref(self.source, kind, "/".join((self.slug, *map(str, parts))))

    def page(self, kind: str, id: int) -> str:
        """The page for people of a build or a job."""
        return f"{self.web}/github/{self.slug}/{kind}/{id}"

    def link(self, compare: str) -> Link:
        """The repository, as the remotes of its clones name it, by the page that compares commits."""
        try:
            host = urlsplit(compare).hostname or ""
        except ValueError:
            host = ""
        evidence = "compare_url of the commit" if host else "slug of the repository"
        return Link(kind="repository", value=f"{host or self.git_host}/{self.slug}", evidence=evidence)


def word(payload: Json) -> str:
    """The state of a build, stage or job, as Travis says it."""
    return shown(payload.get("state"), 60) or "unknown"


def status_of(state: str) -> Status:
    """How a state is doing."""
    return _STATUS.get(state, Status.UNKNOWN)


def in_flight(payload: Json) -> bool:
    """Whether a build or job has not ended."""
    return word(payload) not in ENDED


def failed(payload: Json) -> bool:
    """Whether it ended badly; a job that may fail did not."""
    return word(payload) in FAILED and payload.get("allow_failure") is not True


def seconds(payload: Json) -> float | None:
    """Seconds from its start to its end. (`duration` of a build adds up its jobs.)"""
    start, end = epoch(payload.get("started_at")), epoch(payload.get("finished_at"))
    return None if in_flight(payload) or start is None or end is None else max(0.0, end - start)


def made_before(builds: Sequence[Json]) -> list[float | None]:
    """When each of the builds, the newest first, was there at the latest: Travis names no time of its making.

    A build that was started again has a start after that of builds that came after it.
    """
    found: list[float | None] = []
    bound: float | None = None
    for build in builds:
        times = [at for key in ("started_at", "updated_at") if (at := epoch(build.get(key))) is not None]
        at = min(times, default=None)
        bound = at if bound is None else bound if at is None else min(bound, at)
        found.append(bound)
    return found


def workflow_of(build: Json) -> str:
    """What a build is compared with: those of pull requests are of another kind."""
    return "pull request" if text(build.get("event_type")) == "pull_request" else "build"


def run_record(build: Json, home: Home, *, spot: Spot = Spot(), created_at: float | None = None) -> Run:  # noqa: B008
    """A build as a row. The branch of a pull request's build is the one that it would go into: it is not its own."""
    state, ended = word(build), not in_flight(build)
    id, number = whole(build.get("id")) or 0, text(build.get("number"))
    commit, tag = section(build, "commit"), text(section(build, "tag").get("name"))
    pull = whole(build.get("pull_request_number"))
    head = sha_of(commit.get("sha"))
    branch = f"pull/{pull}" if pull else tag or text(section(build, "branch").get("name"))
    links = [home.link(text(commit.get("compare_url")))]
    if head:
        merged = "commit of the build, the merge of its pull request" if pull else "commit of the build"
        links.append(Link(kind="commit", value=head, evidence=merged))
    if pull:
        links.append(Link(kind="pull_request", value=str(pull), evidence="pull_request_number of the build"))
    elif tag:
        links.append(Link(kind="tag", value=tag, evidence="tag of the build"))
    elif branch:
        links.append(Link(kind="branch", value=branch, evidence="branch of the build"))
    return Run(
        ref=home.ref("run", id), name=f"{home.short} #{number}", status=status_of(state), state=state,
        updated_at=epoch(build.get("updated_at")) or epoch(build.get("finished_at")) or epoch(build.get("started_at")),
        environment=home.environment, url=home.page("builds", id), note=spot.note, links=(*links, *spot.made),
        system="travis",
        repository=home.slug, number=number, workflow=workflow_of(build), branch=branch, head=head,
        event=text(build.get("event_type")), actor=login(build, "created_by"), where=spot.where,
        created_at=created_at, started_at=epoch(build.get("started_at")),
        finished_at=epoch(build.get("finished_at")) if ended else None, duration_s=seconds(build),
        default_branch=home.default_branch, queued_for=spot.queued if not ended else "",
    )  # fmt: skip


def job_name(job: Json) -> str:
    """What tells a job from its siblings: its name, its language's version or its variables, else its number."""
    config = section(job, "config")
    if name := shown(config.get("name"), 100):
        return name
    language = text(config.get("language"))
    for key in (language, *_VERSIONS):
        if key and (value := shown(config.get(key), 60)):
            return f"{'Python' if key == 'python' else shown(key, 30)}: {value}"
    return shown(config.get("env"), 60) or shown(job.get("number"), 30)


def stage_of(job: Json) -> str:
    """The name of the job's stage."""
    return shown(section(job, "stage").get("name"), 60) or shown(section(job, "config").get("stage"), 60)


def stage_number(job: Json) -> int:
    """The place of the job's stage; 1 where it has none."""
    return whole(section(job, "stage").get("number")) or 1


def _named(job: Json) -> str:
    return " / ".join(filter(None, (stage_of(job), job_name(job))))


def waits_for(job: Json) -> str:
    """Why a job has not begun."""
    state = word(job)
    if state == "queued":
        return f"waits for a worker of {shown(job.get('queue'), 60) or 'its queue'}"
    if state == "created":
        return "not queued yet: an earlier stage, or the limit of concurrent jobs"
    return ""


def spot_of(jobs: Sequence[Json]) -> Spot:
    """Where a build stands, by its jobs."""
    bad = [job for job in jobs if failed(job)]
    moving = [job for job in jobs if status_of(word(job)) is Status.RUNNING]
    waiting = [job for job in jobs if waits_for(job)]
    waiting.sort(key=lambda job: (stage_number(job), word(job) != "queued"))
    more = f" +{len(bad) - 1} more" if len(bad) > 1 else ""
    note = f"{_named(bad[0])}{' broke before its script' if word(bad[0]) == 'errored' else ''}{more}" if bad else ""
    made = tuple(link for job in jobs if word(job) == "passed" for link in made_links(job))
    if moving:
        others = f" +{len(moving) - 1} more" if len(moving) > 1 else ""
        return Spot(f"{_named(moving[0])}{others}", note, made=made)
    if waiting:
        why = waits_for(waiting[0])
        return Spot(f"{_named(waiting[0])} {why}", note, why, made)
    return Spot(_named(bad[0]) if bad else "", note, made=made)


def variables(job: Json) -> Iterator[tuple[str, str]]:
    """The variables that the job's config sets, as far as they are told: secret ones are not."""
    config = section(job, "config")
    for key in ("env", "global_env"):
        given = config.get(key)
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str):
                for name, *values in _VARIABLE.findall(each):
                    yield name, next(filter(None, values), "")


def made_links(job: Json) -> list[Link]:
    """The image and the model version that the job's variables name."""
    found: list[Link] = []
    for name, value in variables(job):
        evidence = f"the variable {shown(name, 40)} of job {shown(job.get('number'), 30)}"
        if digest := _DIGEST.search(value):
            found.append(Link(kind="digest", value=digest[0], evidence=evidence))
        elif _IMAGE.fullmatch(name) and value:
            found.append(Link(kind="image", value=value, evidence=evidence))
        elif name == "MODEL_VERSION" and _VERSION.fullmatch(value):
            found.append(Link(kind="version", value=value, evidence=evidence))
    return found


def job_record(job: Json, home: Home, build: int, told: Told = Told(())) -> Job:  # noqa: B008
    """A job as a row, with what its log told of its commands; one that may fail is only looked at when it does."""
    state = word(job)
    allowed = job.get("allow_failure") is True and state in FAILED
    again = shown(login(job, "restarted_by"), 60)
    restarted = f"restarted by {again}" if again else ""
    notes = [told.broke, waits_for(job), "allowed to fail" if allowed else "", restarted]
    id, run = whole(job.get("id")) or 0, f"{home.slug}/{build}"
    finished, started = epoch(job.get("finished_at")), epoch(job.get("started_at"))
    return Job(
        ref=home.ref("job", build, id), name=job_name(job),
        status=Status.LOOK if allowed else status_of(state), state=state,
        updated_at=finished or started or epoch(job.get("updated_at")), environment=home.environment,
        url=home.page("jobs", id), note=", ".join(filter(None, notes)),
        links=(
            Link(kind="run", value=run, evidence="build of the job"),
            Link(kind="commit", value=sha_of(section(job, "commit").get("sha")), evidence="commit of the job"),
            *made_links(job),
        ),
        run=run, steps=tuple((ran.command, ran.state, str(ran.status), ran.seconds) for ran in told.ran),
        started_at=started, finished_at=finished, runner=text(job.get("queue")), stage=stage_of(job),
    )  # fmt: skip
