"""Starting a pipeline: at the head of a branch or tag, with variables and inputs; and a pipeline once more.

https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci.inputs import check, parse
from quarterdeck_adapters.ci.values import Json, epoch, known, section, sha_of, shown, text, whole
from quarterdeck_adapters.gitlab import mapping, variables
from quarterdeck_adapters.gitlab.acting import GitlabAction
from quarterdeck_adapters.gitlab.ci_file import LARGEST, Declared
from quarterdeck_adapters.gitlab.ci_file import declared as read_file
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_lifecycle.errors import Conflict, Forbidden, Malformed, NotFound, QuarterdeckError, Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

SLACK_S = 5.0
KEPT = 100
_MERGE = re.compile(r"!([1-9]\d{0,9})")
_REF = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{))[^\s~^:?*\[\\\x00-\x1f\x7f]{1,255}(?<![/.])")


class Wanted(NamedTuple):
    """What is to be started, and the commit that the operator saw under the ref. `key` is of this preview alone."""

    ref: str
    sha: str
    body: dict[str, Any]
    key: str


class Sent(NamedTuple):
    """What was there right before the write, and which pipeline the answer named."""

    runs: frozenset[int]
    at: float
    run: int = 0


async def declared(source: GitlabSource, place: Place, ref: str) -> Declared:
    """What the project's file on a ref says that a new pipeline may be given."""
    about = await source.projects.read(place.path)
    path = text(about.get("ci_config_path")) or ".gitlab-ci.yml"
    if "@" in path or "://" in path:
        return Declared(False)
    where = f"{place.root}/repository/files/{quote(path, safe='')}/raw"
    try:
        answer = await source.api.answer(where, {"ref": ref or text(about.get("default_branch"))})
    except (NotFound, Forbidden):
        return Declared(False)
    raw = answer.body[: LARGEST + 1]
    return await call(lambda: read_file(raw), deadline=5, source=source.name, what="reading the pipeline's file")


class Starting(GitlabAction):
    """What starts a pipeline. The pipeline that came of it is told by what is new since, whatever the answer names."""

    def __init__(self, source: GitlabSource) -> None:
        super().__init__(source)
        self._sent: OrderedDict[str, Sent] = OrderedDict()

    async def commit(self, place: Place, name: str) -> str:
        """The commit at the head of a branch or tag. Raises Refused for a name that is none of the project's."""
        if not _REF.fullmatch(name):
            raise Refused(f"{shown(name)!r} is no name of a branch or tag", source=self.source.name)
        try:
            found = await self.api.object(f"{place.root}/repository/commits/{quote(name, safe='')}")
        except NotFound as error:
            raise Refused(
                f"{place.path} has no branch or tag {shown(name)}", source=self.source.name, why=error.why
            ) from error
        if not (sha := sha_of(found.get("id"))):
            raise Malformed(f"{shown(name)} of {place.path} names no commit", source=self.source.name)
        return sha

    def told(self, ref: Ref, place: Place, record: Run, wanted: Wanted, args: Mapping[str, str],
             warnings: tuple[str, ...], title: str) -> Preview:  # fmt: skip
        """The preview of a new pipeline."""
        path = f"{place.root}/pipeline"
        given = [text(each.get("key")) for each in wanted.body.get("variables", ())]
        given += list(wanted.body.get("inputs", {}))
        return Preview(
            verb=self.verb, ref=ref, record=record, args=dict(args), title=title,
            steps=(self.step("POST", path, variables.masked(wanted.body)),),
            impact=(f"{shown(wanted.ref)} at {wanted.sha[:10]}" + (f", given {', '.join(given)}" if given else ""),
                    f"its jobs run with the secrets of {place.path}"),
            warnings=warnings, before=f"{shown(wanted.ref)} at {wanted.sha[:10]}", after="a new pipeline is listed",
            token=wanted, why_no_inverse="the pipeline that it starts is cancelled on its own row",
            command=self.command("POST", path, {"ref": wanted.ref}) if set(wanted.body) == {"ref"} else "",
        )  # fmt: skip

    async def _listed(self, place: Place, ref: str) -> dict[int, Json]:
        return known(await self.api.get(f"{place.root}/pipelines", {"ref": ref, "per_page": 50}))

    async def execute(self, preview: Preview) -> str:
        """Compare the ref's commit, note what there is, then send it once. Raises Conflict when it moved."""
        place, wanted = self.place(preview.ref), preview.token
        sha = await self.commit(place, wanted.ref)
        if sha != wanted.sha:
            raise self.moved(f"{shown(wanted.ref)} at {wanted.sha[:10]}", f"at {sha[:10]}")
        sent = Sent(frozenset(await self._listed(place, wanted.ref)), self.api.server_now)
        self._remember(wanted.key, sent)
        body = await variables.resolved(self.source, wanted.body)
        answer = await self.api.write("POST", f"{place.root}/pipeline", body)
        try:
            named = whole((await answer.json()).get("id")) or 0
        except (QuarterdeckError, AttributeError):
            named = 0
        self._remember(wanted.key, sent._replace(run=0 if named in sent.runs else named))
        return f"GitLab accepted it ({answer.status})"

    def _remember(self, key: str, sent: Sent) -> None:
        self._sent[key] = sent
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    async def verify(self, preview: Preview) -> Outcome:
        """The pipeline that it made is there. Several that fit, or none in time, leave the outcome unknown."""
        place, wanted = self.place(preview.ref), preview.token
        sent, viewer = self._sent[wanted.key], await self.source.projects.viewer()

        async def fits(id: int) -> Json | None:
            try:
                run = await self.source.runs.read(place._replace(number=id))
            except NotFound:
                return None
            by = text(section(run, "user").get("username"))
            late = (epoch(run.get("created_at")) or 0.0) >= sent.at - SLACK_S
            mine = not viewer or not by or by == viewer
            return run if late and mine and text(run.get("sha")) == wanted.sha else None

        async def made() -> list[Json] | None:
            if sent.run and (run := await fits(sent.run)) is not None:
                return [run]
            new = [id for id in await self._listed(place, wanted.ref) if id not in sent.runs]
            return [run for id in new[:10] if (run := await fits(id)) is not None] or None

        runs = await self.until(made, preview, "no new pipeline of it is listed")
        numbers = ", ".join(f"#{text(run.get('id'))}" for run in runs)
        if len(runs) > 1:
            raise Conflict(
                "which pipeline it made is not certain", source=self.source.name,
                why=f"{numbers} all began since, by the same user on {shown(wanted.ref)}", mend="look at their rows",
            )  # fmt: skip
        run = self.source.runs.record(runs[0], place.path)
        return Outcome(verified=True, message=f"pipeline {numbers} appeared: {run.state}", observed=str(run.ref))


