"""Starting a build by a force scheduler. The answer names the build request that it made.

https://docs.buildbot.net/latest/developer/raml/forcescheduler.html (method `force`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from quarterdeck_adapters.buildbot import fields
from quarterdeck_adapters.buildbot.acting import BuildbotAction
from quarterdeck_adapters.buildbot.fields import Field
from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.ci.values import Json, shown, text
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.ports import Outcome, Parameter, Preview
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.buildbot.adapter import BuildbotSource


class Form(NamedTuple):
    """A force scheduler as it is now, and the others that could start the same builder."""

    name: str
    fields: list[Field]
    others: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """What would be sent, and to which form."""

    form: Form
    params: dict[str, Any]
    key: str


def chosen(found: Sequence[Json], preferred: str, source: str, builder: str) -> Form:
    """The scheduler that the config prefers, else the first that is enabled. Raises Unsupported without one."""
    enabled = [each for each in found if each.get("enabled") is not False and text(each.get("name"))]
    if not enabled:
        raise Unsupported(
            f"{shown(builder)} cannot be started by hand", source=source,
            why="no force scheduler of this Buildbot is for it" if not found else "its force scheduler is switched off",
            mend="add a ForceScheduler to master.cfg",
        )  # fmt: skip
    first = next((each for each in enabled if each.get("name") == preferred), enabled[0])
    others = tuple(text(each.get("name")) for each in enabled if each is not first)
    return Form(text(first.get("name")), fields.flat(first), others)


async def form_of(source: BuildbotSource, builderid: int, builder: str) -> Form:
    """The form that starts a builder. Raises QuarterdeckError."""
    found = await source.api.rows(f"builders/{builderid}/forceschedulers", "forceschedulers")
    return chosen(found, source.force_scheduler, source.name, builder)


async def parameters(source: BuildbotSource, ref: Ref) -> Sequence[Parameter]:
    """What a new run of the builder of `ref` may be given. Raises QuarterdeckError."""
    known = await source.runs.read(source.place(ref))
    return fields.parameters((await form_of(source, known.builderid, known.builder)).fields)


class Trigger(BuildbotAction):
    """`run.trigger`: a build of the row's builder. `args`: ref (branch, tag or commit), inputs (`key=value ...`)."""

    verb = "run.trigger"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Refused for inputs that cannot be, Unsupported without a force scheduler."""
        source = self.source
        known = await source.runs.read(self.place(ref))
        record = await source.runs.record(known)
        self.checked(record, f"start {shown(known.builder)}")
        form = await form_of(source, known.builderid, known.builder)
        given = inputs.parse(args.get("inputs", ""), source.name)
        inputs.check(given, fields.parameters(form.fields), source.name)
        wanted = args.get("ref", "").strip()
        at = fields.of_ref(form.fields, wanted) if wanted else {}
        warnings = []
        if wanted and not at:
            warnings.append(f"{form.name} takes no branch: {shown(wanted)} is not sent, it builds what is configured")
        if form.others:
            warnings.append(f"{form.name} is used; {', '.join(map(shown, form.others))} could start it too")
        params: dict[str, Any] = {"builderid": str(known.builderid), **at,
                                  **fields.values(form.fields, given, source.name)}  # fmt: skip
        place = f" on {shown(wanted)}" if at else ""
        return Preview(
            verb=self.verb, ref=ref, record=record, title=f"start {shown(known.builder)}{place}",
            args={"ref": wanted, "inputs": args.get("inputs", "")},
            steps=(self.step("POST", f"/api/v2/forceschedulers/{form.name}", self.api.rpc("force", params)),),
            impact=(f"a build of {shown(known.builder)} by {shown(form.name)}, on one of its workers",),
            warnings=tuple(warnings), before=f"the form {form.name}", after="a new request, followed to its build",
            token=Wanted(form, params, self.key()),
            why_no_inverse="the run that it starts is cancelled on its own row",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare the form, then send it once. Raises Conflict when it changed, or when Buildbot refuses a value."""
        wanted: Wanted = preview.token
        builderid = int(wanted.params["builderid"])
        now = await form_of(self.source, builderid, self.source.runs.builders.get(builderid, "the builder"))
        if now != wanted.form:
            raise self.moved(f"the form of {wanted.form.name}", f"another one ({now.name})")
        body = self.api.rpc("force", wanted.params)
        return self.keep(wanted.key, await self.api.control(f"forceschedulers/{wanted.form.name}", body))

    async def verify(self, preview: Preview) -> Outcome:
        """The request that it made is there, or its build."""
        return await self.follow(preview.token.key, preview)
