"""Approve and reject: by the token of this very request, which another execution has not.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutApprovalResult.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_adapters.codepipeline.acting import OnPipeline
from quarterdeck_adapters.codepipeline.places import Place
from quarterdeck_adapters.codepipeline.stages import Gate, gates, stage_state
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

LONGEST = 512


class Seen(NamedTuple):
    """The request that the operator saw."""

    gate: Gate
    summary: str


class Approve(OnPipeline):
    """`run.approve`."""

    verb = "run.approve"
    operation = "PutApprovalResult"
    result = "Approved"
    doing = "approve"
    expected = "Succeeded"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return None if record.waits_for_me or record.state == "waiting" else f"it is {record.state}: no approval waits"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent for the approval that waits now. Raises Conflict when none does, Refused when several."""
        place = self.place(ref)
        home, state = await self.source.runs.home(place.pipeline), await self.source.runs.state(place.pipeline)
        title = f"{self.doing} {home.pipeline} #{place.execution[:8]}"
        gate = self._chosen(gates(state, place.execution), args.get("gate", ""), title)
        summary = args.get("comment", "").strip()[:LONGEST]
        record = self.source.runs.known(place)
        if record is not None and (why := self.denied(record)) is not None:
            raise self.refused(title, why)
        declared = await self.source.runs.declared(place.pipeline)
        params = self._params(place, Seen(gate, summary))
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"comment": summary, "gate": gate.name},
            title=f"{title} at {shown(gate.name)}",
            # The token is the right to answer: it is neither shown nor written down.
            steps=(self._hidden(params),), impact=_impact(declared, gate, self.result),
            before=f"{shown(gate.name)} waits", after=f"{shown(gate.name)} is {self.result.lower()}",
            token=Seen(gate, summary), why_no_inverse="an answered approval is answered: the next execution asks anew",
        )  # fmt: skip

    def _chosen(self, waiting: list[Gate], wanted: str, title: str) -> Gate:
        if not waiting:
            raise self.refused(title, "no approval of this execution waits", "look again: it may have been answered")
        fits = [gate for gate in waiting if wanted in ("", gate.name, gate.stage, gate.action)]
        names = ", ".join(shown(gate.name) for gate in waiting)
        if len(fits) == 1:
            return fits[0]
        why = f"{len(fits)} wait" if fits else f"{shown(wanted)} does not wait"
        raise Refused(f"{title} was not sent", source=self.source.name, why=why, mend=f"say gate= one of {names}")

    def _params(self, place: Place, seen: Seen) -> dict[str, Any]:
        return {
            "pipelineName": place.pipeline, "stageName": seen.gate.stage, "actionName": seen.gate.action,
            "result": {"summary": seen.summary, "status": self.result}, "token": seen.gate.token,
        }  # fmt: skip

    def _hidden(self, params: Mapping[str, Any]) -> Step:
        return self.call({**params, "token": "of this request"})

    async def execute(self, preview: Preview) -> str:
        """Compare the request, then answer it once. Raises Conflict when it is another one, or gone."""
        place, seen = self.place(preview.ref), preview.token
        now = gates(await self.source.runs.state(place.pipeline), place.execution)
        if seen.gate not in now:
            again = any(gate.name == seen.gate.name for gate in now)
            raise self.moved("one request", "another request of the same gate" if again else "answered or gone")
        await self.send(self._params(place, seen))
        return "AWS took the answer"

    async def verify(self, preview: Preview) -> Outcome:
        """The gate no longer waits, and the action ended as it was told to."""
        place, gate = self.place(preview.ref), preview.token.gate

        async def answered() -> str | None:
            state = await self.source.runs.state(place.pipeline)
            if gate in gates(state, place.execution):
                return None
            latest = _latest(state, gate)
            if latest is None or latest[0] != place.execution:
                return self.expected  # what came after it holds the stage now
            return latest[1]

        status = await self.until(answered, preview, "the approval still waits")
        ok = status == self.expected
        said = f"was {self.result.lower()}" if ok else f"is {status.lower()}"
        return Outcome(verified=ok, message=f"{shown(gate.name)} {said}", observed=status)


class Reject(Approve):
    """`run.reject`: the action fails, and the execution with it."""

    verb = "run.reject"
    result = "Rejected"
    doing = "reject"
    expected = "Failed"


def _latest(state: Json, gate: Gate) -> tuple[str, str] | None:
    stage = stage_state(state, gate.stage)
    for action in rows(stage, "actionStates"):
        if text(action.get("actionName")) == gate.action:
            holds = text(section(stage, "latestExecution").get("pipelineExecutionId"))
            return holds, text(section(action, "latestExecution").get("status"))
    return None


def _impact(declared: Json, gate: Gate, result: str) -> tuple[str, ...]:
    """What the approval asks, and what runs after it."""
    asks: list[str] = []
    after: list[str] = []
    reached = False
    for stage in rows(declared, "stages"):
        for action in rows(stage, "actions"):
            mine = (text(stage.get("name")), text(action.get("name"))) == (gate.stage, gate.action)
            if mine:
                said = shown(section(action, "configuration").get("CustomData"), 300)
                asks += [f"asked: {said}"] if said else []
            elif reached:
                after.append(f"{shown(stage.get('name'))}/{shown(action.get('name'))}")
            reached = reached or mine
    if result == "Rejected":
        return (*asks, "the execution fails here")
    return (*asks, f"goes on with {', '.join(after[:8])}" if after else "the execution goes on")
