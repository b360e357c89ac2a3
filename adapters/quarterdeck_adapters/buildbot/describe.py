"""The tabs of a run and of a step. A tab that cannot be read says so and spoils no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.buildbot import mapping
from quarterdeck_adapters.buildbot.acting import state_of
from quarterdeck_adapters.buildbot.mapping import Known, prop, word
from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.sections import fields, tab, took
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_config.secrets import mask_mapping, redact
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref, utc

if TYPE_CHECKING:
    from quarterdeck_adapters.buildbot.adapter import BuildbotSource

LAST_LINES = 2000
"""Lines of a failed step's log that are looked through."""
LOG_LINES = 200


async def describe(source: BuildbotSource, ref: Ref) -> Sequence[Section]:
    """The tabs of one thing. Raises QuarterdeckError when the thing itself cannot be read."""
    place = source.place(ref)
    known = await source.runs.read(place)
    run = await source.runs.record(known)
    if place.step:
        return await _step(source, known, run, place.step)
    return await _run(source, known, run)


def _when(value: Any) -> str:
    return utc(mapping.seconds(value)) or "-"


async def _run(source: BuildbotSource, known: Known, run: Run) -> list[Section]:
    build = known.build
    first = [overview(known, run)]
    if build is None:
        return first
    id = whole(build.get("buildid")) or 0
    steps = await source.runs.steps(known)

    async def changes() -> Section:
        return changes_section(await source.api.rows(f"builds/{id}/changes", "changes"))

    async def properties() -> Section:
        found = await source.api.one(f"builds/{id}/properties", "properties")
        return properties_section(found, source.secret_names)

    tabs = [tab("Changes", changes()), tab("Properties", properties())]
    failed = mapping.first_failing(steps)
    if failed is not None and whole(build.get("results")) in mapping.BAD:
        tabs.insert(0, tab(failing.TITLE, failure(source, failed, run.name)))
        made = await asyncio.gather(*tabs)
        return [made[0], *first, steps_section(steps), *made[1:]]
    return [*first, steps_section(steps), *await asyncio.gather(*tabs)]


async def failure(source: BuildbotSource, step: Json, job: str) -> Section:
    """Where a build failed, with the end of that step's log. Raises QuarterdeckError."""
    lines, why = await _last_lines(source, step, LAST_LINES)
    return failing.section(job, shown(step.get("name")), failing.read_bytes(lines) if lines else None, why)


async def _last_lines(source: BuildbotSource, step: Json, count: int) -> tuple[bytes, str]:
    """The end of a step's first log of text, and why there is none or not all."""
    from quarterdeck_adapters.buildbot.logs import UNREADABLE, Reader

    logs = await source.api.rows(f"steps/{whole(step.get('stepid')) or 0}/logs", "logs")
    kept = [log for log in logs if log.get("type") != UNREADABLE and whole(log.get("num_lines"))]
    # An exception of Buildbot's own stands in the logs err.text and err.html.
    kept.sort(key=lambda log: (log.get("name") != "err.text", log.get("name") != "stdio"))
    if not kept:
        return b"", f"step {shown(step.get('name'))} has no log: {shown(step.get('state_string'))}"
    reader = Reader(source, kept[0], count)
    piece = await reader.ask()
    others = ", ".join(shown(log.get("name")) for log in kept[1:])
    before = f"{reader.left_out:,} lines before are in the log" if reader.left_out else ""
    return piece.data, "; ".join(filter(None, (before, f"other logs: {others}" if others else "")))


def overview(known: Known, run: Run) -> Section:
    """What a run is, in fields."""
    build = known.build
    at = text(prop(build, "repository")) or ", ".join(text(stamp.get("repository")) for stamp in known.sources)
    return fields([
        ("builder", known.builder), ("number", text((build or {}).get("number"))), ("state", run.state),
        ("waits because", run.queued_for), ("said", (build or {}).get("state_string")), ("note", run.note),
        ("attempt", known.attempt if known.attempt > 1 else ""), ("reason", known.reason),
        ("started by", run.actor), ("scheduler", run.event), ("branch", run.branch),
        ("commit", ", ".join(sha for sha, _ in mapping.revisions(known))),
        ("repository", redact(at)),
        ("worker", text(prop(build, "workername"))), ("asked for", _when(known.asked.get("submitted_at"))),
        ("started", _when((build or {}).get("started_at"))), ("ended", _when((build or {}).get("complete_at"))),
        ("took", took(run.duration_s)), ("waited for locks", took(mapping.seconds((build or {}).get(
            "locks_duration_s")))),
        ("build", (build or {}).get("buildid")), ("request", known.request), ("page", run.url),
    ], note="" if build is not None else f"no build of it: {state_of(known)}")  # fmt: skip


def steps_section(steps: Sequence[Json]) -> Section:
    """The steps in their order."""
    table: list[tuple[str, ...]] = [("STEP", "STATE", "TOOK", "SAID")]
    table += [(text(s.get("name")), word(s), took(mapping.took(s)), text(s.get("state_string"))) for s in steps]
    return Section(title="Steps", shape="table", table=tuple(table), note="" if steps else "no step has begun")


def changes_section(changes: Sequence[Json]) -> Section:
    """The changes that a build is the first to have."""
    table = [("COMMIT", "WHEN", "WHO", "SUBJECT")]
    table += [
        (text(c.get("revision"))[:10], _when(c.get("when_timestamp")), text(c.get("author")),
         text(c.get("comments")).partition("\n")[0])
        for c in changes
    ]  # fmt: skip
    return Section(title="Changes", shape="table", table=tuple(table), note="" if changes else "no change is named")


def properties_section(properties: Json, secret_names: Sequence[str] = ()) -> Section:
    """The properties of a build, secrets masked, with who set each."""
    pairs = {name: pair for name, pair in properties.items() if isinstance(pair, list) and len(pair) == 2}
    values = mask_mapping({name: text(pair[0]) or _listed(pair[0]) for name, pair in pairs.items()}, secret_names)
    table = [("PROPERTY", "VALUE", "BY"), *((name, values[name], text(pairs[name][1])) for name in sorted(pairs))]
    return Section(title="Properties", shape="table", table=tuple(table))


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={text(each)}" for key, each in value.items())
    return ", ".join(map(text, value)) if isinstance(value, list) else "" if value is None else str(value)


async def _step(source: BuildbotSource, known: Known, run: Run, stepid: int) -> list[Section]:
    step = await source.api.one(f"steps/{stepid}", "steps")
    about = fields([
        ("step", step.get("name")), ("number", step.get("number")), ("of", run.name), ("state", word(step)),
        ("said", step.get("state_string")), ("worker", text(prop(known.build, "workername"))),
        ("started", _when(step.get("started_at"))), ("ended", _when(step.get("complete_at"))),
        ("took", took(mapping.took(step))),
        ("links", ", ".join(f"{text(u.get('name'))} {text(section(u).get('url'))}" for u in rows(step, "urls"))),
    ])  # fmt: skip

    async def log() -> Section:
        lines, why = await _last_lines(source, step, LOG_LINES)
        return Section(title="Log", shape="text", text=lines.decode("utf-8", "replace"), note=why)

    if whole(step.get("results")) in mapping.BAD:
        return [await tab(failing.TITLE, failure(source, step, run.name)), about]
    return [about, await tab("Log", log())]
