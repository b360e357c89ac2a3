"""What the practice GitLab remembers: projects, pipelines with every attempt of every job, merge requests, tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from quarterdeck_demo.gitlab.plan import JobPlan, PipelinePlan, ProjectPlan, projects
from quarterdeck_demo.gitlab.progress import (
    ENDED,
    Attempt,
    LivePipeline,
    Moment,
    PipelineMoment,
    pipeline_at,
)
from quarterdeck_demo.story import Person, Story

MINUTE, HOUR = 60.0, 3_600.0
LIMIT = 2000
"""Requests a minute and user: https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom"""


@dataclass(slots=True)
class Token:
    """A token: whose it is, its scopes, and what this minute was charged with."""

    value: str
    login: str
    scopes: tuple[str, ...]
    used: int = 0
    window: float = 0.0


@dataclass(slots=True)
class MergeRequest:
    """A merge request and what was done to it."""

    id: int
    iid: int
    title: str
    author: Person
    branch: str
    target: str
    sha: str
    created_at: float
    updated_at: float
    draft: bool = False
    conflicts: bool = False
    reviewers: tuple[str, ...] = ()
    needs: int = 1
    approved_by: list[str] = field(default_factory=list)
    merged_at: float | None = None
    merged_by: str = ""
    merge_sha: str = ""


@dataclass(slots=True)
class Project:
    """A project as it is now; `heads` are its branches' and tags' commits."""

    plan: ProjectPlan
    heads: dict[str, str]
    tags: dict[str, str]
    pipelines: dict[int, LivePipeline] = field(default_factory=dict)
    merges: dict[int, MergeRequest] = field(default_factory=dict)
    deployments: dict[int, tuple[LivePipeline, Attempt]] = field(default_factory=dict)
    attempts: dict[int, tuple[LivePipeline, Attempt]] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """Its number."""
        return self.plan.id


class State:
    """Everything that changes."""

    def __init__(self, story: Story, clock: Callable[[], float], tokens: tuple[str, str]) -> None:
        self.story, self.clock = story, clock
        full, reader = tokens
        login = story.viewer.login
        self.tokens = {
            full: Token(full, login, ("api",)),
            reader: Token(reader, login, ("read_api", "read_repository")),
        }
        self.premium = True
        self.limit = LIMIT
        self.ranges = False
        """Whether logs are served in ranges, as where they lie in an object store behind a proxy."""
        self._next = {"pipeline": 7000, "job": 610_000, "deployment": 900}
        self.projects: dict[int, Project] = {}
        for plan in projects(story):
            self.projects[plan.id] = Project(plan, dict(plan.repository.branches), dict(plan.repository.tags))
        planned = [(each, made) for made in self.projects.values() for each in made.plan.pipelines]
        planned += [(each, made) for made in self.projects.values() for each in _merge_requests(self, made)]
        for each, project in sorted(planned, key=lambda one: (one[0].created_at, one[1].id)):
            self.start(project, each)

    def _id(self, kind: str) -> int:
        self._next[kind] += 1
        return self._next[kind]

    def project(self, name: str) -> Project | None:
        """A project by its number or its path in any case."""
        if name.isdigit():
            return self.projects.get(int(name))
        return next((p for p in self.projects.values() if p.plan.path.lower() == name.lower()), None)

    def start(self, project: Project, plan: PipelinePlan, parent: LivePipeline | None = None) -> LivePipeline:
        """A new pipeline; jobs of the past that were retried have their failed attempt."""
        live = LivePipeline(self._id("pipeline"), len(project.pipelines) + 1, plan, {}, parent, plan.created_at)
        project.pipelines[live.id] = live
        for job in plan.jobs:
            attempt = self.attempt(project, live, job, plan.created_at)
            if job.name in plan.retried:
                late = self.attempt(project, live, job, plan.created_at)
                attempt.frozen = Moment("failed", plan.created_at + 4, plan.created_at + 44, "script_failure")
                late.created_at = plan.created_at + 60
        return live

    def attempt(self, project: Project, live: LivePipeline, job: JobPlan, at: float) -> Attempt:
        """One more attempt of a job, with an id of its own."""
        made = Attempt(self._id("job"), job, at)
        live.jobs.setdefault(job.name, []).append(made)
        project.attempts[made.id] = live, made
        if job.environment:
            made.deployment = self._id("deployment")
            recent = at > self.story.now - HOUR
            made.needs = 1 if recent and job.environment in project.plan.protected else 0
            project.deployments[made.deployment] = live, made
        if job.starts:
            made.child = self.start(project, _child(live.plan, job, at), live)
        return made

    def at(self, live: LivePipeline) -> PipelineMoment:
        """A pipeline as it is now."""
        return pipeline_at(live, self.clock())

    def listed(self, project: Project, *, children: bool = False) -> Iterator[LivePipeline]:
        """The pipelines, newest first; those that others made only where they are asked for."""
        now = self.clock()
        for live in sorted(project.pipelines.values(), key=lambda each: -each.id):
            if live.created_at <= now and (live.parent is not None) == children:
                yield live

    def retry(self, project: Project, live: LivePipeline, attempt: Attempt) -> Attempt:
        """The next attempt of a job; what a failure of it had skipped comes again by itself."""
        moments = self.at(live).jobs
        for tries in live.jobs.values():
            # What has run keeps its result, whatever runs again before it.
            if moments[tries[-1].id].status in ENDED - {"skipped"}:
                tries[-1].frozen = moments[tries[-1].id]
        attempt.frozen = moments[attempt.id]
        made = self.attempt(project, live, attempt.plan, self.clock())
        live.touched_at = self.clock()
        return made

    def cancel(self, live: LivePipeline) -> None:
        """Cancel whatever of a pipeline has not ended."""
        now, moments = self.clock(), self.at(live).jobs
        for attempt in live.attempts():
            if attempt.frozen is None and moments[attempt.id].status not in ENDED:
                attempt.cancelled_at = attempt.cancelled_at or now
                if attempt.child is not None:
                    self.cancel(attempt.child)
        live.touched_at = now


def tokens_of(seed: int) -> tuple[str, str]:
    """The token that may do all, and the one that only reads."""
    digest = hashlib.sha256(f"gitlab/{seed}".encode()).hexdigest()
    return f"glpat-{digest[:20]}", f"glpat-{digest[20:40]}"


def _child(parent: PipelinePlan, job: JobPlan, at: float) -> PipelinePlan:
    return PipelinePlan(parent.sha, parent.ref, "parent_pipeline", job.name, parent.user, at, job.starts)


def synthetic(text: str) -> str:
    """A commit's id for what the story's repositories do not hold."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _merge_requests(state: State, project: Project) -> list[PipelinePlan]:
    """Open merge requests in a project; the pipelines that they have."""
    now, people, path = state.story.now, state.story.people, project.plan.path
    made: list[PipelinePlan] = []

    def add(iid: int, title: str, author: str, branch: str, age: float, **more: object) -> None:
        # Branches that the story's repositories do not have stand at commits that they have.
        known = sorted(project.plan.repository.commits.values(), key=lambda commit: (-commit.at, commit.sha))
        sha = project.heads.setdefault(branch, known[min(1 + len(project.merges), len(known) - 1)].sha)
        project.merges[iid] = MergeRequest(
            5000 + project.id * 100 + iid, iid, title, people[author], branch, "main", sha, now - age - HOUR,
            now - age, **more,  # type: ignore[arg-type]
        )  # fmt: skip
        jobs = tuple(job for job in project.plan.pipelines[-1].jobs if job.stage == "test") or (
            JobPlan("unit", "test", 60, ("$ pytest -q", "ok")),
        )
        ref = f"refs/merge-requests/{iid}/head"
        made.append(PipelinePlan(sha, ref, "merge_request_event", "", people[author], now - age, jobs))

    if path == "acme/etl":
        add(88, "Keep late rows", "dara-n", "late-rows", 35 * MINUTE, reviewers=("oper-a",))
        add(86, "Bump pyarrow from 17 to 18", "ci-bot", "deps/pyarrow", 26 * HOUR, approved_by=["op2"])
        add(81, "Partition by day", "op2", "by-day", 9 * 24 * HOUR, draft=True, conflicts=True)
    elif path.endswith("churn"):
        add(12, "Predict for 60 days too", "oper-a", "horizon-60", 5 * HOUR, reviewers=("chen-li",))
    else:
        add(31, "Retrain with velocity features", "chen-li", "retrain-nov", 3 * HOUR, reviewers=("oper-a",))
    return made
