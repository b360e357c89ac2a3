"""Re-run one job, and deploy again by re-running the job that made a deployment.

https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28#re-run-a-job-from-a-workflow-run
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, epoch, known, sha_of, shown, text, whole
from quarterdeck_adapters.github import deployment_mapping as mapped
from quarterdeck_adapters.github import mapping
from quarterdeck_adapters.github.acting import GithubAction
from quarterdeck_adapters.github.deployments import Read
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.run_actions import MONTH_S, Seen, seen
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.kinds import Deployment, Job
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

OLD = "GitHub runs nothing again that is more than 30 days old"
SLACK_S = 60.0


class Wanted(NamedTuple):
    """A job to be run again, its run as it was seen, and the newest deployment of the environment (0: none)."""

    run: int
    job: int
    seen: Seen
    there: int = 0


class _Again(GithubAction):
    """What both verbs share: compare the run, send it once, see the next attempt."""

    def refused(self, title: str, why: str, mend: str = "") -> Conflict:
        """What is raised when it cannot be sent."""
        return Conflict(f"{title} was not sent", source=self.source.name, why=why, mend=mend)

    async def ended(self, place: Place, title: str) -> Json:
        """The run, which has ended and is not too old. Raises Conflict."""
        run = await self.source.runs.read(place)
        if mapping.in_flight(run):
            why = f"its run is {mapping.word(run)}: GitHub runs a job again when the run has ended"
            raise self.refused(title, why, "wait, or cancel the run first")
        if self.api.server_now - (epoch(run.get("created_at")) or 0.0) > MONTH_S:
            raise self.refused(title, OLD)
        return run

    def place_of(self, preview: Preview) -> Place:
        """The run of a preview."""
        return self.source.place(preview.ref)._replace(number=preview.token.run, job=preview.token.job)

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the run moved since the preview."""
        place = self.place_of(preview)
        now = seen(await self.source.runs.read(place))
        if now != preview.token.seen:
            raise self.moved(str(preview.token.seen), str(now))
        answer = await self.api.write("POST", f"{place.the_job}/rerun")
        return f"GitHub accepted it ({answer.status})"

    async def next_attempt(self, preview: Preview) -> Seen:
        """The attempt that it made. Raises Timeout."""
        place, before = self.place_of(preview), preview.token.seen.attempt

        async def newer() -> Seen | None:
            now = seen(await self.source.runs.read(place))
            return now if now.attempt > before else None

        return await self.until(newer, preview, f"attempt {before + 1} is not listed")


