"""Payloads of projects, pipelines and jobs, transcribed from GitLab's documentation; the address beside each."""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.gitlab.gate import iso
from quarterdeck_demo.gitlab.progress import ENDED, Attempt, LivePipeline, Moment, PipelineMoment
from quarterdeck_demo.gitlab.state import Project, State
from quarterdeck_demo.story import Person

WEB = "https://gitlab.example"
_LABELS = {
    "success": "passed", "failed": "failed", "canceled": "canceled", "running": "running", "pending": "pending",
    "manual": "blocked", "skipped": "skipped", "created": "created", "canceling": "canceling",
}  # fmt: skip


def user(person: Person) -> dict[str, Any]:
    """A user as others see it: https://docs.gitlab.com/api/users/"""
    return {
        "id": person.id, "username": person.login, "public_email": None, "name": person.name, "state": "active",
        "locked": False, "avatar_url": f"{WEB}/uploads/{person.id}.png", "web_url": f"{WEB}/{person.login}",
    }  # fmt: skip


def project(state: State, one: Project) -> dict[str, Any]:
    """A project: https://docs.gitlab.com/api/projects/#retrieve-a-project"""
    path = one.plan.path
    name = path.rpartition("/")[2]
    return {
        "id": one.id, "description": one.plan.repository.description, "name": name, "path": name,
        "path_with_namespace": path, "default_branch": "main", "visibility": "private", "archived": False,
        "web_url": f"{WEB}/{path}", "ssh_url_to_repo": f"git@gitlab.example:{path}.git",
        "http_url_to_repo": f"{WEB}/{path}.git", "created_at": iso(one.plan.repository.created_at),
        "last_activity_at": iso(state.clock()), "jobs_enabled": True, "ci_config_path": None,
        "merge_method": "merge", "squash_option": "default_off", "only_allow_merge_if_pipeline_succeeds": False,
        "permissions": {
            "project_access": {"access_level": one.plan.access, "notification_level": 3}, "group_access": None,
        },
    }  # fmt: skip


def commit(state: State, one: Project, sha: str) -> dict[str, Any]:
    """A commit as jobs carry it: https://docs.gitlab.com/api/jobs/"""
    known = one.plan.repository.commits.get(sha)
    title = known.subject if known else "A commit of a branch"
    return {
        "id": sha, "short_id": sha[:8], "title": title, "message": known.message if known else title,
        "author_name": known.author.name if known else "Somebody",
        "author_email": known.author.email if known else "somebody@acme.example",
        "authored_date": iso(known.at if known else state.story.now),
        "parent_ids": list(known.parents) if known else [],
        "created_at": iso(known.at if known else state.story.now),
        "web_url": f"{WEB}/{one.plan.path}/-/commit/{sha}",
    }  # fmt: skip


def pipeline(one: Project, live: LivePipeline, at: PipelineMoment) -> dict[str, Any]:
    """A pipeline of a list: https://docs.gitlab.com/api/pipelines/#list-project-pipelines"""
    plan = live.plan
    return {
        "id": live.id, "iid": live.iid, "project_id": one.id, "sha": plan.sha, "ref": plan.ref, "status": at.status,
        "source": plan.source, "created_at": iso(live.created_at), "updated_at": iso(at.updated_at),
        "web_url": f"{WEB}/{one.plan.path}/-/pipelines/{live.id}", "name": plan.name or None,
    }  # fmt: skip


def pipeline_detail(one: Project, live: LivePipeline, at: PipelineMoment) -> dict[str, Any]:
    """A single pipeline: https://docs.gitlab.com/api/pipelines/#get-a-single-pipeline"""
    took = int(at.finished_at - at.started_at) if at.finished_at and at.started_at else None
    label = _LABELS.get(at.status, at.status)
    return {
        **pipeline(one, live, at),
        "before_sha": "0" * 40, "tag": live.plan.tag, "yaml_errors": None, "user": user(live.plan.user),
        "started_at": iso(at.started_at), "finished_at": iso(at.finished_at), "committed_at": None,
        "duration": took, "queued_duration": 2 if at.started_at else None, "coverage": None, "archived": False,
        "detailed_status": {
            "icon": f"status_{at.status}", "text": label, "label": label, "group": at.status, "tooltip": label,
            "has_details": False, "details_path": f"/{one.plan.path}/-/pipelines/{live.id}", "illustration": None,
            "favicon": f"/assets/ci_favicons/favicon_status_{at.status}.png",
        },
    }  # fmt: skip


def job(
    state: State, one: Project, live: LivePipeline, attempt: Attempt, moment: Moment, whole: PipelineMoment
) -> dict[str, Any]:
    """A job: https://docs.gitlab.com/api/jobs/#list-pipeline-jobs"""
    plan, pipe = attempt.plan, live.plan
    end = moment.finished_at if moment.finished_at is not None else state.clock()
    running = moment.started_at is not None
    body: dict[str, Any] = {
        "id": attempt.id, "status": moment.status, "stage": plan.stage, "name": plan.name, "ref": pipe.ref,
        "tag": pipe.tag, "coverage": None, "allow_failure": plan.allow_failure, "created_at": iso(attempt.created_at),
        "started_at": iso(moment.started_at), "finished_at": iso(moment.finished_at), "erased_at": None,
        "duration": round(end - moment.started_at, 3) if moment.started_at is not None else None,
        "queued_duration": 2.0 if running else None, "user": user(pipe.user), "commit": commit(state, one, pipe.sha),
        "pipeline": {**pipeline(one, live, whole)},
        "web_url": f"{WEB}/{one.plan.path}/-/jobs/{attempt.id}", "project": {"ci_job_token_scope_enabled": False},
        "artifacts": [], "runner": None, "runner_manager": None, "artifacts_expire_at": None, "archived": False,
        "tag_list": list(plan.tags),
    }  # fmt: skip
    if moment.reason:
        body["failure_reason"] = moment.reason
    if running:
        body["runner"] = {
            "id": 12, "description": "builder-2", "ip_address": "10.0.0.12", "active": True, "paused": False,
            "is_shared": True, "runner_type": "instance_type", "name": "gitlab-runner", "online": True,
            "status": "online",
        }  # fmt: skip
    if moment.status in ENDED and running:
        body["artifacts"] = [
            {"file_type": "trace", "size": 2900, "filename": "job.log", "file_format": None},
        ]
        body["artifacts_expire_at"] = iso(end + 30 * 86_400)
    return body


def bridge(
    state: State, one: Project, live: LivePipeline, attempt: Attempt, moment: Moment, whole: PipelineMoment
) -> dict[str, Any]:
    """A trigger job: https://docs.gitlab.com/api/jobs/#list-pipeline-trigger-jobs"""
    body = job(state, one, live, attempt, moment, whole)
    for left_out in ("artifacts", "runner", "runner_manager", "artifacts_expire_at", "tag_list"):
        del body[left_out]
    child = attempt.child
    begun = child is not None and moment.started_at is not None
    body["downstream_pipeline"] = pipeline(one, child, state.at(child)) if child and begun else None
    return body
