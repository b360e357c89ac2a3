"""The API's objects of Actions: workflow-run, job, check-run, workflow, and a job's log.

https://docs.github.com/en/rest/actions/workflow-runs?apiVersion=2022-11-28
"""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.github.progress import JobMoment, LiveRun, RunMoment
from quarterdeck_demo.github.shapes import HTML, Shapes, iso, node_id
from quarterdeck_demo.story.records import Commit, Person, Repository, Workflow


def run(
    shapes: Shapes, repository: Repository, live: LiveRun, moment: RunMoment, workflow: Workflow, commit: Commit | None
) -> dict[str, Any]:
    """workflow-run."""
    plan, url = live.run, f"{shapes.repository_url(repository)}/actions/runs/{live.run.id}"
    started = live.attempt.started_at or plan.created_at
    minimal = shapes.minimal_repository(repository)
    number = live.attempt.number
    return {
        "id": plan.id,
        "name": workflow.name,
        "node_id": node_id("WFR", plan.id),
        "head_branch": plan.branch,
        "head_sha": plan.sha,
        "path": workflow.path,
        "display_title": plan.title,
        "run_number": plan.number,
        "event": plan.event,
        "status": moment.status,
        "conclusion": moment.conclusion,
        "workflow_id": plan.workflow,
        "check_suite_id": plan.id + 1,
        "check_suite_node_id": node_id("CS", plan.id + 1),
        "url": url,
        "html_url": f"{HTML}/{repository.slug}/actions/runs/{plan.id}",
        "pull_requests": _pulls(shapes, repository, live),
        "created_at": iso(plan.created_at),
        "updated_at": iso(moment.updated_at),
        "actor": shapes.user(plan.actor),
        "run_attempt": number,
        "referenced_workflows": [],
        "run_started_at": iso(started),
        "triggering_actor": shapes.user(plan.actor),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{shapes.repository_url(repository)}/check-suites/{plan.id + 1}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": f"{url}/attempts/{number - 1}" if number > 1 else None,
        "workflow_url": f"{shapes.repository_url(repository)}/actions/workflows/{plan.workflow}",
        "head_commit": _simple_commit(commit) if commit else None,
        "repository": minimal,
        "head_repository": minimal,
    }


def _simple_commit(commit: Commit) -> dict[str, Any]:
    who = {"name": commit.author.name, "email": commit.author.email}
    return {"id": commit.sha, "tree_id": commit.sha, "message": commit.message, "timestamp": iso(commit.at),
            "author": who, "committer": who}  # fmt: skip


def _pulls(shapes: Shapes, repository: Repository, live: LiveRun) -> list[dict[str, Any]]:
    if live.run.pull_request is None:
        return []
    url = shapes.repository_url(repository)
    small = {"id": repository.id, "url": url, "name": repository.name}
    return [
        {
            "id": 81_000 + live.run.pull_request,
            "number": live.run.pull_request,
            "url": f"{url}/pulls/{live.run.pull_request}",
            "head": {"ref": live.run.branch, "sha": live.run.sha, "repo": small},
            "base": {"ref": "main", "sha": repository.head, "repo": small},
        }
    ]


def _when(at: float | None) -> str | None:
    return None if at is None else iso(at)


def job(shapes: Shapes, repository: Repository, live: LiveRun, moment: JobMoment, workflow: Workflow) -> dict[str, Any]:
    """job."""
    plan, url = live.run, shapes.repository_url(repository)
    ran = moment.started_at is not None and moment.conclusion != "skipped"
    created = live.attempt.started_at or plan.created_at
    return {
        "id": moment.id,
        "run_id": plan.id,
        "workflow_name": workflow.name,
        "head_branch": plan.branch,
        "run_url": f"{url}/actions/runs/{plan.id}",
        "run_attempt": live.attempt.number,
        "node_id": node_id("CR", moment.id),
        "head_sha": plan.sha,
        "url": f"{url}/actions/jobs/{moment.id}",
        "html_url": f"{HTML}/{repository.slug}/actions/runs/{plan.id}/job/{moment.id}",
        "status": moment.status,
        "conclusion": moment.conclusion,
        "created_at": iso(created),
        "started_at": iso(moment.started_at or created),
        "completed_at": _when(moment.completed_at),
        "name": moment.name,
        "steps": [
            {
                "name": step.name,
                "status": step.status,
                "conclusion": step.conclusion,
                "number": number,
                "started_at": _when(step.started_at),
                "completed_at": _when(step.completed_at),
            }
            for number, step in enumerate(moment.steps, 1)
        ],
        "check_run_url": f"{url}/check-runs/{moment.id}",
        "labels": [moment.plan.runs_on],
        "runner_id": 11 if ran else None,
        "runner_name": "GitHub Actions 11" if ran else None,
        "runner_group_id": 0 if ran else None,
        "runner_group_name": "GitHub Actions" if ran else None,
    }


