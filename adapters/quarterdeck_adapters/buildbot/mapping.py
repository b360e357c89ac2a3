"""Builds, build requests and steps: payloads to records. Pure.

https://docs.buildbot.net/latest/developer/raml/build.html
https://docs.buildbot.net/latest/developer/raml/buildrequest.html
https://docs.buildbot.net/latest/developer/results.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.values import Json, section, sha_of, shown, text, whole
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.records import Link, Ref, Status

RESULTS = ("success", "warnings", "failure", "skipped", "exception", "retry", "cancelled")
SKIPPED, RETRY, CANCELLED = 3, 5, 6
BAD = (2, 4)
_STATUS = {
    "success": Status.OK, "warnings": Status.LOOK, "failure": Status.BAD, "skipped": Status.IDLE,
    "exception": Status.BAD, "retry": Status.IDLE, "cancelled": Status.IDLE, "running": Status.RUNNING,
    "queued": Status.QUEUED, "starting": Status.QUEUED, "pending": Status.QUEUED,
}  # fmt: skip
PROPERTIES = (
    "branch", "revision", "got_revision", "repository", "project", "codebase", "scheduler", "owner", "owners",
    "reason", "workername", "image", "digest", "image_digest", "model_version",
)  # fmt: skip
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?(?P<host>[^/:@]+)(?::\d*)?/(?P<path>.+)")
_SCP = re.compile(r"[^/@:]+@(?P<host>[^/:@]+):(?P<path>.+)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Home(NamedTuple):
    """What the records of one Buildbot share; `base` is its address."""

    source: str
    environment: str
    base: str

    def ref(self, kind: str, *parts: int) -> Ref:
        """The ref of a thing here. A run is named by its build request, which stays when it is retried."""
        return Ref(self.source, kind, "/".join(map(str, parts)))


class Known(NamedTuple):
    """A build request with the build it has now. `sources` are its sourcestamps, where they were read."""

    request: int
    builder: str
    builderid: int = 0
    build: Json | None = None
    asked: Json = {}
    sources: tuple[Json, ...] = ()
    reason: str = ""
    attempt: int = 1


class Spot(NamedTuple):
    """Where a build stands: `where` for one that goes on, `note` for one that failed."""

    where: str = ""
    note: str = ""


def seconds(value: Any) -> float | None:
    """A time of the API in epoch seconds; None for what is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def prop(build: Json | None, name: str) -> Any:
    """The value of a property, which is sent as [value, who set it]; None without it."""
    pair = section(build, "properties").get(name)
    return pair[0] if isinstance(pair, list) and pair else None


def word(payload: Json) -> str:
    """How a build or step ended, or how far it is."""
    if payload.get("complete") is not True:
        return "running" if seconds(payload.get("started_at")) else "pending"
    results = whole(payload.get("results"))
    return RESULTS[results] if results is not None and 0 <= results < len(RESULTS) else "unknown"


def request_word(request: Json) -> str:
    """How a request without a build stands."""
    if request.get("complete") is True:
        return word(request)
    return "starting" if request.get("claimed") is True else "queued"


def status_of(state: str) -> Status:
    """How a state is doing."""
    return _STATUS.get(state, Status.UNKNOWN)


def took(payload: Json) -> float | None:
    """Seconds that a build or step which has ended took; None while it goes on, so that nothing ticks."""
    start, end = seconds(payload.get("started_at")), seconds(payload.get("complete_at"))
    return None if start is None or end is None or end < start else end - start


def repository(address: str) -> tuple[str, str]:
    """(`host/acme/fraud-api`, `acme/fraud-api`) of a clone's address; a folder has a name alone."""
    found = None if address.startswith("file:") else _URL.fullmatch(address) or _SCP.fullmatch(address)
    path = (found["path"] if found else address).rstrip("/").removesuffix(".git").strip("/")
    if found is None:
        return "", path.rpartition("/")[2]
    return f"{found['host'].lower()}/{path}", path


def revisions(known: Known) -> list[tuple[str, str]]:
    """(commit, evidence) of a run, of each codebase where there are several: what was got before what was asked."""
    got = prop(known.build, "got_revision")
    values = [*got.values()] if isinstance(got, Mapping) else [got]
    found = [(sha, "got_revision of the build") for each in values if (sha := sha_of(each))]
    if not found and (sha := sha_of(prop(known.build, "revision"))):
        found.append((sha, "revision of the build"))
    if not found:
        found = [(sha, "its sourcestamp") for each in known.sources if (sha := sha_of(each.get("revision")))]
    return list(dict(found).items())


def _source(known: Known, name: str) -> str:
    return text(prop(known.build, name)) or next((text(each.get(name)) for each in known.sources), "")


def _owner(build: Json | None) -> str:
    owners = prop(build, "owners")
    names = [text(prop(build, "owner")), *(map(text, owners) if isinstance(owners, list) else ())]
    return next(filter(None, names), "")


