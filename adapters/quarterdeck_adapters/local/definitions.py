"""The pipelines that the config names: its own steps, or the targets of a Makefile. Reads files, runs nothing."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from quarterdeck_adapters.base import Context
from quarterdeck_adapters.git.command import folders
from quarterdeck_adapters.git.finding import nearest
from quarterdeck_adapters.local import makefile
from quarterdeck_adapters.local.heads import head_of
from quarterdeck_adapters.local.makefile import Makefile, Target
from quarterdeck_adapters.local.model import StepSpec
from quarterdeck_config.paths import project_config_file
from quarterdeck_config.schema import LocalPipeline
from quarterdeck_lifecycle.errors import QuarterdeckError

UNTRUSTED = "the config that names it is not trusted: read it, then: quarterdeck trust"
NOT_RUNNABLE = "the config says runnable: false"


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be run here. `why_not`: the reason when it cannot; `inputs`: what a run may be given, with
    the defaults. `shown`: what stands behind a step, such as a recipe; `branch`: what is checked out there now."""

    name: str
    key: str
    folder: str
    steps: tuple[StepSpec, ...]
    why_not: str = ""
    inputs: dict[str, str] = {}
    always: dict[str, str] = {}
    """Those of them that a run has even where none are given."""
    as_arguments: bool = False
    """Inputs are arguments of the program (make's), not variables of its environment."""
    shown: tuple[str, ...] = ()
    about: str = ""
    branch: str = ""

    @property
    def digest(self) -> str:
        """What differs when it would run something else."""
        return hashlib.sha256(msgspec.json.encode((self.steps, self.shown, self.inputs))).hexdigest()


def project_folder(context: Context) -> str:
    """Where steps run that name no folder: beside the project's config, else where the deck was started."""
    found = project_config_file(Path(context.project))
    return str(found.parent if found is not None else Path(context.project))


def key_of(name: str, folder: str) -> str:
    """The folder name under which the runs of a pipeline are kept: one for each name and place."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")[:40] or "pipeline"
    place = "\0".join((folder, name)).encode("utf-8", "surrogateescape")
    return f"{slug}-{hashlib.sha256(place).hexdigest()[:10]}"


def pipelines_of(config: Mapping[str, LocalPipeline], base: str) -> tuple[list[Pipeline], list[str]]:
    """Every pipeline, and in words what could not be read. Blocks on the disk."""
    found: list[Pipeline] = []
    trouble: list[str] = []
    for name, pipeline in config.items():
        if pipeline.makefile is None:
            found.append(_of_steps(name, pipeline, base))
        elif not pipeline.runnable:
            found.extend(_unread(name, pipeline))
        else:
            try:
                found.extend(_of_makefile(name, pipeline))
            except (OSError, ValueError) as error:
                trouble.append(f"{name}: {getattr(error, 'strerror', '') or error} ({pipeline.makefile})")
    return found, trouble


def _why_not(pipeline: LocalPipeline) -> str:
    if pipeline.runnable:
        return ""
    kept_back = pipeline.makefile is not None or not any(step.argv for step in pipeline.steps)
    return UNTRUSTED if kept_back else NOT_RUNNABLE


def _of_steps(name: str, pipeline: LocalPipeline, base: str) -> Pipeline:
    steps = tuple(
        StepSpec(name=step.name, argv=step.argv, folder=step.folder or base, timeout_s=step.timeout)
        for step in pipeline.steps
    )
    folder = steps[0].folder
    return Pipeline(
        name=name, key=key_of(name, folder), folder=folder, steps=steps, why_not=_why_not(pipeline),
        inputs=pipeline.inputs, always=pipeline.inputs, branch=branch_at(folder),
    )  # fmt: skip


def _unread(name: str, pipeline: LocalPipeline) -> Iterator[Pipeline]:
    folder = pipeline.makefile or ""
    for called in [f"{name}:{target}" for target in pipeline.targets] or [name]:
        step = StepSpec(name=called.rpartition(":")[2], argv=(), folder=folder, timeout_s=pipeline.timeout)
        yield Pipeline(
            name=called, key=key_of(called, folder), folder=folder, steps=(step,), why_not=_why_not(pipeline)
        )


def _of_makefile(name: str, pipeline: LocalPipeline) -> Iterator[Pipeline]:
    path = find_makefile(pipeline.makefile or "")
    read = read_makefile(path)
    folder = str(path.parent)
    branch = branch_at(folder)
    offered = {target.name: target for target in read.offered(pipeline.targets)}
    missing = [target for target in pipeline.targets if target not in offered]
    for target in [*offered.values(), *(Target(name=gone) for gone in missing)]:
        called = f"{name}:{target.name}"
        argv = ("make", "--no-print-directory", "-f", path.name, "--", target.name)
        step = StepSpec(name=target.name, argv=argv, folder=folder, timeout_s=pipeline.timeout)
        yield Pipeline(
            name=called, key=key_of(called, folder), folder=folder, steps=(step,), branch=branch,
            inputs=read.variables | pipeline.inputs,
            always=pipeline.inputs, as_arguments=True, shown=_recipe(read, target), about=target.help,
            why_not=f"{path.name} has no target {target.name}" if target.name in missing else "",
        )  # fmt: skip


def _recipe(read: Makefile, target: Target) -> tuple[str, ...]:
    """The recipes of a target and of what it needs, as far as the file says, as written."""
    lines: list[str] = []
    todo, seen = [target.name], set[str]()
    while todo:
        name = todo.pop()
        known = read.targets.get(name)
        if known is None or name in seen:
            continue
        seen.add(name)
        lines.extend(f"{name}: {line}" for line in known.recipe)
        todo.extend(reversed(known.needs))
    return tuple(lines[:200])


def branch_at(folder: str) -> str:
    """The branch that is checked out where `folder` is; empty for none."""
    path = nearest(folder)
    try:
        return head_of(*folders(path))[0] if path else ""
    except QuarterdeckError:
        return ""


def find_makefile(path: str) -> Path:
    """The Makefile that `path` is, or that is in it. Raises FileNotFoundError."""
    if not os.path.isdir(path):
        return Path(path)
    for name in makefile.NAMES:
        if os.path.isfile(os.path.join(path, name)):
            return Path(path, name)
    raise FileNotFoundError(2, "no Makefile there", path)


def read_makefile(path: Path) -> Makefile:
    """What it offers; its first MiB is read. Raises OSError; ValueError for what is no plain file."""
    if not path.is_file():
        raise FileNotFoundError(2, "no such file" if not path.exists() else "no plain file", str(path))
    with path.open("rb") as file:
        return makefile.parse(file.read(makefile.LIMIT).decode("utf-8", "replace"))
