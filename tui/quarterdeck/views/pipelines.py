"""Runs, pull requests and deployments as rows."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.fmt import against, age, duration, glyph, one_line
from quarterdeck.views.model import Look, View, counted, newest_first, trouble_first, worst
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.kinds import Deployment, PullRequest, Run
from quarterdeck_lifecycle.records import TROUBLE, Status

RUN_COLUMNS = (
    Column("status", "", 1),
    Column("system", "SYS", 8, flex=1, min_width=8, priority=3),
    Column("number", "RUN", 8, flex=1, min_width=5),
    Column("where", "REPO@REF", 22, flex=3, min_width=11),
    Column("state", "STATE", 9),
    Column("why", "WHERE / WHY", 24, flex=4, min_width=8, priority=1),
    Column("took", "TOOK", 5, "right", priority=2),
    Column("median", "vs MED", 6, "right", priority=4),
    Column("when", "WHEN", 4, "right", priority=2),
)

PULL_COLUMNS = (
    Column("status", "", 1),
    Column("number", "PR", 6),
    Column("title", "TITLE", 36, flex=4, min_width=12),
    Column("author", "BY", 10, flex=1, min_width=5, priority=2),
    Column("branch", "BRANCH", 16, flex=1, min_width=6, priority=3),
    Column("review", "REVIEW", 9, flex=1, min_width=6, priority=1),
    Column("checks", "CHECKS", 10),
    Column("when", "WHEN", 4, "right", priority=2),
)

DEPLOYMENT_COLUMNS = (
    Column("status", "", 1),
    Column("system", "SYS", 8, flex=1, min_width=8, priority=3),
    Column("target", "ENVIRONMENT", 14, flex=2, min_width=7),
    Column("what", "REPO@REF", 22, flex=3, min_width=11),
    Column("state", "STATE", 9),
    Column("by", "BY", 10, flex=1, min_width=5, priority=2),
    Column("why", "WHERE / WHY", 24, flex=3, min_width=8, priority=1),
    Column("when", "WHEN", 4, "right", priority=2),
)

_IN_FLIGHT = (Status.RUNNING, Status.QUEUED, Status.WAITING)


def run_row(run: Run, look: Look) -> Row:
    """One run. A run in flight shows when it began, not a running clock."""
    so_far = f"{age(run.started_at, look.now)}…" if run.started_at is not None else "-"
    took = duration(run.duration_s) if run.finished_at is not None else so_far
    return Row(
        run.ref,
        (
            glyph(run.status),
            Cell(run.system, "dim"),
            Cell(f"#{run.number}"),
            Cell("@".join(filter(None, (run.repository.rpartition("/")[2], run.branch)))),
            Cell(run.state, "bad" if run.status is Status.BAD else ""),
            Cell(one_line(run.note or run.where or run.workflow), "dim"),
            Cell(took, "dim"),
            Cell(against(run.duration_s, run.median_s) if run.finished_at is not None else "-", "dim"),
            Cell(age(run.updated_at, look.now), "dim"),
        ),
    )


def pull_row(pull: PullRequest, look: Look) -> Row:
    """One pull request."""
    signs = {"failed": "✗", "running": "▸", "waiting": "‖", "passed": "✓"}
    checks = " ".join(f"{sign}{pull.checks[key]}" for key, sign in signs.items() if pull.checks.get(key))
    return Row(
        pull.ref,
        (
            glyph(pull.status),
            Cell(f"#{pull.number}"),
            Cell(one_line(pull.title), "dim" if pull.draft else ""),
            Cell(pull.author, "dim"),
            Cell(pull.branch, "accent"),
            Cell("draft" if pull.draft else pull.review or "-"),
            Cell(checks or "-"),
            Cell(age(pull.updated_at, look.now), "dim"),
        ),
    )


def deployment_row(deployment: Deployment, look: Look) -> Row:
    """One deployment; what an environment has now stands out."""
    return Row(
        deployment.ref,
        (
            glyph(deployment.status),
            Cell(deployment.system, "dim"),
            Cell(deployment.target, "bold" if deployment.current else ""),
            Cell(f"{deployment.repository.rpartition('/')[2]}@{deployment.branch or deployment.head[:10]}"),
            Cell(deployment.state, "bad" if deployment.status is Status.BAD else ""),
            Cell(deployment.actor, "dim"),
            Cell(one_line(deployment.note), "dim"),
            Cell(age(deployment.updated_at, look.now), "dim"),
        ),
    )


def deployment_line(deployments: Sequence[Deployment], look: Look) -> str:
    """The collapsed pane when deployments are on top."""
    first = worst(deployments)
    if first is None:
        return "no deployment"
    return f"{first.target} {first.repository.rpartition('/')[2]} {first.state} · {counted(deployments)}"


def run_order(run: Run) -> tuple[int, float]:
    """Newest trouble first: what is in flight or failed lately, then by time."""
    return (TROUBLE[run.status] if run.status in (Status.BAD, Status.LOOK, *_IN_FLIGHT) else 9), -(run.updated_at or 0)


def run_line(runs: Sequence[Run], look: Look) -> str:
    """The collapsed pane."""
    first = min(runs, key=run_order, default=None)
    if first is None:
        return "no run"
    why = one_line(first.note or first.where)
    place = f"{first.repository.rpartition('/')[2]}#{first.number} {first.state}"
    return " · ".join(part for part in (f"{place} {why}".strip(), counted(runs)) if part)


def pull_line(pulls: Sequence[PullRequest], look: Look) -> str:
    """The collapsed pane when pull requests are on top."""
    first = worst(pulls)
    return "no pull request" if first is None else f"#{first.number} {first.title} · {counted(pulls)}"


VIEWS = (
    View("run", "Runs", RUN_COLUMNS, run_row, {"trouble": run_order, "newest": newest_first,
         "repository": lambda r: (r.repository, -(r.updated_at or 0))}, run_line),
    View("pull_request", "Pull requests", PULL_COLUMNS, pull_row,
         {"newest": newest_first, "trouble": trouble_first, "number": lambda p: -p.number}, pull_line),
    View("deployment", "Deployments", DEPLOYMENT_COLUMNS, deployment_row,
         {"newest": newest_first, "trouble": trouble_first, "environment": lambda d: d.target}, deployment_line),
)  # fmt: skip
