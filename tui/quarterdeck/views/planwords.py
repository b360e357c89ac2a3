"""What a plan is made of, in words; and all of it as lines of text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from quarterdeck.views.fmt import duration
from quarterdeck_lifecycle.release.model import Check, GuardRule, Identity, Plan, ProbeRule, Step

MODES = {
    "stop-start": "stop, then start", "start-first": "start-first, drained by the proxy", "overlap": "overlap",
    "rolling": "rolled by the orchestrator", "alias": "alias moved",
}  # fmt: skip
NO_BACK = "nothing: the alias is removed again"
WIDE_ID = 24
"""Ids longer than this have their titles on lines of their own."""
_LONG_ID = re.compile(r"\b[0-9a-f]{64}\b")


def brief(text: str) -> str:
    """Ids of 64 hexadecimal digits by their first twelve; what is sent and copied has them whole."""
    return _LONG_ID.sub(lambda match: match[0][:12], text)


def identity_words(identity: Identity | None) -> str:
    """`sha256:d04a51…77fe`, `v17`, `nothing`."""
    if identity is None:
        return "nothing"
    if identity.kind == "model":
        return f"{identity.name} v{identity.digest}"
    digest = identity.digest or identity.image_id
    return f"{digest[:13]}…{digest[-4:]}" if len(digest) > 24 else digest or identity.name


def back_words(plan: Plan) -> str:
    """What a failure goes back to, in a few words."""
    return plan.back.short if plan.back is not None else NO_BACK


def short_targets(plan: Plan) -> Mapping[str, str]:
    """Targets by the part that tells them from each other: nothing where there is one, else source or name."""
    targets = [change.target for change in plan.changes]
    if len(targets) < 2:
        return dict.fromkeys(targets, "")
    parts = [target.partition("/")[::2] for target in targets]
    for names in ([source for source, _ in parts], [name for _, name in parts]):
        if len(set(names)) == len(targets):
            return dict(zip(targets, names, strict=True))
    return {target: target for target in targets}


def gate_words(plan: Plan) -> str:
    """What is probed: `GET /ready = 200: 3 passes within 1m00, then 0:30 soak`."""
    gate = plan.gate
    soak = f", then {duration(gate.soak_s)} soak" if gate.soak_s else ", no soak"
    alone = plan.probe.engine and all(change.mode == "alias" for change in plan.changes)
    asked = "the alias is read back" if alone else probe_words(plan.probe)
    passes = f"{gate.passes} pass{'es' if gate.passes != 1 else ''}"
    return f"{asked}: {passes} within {duration(gate.within_s)}{soak}"


def probe_words(probe: ProbeRule) -> str:
    """What is asked to prove that it is well."""
    if probe.none:
        return "probe: none, only that it runs"
    if probe.http:
        return f"GET {probe.http} = {probe.expect}"
    if probe.tcp:
        return f"tcp {probe.tcp}"
    return f"exec {' '.join(probe.exec)}" if probe.exec else "the engine's health check"


def guard_words(guard: GuardRule) -> str:
    """`errors <0.01 (no data: hold)`."""
    name = guard.name or guard.query
    limits = [f"<{guard.max:g}" if guard.max is not None else "", f">{guard.min:g}" if guard.min is not None else ""]
    few = f", at least {guard.min_samples} samples" if guard.min_samples else ""
    return f"{name}{' '.join(filter(None, limits))} on {guard.source} (no data: {guard.no_data}{few})"


def whole_lines(plan: Plan) -> list[str]:
    """Everything of a plan, a step a line with its deadline, for reading and for `--dry-run`."""
    lines = [
        f"operation {plan.op}",
        f"{plan.kind} {plan.service} in {plan.environment or '-'}, planned {plan.at} by {plan.actor} on {plan.host}",
        f"from      {plan.before.reference if plan.before else 'nothing'}",
        f"to        {plan.to.reference}",
        f"put back  {plan.back.reference if plan.back else NO_BACK}",
        f"reason    {plan.reason or '-'}",
        f"digest    {plan.digest()}",
        "",
        "steps",
    ]
    lines += _step_lines(plan.steps)
    lines += ["", "if it fails after the first switch"]
    lines += _step_lines(plan.back_steps) or ["  nothing"]
    lines += ["", f"gate      {gate_words(plan)}"]
    lines += [f"guard     {guard_words(guard)}" for guard in plan.guards]
    lines += [f"target    {change.target}: {MODES[change.mode]}" for change in plan.changes]
    lines += ["", *(f"warning   {warning}" for warning in plan.warnings)]
    lines += [f"check     {_check_line(check)}" for check in dict.fromkeys(plan.checks)]
    return lines + [f"config    {line}" for line in dict.fromkeys(plan.config)]


def _check_line(check: Check) -> str:
    said = check.said or check.name
    return {True: said, False: f"NOT FINE: {said}", None: f"not known: {said}"}[check.ok]


def _step_lines(steps: Sequence[Step]) -> list[str]:
    """The ids as the ledger holds them, each with its title after it, or below it where ids are long."""
    wide = max((len(step.id) for step in steps), default=0)
    between = "  " if wide <= WIDE_ID else "\n     "
    lines = [f"  {step.id:<{wide}}{between}{step.title}, at most {duration(step.deadline_s)}" for step in steps]
    return [part.rstrip() for line in lines for part in line.split("\n")]
