"""What is done to a stage: run it again, roll it back, let nothing into it, let it go on.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RollbackStage.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_DisableStageTransition.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_adapters.codepipeline.acting import OnPipeline
from quarterdeck_adapters.codepipeline.mapping import MOVING, revision, word
from quarterdeck_adapters.codepipeline.places import Place, place_of
from quarterdeck_adapters.codepipeline.run_actions import Retry
from quarterdeck_adapters.codepipeline.stages import Way, stage_state, way_into
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.kinds import Deployment, Job
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref, Status

_REASON = re.compile(r"[a-zA-Z0-9!@ ().*?-]{1,300}")
LATEST = ("", "previous", "last")


def _no_stage(record: Record) -> str | None:
    place = place_of(record.ref)
    if not isinstance(record, Job) or place is None:
        return "not a stage"
    return "AWS does this to whole stages: take the row of the stage" if place.attempt else None


class Rerun(Retry):
    """`job.rerun`: all actions of a stage that failed, from its first."""

    verb = "job.rerun"
    kind = "job"
    mode = "ALL_ACTIONS"
    doing = "run all again of"

    def refusal(self, record: Record) -> str | None:
        if (why := _no_stage(record)) is not None or not isinstance(record, Job):
            return why
        if record.state in ("failed", "abandoned", "stopped"):
            return None
        return f"it is {record.state}: AWS runs a stage again that failed or was stopped"


class OnStage(OnPipeline):
    """A verb of a whole stage."""

    kind = "job"

    def refusal(self, record: Record) -> str | None:
        return _no_stage(record)

    def place(self, ref: Ref) -> Place:
        """The stage. Raises Refused for an action of it."""
        place = super().place(ref)
        if place.attempt:
            mend = "take the row of the stage"
            raise Refused(f"{self.verb} is for a whole stage", source=self.source.name, mend=mend)
        return place

    async def state(self, place: Place) -> Json:
        """The stage as it is now. Raises NotFound when the pipeline has it no longer."""
        found = stage_state(await self.source.runs.state(place.pipeline), place.stage)
        if not found:
            raise NotFound(f"{place.pipeline} has no stage {place.stage}", source=self.source.name)
        return found


class Back(NamedTuple):
    """Which execution is gone back to, and what held the stage when the operator looked."""

    target: str
    holds: str
    status: str


class Rollback(OnStage):
    """`job.rollback`: a new execution that brings the stage back to what an earlier one had there."""

    verb = "job.rollback"
    operation = "RollbackStage"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What it would go back to. Raises Conflict where AWS would refuse it, Refused for an unknown target."""
        place = self.place(ref)
        title = f"roll {place.pipeline} {place.stage} back"
        now = self._holder(await self.state(place))
        if now[1] in MOVING:
            raise self.refused(title, f"#{now[0][:8]} is in the stage", "wait for it, or cancel it")
        done, _ = await self.source.runs.pages(
            "ListPipelineExecutions", "pipelineExecutionSummaries", "pipelineExecutionId",
            pipelineName=place.pipeline, maxResults=50, filter={"succeededInStage": {"stageName": place.stage}},
        )  # fmt: skip
        target = self._target(args.get("to", "").strip().lstrip("#"), done, now[0], title)
        id, found = text(target.get("pipelineExecutionId")), revision(target)
        back = Back(id, *now)
        params, undone = self._params(place, id), now[1] == "Succeeded"
        what = f"#{id[:8]}: {shown(text(found.get('revisionId'))[:10])} {shown(found.get('revisionSummary'), 80)}"
        return Preview(
            verb=self.verb, ref=ref, args={"to": id}, title=f"{title} to #{id[:8]}", steps=(self.call(params),),
            impact=(what, "a new execution runs this stage alone, its approvals too; later stages stay as they are"),
            before=f"{shown(place.stage)} holds #{now[0][:8]}, {word(now[1])}",
            after=f"#{id[:8]} is in {place.stage} again", token=back,
            inverse=("job.rollback", {"to": now[0]}) if undone and self.kind == "job" else None,
            why_no_inverse=self._no_inverse(now, undone=undone),
            command=self.command(params),
        )  # fmt: skip

    def _no_inverse(self, now: tuple[str, str], *, undone: bool) -> str:
        if not undone:
            return "what it held had not succeeded: AWS goes back only to what did"
        return "" if self.kind == "job" else f"deploy #{now[0][:8]} again to go forth"

    def _holder(self, state: Json) -> tuple[str, str]:
        latest = section(state, "latestExecution")
        return text(latest.get("pipelineExecutionId")), text(latest.get("status"))

    def _target(self, wanted: str, done: list[Json], holds: str, title: str) -> Json:
        fits = [each for each in done if each.get("executionType") != "ROLLBACK"]
        if wanted in LATEST:
            fits = [each for each in fits if text(each.get("pipelineExecutionId")) != holds][:1]
        else:
            known_as = {text(each.get("pipelineExecutionId")): each for each in fits}
            fits = [each for id, each in known_as.items() if len(wanted) >= 6 and id.startswith(wanted)]
        if len(fits) == 1:
            return fits[0]
        known = ", ".join(f"#{text(each.get('pipelineExecutionId'))[:8]}" for each in done[:5]) or "none"
        why = "several executions begin so" if fits else "no execution of that name succeeded in this stage"
        raise Refused(f"{title} was not sent", source=self.source.name, why=why, mend=f"the last that did: {known}")

    def _params(self, place: Place, target: str) -> dict[str, Any]:
        return {"pipelineName": place.pipeline, "stageName": place.stage, "targetPipelineExecutionId": target}

    async def execute(self, preview: Preview) -> str:
        """Compare what holds the stage, then send it once."""
        place, back = self.place(preview.ref), preview.token
        now = self._holder(await self.state(place))
        if now != (back.holds, back.status):
            raise self.moved(f"#{back.holds[:8]}, {word(back.status)}", f"#{now[0][:8]}, {word(now[1])}")
        answer = await self.send(self._params(place, back.target))
        return f"AWS started {text(answer.get('pipelineExecutionId'))}"

    async def verify(self, preview: Preview) -> Outcome:
        """An execution that goes back to the target holds the stage, or waits for it."""
        place, back = self.place(preview.ref), preview.token

        async def listed() -> Json | None:
            body = await self.source.clients.call(
                "codepipeline", "ListPipelineExecutions", pipelineName=place.pipeline, maxResults=20
            )
            for each in rows(body, "pipelineExecutionSummaries"):
                if text(each.get("pipelineExecutionId")) == back.holds:
                    return None
                went = section(each, "rollbackMetadata").get("rollbackTargetPipelineExecutionId")
                if went == back.target:
                    return each
            return None

        found = await self.until(listed, preview, "no execution that goes back is listed")
        id = text(found.get("pipelineExecutionId"))
        return Outcome(verified=True, message=f"#{id[:8]} goes back to #{back.target[:8]}: {word(found.get('status'))}",
                       observed=f"{self.source.name}/run/{place.pipeline}/{id}")  # fmt: skip


