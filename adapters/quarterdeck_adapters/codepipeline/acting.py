"""What the verbs share: read, compare, send once, read back; and all of them by their ids."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from quarterdeck_adapters.ci.acting import Cannot, CiAction
from quarterdeck_adapters.codepipeline.places import Place
from quarterdeck_lifecycle.errors import Conflict, Forbidden, Unsupported
from quarterdeck_lifecycle.ports import Action, Step
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource

ENDED = frozenset({"Succeeded", "Failed", "Stopped", "Superseded", "Cancelled"})
CANNOT = {
    "job.cancel": ("job", "AWS stops whole executions: cancel the run"),
    "job.start": ("job", "there is no manual job: what waits is approved on its run"),
    "deployment.approve": ("deployment", "an approval is an action of its own: approve the run"),
    "deployment.reject": ("deployment", "an approval is an action of its own: reject it on the run"),
}


class Named(Action, Protocol):
    """A mutation that knows the id of its verb."""

    verb: str


class OnPipeline(CiAction["CodePipelineSource"]):
    """A verb whose write is one operation."""

    operation = ""

    def denied(self, record: Record) -> str | None:  # noqa: ARG002 - see CiAction
        """What AWS refused to this identity before."""
        return self.source.denied.get(self.verb)

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

    def refused(self, title: str, why: str, mend: str = "") -> Conflict:
        """What is raised when the state forbids it."""
        return Conflict(f"{title} was not sent", source=self.source.name, why=why, mend=mend)

    def call(self, params: Mapping[str, Any]) -> Step:
        """The operation as it will be sent."""
        detail = json.dumps(params, ensure_ascii=False, sort_keys=True)
        return Step(call=f"codepipeline {self.operation}", detail=detail)

    def command(self, params: Mapping[str, Any]) -> str:
        """The same with AWS's own program."""
        verb = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.operation).lstrip("-")
        where = ["--region", self.source.clients.region] if self.source.clients.region else []
        profile = ["--profile", self.source.given.profile] if self.source.given.profile else []
        words = ["aws", "codepipeline", verb, *where, *profile, "--cli-input-json"]
        return shlex.join([*words, json.dumps(params, ensure_ascii=False, sort_keys=True)])

    async def send(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send it once. What AWS does not allow is remembered, so that the key is greyed."""
        try:
            return await self.source.clients.call("codepipeline", self.operation, **params)
        except Forbidden as error:
            who = f"it lacks {error.scope}" if error.scope else error.why
            self.source.denied[self.verb] = f"AWS refused it to this identity: {who}"
            raise

    async def status(self, place: Place) -> str:
        """The execution's status now, in AWS's word."""
        return str((await self.source.runs.read(place)).get("status") or "")


def actions(source: CodePipelineSource) -> dict[str, Action]:
    """Every mutation."""
    from quarterdeck_adapters.codepipeline import approving, run_actions, stage_actions, starting

    made: list[Named] = [
        starting.Trigger(source), starting.Rerun(source), run_actions.RerunFailed(source),
        run_actions.Cancel(source), approving.Approve(source), approving.Reject(source), stage_actions.Rerun(source),
        stage_actions.Rollback(source), stage_actions.Redeploy(source), stage_actions.Hold(source),
        stage_actions.Release(source),
    ]  # fmt: skip
    found: dict[str, Action] = {action.verb: action for action in made}
    for verb, (kind, why) in CANNOT.items():
        found[verb] = Cannot(source, verb, why, kind)
    return found
