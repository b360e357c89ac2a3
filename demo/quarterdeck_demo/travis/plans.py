"""Which builds there are, and how each will go: a pure function of the story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from quarterdeck_demo.story.code import DAY, HOUR, MINUTE
from quarterdeck_demo.story.records import Commit, Person, Repository

LINUX, MACOS = "builds.gce-jammy", "builds.macos-ventura"
CRON_DAYS = 90
RUNNING, FAILED, QUEUED = "acme/scorer", "acme/churn", "acme/dashboards"
"""The repositories whose newest build runs, has failed, and waits for a worker."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A command of a job: the fold that it stands in, how long it takes, what it prints, how it ends."""

    fold: str
    command: str
    seconds: float
    lines: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job as it will go. `stuck`: no worker of its queue ever takes it."""

    stage: int
    phases: tuple[Phase, ...]
    config: Mapping[str, object] = field(default_factory=dict)
    allow_failure: bool = False
    queue: str = LINUX
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """A build as it was asked for. `stages` are names, in order; `flaky`: what failed passes when it is run again."""

    id: int
    number: int
    repository: str
    branch: str
    commit: Commit
    event: str
    created_at: float
    sender: Person
    stages: tuple[str, ...]
    jobs: tuple[JobPlan, ...]
    tag: str = ""
    flaky: bool = False
    canceled_after: float | None = None
    restarted_after: float | None = None
    """Seconds after its beginning at which a colleague restarted its first job."""


FAILED_TEST = (
    "\x1b[1m============================= test session starts ==============================\x1b[0m",
    "collected 96 items",
    "tests/test_load.py \x1b[32m.........................\x1b[0m\x1b[32m [ 26%]\x1b[0m",
    "tests/test_drift.py \x1b[31mF\x1b[0m\x1b[32m....\x1b[0m",
    "\x1b[31m\x1b[1m_______________________ test_window_of_a_new_customer _______________________\x1b[0m",
    "    def test_window_of_a_new_customer():",
    ">       assert window([]) == (0, 30)",
    "\x1b[31mE       assert (0, 28) == (0, 30)\x1b[0m",
    "\x1b[31mFAILED\x1b[0m tests/test_drift.py::\x1b[1mtest_window_of_a_new_customer\x1b[0m - (0, 28) == (0, 30)",
    "\x1b[31m========= \x1b[31m\x1b[1m1 failed\x1b[0m, \x1b[32m95 passed\x1b[0m in 61.20s =========\x1b[0m",
)
NO_INDEX = (
    "Looking in indexes: http://packages.acme.example/simple",
    "  Retrying (Retry(total=0)) after connection broken: Connection refused",
    "\x1b[31mERROR: Could not find a version that satisfies the requirement numpy==2.3.1\x1b[0m",
    "\x1b[31mERROR: No matching distribution found for numpy==2.3.1\x1b[0m",
)


def setting_up(sha: str, slug: str) -> Phase:
    """What every job begins with."""
    clone = f"git clone --depth=50 https://github.com/{slug}.git {slug}"
    return Phase("git.checkout", clone, 3, (f"Cloning into '{slug}'...", f"HEAD is now at {sha[:7]}"))


def checks(
    name: str, sha: str, slug: str, scale: float, *, fails: bool = False, errs: bool = False, long: bool = False
) -> JobPlan:
    """A job of the stage Test; `long` prints a line every other second for six minutes."""
    install = Phase("install", "pip install -r requirements.txt", 18 * scale, ("Successfully installed numpy-2.3.1",))
    if errs:
        install = Phase("install", "pip install -r requirements.txt", 40 * scale, NO_INDEX, 1)
    seconds = 360.0 if long else 66 * scale
    passed: tuple[str, ...] = ("collected 96 items", "\x1b[32m96 passed\x1b[0m in 60.85s")
    if long:
        walk = (f"tests/test_load.py::test_batch[{n:03}] \x1b[32mPASSED\x1b[0m" for n in range(180))
        passed = (*walk, *passed)
    script = Phase("script", "pytest -q", seconds, passed)
    if fails:
        script = Phase("script", "pytest -q", seconds, FAILED_TEST, 1)
    config = {"os": "linux", "language": "python", "dist": "jammy", "python": name.rpartition(" ")[2], "stage": "Test"}
    return JobPlan(0, (setting_up(sha, slug), install, script), config)


def lint(sha: str, slug: str, scale: float) -> JobPlan:
    """A job that may fail."""
    script = Phase("script", "ruff check .", 7 * scale, ("\x1b[32mAll checks passed!\x1b[0m",))
    config = {"os": "linux", "language": "python", "name": "lint", "stage": "Test"}
    return JobPlan(0, (setting_up(sha, slug), script), config, allow_failure=True)


def image(sha: str, slug: str, name: str, scale: float) -> JobPlan:
    """The job of the stage Image, which pushes an image of that name."""
    push = Phase("script", "make image push", 58 * scale, (f"#8 naming to {name} done", "#9 pushing layers 2.4s done"))
    config = {"os": "linux", "language": "minimal", "name": "build and push", "stage": "Image",
              "env": [f"IMAGE={name}"]}  # fmt: skip
    return JobPlan(1, (setting_up(sha, slug), push), config)


def passing(plan: JobPlan) -> JobPlan:
    """The same job without its failure."""
    return replace(
        plan, phases=tuple(replace(p, code=0, lines=p.lines[:2]) if p.code else p for p in plan.phases)
    )  # fmt: skip


def main_line(repository: Repository) -> list[Commit]:
    """The commits of main, oldest first."""
    line, sha = [], repository.head
    while sha:
        commit = repository.commits[sha]
        line.append(commit)
        sha = commit.parents[0] if commit.parents else ""
    return line[::-1]


def _asked(repository: Repository, now: float) -> Iterator[tuple[float, Commit, str, str]]:
    """When, which commit, by which event, and which tag: pushes, tags, and a cron a day."""
    line = main_line(repository)
    tags = {sha: tag for tag, sha in repository.tags.items()}
    for commit in line:
        yield commit.at + 20, commit, "push", ""
        if commit.sha in tags:
            yield commit.at + 31, commit, "push", tags[commit.sha]
    for day in range(CRON_DAYS, 0, -1):
        at = now - day * DAY + 17 * HOUR
        before = [commit for commit in line if commit.at < at]
        if before:
            yield at, before[-1], "cron", ""
    if repository.slug == RUNNING:
        yield now - 70, line[-1], "api", ""


def builds(
    now: float, seed: int, repositories: Sequence[Repository], registry: str, bot: Person, released: Mapping[str, str]
) -> list[BuildPlan]:
    """Every build, oldest first. `released` are the names of images by the commit that was released as them."""
    random = Random(f"travis/{seed}")
    made: list[BuildPlan] = []
    for repository in repositories:
        slug = repository.slug
        asked = sorted(_asked(repository, now), key=lambda each: each[0])
        for number, (at, commit, event, tag) in enumerate(asked, 1):
            scale, roll = random.uniform(0.9, 1.1), random.random()
            newest = number == len(asked)
            fails = (not newest and roll < 0.06) or (newest and slug == FAILED)
            errs = not newest and not fails and roll < 0.08
            jobs: tuple[JobPlan, ...] = (
                checks("3.11", commit.sha, slug, scale, fails=fails, errs=errs),
                checks("3.12", commit.sha, slug, scale, long=newest and slug == RUNNING),
                lint(commit.sha, slug, scale),
            )
            stages: tuple[str, ...] = ("Test",)
            if event != "cron":
                name = released.get(commit.sha, f"{registry}/team/{repository.name}:{commit.sha[:10]}")
                jobs, stages = (*jobs, image(commit.sha, slug, name, scale)), ("Test", "Image")
            if newest and slug == QUEUED:
                macos = {"os": "osx", "language": "minimal", "name": "jsonnet", "stage": "Test"}
                jobs = (replace(jobs[2], queue=MACOS, stuck=True, config=macos, allow_failure=False), jobs[-1])
            if newest:
                at = {RUNNING: at, FAILED: now - 41 * MINUTE, QUEUED: now - 8 * MINUTE}[slug]
            made.append(
                BuildPlan(
                    0, number, slug, tag or "main", commit, event, at, bot if event == "cron" else commit.author,
                    stages, jobs, tag, flaky=fails and not newest,
                    canceled_after=25.0 if 0.5 < roll < 0.52 and not newest else None,
                    restarted_after=1800.0 if fails and not newest and roll < 0.03 else None,
                )
            )  # fmt: skip
    made.sort(key=lambda build: (build.created_at, build.repository))
    return [replace(build, id=270_000_000 + place * 7) for place, build in enumerate(made)]