class Redeploy(Rollback):
    """`deployment.redeploy`: the stage of a deployment goes back to the execution that made it."""

    verb = "deployment.redeploy"
    kind = "deployment"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Deployment):
            return "not a deployment"
        if record.current:
            return "it is what is there now: re-run its run"
        return None if record.status is Status.OK else f"it {record.state}: AWS goes back only to what succeeded"

    def place(self, ref: Ref) -> Place:
        """The stage that it was of."""
        return OnPipeline.place(self, ref)._replace(attempt="")

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - see Rollback
        """As a rollback to its own execution."""
        return await super().preview(ref, {"to": self.place(ref).execution})


class Hold(OnStage):
    """`job.hold`: nothing enters the stage any more; what is in it goes on."""

    verb = "job.hold"
    operation = "DisableStageTransition"
    enabled = False

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be changed. Raises Conflict when it is so already, Refused for a reason that AWS does not take."""
        place = self.place(ref)
        state = await self.state(place)
        way, title = way_into(state), f"{'enable' if self.enabled else 'disable'} the transition into {place.stage}"
        if "inboundTransitionState" not in state:
            raise self.refused(title, "no transition leads into the first stage")
        if way.enabled == self.enabled:
            raise self.refused(title, f"it is {'enabled' if way.enabled else f'disabled: {way.reason}'} already")
        reason = args.get("reason", "").strip()
        if not self.enabled and not _REASON.fullmatch(reason):
            raise Refused(
                f"{title} was not sent", source=self.source.name,
                why="AWS takes letters, digits and !@ ().*?- as a reason", mend="say why in at most 300 of them",
            )  # fmt: skip
        params = self._params(place, reason)
        inbound = [text(each.get("pipelineExecutionId"))[:8] for each in rows(state, "inboundExecutions")]
        waits = f"#{', #'.join(inbound)} enters it" if self.enabled and inbound else ""
        inverse = ("job.hold", {"reason": way.reason}) if self.enabled else ("job.release", {})
        return Preview(
            verb=self.verb, ref=ref, args={"reason": reason} if reason else {}, title=f"{title} of {place.pipeline}",
            steps=(self.call(params),),
            impact=(waits or ("executions may enter it" if self.enabled else "every execution waits before it"),),
            before=_said(way), after=f"{place.stage}: {'enabled' if self.enabled else 'disabled'}", token=way,
            inverse=inverse, command=self.command(params),
        )  # fmt: skip

    def _params(self, place: Place, reason: str) -> dict[str, Any]:
        made = {"pipelineName": place.pipeline, "stageName": place.stage, "transitionType": "Inbound"}
        return made if self.enabled else made | {"reason": reason}

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once."""
        place = self.place(preview.ref)
        now = way_into(await self.state(place))
        if now != preview.token:
            raise self.moved(_said(preview.token), _said(now))
        await self.send(self._params(place, preview.args.get("reason", "")))
        return "AWS took it"

    async def verify(self, preview: Preview) -> Outcome:
        """The transition is as it was told to be."""
        place = self.place(preview.ref)

        async def changed() -> Way | None:
            way = way_into(await self.state(place))
            return way if way.enabled == self.enabled else None

        way = await self.until(changed, preview, "the transition is as it was")
        return Outcome(verified=True, message=f"into {shown(place.stage)}: {_said(way)}", observed=_said(way))


class Release(Hold):
    """`job.release`."""

    verb = "job.release"
    operation = "EnableStageTransition"
    enabled = True


def _said(way: Way) -> str:
    return "enabled" if way.enabled else f"disabled: {way.reason}"
