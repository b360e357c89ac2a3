"""The deployments tab: what each environment of the projects was given, and what waits for an approval.

https://docs.gitlab.com/api/deployments/
"""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.asking import ask_each
from quarterdeck_adapters.ci.values import Json, epoch, known, rows, section, shown, text, whole
from quarterdeck_adapters.gitlab import mapping
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.gates import Gates, approvers, left, why_not_mine
from quarterdeck_adapters.gitlab.mapping import Home
from quarterdeck_adapters.gitlab.places import Place, root_of
from quarterdeck_adapters.gitlab.projects import Projects
from quarterdeck_lifecycle.errors import Malformed
from quarterdeck_lifecycle.kinds import Deployment
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Link, Status

PER_PAGE = 50
BLOCKED_LOOKUPS = 8


def job_place(deployment: Json, path: str) -> Place | None:
    """The job that made a deployment; None for one that was made by hand through the API."""
    deployable = section(deployment, "deployable")
    pipeline, job = whole(section(deployable, "pipeline").get("id")), whole(deployable.get("id"))
    return Place(path, pipeline, job) if pipeline and job else None


def never_begun(deployment: Json) -> bool:
    """One that a manual job would make if it were started, or that was skipped: nothing of it happened."""
    state = mapping.word(deployment)
    if state == "created" and not rows(deployment, "approvals"):
        return text(section(deployment, "deployable").get("status")) in ("manual", "created", "skipped")
    return state == "skipped"


def record(deployment: Json, home: Home, *, current: bool = False, mine: bool = False) -> Deployment:
    """A deployment as a row."""
    state = mapping.word(deployment)
    status = mapping.STATUS.get(state, Status.UNKNOWN)
    if status is Status.OK and not current:
        status = Status.IDLE
    sha, branch = text(deployment.get("sha")), text(deployment.get("ref"))
    target, note = text(section(deployment, "environment").get("name")), ""
    job = section(deployment, "deployable")
    if state == "blocked":
        note = f"approval by {approvers(deployment) or 'somebody'}: {left(deployment) or 1} left"
    elif state == "failed":
        note = " ".join(filter(None, (shown(job.get("name"), 60), mapping.why_failed(job))))
    elif state == "created" and text(job.get("status")) == "manual":
        note = f"approved: {shown(job.get('name'), 60)} waits to be started"
    elif current:
        note = "what it has now"
    links = [home.link(text(job.get("web_url"))), Link(kind="environment", value=target, evidence="environment")]
    if sha:
        links.append(Link(kind="commit", value=sha, evidence="sha of the deployment"))
    if branch:
        links.append(Link(kind="branch", value=branch, evidence="ref of the deployment"))
    place = job_place(deployment, home.path)
    if place is not None:
        run = f"{home.path}/{place.number}"
        links.append(Link(kind="run", value=run, evidence="pipeline of its job"))
    return Deployment(
        ref=home.ref("deployment", whole(deployment.get("id")) or 0),
        name=f"{home.short} {target} #{text(deployment.get('iid')) or text(deployment.get('id'))}",
        status=status,
        state=state,
        updated_at=epoch(deployment.get("updated_at")) or epoch(deployment.get("created_at")),
        environment=home.environment,
        url=text(job.get("web_url")),
        note=note,
        links=tuple(links),
        system="gitlab",
        repository=home.path,
        target=target,
        number=text(deployment.get("iid")),
        branch=branch,
        head=sha,
        actor=text(section(deployment, "user").get("username")),
        run=f"{home.path}/{place.number}" if place is not None else "",
        current=current,
        created_at=epoch(deployment.get("created_at")),
        waits_for_me=mine,
    )


class Deploys:
    """Reads deployments."""

    def __init__(self, api: GitlabApi, projects: Projects, gates: Gates) -> None:
        self.api = api
        self.projects = projects
        self.gates = gates
        self._last: dict[str, list[Deployment]] = {}

    async def listing(self, notes: Sequence[str] = (), *, thrifty: bool = False) -> Listing:
        """The newest deployments of each project. One that fails keeps the rows it had."""
        answers = await ask_each(self.projects.paths, self._newest)
        for path, found in answers.good.items():
            self._last[path] = await self._rows(path, found, thrifty=thrifty)
        return Listing(
            rows=[row for path in self.projects.paths for row in self._last.get(path, ())],
            partial="; ".join([*notes, *answers.told]),
            budget=self.api.budget,
        )

    async def _newest(self, path: str) -> dict[int, Json]:
        params = {"order_by": "id", "sort": "desc", "per_page": PER_PAGE}
        body = await self.api.get(f"{root_of(path)}/deployments", params, etag=True)
        if not isinstance(body, list):
            raise Malformed(
                f"the deployments of {path} were no list", source=self.api.source, mend=self.api.mend_malformed
            )
        return known(body)

    async def _rows(self, path: str, found: dict[int, Json], *, thrifty: bool) -> list[Deployment]:
        home, viewer = self.projects.home(path), self.projects.known_viewer
        access = self.projects.access(path)
        blocked = [] if thrifty else [id for id, each in found.items() if mapping.word(each) == "blocked"]
        blocked = blocked[:BLOCKED_LOOKUPS]
        rules = dict(zip(
            blocked, await together(self.api.object(Place(path, id).deployment, etag=True) for id in blocked),
            strict=True,
        ))  # fmt: skip
        now: dict[str, int] = {}
        for id, each in sorted(found.items(), reverse=True):
            if mapping.word(each) == "success":
                now.setdefault(text(section(each, "environment").get("name")), id)
        made = []
        for id, each in found.items():
            if never_begun(each):
                continue
            known_rules = rules.get(id)
            detail = known_rules if isinstance(known_rules, dict) else each
            mine = (
                mapping.word(detail) == "blocked" and not why_not_mine(detail, viewer, access)
                and self.gates.rights.denied("deployment.approve", path) is None
            )  # fmt: skip
            made.append(record(detail, home, current=id in now.values(), mine=mine))
        return made

    async def read(self, place: Place) -> Json:
        """A deployment as it is now, past every cache."""
        return await self.api.object(place.deployment)

    async def of(self, place: Place, target: str, *, limit: int = 20) -> list[Json]:
        """The newest deployments of one environment."""
        params = {"environment": target, "order_by": "id", "sort": "desc", "per_page": limit}
        return list(known(await self.api.get(f"{place.root}/deployments", params)).values())

    def record(self, deployment: Json, path: str, *, current: bool = False) -> Deployment:
        """A deployment read by itself, as a row."""
        viewer, access = self.projects.known_viewer, self.projects.access(path)
        mine = mapping.word(deployment) == "blocked" and not why_not_mine(deployment, viewer, access)
        return record(deployment, self.projects.home(path), current=current, mine=mine)
