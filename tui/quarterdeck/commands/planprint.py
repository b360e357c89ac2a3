"""A plan on paper: exactly the steps that the ledger of an undisturbed run will hold, in that order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.release.model import Identity, Plan, Step
from quarterdeck_lifecycle.text import clean_line


def print_plan(plan: Plan, outlives: Sequence[str], as_json: bool) -> None:
    """Print it."""
    if as_json:
        click.echo(redact(json.dumps(plan_dict(plan, outlives))))
        return
    for line in plan_lines(plan, outlives):
        click.echo(redact(clean_line(line)))


def plan_dict(plan: Plan, outlives: Sequence[str]) -> dict[str, Any]:
    """A plan as `--dry-run --json` prints it."""
    return {
        "kind": plan.kind, "service": plan.service, "environment": plan.environment, "revision": plan.revision,
        "from": _identity(plan.before), "to": _identity(plan.to), "back": _identity(plan.back),
        "targets": [{"target": c.target, "kind": c.place.kind, "mode": c.mode} for c in plan.changes],
        "steps": [_step(step) for step in plan.steps], "back_steps": [_step(step) for step in plan.back_steps],
        "checks": [{"name": check.name, "ok": check.ok, "said": check.said} for check in plan.checks],
        "warnings": list(plan.warnings), "config": list(plan.config), "gap_s": plan.gap_s,
        "approval": plan.approval, "outlives": list(outlives),
    }  # fmt: skip


def plan_lines(plan: Plan, outlives: Sequence[str]) -> Iterator[str]:
    """A plan for people."""
    yield f"{plan.kind} {plan.service} in {plan.environment}"
    for word, identity in (("from", plan.before), ("to", plan.to), ("back", plan.back)):
        yield f"  {word:<8} {identity.reference if identity is not None else 'nothing'}"
    for change in plan.changes:
        yield f"  {'on':<8} {change.target} ({change.place.kind}, {change.mode})"
    gap = "failed requests are counted, not promised away" if plan.gap_s is None else f"a gap of about {plan.gap_s:g} s"
    yield f"  {'gap':<8} {gap if plan.gap_s != 0 else 'none expected'}"
    for check in plan.checks:
        yield f"  {'check':<8} {'✓' if check.ok else '?' if check.ok is None else '✗'} {check.name}: {check.said}"
    for word, lines in (("warning", plan.warnings), ("config", plan.config), ("runs on", outlives)):
        for line in lines:
            yield f"  {word:<8} {line}"
    yield "steps"
    for step in plan.steps:
        yield f"  {step.id}: {step.title} (within {step.deadline_s:g} s)"
    yield "if it fails after the first switch"
    for step in plan.back_steps:
        yield f"  {step.id}: {step.title} (within {step.deadline_s:g} s)"


def _identity(identity: Identity | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    return {"reference": identity.reference, "wanted": identity.wanted, "revision": identity.revision}


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id, "name": step.name, "target": step.target, "title": step.title, "phase": step.phase,
        "deadline_s": step.deadline_s,
    }  # fmt: skip
