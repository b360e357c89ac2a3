"""Start a pipeline: on the newest source, on a revision that is named, or on what an earlier execution had.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StartPipelineExecution.html
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.ci.values import Json, rows, section, sha_of, shown, text, whole
from quarterdeck_adapters.codepipeline.acting import ENDED, OnPipeline
from quarterdeck_adapters.codepipeline.mapping import Home, moment, source_actions, word
from quarterdeck_adapters.codepipeline.places import Place
from quarterdeck_config.masking import looks_secret, mask_mapping
from quarterdeck_config.schema import SecretRef
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Parameter, Preview
from quarterdeck_lifecycle.records import Record, Ref

SECRET_S = 12.0
SLACK_S = 30.0
KEPT = 100
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TYPES = {"ECR": "IMAGE_DIGEST", "S3": "S3_OBJECT_VERSION_ID"}
"""What a source action's revision is, by its provider; all others bring commits."""
Revision = dict[str, str]


class Start(NamedTuple):
    """What would be started. `version` is the declaration's as it was seen, `nonce` makes sending it idempotent."""

    version: int
    variables: tuple[tuple[str, str], ...]
    revisions: tuple[tuple[str, str, str], ...]
    nonce: str

    def params(self, pipeline: str, values: Mapping[str, str]) -> dict[str, Any]:
        """The operation's input, with these values of the variables."""
        made: dict[str, Any] = {"name": pipeline, "clientRequestToken": self.nonce}
        if values:
            made["variables"] = [{"name": name, "value": value} for name, value in values.items()]
        if self.revisions:
            made["sourceRevisions"] = [
                {"actionName": action, "revisionType": kind, "revisionValue": value}
                for action, kind, value in self.revisions
            ]
        return made


class Sent(NamedTuple):
    """What was there right before the write, when, and the identity that the answer named."""

    before: frozenset[str]
    at: float
    made: str = ""


def declared_parameters(declared: Json) -> list[Parameter]:
    """The variables that a pipeline declares; one without a default is required."""
    return [
        Parameter(
            name=text(each.get("name")), title=text(each.get("description")), default=text(each.get("defaultValue")),
            required=not text(each.get("defaultValue")), secret=looks_secret(text(each.get("name"))),
        )
        for each in rows(declared, "variables") if text(each.get("name"))
    ]  # fmt: skip


def revision_type(action: Json) -> str:
    """What a source action takes as its revision."""
    return _TYPES.get(text(section(action, "actionTypeId").get("provider")), "COMMIT_ID")


def revisions_for(ref: str, declared: Json, home: Home, source: str) -> tuple[tuple[str, str, str], ...]:
    """The revisions that a ref stands for; none for the branch that the pipeline is of. Raises Refused."""
    if ref in ("", home.branch) or (not home.branch and ref == "main"):
        return ()
    wanted = "COMMIT_ID" if sha_of(ref) else "IMAGE_DIGEST" if _DIGEST.fullmatch(ref) else ""
    for action in source_actions(declared):
        if wanted and revision_type(action) == wanted:
            return ((text(action.get("name")), wanted, ref),)
    branch = f"its branch {home.branch}, or " if home.branch else ""
    raise Refused(
        f"{shown(ref, 80)} was not taken", source=source,
        why="a pipeline starts on a whole commit id or an image's digest",
        mend=f"give {branch}a commit of 40 characters",
    )  # fmt: skip