def log(moment: JobMoment) -> str:
    """A job's log as it is so far: a timestamp of seven decimals before each line, colours left in."""
    lines: list[str] = []

    def add(at: float, text: str) -> None:
        lines.append(f"{iso(at)[:-1]}.{int(at % 1 * 1e7):07d}Z {text}")

    for plan, step in zip(moment.plan.steps, moment.steps, strict=False):
        if step.started_at is None or step.conclusion == "skipped":
            continue
        add(step.started_at, f"##[group]{step.name}")
        add(step.started_at, "\x1b[36;1mshell: /usr/bin/bash -e {0}\x1b[0m")
        add(step.started_at, "##[endgroup]")
        end = step.completed_at
        shown = plan.log if end is not None else plan.log[:-1]
        for number, text in enumerate(shown):
            add(step.started_at + 0.2 + 0.01 * number, text)
        if step.conclusion == "cancelled" and end is not None:
            add(end, "##[error]The operation was canceled.")
    return "\ufeff" + "".join(line + "\n" for line in lines)


def check_run(shapes: Shapes, repository: Repository, live: LiveRun, moment: JobMoment) -> dict[str, Any]:
    """check-run: a job seen from its commit."""
    url = f"{shapes.repository_url(repository)}/check-runs/{moment.id}"
    html = f"{HTML}/{repository.slug}/actions/runs/{live.run.id}/job/{moment.id}"
    status = "queued" if moment.status == "waiting" else moment.status
    failed = moment.conclusion == "failure"
    return {
        "id": moment.id,
        "name": moment.name,
        "node_id": node_id("CR", moment.id),
        "head_sha": live.run.sha,
        "external_id": f"{moment.id:x}",
        "url": url,
        "html_url": html,
        "details_url": html,
        "status": status,
        "conclusion": moment.conclusion,
        "started_at": _when(moment.started_at),
        "completed_at": _when(moment.completed_at),
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 1 if failed else 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": live.run.id + 1},
        "app": app(shapes),
        "pull_requests": _pulls(shapes, repository, live),
    }


def app(shapes: Shapes) -> dict[str, Any]:
    """integration: the app that Actions is."""
    return {
        "id": 15368,
        "slug": "github-actions",
        "client_id": "Iv1.05c79e9ad1f6bdfa",
        "node_id": "MDM6QXBwMTUzNjg=",
        "owner": shapes.user(Person("github", "GitHub", "", 9919), "Organization"),
        "name": "GitHub Actions",
        "description": "Automate your workflow from idea to production",
        "external_url": "https://help.github.com/en/actions",
        "html_url": "https://github.com/apps/github-actions",
        "created_at": "2018-07-30T09:30:17Z",
        "updated_at": "2025-11-03T20:11:01Z",
        "permissions": {"actions": "write", "checks": "write", "contents": "write", "statuses": "write"},
        "events": ["check_run", "check_suite", "pull_request", "push", "workflow_dispatch"],
    }


def workflow(shapes: Shapes, repository: Repository, flow: Workflow) -> dict[str, Any]:
    """workflow."""
    file = flow.path.rpartition("/")[2]
    created = iso(repository.created_at)
    return {
        "id": flow.id,
        "node_id": node_id("W", flow.id),
        "name": flow.name,
        "path": flow.path,
        "state": "active",
        "created_at": created,
        "updated_at": created,
        "url": f"{shapes.repository_url(repository)}/actions/workflows/{flow.id}",
        "html_url": f"{HTML}/{repository.slug}/blob/main/{flow.path}",
        "badge_url": f"{HTML}/{repository.slug}/workflows/{flow.name}/badge.svg?file={file}",
    }
