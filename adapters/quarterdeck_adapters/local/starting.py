"""Starting runs on this machine, and starting them again."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck_adapters.ci.acting import CiAction
from quarterdeck_adapters.local import mapping
from quarterdeck_adapters.local.book import Kept
from quarterdeck_adapters.local.definitions import Pipeline
from quarterdeck_adapters.local.inputs import given
from quarterdeck_adapters.local.launching import launch, step_env
from quarterdeck_adapters.local.model import Spec, StepSpec, Tree
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, ToolMissing
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.permit import require
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.local.adapter import LocalSource

STARTED_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
BUSY = "a run of this pipeline is under way: this one waits for its end"
KEPT = 100
"""Runs that were started from here and not yet read back."""
_SHA = re.compile(r"[0-9a-f]{7,64}")


class Wanted(NamedTuple):
    """What is to be started: the pipeline and the work tree as the operator saw them. `nonce` is of this preview."""

    pipeline: Pipeline
    tree: Tree
    inputs: tuple[tuple[str, str], ...]
    begin: int
    after: int
    nonce: str

    @property
    def seen(self) -> tuple[str, str]:
        """What must still be so when it is started."""
        return self.pipeline.digest, self.tree.digest


class Starting(CiAction["LocalSource"]):
    """What starts a run of the row's pipeline, as the config and the work tree are now."""

    doing = "run"

    def __init__(self, source: LocalSource) -> None:
        super().__init__(source)
        self._made: OrderedDict[str, Spec] = OrderedDict()

    def denied(self, record: Record) -> str | None:
        """Why the config keeps it back."""
        pipeline = self.source.known(record)
        return "its pipeline is not in the config any more" if pipeline is None else pipeline.why_not or None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be run, where, on which commit. Raises Refused, Conflict, ToolMissing, NotFound."""
        pipeline = await self.source.pipeline(ref)
        number = self.source.parts(ref)[1]
        row = await self.source.kept(ref) if number else None
        record = mapping.run_record(row, self.source.home) if row else mapping.ready_record(pipeline, self.source.home)
        title = f"{self.doing} {pipeline.name}"
        self.checked(record, title)
        busy = await self.source.on_thread(lambda: self.source.book.busy(pipeline.key), "looking for its runs")
        tree = await self.source.repositories.tree(pipeline.folder)
        inputs = self.inputs(pipeline, row, args, tree)
        begin, after = self.from_step(row)
        wanted = Wanted(pipeline, tree, tuple(inputs.items()), begin, after, secrets.token_hex(8))
        self._check_programs(wanted)
        lines = await self.source.on_thread(lambda: list(self.source.outliving.lines()), "asking logind")
        return Preview(
            verb=self.verb, ref=ref, record=record, args=dict(args), title=title,
            steps=tuple(map(_shown, self.spec(wanted).steps[begin:])),
            impact=(self._where(tree), *_recipe(pipeline), *lines),
            warnings=(*([BUSY] if busy else []), *self._warnings(wanted, row)),
            before=f"{tree.branch or 'no branch'} at {tree.head[:10] or 'no commit'}", after="a new run of it is there",
            token=wanted, why_no_inverse="the run that it starts is cancelled on its own row",
        )  # fmt: skip

    def inputs(self, pipeline: Pipeline, row: Kept | None, args: Mapping[str, str], tree: Tree) -> dict[str, str]:
        """The variables of the new run. Raises Refused."""
        raise NotImplementedError

    def from_step(self, row: Kept | None) -> tuple[int, int]:  # noqa: ARG002 - for those that begin later
        """The first step, and the run that did those before it."""
        return 0, 0

    def spec(self, wanted: Wanted) -> Spec:
        """What is asked of the runner."""
        pipeline, inputs = wanted.pipeline, wanted.pipeline.always | dict(wanted.inputs)
        steps = pipeline.steps
        if pipeline.as_arguments and inputs:
            words = tuple(f"{name}={value}" for name, value in inputs.items())
            steps = tuple(type(step)(name=step.name, argv=(*step.argv, *words), folder=step.folder,
                                     timeout_s=step.timeout_s) for step in steps)  # fmt: skip
        return Spec(
            pipeline=pipeline.name, key=pipeline.key, number=0, project=self.source.project, steps=steps,
            tree=wanted.tree, added={} if pipeline.as_arguments else inputs, begin=wanted.begin, after=wanted.after,
            event="by hand" if self.verb == "run.trigger" else "again",
            actor=str(Actor.current(environ=self.source.context.env)), created_at=self.source.context.now(),
            grace_s=self.source.grace_s, log_limit=self.source.log_limit,
        )  # fmt: skip

    def _where(self, tree: Tree) -> str:
        return (
            f"{tree.name} on {tree.branch or 'a detached HEAD'} at {tree.head[:10]}, as it is on the disk"
            if tree.path else "outside any repository"
        )  # fmt: skip

    def _warnings(self, wanted: Wanted, row: Kept | None) -> list[str]:
        tree, found = wanted.tree, []
        if tree.dirty:
            many = "1 file differs" if tree.dirty == 1 else f"{tree.dirty} files differ"
            found.append(f"{many} from the commit: what runs is not what was committed")
        if row is not None and row.spec.tree.head != tree.head:
            before = row.spec.tree.head[:10] or "no commit"
            found.append(f"#{row.spec.number} was of {before}, this is of what is here now")
        return found

    def _check_programs(self, wanted: Wanted) -> None:
        env = step_env(self.source.context.env, self.source.context.config)
        for step in wanted.pipeline.steps[wanted.begin :]:
            program = step.argv[0]
            if "/" not in program and shutil.which(program, path=env.get("PATH")) is None:
                raise ToolMissing(f"{program} is not installed", source=self.source.name, why=f"{step.name} runs it",
                                  mend=f"install {program}, or correct the step")  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare pipeline and work tree, then start its runner. Raises Conflict when one of them moved."""
        wanted: Wanted = preview.token
        require(self.source.name, preview.title)
        pipeline = await self.source.pipeline(preview.ref)
        tree = await self.source.repositories.tree(pipeline.folder)
        now = wanted._replace(pipeline=pipeline, tree=tree)
        if now.seen != wanted.seen:
            what = "the pipeline" if pipeline.digest != wanted.pipeline.digest else "the work tree"
            raise Conflict(
                "nothing was started", source=self.source.name, why=f"{what} changed since the preview",
                mend="look again, then decide anew",
            )  # fmt: skip
        env = step_env(self.source.context.env, self.source.context.config)

        def work() -> Spec:
            made = launch(self.source.book, self.spec(now), env, self.source.outliving)
            self.source.book.prune(made.key, self.source.keep)
            return made

        made = await self.source.on_thread(work, "starting the runner")
        self._made[wanted.nonce] = made
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return f"run #{made.number} was started"

    async def verify(self, preview: Preview) -> Outcome:
        """Its runner has written that it began. Raises Timeout."""
        made = self._made.get(preview.token.nonce)
        if made is None:
            return Outcome(verified=False, message="no runner was started")
        ref = Ref(self.source.name, "run", f"{made.key}/{made.number}")

        async def begun() -> Kept | None:
            kept = await self.source.kept(ref)
            return kept if kept.state.began is not None or kept.over else None

        kept = await self.until(begun, preview, "its runner has not said that it began", STARTED_S)
        state = mapping.word(kept)
        why = f": {mapping.note(kept)}" if mapping.note(kept) else ""
        verified = state not in ("lost", "refused")
        return Outcome(verified=verified, message=f"run #{made.number} is {state}{why}", observed=str(ref))