class Starting(OnPipeline):
    """Sends a start once, and finds the execution that it made."""

    operation = "StartPipelineExecution"
    typed = False
    """Whether the operator gave the variables: what came from AWS names no file and no variable of this machine."""

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        self._sent: OrderedDict[str, Sent] = OrderedDict()

    def preview_of(self, ref: Ref, place: Place, title: str, start: Start, what: str, args: dict[str, str]) -> Preview:
        """The preview of a start; values that look secret are masked."""
        params = start.params(place.pipeline, self._told(dict(start.variables)))
        return Preview(
            verb=self.verb, ref=ref, record=self.source.runs.known(place), args=args, title=title,
            steps=(self.call(params),), impact=(what,), before=f"version {start.version} of {place.pipeline}",
            after="a new execution of it is listed", token=start,
            why_no_inverse="the execution that it starts is cancelled on its own row", command=self.command(params),
        )  # fmt: skip

    def _told(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values as they are shown: a secret that is only named is shown by its name."""
        named = {name: value for name, value in values.items() if self.typed and value.startswith(inputs.SECRETS)}
        return mask_mapping(values) | named

    async def execute(self, preview: Preview) -> str:
        """Compare the declaration, then send it once. Raises Conflict when the pipeline was changed."""
        place, start = self.place(preview.ref), preview.token
        declared = await self.source.runs.declared(place.pipeline, fresh=True)
        now = whole(declared.get("version")) or 0
        if now != start.version:
            raise self.moved(f"version {start.version} of the pipeline", f"version {now}")
        values = {name: await self._value(name, value) for name, value in start.variables}
        before = frozenset(text(each.get("pipelineExecutionId")) for each in await self._listed(place))
        self._remember(start.nonce, Sent(before, self.source.clients.server_now))
        answer = await self.send(start.params(place.pipeline, values))
        made = text(answer.get("pipelineExecutionId"))
        self._remember(start.nonce, self._sent[start.nonce]._replace(made=made))
        return f"AWS started {made}"

    async def _value(self, name: str, value: str) -> str:
        """The value, read at this moment where a secret one is only named. Raises AuthFailed."""
        if not self.typed or not looks_secret(name) or not value.startswith(inputs.SECRETS):
            return value
        kind, _, where = value.partition(":")
        ref = SecretRef(env=where) if kind == "env" else SecretRef(file=where)
        return await call(
            lambda: self.source.secret(ref), deadline=SECRET_S, source=self.source.name, what=f"the value of {name}"
        )

    def _remember(self, nonce: str, sent: Sent) -> None:
        self._sent[nonce] = sent
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    async def _listed(self, place: Place) -> list[Json]:
        body = await self.source.clients.call(
            "codepipeline", "ListPipelineExecutions", pipelineName=place.pipeline, maxResults=50
        )
        return rows(body, "pipelineExecutionSummaries")

    async def verify(self, preview: Preview) -> Outcome:
        """The execution that it made is there. Several that fit leave the outcome unknown."""
        place, sent = self.place(preview.ref), self._sent[preview.token.nonce]

        async def made() -> list[Json] | None:
            if sent.made:
                try:
                    return [await self.source.runs.read(place._replace(execution=sent.made))]
                except NotFound:
                    return None
            return [
                each for each in await self._listed(place)
                if text(each.get("pipelineExecutionId")) not in sent.before
                and section(each, "trigger").get("triggerType") == "StartPipelineExecution"
                and (moment(each.get("startTime")) or 0.0) >= sent.at - SLACK_S
            ] or None  # fmt: skip

        found = await self.until(made, preview, "no new execution is listed")
        ids = [text(each.get("pipelineExecutionId")) for each in found]
        if len(found) > 1:
            raise Conflict(
                "which execution it made is not certain", source=self.source.name,
                why=f"{', '.join(f'#{id[:8]}' for id in ids)} all began since", mend="look at their rows",
            )  # fmt: skip
        ref = Ref(self.source.name, "run", f"{place.pipeline}/{ids[0]}")
        return Outcome(verified=True, message=f"#{ids[0][:8]} began: {word(found[0].get('status'))}", observed=str(ref))


class Trigger(Starting):
    """`run.trigger`."""

    verb = "run.trigger"
    typed = True

    def refusal(self, record: Record) -> str | None:
        return None if isinstance(record, Run) else "not a run"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be started. Raises Refused for inputs and refs that the pipeline does not take."""
        place = self.place(ref)
        declared = await self.source.runs.declared(place.pipeline, fresh=True)
        home = await self.source.runs.home(place.pipeline)
        given = inputs.parse(args.get("inputs", ""), self.source.name)
        inputs.check(given, declared_parameters(declared), self.source.name)
        revisions = revisions_for(args.get("ref", "").strip(), declared, home, self.source.name)
        start = Start(
            whole(declared.get("version")) or 0, tuple(given.items()), revisions, f"quarterdeck-{secrets.token_hex(12)}"
        )
        what = f"on {revisions[0][2][:19]}" if revisions else f"on the newest of {home.branch or 'its source'}"
        kept = {"ref": args.get("ref", ""), "inputs": inputs.joined(self._told(given))}
        return self.preview_of(
            ref, place, f"start {place.pipeline}", start, f"{what}: {', '.join(stages_of(declared))}", kept
        )


class Rerun(Starting):
    """`run.rerun`: a new execution of the same source with the same variables, for AWS repeats no whole execution."""

    verb = "run.rerun"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return None if record.finished_at is not None else f"it is {record.state}: only what has ended is run again"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be started. Raises Conflict for what goes on, or names no revision."""
        place = self.place(ref)
        run = await self.source.runs.read(place)
        title = f"run {place.pipeline} #{place.execution[:8]} again"
        if text(run.get("status")) not in ENDED:
            raise self.refused(title, f"it is {word(run.get('status'))}: only what has ended is run again")
        declared = await self.source.runs.declared(place.pipeline, fresh=True)
        revisions = _revisions_of(run, declared)
        if not revisions:
            mend = "start the pipeline with T: it takes the newest"
            raise self.refused(title, "it names no revision of its source", mend)
        known = {parameter.name for parameter in declared_parameters(declared)}
        variables = {
            name: value for each in rows(run, "variables")
            if (name := text(each.get("name"))) in known and (value := text(each.get("resolvedValue")))
        }  # fmt: skip
        start = Start(
            whole(declared.get("version")) or 0, tuple(variables.items()), revisions,
            f"quarterdeck-{secrets.token_hex(12)}",
        )  # fmt: skip
        what = f"a new execution of {revisions[0][2][:19]}, from its first stage: {', '.join(stages_of(declared))}"
        return self.preview_of(ref, place, title, start, what, {})


def _revisions_of(run: Json, declared: Json) -> tuple[tuple[str, str, str], ...]:
    """What an execution's source actions brought, as revisions of a new one."""
    brought = {text(each.get("name")): text(each.get("revisionId")) for each in rows(run, "artifactRevisions")}
    return tuple(
        (text(action.get("name")), revision_type(action), value)
        for action in source_actions(declared) for output in rows(action, "outputArtifacts")
        if (value := brought.get(text(output.get("name")), ""))
    )  # fmt: skip


def stages_of(declared: Json) -> Sequence[str]:
    """The names of its stages."""
    return [shown(each.get("name"), 60) for each in rows(declared, "stages")]
