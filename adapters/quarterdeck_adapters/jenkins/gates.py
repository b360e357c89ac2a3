"""Input steps: let a Pipeline go on, or end it.

https://www.jenkins.io/doc/pipeline/steps/pipeline-input-step/
https://github.com/jenkinsci/pipeline-stage-view-plugin/blob/master/rest-api/README.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_adapters.jenkins import mapping
from quarterdeck_adapters.jenkins.acting import JenkinsAction
from quarterdeck_adapters.jenkins.parameters import input_of, masked, resolved
from quarterdeck_adapters.jenkins.places import path_of
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Parameter, Preview
from quarterdeck_lifecycle.records import Record, Ref

DEFAULT = "<DEFAULT>"
"""What Jenkins' own form sends for a secret that was left as it is (PasswordParameterDefinition.DEFAULT_VALUE)."""


class Asked(NamedTuple):
    """An input as the operator saw it."""

    id: str
    message: str
    usual: tuple[tuple[str, str], ...]
    """What it asks for, with its defaults as they are sent."""

    def __str__(self) -> str:
        return f"{self.id}: {self.message}"


def asked(payload: Json) -> Asked:
    """An input of wfapi's pendingInputActions."""
    usual = []
    for each in rows(payload, "inputs"):
        default = section(each, "definition").get("defaultVal")
        spoken = str(default).lower() if isinstance(default, bool) else text(default)
        usual.append((text(each.get("name")), DEFAULT if input_of(each).secret else spoken))
    return Asked(text(payload.get("id")), shown(payload.get("message"), 200), tuple(usual))


def chosen(pending: list[Json], gate: str, source: str) -> Json:
    """The input that is meant. Raises Conflict when none waits, Refused when several do and none is named."""
    waiting = [each for each in pending if text(each.get("id"))]
    if gate:
        waiting = [each for each in waiting if gate in (text(each.get("id")), text(each.get("message")))]
    if not waiting:
        raise Conflict("nothing was sent", source=source, why=f"no input{f' {shown(gate)}' if gate else ''} waits")
    if len(waiting) > 1:
        raise Refused(
            "several inputs wait", source=source, mend="name one by gate=: "
            + ", ".join(f"{shown(each.get('id'), 60)} ({shown(each.get('message'), 60)})" for each in waiting[:8]),
        )  # fmt: skip
    return waiting[0]


class Decide(JenkinsAction):
    """A word on an input step. `args`: gate, and for its parameters `inputs` (key=value); comment is not kept."""

    doing = ""

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return None if record.state == "waiting" else f"it is {record.state}: no input waits"

    def call(self, where: str, now: Asked, known: list[Parameter], given: dict[str, str]) -> tuple[str, Json | None]:
        """Path and form of the write."""
        raise NotImplementedError

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict when nothing waits, Refused when it must be said which one."""
        place = self.place(ref)
        seen, run, _ = await self.seen(place)
        self.checked(run, f"{self.doing} {run.name}")
        where = f"{path_of(place.job)}/{seen.number}"
        payload = chosen(await self.source.stages.pending(where), args.get("gate", ""), self.source.name)
        now = asked(payload)
        known = [input_of(each) for each in rows(payload, "inputs")]
        given = inputs.parse(args.get("inputs", ""), self.source.name)
        inputs.check(given, known, self.source.name)
        path, form = self.call(where, now, known, masked(given, known))
        warnings = ("Jenkins keeps no comment on an input",) if args.get("comment") else ()
        kept = {name: value for name, value in args.items() if value and name in ("comment", "gate", "inputs")}
        ok = shown(payload.get("proceedText"), 60) or "Proceed"
        impact = [f"{now.message} · {ok if self.verb == 'run.approve' else 'Abort'}"]
        if form and known:
            sent = rows(form, "parameter")
            impact.append(", ".join(f"{shown(each['name'], 60)}={shown(each['value'], 60)}" for each in sent))
        return Preview(
            verb=self.verb, ref=ref, record=run, args=kept, title=f"{self.doing} {run.name}: {now.message}",
            steps=(self.step("POST", path, {"json": form} if form else None),), impact=tuple(impact),
            warnings=warnings, before=f"{run.name} waits for {now}", after=f"the input {shown(now.id)} is settled",
            token=(now, where, known, given), why_no_inverse="an input is answered once",
        )  # fmt: skip

    async def _still(self, where: str, now: Asked) -> bool:
        try:
            return any(asked(each) == now for each in await self.source.stages.pending(where))
        except NotFound:
            return False

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when somebody answered first."""
        now, where, known, given = preview.token
        if not await self._still(where, now):
            raise Conflict(
                "nothing was sent", source=self.source.name, why=f"the input {now} does not wait any more",
                mend="look who answered it",
            )  # fmt: skip
        values = await resolved(given, known, self.source.secret, self.source.name)
        path, form = self.call(where, now, known, values)
        answer = await self.post(self.place(preview.ref).job, path, {"json": json.dumps(form)} if form else None)
        return f"Jenkins accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """The input waits no more."""
        now, where, _, _ = preview.token

        async def settled() -> bool | None:
            return None if await self._still(where, now) else True

        await self.until(settled, preview, "the input still waits")
        word = mapping.word(await self.api.fields(where, "building,result"))
        return Outcome(verified=True, message=f"it was answered; the build is {word}", observed=word)


class Approve(Decide):
    """`run.approve`: proceed; an input with parameters is submitted with their values."""

    verb = "run.approve"
    doing = "approve"

    def call(self, where: str, now: Asked, known: list[Parameter], given: dict[str, str]) -> tuple[str, Json | None]:
        id = quote(now.id, safe="")
        if not known:
            return f"{where}/input/{id}/proceedEmpty", None
        values = [{"name": name, "value": given.get(name, value)} for name, value in now.usual]
        return f"{where}/wfapi/inputSubmit?inputId={id}", {"parameter": values}


class Reject(Decide):
    """`run.reject`: abort."""

    verb = "run.reject"
    doing = "reject"

    def call(
        self, where: str, now: Asked, known: list[Parameter], given: dict[str, str]  # noqa: ARG002 - as the base
    ) -> tuple[str, Json | None]:
        return f"{where}/input/{quote(now.id, safe='')}/abort", None
