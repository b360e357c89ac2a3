"""The API's objects of deployments: environment, pending-deployment, approval, deployment, its statuses, release.

https://docs.github.com/en/rest/deployments?apiVersion=2022-11-28
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from quarterdeck_demo.github.progress import Decision
from quarterdeck_demo.github.run_shapes import app
from quarterdeck_demo.github.shapes import HTML, Shapes, iso, node_id
from quarterdeck_demo.story.records import Person, Release, Repository


def environment_id(name: str) -> int:
    """An environment's id."""
    return 77_000_000 + zlib.crc32(name.encode()) % 1_000_000


def _named(shapes: Shapes, repository: Repository, name: str) -> dict[str, Any]:
    identity = environment_id(name)
    return {
        "id": identity,
        "node_id": node_id("EN", identity),
        "name": name,
        "url": f"{shapes.repository_url(repository)}/environments/{name}",
        "html_url": f"{HTML}/{repository.slug}/deployments/activity_log?environments_filter={name}",
    }


def environment(shapes: Shapes, repository: Repository, name: str, reviewers: Sequence[Person]) -> dict[str, Any]:
    """environment, with its rules when somebody must approve: only protected branches may then go there."""
    rules: list[dict[str, Any]] = []
    if reviewers:
        asked = [{"type": "User", "reviewer": shapes.user(person)} for person in reviewers]
        rules.append({"id": 3736, "node_id": node_id("GA", 3736), "prevent_self_review": False,
                      "type": "required_reviewers", "reviewers": asked})  # fmt: skip
        rules.append({"id": 3737, "node_id": node_id("GA", 3737), "type": "branch_policy"})
    policy = {"protected_branches": True, "custom_branch_policies": False} if reviewers else None
    return {
        **_named(shapes, repository, name),
        **_times(repository.created_at),
        "protection_rules": rules,
        "deployment_branch_policy": policy,
    }


def _times(created: float, updated: float | None = None) -> dict[str, str]:
    return {"created_at": iso(created), "updated_at": iso(created if updated is None else updated)}


def pending_deployment(
    shapes: Shapes, repository: Repository, name: str, reviewers: Sequence[Person], *, approver: bool
) -> dict[str, Any]:
    """pending-deployment: an environment that a run waits for."""
    return {
        "environment": _named(shapes, repository, name),
        "wait_timer": 0,
        "wait_timer_started_at": None,
        "current_user_can_approve": approver,
        "reviewers": [{"type": "User", "reviewer": shapes.user(person)} for person in reviewers],
    }


def approval(shapes: Shapes, repository: Repository, made: Decision, who: Person) -> dict[str, Any]:
    """environment-approvals: what somebody said to a run that waited."""
    place = {**_named(shapes, repository, made.environment), **_times(repository.created_at)}
    state = "approved" if made.approved else "rejected"
    return {"environments": [place], "state": state, "user": shapes.user(who), "comment": made.comment}


class Deployed(NamedTuple):
    """A deployment: what it put where, and its states as (when, state, words), oldest first. `page`: its job's."""

    id: int
    environment: str
    sha: str
    ref: str
    who: Person
    at: float
    states: tuple[tuple[float, str, str], ...]
    page: str = ""


def deployment(shapes: Shapes, repository: Repository, made: Deployed) -> dict[str, Any]:
    """deployment."""
    url = f"{shapes.repository_url(repository)}/deployments/{made.id}"
    return {
        "id": made.id,
        "node_id": node_id("DE", made.id),
        "url": url,
        "sha": made.sha,
        "ref": made.ref,
        "task": "deploy",
        "payload": {},
        "original_environment": made.environment,
        "environment": made.environment,
        "description": None,
        "creator": shapes.user(made.who),
        **_times(made.at, made.states[-1][0] if made.states else None),
        "statuses_url": f"{url}/statuses",
        "repository_url": shapes.repository_url(repository),
        "transient_environment": False,
        "production_environment": made.environment == "prod",
        "performed_via_github_app": app(shapes) if made.page else None,
    }


def statuses(shapes: Shapes, repository: Repository, made: Deployed) -> list[dict[str, Any]]:
    """deployment-status, newest first."""
    root = shapes.repository_url(repository)
    rows = []
    for number, (at, state, words) in enumerate(made.states):
        identity = made.id * 10 + number
        rows.append({
            "url": f"{root}/deployments/{made.id}/statuses/{identity}",
            "id": identity,
            "node_id": node_id("DES", identity),
            "state": state,
            "creator": shapes.user(made.who),
            "description": words,
            "environment": made.environment,
            "target_url": made.page,
            **_times(at),
            "deployment_url": f"{root}/deployments/{made.id}",
            "repository_url": root,
            "environment_url": "",
            "log_url": made.page,
            "performed_via_github_app": app(shapes) if made.page else None,
        })  # fmt: skip
    return rows[::-1]


def release(shapes: Shapes, repository: Repository, made: Release, who: Person) -> dict[str, Any]:
    """release."""
    identity = int(re.sub(r"\D", "", made.version)) + repository.id * 1000
    url = f"{shapes.repository_url(repository)}/releases/{identity}"
    ball = f"{shapes.repository_url(repository)}"
    return {
        "id": identity,
        "node_id": node_id("RE", identity),
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": url + "/assets{?name,label}",
        "html_url": f"{HTML}/{repository.slug}/releases/tag/{made.version}",
        "tag_name": made.version,
        "target_commitish": "main",
        "name": f"{made.service} {made.version}",
        "body": f"Built by run {made.run_number}.",
        "draft": False,
        "prerelease": False,
        "immutable": False,
        "created_at": iso(made.created_at),
        "updated_at": iso(made.created_at),
        "published_at": iso(made.created_at),
        "author": shapes.user(who),
        "assets": [],
        "tarball_url": f"{ball}/tarball/{made.version}",
        "zipball_url": f"{ball}/zipball/{made.version}",
    }
