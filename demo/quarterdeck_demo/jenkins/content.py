"""The jobs of the story's Jenkins and their past: builds of real commits, nightly runs, what is under way."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from quarterdeck_demo.jenkins import plan
from quarterdeck_demo.jenkins.plan import DECLARATIVE, FREESTYLE, Job, by_push, by_timer, by_user
from quarterdeck_demo.jenkins.progress import Build
from quarterdeck_demo.story import Story
from quarterdeck_demo.story.records import Repository

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
OPENED = {"fix/null-amount": 412}
TRAIN, DEPLOY, NIGHTLY, BACKUP = "acme/train", "ops/deploy-fraud-api", "acme/nightly-eval", "ops/backup-features"


def jobs(story: Story) -> dict[str, Job]:
    """Every job by its full name."""
    made = [*_branches(story.repositories["acme/fraud-api"]), *_branches(story.repositories["acme/fraud-model"])]
    made += [
        Job(("acme", "train"), DECLARATIVE, plan.train_stages(), "acme/fraud-model", label="gpu",
            parameters=plan.TRAIN_PARAMETERS),
        Job(("acme", "nightly-eval"), FREESTYLE, plan.nightly_stages(), "acme/fraud-model"),
        Job(("ops", "deploy-fraud-api"), DECLARATIVE, plan.deploy_stages(), "acme/fraud-api", declarative=False,
            parameters=plan.DEPLOY_PARAMETERS),
        Job(("ops", "backup-features"), FREESTYLE, plan.nightly_stages()),
    ]  # fmt: skip
    return {job.full_name: job for job in made}


def _branches(repository: Repository) -> Iterator[Job]:
    for branch in repository.branches:
        pull = OPENED.get(branch)
        name = f"PR-{pull}" if pull else branch.replace("/", "%2F")
        yield Job(
            ("acme", repository.name, name), DECLARATIVE, plan.ci_stages(), repository.slug,
            branch=f"PR-{pull}" if pull else branch, pull=pull, primary=branch == "main",
        )  # fmt: skip


def builds(story: Story, known: dict[str, Job]) -> list[Build]:
    """The past and what is under way, oldest first; queue ids ascend with the time."""
    random = Random(f"{story.seed}/jenkins")
    made: list[Build] = []
    for slug in ("acme/fraud-api", "acme/fraud-model"):
        made += _of_branches(story, slug, known, random)
    made += _training(story, known[TRAIN], random)
    made += _deployments(story, known[DEPLOY], random)
    for name, count in ((NIGHTLY, 90), (BACKUP, 30)):
        made += _nightly(story, known[name], count, random)
    made.sort(key=lambda build: build.queued_at)
    for number, build in enumerate(made, 1001):
        build.queue_id = number
    return made


def _line(repository: Repository, sha: str) -> list[str]:
    found = []
    while sha:
        found.append(sha)
        parents = repository.commits[sha].parents
        sha = parents[0] if parents else ""
    return found


def _of_branches(story: Story, slug: str, known: dict[str, Job], random: Random) -> Iterator[Build]:
    repository = story.repositories[slug]
    main = _line(repository, repository.head)
    for job in (each for each in known.values() if each.repository == slug and each.branch):
        branch = next((name for name, number in OPENED.items() if number == job.pull), job.branch)
        shas = main[:60] if job.primary else [s for s in _line(repository, repository.branches[branch])
                                              if s not in set(main)]  # fmt: skip
        for number, sha in enumerate(reversed(shas), 1):
            newest = number == len(shas)
            fails = (job.primary and slug == "acme/fraud-api" and number == len(shas) - 2) or random.random() < 0.06
            # A fresh failure, so that the story's incident stands in this system, too.
            fails = fails or (newest and branch == "cache-scores")
            begun = repository.commits[sha].at + random.uniform(6, 30)
            if newest and job.primary and slug == "acme/fraud-model":
                begun = story.now - 70
            stages = plan.scaled(plan.ci_stages(fails=fails and not begun > story.now - 200), random.uniform(0.9, 1.1))
            yield Build(job, number, 0, begun - 5, begun, stages, sha, by_push())


def _training(story: Story, job: Job, random: Random) -> Iterator[Build]:
    repository = story.repositories[job.repository]
    for number in range(173, 213):
        running = number == 212
        begun = story.now - 22 * MINUTE if running else story.now - (212 - number) * DAY + random.uniform(0, HOUR)
        branch = "retrain-nov" if running else "main"
        sha = repository.branches[branch] if running else _commit_at(repository, begun)
        values: dict[str, str | bool] = {"BRANCH": branch, "EPOCHS": "60", "DEVICE": "gpu", "REGISTER": True}
        cause = by_user("chen-li", "Chen Li") if running else by_timer()
        stages = plan.scaled(plan.train_stages(), random.uniform(0.94, 1.06))
        yield Build(
            job, number, 0, begun - 6, begun, stages, sha, cause, values, None if running else _candidate(story, begun),
        )  # fmt: skip


def _candidate(story: Story, begun: float) -> str | None:
    """The version that a training registered, as its description says."""
    for model in story.models:
        for version in model.versions:
            if model.name == "fraud" and begun < version.created_at < begun + DAY:
                return f"candidate model {model.name}/{version.version}, run {version.run_id}"
    return None


def _deployments(story: Story, job: Job, random: Random) -> Iterator[Build]:
    released = story.releases["fraud-api"]
    for number in range(1, 59):
        last = number == 58
        begun = story.now - 12 * MINUTE if last else story.now - (58 - number) * 17 * HOUR + random.uniform(0, HOUR)
        release = max((r for r in released if r.created_at <= begun), key=lambda r: r.created_at, default=released[0])
        values: dict[str, str | bool] = {"VERSION": release.version, "TARGET": "prod", "DEPLOY_KEY": ""}
        build = Build(
            job, number, 0, begun - 5, begun, plan.scaled(plan.deploy_stages(), random.uniform(0.9, 1.1)), release.sha,
            by_user("op2", "Bruno Keller"), values, f"fraud-api {release.version} {release.image.digest}",
        )  # fmt: skip
        if not last:
            build.answers["Promote"] = (number % 19 != 0, begun + random.uniform(40, 300))
        yield build


def _nightly(story: Story, job: Job, count: int, random: Random) -> Iterator[Build]:
    repository = story.repositories.get(job.repository)
    for number in range(1, count + 1):
        begun = story.now - (count - number) * DAY - 5 * HOUR + random.uniform(0, 600)
        stages = plan.scaled(plan.nightly_stages(unstable=random.random() < 0.05), random.uniform(0.8, 1.2))
        sha = _commit_at(repository, begun) if repository else ""
        yield Build(job, number, 0, begun - 5, begun, stages, sha, by_timer())


def _commit_at(repository: Repository, at: float) -> str:
    line = _line(repository, repository.head)
    return next((sha for sha in line if repository.commits[sha].at <= at), line[-1])
