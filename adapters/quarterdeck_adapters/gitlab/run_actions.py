"""Retry what failed, and cancel. https://docs.gitlab.com/api/pipelines/"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, shown, text, whole
from quarterdeck_adapters.gitlab import mapping
from quarterdeck_adapters.gitlab.acting import GitlabAction
from quarterdeck_adapters.gitlab.mapping import ENDED, word
from quarterdeck_lifecycle.errors import Conflict, Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

RETRIED = frozenset({"failed", "canceled"})


class Seen(NamedTuple):
    """What the operator saw of a pipeline: its state, and the id of the newest attempt of each job."""

    state: str
    jobs: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return self.state


def seen(run: Json, jobs: Sequence[Json]) -> Seen:
    """A pipeline and its jobs as they are."""
    return Seen(word(run), tuple((text(j.get("name")), whole(j.get("id")) or 0) for j in mapping.newest(jobs)))


def listed(names: Sequence[str]) -> str:
    """Names for people, the first eight."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


class RerunFailed(GitlabAction):
    """`run.rerun_failed`: the failed and cancelled jobs, each as another job with another id, in the same pipeline."""

    verb = "run.rerun_failed"

    def refusal(self, record: Record) -> str | None:
        """Pipelines without a job to retry."""
        if not isinstance(record, Run):
            return "not a run"
        if record.state not in RETRIED:
            return f"it is {record.state}: GitLab retries what failed or was cancelled"
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent, for the pipeline as it is now. Raises Conflict where its state forbids it."""
        place = self.place(ref)
        run, jobs = await self.source.runs.read(place), await self.source.runs.jobs(place)
        record = self.source.runs.record(run, place.path)
        title = f"retry the failed jobs of {record.name}"
        self.checked(record, title)
        names = [shown(job.get("name"), 60) for job in mapping.newest(jobs) if word(job) in RETRIED]
        if not names:
            raise Conflict(f"{title} was not sent", source=self.source.name, why="no job of it failed")
        path = f"{place.pipeline}/retry"
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title, steps=(self.step("POST", path),),
            impact=(f"{len(names)} jobs: {listed(names)}", "and those after them that were skipped"),
            before=record.state, after="another attempt of each is listed", token=seen(run, jobs),
            inverse=("run.cancel", {}), command=self.command("POST", path),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the pipeline moved since the preview."""
        place = self.place(preview.ref)
        now = seen(await self.source.runs.read(place), await self.source.runs.jobs(place))
        if now != preview.token:
            what = str(now) if now.state != preview.token.state else f"{now} with other attempts"
            raise self.moved(str(preview.token), what)
        answer = await self.api.write("POST", f"{place.pipeline}/retry")
        return f"GitLab accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """Another attempt of a job is listed: the answer to the write showed the old ones."""
        place, before = self.place(preview.ref), dict(preview.token.jobs)

        async def newer() -> list[Json] | None:
            now = mapping.newest(await self.source.runs.jobs(place))
            found = [job for job in now if (whole(job.get("id")) or 0) > before.get(text(job.get("name")), 0)]
            return found or None

        jobs = await self.until(newer, preview, "no other attempt of a job is listed")
        told = [f"{shown(job.get('name'), 60)} {word(job)}" for job in jobs]
        return Outcome(verified=True, message=f"tried again: {listed(told)}", observed=word(jobs[0]))


class Cancel(GitlabAction):
    """`run.cancel`."""

    verb = "run.cancel"

    def refusal(self, record: Record) -> str | None:
        """Pipelines that have ended."""
        if not isinstance(record, Run):
            return "not a run"
        if record.state == "canceling":
            return "it is being cancelled already"
        return f"it has ended: {record.state}" if record.state in ENDED else None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict for one that has ended, Refused for `force`, which jobs alone have."""
        if args.get("force", "").lower() == "true":
            raise Refused("force was not sent", source=self.source.name, why="GitLab forces single jobs, no pipeline")
        place = self.place(ref)
        run, jobs = await self.source.runs.read(place), await self.source.runs.jobs(place)
        record = self.source.runs.record(run, place.path)
        title = f"cancel {record.name}"
        self.checked(record, title)
        names = [shown(job.get("name"), 60) for job in mapping.newest(jobs) if word(job) not in ENDED]
        path = f"{place.pipeline}/cancel"
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title, steps=(self.step("POST", path),),
            impact=(f"stops {listed(names)}",) if names else (), before=record.state, after="canceled",
            token=seen(run, jobs), inverse=("run.rerun_failed", {}), command=self.command("POST", path),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. A pipeline that only went on is still the one that was seen."""
        place = self.place(preview.ref)
        run, jobs = await self.source.runs.read(place), await self.source.runs.jobs(place)
        now = seen(run, jobs)
        if now.state in ENDED or now.jobs != preview.token.jobs:
            raise self.moved(str(preview.token), str(now))
        answer = await self.api.write("POST", f"{place.pipeline}/cancel")
        return f"GitLab accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as canceled; its jobs may take a while to stop."""
        place = self.place(preview.ref)

        async def ended() -> str | None:
            now = word(await self.source.runs.read(place))
            return now if now in ENDED else None

        now = await self.until(ended, preview, "its jobs have not stopped")
        done = now == "canceled"
        return Outcome(verified=done, message="it is cancelled" if done else f"it is {now}", observed=now)
