"""Approve and reject: deployments that are blocked, on their own rows and as the gates of a pipeline.

After the last approval GitLab leaves the job to be started by hand: that is a manual job, and a gate again.
https://docs.gitlab.com/api/deployments/#approve-or-reject-a-blocked-deployment
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quarterdeck_adapters.ci.inputs import parse
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_adapters.gitlab import variables
from quarterdeck_adapters.gitlab.acting import GitlabAction
from quarterdeck_adapters.gitlab.gates import approvers, left, target_of, why_not_mine
from quarterdeck_adapters.gitlab.mapping import word
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_adapters.gitlab.probing import PREMIUM
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Deployment, Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref


class Gate(NamedTuple):
    """What waits: a deployment, or a manual job (`job` alone is set). `seen` is what the operator saw of it."""

    name: str
    deployment: int
    job: int
    seen: str


def gate_of(deployment: Json) -> Gate:
    """A blocked deployment as a gate."""
    seen = f"{word(deployment)}, {left(deployment)} approvals left"
    job = whole(section(deployment, "deployable").get("id")) or 0
    return Gate(target_of(deployment), whole(deployment.get("id")) or 0, job, seen)


class Saying(GitlabAction):
    """One word on a blocked deployment, or the start of a manual job."""

    status = "approved"
    doing = "approve"

    async def gates(self, place: Place) -> list[Gate]:
        """What waits on the row. Raises QuarterdeckError."""
        raise NotImplementedError

    async def deployment(self, place: Place, gate: Gate) -> Json:
        """The gate's deployment as it is now."""
        return await self.source.deploys.read(place._replace(number=gate.deployment))

    def chosen(self, found: list[Gate], wanted: str, title: str) -> Gate:
        """The gate that is meant. Raises Conflict for none, Refused where several wait."""
        fitting = [gate for gate in found if gate.name == wanted] if wanted else found
        if not fitting:
            why = f"no gate {shown(wanted)} waits" if wanted else "nothing of it waits for an approval"
            raise Conflict(f"{title} was not sent", source=self.source.name, why=why)
        if len(fitting) > 1:
            names = ", ".join(f"gate={gate.name}" for gate in fitting)
            mend = f"name one: {names}"
            raise Refused(f"{title} was not sent", source=self.source.name, why="several wait", mend=mend)
        return fitting[0]

    async def told(self, ref: Ref, place: Place, record: Record, args: Mapping[str, str], title: str) -> Preview:
        """What would be sent. Raises Conflict, Refused, Unsupported."""
        gate = self.chosen(await self.gates(place), args.get("gate", "").strip(), title)
        comment = args.get("comment", "").strip()
        kept = {name: value for name, value in (("comment", comment), ("gate", gate.name)) if value}
        if not gate.deployment:
            if self.status == "rejected":
                raise Unsupported(
                    f"{title} was not sent", source=self.source.name,
                    why=f"{gate.name} is a manual job: it is not rejected, it is left alone or the run is cancelled",
                )  # fmt: skip
            path, inputs = f"{place.root}/jobs/{gate.job}/play", args.get("inputs", "")
            return Preview(
                verb=self.verb, ref=ref, record=record, args={**kept, **({"inputs": inputs} if inputs else {})},
                title=f"{title}: start {gate.name}", steps=(self.step("POST", path, self._play(inputs)),),
                impact=(f"the manual job {gate.name} goes to a runner",),
                before=gate.seen, after="it is manual no more", token=gate, inverse=("run.cancel", {}),
                command=self.command("POST", path),
            )  # fmt: skip
        one = await self.deployment(place, gate)
        if left(one) is None:
            raise Unsupported(f"{title} was not sent", source=self.source.name, why=PREMIUM)
        why = why_not_mine(one, await self.source.projects.viewer(), self.source.projects.access(place.path))
        if why:
            raise Refused(f"{title} was not sent", source=self.source.name, why=why)
        path = f"{place.root}/deployments/{gate.deployment}/approval"
        body = {"status": self.status, **({"comment": comment} if comment else {})}
        more = "its job then waits to be started" if self.status == "approved" else "its job fails"
        return Preview(
            verb=self.verb, ref=ref, record=record, args=kept, title=title, steps=(self.step("POST", path, body),),
            impact=(f"{text(one.get('sha'))[:10]} on {gate.name}, by {approvers(one) or 'somebody'}", more),
            before=gate.seen, after=f"{self.status} by you", token=gate,
            why_no_inverse="GitLab takes no word on a deployment back", command=self.command("POST", path, body),
        )  # fmt: skip

    def _play(self, words: str) -> dict[str, object] | None:
        given = parse(words, self.source.name)
        variables.checked(given, self.source.name)
        return {"job_variables_attributes": variables.listed(given)} if given else None

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the gate is not as it was seen."""
        place, gate = self.place(preview.ref), preview.token
        now = next((each for each in await self.gates(place) if each[1:3] == gate[1:3]), None)
        if now is None or now.seen != gate.seen:
            raise self.moved(gate.seen, now.seen if now is not None else "no gate any more")
        if not gate.deployment:
            body = await variables.resolved(self.source, self._play(preview.args.get("inputs", "")))
            answer = await self.api.write("POST", f"{place.root}/jobs/{gate.job}/play", body)
            return f"GitLab accepted it ({answer.status})"
        comment = preview.args.get("comment", "")
        said = {"status": self.status, **({"comment": comment} if comment else {})}
        try:
            answer = await self.api.write("POST", f"{place.root}/deployments/{gate.deployment}/approval", said)
        except NotFound as error:
            raise Unsupported(f"{preview.title} was refused", source=self.source.name, why=PREMIUM) from error
        return f"GitLab accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """Our word is listed, or the job is manual no more."""
        place, gate = self.place(preview.ref), preview.token
        if not gate.deployment:
            async def begun() -> str | None:
                state = word(await self.api.object(place._replace(job=gate.job).the_job))
                return None if state == "manual" else state

            state = await self.until(begun, preview, "it is still manual")
            return Outcome(verified=True, message=f"{gate.name} is {state}", observed=state)
        viewer = await self.source.projects.viewer()

        async def said() -> Json | None:
            one = await self.deployment(place, gate)
            mine = [a for a in rows(one, "approvals")
                    if a.get("status") == self.status and (
                        not viewer or text(section(a, "user").get("username")) == viewer)]  # fmt: skip
            return one if mine else None

        one = await self.until(said, preview, "no word of yours is listed")
        rest, job = left(one) or 0, shown(section(one, "deployable").get("name"), 60)
        if self.status == "rejected":
            message = f"rejected: it is {word(one)}"
        elif rest:
            message = f"approved: {rest} more needed"
        else:
            message = f"approved: {job} can be started now"
        return Outcome(verified=True, message=message, observed=word(one))


class ApproveRun(Saying):
    """`run.approve`: the blocked deployment of a pipeline, or its manual job. `args`: comment, gate, inputs."""

    verb = "run.approve"

    def refusal(self, record: Record) -> str | None:
        """What has ended, and what waits for nobody."""
        if not isinstance(record, Run):
            return "not a run"
        return None if record.state in ("manual", "running") else f"it is {record.state}: nothing waits for an approval"

    async def gates(self, place: Place) -> list[Gate]:
        jobs, blocked = await self.source.runs.jobs(place), await self.source.gates.blocked(place)
        stops = self.source.gates.stops(jobs, blocked)
        manual = [Gate(shown(j.get("name"), 60), 0, whole(j.get("id")) or 0, word(j)) for j in stops]
        return [*(gate_of(each) for each in blocked), *manual]

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent, for the pipeline as it is now."""
        place = self.place(ref)
        record = self.source.runs.record(await self.source.runs.read(place), place.path)
        title = f"{self.doing} {record.name}"
        self.checked(record, title)
        return await self.told(ref, place, record, args, title)


class RejectRun(ApproveRun):
    """`run.reject`: the blocked deployment of a pipeline; its job fails. `args`: comment, gate."""

    verb = "run.reject"
    status = "rejected"
    doing = "reject"


class ApproveDeployment(Saying):
    """`deployment.approve`. `args`: comment."""

    verb = "deployment.approve"
    kind = "deployment"

    def refusal(self, record: Record) -> str | None:
        """What is not blocked."""
        if not isinstance(record, Deployment):
            return "not a deployment"
        return None if record.state == "blocked" else f"it is {record.state}: it waits for no approval"

    async def gates(self, place: Place) -> list[Gate]:
        return [gate_of(await self.source.deploys.read(place))]

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent, for the deployment as it is now."""
        place = self.place(ref)
        record = self.source.deploys.record(await self.source.deploys.read(place), place.path)
        title = f"{self.doing} {record.name}"
        self.checked(record, title)
        return await self.told(ref, place, record, {"comment": args.get("comment", "")}, title)


class RejectDeployment(ApproveDeployment):
    """`deployment.reject`. `args`: comment."""

    verb = "deployment.reject"
    status = "rejected"
    doing = "reject"
