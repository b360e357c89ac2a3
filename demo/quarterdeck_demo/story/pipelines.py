"""Workflows, their runs and the pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from quarterdeck_demo.story.code import HOUR, MINUTE, PEOPLE, TEAM
from quarterdeck_demo.story.records import (
    ChangedFile,
    Job,
    PullRequest,
    Repository,
    Run,
    Step,
    Workflow,
)

FAILED_TEST = (
    "\x1b[1m============================= test session starts ==============================\x1b[0m",
    "collected 214 items",
    "tests/test_rules.py \x1b[32m.........................................\x1b[0m\x1b[32m [ 19%]\x1b[0m",
    "tests/test_amount.py \x1b[31mF\x1b[0m\x1b[32m...\x1b[0m",
    "\x1b[31m\x1b[1m____________________________ test_null_amount ____________________________\x1b[0m",
    "    def test_null_amount():",
    ">       assert minor(None) == 0",
    "\x1b[31mE       assert 412 == 0\x1b[0m",
    "\x1b[31mFAILED\x1b[0m tests/test_amount.py::\x1b[1mtest_null_amount\x1b[0m - assert 412 == 0",
    "\x1b[31m========= \x1b[31m\x1b[1m1 failed\x1b[0m, \x1b[32m213 passed\x1b[0m in 97.31s =========",
    "##[error]Process completed with exit code 1.",
)

FLAKY = ("acme/fraud-api", 1836)
"""A run, not long ago, whose failure goes away when it is run again."""


def ci_jobs(*, fails: bool = False, scale: float = 1.0) -> tuple[Job, ...]:
    """The three jobs of the workflow ci; `scale` stretches their time."""
    checkout = Step("Run actions/checkout@v4", 3 * scale, log=("Syncing repository", "HEAD is now at this commit"))
    tests = (
        Step("Run pytest", 98 * scale, "failure", FAILED_TEST)
        if fails
        else Step("Run pytest", 98 * scale, log=("collected 214 items", "\x1b[32m214 passed\x1b[0m in 96.80s"))
    )
    setup = Step("Set up job", 2 * scale, log=("Current runner version: '2.329.0'",))
    lint = Step("Run ruff", 9 * scale, log=("\x1b[32mAll checks passed!\x1b[0m",))
    install = Step("Install dependencies", 21 * scale, log=("Successfully installed httpx-0.28.1",))
    build = Step("Build and push the image", 74 * scale, log=("#8 exporting to image", "#8 pushing layers 3.1s done"))
    return (
        Job("lint", (setup, checkout, lint, Step("Complete job", 1 * scale))),
        Job("unit-tests", (setup, checkout, install, tests, Step("Complete job", 1 * scale))),
        Job("build-image", (setup, checkout, build, Step("Complete job", 1 * scale)), ("lint", "unit-tests")),
    )


def deploy_jobs() -> tuple[Job, ...]:
    """The jobs of deploy-prod: the second waits for an approval."""
    return (
        Job("plan", (Step("Set up job", 2), Step("Compare with production", 11, log=("v41 -> v42",)))),
        Job("deploy", (Step("Set up job", 2), Step("Deploy", 95), Step("Verify", 30)), ("plan",), "prod"),
    )


def workflows(repositories: Mapping[str, Repository]) -> tuple[Workflow, ...]:
    """ci in every repository that has code, deploy-prod in fraud-api, train in fraud-model."""
    made = [
        Workflow(7000 + n, slug, "ci", ".github/workflows/ci.yml", ci_jobs(),
                 ("push", "pull_request", "workflow_dispatch"), ("reason",))
        for n, slug in enumerate(repositories, 1)
    ]  # fmt: skip
    train = (
        Job("train", (Step("Set up job", 2), Step("Prepare data", 240), Step("Train", 1500), Step("Evaluate", 180)),
            runs_on="gpu"),
    )  # fmt: skip
    made += [
        Workflow(7101, "acme/fraud-api", "deploy-prod", ".github/workflows/deploy-prod.yml", deploy_jobs(),
                 ("workflow_dispatch",), ("version", "nonce")),
        Workflow(7102, "acme/fraud-model", "train", ".github/workflows/train.yml", train,
                 ("workflow_dispatch",), ("branch", "nonce")),
    ]  # fmt: skip
    return tuple(made)


def runs(now: float, random: Random, repositories: Mapping[str, Repository]) -> tuple[Run, ...]:
    """Every run, newest first. Runs of main follow its commits, so each release has the run that built it."""
    made: list[Run] = []
    number_of = {"acme/fraud-api": 1841, "acme/etl": 773, "acme/fraud-model": 213, "acme/scorer": 340}
    for position, (slug, repository) in enumerate(repositories.items(), 1):
        number = number_of.get(slug, 60 + position)
        for sha, at in _main_line(repository)[:60]:
            commit = repository.commits[sha]
            newest = number == number_of.get(slug)
            flaky = random.random() < 0.08 or (slug, number) == FLAKY
            fails = slug == "acme/fraud-api" if newest else flaky
            if commit.message.startswith("Release"):
                fails = False
            start = at + random.uniform(4, 9)
            if newest and slug == "acme/etl":
                start = now - 100
            if newest and slug == "acme/fraud-api":
                start = now - 10 * MINUTE
            jobs = ci_jobs(fails=fails, scale=random.uniform(0.9, 1.1))
            waiting = newest and slug == "acme/fraud-model"
            if waiting:
                start = now - 6 * MINUTE
            made.append(
                Run(9_000_000 + position * 100_000 + number, number, slug, 7000 + position, commit.subject, "main",
                    sha, "push", commit.author, start - 3, None if waiting else start, jobs,
                    flaky=fails and not newest)
            )  # fmt: skip
            number -= 1
    api, model = repositories["acme/fraud-api"], repositories["acme/fraud-model"]
    made.append(
        Run(9_900_098, 98, api.slug, 7101, "deploy-prod v42", "main", api.tags["v42"], "workflow_dispatch",
            PEOPLE["op2"], now - 11 * MINUTE, now - 11 * MINUTE + 2, deploy_jobs())
    )  # fmt: skip
    train = Step("Train", 1500, log=("epoch 41/60 loss .182", "epoch 42/60 loss .181"))
    made.append(
        Run(9_900_212, 212, model.slug, 7102, "train retrain-nov", "retrain-nov", model.branches["retrain-nov"],
            "workflow_dispatch", PEOPLE["chen-li"], now - 22 * MINUTE, now - 22 * MINUTE + 5,
            (Job("train", (Step("Set up job", 2), Step("Prepare data", 240), train), runs_on="gpu"),))
    )  # fmt: skip
    for number, sha, at in ((412, api.branches["fix/null-amount"], now - 40 * MINUTE),
                            (409, api.branches["cache-scores"], now - 24.9 * HOUR)):  # fmt: skip
        commit = api.commits[sha]
        made.append(
            Run(9_910_000 + number, 1300 + number, api.slug, 7001, commit.subject, _branch(api, sha), sha,
                "pull_request", commit.author, at, at + 5, ci_jobs(fails=number == 409), number)
        )  # fmt: skip
    return tuple(sorted(made, key=lambda run: -run.created_at))


def _branch(repository: Repository, sha: str) -> str:
    return next(name for name, head in repository.branches.items() if head == sha)


def _main_line(repository: Repository) -> list[tuple[str, float]]:
    line, sha = [], repository.head
    while sha:
        commit = repository.commits[sha]
        line.append((sha, commit.at))
        sha = commit.parents[0] if commit.parents else ""
    return line


def pulls(now: float, repositories: Mapping[str, Repository]) -> tuple[PullRequest, ...]:
    """The open pull requests."""
    api, model = repositories["acme/fraud-api"], repositories["acme/fraud-model"]

    def pull(number: int, repository: Repository, branch: str, title: str, author: int, age: float,
             **more: object) -> PullRequest:  # fmt: skip
        sha = repository.branches[branch]
        return PullRequest(
            81_000 + number, number, repository.slug, title, f"{title}.\n\nSee the commits.", TEAM[author],
            branch, sha, repository.head, now - age - HOUR, now - age, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    amount = ChangedFile(
        "app/amount.py", "modified", 6, 2,
        '@@ -1,5 +1,10 @@\n """Amounts of money in minor units."""\n \n+from decimal import ROUND_HALF_EVEN, Decimal\n'
        "+\n \n def minor(amount):\n-    return round(float(amount or 0) * 100)\n+    if amount is None:\n"
        '+        raise ValueError("amount is null")',
    )  # fmt: skip
    cache = ChangedFile("app/cache.py", "added", 9, 0, "@@ -0,0 +1,9 @@\n+# fraud-api: app/cache.py\n+REVISION = 2")
    deps = ChangedFile("requirements.txt", "modified", 1, 1, "@@ -1 +1 @@\n-httpx==0.27.0\n+httpx==0.28.1")
    return (
        pull(412, api, "fix/null-amount", "fix: a null amount is not zero", 3, 40 * MINUTE, files=(amount,),
             reviewers=("oper-a",), labels=("bug", "INC-412")),
        pull(409, api, "cache-scores", "Cache scores for a minute", 2, 25 * HOUR, files=(cache,), commits=2,
             reviewers=("op2",)),
        pull(405, api, "deps/httpx", "Bump httpx from 0.27 to 0.28", 1, 72 * HOUR, files=(deps,),
             labels=("dependencies",), approved_by=("dara-n",)),
        pull(398, api, "rewrite-pool", "Rewrite the pool", 1, 190 * HOUR, draft=True, conflicts=True),
        pull(31, model, "retrain-nov", "Retrain with velocity features", 2, 3 * HOUR, commits=2,
             reviewers=("oper-a",)),
    )  # fmt: skip
