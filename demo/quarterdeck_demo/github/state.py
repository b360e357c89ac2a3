"""What the forge remembers: runs, reviews, merges, tokens and how much of its limits is spent."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quarterdeck_demo.github.past import deploy_runs
from quarterdeck_demo.github.progress import LiveRun, RunMoment, run_at
from quarterdeck_demo.github.refs import Refs
from quarterdeck_demo.story import PullRequest, Repository, Run, Story, Workflow

HOUR = 3600.0
GROUPS = {7102: "train-gpu"}
"""Workflows whose file names a concurrency group."""
DISPATCH_DELAY = 1.5
"""Seconds from a dispatch being accepted to its run being listed."""


@dataclass(slots=True)
class Token:
    """A token: whose it is, what it may do, and what is left of the hour. An empty `value` is the anonymous caller."""

    value: str
    login: str
    writes: bool
    limit: int = 5000
    used: int = 0
    reset_at: float = 0.0
    recent_writes: deque[float] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Review:
    """A review of a pull request, in the API's words."""

    id: int
    login: str
    state: str
    body: str
    sha: str
    at: float


@dataclass(slots=True)
class LivePull:
    """A pull request and what was done to it."""

    pull: PullRequest
    reviews: list[Review]
    merged_at: float | None = None
    merged_by: str = ""
    merge_sha: str = ""
    updated_at: float = 0.0
    mergeable: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    """By (base, head) commit; None while the forge has not looked yet."""


class State:
    """Everything that changes. Commits come from the real repositories; a push to one makes its runs."""

    def __init__(self, story: Story, clock: Callable[[], float]) -> None:
        self.story, self.clock = story, clock
        digest = hashlib.sha256(f"token/{story.seed}".encode()).hexdigest()
        self.token = Token("ghp_" + digest[:36], story.viewer.login, writes=True, used=1450)
        self.reader = Token("github_pat_" + digest[:36], story.viewer.login, writes=False)
        self.anonymous = Token("", "", writes=False, limit=60)
        self.tokens = {token.value: token for token in (self.token, self.reader)}
        self.runs = {run.id: LiveRun.of(run) for run in story.runs}
        self.runs |= {live.run.id: live for live in deploy_runs(story)}
        self.groups = dict(GROUPS)
        self.refs = {slug: Refs(repository.origin) for slug, repository in story.repositories.items()}
        self._seen = {slug: dict(repository.branches) for slug, repository in story.repositories.items()}
        self.pulls: dict[tuple[str, int], LivePull] = {}
        self._ids = 10_000_000
        for pull in story.pulls:
            live = LivePull(pull, [], updated_at=pull.updated_at)
            for login in pull.approved_by:
                live.reviews.append(Review(self.new_id(), login, "APPROVED", "", pull.sha, pull.updated_at))
            self.pulls[pull.repository, pull.number] = live

    def new_id(self) -> int:
        """An id that nothing else has."""
        self._ids += 1
        return self._ids

    def repository(self, slug: str) -> Repository | None:
        """A repository by its slug in any case."""
        return next((r for s, r in self.story.repositories.items() if s.lower() == slug.lower()), None)

    def workflows(self, slug: str) -> list[Workflow]:
        """The workflows of a repository."""
        return [workflow for workflow in self.story.workflows if workflow.repository == slug]

    def workflow(self, slug: str, name: str) -> Workflow | None:
        """A workflow by its id or its file's name."""
        return next((w for w in self.workflows(slug) if name in (str(w.id), w.path.rpartition("/")[2])), None)

    def runs_of(self, slug: str) -> list[tuple[LiveRun, RunMoment]]:
        """The runs of a repository that exist by now, newest first."""
        now = self.clock()
        self.settle(now)
        found = [r for r in self.runs.values() if r.run.repository == slug and r.run.created_at <= now]
        found.sort(key=lambda live: (-live.run.created_at, -live.run.id))
        return [(live, run_at(live, now)) for live in found]

    def start(
        self, workflow: Workflow, *, branch: str, sha: str, event: str, title: str, login: str,
        delay: float = 0.0, pull_request: int | None = None,
    ) -> Run:  # fmt: skip
        """A new run of a workflow; it is listed after `delay` seconds."""
        now = self.clock() + delay
        number = 1 + max((r.run.number for r in self.runs.values() if r.run.workflow == workflow.id), default=0)
        run = Run(
            self.new_id(), number, workflow.repository, workflow.id, title, branch, sha, event,
            self.story.people[login], now, now + 1, workflow.jobs, pull_request,
        )  # fmt: skip
        self.settle(now)
        group = self.groups.get(workflow.id)
        busy = group is not None and bool(self.members(group, now))
        self.runs[run.id] = LiveRun.of(run)
        self.runs[run.id].held = busy
        return run

    def members(self, group: str, now: float) -> list[LiveRun]:
        """The runs of a concurrency group that have not ended, the one that goes on first."""
        found = [
            live for live in self.runs.values()
            if self.groups.get(live.run.workflow) == group and live.run.created_at <= now
            and run_at(live, now).status != "completed"
        ]  # fmt: skip
        return sorted(found, key=lambda live: (live.held, live.run.created_at, live.run.id))

    def settle(self, now: float) -> None:
        """Of a group's runs one goes on and the newest waits; those between are cancelled.

        https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
        """
        for group in set(self.groups.values()):
            listed = self.members(group, now)
            held = [live for live in listed if live.held]
            for live in held[:-1]:
                live.cancelled_at = now
            if held and len(held) == len(listed):
                held[-1].held = False
                held[-1].attempts[-1] = replace(held[-1].attempt, started_at=now)

    async def notice_pushes(self, slug: str) -> None:
        """Make the runs that a push causes, and move the heads of pull requests, as the forge does on receipt."""
        refs, seen = self.refs[slug], self._seen[slug]
        for branch, sha in refs.branches().items():
            if seen.get(branch) == sha:
                continue
            seen[branch] = sha
            workflow = self.workflow(slug, "ci.yml")
            commit = await refs.commit(sha)
            if workflow is None or commit is None:
                continue
            pull = next((p for p in self.pulls.values() if p.pull.repository == slug
                         and p.pull.branch == branch and p.merged_at is None), None)  # fmt: skip
            if pull is not None:
                pull.updated_at = self.clock()
                await refs.set(f"refs/pull/{pull.pull.number}/head", sha)
            if pull is not None or branch == "main":
                self.start(
                    workflow, branch=branch, sha=sha, event="push" if pull is None else "pull_request",
                    title=commit.subject, login=self.story.viewer.login,
                    pull_request=pull.pull.number if pull else None,
                )  # fmt: skip


__all__ = ["DISPATCH_DELAY", "HOUR", "LivePull", "Review", "State", "Token"]
