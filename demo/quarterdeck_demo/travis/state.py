"""What the server remembers: builds and what was done to them, requests, tokens and how much they asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from quarterdeck_demo.story import Repository, Story
from quarterdeck_demo.story.records import Person
from quarterdeck_demo.travis.plans import BuildPlan, builds
from quarterdeck_demo.travis.progress import Attempt, BuildMoment, LiveBuild, LiveJob, build_at

HUB_S = 0.5
"""Seconds from a verb being accepted to the hub having done it: until then all looks as before."""
REQUEST_S = 1.5
"""Seconds from a request being accepted to its build."""
SLUG_OF_BOT = "ci-bot"


@dataclass(slots=True)
class Token:
    """A token, and when it was used in the last minute."""

    value: str
    person: Person
    writes: bool
    recent: deque[float] = field(default_factory=deque)
    posts: deque[float] = field(default_factory=deque)
    banned_until: float = 0.0


@dataclass(slots=True)
class AskedBuild:
    """A request for a build. `why` is said when it is rejected."""

    id: int
    repository: str
    event: str
    created_at: float
    branch: str
    message: str = ""
    config: dict[str, object] = field(default_factory=dict)
    build: int = 0
    why: str = ""


class State:
    """Everything that changes."""

    def __init__(
        self, story: Story, clock: Callable[[], float], slugs: Sequence[str], token: str, reader: str
    ) -> None:
        self.story, self.clock = story, clock
        self.repositories = {slug: story.repositories[slug] for slug in slugs}
        self.tokens = {
            token: Token(token, story.viewer, True), reader: Token(reader, story.people[SLUG_OF_BOT], False)
        }  # fmt: skip
        self.anonymous: dict[str, Token] = {}
        self.builds: dict[int, LiveBuild] = {}
        self.jobs: dict[int, tuple[LiveBuild, LiveJob]] = {}
        self.requests: dict[int, AskedBuild] = {}
        self.deleted: set[int] = set()
        released = {
            each.sha: f"{story.registry}/{each.image.repository}:{each.image.tags[0]}"
            for found in story.releases.values() for each in found
        }  # fmt: skip
        for plan in builds(
            story.now, story.seed, list(self.repositories.values()), story.registry, story.people[SLUG_OF_BOT], released
        ):
            self._add(plan)

    def _add(self, plan: BuildPlan, request: int = 0) -> LiveBuild:
        request = request or plan.id + 40_000_000
        live = LiveBuild(plan, [], request)
        for place, job in enumerate(plan.jobs, 1):
            id = plan.id * 2 + 60_000_000 + place
            made = LiveJob(id, f"{plan.number}.{place}", job, [Attempt(plan.created_at + 1)])
            if plan.canceled_after is not None:
                made.attempts[0].canceled_at = plan.created_at + plan.canceled_after
            live.jobs.append(made)
            self.jobs[made.id] = (live, made)
        if plan.restarted_after is not None:
            live.jobs[0].attempts.append(Attempt(plan.created_at + plan.restarted_after, self.story.viewer))
        self.builds[plan.id] = live
        if request not in self.requests:
            self.requests[request] = AskedBuild(
                request, plan.repository, plan.event, plan.created_at - 1, plan.branch, build=plan.id
            )  # fmt: skip
        return live

    def repository(self, name: str) -> Repository | None:
        """A repository by its slug in any case, or by its id."""
        found = (r for r in self.repositories.values() if name == str(r.id) or name.lower() == r.slug.lower())
        return next(found, None)

    def builds_of(self, slug: str) -> list[tuple[LiveBuild, BuildMoment]]:
        """The builds of a repository that exist by now, by number, the newest first."""
        now = self.clock()
        found = [b for b in self.builds.values() if b.plan.repository == slug and b.plan.created_at <= now]
        found = [build for build in found if build.plan.id not in self.deleted]
        found.sort(key=lambda build: -build.plan.number)
        return [(build, build_at(build, now)) for build in found]

    def build(self, id: str) -> LiveBuild | None:
        """A build that exists by now."""
        found = self.builds.get(int(id)) if id.isascii() and id.isdigit() else None
        gone = found is None or found.plan.created_at > self.clock() or found.plan.id in self.deleted
        return None if gone else found

    def job(self, id: str) -> tuple[LiveBuild, LiveJob] | None:
        """A job of a build that exists by now."""
        found = self.jobs.get(int(id)) if id.isascii() and id.isdigit() else None
        return found if found is not None and self.build(str(found[0].plan.id)) is not None else None

    def restart(self, live: LiveBuild, jobs: Sequence[LiveJob], by: Person) -> None:
        """Run jobs again, a moment from now; what was canceled because an earlier stage failed stays so."""
        for moment in build_at(live, self.clock()).jobs:
            attempt = moment.job.attempts[-1]
            if moment.state == "canceled" and attempt.canceled_at is None:
                attempt.canceled_at = moment.finished_at
        for job in jobs:
            job.attempts.append(Attempt(self.clock() + HUB_S, by))

    def cancel(self, jobs: Sequence[LiveJob]) -> None:
        """Cancel jobs, a moment from now."""
        for job in jobs:
            job.attempts[-1].canceled_at = self.clock() + HUB_S

    def ask(self, repository: Repository, branch: str, message: str, config: dict[str, object]) -> AskedBuild:
        """A request by the API; its build follows, or it is rejected."""
        now = self.clock()
        id = 1 + max(self.requests)
        asked = AskedBuild(id, repository.slug, "api", now, branch, message, config)
        self.requests[id] = asked
        sha = repository.branches.get(branch)
        if sha is None:
            asked.why = "branch not included or excluded" if branch == "gh-pages" else "requested branch not found"
            return asked
        plans = (live.plan for live in self.builds.values() if live.plan.repository == repository.slug)
        last = max(plans, key=lambda plan: plan.number)
        commit = repository.commits[sha]
        plan = replace(
            last, id=max(self.builds) + 7, number=last.number + 1, branch=branch, event="api", flaky=False, tag="",
            commit=replace(commit, message=message or commit.message), created_at=now + REQUEST_S,
            sender=self.story.viewer, jobs=tuple(replace(job, stuck=False) for job in last.jobs),
            canceled_after=None, restarted_after=None,
        )  # fmt: skip
        asked.build = self._add(plan, id).plan.id
        return asked
