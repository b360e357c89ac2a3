"""What pipelines wait for: deployments that need an approval, and jobs that somebody must start.

https://docs.gitlab.com/ci/environments/deployment_approvals/
"""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_adapters.gitlab import mapping
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.mapping import Spot
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_adapters.gitlab.probing import Rights
from quarterdeck_adapters.gitlab.projects import Projects
from quarterdeck_lifecycle.errors import Forbidden, NotFound, QuarterdeckError


def job_of(deployment: Json) -> int:
    """The id of the job that makes a deployment, 0 for one that no job makes."""
    return whole(section(deployment, "deployable").get("id")) or 0


def target_of(deployment: Json) -> str:
    """The environment of a deployment, to be shown."""
    return shown(section(deployment, "environment").get("name"), 60) or "an environment"


def left(deployment: Json) -> int | None:
    """How many approvals a deployment still needs; None where this GitLab has no approvals of deployments."""
    return whole(deployment.get("pending_approval_count"))


def approvers(deployment: Json) -> str:
    """Who may approve, as the rules say that still lack somebody."""
    found = []
    for rule in rows(section(deployment, "approval_summary").get("rules")):
        given = [a for a in rows(rule, "deployment_approvals") if a.get("status") == "approved"]
        if len(given) < (whole(rule.get("required_approvals")) or 0):
            found.append(shown(rule.get("access_level_description"), 60) or "somebody")
    return " and ".join(found[:4])


def why_not_mine(deployment: Json, viewer: str, access: int | None) -> str:
    """Why we may not approve it, as far as its rules and our role tell; empty when we may, or when that is unknown."""
    if viewer and text(section(deployment, "user").get("username")) == viewer:
        return "it is your own deployment: GitLab takes no approval from who started it"
    if any(text(section(each, "user").get("username")) == viewer for each in rows(deployment, "approvals") if viewer):
        return "you said your word on it already"
    rules = rows(section(deployment, "approval_summary").get("rules"))
    levels = [whole(rule.get("access_level")) for rule in rules]
    if access is not None and levels and all(level is not None and level > access for level in levels):
        return f"it needs {approvers(deployment) or 'a role above yours'}"
    return ""


class Gates:
    """Reads what waits in the projects."""

    def __init__(self, api: GitlabApi, projects: Projects, rights: Rights) -> None:
        self.api = api
        self.projects = projects
        self.rights = rights

    async def blocked(self, place: Place, *, etag: bool = False) -> list[Json]:
        """The deployments of a pipeline that wait for an approval, with their rules."""
        params = {"status": "blocked", "order_by": "id", "sort": "desc", "per_page": 50}
        try:
            listed = rows(await self.api.get(f"{place.root}/deployments", params, etag=etag))
        except (Forbidden, NotFound):
            # A project may have its deployments switched off.
            return []
        found = []
        for each in listed:
            if whole(section(each, "deployable", "pipeline").get("id")) == place.number:
                one = place._replace(number=whole(each.get("id")) or 0)
                found.append(await self.api.object(one.deployment, etag=etag))
        return found

    def stops(self, jobs: Iterable[Json], blocked: Iterable[Json] = ()) -> list[Json]:
        """The manual jobs that a pipeline cannot go on without, less those whose deployment is blocked."""
        held = {job_of(each) for each in blocked}
        return [
            job for job in mapping.newest(jobs)
            if mapping.word(job) == "manual" and job.get("allow_failure") is not True
            and (whole(job.get("id")) or 0) not in held
        ]  # fmt: skip

    async def spot(self, place: Place, spot: Spot) -> Spot:
        """Where a pipeline stands that waits; for me where I may approve it, and not for whoever starts a job."""
        try:
            blocked = await self.blocked(place, etag=True)
        except QuarterdeckError:
            blocked = []
        if blocked:
            viewer, access = await self.projects.viewer(), self.projects.access(place.path)
            mine = [each for each in blocked if not why_not_mine(each, viewer, access)]
            told = [f"{target_of(each)} by {approvers(each) or 'somebody'}" for each in blocked[:4]]
            allowed = self.rights.denied("run.approve", place.path) is None
            return Spot(note=f"approval: {'; '.join(told)}", mine=bool(mine) and allowed)
        return spot
