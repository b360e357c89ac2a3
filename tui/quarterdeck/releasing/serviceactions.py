"""The verbs of releases as actions of the source `services`, so that they go the way of every other verb."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.kinds import Operation, Service
from quarterdeck_lifecycle.ports import Action, Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.release.ports import Ask

if TYPE_CHECKING:
    from quarterdeck.releasing.servicesource import ServiceSource

_SPAN = re.compile(r"(\d+)\s*(m|h|d)")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}
ASKS: dict[str, Ask] = {"keep": "keep", "extend": "extend", "put_back": "put back", "abort": "abort"}
EFFECTS = {
    "keep": "the soak ends, what serves now is kept", "extend": "the soak lasts longer by its own length",
    "put_back": "whatever was switched is put back now", "abort": "it stops, and whatever was switched is put back",
}  # fmt: skip


def command_of(plan: Plan) -> str:
    """The command line that plans and starts the same."""
    words = ["quarterdeck"]
    if plan.kind == "promote" or (plan.to.kind == "model" and plan.kind == "deploy"):
        alias = plan.changes[0].place.name.rpartition("@")[2] if plan.changes else "champion"
        words += ["promote", plan.to.name, plan.to.digest, "--alias", alias]
    elif plan.kind == "rollback":
        alias = next((each.place.name for each in plan.changes if each.place.kind == "alias"), "")
        name = alias if plan.to.kind == "model" and alias else plan.service
        words += ["rollback", name, "--to", plan.to.digest or plan.to.image_id]
    else:
        words += ["deploy", plan.service, plan.to.digest or plan.wanted]
    words += ["--env", plan.environment] if plan.environment else []
    words += ["--reason", plan.reason] if plan.reason else []
    words += ["--confirm", plan.service] if plan.protected else []
    return shlex.join([*words, "--yes"])


class Release:
    """Deploy and put back: previewed as the plan, executed by a runner that is followed to its end."""

    def __init__(self, source: ServiceSource, verb: str) -> None:
        self._source, self._verb = source, verb

    def permitted(self, record: Record) -> str | None:
        """None for a service that may be released."""
        if not isinstance(record, Service):
            return "it is no service"
        return record.deployable or None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """The plan, as steps."""
        record = self._source.boot.hub.find(ref)
        service, _, environment = ref.id.rpartition("@")
        if self._verb == "service.rollback":
            plan = await self._source.desk.plan(
                service, environment, "", kind="rollback", to_revision=args.get("to", "")
            )
        else:
            plan = await self._source.desk.plan(service, environment, args.get("to", ""), back=args.get("back", ""))
        return preview_of(plan, self._verb, record, dict(args))

    async def execute(self, preview: Preview) -> str:
        """Start the runner and wait for its end."""
        plan: Plan = preview.token
        op = await self._source.desk.start(plan)
        told = ""
        async for event in self._source.desk.follow(op):
            told = event.message or told
        return told

    async def verify(self, preview: Preview) -> Outcome:
        """How the operation ended: it reads back by itself."""
        found = await self._source.desk.operation(preview.token.op)
        message = f"operation {found.op}: {found.result or found.state}: {found.message}"
        return Outcome(verified=found.result == "SUCCEEDED", message=message, observed=found.result)


def preview_of(plan: Plan, verb: str, record: Record | None, args: dict[str, str]) -> Preview:
    """A plan as the preview of a verb; `token` is the plan."""
    inverse: tuple[str, dict[str, str]] | None = None if verb == "service.rollback" else ("service.rollback", {})
    return Preview(
        verb=verb, ref=plan.ref, record=record, args=args, title=f"{plan.kind} {plan.service} in {plan.environment}",
        steps=tuple(Step(call=step.title, detail=f"at most {step.deadline_s:g} s") for step in plan.steps),
        warnings=plan.warnings, before=plan.before.reference if plan.before else "", after=plan.to.reference,
        token=plan, deadline_s=sum(step.deadline_s for step in (*plan.steps, *plan.back_steps)), inverse=inverse,
        why_no_inverse="" if inverse else "deploy what ran before", command=command_of(plan),
    )  # fmt: skip


class Freezing:
    """Freeze a service, and unfreeze it."""

    def __init__(self, source: ServiceSource, frozen: bool) -> None:
        self._source, self._frozen = source, frozen

    def permitted(self, record: Record) -> str | None:
        """None for a service of the config that is not, or is, frozen."""
        if not isinstance(record, Service) or record.offered:
            return "it is no service of the config"
        if not self._frozen and not record.frozen:
            return "it is not frozen"
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What is written into the state. Raises Refused for a time that is none."""
        record = self._source.boot.hub.find(ref)
        verb = "service.freeze" if self._frozen else "service.unfreeze"
        until = until_of(args.get("until", ""), self._source.boot.now()) if self._frozen else None
        service, _, environment = ref.id.rpartition("@")
        inverse: tuple[str, dict[str, str]] | None = ("service.unfreeze", {}) if self._frozen else None
        return Preview(
            verb=verb, ref=ref, record=record, args=dict(args), title=f"{verb.partition('.')[2]} {service}",
            steps=(Step(call="the state", detail="no release until unfrozen" if self._frozen else "releases again"),),
            before=record.frozen if isinstance(record, Service) else "", after="frozen" if self._frozen else "free",
            token=until, inverse=inverse, why_no_inverse="freeze it again, with a reason",
            command=shlex.join(["quarterdeck", verb.partition(".")[2], service, "--env", environment]),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Write it."""
        service, _, environment = preview.ref.id.rpartition("@")
        if not self._frozen:
            await self._source.desk.unfreeze(service, environment)
            return "unfrozen"
        made = await self._source.desk.freeze(service, environment, preview.args.get("reason", ""), preview.token)
        return str(made)

    async def verify(self, preview: Preview) -> Outcome:
        """Read the freezes back."""
        service, _, environment = preview.ref.id.rpartition("@")
        found = [f for f in await self._source.desk.freezes() if (f.service, f.environment) == (service, environment)]
        message = str(found[0]) if found else "not frozen"
        return Outcome(verified=bool(found) is self._frozen, message=message, observed=message)


def until_of(words: str, now: float) -> float | None:
    """`90m`, `2h`, `3d`, or RFC 3339, as epoch seconds; None for none. Raises Refused."""
    from quarterdeck.releasing.telling import epoch

    words = words.strip()
    if not words:
        return None
    if span := _SPAN.fullmatch(words):
        return now + int(span[1]) * _SECONDS[span[2]]
    at = epoch(words)
    if at is None:
        raise Refused(f"not a time: {words[:40]}", mend="90m, 2h, 3d, or 2026-01-31T18:00:00Z")
    if at <= now:
        raise Refused(f"{words} has passed")
    return at


class Asking:
    """What a viewer asks of a running operation: written down for its runner, which answers in the log."""

    def __init__(self, source: ServiceSource, id: str) -> None:
        self._source, self._id = source, id

    def permitted(self, record: Record) -> str | None:
        """None while it runs."""
        if not isinstance(record, Operation):
            return "it is no operation"
        if record.result:
            return f"it has ended: {record.result}"
        return None if record.alive else "its runner is dead: recover it"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What that will do."""
        found = await self._source.desk.operation(ref.id)
        record = self._source.boot.hub.find(ref)
        return Preview(
            verb=f"operation.{self._id}", ref=ref, record=record, args=dict(args),
            title=f"{ASKS[self._id]} {found.op[-4:]}", impact=(EFFECTS[self._id],),
            steps=(Step(call=f"ask the runner: {ASKS[self._id]}"),), before=found.step or found.state,
            token=len(await self._source.desk.store.asks(found.op)),
            why_no_inverse="what is asked cannot be taken back",
            command=f"quarterdeck abort {found.op}" if self._id == "abort" else "",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Write it down. Raises Refused when nobody hears it."""
        await self._source.desk.ask(preview.ref.id, ASKS[self._id])
        return "asked"

    async def verify(self, preview: Preview) -> Outcome:
        """Whether it stands there for the runner."""
        asks = (await self._source.desk.store.asks(preview.ref.id))[preview.token :]
        there = any(each.ask == ASKS[self._id] for each in asks)
        return Outcome(verified=there, message="asked; its log tells what comes of it" if there else "it is not there")


class Approving:
    """The second pair of eyes."""

    def __init__(self, source: ServiceSource) -> None:
        self._source = source

    def permitted(self, record: Record) -> str | None:
        """None for an operation that waits."""
        waits = isinstance(record, Operation) and not record.result and record.waits
        return None if waits else "it does not wait for an approval"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Whose plan it is, and the hash that the approval is bound to."""
        found = await self._source.desk.operation(ref.id)
        if found.plan is None:
            raise NotFound("its plan cannot be read", why="another version of this program wrote it")
        return Preview(
            verb="operation.approve", ref=ref, record=self._source.boot.hub.find(ref), args=dict(args),
            title=f"approve {found.kind} {found.service}", before="waits for approval", after="approved for 30 min",
            steps=(Step(call="the state", detail=f"yes to plan {found.plan.digest()[:16]}"),),
            impact=(f"{found.kind} {found.service} in {found.environment}: {found.plan.to.reference}",),
            token=found.plan.digest(), why_no_inverse="abort the operation instead",
            command=f"quarterdeck approve {found.op}",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Say yes to exactly the plan that was shown. Raises Conflict, Refused."""
        found = await self._source.desk.operation(preview.ref.id)
        if found.plan is None or found.plan.digest() != preview.token:
            raise Conflict("its plan is another one now")
        await self._source.desk.approve(found.op)
        return "approved"

    async def verify(self, preview: Preview) -> Outcome:
        """Whether the approval stands."""
        found = await self._source.desk.operation(preview.ref.id)
        who = await self._source.desk.store.approved(found.op, str(preview.token), "")
        return Outcome(verified=bool(who), message=f"approved by {who}" if who else "no approval stands there")


class Recovering:
    """Settle an operation whose runner has died."""

    def __init__(self, source: ServiceSource) -> None:
        self._source = source

    def permitted(self, record: Record) -> str | None:
        """None for one that is dead, or stuck."""
        if not isinstance(record, Operation):
            return "it is no operation"
        dead = not record.result and not record.alive
        return None if dead or record.result == "STUCK" else f"it needs none: {record.result or record.state}"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What it may come to."""
        found = await self._source.desk.operation(ref.id)
        return Preview(
            verb="operation.recover", ref=ref, record=self._source.boot.hub.find(ref), args=dict(args),
            title=f"recover {found.kind} {found.service}", before=found.result or found.state, after="settled",
            impact=("what is proven is finished; what was switched and is not proven is put back",),
            steps=(Step(call="start its runner anew, to settle it"),), deadline_s=900.0, token=found.op,
            why_no_inverse="it settles what was left", command=f"quarterdeck recover {found.op}",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Recover, and wait for the end."""
        told = await self._source.desk.recover(str(preview.token))
        return f"{told[0][1]}: {told[0][2]}" if told else "nothing was left to settle"

    async def verify(self, preview: Preview) -> Outcome:
        """Whether it has ended well defined."""
        found = await self._source.desk.operation(preview.ref.id)
        settled = found.state == "ended" and found.result != "STUCK"
        return Outcome(verified=settled, message=f"{found.result or found.state}: {found.message}")


def actions(source: ServiceSource) -> dict[str, Action]:
    """All of them by verb."""
    found: dict[str, Action] = {f"operation.{id}": Asking(source, id) for id in ASKS}
    return found | {
        "service.deploy": Release(source, "service.deploy"), "service.rollback": Release(source, "service.rollback"),
        "service.freeze": Freezing(source, True), "service.unfreeze": Freezing(source, False),
        "operation.approve": Approving(source), "operation.recover": Recovering(source),
    }  # fmt: skip
