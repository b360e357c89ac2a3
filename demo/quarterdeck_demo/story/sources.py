"""The text of the files in the repositories."""

from __future__ import annotations

CHORES: tuple[tuple[str, str], ...] = (
    ("chore: bump dependencies", "requirements-dev.txt"),
    ("Log the request id with every error", "app/logging.py"),
    ("Name the threads of the pool", "app/pool.py"),
    ("fix: close the connection on shutdown", "app/pool.py"),
    ("Move the thresholds to settings", "app/rules.py"),
    ("docs: say how to run the tests", "README.md"),
    ("test: cover the empty basket", "tests/test_rules.py"),
    ("Answer 422 on a bad currency", "app/routes.py"),
    ("refactor: one place for the clock", "app/clock.py"),
    ("Count the fallbacks", "app/metrics.py"),
    ("fix: round half to even", "app/rules.py"),
    ("Speed up the feature join", "app/features.py"),
)

WORKFLOW_CI = """\
name: ci
on: {push: {branches: [main]}, pull_request: {}, workflow_dispatch: {inputs: {reason: {type: string}}}}
jobs:
  lint: {runs-on: ubuntu-24.04, steps: [{uses: actions/checkout@v4}, {run: ruff check .}]}
  unit-tests: {runs-on: ubuntu-24.04, steps: [{uses: actions/checkout@v4}, {run: pytest -q}]}
  build-image: {needs: [lint, unit-tests], runs-on: ubuntu-24.04, steps: [{run: docker build --push .}]}
"""
WORKFLOW_DEPLOY = """\
name: deploy-prod
on: {workflow_dispatch: {inputs: {version: {type: string, required: true}, nonce: {type: string}}}}
jobs:
  deploy: {environment: prod, runs-on: ubuntu-24.04, steps: [{run: ./deploy.sh "$VERSION"}]}
"""
AMOUNT = '''\
"""Amounts of money in minor units."""


def minor(amount):
    return round(float(amount or 0) * 100)
'''
AMOUNT_FIXED = '''\
"""Amounts of money in minor units."""

from decimal import ROUND_HALF_EVEN, Decimal


def minor(amount):
    """The amount in minor units; raises ValueError when there is none."""
    if amount is None:
        raise ValueError("amount is null")
    return int((Decimal(str(amount)) * 100).to_integral_value(ROUND_HALF_EVEN))
'''
TEST_AMOUNT = """\
import pytest

from app.amount import minor


def test_null_amount_is_refused():
    with pytest.raises(ValueError, match="null"):
        minor(None)
"""


def skeleton(name: str) -> dict[str, str]:
    """The first commit's files."""
    files = {
        "README.md": f"# {name}\n",
        "VERSION": "v0\n",
        "requirements.txt": "httpx==0.27.0\n",
        "app/__init__.py": "",
        "app/pool.py": module(name, "app/pool.py", 0),
        ".github/workflows/ci.yml": WORKFLOW_CI,
        "Dockerfile": 'FROM python:3.12-slim\nCOPY app /app\nUSER 1000\nCMD ["python", "-m", "app"]\n',
    }
    if name == "fraud-api":
        files |= {
            ".github/workflows/deploy-prod.yml": WORKFLOW_DEPLOY,
            "app/amount.py": AMOUNT,
            "app/settings.py": settings("v38"),
            "deploy.sh": '#!/bin/sh\nexec quarterdeck deploy fraud-api "git:$1" --env prod --yes\n',
        }
    return files


def module(name: str, file: str, revision: int) -> str:
    """A file's text; another revision differs in a line or two."""
    mark = "//" if file.endswith(".jsonnet") else "#"
    lines = [f"{mark} {name}: {file}", f"REVISION = {revision}"]
    lines += [f"LIMIT_{number} = {(revision * 7 + number * 13) % 97}" for number in range(6 + revision % 5)]
    return "\n".join(lines) + "\n"


def settings(tag: str) -> str:
    """The settings of a release of fraud-api: v41 halves the pool's timeout, v42 takes that back."""
    timeout = 400 if tag == "v41" else 800
    text = f'"""Settings, each from an environment variable FRAUD_*."""\n\nTIMEOUT_MS = {timeout}\nPOOL = 20\n'
    return text + ("CACHE = 1\n" if tag == "v42" else "")


def params(version: str) -> str:
    """Training parameters of a version of the model."""
    return f"version: {version}\nmax_depth: {6 + int(version) % 3}\nlearning_rate: 0.0{int(version) % 5 + 3}\n"


def changelog(name: str, tag: str) -> str:
    """The change log as of a release."""
    return f"# Changes in {name}\n\n## {tag}\n\n- see the commits since the last tag\n"