def _links(known: Known, where: str, branch: str) -> tuple[Link, ...]:
    links = [Link(kind="repository", value=where, evidence="repository of its sourcestamp")] if where else []
    links += [Link(kind="commit", value=sha, evidence=evidence) for sha, evidence in revisions(known)]
    if branch:
        links.append(Link(kind="branch", value=branch, evidence="branch of its sourcestamp"))
    if image := text(prop(known.build, "image")):
        links.append(Link(kind="image", value=image, evidence="property image of the build"))
    for name in ("image_digest", "digest"):
        if found := _DIGEST.search(text(prop(known.build, name))):
            links.append(Link(kind="digest", value=found[0], evidence=f"property {name} of the build"))
            break
    version = text(prop(known.build, "model_version"))
    if re.fullmatch(r"[^/]+/\d+", version):
        links.append(Link(kind="version", value=version, evidence="property model_version of the build"))
    return tuple(links)


def run_record(known: Known, home: Home, *, spot: Spot = Spot(), queued_for: str = "") -> Run:  # noqa: B008
    """A build request with its build as a row."""
    build, asked = known.build, known.asked
    state = word(build) if build is not None else request_word(asked)
    payload: Json = build if build is not None else asked
    started = seconds(build.get("started_at")) if build is not None else None
    finished = seconds(payload.get("complete_at")) if payload.get("complete") is True else None
    created = seconds(asked.get("submitted_at")) or started
    where, slug = repository(_source(known, "repository"))
    branch = _source(known, "branch")
    heads = revisions(known)
    number = text(build.get("number")) if build is not None else ""
    page = f"builders/{known.builderid}/builds/{number}" if number else f"buildrequests/{known.request}"
    note = spot.note
    if state == "cancelled":
        note = shown(payload.get("state_string"))
    elif build is None and state == "skipped":
        note = "Buildbot merged it into another request for the same"
    return Run(
        ref=home.ref("run", known.request),
        name=f"{shown(known.builder)} #{number}" if number else f"{shown(known.builder)} request {known.request}",
        status=status_of(state),
        state=state,
        updated_at=finished or started or created,
        environment=home.environment,
        url=f"{home.base}/#/{page}",
        note=note,
        links=_links(known, where, branch),
        system="buildbot",
        repository=slug or _source(known, "project"),
        number=number or f"r{known.request}",
        workflow=known.builder,
        branch=branch,
        head=heads[0][0] if heads else "",
        event=text(prop(build, "scheduler")),
        actor=_owner(build),
        attempt=known.attempt,
        where=spot.where if state == "running" else queued_for if state == "queued" else "",
        created_at=created,
        started_at=started,
        finished_at=finished,
        duration_s=took(build) if build is not None else None,
        queued_for=queued_for if state == "queued" else "",
    )


def visible(steps: Iterable[Json]) -> list[Json]:
    """The steps that Buildbot shows, in their order, and those that went wrong though hidden."""
    kept = [step for step in steps if step.get("hidden") is not True or whole(step.get("results")) in BAD]
    return sorted(kept, key=lambda step: whole(step.get("number")) or 0)


def first_failing(steps: Iterable[Json]) -> Json | None:
    """The step at which a build went wrong: the first that failed."""
    return next((step for step in visible(steps) if whole(step.get("results")) in BAD), None)


def spot_of(build: Json, steps: Iterable[Json]) -> Spot:
    """Where a build stands, by its steps."""
    kept = visible(steps)
    if build.get("complete") is True:
        failed = first_failing(kept)
        said = shown(build.get("state_string"))
        return Spot(note=f"{shown(failed.get('name'))}: {said}" if failed is not None else said)
    moving = next((step for step in kept if word(step) == "running"), None)
    if moving is None:
        return Spot(where=shown(build.get("state_string")))
    lock = " waits for a lock" if "locks_acquired_at" in moving and moving["locks_acquired_at"] is None else ""
    return Spot(where=f"{shown(moving.get('name'))}{lock}")


def job_record(step: Json, home: Home, known: Known) -> Job:
    """A step as a row: the part of a build that has a state and a log of its own."""
    state = word(step)
    number = text(known.build.get("number")) if known.build is not None else ""
    links = [Link(kind="run", value=str(known.request), evidence="build of the step")]
    links += [Link(kind="commit", value=sha, evidence=evidence) for sha, evidence in revisions(known)]
    return Job(
        ref=home.ref("job", known.request, whole(step.get("stepid")) or 0),
        name=text(step.get("name")),
        status=status_of(state),
        state=state,
        updated_at=seconds(step.get("complete_at")) or seconds(step.get("started_at")),
        environment=home.environment,
        url=f"{home.base}/#/builders/{known.builderid}/builds/{number}/steps/{text(step.get('number'))}",
        note=shown(step.get("state_string")) if whole(step.get("results")) in BAD else "",
        links=tuple(links),
        run=str(known.request),
        started_at=seconds(step.get("started_at")),
        finished_at=seconds(step.get("complete_at")),
        runner=text(prop(known.build, "workername")),
        attempt=known.attempt,
    )
