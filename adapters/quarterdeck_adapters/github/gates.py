"""Approve or reject what waits for an environment: of a run, or of one deployment.

https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28#review-pending-deployments-for-a-workflow-run
https://docs.github.com/en/actions/how-tos/deploy/configure-and-manage-deployments/review-deployments
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, login, rows, section, shown, text, whole
from quarterdeck_adapters.github import mapping
from quarterdeck_adapters.github.acting import GithubAction
from quarterdeck_adapters.github.mapping import Spot
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.kinds import Deployment, Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

COMMENT = 1000


class Seen(NamedTuple):
    """What the operator saw: the attempt of the run, and the environments to decide on, by id and name."""

    run: int
    attempt: int
    gates: tuple[tuple[int, str], ...]

    @property
    def names(self) -> str:
        """The environments, in words."""
        return ", ".join(name for _, name in self.gates)

    @property
    def ids(self) -> list[int]:
        """The environments' ids."""
        return [id for id, _ in self.gates]


def named(pending: Json) -> str:
    """The environment of a pending deployment."""
    return text(section(pending, "environment").get("name"))


def chosen(pending: Sequence[Json], gate: str) -> list[Json]:
    """Those that are meant: the named one, or all that the account may decide on."""
    if gate:
        return [each for each in pending if named(each).lower() == gate.lower()]
    return [each for each in pending if each.get("current_user_can_approve") is True]


class Decide(GithubAction):
    """What both verbs share. `args`: comment, gate (the name of one environment, when several wait)."""

    state = ""
    doing = ""

    def refusal(self, record: Record) -> str | None:
        """What does not wait, and what waits for others."""
        if not isinstance(record, Run | Deployment):
            return "nothing of it waits for an approval"
        if record.state == "action required":
            return "GitHub asks whether a newcomer's workflow may run: that is answered on its page"
        if record.state != "waiting":
            return f"it is {record.state}: nothing of it waits for an approval"
        if record.note.startswith("approval: ") and not record.waits_for_me:
            return f"it waits for others ({record.note})"
        return None

    async def target(self, ref: Ref, args: Mapping[str, str]) -> tuple[Place, str]:
        """The run that waits, and the gate that is meant, if one is named. Raises QuarterdeckError."""
        return self.place(ref), args.get("gate", "").strip()

    async def pending(self, run: Place) -> list[Json]:
        """What the run waits for now."""
        return rows(await self.api.get(f"{run.run}/pending_deployments"))

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict where nothing waits, or not for this account."""
        run, gate = await self.target(ref, args)
        payload = await self.source.runs.read(run)
        pending = await self.pending(run)
        spot = Spot(note=mapping.approval_note(pending), mine=mapping.approvable(pending))
        record = mapping.run_record(payload, self.source.home(run.slug), spot=spot)
        title = f"{self.doing} {record.name}"
        waiting = ", ".join(shown(named(each)) for each in pending)
        gates = chosen(pending, gate)
        if not pending:
            raise self.refused(title, f"it is {record.state}: nothing of it waits for an approval")
        if not gates:
            others_wait = f"it waits for others: {spot.note}"
            raise self.refused(title, f"nothing waits at {shown(gate)}; it waits at {waiting}" if gate else others_wait)
        if any(each.get("current_user_can_approve") is not True for each in gates):
            raise self.refused(title, f"it is not yours to decide: {mapping.approval_note(gates)}")
        comment = args.get("comment", "").strip()[:COMMENT]
        pairs = tuple((whole(section(each, "environment").get("id")) or 0, shown(named(each))) for each in gates)
        seen = Seen(run.number, record.attempt, pairs)
        others = [each for each in pending if each not in gates]
        warnings = []
        if len(gates) > 1:
            warnings.append(f"{len(gates)} environments at once; gate=NAME takes one of them")
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"comment": comment} if comment else {}, title=title,
            steps=(self.step("POST", f"{run.run}/pending_deployments", self.body(seen, comment)),),
            impact=(
                f"{shown(payload.get('display_title'))} of {record.head[:10]} on {record.branch}, by {record.actor}",
                *(self.told(each) for each in gates),
                *((f"still waits then: {mapping.approval_note(others)}",) if others else ()),
            ),
            warnings=tuple(warnings), before=f"waits at {waiting}", after=f"{self.state} by you: {seen.names}",
            token=seen, inverse=self.inverse(seen), why_no_inverse="" if self.inverse(seen) else self.why_no_inverse,
            command=self.api_command(run, seen, comment),
        )  # fmt: skip

    def api_command(self, run: Place, seen: Seen, comment: str) -> str:
        """The same with GitHub's own program, which has no word of its own for it."""
        fields = [word for id in seen.ids for word in ("-F", f"environment_ids[]={id}")]
        where = [] if self.source.host == "github.com" else ["--hostname", self.source.host]
        path = f"{run.run.lstrip('/')}/pending_deployments"
        words = ["gh", "api", *where, "-X", "POST", path, *fields, "-f", f"state={self.state}", "-f"]
        return shlex.join([*words, f"comment={comment}"])

    why_no_inverse = ""

    def inverse(self, seen: Seen) -> tuple[str, dict[str, str]] | None:  # noqa: ARG002 - for rejections
        """The way back, or None."""
        return None

    def told(self, pending: Json) -> str:
        """What happens at one environment."""
        timer = whole(pending.get("wait_timer")) or 0
        note = mapping.approval_note([pending]).removeprefix("approval: ")
        after = f", which then waits {timer} min" if timer and self.state == "approved" else ""
        return f"{self.state}: {note}{after}"

    def refused(self, title: str, why: str) -> Conflict:
        """What is raised when it cannot be sent."""
        return Conflict(f"{title} was not sent", source=self.source.name, why=why, mend="look again")

    def body(self, seen: Seen, comment: str) -> dict[str, object]:
        """What is sent."""
        return {"environment_ids": seen.ids, "state": self.state, "comment": comment}

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when it no longer waits for what was seen."""
        seen: Seen = preview.token
        run = self.source.place(preview.ref)._replace(number=seen.run)
        payload, pending = await self.source.runs.read(run), await self.pending(run)
        attempt = whole(payload.get("run_attempt")) or 1
        mine = {whole(section(each, "environment").get("id")) for each in chosen(pending, "")}
        if attempt != seen.attempt or not set(seen.ids) <= mine:
            now = ", ".join(shown(named(each)) for each in pending) or "nothing"
            raise self.moved(f"attempt {seen.attempt} waiting at {seen.names}", f"attempt {attempt} waiting at {now}")
        body = self.body(seen, preview.args.get("comment", ""))
        answer = await self.api.write("POST", f"{run.run}/pending_deployments", body)
        return f"GitHub accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """Nothing waits at those environments, and the run's history names the decision and who made it."""
        seen: Seen = preview.token
        run = self.source.place(preview.ref)._replace(number=seen.run)

        async def decided() -> list[Json] | None:
            waits = {whole(section(each, "environment").get("id")) for each in await self.pending(run)}
            if waits & set(seen.ids):
                return None
            return rows(await self.api.get(f"{run.run}/approvals"))

        history = await self.until(decided, preview, f"{seen.names} still waits")
        last = [next((each for each in history if id in _ids(each)), {}) for id in seen.ids]
        done = all(text(each.get("state")) == self.state for each in last)
        who = ", ".join(sorted({shown(login(each)) for each in last if login(each)})) or "nobody that is named"
        now = mapping.word(await self.source.runs.read(run))
        message = f"{seen.names} {self.state} by {who}; the run is {now}"
        if not done:
            pairs = zip(seen.gates, last, strict=True)
            said = ", ".join(f"{name} {text(each.get('state')) or 'not named'}" for (_, name), each in pairs)
            message = f"the run's history says: {said}; the run is {now}"
        return Outcome(verified=done, message=message, observed=now)


