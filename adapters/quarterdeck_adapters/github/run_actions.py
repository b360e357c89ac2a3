"""Re-run, re-run what failed, cancel.

https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from quarterdeck_adapters.ci.values import Json, epoch, shown, whole
from quarterdeck_adapters.github import mapping
from quarterdeck_adapters.github.acting import GithubAction
from quarterdeck_adapters.github.mapping import word
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

MONTH_S = 30 * 86_400.0
_ENDED = frozenset({"success", "failure", "cancelled", "skipped", "timed out", "action required", "neutral", "stale",
                    "startup failure"})  # fmt: skip
_REPEATABLE = frozenset({"failure", "cancelled", "timed out", "startup failure"})


Told = tuple[tuple[str, ...], str, tuple[str, dict[str, str]] | None, str]
"""Impact, what is read back, the inverse, or why there is none."""


class Seen(NamedTuple):
    """What the operator saw of a run."""

    attempt: int
    state: str

    def __str__(self) -> str:
        return f"attempt {self.attempt}, {self.state}"


def seen(run: Json) -> Seen:
    """The run's attempt and state."""
    return Seen(whole(run.get("run_attempt")) or 1, word(run))


class OnRun(GithubAction):
    """A verb whose write is one POST without a body on a run."""

    path = ""
    doing = ""
    gh: tuple[str, ...] = ()

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent, for the run as it is now. Raises Conflict where its state forbids it."""
        place = self.place(ref)
        run = await self.source.runs.read(place)
        record = self.source.runs.record(run, place.slug)
        title = f"{self.doing} {record.name}"
        self.checked(record, title)
        now = seen(run)
        impact, after, inverse, why_not = await self.told(place, run, now)
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=(self.step("POST", f"{place.run}/{self.path}"),),
            impact=(f"{shown(run.get('display_title'))} · {shown(run.get('event'))} on {record.branch}", *impact),
            before=str(now), after=after, token=now, inverse=inverse, why_no_inverse=why_not,
            command=self.command(*self.gh, str(place.number), place=place),
        )  # fmt: skip

    async def told(self, place: Place, run: Json, now: Seen) -> Told:
        """Impact, what is read back, the inverse, or why there is none."""
        raise NotImplementedError

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the run moved since the preview."""
        place = self.place(preview.ref)
        now = seen(await self.source.runs.read(place))
        if now != preview.token:
            raise self.moved(str(preview.token), str(now))
        answer = await self.api.write("POST", f"{place.run}/{self.path}")
        return f"GitHub accepted it ({answer.status})"


class Rerun(OnRun):
    """`run.rerun`: every job of the run, as a new attempt of the same run."""

    verb = "run.rerun"
    path = "rerun"
    doing = "re-run"
    gh: tuple[str, ...] = ("run", "rerun")

    def refusal(self, record: Record) -> str | None:
        """Runs that go on, and those of more than 30 days ago, which GitHub does not start again."""
        if not isinstance(record, Run):
            return "not a run"
        if record.state not in _ENDED:
            return f"it is {record.state}: only what has ended is run again"
        if record.created_at is not None and self.api.server_now - record.created_at > MONTH_S:
            return "GitHub runs nothing again that is more than 30 days old"
        return None

    async def told(self, place: Place, run: Json, now: Seen) -> Told:  # noqa: ARG002 - see OnRun
        jobs = await self.source.runs.jobs(place)
        names = [shown(job.get("name"), 60) for job in jobs if self.takes(job)]
        if not names and jobs:
            raise Conflict(f"{self.doing} was not sent", source=self.source.name, why="no job of this run failed")
        listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return (f"{len(names)} jobs: {listed}",), f"attempt {now.attempt + 1}", ("run.cancel", {}), ""

    def takes(self, job: Json) -> bool:
        """Whether a job is run again by this."""
        return bool(job)

    async def verify(self, preview: Preview) -> Outcome:
        """The new attempt is listed; the run's id stays."""
        place, before = self.place(preview.ref), preview.token.attempt

        async def newer() -> Seen | None:
            now = seen(await self.source.runs.read(place))
            return now if now.attempt > before else None

        now = await self.until(newer, preview, f"attempt {before + 1} is not listed")
        return Outcome(verified=True, message=f"attempt {now.attempt} is {now.state}", observed=str(now))


class RerunFailed(Rerun):
    """`run.rerun_failed`: the failed and cancelled jobs, and those that need them."""

    verb = "run.rerun_failed"
    path = "rerun-failed-jobs"
    doing = "re-run the failed jobs of"
    gh = ("run", "rerun", "--failed")

    def refusal(self, record: Record) -> str | None:
        why = super().refusal(record)
        if why is None and isinstance(record, Run) and record.state not in _REPEATABLE:
            return f"it ended as {record.state}: there is no failed job"
        return why

    def takes(self, job: Json) -> bool:
        return word(job) in _REPEATABLE


class Cancel(OnRun):
    """`run.cancel`. `args`: force (`true`: end it without the steps that are to run always)."""

    verb = "run.cancel"
    path = "cancel"
    doing = "cancel"
    gh = ("run", "cancel")

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        return f"it has ended: {record.state}" if record.state in _ENDED else None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """As for the others; with force by the call that GitHub has for a run that does not end."""
        made = await super().preview(ref, args)
        if args.get("force", "").strip().lower() not in ("true", "yes", "1"):
            return made
        place = self.place(ref)
        words = ("run", "cancel", "--force", str(place.number))
        return replace(
            made, args={"force": "true"}, steps=(self.step("POST", f"{place.run}/force-cancel"),),
            title=f"force-{made.title}", command=self.command(*words, place=place),
            warnings=("steps with if: always() do not run: what they clean up stays",),
        )  # fmt: skip

    async def told(self, place: Place, run: Json, now: Seen) -> Told:  # noqa: ARG002 - see OnRun
        jobs = [shown(job.get("name"), 60) for job in await self.source.runs.jobs(place) if mapping.in_flight(job)]
        impact = (f"stops {', '.join(jobs[:8])}",) if jobs else ()
        old = self.api.server_now - (epoch(run.get("created_at")) or 0.0) > MONTH_S
        if old:
            return impact, "cancelled", None, "GitHub runs nothing again that is more than 30 days old"
        return impact, "cancelled", ("run.rerun", {}), ""

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. A run that only went from queued to running is still the one that was seen."""
        place = self.place(preview.ref)
        now = seen(await self.source.runs.read(place))
        if now.attempt != preview.token.attempt or now.state in _ENDED:
            raise self.moved(str(preview.token), str(now))
        path = "force-cancel" if preview.args.get("force") == "true" else self.path
        answer = await self.api.write("POST", f"{place.run}/{path}")
        return f"GitHub accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as cancelled. Its clean-up may take minutes: then the outcome is not known yet."""
        place = self.place(preview.ref)

        async def ended() -> Seen | None:
            now = seen(await self.source.runs.read(place))
            return now if now.state in _ENDED or now.attempt > preview.token.attempt else None

        now = await self.until(ended, preview, "its jobs have not stopped")
        done = now == Seen(preview.token.attempt, "cancelled")
        return Outcome(verified=done, message=f"it is {now}" if not done else "it is cancelled", observed=str(now))
