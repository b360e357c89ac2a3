"""A plan as lines of cells, for the dialog that starts it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len

from quarterdeck.views.fmt import GLYPHS, STYLES, age, clock, size
from quarterdeck.views.planwords import MODES, brief, gate_words, guard_words, identity_words, short_targets
from quarterdeck.widgets.cells import UNICODE, Cell, fit_text
from quarterdeck_lifecycle.kinds import Run, Service
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.release.model import Check, Identity, Plan, Step

LABEL = 7
"""Cells of the words that stand before each line."""
MOST_CONFIG = 4
TIGHT_LINES = 2
"""The most lines of one warning where there is little room: the whole plan has all of it."""
Line = tuple[Cell, ...]


class Known(NamedTuple):
    """What the dialog knows beside the plan; empty or None while it is not known. `tags` are names by digest, `run` is
    the one that built what comes, `busy` says who else deploys, and is empty when it was asked and nobody does."""

    service: Service | None = None
    commits: tuple[Cell, ...] = ()
    outlives: str = ""
    busy: str | None = None
    migrations: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    run: Run | None = None
    tight: bool = False


def labelled(label: str, cells: Iterable[Cell], width: int, most: int = 0) -> list[Line]:
    """The cells after a label, on as many lines as they need; each cell stays whole unless it is wider than a line.

    With `most` the lines after those go, and the last one says by its end that `p` shows them.
    """
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
    if most and len(lines) > most:
        *before, last = lines[most - 1]
        end = " … p"
        taken = sum(cell_len(cell.text) for cell in before)
        text = fit_text(last.text.rstrip(), min(cell_len(last.text.rstrip()), width - taken - len(end))).rstrip(" …")
        lines[most - 1 :] = [[*before, Cell(text, last.style), Cell(end, "accent")]]
    return [tuple(line) for line in lines]


def _parts(cell: Cell, room: int) -> Iterable[Cell]:
    text = cell.text
    while cell_len(text.rstrip()) > room:
        cut = text.rfind(" ", 1, room)
        cut = room if cut <= room // 3 else cut
        yield Cell(text[:cut], cell.style)
        text = text[cut:].lstrip()
    yield Cell(text, cell.style)


def _tag(identity: Identity, tags: Mapping[str, str]) -> str:
    wanted = identity.wanted.rpartition("/")[2]
    named = "" if "sha256:" in wanted or wanted == identity.digest else wanted
    return named or tags.get(identity.digest, "")


def _when(at: float, now: float) -> str:
    """`11:59Z`, `Nov 14`."""
    words = clock(at, now)
    return f"{words}Z" if ":" in words else words


def identity_cells(identity: Identity, tags: Mapping[str, str], now: float) -> list[Cell]:
    """Under which name it is known, identity, commit, when built."""
    cells = [Cell(f"{tag}  ")] if (tag := _tag(identity, tags)) else []
    cells.append(Cell(f"{identity_words(identity)}  ", "head"))
    if identity.revision:
        cells.append(Cell(f"{identity.revision[:7]}  ", "accent"))
    if identity.created_at is not None:
        built = "made" if identity.kind == "model" else "built"
        when = f"{built} {_when(identity.created_at, now)} ({age(identity.created_at, now)})"
        cells.append(Cell(f"{when}  ", "dim"))
    return cells


def side_lines(plan: Plan, known: Known, width: int, now: float) -> list[Line]:
    """From what, to what, with which model, on which hosts and how."""
    service = known.service
    before = [Cell("nothing is there yet  ", "warn")]
    if plan.before is not None:
        before = identity_cells(plan.before, known.tags, now)
    if service is not None and service.revision and service.running == (plan.before.short if plan.before else ""):
        before.insert(0, Cell(f"v{service.revision} "))
    if service is not None and service.since is not None:
        by = f" by {service.by}" if service.by else ""
        before.append(Cell(f"since {_when(service.since, now)}{by}  ", "dim"))
    if service is not None and service.status in (Status.BAD, Status.LOOK):
        sign = UNICODE.bad if service.status is Status.BAD else UNICODE.look
        before.append(Cell(f"{sign} {service.state} now", "bad" if sign == UNICODE.bad else "warn"))
    to = [Cell(f"v{plan.revision} "), *identity_cells(plan.to, known.tags, now)]
    if known.run is not None:
        status = known.run.status
        to.append(Cell(f"run #{known.run.number} {GLYPHS[status]} {known.run.state}  ", STYLES[status]))
    if plan.to.size:
        to.append(Cell(size(plan.to.size), "dim"))
    lines = [*labelled("from", before, width), *labelled("to", to, width)]
    if service is not None and service.model and plan.to.kind != "model":
        lines += labelled("model", [Cell(service.model)], width)
    return lines + labelled("hosts", host_cells(plan), width)


def host_cells(plan: Plan) -> list[Cell]:
    """Targets in their order, how each changes over, and the gap that is expected."""
    cells: list[Cell] = []
    for place, change in enumerate(plan.changes):
        first = "" if place or len(plan.changes) < 2 else ", then" if change.mode == "alias" else " canary, then"
        cells.append(Cell(f"{change.target}{first}  ", "head"))
    cells += [Cell(f"{MODES[mode]}  ") for mode in dict.fromkeys(change.mode for change in plan.changes)]
    if any(change.restart_only for change in plan.changes):
        cells.append(Cell("restarted to read the alias  "))
    return [*cells, gap_cell(plan.gap_s)]


def gap_cell(gap_s: float | None) -> Cell:
    """What clients will notice."""
    if gap_s is None:
        return Cell("failed requests are counted, 0 is not promised", "warn")
    if gap_s > 0:
        return Cell(f"gap about {gap_s:.0f} s" if gap_s >= 1 else "gap under 1 s", "warn")
    return Cell("no gap expected", "ok")


def check_cells(checks: Sequence[Check], known: Known) -> list[Cell]:
    """What was looked at, fine or not; freeze and other deployers first. With little room the fine ones are counted."""
    service = known.service
    frozen = service.frozen if service is not None else ""
    cells = [Cell(f"{UNICODE.bad} {frozen}  ", "bad") if frozen else Cell(f"{UNICODE.ok} no freeze  ", "ok")]
    if known.busy is None:
        cells.append(Cell("asking who else deploys  ", "dim"))
    else:
        nobody = Cell(f"{UNICODE.ok} nobody else deploys  ", "ok")
        cells.append(Cell(f"{UNICODE.bad} {known.busy}  ", "bad") if known.busy else nobody)
    distinct = list({check.said or check.name: check for check in checks}.values())
    fine = [check for check in distinct if check.ok]
    hidden = fine if known.tight and len(fine) > 1 else []
    for check in (each for each in distinct if each not in hidden):
        sign, style = {True: (UNICODE.ok, "ok"), False: (UNICODE.bad, "bad"), None: (UNICODE.unknown, "warn")}[check.ok]
        cells.append(Cell(f"{sign} {check.said or check.name}  ", style))
    if hidden:
        cells.insert(2, Cell(f"{UNICODE.ok} {len(hidden)} more fine: p  ", "ok"))
    return cells


def middle_lines(plan: Plan, known: Known, width: int) -> list[Line]:
    """Commits and configuration between, warnings, checks."""
    most = TIGHT_LINES if known.tight else 0
    lines = labelled("git", known.commits or (Cell("asking git", "dim"),), width, most)
    lines += labelled("config", config_cells(plan.config), width)
    for warning in dict.fromkeys((*known.migrations, *plan.warnings)):
        lines += labelled("", [Cell(f"{UNICODE.look} {warning}", "warn")], width, most)
    return lines + labelled("checks", check_cells(plan.checks, known), width, most and most + 1)


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


def step_cells(plan: Plan) -> list[Cell]:
    """Numbered, in order, with the target where there are several; one step on many targets is told once."""
    short, cells = short_targets(plan), []
    for _, group in groupby(enumerate(plan.steps, 1), key=lambda each: _together(each[1])):
        steps = list(group)
        targets = {step.target for _, step in steps}
        if len(targets) > 1:
            names = ", ".join(dict.fromkeys(step.name for _, step in steps))
            cells.append(Cell(f"{steps[0][0]}-{steps[-1][0]} {names} x{len(targets)}  "))
            continue
        for number, step in steps:
            where = short.get(step.target, step.target)
            cells.append(Cell(f"{number} {step.name} {where}".rstrip() + "  "))
    return cells


def _together(step: Step) -> str:
    """What prepares and what keeps is told once for all targets; what switches is told for each."""
    return step.phase if step.phase in ("prepare", "keep") else step.id


def plan_lines(plan: Plan, known: Known, width: int) -> list[Line]:
    """The steps, the gate with its guards, what a failure does, and where it runs."""
    lines = labelled("plan", step_cells(plan), width)
    lines += labelled("gate", [Cell(gate_words(plan))], width)
    if plan.guards:
        lines += labelled("guards", [Cell(f"{guard_words(guard)}  ") for guard in plan.guards], width)
    if plan.on_failure == "hold":
        lines += labelled("fails", [Cell("it stops and holds: nothing is put back by itself", "warn")], width)
    elif len(plan.changes) > 1:
        lines += labelled("fails", [Cell("at target k: targets 1..k go back")], width)
    for hook, when in ((plan.pre, "before"), (plan.post, "after")):
        if hook is not None:
            lines += labelled("hook", [Cell(f"{when}: {' '.join(hook.argv)} (at most {hook.timeout_s:g} s)")], width)
    if plan.approval:
        lines += labelled("eyes", [Cell("waits for the approval of another user, at most 30 minutes", "warn")], width)
    if plan.announce:
        lines += labelled("tells", [Cell(", ".join(plan.announce))], width)
    return lines + (labelled("runs", [Cell(known.outlives)], width) if known.outlives else [])


def plan_body(plan: Plan, known: Known, width: int, now: float) -> list[Line]:
    """All of it; lines part what belongs together where there is room."""
    rule: list[Line] = [] if known.tight else [(Cell("─" * width, "dim"),)]
    sides, middle = side_lines(plan, known, width, now), middle_lines(plan, known, width)
    return [*sides, *rule, *middle, *rule, *plan_lines(plan, known, width)]
