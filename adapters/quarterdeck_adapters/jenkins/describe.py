"""The tabs of a build, a queue item and a stage. A tab that cannot be read says so and spoils no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.sections import fields, tab, took
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_adapters.jenkins import checkouts, mapping
from quarterdeck_adapters.jenkins.logs import last_part
from quarterdeck_adapters.jenkins.places import WHOLE, Place, job_in, path_of
from quarterdeck_adapters.jenkins.runs import is_pipeline
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref, Status, utc

if TYPE_CHECKING:
    from quarterdeck_adapters.jenkins.adapter import JenkinsSource

CHANGES = "changeSets[kind,items[commitId,msg,timestamp,author[fullName]]]"
ARTIFACTS = "artifacts[fileName,relativePath]"


async def describe(source: JenkinsSource, ref: Ref) -> Sequence[Section]:
    """The tabs of one thing. Raises QuarterdeckError when the thing itself cannot be read."""
    place = source.place(ref)
    run, payload = await source.runs.run(place._replace(node=""))
    if run.state == "queued":
        return [overview(run, payload), _queue(run, payload)]
    if place.node and place.node != WHOLE:
        return await _stage(source, run, place)
    return await _run(source, run, payload)


def overview(run: Run, payload: Json) -> Section:
    """What a build is, in fields."""
    spoken = "; ".join(shown(c.get("shortDescription")) for c in checkouts.causes(rows(payload, "actions")))
    return fields([
        ("job", job_in(run.ref.id)), ("number", run.number), ("state", run.state),
        ("waits for", run.queued_for), ("stands at", run.where), ("failed at", run.note), ("repository",
        run.link("repository")), ("branch", run.branch), ("commit", run.head), ("cause", spoken),
        ("started by", run.actor), ("description", payload.get("description")), ("began", utc(run.started_at)),
        ("in the queue since", utc(run.created_at) if run.state == "queued" else ""), ("ended", utc(run.finished_at)),
        ("took", took(run.duration_s)), ("queue id", payload.get("queueId") or payload.get("id")), ("page", run.url),
    ])  # fmt: skip


def _queue(run: Run, item: Json) -> Section:
    return fields([
        ("why", run.queued_for), ("since", utc(run.created_at)), ("blocked", "yes" if item.get("blocked") else "no"),
        ("could run", "yes, an executor is missing" if item.get("buildable") else "not yet"),
        ("stuck", "yes: it waits longer than Jenkins expects" if item.get("stuck") else "no"),
    ], "Queue")  # fmt: skip


def given(payload: Json) -> Section:
    """The parameters, secrets without their value."""
    table: list[tuple[str, ...]] = [("PARAMETER", "VALUE")]
    values = checkouts.parameters(rows(payload, "actions"))
    table += [(name, "a secret: Jenkins does not tell it" if v is None else v) for name, v in values.items()]
    return Section(
        title="Parameters", shape="table", table=tuple(table), note="" if values else "it was given none"
    )


async def failure(source: JenkinsSource, run: Run, stages: Sequence[Job], where: str) -> Section:
    """The first failing step, its last lines and the lines that speak of an error."""
    bad = next((job for job in stages if job.status in (Status.BAD, Status.LOOK)), None)
    of = where
    step = ""
    if bad is not None and not bad.ref.id.endswith(f"/{WHOLE}"):
        node = bad.ref.id.rpartition("/")[2]
        steps = rows(await source.stages.stage(where, node), "stageFlowNodes")
        first = mapping.first_bad(steps)
        step = mapping.step_name(first) if first else ""
        if text(first.get("id")).isdigit():
            of = f"{where}/execution/node/{text(first.get('id'))}/log"
    name = shown(bad.name) if bad is not None else shown(run.name)
    try:
        log, said = await last_part(source.api, of)
    except NotFound:
        log, said = await last_part(source.api, where)
    return failing.section(name, step, failing.read_bytes(log), said)


async def _run(source: JenkinsSource, run: Run, payload: Json) -> list[Section]:
    where = f"{path_of(job_in(run.ref.id))}/{run.number}"
    stages = await source.stages.children(run, plain=not is_pipeline(payload))

    async def changes() -> Section:
        body = await source.api.fields(where, CHANGES)
        table: list[tuple[str, ...]] = [("COMMIT", "WHO", "SUBJECT")]
        for each in (item for group in rows(body, "changeSets") for item in rows(group, "items")):
            who = shown(section(each, "author").get("fullName"))
            table.append((text(each.get("commitId"))[:10], who, shown(each.get("msg"))))
        note = "" if len(table) > 1 else "nothing changed since the build before"
        return Section(title="Changes", shape="table", table=tuple(table), note=note)

    async def artefacts() -> Section:
        listed = rows(await source.api.fields(where, ARTIFACTS), "artifacts")
        table = [("FILE", "PATH"), *((text(a.get("fileName")), text(a.get("relativePath"))) for a in listed)]
        note = "" if listed else "this build kept no artefact"
        return Section(title="Artefacts", shape="table", table=tuple(table), note=note)

    first = []
    if run.state in ("failure", "unstable"):
        first = [await tab(failing.TITLE, failure(source, run, stages, where))]
    rest = await asyncio.gather(tab("Changes", changes()), tab("Artefacts", artefacts()))
    return [*first, overview(run, payload), stages_section(stages), given(payload), *rest]


def stages_section(stages: Sequence[Job]) -> Section:
    """Stages with their steps, the failed ones first."""
    table: list[tuple[str, ...]] = [("STAGE / STEP", "STATE", "TOOK", "NODE")]
    for job in stages:
        passed = job.finished_at - job.started_at if job.finished_at and job.started_at else None
        table.append((job.name, job.state, took(passed), job.runner))
        table += [(f"  {name}", state, took(seconds), "") for name, state, _, seconds in job.steps]
    return Section(title="Stages and steps", shape="table", table=tuple(table))


async def _stage(source: JenkinsSource, run: Run, place: Place) -> list[Section]:
    where = f"{path_of(place.job)}/{run.number}"
    stage = await source.stages.stage(where, place.node)
    job = mapping.job_record(stage, run.ref.id, source.home)
    tabs = [stages_section([job])]
    if mapping.failed(stage):
        tabs.insert(0, await tab(failing.TITLE, failure(source, run, [job], where)))
    return tabs
