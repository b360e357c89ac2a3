"""New builds: started with parameters, made again with the same ones, restarted from the stage that failed.

https://www.jenkins.io/doc/book/using/remote-access-api/#submitting-jobs
https://www.jenkins.io/doc/book/pipeline/running-pipelines/#restart-from-a-stage
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from msgspec.structs import replace

from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.ci.values import rows, shown, text
from quarterdeck_adapters.jenkins import checkouts, mapping
from quarterdeck_adapters.jenkins.acting import Making
from quarterdeck_adapters.jenkins.parameters import DEFINITIONS, definitions, masked, parameter_of, resolved
from quarterdeck_adapters.jenkins.places import WHOLE, Place, job_of, path_of
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Outcome, Parameter, Preview
from quarterdeck_lifecycle.records import Record, Ref

MADE_BY = "made_by"
"""Argument of `run.cancel`: the run that an earlier verb made, by the key of its preview."""


class Trigger(Making):
    """`run.trigger`: a new build of the row's job. `args`: ref (the branch, in a multibranch project), inputs."""

    verb = "run.trigger"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Refused for inputs that cannot be, Conflict for a job that is disabled."""
        place = self.place(ref)
        job = await self.source.runs.walk.job(place.job)
        asked = args.get("ref", "").strip()
        name, warnings = place.job, []
        if job.branch and asked and asked != job.branch:
            name = await self._branch(job.project, asked)
        elif asked and not job.branch:
            warnings.append(f"{shown(place.job)} is no multibranch job: it builds what its configuration says, "
                            f"whatever the branch ({shown(asked)}) asked for")  # fmt: skip
        found = await self.api.fields(path_of(name), DEFINITIONS)
        if found.get("buildable") is False:
            raise Conflict(f"{shown(name)} was not started", source=self.source.name, why="the job is disabled")
        known = [parameter_of(each) for each in definitions(found) if text(each.get("name"))]
        given = inputs.parse(args.get("inputs", ""), self.source.name)
        inputs.check(given, known, self.source.name)
        run = (await self.seen(place))[1]
        kept = {"ref": asked, "inputs": inputs.joined(masked(given, known))}
        return self._preview(run, name, known, given, warnings, kept)

    def _preview(
        self, run: Run, job: str, known: list[Parameter], given: dict[str, str], warnings: list[str],
        args: dict[str, str],
    ) -> Preview:
        key = self.key()
        # What is not given is not sent: Jenkins knows its defaults better, secret ones and those of many lines too.
        path = f"{path_of(job)}/{'buildWithParameters' if known else 'build'}"
        spoken = masked(given, known)
        listed = ", ".join(f"{name}={shown(value, 60)}" for name, value in spoken.items())
        usual = ", ".join(
            f"{each.name}={'a secret' if each.secret else shown(each.default, 60)}"
            for each in known if each.name not in given
        )  # fmt: skip
        impact = [f"a new build of {shown(job)}{f' with {listed}' if listed else ''}"]
        impact += [f"by the job's own default: {usual}"] if usual else []
        return Preview(
            verb=self.verb, ref=run.ref, record=run, args=args, title=f"build {shown(job)}",
            steps=(self.step("POST", path, spoken),), impact=tuple(impact), warnings=tuple(warnings),
            before="no new build", after="a queue item, then a build of it",
            token=(key, job, path, given, known), inverse=("run.cancel", {MADE_BY: key}),
            command=self._command(job, spoken),
        )  # fmt: skip

    def _command(self, job: str, given: Mapping[str, str]) -> str:
        """The same with Jenkins' own program: https://www.jenkins.io/doc/book/managing/cli/"""
        fields = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
        return shlex.join(["java", "-jar", "jenkins-cli.jar", "-s", f"{self.source.address}/", "build", job, *fields])

    async def _branch(self, project: str, branch: str) -> str:
        body = await self.api.fields(path_of(project), "jobs[name,displayName,url]")
        names = []
        for job in rows(body, "jobs"):
            own = job_of(text(job.get("url")))[0]
            spoken = text(job.get("displayName"))
            if own and branch in (spoken, unquote(own.rpartition("/")[2])):
                return own
            names.append(shown(spoken, 40))
        raise Refused(
            f"{shown(project)} has no job for the branch {shown(branch)}", source=self.source.name,
            mend=f"it has {', '.join(names[:12])}",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Send it once. Raises Conflict when the job asks for other parameters by now."""
        key, job, path, given, known = preview.token
        found = await self.api.fields(path_of(job), DEFINITIONS)
        now = [parameter_of(each) for each in definitions(found) if text(each.get("name"))]
        if [parameter.name for parameter in now] != [parameter.name for parameter in known]:
            raise self.moved(_names(known), _names(now))
        form = await resolved(given, known, self.source.secret, self.source.name)
        return await self.make(key, job, path, form or None)

    async def verify(self, preview: Preview) -> Outcome:
        """The queue item that it made, or the build that became of it."""
        return await self.found(preview, preview.token[0], preview.token[1])


def _names(known: list[Parameter]) -> str:
    return f"a job with {', '.join(shown(p.name, 40) for p in known)}" if known else "a job without parameters"


class Rerun(Trigger):
    """`run.rerun`: a new build with the parameters of this one. A replay is not in the REST API."""

    verb = "run.rerun"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return None if record.state in mapping.ENDED else f"it is {record.state}: only what has ended is built again"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Unsupported where a secret parameter is not to be had."""
        place = self.place(ref)
        _, run, build = await self.seen(place)
        title = f"build {run.name} again"
        self.checked(run, title)
        found = await self.api.fields(path_of(place.job), DEFINITIONS)
        known = [parameter_of(each) for each in definitions(found) if text(each.get("name"))]
        values = checkouts.parameters(rows(build, "actions"))
        hidden = [name for name, value in values.items() if value is None]
        if hidden:
            raise Unsupported(
                f"{run.name} cannot be built again with the same parameters", source=self.source.name,
                why=f"{', '.join(map(shown, hidden))} is a secret, which Jenkins does not tell",
                mend="start a new build (T) and give them",
            )  # fmt: skip
        names = {parameter.name for parameter in known}
        given = {name: value for name, value in values.items() if value is not None and name in names}
        warnings = ["a new build, not a replay: Jenkins' REST API has none. It builds what the branch has now"]
        if run.head:
            warnings[0] += f", which may not be {run.head[:10]} any more"
        if gone := sorted(set(values) - names):
            warnings.append(f"the job does not ask for {', '.join(map(shown, gone))} any more: left out")
        return replace(self._preview(run, place.job, known, given, warnings, {}), title=title)


class Restart(Making):
    """Restart from a stage: of declarative Pipelines alone, which Jenkins says of each build."""

    def refusal(self, record: Record) -> str | None:
        state = record.state if isinstance(record, Run | Job) else ""
        return None if state in mapping.ENDED else f"it is {state}: only what has ended is restarted"

    async def stage(self, place: Place, number: int, record: Record) -> str:
        """The name of the stage to restart from. Raises Unsupported."""
        raise NotImplementedError

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Unsupported for what is no declarative Pipeline."""
        place = self.place(ref)
        now, run, _ = await self.seen(place._replace(node=""))
        name = await self.stage(place, now.number, run)
        where = f"{path_of(place.job)}/{now.number}/restart"
        try:
            body = await self.api.fields(where, "restartEnabled,restartableStages")
        except NotFound:
            body = {}
        if body.get("restartEnabled") is not True:
            raise Unsupported(
                f"{run.name} cannot be restarted from a stage", source=self.source.name,
                why="Jenkins restarts only declarative Pipelines that have ended, and only for those who may build; "
                "scripted Pipelines and freestyle jobs have no failed part that runs alone",
                mend="build all of it again (R)",
            )  # fmt: skip
        stages = body.get("restartableStages")
        if not isinstance(stages, list) or name not in stages:
            raise Unsupported(
                f"{run.name} cannot be restarted from {shown(name)}", source=self.source.name,
                why=f"it can from {', '.join(shown(s, 60) for s in stages) if isinstance(stages, list) else 'nothing'}",
            )  # fmt: skip
        key = self.key()
        form = {"stageName": name}
        return Preview(
            verb=self.verb, ref=ref, record=run, title=f"restart {run.name} from {shown(name)}",
            steps=(self.step("POST", f"{where}/restart", {"json": form}),),
            impact=(f"a new build: {shown(name)} and what follows; the stages before it are skipped",),
            warnings=("its answer does not name the build: it is told by what is new, by the same user",),
            before=str(now), after="a new build of it is listed", token=(key, now, where, form),
            inverse=("run.cancel", {MADE_BY: key}),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the run moved since the preview."""
        place = self.place(preview.ref)
        key, before, where, form = preview.token
        now, _, _ = await self.seen(place._replace(node=""))
        if now != before:
            raise self.moved(str(before), str(now))
        return await self.make(key, place.job, f"{where}/restart", {"json": json.dumps(form)})

    async def verify(self, preview: Preview) -> Outcome:
        """The build that it made."""
        return await self.found(preview, preview.token[0], self.place(preview.ref).job)


class RerunFailed(Restart):
    """`run.rerun_failed`: from the first stage that failed."""

    verb = "run.rerun_failed"

    def refusal(self, record: Record) -> str | None:
        why = super().refusal(record)
        if why is None and record.state not in ("failure", "unstable", "aborted"):
            return f"it ended as {record.state}: no stage failed"
        return why

    async def stage(self, place: Place, number: int, record: Record) -> str:
        """The first that failed, else the first unstable or aborted one."""
        self.checked(record, f"restart {record.name}")
        try:
            stages: Any = await self.source.stages.described(f"{path_of(place.job)}/{number}")
        except NotFound:
            stages = []
        bad = text(mapping.first_bad(stages).get("name"))
        if not bad:
            raise Unsupported(
                f"{record.name} has no failed stage to restart from", source=self.source.name,
                why="it is no Pipeline, or it failed before its first stage", mend="build all of it again (R)",
            )  # fmt: skip
        return bad


class RestartStage(Restart):
    """`job.rerun`: from this stage on."""

    verb = "job.rerun"
    kind = "job"

    async def stage(self, place: Place, number: int, record: Record) -> str:
        """The stage of the row."""
        if record.state not in mapping.ENDED:
            raise Conflict("nothing was sent", source=self.source.name, why=f"the build is {record.state}")
        if place.node == WHOLE:
            raise Unsupported("it has no stages", source=self.source.name, mend="build all of it again (R)")
        found = await self.source.stages.stage(f"{path_of(place.job)}/{number}", place.node)
        return text(found.get("name"))
