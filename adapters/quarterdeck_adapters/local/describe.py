"""The tabs of a local run and of its steps; what failed opens on its failure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.values import size, text
from quarterdeck_adapters.local import mapping
from quarterdeck_adapters.local.book import Kept
from quarterdeck_adapters.local.definitions import Pipeline
from quarterdeck_adapters.local.launching import withheld
from quarterdeck_adapters.local.model import OUTPUT
from quarterdeck_adapters.local.runner import log_name
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref, utc
from quarterdeck_lifecycle.text import LineGate

if TYPE_CHECKING:
    from quarterdeck_adapters.local.adapter import LocalSource

OWN = "[quarterdeck] "
"""How what the runner itself says in a log begins."""
LAST_BYTES = 1024 * 1024
"""Bytes of a log's end that are looked through for what failed."""


async def describe(source: LocalSource, ref: Ref) -> Sequence[Section]:
    """The tabs of a run or a step. Raises QuarterdeckError."""
    _, number, step = source.parts(ref)
    if number == mapping.READY:
        return [*planned(await source.pipeline(ref)), _environment(source)]
    kept = await source.kept(ref)
    if step >= len(kept.spec.steps):
        raise NotFound("that run has no such step", source=source.name)
    at = step if step >= 0 else failed_step(kept)
    bad = at >= 0 and mapping.step_word(kept, at) in ("failure", "timed out", "not started", "lost", "cancelled")
    tabs = [await source.on_thread(lambda: failure(kept, at), "reading the log")] if bad else []
    if not bad and step < 0 and mapping.note(kept):
        tabs = [failing.section(kept.spec.pipeline, "", None, mapping.note(kept))]
    if step >= 0:
        return [*tabs, await source.on_thread(lambda: step_section(kept, step), "reading the step")]
    files = await source.on_thread(lambda: files_section(kept), "reading the run's folder")
    return [*tabs, overview(kept), steps_section(kept), files, _environment(source)]


def failed_step(kept: Kept) -> int:
    """The step that a failed or lost run stopped at; -1 for none."""
    return kept.state.failed if kept.state.failed >= 0 else kept.state.current if kept.lost else -1


def failure(kept: Kept, at: int) -> Section:
    """What the log of a step that did not end well says. Blocks."""
    path = kept.folder / log_name(at)
    why = mapping.step_note(kept, at) or mapping.step_word(kept, at)
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            gate = LineGate()
            lines = [*gate.feed(file.read(LAST_BYTES)), *gate.flush()]
        found = failing.read(line for line in lines if not line.text.startswith(OWN))
    except OSError as error:
        found, why = None, f"{why}; its log cannot be read: {error.strerror or error}"
    return failing.section(f"{kept.spec.pipeline} #{kept.spec.number}", kept.spec.steps[at].name, found, why)


def overview(kept: Kept) -> Section:
    """What a run is."""
    spec, state, tree = kept.spec, kept.state, kept.spec.tree
    differs = f"{tree.dirty} changed or new" if tree.dirty else ""
    return _fields([
        ("pipeline", spec.pipeline), ("number", spec.number), ("state", mapping.word(kept)),
        ("why", mapping.note(kept)), ("repository", tree.path or "none"), ("commit", tree.head),
        ("branch", tree.branch), ("files", differs or ("clean" if tree.head else "")),
        ("started by", spec.actor), ("how", spec.event), ("inputs", shlex.join(f"{k}={v}" for k, v in
                                                                             spec.added.items())),
        ("asked for", utc(spec.created_at)), ("began", utc(state.began)), ("ended", utc(state.ended)),
        ("runner", f"pid {state.pid} on {state.host}" if state.pid else "not there yet"),
        ("alive", "yes, it holds its lock" if kept.alive else "no"), ("folder", str(kept.folder)),
        *((link.kind, f"{link.value} ({link.evidence})") for link in mapping.links(kept)[3:]),
    ])  # fmt: skip


def steps_section(kept: Kept) -> Section:
    """The steps with how they ended."""
    table: list[tuple[str, ...]] = [("STEP", "STATE", "TOOK", "EXIT", "COMMAND")]
    for at, (spec, step) in enumerate(zip(kept.spec.steps, kept.state.steps, strict=True)):
        took = "-" if step.began is None or step.ended is None else f"{step.ended - step.began:.1f}s"
        code = "-" if step.code is None else str(step.code)
        table.append((spec.name, mapping.step_word(kept, at), took, code, shlex.join(spec.argv)))
    return Section(title="Steps", shape="table", table=tuple(table))


def step_section(kept: Kept, at: int) -> Section:
    """What one step is. Blocks."""
    spec, step = kept.spec.steps[at], kept.state.steps[at]
    return _fields([
        ("step", spec.name), ("state", mapping.step_word(kept, at)), ("why", mapping.step_note(kept, at)),
        ("command", shlex.join(spec.argv)), ("folder", spec.folder), ("at most", f"{spec.timeout_s:g} s"),
        ("exit code", step.code), ("pid", step.pid or ""), ("began", utc(step.began)), ("ended", utc(step.ended)),
        ("log", f"{kept.folder / log_name(at)}, {size(_bytes(kept.folder / log_name(at)))}"),
    ])  # fmt: skip


def files_section(kept: Kept) -> Section:
    """The files of a run. Blocks."""
    table: list[tuple[str, ...]] = [("FILE", "SIZE")]
    try:
        table += sorted((path.name, size(_bytes(path))) for path in kept.folder.iterdir() if path.is_file())
        said = (kept.folder / OUTPUT).read_text("utf-8", "replace")[-2000:].strip()
    except OSError as error:
        said = error.strerror or str(error)
    note = f"{kept.folder}{f'; the runner said: {said}' if said else ''}"
    return Section(title="Files", shape="table", table=tuple(table), note=note)


def planned(pipeline: Pipeline) -> list[Section]:
    """What a pipeline would do."""
    table: list[tuple[str, ...]] = [("STEP", "AT MOST", "COMMAND", "FOLDER")]
    table += [(step.name, f"{step.timeout_s:g} s", shlex.join(step.argv) or "kept back", step.folder)
              for step in pipeline.steps]  # fmt: skip
    tabs = [
        _fields([("pipeline", pipeline.name), ("state", pipeline.why_not or "ready"),
                 ("folder", pipeline.folder), ("about", pipeline.about),
                 ("variables", ", ".join(f"{k}={v}" for k, v in pipeline.inputs.items()))]),
        Section(title="Steps", shape="table", table=tuple(table)),
    ]  # fmt: skip
    if pipeline.shown:
        recipe = "\n".join(pipeline.shown)
        tabs.append(Section(title="Recipe", shape="text", text=recipe, note="as the Makefile has it"))
    return tabs


def _environment(source: LocalSource) -> Section:
    names = withheld(source.context.env, source.context.config)
    said = f"not given: {', '.join(names)}" if names else "nothing is withheld"
    return Section(title="Environment", shape="text", text="Steps get the environment of the deck that starts them, "
                   "less what the config names as the deck's own credentials; with CI=true, QUARTERDECK_PIPELINE, "
                   f"_RUN, _STEP, _COMMIT, _BRANCH and _LINKS.\n\n{said}")  # fmt: skip


def _bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _fields(pairs: Sequence[tuple[str, object]]) -> Section:
    kept = tuple((name, text(value)) for name, value in pairs if value not in (None, ""))
    return Section(title="Overview", fields=kept)
