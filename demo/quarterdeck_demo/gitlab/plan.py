"""What GitLab's projects hold at the beginning: their pipelines' files, and the pipelines of the past months.

The files stand in GitLab's own language: https://docs.gitlab.com/ci/yaml/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from quarterdeck_demo.story import Commit, Person, Repository, Story

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job as it will go. `starts` are the jobs of the child pipeline that it triggers."""

    name: str
    stage: str
    seconds: float = 30.0
    log: tuple[str, ...] = ()
    every: float = 0.0
    """Seconds between two lines of progress; 0: none."""
    fails: str = ""
    """The failure's reason, in GitLab's words; empty when it passes."""
    exit_code: int = 1
    manual: bool = False
    allow_failure: bool = False
    environment: str = ""
    tags: tuple[str, ...] = ()
    stuck: bool = False
    """No runner takes it."""
    starts: tuple[JobPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """A pipeline as it will go. `retried` names jobs whose first attempt failed."""

    sha: str
    ref: str
    source: str
    name: str
    user: Person
    created_at: float
    jobs: tuple[JobPlan, ...]
    variables: tuple[tuple[str, str], ...] = ()
    retried: tuple[str, ...] = ()
    tag: bool = False


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """A project: its path, and the repository of the story whose commits it has."""

    id: int
    path: str
    repository: Repository
    access: int
    """The operator's access level: 30 developer, 40 maintainer."""
    protected: tuple[str, ...]
    """Environments whose deployments need an approval."""
    file: str
    """Its `.gitlab-ci.yml`."""
    pipelines: tuple[PipelinePlan, ...]
    """Oldest first."""


BROKEN = (
    "$ pytest -q tests/contract", "collected 61 items", "tests/contract/test_rows.py ....F...",
    "\x1b[31m\x1b[1m______________ test_late_rows_are_kept ______________\x1b[0m",
    "    def test_late_rows_are_kept():", ">       assert load(late()) == 412",
    "\x1b[31mE       assert 397 == 412\x1b[0m",
    "\x1b[31mFAILED\x1b[0m tests/contract/test_rows.py::\x1b[1mtest_late_rows_are_kept\x1b[0m - assert 397 == 412",
    "\x1b[31m1 failed\x1b[0m, \x1b[32m60 passed\x1b[0m in 41.90s",
)  # fmt: skip
QUALITY = (
    JobPlan("profile", "quality", 38, ("$ make profile", "null share 0.4 %")),
    JobPlan("drift", "quality", 44, ("$ make drift", "psi 0.03")),
)
ETL_FILE = """\
variables:
  BATCH: {value: "100000", description: rows in one batch}
  TARGET: {value: staging, options: [staging, prod], description: where to load}
  TIMEOUT: "300"
stages: [test, quality, build, deploy]
unit:
  script: [!reference [.test, script], pytest -q]
"""
CHURN_FILE = """\
spec:
  inputs:
    horizon: {default: 30, description: days to predict, type: number}
    environment: {description: where to deploy, options: [staging, prod]}
---
stages: [test, deploy]
"""
MODEL_FILE = """\
variables:
  MODEL_VERSION: {value: "", description: version of the model to register}
  BRANCH: retrain-nov
stages: [data, train, register]
"""


def _ci(scale: float, *, fails: str = "", deploys: bool = True) -> tuple[JobPlan, ...]:
    made = [
        JobPlan("lint", "test", 11 * scale, ("$ ruff check", "\x1b[32mAll checks passed!\x1b[0m")),
        JobPlan("unit", "test", 96 * scale, ("$ pytest -q", "collected 214 items", "214 passed in 94.20s")),
        JobPlan("contract", "test", 52 * scale, BROKEN if fails else ("$ pytest -q tests/contract", "61 passed"),
                fails=fails),
        JobPlan("data-quality", "quality", 1, starts=QUALITY),
        JobPlan("image", "build", 71 * scale, ("$ buildah bud .", "Writing manifest to image destination")),
    ]  # fmt: skip
    if deploys:
        made += [
            JobPlan("deploy-staging", "deploy", 33 * scale, ("$ deploy staging", "staging answers"),
                    environment="staging"),
            JobPlan("deploy-prod", "deploy", 58 * scale, ("$ deploy prod", "prod answers"), manual=True,
                    allow_failure=True, environment="prod"),
        ]  # fmt: skip
    return tuple(made)


def _nightly(scale: float, *, fails: str = "") -> tuple[JobPlan, ...]:
    return (
        JobPlan("extract", "extract", 210 * scale, ("$ python -m etl.extract", "412,019 rows")),
        JobPlan("transform", "transform", 340 * scale, ("$ python -m etl.transform",), every=5.0, fails=fails,
                exit_code=137),
        JobPlan("load", "load", 120 * scale, ("$ python -m etl.load",)),
    )  # fmt: skip


def _train(seconds: float) -> tuple[JobPlan, ...]:
    return (
        JobPlan("prepare", "data", 240, ("$ python prepare.py",)),
        JobPlan("train", "train", seconds, ("$ python train.py",), every=10.0, tags=("gpu", "a100")),
        JobPlan("register", "register", 20, ("$ python register.py",)),
    )


def _past(random: Random, now: float, people: list[Person], *, source: str, name: str, head: Commit,
          days: int, a_day: int) -> list[PipelinePlan]:  # fmt: skip
    made = []
    for number in range(days * a_day, 0, -1):
        scale = random.uniform(0.85, 1.2)
        bad = "runner_system_failure" if random.random() < 0.02 else "script_failure" if random.random() < 0.05 else ""
        retried = ("transform",) if not bad and random.random() < 0.06 else ()
        made.append(
            PipelinePlan(head.sha, "main", source, name, random.choice(people), now - number * DAY / a_day + HOUR / 3,
                         _nightly(scale, fails=bad), retried=retried)
        )  # fmt: skip
    return made


def _pushes(random: Random, repository: Repository) -> list[PipelinePlan]:
    made, sha = [], repository.head
    while sha:
        commit = repository.commits[sha]
        bad = "script_failure" if random.random() < 0.09 and sha != repository.head else ""
        jobs = _ci(random.uniform(0.9, 1.15), fails=bad)
        started = random.random() < 0.4 and not bad
        if started:
            jobs = tuple(replace(j, manual=False) if j.name == "deploy-prod" else j for j in jobs)
        retried = ("contract",) if not bad and random.random() < 0.12 else ()
        made.append(PipelinePlan(sha, "main", "push", "", commit.author, commit.at + 5, jobs, retried=retried))
        sha = commit.parents[0] if commit.parents else ""
    return made[::-1]


def _etl(story: Story, random: Random) -> ProjectPlan:
    repository, now = story.repositories["acme/etl"], story.now
    people = list(story.people.values())
    head = repository.commits[repository.head]
    made = [
        *_pushes(random, repository),
        *_past(random, now, people[:4], source="schedule", name="nightly load", head=head, days=60, a_day=2),
    ]
    blocked = tuple(replace(j, manual=False) if j.name == "deploy-prod" else j for j in _ci(1.0))
    waits = tuple(replace(j, allow_failure=False) if j.name == "deploy-prod" else j for j in blocked)
    failed = _nightly(1.1, fails="script_failure")
    released = story.releases["etl"][-1]
    made += [
        PipelinePlan(head.sha, "main", "web", "release v9", people[1], now - 24 * MINUTE, waits,
                     (("RELEASE", "v9"), ("IMAGE", f"{story.registry}/team/etl@{released.image.digest}"))),
        PipelinePlan(head.sha, "main", "schedule", "nightly load", people[0], now - 19 * MINUTE, failed),
        PipelinePlan(head.sha, "main", "schedule", "nightly load", people[0], now - 5 * MINUTE, _nightly(1.0)),
        PipelinePlan(head.sha, "main", "trigger", "backfill", people[3], now - 3 * MINUTE,
                     (JobPlan("backfill", "extract", 600, tags=("bare-metal", "ssd"), stuck=True),)),
    ]  # fmt: skip
    made.sort(key=lambda plan: plan.created_at)
    return ProjectPlan(31, "acme/etl", repository, 40, ("prod",), ETL_FILE, tuple(made))


def _churn(story: Story, random: Random) -> ProjectPlan:
    repository = story.repositories["acme/churn"]
    head = repository.commits[repository.head]
    people = list(story.people.values())[:4]
    made = [
        *_pushes(random, repository),
        *_past(random, story.now, people, source="schedule", name="weekly scores", head=head, days=56, a_day=1),
    ]
    made.sort(key=lambda plan: plan.created_at)
    return ProjectPlan(47, "acme/data/churn", repository, 40, (), CHURN_FILE, tuple(made))


def _model(story: Story, random: Random) -> ProjectPlan:
    repository, now = story.repositories["acme/fraud-model"], story.now
    who = story.people["chen-li"]
    made = _pushes(random, repository)
    for model in story.models:
        if model.name != "fraud":
            continue
        for version in model.versions:
            sha = repository.tags[f"train-{version.version}"]
            variables = (("MODEL_NAME", "fraud"), ("MODEL_VERSION", str(version.version)),
                         ("MLFLOW_RUN_ID", version.run_id))  # fmt: skip
            made.append(PipelinePlan(sha, f"train-{version.version}", "api", "train", who, version.created_at - HOUR,
                                     _train(1500), variables, tag=True))  # fmt: skip
    branch = "retrain-nov"
    made.append(PipelinePlan(repository.branches[branch], branch, "web", "train", who, now - 12 * MINUTE,
                             _train(1500), (("MODEL_NAME", "fraud"), ("MODEL_VERSION", "19"))))  # fmt: skip
    made.sort(key=lambda plan: plan.created_at)
    return ProjectPlan(52, "acme/ml/fraud-model", repository, 30, (), MODEL_FILE, tuple(made))


def projects(story: Story) -> tuple[ProjectPlan, ...]:
    """The projects, derived from the story alone."""
    random = Random(f"gitlab/{story.seed}")
    return _etl(story, random), _churn(story, random), _model(story, random)
