"""Retry what failed, and stop.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RetryStageExecution.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StopPipelineExecution.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.acting import SETTLE_S
from quarterdeck_adapters.ci.values import Json, section, shown, text
from quarterdeck_adapters.codepipeline.acting import ENDED, OnPipeline
from quarterdeck_adapters.codepipeline.mapping import MOVING, newest_actions, word
from quarterdeck_adapters.codepipeline.places import Place
from quarterdeck_adapters.codepipeline.stages import stage_state
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

STOPPED_ACTION = frozenset({"Failed", "Abandoned"})


class Attempt(NamedTuple):
    """What the operator saw of a stage: the newest attempts of its actions, and the execution's status."""

    stage: str
    attempts: tuple[str, ...]
    status: str


class Retry(OnPipeline):
    """A stage of an execution again, in the same execution: AWS retries it only while no later one went through."""

    operation = "RetryStageExecution"
    mode = "FAILED_ACTIONS"
    doing = "retry"

    async def seen(self, place: Place, stage: str) -> tuple[Attempt, list[Json]]:
        """The stage (by default the one that failed) as it is now, with its newest attempts."""
        run, details = await self.source.runs.read(place), await self.source.runs.actions(place)
        newest = [attempts[0] for attempts in newest_actions(details).values()]
        bad = next((each for each in newest if each.get("status") in STOPPED_ACTION), None)
        stage = stage or text((bad or {}).get("stageName"))
        mine = [each for each in newest if text(each.get("stageName")) == stage]
        ids = tuple(sorted(text(each.get("actionExecutionId")) for each in mine))
        return Attempt(stage, ids, text(run.get("status"))), mine

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be retried. Raises Conflict where AWS would refuse it."""
        place = self.place(ref)
        title = f"{self.doing} {place.pipeline} #{place.execution[:8]}"
        now, actions = await self.seen(place, place.stage)
        if now.status not in ("Failed", "Stopped"):
            why = f"the execution is {word(now.status)}: only what failed or was stopped is retried"
            raise self.refused(title, why)
        if not now.stage or not any(each.get("status") in STOPPED_ACTION for each in actions):
            raise self.refused(title, "no action of it failed")
        state = stage_state(await self.source.runs.state(place.pipeline), now.stage)
        holder = text(section(state, "latestExecution").get("pipelineExecutionId"))
        if holder and holder != place.execution and (await self.source.runs.home(place.pipeline)).mode != "PARALLEL":
            why = f"#{holder[:8]} went through {shown(now.stage)} after it: AWS retries a stage's latest execution only"
            raise self.refused(title, why, "re-run it instead: a new execution of the same commit")
        names = [
            shown(each.get("actionName")) for each in actions
            if self.mode == "ALL_ACTIONS" or each.get("status") in STOPPED_ACTION
        ]  # fmt: skip
        params = self._params(place, now.stage)
        return Preview(
            verb=self.verb, ref=ref, record=self.source.runs.known(place), title=f"{title}: {shown(now.stage)}",
            steps=(self.call(params),),
            impact=(f"{shown(now.stage)}: {', '.join(names)}", "the stages after it follow when it succeeds"),
            before=f"{shown(now.stage)} {word(now.status)}", after=f"a new attempt of {', '.join(names)}", token=now,
            inverse=("run.cancel", {}) if self.kind == "run" else None,
            why_no_inverse="" if self.kind == "run" else "what it starts is cancelled on its run",
            command=self.command(params),
        )  # fmt: skip

    def _params(self, place: Place, stage: str) -> dict[str, Any]:
        return {
            "pipelineName": place.pipeline, "stageName": stage, "pipelineExecutionId": place.execution,
            "retryMode": self.mode,
        }  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once."""
        place, seen = self.place(preview.ref), preview.token
        now, _ = await self.seen(place, seen.stage)
        if now != seen:
            raise self.moved(f"{shown(seen.stage)}, {word(seen.status)}", f"{word(now.status)}, with other attempts")
        await self.send(self._params(place, seen.stage))
        return "AWS took the retry"

    async def verify(self, preview: Preview) -> Outcome:
        """A new attempt is listed; the execution's identity stays."""
        place, seen = self.place(preview.ref), preview.token

        async def newer() -> Attempt | None:
            now, _ = await self.seen(place, seen.stage)
            return now if set(now.attempts) - set(seen.attempts) else None

        now = await self.until(newer, preview, "no new attempt is listed")
        return Outcome(verified=True, message=f"{shown(now.stage)} runs again: {word(now.status)}", observed=now.status)


class RerunFailed(Retry):
    """`run.rerun_failed`: the failed actions of the stage that failed."""

    verb = "run.rerun_failed"
    doing = "retry what failed of"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return None if record.state in ("failed", "stopped") else f"it is {record.state}: nothing of it failed"


class Cancel(OnPipeline):
    """`run.cancel`: what runs is let end, and nothing begins after it; with `force` it is abandoned."""

    verb = "run.cancel"
    operation = "StopPipelineExecution"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return None if record.finished_at is None else f"it has ended: {record.state}"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be stopped. Raises Conflict for what has ended."""
        place = self.place(ref)
        force = {"true": True, "": False, "false": False}.get(args.get("force", "").strip().lower())
        title = f"stop {place.pipeline} #{place.execution[:8]}"
        if force is None:
            raise Refused(f"{title} was not sent", source=self.source.name, why="force= is true or false")
        status = await self.status(place)
        if status in ENDED:
            raise self.refused(title, f"it has ended: {word(status)}")
        if status == "Stopping" and not force:
            raise self.refused(title, "it is stopping already", "force=true abandons what still runs")
        details = await self.source.runs.actions(place)
        moving = [
            f"{shown(each.get('stageName'))}/{shown(each.get('actionName'))}" for each in details
            if each.get("status") == "InProgress"
        ]  # fmt: skip
        fate = "abandoned: what they did so far stays" if force else "let end; nothing begins after them"
        params = self._params(place, force=force)
        return Preview(
            verb=self.verb, ref=ref, record=self.source.runs.known(place), args={"force": str(force).lower()},
            title=title, steps=(self.call(params),),
            impact=(f"{', '.join(moving[:8])}: {fate}",) if moving else ("nothing of it runs",), before=word(status),
            after="stopped", token=(status, force), inverse=("run.rerun_failed", {}) if moving and force else None,
            why_no_inverse="" if moving and force else "AWS goes on with no stopped execution: re-run its commit",
            command=self.command(params),
        )  # fmt: skip

    def _params(self, place: Place, *, force: bool) -> dict[str, Any]:
        return {
            "pipelineName": place.pipeline, "pipelineExecutionId": place.execution, "abandon": force,
            "reason": "stopped from quarterdeck",
        }  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once."""
        place, (seen, force) = self.place(preview.ref), preview.token
        now = await self.status(place)
        if now in ENDED or (now == "Stopping" and seen != now and not force):
            raise self.moved(word(seen), word(now))
        await self.send(self._params(place, force=force))
        return "AWS took the stop"

    async def verify(self, preview: Preview) -> Outcome:
        """It has stopped; or it is stopping, which lasts as long as what runs."""
        place = self.place(preview.ref)
        status = ""
        for pause in (*SETTLE_S, None):
            status = await self.status(place)
            if status in ENDED or pause is None:
                break
            await self.source.sleep(pause)
        if status == "Stopping":
            return Outcome(verified=True, message="it is stopping: what runs is let end", observed=status)
        done = status == "Stopped"
        said = f"it is {word(status)}" + ("" if status not in MOVING else ": AWS has not stopped it")
        return Outcome(verified=done, message=said, observed=status)
