"""The two lines above the panes: where, who and what is open for writing; and what needs the operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from quarterdeck.panes.lines import place_words
from quarterdeck.views.fmt import duration
from quarterdeck.views.needs import count_cells, line_cells
from quarterdeck.widgets.cells import Cell
from quarterdeck_lifecycle.need import Need
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.records import State

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

Cells = tuple[list[Cell], list[Cell]]
ROOMY = 120
"""From this width on the counts say in words what they count."""
STEP_S = 15
"""A window's time left is told in such steps."""


def header_cells(boot: Boot, needs: Sequence[Need], width: int) -> Cells:
    """Project, environments, who I am, from where; in front of all what is open for writing, and for how long.

    Where the line is too short, what is not open gives way first, then the name of the project.
    """
    heard = any(snapshot.state is State.FRESH for snapshot in boot.hub.snapshots())
    # Where nobody has answered, nothing is known to be well.
    right = count_cells(needs, width >= ROOMY) if needs or heard else [Cell("? ", "dim")]
    room = width - _length(right)
    who = _who(boot)
    opened, shut = _places(boot)
    name = [Cell(f"{boot.project_name} ")]
    bar = [Cell("│ ", "dim")]
    for left in (
        [Cell("quarterdeck ", "accent"), *name, *bar, *opened, *shut, *(bar if opened or shut else []), *who],
        [*name, *bar, *opened, *shut, *(bar if opened or shut else []), *who],
    ):
        if _length(left) <= room:
            return left, right
    short = [*name, *bar, *opened, *_fitting(shut, room - _length([*name, *bar, *opened, *bar, *who])), *bar, *who]
    if _length(short) <= room:
        return short, right
    return [*opened, *bar, *who] if opened else [*name, *bar, *who], right


def need_cells(boot: Boot, needs: Sequence[Need], width: int, now: float) -> Cells:
    """The second line; what is wrong with the config stands before what needs the operator."""
    if not boot.notice:
        return line_cells(needs, width, now)
    notice = Cell(f"{boot.notice}  ", "warn")
    left, right = line_cells(needs, max(width // 2, width - cell_len(notice.text)), now)
    if not needs:
        return [notice], []
    if cell_len(notice.text) > width // 2:
        notice = Cell(f"{boot.notice[: max(1, width // 2 - 3)]}…  ", "warn")
    return [notice, *left], right


def _who(boot: Boot) -> list[Cell]:
    cells = [Cell(f"as {boot.actor.user}@{boot.actor.host}", "dim")]
    if boot.actor.origin != "local":
        cells.append(Cell(f" via ssh {boot.actor.origin}", "dim"))
    return [*cells, Cell(" ")]


def _places(boot: Boot) -> tuple[list[Cell], list[Cell]]:
    """What a window opened, with the time left; and the other environments, in brackets those that are not shown."""
    windows, shown = boot.policy.windows(), boot.hub.shown
    opened: list[Cell] = []
    shut: list[Cell] = []
    told: set[Place] = set()
    for name, members in boot.places().items():
        told.update(members)
        left = max((windows[place] for place in members if place in windows), default=None)
        if left is not None:
            open_now = sum(boot.policy.access(place).open for place in members)
            some = f"{open_now} of {len(members)} " if open_now < len(members) else ""
            opened.append(_open_cell(name, some, left))
            continue
        words = f"{name}:RO" if any(not boot.policy.access(place).open for place in members) else name
        if name in shown.known and not shown.keeps(name):
            shut.append(Cell(f"({words}) ", "dim"))
        else:
            shut.append(Cell(f"{words} ", boot.style_of(name) or ("warn" if words != name else "")))
    opened += [_open_cell(place_words(place), "", left) for place, left in windows.items() if place not in told]
    return opened, shut


def _open_cell(name: str, some: str, left: float) -> Cell:
    return Cell(f"{name}:WRITE {some}{duration(left // STEP_S * STEP_S + STEP_S)} ", "bad")


def _fitting(cells: Sequence[Cell], room: int) -> list[Cell]:
    """As many as fit, and how many do not."""
    if _length(cells) <= room:
        return list(cells)
    kept: list[Cell] = []
    for place, cell in enumerate(cells):
        if _length([*kept, cell]) + len(f"+{len(cells) - place - 1} ") > room:
            break
        kept.append(cell)
    return [*kept, Cell(f"+{len(cells) - len(kept)} ", "dim")]


def _length(cells: Sequence[Cell]) -> int:
    return sum(cell_len(cell.text) for cell in cells)
