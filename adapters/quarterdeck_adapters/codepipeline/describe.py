"""The tabs of an execution, a stage and an action. A tab that cannot be read says so and spoils no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_adapters.codepipeline.builds import Stream, build_id, builds_of, is_build, no_log
from quarterdeck_adapters.codepipeline.mapping import moment, newest_actions, word
from quarterdeck_adapters.codepipeline.places import Place
from quarterdeck_adapters.codepipeline.stages import failure_of, way_into
from quarterdeck_config.masking import mask_mapping
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.ports import LogOptions, Section
from quarterdeck_lifecycle.records import Ref, utc

if TYPE_CHECKING:
    from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource

FAILURE_LINES = 2000


async def describe(source: CodePipelineSource, ref: Ref) -> Sequence[Section]:
    """The tabs of one thing. Raises QuarterdeckError when the thing itself cannot be read."""
    place = source.place(ref)
    run = await source.runs.read(place)
    details = await source.runs.actions(place)
    if not place.stage:
        tabs = [_overview(run, place), _stages(await source.runs.children(place)), _source(run), _variables(run)]
        failed = text(run.get("status")) == "Failed"
    else:
        details = [each for each in details if text(each.get("stageName")) == place.stage]
        if place.attempt:
            details = [each for each in details if text(each.get("actionExecutionId")) == place.attempt]
        if not details and place.attempt:
            raise NotFound("that attempt is gone", source=source.name, why=f"of #{place.execution[:8]}")
        tabs = [tab for each in _latest(details) for tab in _action(each)]
        if not place.attempt:
            tabs = [await _stage(source, place), *tabs]
        failed = any(each.get("status") == "Failed" for each in _latest(details))
    if failed:
        return [await _failure(source, _latest(details)), *tabs]
    return tabs


def _latest(details: Sequence[Json]) -> list[Json]:
    return [attempts[0] for attempts in newest_actions(details).values()]


async def _failure(source: CodePipelineSource, details: Sequence[Json]) -> Section:
    """The first action that failed, with the end of its build's log."""
    failed = (each for each in details if each.get("status") == "Failed")
    bad = sorted(failed, key=lambda each: moment(each.get("startTime")) or 0.0)
    if not bad:
        return failing.section("the execution", "", None, "no action of it failed: look at its stages")
    detail = next((each for each in bad if is_build(each)), bad[0])
    job, why = f"{text(detail.get('stageName'))} / {text(detail.get('actionName'))}", failure_of(detail)
    if not is_build(detail) or not build_id(detail):
        return failing.section(job, "", None, "; ".join(filter(None, (why, no_log(detail)))))
    step = ""
    try:
        build = next(iter(await builds_of(source.clients, [detail])), None)
        if build is None:
            return failing.section(job, "", None, f"{why}; CodeBuild no longer has its build")
        step = next((text(p.get("phaseType")) for p in rows(build.payload, "phases")
                     if p.get("phaseStatus") not in (None, "SUCCEEDED")), "")  # fmt: skip
        lines, _ = await Stream(source.clients, build, LogOptions()).more(newest=FAILURE_LINES)
    except AuthFailed:
        raise
    except QuarterdeckError as error:
        return failing.section(job, step, None, f"{why}; its log was not read: {error.short}")
    return failing.section(job, step, failing.read(lines), why)


def _fields(title: str, pairs: Sequence[tuple[str, Any]], note: str = "") -> Section:
    kept = tuple((name, text(value)) for name, value in pairs if value not in (None, "", "-"))
    return Section(title=title, fields=kept, note=note)