class Trigger(Starting):
    """`run.trigger`: a pipeline of the row's project. `args`: ref, inputs (`key=value ...`)."""

    verb = "run.trigger"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Refused for a ref or for inputs that cannot be."""
        place = self.place(ref)
        name = await self._branch(place, args.get("ref", "").strip())
        given = parse(args.get("inputs", ""), self.source.name)
        variables.checked(given, self.source.name)
        sha = await self.commit(place, name)
        run = await self.source.runs.read(place)
        record = self.source.runs.record(run, place.path)
        self.checked(record, f"a pipeline of {place.path}")
        wants = await declared(self.source, place, name)
        names = {parameter.name for parameter in wants.parameters}
        check({key: value for key, value in given.items() if key in names}, wants.parameters, self.source.name)
        strange = sorted(set(given) - names)
        warnings = []
        if not wants.known:
            warnings.append("the pipeline's file could not be read: what is given is checked by GitLab alone")
        elif strange:
            warnings.append(f"its file does not name {', '.join(strange)}: sent as variables all the same")
        body: dict[str, Any] = {"ref": name}
        if plain := {key: value for key, value in given.items() if key not in wants.inputs}:
            body["variables"] = variables.listed(plain)
        if inputs := {key: value for key, value in given.items() if key in wants.inputs}:
            body["inputs"] = inputs
        wanted = Wanted(name, sha, body, secrets.token_hex(8))
        return self.told(ref, place, record, wanted, {"ref": name, "inputs": args.get("inputs", "")}, tuple(warnings),
                         f"a new pipeline of {place.path} on {shown(name)}")  # fmt: skip

    async def _branch(self, place: Place, name: str) -> str:
        """The branch of a merge request where its number is given, as rows of its pipelines show it: `!88`."""
        if not (match := _MERGE.fullmatch(name)):
            return name
        merge = await self.source.merges.read(place._replace(number=int(match[1])))
        return text(merge.get("source_branch"))


class Rerun(Starting):
    """`run.rerun`: the pipeline once more, all of its jobs: a new one of the same commit with the same variables.

    GitLab starts pipelines at the head of a branch or tag alone, so this is for the commit that still is one.
    """

    verb = "run.rerun"

    def refusal(self, record: Record) -> str | None:
        """What goes on, and what was started by something that the API cannot repeat."""
        if not isinstance(record, Run):
            return "not a run"
        if record.state not in mapping.ENDED:
            return f"it is {record.state}: only what has ended is run again"
        if record.event in ("pull_request", "parent_pipeline"):
            return f"a pipeline of a {record.workflow} is not started anew by the API: R retries its failed jobs"
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict where its branch has moved on, or its state forbids it."""
        place = self.place(ref)
        run = await self.source.runs.read(place)
        record = self.source.runs.record(run, place.path)
        title = f"run {record.name} again, all of it"
        self.checked(record, title)
        name = text(run.get("ref"))
        sha = await self.commit(place, name)
        if sha != text(run.get("sha")):
            raise Conflict(
                f"{title} was not sent", source=self.source.name,
                why=f"{shown(name)} is at {sha[:10]} by now, and GitLab starts pipelines at the head alone",
                mend="start a new one, or retry the failed jobs of this one",
            )  # fmt: skip
        # Without its variables it would be another run: where they may not be read, this is refused.
        had = await self.source.runs.variables(place)
        body: dict[str, Any] = {"ref": name}
        if had:
            body["variables"] = [{"key": text(v.get("key")), "value": text(v.get("value"))} for v in had]
        wanted = Wanted(name, sha, body, secrets.token_hex(8))
        return self.told(ref, place, record, wanted, {}, (), title)
