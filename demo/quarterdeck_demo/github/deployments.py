"""Operations on deployments, environments, and runs that wait for an approval.

https://docs.github.com/en/rest/deployments?apiVersion=2022-11-28
https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28#review-pending-deployments-for-a-workflow-run
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quarterdeck_demo.github import deploy_shapes
from quarterdeck_demo.github.deploy_shapes import Deployed, environment_id
from quarterdeck_demo.github.gate import Refused, not_found, paged, token_of
from quarterdeck_demo.github.past import by_runs
from quarterdeck_demo.github.progress import JobMoment, LiveRun
from quarterdeck_demo.github.shapes import HTML
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story.records import Person, Repository

REVIEWERS = {"prod": ("oper-a", "op2"), "canary": ("oper-a",), "security": ("dara-n",)}
"""Environment to those who may approve; others ask nobody."""
FIRST = 600


class Deployments:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        root = "/repos/{owner}/{repo}"
        for method, path, handler in (
            ("GET", "/deployments", self.deployments),
            ("GET", "/deployments/{deployment}", self.deployment),
            ("GET", "/deployments/{deployment}/statuses", self.statuses),
            ("GET", "/environments", self.environments),
            ("GET", "/environments/{environment}", self.environment),
            ("GET", "/actions/runs/{run}/pending_deployments", self.pending),
            ("POST", "/actions/runs/{run}/pending_deployments", self.review),
            ("GET", "/actions/runs/{run}/approvals", self.approvals),
        ):
            router.add(method, root + path, handler)

    def _people(self, name: str) -> list[Person]:
        return [self.state.story.people[login] for login in REVIEWERS.get(name, ())]

    def _by_hand(self, repository: Repository) -> Iterator[Deployed]:
        """What was deployed without a run: the timeline's other entries."""
        story = self.state.story
        releases = {(r.service, r.version): r for group in story.releases.values() for r in group}
        made = by_runs(story)
        for number, entry in enumerate(story.timeline.entries, FIRST):
            release = releases.get((entry.service, entry.version))
            if entry.service != repository.name or release is None or entry.at > self.state.clock() or entry in made:
                continue
            yield Deployed(
                number, entry.environment, release.sha, release.version, story.people["ci-bot"], entry.at,
                ((entry.at, "success", f"{entry.version} runs"),),
            )  # fmt: skip

    def _of_run(self, live: LiveRun, jobs: Sequence[JobMoment], job: JobMoment) -> Deployed | None:
        """The deployment of a job with an environment: there since the job waits for its approval."""
        run = live.run
        decided = live.approvals.get(job.plan.environment)
        if not job.plan.environment or job.conclusion == "skipped" or (job.status == "queued" and decided is None):
            return None
        needed = [each.completed_at or 0.0 for each in jobs if each.name in job.plan.needs]
        ready = max([run.started_at or run.created_at, *needed])
        states = [(ready, "pending", "")]
        if job.status == "queued" and decided is not None:
            states.append((decided[1], "queued", ""))
        if job.started_at is not None and job.steps:
            states.append((job.started_at, "in_progress", ""))
        if job.completed_at is not None:
            ended = "success" if job.conclusion == "success" else "failure"
            states.append((job.completed_at, ended, ""))
        page = f"{HTML}/{run.repository}/actions/runs/{run.id}/job/{job.id}"
        return Deployed(job.id, job.plan.environment, run.sha, run.branch, run.actor, ready, tuple(states), page)

    def _all(self, repository: Repository) -> list[Deployed]:
        """Newest first. In what is no production a success makes the one before inactive."""
        found = list(self._by_hand(repository))
        seen: set[int] = set()
        for live, at in self.state.runs_of(repository.slug):
            for jobs in (*live.earlier, at.jobs):
                for job in jobs:
                    if job.id not in seen and (made := self._of_run(live, jobs, job)) is not None:
                        seen.add(job.id)
                        found.append(made)
        found.sort(key=lambda made: (made.at, made.id))
        for index, made in enumerate(found):
            later = (each for each in found[index + 1 :] if each.environment == made.environment)
            after = next((state[0] for each in later for state in each.states if state[1] == "success"), None)
            if after is not None and made.environment != "prod" and made.states[-1][1] == "success":
                found[index] = made._replace(states=(*made.states, (after, "inactive", "")))
        return found[::-1]

    def _find(self, request: Request) -> tuple[Repository, Deployed]:
        repository, wanted = self.site.repository(request), request.match["deployment"]
        for made in self._all(repository):
            if str(made.id) == wanted:
                return repository, made
        raise not_found()

    async def deployments(self, request: Request) -> Response:
        """GET the deployments, newest first; filters environment, sha, ref, task."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        found = [
            made for made in self._all(repository)
            if request.arg("environment", made.environment) == made.environment
            and request.arg("sha", made.sha) == made.sha and request.arg("ref", made.ref) == made.ref
            and request.arg("task", "deploy") == "deploy"
        ]  # fmt: skip
        page, headers = paged(request, shapes.base, found)
        rows = [deploy_shapes.deployment(shapes, repository, made) for made in page]
        return json_response(rows, headers=headers)

    async def deployment(self, request: Request) -> Response:
        """GET a deployment."""
        repository, made = self._find(request)
        return json_response(deploy_shapes.deployment(self.site.shapes(request), repository, made))

    async def statuses(self, request: Request) -> Response:
        """GET a deployment's statuses, newest first."""
        repository, made = self._find(request)
        shapes = self.site.shapes(request)
        page, headers = paged(request, shapes.base, deploy_shapes.statuses(shapes, repository, made))
        return json_response(page, headers=headers)

    def _names(self, repository: Repository) -> list[str]:
        return ["prod", "staging", *({made.environment for made in self._all(repository)} - {"prod", "staging"})]

    async def environments(self, request: Request) -> Response:
        """GET the environments."""
        repository, shapes = self.site.repository(request), self.site.shapes(request)
        page, headers = paged(request, shapes.base, self._names(repository))
        rows = [deploy_shapes.environment(shapes, repository, name, self._people(name)) for name in page]
        total = len(self._names(repository))
        return json_response({"total_count": total, "environments": rows}, headers=headers)

    async def environment(self, request: Request) -> Response:
        """GET an environment with its protection rules."""
        repository, name = self.site.repository(request), request.match["environment"]
        if name not in self._names(repository):
            raise not_found()
        shaped = deploy_shapes.environment(self.site.shapes(request), repository, name, self._people(name))
        return json_response(shaped)

    async def pending(self, request: Request) -> Response:
        """GET what a run waits for."""
        repository, _, at = self.site.run(request)
        shapes, login = self.site.shapes(request), token_of(self.state, request).login
        rows = []
        for job in at.jobs:
            if job.status == "waiting":
                name, people = job.plan.environment, self._people(job.plan.environment)
                mine = any(person.login == login for person in people)
                rows.append(deploy_shapes.pending_deployment(shapes, repository, name, people, approver=mine))
        return json_response(rows)

    async def review(self, request: Request) -> Response:
        """POST an approval or a rejection for the environments named by id."""
        repository, live, at = self.site.run(request)
        body, now, login = self.site.body(request), self.state.clock(), token_of(self.state, request).login
        if body.get("state") not in ("approved", "rejected") or not isinstance(body.get("comment"), str):
            raise Refused(422, "Invalid request.")
        waiting = {
            environment_id(job.plan.environment): job for job in at.jobs
            if job.status == "waiting" and login in REVIEWERS.get(job.plan.environment, ())
        }  # fmt: skip
        asked = body.get("environment_ids") or []
        if not asked or any(identity not in waiting for identity in asked):
            raise Refused(422, "No pending deployment requests to approve or reject")
        rows = []
        for identity in asked:
            job = waiting[identity]
            made = self._of_run(live, at.jobs, job)
            live.decide(
                job.plan.environment, approved=body["state"] == "approved", at=now, login=login,
                comment=body["comment"],
            )  # fmt: skip
            if made is not None:
                rows.append(deploy_shapes.deployment(self.site.shapes(request), repository, made))
        return json_response(rows)

    async def approvals(self, request: Request) -> Response:
        """GET what was said to a run that waited, newest first."""
        repository, live, _ = self.site.run(request)
        shapes, people = self.site.shapes(request), self.state.story.people
        rows = [deploy_shapes.approval(shapes, repository, each, people[each.login]) for each in live.decisions[::-1]]
        return json_response(rows)