def _ids(approval: Json) -> set[int | None]:
    return {whole(each.get("id")) for each in rows(approval, "environments")}


class Approve(Decide):
    """`run.approve`."""

    verb = "run.approve"
    state = "approved"
    doing = "approve"
    why_no_inverse = "what has begun is stopped by cancelling its run; what it did stays"


class Reject(Decide):
    """`run.reject`: the jobs that wait fail, and those that need them are skipped."""

    verb = "run.reject"
    state = "rejected"
    doing = "reject"
    why_no_inverse = "another attempt asks again: re-run the failed jobs of its run"

    def inverse(self, seen: Seen) -> tuple[str, dict[str, str]] | None:  # noqa: ARG002 - see Decide
        """Another attempt, which waits again."""
        return ("run.rerun_failed", {}) if self.kind == "run" else None


class _OnDeployment(Decide):
    kind = "deployment"

    async def target(self, ref: Ref, args: Mapping[str, str]) -> tuple[Place, str]:  # noqa: ARG002 - see Decide
        place = self.place(ref)
        read = await self.source.deployments.read(place)
        record = self.source.deployments.record(read, place.slug)
        title = f"{self.doing} {record.name}"
        if not record.run:
            raise self.refused(title, "neither its statuses nor its payload name a run that waits")
        if read.gate is None:
            raise self.refused(title, f"it is {record.state}: its run waits for no approval at {record.target}")
        return place._replace(number=int(record.run.rpartition("/")[2])), text(read.deployment.get("environment"))


class ApproveDeployment(_OnDeployment, Approve):
    """`deployment.approve`: the same decision, for the environment of this deployment alone."""

    verb = "deployment.approve"


class RejectDeployment(_OnDeployment, Reject):
    """`deployment.reject`."""

    verb = "deployment.reject"
