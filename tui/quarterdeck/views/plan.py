"""A plan as lines of cells, for the dialog that starts it and for the screen that shows all of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from quarterdeck.views.fmt import age, clock, duration, size
from quarterdeck.widgets.cells import UNICODE, Cell
from quarterdeck_lifecycle.kinds import Service
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.release.model import Check, GuardRule, Identity, Plan, ProbeRule, Step

LABEL = 7
"""Cells of the words that stand before each line."""
MOST_CONFIG = 4
Line = tuple[Cell, ...]
MODES = {
    "stop-start": "stop, then start", "start-first": "start-first, drained by the proxy", "overlap": "overlap",
    "rolling": "rolled by the orchestrator", "alias": "alias moved",
}  # fmt: skip
_LONG_ID = re.compile(r"\b[0-9a-f]{64}\b")


class Known(NamedTuple):
    """What the dialog knows beside the plan. `commits` and `runs` are words; empty ones are not known yet."""

    service: Service | None = None
    commits: tuple[Cell, ...] = ()
    outlives: str = ""
    busy: str = ""
    migrations: tuple[str, ...] = ()


def brief(text: str) -> str:
    """Ids of 64 hexadecimal digits by their first twelve; what is sent and copied has them whole."""
    return _LONG_ID.sub(lambda match: match[0][:12], text)


def labelled(label: str, cells: Iterable[Cell], width: int) -> list[Line]:
    """The cells after a label, on as many lines as they need; each cell stays whole unless it is wider than a line."""
    head = Cell(label.ljust(LABEL), "dim")
    lines, room = [[head]], width - LABEL
    used = 0
    for cell in cells:
        for part in _parts(Cell(brief(cell.text), cell.style), room):
            length = cell_len(part.text.rstrip())
            if used and used + length > room:
                lines.append([Cell(" " * LABEL)])
                used = 0
                part = Cell(part.text.lstrip(), part.style)
            lines[-1].append(part)
            used += cell_len(part.text)
    return [tuple(line) for line in lines]


def _parts(cell: Cell, room: int) -> Iterable[Cell]:
    text = cell.text
    while cell_len(text.rstrip()) > room:
        cut = text.rfind(" ", 1, room)
        cut = room if cut <= room // 3 else cut
        yield Cell(text[:cut], cell.style)
        text = text[cut:].lstrip()
    yield Cell(text, cell.style)


def identity_words(identity: Identity | None) -> str:
    """`sha256:d04a51…77fe`, `v17`, `nothing`."""
    if identity is None:
        return "nothing"
    if identity.kind == "model":
        return f"{identity.name} v{identity.digest}"
    digest = identity.digest or identity.image_id
    return f"{digest[:13]}…{digest[-4:]}" if len(digest) > 24 else digest or identity.name


def _tag(identity: Identity) -> str:
    wanted = identity.wanted.rpartition("/")[2]
    return "" if "sha256:" in wanted or wanted == identity.digest else wanted


def identity_cells(identity: Identity | None, now: float) -> list[Cell]:
    """Identity, commit, when built, under which name it was wanted."""
    cells = [Cell(f"{identity_words(identity)}  ", "head")]
    if identity is None:
        return cells
    if identity.revision:
        cells.append(Cell(f"{identity.revision[:7]}  ", "accent"))
    if identity.created_at is not None:
        cells.append(Cell(f"built {clock(identity.created_at, now)}Z ({age(identity.created_at, now)})  ", "dim"))
    if _tag(identity):
        cells.append(Cell(f"{_tag(identity)}  "))
    if identity.size:
        cells.append(Cell(f"{size(identity.size)}  ", "dim"))
    return cells


def side_lines(plan: Plan, known: Known, width: int, now: float) -> list[Line]:
    """From what, to what, with which model, on which hosts and how."""
    service = known.service
    before = identity_cells(plan.before, now)
    if service is not None and service.revision and service.running == (plan.before.short if plan.before else ""):
        before.insert(0, Cell(f"v{service.revision} "))
    if service is not None and service.since is not None:
        before.append(Cell(f"since {clock(service.since, now)}Z{f' by {service.by}' if service.by else ''}  ", "dim"))
    if service is not None and service.status in (Status.BAD, Status.LOOK):
        sign = UNICODE.bad if service.status is Status.BAD else UNICODE.look
        before.append(Cell(f"{sign} {service.state} now", "bad" if sign == UNICODE.bad else "warn"))
    lines = labelled("from", before, width)
    lines += labelled("to", [Cell(f"v{plan.revision} "), *identity_cells(plan.to, now)], width)
    if service is not None and service.model:
        lines += labelled("model", [Cell(service.model)], width)
    return lines + labelled("hosts", host_cells(plan), width)


def host_cells(plan: Plan) -> list[Cell]:
    """Targets in their order, how each changes over, and the gap that is expected."""
    cells: list[Cell] = []
    for place, change in enumerate(plan.changes):
        canary = " canary, then" if place == 0 and len(plan.changes) > 1 else ""
        cells.append(Cell(f"{change.target}{canary}  ", "head"))
    cells += [Cell(f"{MODES[mode]}  ") for mode in dict.fromkeys(change.mode for change in plan.changes)]
    if any(change.restart_only for change in plan.changes):
        cells.append(Cell("restarted to read the alias  "))
    return [*cells, gap_cell(plan.gap_s)]


def gap_cell(gap_s: float | None) -> Cell:
    """What clients will notice."""
    if gap_s is None:
        return Cell("failed requests are counted, 0 is not promised", "warn")
    if gap_s > 0:
        return Cell(f"gap about {gap_s:.0f} s", "warn")
    return Cell("no gap expected", "ok")


def check_cells(checks: Sequence[Check], known: Known) -> list[Cell]:
    """What was looked at, fine or not; freeze and other deployers first."""
    service = known.service
    frozen = service.frozen if service is not None else ""
    cells = [Cell(f"{UNICODE.bad} {frozen}  ", "bad") if frozen else Cell(f"{UNICODE.ok} no freeze  ", "ok")]
    nobody = Cell(f"{UNICODE.ok} nobody else deploys  ", "ok")
    cells.append(Cell(f"{UNICODE.bad} {known.busy}  ", "bad") if known.busy else nobody)
    for check in {check.said or check.name: check for check in checks}.values():
        sign, style = {True: (UNICODE.ok, "ok"), False: (UNICODE.bad, "bad"), None: (UNICODE.unknown, "warn")}[check.ok]
        cells.append(Cell(f"{sign} {check.said or check.name}  ", style))
    return cells


def middle_lines(plan: Plan, known: Known, width: int) -> list[Line]:
    """Commits and configuration between, warnings, checks."""
    lines = labelled("git", known.commits or (Cell("asking git", "dim"),), width)
    lines += labelled("config", config_cells(plan.config), width)
    for warning in (*plan.warnings, *known.migrations):
        lines += labelled("", [Cell(f"{UNICODE.look} {warning}", "warn")], width)
    return lines + labelled("checks", check_cells(plan.checks, known), width)


def config_cells(config: Sequence[str]) -> list[Cell]:
    """How the configuration differs: what is no label first, the first few, then how many more there are."""
    if not config:
        return [Cell("the same", "dim")]
    config = list(dict.fromkeys(config))
    first = [line for line in config if not line.startswith("label ")][:MOST_CONFIG]
    cells = [Cell(f"{line.removeprefix('env ')}  ", "accent") for line in first]
    more = len(config) - len(first)
    if not more:
        return cells
    return [*cells, Cell(f"+{more} more: v" if first else f"{more} labels differ: v", "dim")]


def step_cells(steps: Sequence[Step]) -> list[Cell]:
    """Numbered, in order, each with its target where it has one."""
    several = len({step.target for step in steps if step.target}) > 1
    cells = []
    for number, step in enumerate(steps, 1):
        where = f" {step.target.partition('/')[2] if not several else step.target}" if step.target else ""
        cells.append(Cell(f"{number} ", "dim"))
        cells.append(Cell(f"{step.name}{where}  "))
    return _joined(cells)


def _joined(cells: Sequence[Cell]) -> list[Cell]:
    """Number and word in one cell, so that no line ends between them."""
    return [Cell(one.text + two.text, two.style) for one, two in zip(cells[::2], cells[1::2], strict=True)]


def gate_words(plan: Plan) -> str:
    """`3 passes within 60s, then 30s soak`; what is probed."""
    gate = plan.gate
    soak = f", then a soak of {duration(gate.soak_s)}" if gate.soak_s else ", no soak"
    return f"{probe_words(plan.probe)}: {gate.passes} passes within {duration(gate.within_s)}{soak}"


def probe_words(probe: ProbeRule) -> str:
    """What is asked to prove that it is well."""
    if probe.none:
        return "probe: none, only that it runs"
    if probe.http:
        return f"GET {probe.http} = {probe.expect}"
    if probe.tcp:
        return f"tcp {probe.tcp}"
    return f"exec {' '.join(probe.exec)}" if probe.exec else "the engine's own health check"


def guard_words(guard: GuardRule) -> str:
    """`errors <0.01 (no data: hold)`."""
    name = guard.name or guard.query
    limits = [f"<{guard.max:g}" if guard.max is not None else "", f">{guard.min:g}" if guard.min is not None else ""]
    few = f", at least {guard.min_samples} samples" if guard.min_samples else ""
    return f"{name}{' '.join(filter(None, limits))} on {guard.source} (no data: {guard.no_data}{few})"


def plan_lines(plan: Plan, known: Known, width: int) -> list[Line]:
    """The steps, the gate with its guards, what a failure does, and where it runs."""
    lines = labelled("plan", step_cells(plan.steps), width)
    lines += labelled("gate", [Cell(gate_words(plan))], width)
    if plan.guards:
        lines += labelled("guards", [Cell(f"{guard_words(guard)}  ") for guard in plan.guards], width)
    if plan.on_failure == "hold":
        lines += labelled("fails", [Cell("it stops and holds: nothing is put back by itself", "warn")], width)
    elif len(plan.changes) > 1:
        lines += labelled("fails", [Cell("at host k: hosts 1..k go back")], width)
    for hook, when in ((plan.pre, "before"), (plan.post, "after")):
        if hook is not None:
            lines += labelled("hook", [Cell(f"{when}: {' '.join(hook.argv)} (at most {hook.timeout_s:g} s)")], width)
    if plan.approval:
        lines += labelled("eyes", [Cell("waits for the approval of another user, at most 30 minutes", "warn")], width)
    if plan.announce:
        lines += labelled("tells", [Cell(", ".join(plan.announce))], width)
    return lines + (labelled("runs", [Cell(known.outlives)], width) if known.outlives else [])


def whole_lines(plan: Plan) -> list[str]:
    """Everything of a plan, a step a line with its deadline, for reading and for `--dry-run`."""
    lines = [
        f"operation {plan.op}",
        f"{plan.kind} {plan.service} in {plan.environment}, planned {plan.at} by {plan.actor} on {plan.host}",
        f"from      {plan.before.reference if plan.before else 'nothing'}",
        f"to        {plan.to.reference}",
        f"put back  {plan.back.reference if plan.back else 'nothing'}",
        f"reason    {plan.reason or '-'}",
        f"digest    {plan.digest()}",
        "",
        "steps",
    ]
    lines += [_step_line(step) for step in plan.steps]
    lines += ["", "if it fails after the first switch"]
    lines += [_step_line(step) for step in plan.back_steps] or ["  nothing"]
    lines += ["", f"gate      {gate_words(plan)}"]
    lines += [f"guard     {guard_words(guard)}" for guard in plan.guards]
    lines += ["", *(f"{change.target}: {MODES[change.mode]}" for change in plan.changes)]
    lines += [f"warning   {warning}" for warning in plan.warnings]
    return lines + [f"config    {line}" for line in plan.config]


def _step_line(step: Step) -> str:
    return f"  {step.id:<28} {step.title}   (at most {duration(step.deadline_s)})"
