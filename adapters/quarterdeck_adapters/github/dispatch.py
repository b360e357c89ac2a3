"""Starting a workflow by hand. The answer need not name the run that it made: it is told by what is new since.

https://docs.github.com/en/rest/actions/workflows?apiVersion=2022-11-28#create-a-workflow-dispatch-event
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.ci.values import Json, epoch, known, login, sha_of, shown, text, whole
from quarterdeck_adapters.github.acting import GithubAction
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.workflow_file import NONCES, check_inputs
from quarterdeck_lifecycle.errors import (
    Conflict,
    Malformed,
    NotFound,
    QuarterdeckError,
    Refused,
    Unsupported,
)
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

SLACK_S = 5.0
KEPT = 100
_REF = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{))[^\s~^:?*\[\\\x00-\x1f\x7f]{1,255}(?<![/.])")


class Wanted(NamedTuple):
    """What is to be started, and the commit that the operator saw under the ref. `key` is of this preview alone."""

    workflow: int
    sha: str
    branch: str
    nonce: str
    key: str


class Sent(NamedTuple):
    """What was there right before the write, and what the answer said of the run."""

    runs: frozenset[int]
    at: float
    run: int = 0


def fitting(runs: Iterable[Json], wanted: Wanted, sent: Sent, viewer: str) -> list[Json]:
    """The runs that a dispatch may have made: new, by us, of that ref, and with our nonce where one shows it."""
    found = [
        run for run in runs
        if (whole(run.get("id")) or 0) not in sent.runs
        and run.get("event") == "workflow_dispatch"
        and text(run.get("head_branch")) == wanted.branch
        and (epoch(run.get("created_at")) or 0.0) >= sent.at - SLACK_S
        and (not viewer or login(run, "actor") == viewer)
    ]  # fmt: skip
    mine = [run for run in found if wanted.nonce and wanted.nonce in text(run.get("display_title"))]
    return mine or found


class Trigger(GithubAction):
    """`run.trigger`: the workflow of the row, on a branch or tag. `args`: ref, inputs (`key=value ...`)."""

    verb = "run.trigger"

    def __init__(self, source: GithubSource) -> None:
        super().__init__(source)
        self._sent: OrderedDict[str, Sent] = OrderedDict()

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Refused for a ref or inputs that cannot be, Unsupported without a trigger."""
        place = self.place(ref)
        name = args.get("ref", "").strip()
        if not _REF.fullmatch(name):
            raise Refused(f"{shown(name)!r} is no name of a branch or tag", source=self.source.name)
        given = inputs.parse(args.get("inputs", ""), self.source.name)
        run = await self.source.runs.read(place)
        record = self.source.runs.record(run, place.slug)
        self.checked(record, "the workflow")
        workflow = await self.api.object(f"{place.root}/actions/workflows/{whole(run.get('workflow_id')) or 0}")
        title = f"run {shown(workflow.get('name'))} of {place.slug} on {name}"
        if (state := text(workflow.get("state"))) != "active":
            raise Conflict(f"{title} was not sent", source=self.source.name, why=f"the workflow is {state}")
        sha = await self._commit(place, name)
        wants = await self.source.workflows.declared(place, text(workflow.get("path")), sha)
        if not wants.dispatch:
            raise Unsupported(
                f"{shown(workflow.get('name'))} cannot be started by hand", source=self.source.name,
                why=f"its file on {name} has no workflow_dispatch under on:",
            )  # fmt: skip
        check_inputs(given, wants, self.source.name)
        nonce = next((given[each] for each in NONCES if given.get(each)), "")
        mine = next((each for each in NONCES if each in wants.inputs and each not in given), "")
        if not nonce and mine:
            nonce = given[mine] = f"qd-{secrets.token_hex(6)}"
        wanted = Wanted(
            workflow=whole(workflow.get("id")) or 0,
            sha=sha,
            branch=re.sub(r"^(refs/)?(heads|tags)/", "", name),
            nonce=nonce,
            key=secrets.token_hex(8),
        )
        body = self._body(name, given)
        fields = [word for key, value in given.items() for word in ("-f", f"{key}={value}")]
        warnings = []
        if not wants.known:
            warnings.append("the workflow's file could not be read: inputs are checked by GitHub alone")
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"ref": name, "inputs": args.get("inputs", "")}, title=title,
            steps=(self.step("POST", self._path(place, wanted), body),),
            impact=(f"{shown(workflow.get('path'))} at {sha[:10]}, with the secrets of {place.slug}",),
            warnings=tuple(warnings), before=f"{name} at {sha[:10]}", after="a new run of it is listed",
            token=(wanted, given), why_no_inverse="the run that it starts is cancelled on its own row",
            command=self.command(
                "workflow", "run", str(wanted.workflow), "--ref", name, *fields, place=place
            ),
        )  # fmt: skip

    def _body(self, name: str, inputs: Mapping[str, str]) -> dict[str, object]:
        body: dict[str, object] = {"ref": name}
        if inputs:
            body["inputs"] = dict(inputs)
        if self.source.names_runs:
            body["return_run_details"] = True
        return body

    def _path(self, place: Place, wanted: Wanted) -> str:
        return f"{place.root}/actions/workflows/{wanted.workflow}/dispatches"

    async def _commit(self, place: Place, name: str) -> str:
        try:
            found = await self.api.object(f"{place.root}/commits/{quote(name, safe='/')}")
        except (NotFound, Conflict) as error:
            raise Refused(
                f"{place.slug} has no branch or tag {shown(name)}", source=self.source.name, why=error.why
            ) from error
        sha = sha_of(found.get("sha"))
        if not sha:
            raise Malformed(f"{shown(name)} of {place.slug} names no commit", source=self.source.name)
        return sha

    async def _listed(self, place: Place, wanted: Wanted) -> dict[int, Json]:
        path = f"{place.root}/actions/workflows/{wanted.workflow}/runs"
        body = await self.api.object(path, {"event": "workflow_dispatch", "per_page": 50})
        return known(body, "workflow_runs")

    async def execute(self, preview: Preview) -> str:
        """Compare the ref's commit, note which runs there are, then send it once. Raises Conflict when it moved."""
        place = self.place(preview.ref)
        wanted, given = preview.token
        name = preview.args["ref"]
        sha = await self._commit(place, name)
        if sha != wanted.sha:
            raise self.moved(f"{name} at {wanted.sha[:10]}", f"at {sha[:10]}")
        before = frozenset(await self._listed(place, wanted))
        self._remember(wanted.key, Sent(before, self.api.server_now))
        answer = await self.api.write("POST", self._path(place, wanted), self._body(name, given))
        if answer.body:
            try:
                run = whole((await answer.json()).get("workflow_run_id")) or 0
            except (QuarterdeckError, AttributeError):
                run = 0
            self._remember(wanted.key, self._sent[wanted.key]._replace(run=run))
        return f"GitHub accepted it ({answer.status})"

    def _remember(self, key: str, sent: Sent) -> None:
        self._sent[key] = sent
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    async def verify(self, preview: Preview) -> Outcome:
        """The run that it made is listed. Several that fit, or none in time, leave the outcome unknown."""
        place, wanted = self.place(preview.ref), preview.token[0]
        sent = self._sent[wanted.key]
        viewer = await self.source.pulls.viewer()

        async def made() -> list[Json] | None:
            if sent.run:
                try:
                    return [await self.source.runs.read(place._replace(number=sent.run))]
                except NotFound:
                    return None
            return fitting((await self._listed(place, wanted)).values(), wanted, sent, viewer) or None

        runs = await self.until(made, preview, "no new run of it is listed")
        numbers = ", ".join(f"#{text(run.get('run_number'))}" for run in runs)
        if len(runs) > 1:
            raise Conflict(
                "which run it made is not certain", source=self.source.name,
                why=f"{numbers} all began since, by the same actor on {wanted.branch}", mend="look at their rows",
            )  # fmt: skip
        run = self.source.runs.record(runs[0], place.slug)
        return Outcome(verified=True, message=f"run {numbers} appeared: {run.state}", observed=str(run.ref))
