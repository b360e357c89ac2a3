"""Restart a job, cancel a job.

https://developer.travis-ci.com/resource/job
"""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck_adapters.ci.values import Json, section, shown
from quarterdeck_adapters.travis import mapping
from quarterdeck_adapters.travis.acting import BUSY, REPLACED, Seen, TravisAction, seen
from quarterdeck_adapters.travis.places import Place
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref


class OnJob(TravisAction):
    """A verb whose write is one POST without a body on a job."""

    kind = "job"
    path = ""
    after = ""
    undone: tuple[str, dict[str, str]] | None = None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict where the job's state forbids it."""
        place = self.place(ref)
        job = await self.source.builds.job(place)
        record = mapping.job_record(job, self.source.home(place.slug), place.number)
        number = shown(job.get("number"), 30)
        title = f"{self.path} job {number} ({record.name})"
        self.checked(record, title)
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=(self.step("POST", f"{place.the_job}/{self.path}"),), impact=self.impact(job),
            warnings=(REPLACED,) if self.path == "restart" else (), before=str(seen(job)), after=self.after,
            token=seen(job), inverse=self.undone, command=self.command(self.path, number, place=place),
        )  # fmt: skip

    def impact(self, job: Json) -> tuple[str, ...]:
        """What goes or changes."""
        allowed = ("it may fail without failing the build",) if job.get("allow_failure") is True else ()
        stage = mapping.stage_of(job)
        build = f"build {shown(section(job, 'build').get('number'), 30)}"
        return (f"stage {stage} of {build}" if stage else f"a job of {build}", *allowed)

    def agrees(self, before: Seen, now: Seen) -> bool:
        """Whether the job is still the one that was seen."""
        return now == before

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the job moved since the preview."""
        place = self.place(preview.ref)
        now = seen(await self.source.builds.job(place))
        if not self.agrees(preview.token, now):
            raise self.moved(str(preview.token), str(now))
        answer = await self.api.write("POST", f"{place.the_job}/{self.path}")
        return f"Travis accepted it ({answer.status})"

    async def _now(self, place: Place) -> Seen:
        return seen(await self.source.builds.job(place))


class JobRerun(OnJob):
    """`job.rerun`: jobs of later stages that were canceled with it stay so."""

    verb = "job.rerun"
    path = "restart"
    after = "it has begun anew"
    undone = ("job.cancel", {})

    def refusal(self, record: Record) -> str | None:
        """What a worker has."""
        if not isinstance(record, Job):
            return "not a job"
        if record.state in BUSY or record.state == "created":
            return f"it is {record.state}: only what has ended is restarted"
        return None

    async def verify(self, preview: Preview) -> Outcome:
        """It has begun anew."""
        place, before = self.place(preview.ref), preview.token

        async def anew() -> Seen | None:
            now = await self._now(place)
            return now if now.restarted != before.restarted or not now.ended else None

        now = await self.until(anew, preview, "the job is as it was")
        return Outcome(verified=True, message=f"it is {now.state}", observed=str(now))


class JobCancel(OnJob):
    """`job.cancel`."""

    verb = "job.cancel"
    path = "cancel"
    after = "canceled"
    undone = ("job.rerun", {})

    def refusal(self, record: Record) -> str | None:
        """What has ended."""
        if not isinstance(record, Job):
            return "not a job"
        return f"it has ended: {record.state}" if record.state in mapping.ENDED else None

    def agrees(self, before: Seen, now: Seen) -> bool:
        """A job that only went on is still the one that was seen."""
        return not now.ended and now.restarted == before.restarted

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as canceled."""
        place = self.place(preview.ref)

        async def ended() -> Seen | None:
            now = await self._now(place)
            return now if now.ended else None

        now = await self.until(ended, preview, "the job has not stopped")
        return Outcome(verified=now.state == "canceled", message=f"it is {now.state}", observed=str(now))
