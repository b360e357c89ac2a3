"""The lines around the panes, as cells. Pure but for reading the hub's snapshots."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck.keynames import pretty
from quarterdeck.keys import choose
from quarterdeck.views.fmt import glyph, one_line
from quarterdeck.widgets.cells import UNICODE, Cell
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.verbs import VerbKind

if TYPE_CHECKING:
    from quarterdeck.boot import Boot
    from quarterdeck.deck import DeckScreen
    from quarterdeck.panes.pane import Pane

Cells = tuple[list[Cell], list[Cell]]


def place_words(place: Place) -> str:
    """A place as it is said: a window opens one source of an environment, so both are named."""
    return f"{place.environment} on {place.source}" if place.environment else place.source


def hint_cells(pane: Pane, boot: Boot) -> list[Cell]:
    """What is known of the row under the cursor."""
    if pane.table.cursor_is_ghost:
        if pane.ref is not None and boot.hub.find(pane.ref) is not None:
            return [Cell(f"{UNICODE.ghost} this row no longer matches the filter; nothing can be done to it", "ghost")]
        return [Cell(f"{UNICODE.ghost} this row is gone; nothing can be done to it", "ghost")]
    record = pane.record
    if record is None:
        return []
    cells = [glyph(record.status), Cell(f" {record.name}: {record.state}")]
    if record.note:
        cells.append(Cell(f" · {one_line(record.note)}", "warn" if record.status is not Status.OK else "dim"))
    access = boot.policy.access(boot.operator.place(record.ref, record))
    if not access.open:
        cells.append(Cell(f"   {access.why}", "dim"))
    return cells


def operation_cells(operation: tuple[str, float, float] | None) -> list[Cell]:
    """A verb under way: since when, and its deadline. In seconds; nothing when none is."""
    if operation is None:
        return []
    title, began, deadline = operation
    return [Cell(f" {UNICODE.op} {title} {time.monotonic() - began:.0f}s of at most {deadline:.0f}s ", "info")]


def joined(titles: Sequence[str]) -> str:
    """The verbs of one key: `restart/start`, and `re-run…` where the others only say more of the same."""
    first = titles[0]
    return f"{first}…" if titles[1:] and all(t.startswith(first) for t in titles) else "/".join(titles)


def key_cells(deck: DeckScreen, boot: Boot) -> Cells:
    """The keys that apply to the row, greyed where the operator may not; on the right those that lead to all others."""
    kind = deck.pane.view.kind
    cells: list[Cell] = []
    seen: set[str] = set()
    for verb in boot.registry.on(kind):
        keys = boot.registry.keys(verb.id)
        if not keys or keys[0] in seen:
            continue
        seen.add(keys[0])
        verbs = choose(boot.registry, "deck", keys[0], kind)
        title = joined([v.title for v in verbs[:2]])
        style = ""
        acts = verb.kind is VerbKind.MUTATION
        if acts and (not deck.refs or all(deck.why_not(v) for v in verbs)):
            style = "dim"
        cells += [Cell(pretty(keys), "accent" if not style else "dim"), Cell(f" {title}  ", style or "")]
    for id in ("open", "detail", "filter"):
        cells += [Cell(pretty(boot.registry.keys(id)), "accent"), Cell(f" {id}  ", "dim")]
    more: list[Cell] = []
    for id in ("command", "help"):
        more += [Cell(f"  {pretty(boot.registry.keys(id))}", "accent"), Cell(f" {id}", "dim")]
    return cells, more
