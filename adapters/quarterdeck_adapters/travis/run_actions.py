"""Restart a build, restart what failed in it, cancel it.

https://developer.travis-ci.com/resource/build
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import Json, section, shown, text, whole
from quarterdeck_adapters.travis import mapping
from quarterdeck_adapters.travis.acting import REPLACED, Seen, TravisAction, seen
from quarterdeck_adapters.travis.places import Place
from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource

KEPT = 100


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _jobs(names: Sequence[str], how: str = "") -> str:
    return f"{len(names)} job{'s' if len(names) != 1 else ''}{how}: {_listed(names)}"


def _title(build: Json) -> str:
    subject = shown(text(section(build, "commit").get("message")).partition("\n")[0])
    return f"{subject} · {shown(build.get('event_type'))} on {shown(section(build, 'branch').get('name'))}"


class Rerun(TravisAction):
    """`run.rerun`: every job of the build; its number stays."""

    verb = "run.rerun"

    def refusal(self, record: Record) -> str | None:
        """Builds that go on."""
        if not isinstance(record, Run):
            return "not a build"
        return None if record.state in mapping.ENDED else f"it is {record.state}: only what has ended is restarted"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict for a build that goes on."""
        place = self.place(ref)
        build = await self.source.builds.read(place)
        record = self.source.builds.record(build, place.slug)
        title = f"restart {record.name}"
        self.checked(record, title)
        names = [mapping.job_name(job) for job in await self.source.builds.jobs(place.number)]
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title, steps=(self.step("POST", f"{place.build}/restart"),),
            impact=(_title(build), _jobs(names)), warnings=(REPLACED,),
            before=str(seen(build)), after="it has begun anew", token=seen(build), inverse=("run.cancel", {}),
            command=self.command("restart", record.number, place=place),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the build moved since the preview."""
        place = self.place(preview.ref)
        now = seen(await self.source.builds.read(place))
        if now != preview.token:
            raise self.moved(str(preview.token), str(now))
        answer = await self.api.write("POST", f"{place.build}/restart")
        return f"Travis accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """The build has begun anew. The answer to the write does not tell: it shows the build as it was."""
        place, before = self.place(preview.ref), preview.token

        async def anew() -> Seen | None:
            now = seen(await self.source.builds.read(place))
            return now if not now.ended or now.started != before.started else None

        now = await self.until(anew, preview, "the build is as it was")
        return Outcome(verified=True, message=f"it is {now.state}", observed=str(now))


class RerunFailed(TravisAction):
    """`run.rerun_failed`: Travis has no such call; each job is restarted by one of its own, stage by stage."""

    verb = "run.rerun_failed"

    def __init__(self, source: TravisSource) -> None:
        super().__init__(source)
        self._refused: OrderedDict[Ref, tuple[int, str]] = OrderedDict()

    def refusal(self, record: Record) -> str | None:
        """Builds that go on, and those in which nothing failed."""
        if not isinstance(record, Run):
            return "not a build"
        if record.state not in mapping.ENDED:
            return f"it is {record.state}: only what has ended is restarted"
        return f"it ended as {record.state}: there is no failed job" if record.state == "passed" else None

    async def _wanted(self, place: Place) -> list[Json]:
        """What failed or was canceled, the earlier stages first: a later stage waits for them."""
        found = [
            job for job in await self.source.builds.jobs(place.number)
            if mapping.failed(job) or mapping.word(job) == "canceled"
        ]  # fmt: skip
        return sorted(found, key=mapping.stage_number)

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent, one call for each job. Raises Conflict where there is none."""
        place = self.place(ref)
        build = await self.source.builds.read(place)
        record = self.source.builds.record(build, place.slug)
        title = f"restart the failed jobs of {record.name}"
        self.checked(record, title)
        jobs = await self._wanted(place)
        if not jobs:
            raise Conflict(f"{title} was not sent", source=self.source.name, why="no job of this build failed")
        paths = [f"/job/{whole(job.get('id')) or 0}" for job in jobs]
        names = [f"{mapping.job_name(job)} ({mapping.word(job)})" for job in jobs]
        token = {path: seen(job) for path, job in zip(paths, jobs, strict=True)}
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=tuple(self.step("POST", f"{path}/restart") for path in paths),
            impact=(_title(build), _jobs(names, ", one call each")), warnings=(REPLACED,),
            before=", ".join(f"{shown(job.get('number'))} {mapping.word(job)}" for job in jobs)[:500],
            after="each of them has begun anew", token=token, inverse=("run.cancel", {}),
            command="; ".join(self.command("restart", shown(job.get("number"), 30), place=place) for job in jobs[:8]),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare all, then send the calls in order. What is refused after the first is told by the verification."""
        place = self.place(preview.ref)
        now = {f"/job/{whole(job.get('id')) or 0}": seen(job) for job in await self._wanted(place)}
        if now != preview.token:
            changed = next((path for path in {**preview.token, **now} if preview.token.get(path) != now.get(path)), "")
            before = preview.token.get(changed, "not among the failed jobs")
            raise self.moved(f"{changed} {before}", str(now.get(changed, "not among the failed jobs")))
        self._refused.pop(preview.ref, None)
        sent = 0
        for path in preview.token:
            try:
                await self.api.write("POST", f"{path}/restart")
            except QuarterdeckError as error:
                if not sent:
                    raise
                why = f"{path}: {error.why or error.what}; the calls after it were not sent"
                self._refused[preview.ref] = sent, why
                while len(self._refused) > KEPT:
                    self._refused.popitem(last=False)
                break
            sent += 1
        return f"Travis accepted {sent} of {len(preview.token)} calls"

    async def verify(self, preview: Preview) -> Outcome:
        """Each job whose call was accepted has begun anew; those that have not are named."""
        place, before = self.place(preview.ref), preview.token
        sent, refused = self._refused.pop(preview.ref, (len(before), ""))

        async def anew() -> list[Json] | None:
            jobs = {f"/job/{whole(job.get('id')) or 0}": job for job in await self.source.builds.jobs(place.number)}
            still = [path for path in before if path in jobs and not _anew(seen(jobs[path]), before[path])]
            waited = set(list(before)[:sent]) & set(still)
            return None if waited else [jobs[path] for path in still]

        still = await self.until(anew, preview, "not all of the jobs have begun anew")
        if refused:
            names = _listed([mapping.job_name(job) for job in still]) or "none"
            begun = len(before) - len(still)
            return Outcome(
                verified=False, message=f"{begun} of {len(before)} jobs have begun anew; not: {names} ({refused})",
                observed=names,
            )  # fmt: skip
        return Outcome(verified=True, message=f"{len(before)} jobs have begun anew", observed=f"{len(before)} jobs")


def _anew(now: Seen, before: Seen) -> bool:
    return now.restarted != before.restarted or (before.ended and not now.ended)


class Cancel(TravisAction):
    """`run.cancel`."""

    verb = "run.cancel"

    def refusal(self, record: Record) -> str | None:
        """What has ended."""
        if not isinstance(record, Run):
            return "not a build"
        return f"it has ended: {record.state}" if record.state in mapping.ENDED else None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict for a build that has ended."""
        place = self.place(ref)
        build = await self.source.builds.read(place)
        record = self.source.builds.record(build, place.slug)
        title = f"cancel {record.name}"
        self.checked(record, title)
        jobs = await self.source.builds.jobs(place.number)
        names = [mapping.job_name(job) for job in jobs if mapping.in_flight(job)]
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title, steps=(self.step("POST", f"{place.build}/cancel"),),
            impact=(_title(build), *((f"stops {_listed(names)}",) if names else ())), before=str(seen(build)),
            after="canceled", token=seen(build), inverse=("run.rerun", {}),
            command=self.command("cancel", record.number, place=place),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. A build that only went from created to started is still the one that was seen."""
        place, before = self.place(preview.ref), preview.token
        now = seen(await self.source.builds.read(place))
        if now.ended or (before.started and now.started != before.started):
            raise self.moved(str(before), str(now))
        answer = await self.api.write("POST", f"{place.build}/cancel")
        return f"Travis accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as canceled."""
        place = self.place(preview.ref)

        async def ended() -> Seen | None:
            now = seen(await self.source.builds.read(place))
            return now if now.ended else None

        now = await self.until(ended, preview, "its jobs have not stopped")
        return Outcome(verified=now.state == "canceled", message=f"it is {now.state}", observed=str(now))

