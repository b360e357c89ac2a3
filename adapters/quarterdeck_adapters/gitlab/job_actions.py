"""Retry, cancel and start one job. https://docs.gitlab.com/api/jobs/"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quarterdeck_adapters.ci.inputs import parse
from quarterdeck_adapters.ci.values import Json, section, shown, text, whole
from quarterdeck_adapters.gitlab import mapping, variables
from quarterdeck_adapters.gitlab.acting import GitlabAction
from quarterdeck_adapters.gitlab.mapping import ENDED, word
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

RETRYABLE = ENDED - {"skipped"}


class Seen(NamedTuple):
    """What the operator saw of a job: its state, and the newest attempt of its name."""

    state: str
    newest: int

    def __str__(self) -> str:
        return self.state


class OnJob(GitlabAction):
    """A verb whose write is one POST on a job."""

    kind = "job"
    path = ""
    doing = ""
    after = ""

    def refusal(self, record: Record) -> str | None:
        """Trigger jobs, and attempts that a later one took the place of."""
        if not isinstance(record, Job):
            return "not a job"
        if record.runner == mapping.TRIGGER:
            return "a trigger job is none that the API starts or stops: act on its pipeline"
        if record.superseded:
            return "a later attempt took its place: act on that one"
        return self.not_in(record.state)

    def not_in(self, state: str) -> str | None:
        """Why the state of the job forbids it, or None."""
        raise NotImplementedError

    async def read(self, place: Place) -> tuple[Json, Seen, Job]:
        """The job as it is now, past every cache. Raises NotFound when it is of another pipeline."""
        job = await self.api.object(place.the_job)
        if whole(section(job, "pipeline").get("id")) != place.number:
            raise NotFound(f"no job {place.job} in pipeline {place.number}", source=self.source.name)
        listed = await self.source.runs.jobs(place)
        attempt, superseded = mapping.attempts(listed).get(place.job, (1, False))
        home = self.source.projects.home(place.path)
        record = mapping.job_record(job, home, place.number, attempt, superseded=superseded)
        return job, Seen(word(job), self.newest(listed, text(job.get("name")), place.job)), record

    @staticmethod
    def newest(jobs: list[Json], name: str, known: int) -> int:
        """The id of the newest attempt of a name."""
        return max((whole(j.get("id")) or 0 for j in jobs if text(j.get("name")) == name), default=known)

    def body(self, args: Mapping[str, str]) -> dict[str, object] | None:  # noqa: ARG002 - for those that need it
        """What is sent along."""
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent, for the job as it is now. Raises Conflict where its state forbids it."""
        place = self.place(ref)
        job, now, record = await self.read(place)
        title = f"{self.doing} {shown(job.get('name'))} of {place.path} #{place.number}"
        self.checked(record, title)
        path = f"{place.the_job}/{self.path}"
        return Preview(
            verb=self.verb, ref=ref, record=record, args=dict(args), title=title,
            steps=(self.step("POST", path, variables.masked(self.body(args))),), impact=self.impact(job),
            before=now.state, after=self.after, token=now, command=self.command("POST", path),
            inverse=self.back(), why_no_inverse="" if self.back() else "what a job did is not undone by GitLab",
        )  # fmt: skip

    def impact(self, job: Json) -> tuple[str, ...]:
        """What goes or changes."""
        return (f"{shown(job.get('stage'), 60)} on {shown(job.get('ref'))}",)

    def back(self) -> tuple[str, dict[str, str]] | None:
        """The verb that undoes it."""
        return None

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the job moved since the preview."""
        place = self.place(preview.ref)
        _, now, _ = await self.read(place)
        if not self.same(preview.token, now):
            newer = " and has a later attempt" if now.newest != preview.token.newest else ""
            raise self.moved(str(preview.token), f"{now}{newer}")
        body = await variables.resolved(self.source, self.body(preview.args))
        answer = await self.api.write("POST", f"{place.the_job}/{self.path}", body)
        return f"GitLab accepted it ({answer.status})"

    def same(self, seen: Seen, now: Seen) -> bool:
        """Whether the job is as it was seen."""
        return seen == now


class RerunJob(OnJob):
    """`job.rerun`: another job with another id takes its place. The answer shows the old one, and is not believed."""

    verb = "job.rerun"
    path = "retry"
    doing = "retry"
    after = "another attempt of it is listed"

    def not_in(self, state: str) -> str | None:
        return None if state in RETRYABLE else f"it is {state}: only what has ended is tried again"

    async def verify(self, preview: Preview) -> Outcome:
        """The later attempt is listed."""
        place, before = self.place(preview.ref), preview.token.newest
        name = preview.record.name if preview.record is not None else ""

        async def newer() -> Json | None:
            same = [j for j in await self.source.runs.jobs(place) if shown(j.get("name")) == shown(name)]
            later = [j for j in same if (whole(j.get("id")) or 0) > before]
            return max(later, key=lambda j: whole(j.get("id")) or 0) if later else None

        job = await self.until(newer, preview, "no later attempt of it is listed")
        ref = Ref(preview.ref.source, "job", f"{place.path}/{place.number}/{whole(job.get('id'))}")
        return Outcome(verified=True, message=f"job {whole(job.get('id'))} is {word(job)}", observed=str(ref))


class CancelJob(OnJob):
    """`job.cancel`."""

    verb = "job.cancel"
    path = "cancel"
    doing = "cancel"
    after = "canceled"

    def not_in(self, state: str) -> str | None:
        return f"it has ended: {state}" if state in ENDED else None

    def back(self) -> tuple[str, dict[str, str]] | None:
        return "job.rerun", {}

    def same(self, seen: Seen, now: Seen) -> bool:
        return seen.newest == now.newest and now.state not in ENDED

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as canceled."""
        place = self.place(preview.ref)

        async def ended() -> str | None:
            now = word(await self.api.object(place.the_job))
            return now if now in ENDED else None

        now = await self.until(ended, preview, "it has not stopped")
        done = now == "canceled"
        return Outcome(verified=done, message="it is cancelled" if done else f"it is {now}", observed=now)


class StartJob(OnJob):
    """`job.start`: a manual job goes to a runner. `args`: inputs, variables of the job as `key=value ...`."""

    verb = "job.start"
    path = "play"
    doing = "start"
    after = "it goes to a runner"

    def not_in(self, state: str) -> str | None:
        return None if state == "manual" else f"it is {state}: only a manual job is started"

    def body(self, args: Mapping[str, str]) -> dict[str, object] | None:
        given = parse(args.get("inputs", ""), self.source.name)
        variables.checked(given, self.source.name)
        return {"job_variables_attributes": variables.listed(given)} if given else None

    def back(self) -> tuple[str, dict[str, str]] | None:
        return "job.cancel", {}

    async def verify(self, preview: Preview) -> Outcome:
        """It is manual no more; where GitLab made another job for it, that one is listed."""
        place = self.place(preview.ref)

        async def begun() -> tuple[int, str] | None:
            job, now, _ = await self.read(place)
            if now.newest > place.job:
                later = await self.api.object(place._replace(job=now.newest).the_job)
                return now.newest, word(later)
            return (place.job, now.state) if word(job) != "manual" else None

        id, state = await self.until(begun, preview, "it is still manual")
        ref = Ref(preview.ref.source, "job", f"{place.path}/{place.number}/{id}")
        return Outcome(verified=True, message=f"job {id} is {state}", observed=str(ref))
