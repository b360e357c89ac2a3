"""The API's objects of deployments: environment, pending-deployment, deployment, release.

https://docs.github.com/en/rest/deployments?apiVersion=2022-11-28
"""

from __future__ import annotations

import re
from typing import Any

from quarterdeck_demo.github.shapes import HTML, Shapes, iso, node_id
from quarterdeck_demo.story.records import Job, Person, Release, Repository

ENVIRONMENT_ID = 77


def environment(shapes: Shapes, repository: Repository, name: str, reviewers: list[Person]) -> dict[str, Any]:
    """environment, with a rule when somebody must approve."""
    rules: list[dict[str, Any]] = []
    if reviewers:
        asked = [{"type": "User", "reviewer": shapes.user(person)} for person in reviewers]
        rules.append({"id": 3736, "node_id": node_id("GA", 3736), "prevent_self_review": False,
                      "type": "required_reviewers", "reviewers": asked})  # fmt: skip
    identity = environment_id(name)
    return {
        "id": identity,
        "node_id": node_id("EN", identity),
        "name": name,
        "url": f"{shapes.repository_url(repository)}/environments/{name}",
        "html_url": f"{HTML}/{repository.slug}/deployments/activity_log?environments_filter={name}",
        "created_at": iso(repository.created_at),
        "updated_at": iso(repository.created_at),
        "protection_rules": rules,
        "deployment_branch_policy": None,
    }


def environment_id(name: str) -> int:
    """An environment's id."""
    return ENVIRONMENT_ID + len(name)


def pending_deployment(
    shapes: Shapes, repository: Repository, job: Job, reviewers: list[Person], approver: bool
) -> dict[str, Any]:
    """pending-deployment: an environment that a run waits for."""
    full = environment(shapes, repository, job.environment, reviewers)
    return {
        "environment": {key: full[key] for key in ("id", "node_id", "name", "url", "html_url")},
        "wait_timer": 0,
        "wait_timer_started_at": None,
        "current_user_can_approve": approver,
        "reviewers": [{"type": "User", "reviewer": shapes.user(person)} for person in reviewers],
    }


def deployment(
    shapes: Shapes, repository: Repository, identity: int, name: str, sha: str, ref: str, who: Person, at: float
) -> dict[str, Any]:
    """deployment."""
    url = f"{shapes.repository_url(repository)}/deployments/{identity}"
    return {
        "id": identity,
        "node_id": node_id("DE", identity),
        "url": url,
        "sha": sha,
        "ref": ref,
        "task": "deploy",
        "payload": {},
        "original_environment": name,
        "environment": name,
        "description": None,
        "creator": shapes.user(who),
        "created_at": iso(at),
        "updated_at": iso(at),
        "statuses_url": f"{url}/statuses",
        "repository_url": shapes.repository_url(repository),
        "transient_environment": False,
        "production_environment": name == "prod",
        "performed_via_github_app": None,
    }


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
