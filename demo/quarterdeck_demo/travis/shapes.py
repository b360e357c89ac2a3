"""The API's objects: build, job, stage, log, request, repository, user, env_var.

Attributes and representations: https://developer.travis-ci.com/resource/build and its neighbours there; examples:
https://github.com/travis-ci/travis-api/tree/master/spec/v3/services
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from quarterdeck_demo.story import Repository
from quarterdeck_demo.story.records import Person
from quarterdeck_demo.travis.logs import log as written
from quarterdeck_demo.travis.progress import BuildMoment, JobMoment, LiveBuild
from quarterdeck_demo.travis.state import REQUEST_S, AskedBuild, Token

Json = dict[str, Any]


@lru_cache(maxsize=8192)
def iso(at: float | None, *, exact: bool = False) -> str | None:
    """Epoch seconds as the API writes them; `created_at` and `updated_at` are `exact` to the millisecond."""
    if at is None:
        return None
    if exact:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def repository(found: Repository) -> Json:
    """Minimal."""
    return {
        "@type": "repository", "@href": f"/repo/{found.id}", "@representation": "minimal", "id": found.id,
        "name": found.name, "slug": found.slug,
    }  # fmt: skip


def whole_repository(found: Repository, token: Token) -> Json:
    """Standard, with what the token may do (https://developer.travis-ci.com/resource/repository)."""
    may = token.writes
    writes = ("activate", "deactivate", "create_request", "create_cron", "create_env_var", "create_key_pair",
              "delete_key_pair", "build_cancel", "build_create", "build_debug", "build_restart", "cache_delete",
              "cache_view", "settings_create", "settings_delete", "settings_update", "log_delete")  # fmt: skip
    return {
        "@type": "repository", "@href": f"/repo/{found.id}", "@representation": "standard",
        "@permissions": {
            "read": True, "star": bool(token.value), "unstar": bool(token.value), "migrate": False, "admin": False,
            "settings_read": True, "log_view": True, **dict.fromkeys(writes, may),
        },
        "id": found.id, "name": found.name, "slug": found.slug, "description": found.description, "github_id": found.id,
        "vcs_id": str(found.id), "vcs_type": "GithubRepository", "github_language": None, "active": True,
        "private": False,
        "owner": {"@type": "organization", "id": 77, "login": "acme", "@href": "/org/77", "ro_mode": False},
        "owner_name": "acme", "vcs_name": found.name,
        "default_branch": {
            "@type": "branch", "@href": f"/repo/{found.id}/branch/main", "@representation": "minimal", "name": "main"
        },
        "starred": False, "managed_by_installation": True, "active_on_org": None, "migration_status": None,
        "history_migration_status": None, "shared": False, "config_validation": True, "server_type": "git",
        "scan_failed_at": None,
    }  # fmt: skip


def small_build(live: LiveBuild, at: BuildMoment) -> Json:
    """Minimal."""
    plan = live.plan
    return {
        "@type": "build", "@href": f"/build/{plan.id}", "@representation": "minimal", "id": plan.id,
        "number": str(plan.number), "state": at.state, "duration": at.duration, "event_type": plan.event,
        "previous_state": None, "pull_request_title": None,
        "pull_request_number": None, "started_at": iso(at.started_at), "finished_at": iso(at.finished_at),
        "private": False, "priority": False,
    }  # fmt: skip


def commit(live: LiveBuild, of: Repository) -> Json:
    """Minimal."""
    plan, parent = live.plan, next(iter(live.plan.commit.parents), live.plan.commit.sha)
    ref = f"refs/tags/{plan.tag}" if plan.tag else f"refs/heads/{plan.branch}"
    return {
        "@type": "commit", "@representation": "minimal", "id": plan.id + 20_000_000, "sha": plan.commit.sha, "ref": ref,
        "message": plan.commit.message,
        "compare_url": f"https://github.com/{of.slug}/compare/{parent[:12]}...{plan.commit.sha[:12]}",
        "committed_at": iso(plan.commit.at),
    }  # fmt: skip


def stages(live: LiveBuild, at: BuildMoment) -> list[Json]:
    """The stages, minimal."""
    found = []
    for place, (name, state) in enumerate(zip(live.plan.stages, at.stages, strict=True)):
        members = [each for each in at.jobs if each.plan.stage == place]
        starts = [each.started_at for each in members if each.started_at is not None]
        over = all(each.finished_at is not None for each in members)
        found.append({
            "@type": "stage", "@representation": "minimal", "id": live.plan.id + place + 1, "number": place + 1,
            "name": name, "state": state, "started_at": iso(min(starts, default=None)),
            "finished_at": iso(max(each.finished_at or 0.0 for each in members)) if over else None,
        })  # fmt: skip
    return found


def build(live: LiveBuild, at: BuildMoment, of: Repository, token: Token) -> Json:
    """Standard."""
    plan = live.plan
    may = {"read": True, "cancel": token.writes, "restart": token.writes, "prioritize": False}
    branch = {
        "@type": "branch", "@href": f"/repo/{of.id}/branch/{plan.branch}", "@representation": "minimal",
        "name": plan.branch,
    }  # fmt: skip
    tag = {"@type": "tag", "@representation": "minimal", "repository_id": of.id, "name": plan.tag,
           "last_build_id": plan.id} if plan.tag else None  # fmt: skip
    return small_build(live, at) | {
        "@representation": "standard", "@permissions": may, "repository": repository(of), "branch": branch, "tag": tag,
        "commit": commit(live, of),
        "jobs": [{"@type": "job", "@href": f"/job/{job.id}", "@representation": "minimal", "id": job.id}
                 for job in live.jobs],
        "stages": stages(live, at) if len(plan.stages) > 1 else [], "created_by": user(plan.sender),
        "updated_at": iso(at.updated_at, exact=True),
    }  # fmt: skip


def user(person: Person) -> Json:
    """Minimal."""
    return {"@type": "user", "@href": f"/user/{person.id}", "@representation": "minimal", "id": person.id,
            "login": person.login}  # fmt: skip


def whole_user(person: Person) -> Json:
    """Standard (https://developer.travis-ci.com/resource/user)."""
    return user(person) | {
        "@representation": "standard", "@permissions": {"read": True, "sync": True}, "name": person.name,
        "email": person.email, "github_id": person.id, "vcs_id": str(person.id), "vcs_type": "GithubUser",
        "avatar_url": None, "education": None, "is_syncing": False, "synced_at": None, "recently_signed_up": False,
        "ro_mode": False, "confirmed_at": None, "custom_keys": [], "internal": False,
    }  # fmt: skip


def job(live: LiveBuild, at: BuildMoment, one: JobMoment, of: Repository, token: Token, *, config: bool) -> Json:
    """Standard; `config` when it is asked for by include=job.config."""
    plan = live.plan
    may = {"read": True, "view_log": True, "prioritize": False}
    may |= dict.fromkeys(("cancel", "restart", "debug", "delete_log"), token.writes)
    found = {
        "@type": "job", "@href": f"/job/{one.job.id}", "@representation": "standard", "@permissions": may,
        "id": one.job.id, "allow_failure": one.plan.allow_failure, "number": one.job.number, "state": one.state,
        "started_at": iso(one.started_at), "finished_at": iso(one.finished_at), "build": small_build(live, at),
        "queue": one.plan.queue, "repository": repository(of), "commit": commit(live, of),
        "owner": {"@type": "organization", "@href": "/org/77", "@representation": "minimal", "id": 77, "login": "acme"},
        "stage": stages(live, at)[one.plan.stage] if len(plan.stages) > 1 else None,
        "created_at": iso(plan.created_at, exact=True), "updated_at": iso(one.updated_at, exact=True),
        "private": False, "restarted_at": iso(one.restarted_at),
        "restarted_by": user(one.restarted_by) if one.restarted_by else None, "vm_size": None,
    }  # fmt: skip
    return found | ({"config": dict(one.plan.config)} if config else {})


def log(one: JobMoment, now: float, token: Token) -> Json:
    """Standard (https://developer.travis-ci.com/resource/log)."""
    content, parts = written(one, now)
    may = {"read": True, "view_log": True}
    may |= dict.fromkeys(("cancel", "restart", "debug", "delete_log"), token.writes)
    return {
        "@type": "log", "@href": f"/job/{one.job.id}/log", "@representation": "standard", "@permissions": may,
        "id": one.job.id + 30_000_000, "content": content, "log_parts": parts,
        "@raw_log_href": f"/v3/job/{one.job.id}/log.txt",
    }  # fmt: skip


def request(asked: AskedBuild, now: float, of: Repository, made: Json | None) -> Json:
    """Standard (https://developer.travis-ci.com/resource/request): pending at first, then finished with a result."""
    pending = now < asked.created_at + REQUEST_S
    return {
        "@type": "request", "@href": f"/repo/{of.id}/request/{asked.id}", "@representation": "standard",
        "id": asked.id, "state": "pending" if pending else "finished",
        "result": None if pending else "rejected" if asked.why else "approved",
        "message": None if pending else asked.why or None, "pull_request_mergeable": None, "repository": repository(of),
        "branch_name": None if pending else asked.branch, "commit": None, "builds": [made] if made else [],
        "owner": {"@type": "organization", "@href": "/org/77", "@representation": "minimal", "id": 77, "login": "acme"},
        "created_at": iso(asked.created_at), "event_type": asked.event, "base_commit": None, "head_commit": None,
    }  # fmt: skip


def env_var(of: Repository, id: str, name: str, value: str | None, branch: str | None) -> Json:
    """Standard (https://developer.travis-ci.com/resource/env_var): the value of a secret one is not told."""
    return {
        "@type": "env_var", "@href": f"/repo/{of.id}/env_var/{id}", "@representation": "standard",
        "@permissions": {"read": True, "write": True}, "id": id, "name": name, "value": value,
        "public": value is not None, "branch": branch,
    }  # fmt: skip
