"""The tabs of a build and of a job. A tab that cannot be read says so and spoils no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.sections import fields, took, when
from quarterdeck_adapters.ci.values import Json, login, section, text, whole
from quarterdeck_adapters.travis import logs, mapping
from quarterdeck_adapters.travis.mapping import word
from quarterdeck_adapters.travis.places import Place
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource


async def describe(source: TravisSource, ref: Ref) -> Sequence[Section]:
    """The tabs of one thing. Raises QuarterdeckError when the thing itself cannot be read."""
    place = source.place(ref)
    return await (_job(source, place) if ref.kind == "job" else _build(source, place))


async def _seen(source: TravisSource, place: Place) -> tuple[logs.Seen | None, str]:
    """What a job's log tells, or why it was not read."""
    try:
        return await logs.seen(source.api, place), ""
    except AuthFailed:
        raise
    except QuarterdeckError as error:
        return None, f"its log was not read: {error.short}"


def failure(job: Json, seen: logs.Seen | None, why: str) -> Section:
    """Where a job failed, and what its log says of it."""
    named = " / ".join(filter(None, (mapping.stage_of(job), mapping.job_name(job))))
    if seen is None:
        return failing.section(named, "", None, why)
    return failing.section(named, seen.told.broke, seen.found, seen.note)


def steps_section(seen: logs.Seen | None, why: str) -> Section:
    """The commands that a job's log tells of."""
    ran = seen.told.ran if seen is not None else ()
    table = [("#", "COMMAND", "STATE", "TOOK")]
    table += [(str(number), each.command, each.state, took(each.seconds)) for number, each in enumerate(ran, 1)]
    note = why or (seen.note if seen is not None and ran else "its log tells of no command")
    return Section(title="Steps", shape="table", table=tuple(table), note=note)


async def _build(source: TravisSource, place: Place) -> list[Section]:
    build = await source.builds.read(place)
    jobs = await source.builds.jobs(place.number)
    tabs = [overview(build), jobs_section(jobs), commit_section(build)]
    bad = next((job for job in jobs if mapping.failed(job)), None)
    if bad is not None:
        tabs.insert(0, failure(bad, *await _seen(source, place._replace(job=whole(bad.get("id")) or 0))))
    return tabs


def overview(build: Json) -> Section:
    """What a build is, in fields."""
    pull = text(build.get("pull_request_number"))
    machine = whole(build.get("duration"))
    return fields([
        ("number", build.get("number")), ("state", word(build)), ("event", build.get("event_type")),
        ("branch", section(build, "branch").get("name")), ("tag", section(build, "tag").get("name")),
        ("pull request", f"#{pull} {text(build.get('pull_request_title'))}" if pull else ""),
        ("commit", section(build, "commit").get("sha")), ("started by", login(build, "created_by")),
        ("started", when(build.get("started_at"))), ("ended", when(build.get("finished_at"))),
        ("updated", when(build.get("updated_at"))), ("took", took(mapping.seconds(build))),
        ("all jobs together", took(float(machine)) if machine is not None else ""), ("id", build.get("id")),
        ("compare", section(build, "commit").get("compare_url")),
    ])  # fmt: skip


def jobs_section(jobs: Sequence[Json]) -> Section:
    """The jobs by stage, the failed ones first within each."""
    table: list[tuple[str, ...]] = [("STAGE / JOB", "NUMBER", "STATE", "TOOK", "QUEUE")]
    stage = None
    for job in sorted(jobs, key=lambda job: (mapping.stage_number(job), not mapping.failed(job))):
        if (name := mapping.stage_of(job)) != stage:
            stage = name
            table.append((name or "-", "", word(section(job, "stage")) if section(job, "stage") else "", "", ""))
        allowed = " (may fail)" if job.get("allow_failure") is True else ""
        again = " again" if job.get("restarted_at") else ""
        row = (text(job.get("number")), f"{word(job)}{again}", took(mapping.seconds(job)), text(job.get("queue")))
        table.append((f"  {mapping.job_name(job)}{allowed}", *row))
    return Section(title="Jobs", shape="table", table=tuple(table))


def commit_section(build: Json) -> Section:
    """The commit, as Travis has it."""
    commit = section(build, "commit")
    lines = [
        f"commit {text(commit.get('sha'))}", f"Ref:    {text(commit.get('ref'))}",
        f"Date:   {when(commit.get('committed_at'))}", "", text(commit.get("message")),
    ]  # fmt: skip
    return Section(title="Commit", shape="text", text="\n".join(lines))


async def _job(source: TravisSource, place: Place) -> list[Section]:
    job = await source.builds.job(place)
    seen, why = await _seen(source, place)
    tabs = [steps_section(seen, why)]
    if mapping.word(job) in mapping.FAILED:
        tabs.insert(0, failure(job, seen, why))
    about = fields([
        ("job", mapping.job_name(job)), ("number", job.get("number")), ("state", word(job)),
        ("waits", mapping.waits_for(job)), ("stage", mapping.stage_of(job)),
        ("may fail", "yes" if job.get("allow_failure") is True else ""), ("queue", job.get("queue")),
        ("commit", section(job, "commit").get("sha")), ("created", when(job.get("created_at"))),
        ("started", when(job.get("started_at"))), ("ended", when(job.get("finished_at"))),
        ("took", took(mapping.seconds(job))), ("restarted", when(job.get("restarted_at"))),
        ("restarted by", login(job, "restarted_by")),
        ("variables", " ".join(name for name, _ in mapping.variables(job))), ("id", job.get("id")),
    ])  # fmt: skip
    return [*tabs, about]
