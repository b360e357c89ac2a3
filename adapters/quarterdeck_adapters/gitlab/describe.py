"""The tabs of a pipeline, a job, a deployment and a merge request. A tab that cannot be read spoils no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.sections import fields, tab, took, when
from quarterdeck_adapters.ci.timing import median
from quarterdeck_adapters.ci.values import Json, rows, section, sha_of, shown, size, text, whole
from quarterdeck_adapters.gitlab import loglines, logs, mapping
from quarterdeck_adapters.gitlab.deploys import job_place
from quarterdeck_adapters.gitlab.gates import approvers, left
from quarterdeck_adapters.gitlab.jobtree import downstream
from quarterdeck_adapters.gitlab.mapping import word
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_config.masking import mask_mapping
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

PAST = 200


async def describe(source: GitlabSource, ref: Ref) -> Sequence[Section]:
    """The tabs of one thing. Raises QuarterdeckError when the thing itself cannot be read."""
    place = source.place(ref)
    if ref.kind == "run":
        return await _run(source, place)
    if ref.kind == "job":
        return await _job(source, place)
    if ref.kind == "deployment":
        return await _deployment(source, place)
    from quarterdeck_adapters.gitlab import describe_merge

    return await describe_merge.describe(source, place)


async def failure(source: GitlabSource, place: Place, job: Json) -> Section:
    """Where a job failed: the section of its log, the error lines, the last lines."""
    name = " / ".join(filter(None, (shown(job.get("stage"), 60), shown(job.get("name")))))
    why = mapping.why_failed(job)
    try:
        log = await logs.read_last(source, place._replace(job=whole(job.get("id")) or 0))
    except QuarterdeckError as error:
        return failing.section(name, "", None, f"{why}; its log was not read: {error.short}".strip("; "))

    def read() -> tuple[str, failing.Found]:
        return loglines.failing(log), failing.read(loglines.lines(log))

    step, found = await call(read, deadline=20, source=source.name, what="reading the log")
    return failing.section(name, step, found, f"GitLab says: {why}" if why else "")


async def _run(source: GitlabSource, place: Place) -> list[Section]:
    run = await source.runs.read(place)
    jobs: list[Json] = []
    trouble = ""
    try:
        jobs = await source.runs.jobs(place)
    except AuthFailed:
        raise
    except QuarterdeckError as error:
        trouble = f"not read: {error.short}"

    async def tree() -> Section:
        return jobs_section(jobs, await source.runs.bridges(place), source, place, trouble)

    async def variables() -> Section:
        given = {text(v.get("key")): text(v.get("value")) for v in await source.runs.variables(place)}
        table = [("NAME", "VALUE"), *mask_mapping(given).items()]
        note = "" if len(table) > 1 else "it was given none"
        return Section(title="Variables", shape="table", table=tuple(table), note=note)

    async def commit() -> Section:
        sha = sha_of(run.get("sha"))
        if not sha:
            return Section(title="Commit", shape="text", note="the pipeline names no commit")
        return commit_section(await source.api.object(f"{place.root}/repository/commits/{sha}"))

    made = await asyncio.gather(tab("Jobs", tree()), tab("Variables", variables()), tab("Commit", commit()))
    bad = [j for j in mapping.newest(jobs) if word(j) == "failed" and j.get("allow_failure") is not True]
    head = [await failure(source, place, bad[0])] if bad else []
    return [*head, overview(run), *made]


def overview(run: Json) -> Section:
    """What a pipeline is, in fields."""
    ref = text(run.get("ref"))
    return fields([
        ("name", run.get("name")), ("state", word(run)), ("ref", ref), ("commit", run.get("sha")),
        ("merge request", f"!{number}" if (number := mapping.merge_of(ref)) else ""),
        ("started by", section(run, "user").get("username")), ("because of", run.get("source")),
        ("created", when(run.get("created_at"))), ("started", when(run.get("started_at"))),
        ("ended", when(run.get("finished_at"))), ("took", took(run.get("duration"))),
        ("queued", took(run.get("queued_duration"))), ("coverage", run.get("coverage")),
        ("error in its file", run.get("yaml_errors")), ("id", run.get("id")), ("page", run.get("web_url")),
    ])  # fmt: skip


def jobs_section(
    jobs: Sequence[Json], bridges: Sequence[Json], source: GitlabSource, place: Place, note: str = ""
) -> Section:
    """Every attempt of every job, in the order of the stages; trigger jobs name the pipeline that they made."""
    home, tries = source.projects.home(place.path), mapping.attempts(jobs)
    table: list[tuple[str, ...]] = [("STAGE", "JOB", "STATE", "TOOK", "QUEUED", "ATTEMPT", "WHY / RUNNER")]
    for job in sorted(jobs, key=lambda each: whole(each.get("id")) or 0):
        attempt, superseded = tries.get(whole(job.get("id")) or 0, (1, False))
        why = mapping.why_failed(job) or text(section(job, "runner").get("description"))
        table.append((
            text(job.get("stage")), text(job.get("name")), word(job), took(job.get("duration")),
            took(job.get("queued_duration")), f"{attempt}{' tried again' if superseded else ''}", why,
        ))  # fmt: skip
    table += [
        (text(each.get("stage")), text(each.get("name")), word(each), took(each.get("duration")), "-", "",
         downstream(each, home)[1])
        for each in bridges
    ]  # fmt: skip
    return Section(title="Jobs", shape="table", table=tuple(table), note=note)


def commit_section(commit: Json) -> Section:
    """A commit as git would show its head."""
    lines = [
        f"commit {text(commit.get('id'))}",
        f"Author: {text(commit.get('author_name'))} <{text(commit.get('author_email'))}>",
        f"Date:   {when(commit.get('authored_date') or commit.get('created_at'))}", "", text(commit.get("message")),
    ]  # fmt: skip
    return Section(title="Commit", shape="text", text="\n".join(lines))


async def _job(source: GitlabSource, place: Place) -> list[Section]:
    try:
        job = await source.api.object(place.the_job)
    except NotFound:
        bridge = await source.runs.bridge(place)
        if bridge is None:
            raise
        where = downstream(bridge, source.projects.home(place.path))[1]
        return [_about(bridge, where or "no pipeline yet")]

    async def steps() -> Section:
        log = await logs.read_last(source, place)
        found = await call(
            lambda: loglines.sections(log), deadline=20, source=source.name, what="reading the log's sections"
        )
        table = [("SECTION", "TOOK"), *((each.name, took(each.seconds)) for each in found)]
        return Section(title="Sections", shape="table", table=tuple(table), note="" if found else "the log names none")

    async def past() -> Section:
        return past_section(await source.api.by_keyset(f"{place.root}/jobs", {"scope[]": ["success", "failed"]},
                                                       limit=PAST), job)  # fmt: skip

    made = await asyncio.gather(tab("Sections", steps()), tab("Earlier", past()))
    head = [await failure(source, place, job)] if word(job) == "failed" else []
    return [*head, _about(job), *made, _artefacts(job)]


def _about(job: Json, starts: str = "") -> Section:
    tags = job.get("tag_list")
    return fields([
        ("job", job.get("name")), ("stage", job.get("stage")), ("state", word(job)),
        ("starts", starts),
        ("failed as", mapping.why_failed(job)), ("may fail", "yes" if job.get("allow_failure") is True else ""),
        ("ref", job.get("ref")), ("commit", section(job, "commit").get("id")),
        ("started by", section(job, "user").get("username")), ("runner", section(job, "runner").get("description")),
        ("tags", ", ".join(map(text, tags)) if isinstance(tags, list) else ""),
        ("created", when(job.get("created_at"))), ("started", when(job.get("started_at"))),
        ("ended", when(job.get("finished_at"))), ("took", took(job.get("duration"))),
        ("queued", took(job.get("queued_duration"))), ("log erased", when(job.get("erased_at"))),
        ("id", job.get("id")), ("page", job.get("web_url")),
    ])  # fmt: skip


def _artefacts(job: Json) -> Section:
    table = [("FILE", "TYPE", "SIZE"), *(
        (text(a.get("filename")), text(a.get("file_type")), size(a.get("size"))) for a in rows(job, "artifacts")
    )]  # fmt: skip
    ends = when(job.get("artifacts_expire_at"))
    note = "it kept no artefact" if len(table) == 1 else f"they end {ends}" if ends != "-" else ""
    return Section(title="Artefacts", shape="table", table=tuple(table), note=note)


def past_section(jobs: Sequence[Json], job: Json) -> Section:
    """Earlier runs of the same job in this project, and the median of those that passed."""
    same = [each for each in jobs if each.get("name") == job.get("name") and each.get("id") != job.get("id")]
    passed = [float(each["duration"]) for each in same
              if word(each) == "success" and isinstance(each.get("duration"), int | float)]  # fmt: skip
    table: list[tuple[str, ...]] = [("JOB", "WHEN", "STATE", "TOOK", "REF")]
    table += [
        (text(e.get("id")), when(e.get("finished_at")), word(e), took(e.get("duration")), text(e.get("ref")))
        for e in same[:40]
    ]
    usual = f"usually {took(median(passed))}" if passed else "none of the last passed"
    return Section(title="Earlier", shape="table", table=tuple(table), note=usual if same else "it did not run before")


async def _deployment(source: GitlabSource, place: Place) -> list[Section]:
    one = await source.deploys.read(place)
    target = text(section(one, "environment").get("name"))

    async def approvals() -> Section:
        table = [("WHO", "SAID", "WHEN", "COMMENT"), *(
            (text(section(a, "user").get("username")), text(a.get("status")), when(a.get("created_at")),
             shown(a.get("comment"))) for a in rows(one, "approvals")
        )]  # fmt: skip
        need = left(one)
        note = (
            "approvals of deployments are not part of this GitLab" if need is None
            else f"{need} left, by {approvers(one) or 'somebody'}" if need else ""
        )  # fmt: skip
        return Section(title="Approvals", shape="table", table=tuple(table), note=note)

    async def before() -> Section:
        table = [("NUMBER", "WHEN", "STATE", "COMMIT", "BY")]
        table += [
            (text(each.get("iid")), when(each.get("created_at")), word(each), text(each.get("sha"))[:10],
             text(section(each, "user").get("username")))
            for each in await source.deploys.of(place, target)
        ]  # fmt: skip
        note = "deploying one of them again brings it back: R on its row"
        return Section(title=f"Of {shown(target, 40)}", shape="table", table=tuple(table), note=note)

    made = await asyncio.gather(tab("Approvals", approvals()), tab("History", before()))
    job = section(one, "deployable")
    job_at = job_place(one, place.path)
    head = [await failure(source, job_at, job)] if word(one) == "failed" and job_at is not None else []
    about = fields([
        ("environment", target), ("state", word(one)), ("commit", one.get("sha")), ("ref", one.get("ref")),
        ("by", section(one, "user").get("username")), ("created", when(one.get("created_at"))),
        ("updated", when(one.get("updated_at"))), ("job", job.get("name")), ("its page", job.get("web_url")),
        ("address", section(one, "environment").get("external_url")), ("number", one.get("iid")), ("id", one.get("id")),
    ])  # fmt: skip
    return [*head, about, *made]