class RerunJob(_Again):
    """`job.rerun`: the job, and those that need it, as a new attempt of its run."""

    verb = "job.rerun"
    kind = "job"

    def refusal(self, record: Record) -> str | None:
        """Jobs that go on, checks of other systems, and what is too old."""
        if not isinstance(record, Job):
            return "not a job"
        if record.ref.id in self.source.pulls.foreign:
            return "another system made this check: run it again there"
        if record.finished_at is None and record.state in ("queued", "running", "waiting"):
            return f"it is {record.state}: only what has ended is run again"
        if record.finished_at is not None and self.api.server_now - record.finished_at > MONTH_S:
            return OLD
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent, for the job as it is now. Raises Conflict where its state forbids it."""
        place = self.place(ref)
        job = await self.api.object(place.the_job)
        record = mapping.job_record(job, self.source.home(place.slug), place.number)
        title = f"re-run job {record.name}"
        self.checked(record, title)
        run = await self.ended(place, title)
        if place.job not in known(await self.source.runs.jobs(place)):
            raise self.refused(title, "a later attempt of its run took its place", "open the run again")
        now = seen(run)
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=(self.step("POST", f"{place.the_job}/rerun"),),
            impact=(
                f"{_named(run)}: {shown(run.get('display_title'))}",
                "and the jobs that need it",
            ),
            before=f"{record.state}; the run is {now}", after=f"attempt {now.attempt + 1}",
            token=Wanted(place.number, place.job, now),
            why_no_inverse="the attempt that it starts is cancelled on its run",
            command=self.command("run", "rerun", "--job", str(place.job), place=place),
        )  # fmt: skip

    async def verify(self, preview: Preview) -> Outcome:
        """The new attempt is listed."""
        now = await self.next_attempt(preview)
        return Outcome(verified=True, message=f"attempt {now.attempt} is {now.state}", observed=str(now))


class Redeploy(_Again):
    """`deployment.redeploy`: the job that made the deployment, once more, with the commit that it had then."""

    verb = "deployment.redeploy"
    kind = "deployment"

    def refusal(self, record: Record) -> str | None:
        """Deployments under way, and those too old."""
        if not isinstance(record, Deployment):
            return "not a deployment"
        if record.state in ("waiting", "pending", "queued", "running"):
            return f"it is {record.state}: only what has ended is deployed again"
        if record.created_at is not None and self.api.server_now - record.created_at > MONTH_S:
            return OLD
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict where the run that made it cannot be told, and says why."""
        place = self.place(ref)
        read = await self.source.deployments.read(place)
        record = self.source.deployments.record(read, place.slug)
        title = f"deploy {record.name} again"
        self.checked(record, title)
        job_place, warnings = await self._made_by(place, read, title)
        run = await self.ended(job_place, title)
        job = await self._latest(job_place, title)
        there = await self.source.deployments.now_there(place, text(read.deployment.get("environment")))
        now = seen(run)
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=(self.step("POST", f"{place.root}/actions/jobs/{whole(job.get('id'))}/rerun"),),
            impact=(
                f"job {shown(job.get('name'))} of {_named(run)}, and the jobs that need it",
                f"{record.head[:10]} ({record.branch or 'a commit'}) to {record.target} of {place.slug}",
                "the rules of the environment ask for an approval again, where it has any",
            ),
            warnings=tuple(warnings), before=f"{record.target} had last: {_told(there)}",
            after=f"attempt {now.attempt + 1} of the run, whose deployment is new",
            token=Wanted(job_place.number, whole(job.get("id")) or 0, now, _id(there)),
            why_no_inverse="what it took the place of is deployed again on its own row",
            command=self.command("run", "rerun", "--job", str(whole(job.get("id"))), place=place),
        )  # fmt: skip

    async def _made_by(self, place: Place, read: Read, title: str) -> tuple[Place, list[str]]:
        """The run (and job, if named) that made a deployment: from its statuses or payload, else its commit."""
        run, job = mapped.run_named(read.deployment, read.told)
        if job and not run:
            found = await self.api.object(place._replace(job=job).the_job)
            run = whole(found.get("run_id")) or 0
        if run:
            return place._replace(number=run, job=job), []
        sha, at = sha_of(read.deployment.get("sha")), epoch(read.deployment.get("created_at")) or 0.0
        why = "neither its statuses nor its payload name a run"
        mend = "deploy it the way it was deployed: another program made this deployment"
        if not sha:
            raise self.refused(title, f"{why}, and it names no commit", mend)
        body = await self.api.object(f"{place.root}/actions/runs", {"head_sha": sha, "per_page": 50})
        runs = known(body, "workflow_runs")
        during = [
            each for each in runs.values()
            if (epoch(each.get("run_started_at")) or 0.0) <= at <= (epoch(each.get("updated_at")) or 0.0) + SLACK_S
        ]  # fmt: skip
        if len(during) != 1:
            count = f"{len(during)} runs" if during else "no run"
            raise self.refused(title, f"{why}, and {count} of {sha[:10]} went on when it was made", mend)
        only = during[0]
        warning = f"that {_named(only)} made it is only told by its commit and time"
        return place._replace(number=whole(only.get("id")) or 0), [warning]

    async def _latest(self, place: Place, title: str) -> Json:
        """The job of the run's latest attempt that has the name of the one that deployed."""
        jobs = known(await self.source.runs.jobs(place))
        if place.job in jobs:
            return jobs[place.job]
        if place.job:
            try:
                name = text((await self.api.object(place.the_job)).get("name"))
            except NotFound:
                name = ""
            same = [each for each in jobs.values() if name and text(each.get("name")) == name]
        else:
            same = list(jobs.values())
        if len(same) != 1:
            which = "its job is gone" if place.job else f"which of {len(same)} jobs of its run deployed is not told"
            raise self.refused(title, which, "re-run its run")
        return same[0]

    async def execute(self, preview: Preview) -> str:
        """Compare the run and what the environment has, then send it once."""
        place = self.place(preview.ref)
        record = preview.record
        if isinstance(record, Deployment):
            there = await self.source.deployments.now_there(place, record.target)
            if _id(there) != preview.token.there:
                raise self.moved(preview.before, _told(there))
        return await super().execute(preview)

    async def verify(self, preview: Preview) -> Outcome:
        """The new attempt is listed; its deployment comes when the job begins, or waits for an approval."""
        now = await self.next_attempt(preview)
        message = f"attempt {now.attempt} is {now.state}; its deployment is listed when the job begins"
        return Outcome(verified=True, message=message, observed=str(now))


def _named(run: Json) -> str:
    return f"{shown(run.get('name'))} #{text(run.get('run_number'))}"


def _id(deployment: Json | None) -> int:
    return (whole(deployment.get("id")) or 0) if deployment else 0


def _told(deployment: Json | None) -> str:
    if not deployment:
        return "nothing"
    return f"{shown(deployment.get('ref'), 80)} at {text(deployment.get('sha'))[:10]} (deployment {_id(deployment)})"
