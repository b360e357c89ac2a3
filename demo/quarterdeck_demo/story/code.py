"""The repositories: who wrote what, and where each working copy stands."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from quarterdeck_demo.repos import CommitPlan, RepositoryPlan
from quarterdeck_demo.story import sources
from quarterdeck_demo.story.records import Person

OWNER = "acme"
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

PEOPLE: dict[str, Person] = {
    person.login: person
    for person in (
        Person("oper-a", "Amina Okafor", "amina@acme.example", 4101),
        Person("op2", "Bruno Keller", "bruno@acme.example", 4102),
        Person("chen-li", "Chen Li", "chen@acme.example", 4103),
        Person("dara-n", "Dara Nolan", "dara@acme.example", 4104),
        Person("ci-bot", "Build Bot", "ci@acme.example", 4105),
    )
}
VIEWER = PEOPLE["oper-a"]
TEAM = [PEOPLE[login] for login in ("oper-a", "op2", "chen-li", "dara-n")]

DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "fraud-api": ("Scores card payments, answers in 300 ms", "Python"),
    "fraud-model": ("Training of the fraud model", "Python"),
    "scorer": ("Serves the fraud model over HTTP", "Python"),
    "etl": ("Loads payments into features", "Python"),
    "dashboards": ("Dashboards and alert rules as code", "Jsonnet"),
    "infra": ("Hosts, networks, compose files", "HCL"),
    "churn": ("Churn prediction service", "Python"),
}


def plans(now: float, random: Random) -> dict[str, RepositoryPlan]:
    """The plan of each repository by its name."""
    return {
        "fraud-api": _fraud_api(now, random),
        "fraud-model": _fraud_model(now, random),
        "scorer": _service("scorer", now, random, {"2.1.0": 60, "2.2.0": 30, "2.3.0": 9}, 26),
        "etl": _etl(now, random),
        "dashboards": _service("dashboards", now, random, {"v8": 40, "v9": 9}, 14, unfetched=1),
        "infra": _service("infra", now, random, {}, 18),
        "churn": _service("churn", now, random, {"0.4.0": 60}, 12),
    }


def _history(name: str, now: float, random: Random, count: int, newest: float, oldest: float = 120) -> list[CommitPlan]:
    """`count` ordinary commits on main between `oldest` and `newest` days ago."""
    commits = [CommitPlan("main", "Start the project", TEAM[0], now - oldest * DAY, sources.skeleton(name))]
    days = sorted((random.uniform(newest, oldest - 1) for _ in range(count - 1)), reverse=True)
    for number, day in enumerate(days):
        message, file = random.choice(sources.CHORES)
        text = sources.module(name, file, number)
        commits.append(CommitPlan("main", message, random.choice(TEAM), now - day * DAY, {file: text}))
    return commits


def _tagged(commits: list[CommitPlan], now: float, tags: dict[str, float], name: str) -> list[CommitPlan]:
    """Add a commit for each tag (days ago), in the order of time."""
    made = [
        CommitPlan(
            "main", f"Release {tag}", TEAM[1], now - days * DAY,
            {"VERSION": f"{tag}\n", "CHANGELOG.md": sources.changelog(name, tag)}, tag=tag,
        )
        for tag, days in tags.items()
    ]  # fmt: skip
    return sorted([*commits, *made], key=lambda commit: commit.at)


def _service(
    name: str, now: float, random: Random, tags: dict[str, float], count: int, unfetched: int = 0
) -> RepositoryPlan:
    commits = _tagged(_history(name, now, random, count, newest=3), now, tags, name)
    for number in range(unfetched):
        text = sources.module(name, "panels/p95.jsonnet", 900 + number)
        commits.append(
            CommitPlan("main", "p95 panel: draw the release markers", TEAM[3], now - 2 * HOUR + number,
                       {"panels/p95.jsonnet": text}, where="unfetched")
        )  # fmt: skip
    return RepositoryPlan(f"{OWNER}/{name}", commits, VIEWER)


def _etl(now: float, random: Random) -> RepositoryPlan:
    commits = _tagged(_history("etl", now, random, 20, newest=6), now, {"v7": 50, "v8": 24, "v9": 6.5}, "etl")
    commits = [c for c in commits if c.at < now - 5.5 * DAY]
    for number in range(14):
        message, file = random.choice(sources.CHORES)
        at = now - 5 * DAY + number * 8 * HOUR
        text = sources.module("etl", file, 100 + number)
        commits.append(CommitPlan("main", message, random.choice(TEAM), at, {file: text}, where="origin"))
    return RepositoryPlan(f"{OWNER}/etl", commits, VIEWER)


def _fraud_model(now: float, random: Random) -> RepositoryPlan:
    commits = _history("fraud-model", now, random, 22, newest=10)
    for version, days in (("14", 95.0), ("15", 60.0), ("16", 31.0), ("17", 9.2)):
        commits.append(
            CommitPlan("main", f"Train version {version}", TEAM[2], now - days * DAY,
                       {"params.yaml": sources.params(version)}, tag=f"train-{version}")
        )  # fmt: skip
    commits.sort(key=lambda commit: commit.at)
    branch = "retrain-nov"
    commits += [
        CommitPlan(branch, "feat: velocity features", TEAM[2], now - 5 * HOUR,
                   {"features/velocity.py": sources.module("fraud-model", "features/velocity.py", 1)}),
        CommitPlan(branch, "feat: velocity over three windows", TEAM[2], now - 3 * HOUR,
                   {"features/velocity.py": sources.module("fraud-model", "features/velocity.py", 2),
                    "params.yaml": sources.params("18")}, tag="train-18"),
    ]  # fmt: skip
    return RepositoryPlan(f"{OWNER}/fraud-model", commits, VIEWER, pulls={31: branch})


def _fraud_api(now: float, random: Random) -> RepositoryPlan:
    commits = _history("fraud-api", now, random, 44, newest=33)
    for tag, days in {"v38": 32.0, "v39": 19.0, "v40": 6.1}.items():
        commits += _ordinary(now, days + 0.4, 3, random)
        commits.append(_release(tag, now - days * DAY))
    commits += _ordinary(now, 1.4, 4, random)
    commits.append(_release("v41", now - 70 * MINUTE))
    commits += _ordinary(now, 66 * MINUTE / DAY, 6, random, span=20 * MINUTE)
    commits.append(_release("v42", now - 46 * MINUTE))
    commits.sort(key=lambda commit: commit.at)
    commits += _pull_branches(now)
    settings = sources.settings("v42").replace("CACHE = 1", "CACHE = 0")
    commits += [
        CommitPlan("main", "Retry a lost connection to the pool once", TEAM[3], now - 31 * MINUTE,
                   {"app/pool.py": sources.module("fraud-api", "app/pool.py", 71)}, where="origin"),
        CommitPlan("main", "test: null amount", VIEWER, now - 24 * MINUTE,
                   {"tests/test_amount.py": sources.TEST_AMOUNT}, where="local"),
        CommitPlan("main", "fix: null amount", VIEWER, now - 18 * MINUTE,
                   {"app/amount.py": sources.AMOUNT_FIXED}, where="local"),
    ]  # fmt: skip
    return RepositoryPlan(
        f"{OWNER}/fraud-api",
        commits,
        VIEWER,
        pulls={412: "fix/null-amount", 409: "cache-scores", 405: "deps/httpx", 398: "rewrite-pool"},
        dirty={
            "app/settings.py": settings,
            "app/amount.py": sources.AMOUNT_FIXED + "\n\nLIMIT = 10_000\n",
            "notes.txt": "why does the pool time out at 400 ms?\n",
        },
        stash=("try: bigger pool", {"app/pool.py": sources.module("fraud-api", "app/pool.py", 999)}),
        worktree="cache-scores",
    )


def _ordinary(now: float, days: float, count: int, random: Random, span: float = 6 * HOUR) -> list[CommitPlan]:
    commits = []
    for number in range(count):
        message, file = random.choice(sources.CHORES)
        at = now - days * DAY + span * number / count
        text = sources.module("fraud-api", file, int(days * 10) + number)
        commits.append(CommitPlan("main", message, random.choice(TEAM), at, {file: text}))
    return commits


def _release(tag: str, at: float) -> CommitPlan:
    files = {
        "VERSION": f"{tag}\n",
        "CHANGELOG.md": sources.changelog("fraud-api", tag),
        "app/settings.py": sources.settings(tag),
    }
    if tag == "v41":
        files["migrations/0042_amount_not_null.sql"] = "ALTER TABLE scores ALTER amount SET NOT NULL;\n"
    return CommitPlan("main", f"Release {tag}", TEAM[1], at, files, tag=tag)


def _pull_branches(now: float) -> Sequence[CommitPlan]:
    module = sources.module
    return (
        CommitPlan("fix/null-amount", "fix: a null amount is not zero", TEAM[3], now - 41 * MINUTE,
                   {"app/amount.py": sources.AMOUNT_FIXED, "tests/test_amount.py": sources.TEST_AMOUNT}),
        CommitPlan("cache-scores", "Cache scores for a minute", TEAM[2], now - 26 * HOUR,
                   {"app/cache.py": module("fraud-api", "app/cache.py", 1)}, start="v40"),
        CommitPlan("cache-scores", "Bound the cache", TEAM[2], now - 25 * HOUR,
                   {"app/cache.py": module("fraud-api", "app/cache.py", 2)}),
        CommitPlan("deps/httpx", "Bump httpx from 0.27 to 0.28", PEOPLE["ci-bot"], now - 3 * DAY,
                   {"requirements.txt": "httpx==0.28.1\n"}, start="v40"),
        CommitPlan("rewrite-pool", "Rewrite the pool", TEAM[1], now - 8 * DAY,
                   {"app/settings.py": "POOL = 'new'\n", "app/pool.py": module("fraud-api", "app/pool.py", 55)},
                   start="v39"),
    )  # fmt: skip
