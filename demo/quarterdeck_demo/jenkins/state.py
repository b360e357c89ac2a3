"""What the controller remembers: jobs, builds, the queue, who may do what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quarterdeck_demo.jenkins import content, progress
from quarterdeck_demo.jenkins.plan import Cause, Job, Stage, by_user
from quarterdeck_demo.jenkins.progress import Build, Moment
from quarterdeck_demo.story import Story

QUIET_S = 5.0
"""The quiet period, in seconds, before an item may begin."""
EXECUTOR_S = 2.0
KEPT_S = 300.0
"""How long an item that left the queue can still be read."""


@dataclass(frozen=True, slots=True)
class User:
    """An account: an API token and a password; `builds` is Job/Build."""

    login: str
    name: str
    token: str
    password: str
    builds: bool = True


@dataclass(slots=True)
class Item:
    """An item of the queue."""

    id: int
    job: Job
    since: float
    cause: Cause
    values: dict[str, str | bool]
    quiet_s: float = QUIET_S
    sha: str = ""
    restarted: tuple[int, str] | None = None
    """Number of the build and the stage that it is restarted from."""
    build: Build | None = None
    left_at: float | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Sessions:
    """Sessions of those who came with a password, and the crumbs that are bound to them."""

    crumbs: dict[str, str] = field(default_factory=dict)


class State:
    """Everything that changes."""

    def __init__(self, story: Story, clock: Callable[[], float]) -> None:
        self.story, self.clock = story, clock
        self.jobs = content.jobs(story)
        self.builds: dict[str, list[Build]] = {name: [] for name in self.jobs}
        for build in content.builds(story, self.jobs):
            self.builds[build.job.full_name].append(build)
        for found in self.builds.values():
            found.sort(key=lambda build: -build.number)
        self._ids = 4711
        self.items: dict[int, Item] = {}
        self.sessions = Sessions()
        self.floods = 0
        """Requests that asked for `depth=`, which is what brings a controller down."""
        self.users = {user.login: user for user in users(story)}
        job = self.jobs[content.TRAIN]
        self.add(job, by_user("chen-li", "Chen Li"), {"BRANCH": "main", "EPOCHS": "90", "DEVICE": "gpu",
                                                      "REGISTER": False}, since=story.now - 360)  # fmt: skip

    def add(
        self, job: Job, cause: Cause, values: dict[str, str | bool], *, since: float | None = None,
        restarted: tuple[int, str] | None = None, sha: str = "",
    ) -> tuple[Item, bool]:
        """An item for a job, or the equal one that waits already; and whether it is new."""
        for item in self.waiting():
            if item.job is job and item.values == values and item.restarted == restarted:
                return item, False
        self._ids += 1
        at = self.clock() if since is None else since
        item = Item(self._ids, job, at, cause, values, sha=sha, restarted=restarted)
        self.items[item.id] = item
        return item, True

    def waiting(self) -> list[Item]:
        """What has not left the queue, oldest first."""
        return [item for item in self.items.values() if item.left_at is None]

    def tick(self) -> None:
        """Let begin what may begin by now, and forget what left the queue long ago."""
        now = self.clock()
        for item in self.waiting():
            ready = item.since + item.quiet_s + EXECUTOR_S
            if item.job.label:
                ends = [self.moment(build).ended_at for build in self.labelled(item.job.label)]
                if any(end is None for end in ends):
                    continue
                ready = max([ready, *(end + EXECUTOR_S for end in ends if end is not None and end > item.since)])
            if now >= ready:
                self._begin(item, ready)
        for item in list(self.items.values()):
            if item.left_at is not None and now - item.left_at > KEPT_S:
                del self.items[item.id]

    def labelled(self, label: str) -> list[Build]:
        """The builds on the machines of a label."""
        return [build for job in self.jobs.values() if job.label == label for build in self.builds[job.full_name]]

    def moment(self, build: Build) -> Moment:
        """A build now."""
        return progress.at(build, self.clock())

    def _begin(self, item: Item, at: float) -> None:
        past = self.builds[item.job.full_name]
        number = 1 + max((build.number for build in past), default=0)
        sha = item.sha or (past[0].sha if past else "")
        item.build = Build(
            item.job, number, item.id, item.since, at, self._stages(item), sha, item.cause, dict(item.values)
        )
        item.left_at = at
        past.insert(0, item.build)

    def _stages(self, item: Item) -> tuple[Stage, ...]:
        stages = item.job.stages
        if item.restarted is None:
            return stages
        name = item.restarted[1]
        index = next(n for n, stage in enumerate(stages) if stage.name == name)
        skipped = tuple(replace(stage, steps=()) for stage in stages[:index])
        return (*skipped, *stages[index:])

    def build(self, name: str, number: int) -> Build | None:
        """A build of a job."""
        return next((build for build in self.builds.get(name, ()) if build.number == number), None)

    def why(self, item: Item) -> tuple[str, str]:
        """The class of a waiting item and the reason, in Jenkins' words."""
        left = item.since + item.quiet_s - self.clock()
        if left > 0:
            return "WaitingItem", f"In the quiet period. Expires in {left:.1f} sec"
        if item.job.label:
            return "BuildableItem", f"Waiting for next available executor on ‘{item.job.label}’"
        return "BuildableItem", "Waiting for next available executor"


def users(story: Story) -> tuple[User, User, User]:
    """Who may do all, who may only read, and a colleague."""

    def secret(kind: str) -> str:
        return hashlib.sha256(f"jenkins/{kind}/{story.seed}".encode()).hexdigest()

    viewer = story.viewer
    return (
        User(viewer.login, viewer.name, f"11{secret('token')[:32]}", secret("password")[:16]),
        User("reader", "Read Only", f"11{secret('reader')[:32]}", secret("reader's")[:16], builds=False),
        User("op2", "Bruno Keller", f"11{secret('op2')[:32]}", secret("op2's")[:16]),
    )