class Trigger(Starting):
    """`run.trigger`: what is in the folder now. `args`: ref, which must be what is checked out; inputs."""

    verb = "run.trigger"

    def inputs(self, pipeline: Pipeline, row: Kept | None, args: Mapping[str, str], tree: Tree) -> dict[str, str]:  # noqa: ARG002
        wanted = args.get("ref", "").strip()
        here = {"", "HEAD", ".", tree.branch or "HEAD", tree.head or "HEAD"}
        prefix = bool(_SHA.fullmatch(wanted)) and tree.head.startswith(wanted)
        if tree.path and wanted not in here and not prefix:
            raise Refused(
                f"{wanted} is not what is checked out in {tree.path}", source=self.source.name,
                why=f"that is {tree.branch or tree.head[:10] or 'nothing'}, and a local pipeline runs what is there",
                mend=f"say {tree.branch or 'HEAD'}, or switch the branch first",
            )  # fmt: skip
        return given(args.get("inputs", ""), pipeline, self.source.name)


class Rerun(Starting):
    """`run.rerun`: the row's pipeline with the row's inputs, on what is in the folder now, as a new run."""

    verb = "run.rerun"
    doing = "run again"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        if record.state in ("ready", "never ran", "not trusted"):
            return "it is no run: T starts one"
        return None if record.state in mapping.ENDED else f"it is {record.state}"

    def inputs(self, pipeline: Pipeline, row: Kept | None, args: Mapping[str, str], tree: Tree) -> dict[str, str]:  # noqa: ARG002
        if row is None:
            raise NotFound("it never ran", source=self.source.name)
        if not pipeline.as_arguments:
            return dict(row.spec.added)
        known = len(pipeline.steps[0].argv)
        return dict(word.split("=", 1) for word in row.spec.steps[0].argv[known:] if "=" in word)


class RerunFailed(Rerun):
    """`run.rerun_failed`: from the step that failed on; those before it count as done."""

    verb = "run.rerun_failed"
    doing = "run from the failed step on:"

    def refusal(self, record: Record) -> str | None:
        if (why := super().refusal(record)) is not None:
            return why
        return None if record.state in (*mapping.FAILED, "cancelled") else f"it ended as {record.state}: nothing failed"

    def from_step(self, row: Kept | None) -> tuple[int, int]:
        assert row is not None
        at = max(row.state.failed, row.state.current, row.spec.begin)
        return at, (row.spec.number if at > row.spec.begin else row.spec.after)

    def _warnings(self, wanted: Wanted, row: Kept | None) -> list[str]:
        found = super()._warnings(wanted, row)
        names = [step.name for step in wanted.pipeline.steps[: wanted.begin]]
        return [*found, f"not run again: {', '.join(names)}"] if names else found

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """As `Rerun`. Raises Conflict, too, where the pipeline has other steps now."""
        made = await super().preview(ref, args)
        kept, pipeline = await self.source.kept(ref), made.token.pipeline
        if [s.name for s in kept.spec.steps] != [s.name for s in pipeline.steps]:
            raise Conflict(f"{made.title} was not sent", source=self.source.name,
                           why="the pipeline has other steps now", mend="run all of it again")  # fmt: skip
        return made


def _shown(step: StepSpec) -> Step:
    detail = f"in {step.folder}, at most {step.timeout_s:g} s"
    return Step(call=f"{step.name}: {shlex.join(step.argv)}", detail=detail)


def _recipe(pipeline: Pipeline) -> tuple[str, ...]:
    """The first lines of what a target would do."""
    if not pipeline.shown:
        return ()
    more = len(pipeline.shown) - 8
    return (*(f"$ {line}" for line in pipeline.shown[:8]), *((f"and {more} more lines",) if more > 0 else ()))