def _took(start: float | None, end: float | None) -> str:
    if start is None or end is None or end < start:
        return ""
    minutes, rest = divmod(round(end - start), 60)
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _overview(run: Json, place: Place) -> Section:
    trigger = section(run, "trigger")
    return _fields("Overview", [
        ("pipeline", place.pipeline), ("version", run.get("pipelineVersion")), ("execution", place.execution),
        ("state", word(run.get("status"))), ("said", run.get("statusSummary")), ("mode", run.get("executionMode")),
        ("type", run.get("executionType")), ("started by", trigger.get("triggerType")),
        ("detail", trigger.get("triggerDetail")),
        ("back to", section(run, "rollbackMetadata").get("rollbackTargetPipelineExecutionId")),
    ])  # fmt: skip


def _stages(jobs: Sequence[Job]) -> Section:
    table = [("STAGE / ACTION", "STATE", "TOOK", "NOTE")]
    for job in jobs:
        name = job.name if not job.runner else f"  {job.name}" + (" (earlier attempt)" if job.superseded else "")
        table.append((name, job.state, _took(job.started_at, job.finished_at), job.note))
    return Section(title="Stages", shape="table", table=tuple(table))


def _source(run: Json) -> Section:
    table = [("ARTEFACT", "REVISION", "WHAT", "PAGE")]
    table += [
        (text(each.get("name")), text(each.get("revisionId")),
         shown(text(each.get("revisionSummary")).partition("\n")[0]), text(each.get("revisionUrl")))
        for each in rows(run, "artifactRevisions")
    ]  # fmt: skip
    note = "" if len(table) > 1 else "it names no revision of a source"
    return Section(title="Source", shape="table", table=tuple(table), note=note)


def _variables(run: Json) -> Section:
    given = {text(each.get("name")): text(each.get("resolvedValue")) for each in rows(run, "variables")}
    return _mapping("Variables", given, "the pipeline has no variables")


def _mapping(title: str, values: Mapping[str, Any], empty: str) -> Section:
    masked = mask_mapping({str(name): text(value) for name, value in values.items()})
    return Section(title=title, fields=tuple(masked.items()), note="" if masked else empty)


async def _stage(source: CodePipelineSource, place: Place) -> Section:
    state = await source.runs.state(place.pipeline)
    found = next((s for s in rows(state, "stageStates") if text(s.get("stageName")) == place.stage), {})
    way, latest = way_into(found), section(found, "latestExecution")
    retry = section(found, "retryStageMetadata")
    return _fields("Stage", [
        ("stage", place.stage), ("holds", latest.get("pipelineExecutionId")), ("its state", word(latest.get("status"))),
        ("transition into it", "enabled" if way.enabled else f"disabled by {way.by}: {way.reason}"),
        ("retried by itself", retry.get("autoStageRetryAttempt")),
        ("retried by people", retry.get("manualStageRetryAttempt")),
    ])  # fmt: skip


def _action(detail: Json) -> list[Section]:
    kind, result = section(detail, "input", "actionTypeId"), section(detail, "output", "executionResult")
    start, end = moment(detail.get("startTime")), moment(detail.get("lastUpdateTime"))
    name, running = shown(detail.get("actionName"), 60), detail.get("status") == "InProgress"
    about = _fields(name, [
        ("stage", detail.get("stageName")), ("action", detail.get("actionName")), ("state", word(detail.get("status"))),
        ("does", f"{text(kind.get('category'))} by {text(kind.get('provider'))}"), ("by", detail.get("updatedBy")),
        ("started", utc(start)), ("ended", None if running else utc(end)),
        ("took", "" if running else _took(start, end)),
        ("said", result.get("externalExecutionSummary")), ("error", section(result, "errorDetails").get("message")),
        ("code", section(result, "errorDetails").get("code")), ("its id there", result.get("externalExecutionId")),
        ("page", result.get("externalExecutionUrl")), ("attempt", detail.get("actionExecutionId")),
    ])  # fmt: skip
    settings = _mapping(f"{name}: settings", section(detail, "input", "resolvedConfiguration"), "it has no settings")
    outputs = section(detail, "output", "outputVariables")
    return [about, settings, *([_mapping(f"{name}: outputs", outputs, "")] if outputs else [])]
