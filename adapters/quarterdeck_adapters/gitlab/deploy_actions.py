"""Deploy an older deployment again: its job runs once more, at its commit. This is GitLab's way back.

https://docs.gitlab.com/ci/environments/deployments/#retry-or-roll-back-a-deployment
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, section, shown, text, whole
from quarterdeck_adapters.gitlab.acting import GitlabAction
from quarterdeck_adapters.gitlab.deploys import job_place
from quarterdeck_adapters.gitlab.gates import target_of
from quarterdeck_adapters.gitlab.mapping import word
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.kinds import Deployment
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

ENDED = frozenset({"success", "failed", "canceled"})


class Wanted(NamedTuple):
    """Which job runs again, and what its environment had when the operator looked."""

    job: Place
    state: str
    current: int


class Redeploy(GitlabAction):
    """`deployment.redeploy`."""

    verb = "deployment.redeploy"
    kind = "deployment"

    def refusal(self, record: Record) -> str | None:
        """What goes on or waits, and what no job made."""
        if not isinstance(record, Deployment):
            return "not a deployment"
        if record.state not in ENDED:
            return f"it is {record.state}: only what has ended is deployed again"
        return None if record.run else "no job made it: it was entered by hand through the API"

    async def look(self, place: Place, one: Json) -> tuple[Wanted, Json | None]:
        """The newest attempt of its job, and what the environment has now. Raises Conflict where there is no job."""
        made = job_place(one, place.path)
        if made is None:
            raise Conflict("nothing was sent", source=self.source.name, why="no job made this deployment")
        name = text(section(one, "deployable").get("name"))
        same = [j for j in await self.source.runs.jobs(made) if text(j.get("name")) == name]
        newest = max(same, key=lambda j: whole(j.get("id")) or 0, default=section(one, "deployable"))
        target = text(section(one, "environment").get("name"))
        listed = await self.source.deploys.of(place, target)
        current = next((each for each in listed if word(each) == "success"), None)
        job = made._replace(job=whole(newest.get("id")) or made.job)
        return Wanted(job, word(newest), whole((current or {}).get("id")) or 0), current

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict where its state forbids it."""
        place = self.place(ref)
        one = await self.source.deploys.read(place)
        record = self.source.deploys.record(one, place.path)
        target, sha = target_of(one), text(one.get("sha"))
        title = f"deploy {sha[:10]} to {target} again"
        self.checked(record, title)
        wanted, current = await self.look(place, one)
        if wanted.state not in ENDED:
            why = f"its job {wanted.job.job} is {wanted.state}"
            raise Conflict(f"{title} was not sent", source=self.source.name, why=why)
        now = text((current or {}).get("sha"))
        job = shown(section(one, "deployable").get("name"), 60)
        path = f"{wanted.job.the_job}/retry"
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title, steps=(self.step("POST", path),),
            impact=(f"{target} goes from {now[:10] or 'nothing'} to {sha[:10]}",
                    f"{job} of pipeline #{wanted.job.number} runs again, as it was then"),
            warnings=("this is what it has now",) if now == sha else (),
            before=f"{target} has {now[:10] or 'nothing'}", after=f"a new deployment of {sha[:10]}", token=wanted,
            why_no_inverse=f"the way back is to deploy {now[:10]} again" if now else "it had nothing before",
            command=self.command("POST", path),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the environment or the job moved."""
        place, wanted = self.place(preview.ref), preview.token
        now, current = await self.look(place, await self.source.deploys.read(place))
        if now.current != wanted.current:
            have = text((current or {}).get("sha"))[:10]
            raise self.moved(str(preview.before), f"at {have or 'nothing'} by deployment {now.current}")
        if now != wanted:
            raise self.moved(f"job {wanted.job.job} {wanted.state}", f"job {now.job.job} {now.state}")
        answer = await self.api.write("POST", f"{wanted.job.the_job}/retry")
        return f"GitLab accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """A new deployment of a later attempt of that job is listed. Where approvals are asked for it is blocked."""
        place, wanted = self.place(preview.ref), preview.token
        target = text(section(await self.source.deploys.read(place), "environment").get("name"))

        async def made() -> Json | None:
            for each in await self.source.deploys.of(place, target):
                job = job_place(each, place.path)
                if job is not None and job.number == wanted.job.number and job.job > wanted.job.job:
                    return each
            return None

        one = await self.until(made, preview, "no new deployment of it is listed")
        ref = Ref(preview.ref.source, "deployment", f"{place.path}/{whole(one.get('id'))}")
        waits = ": it waits for an approval" if word(one) == "blocked" else ""
        message = f"deployment {text(one.get('iid'))} is {word(one)}{waits}"
        return Outcome(verified=True, message=message, observed=str(ref))
