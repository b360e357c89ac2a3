"""What the release dialog is asked about before there is a plan, and what a failure may go back to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quarterdeck.views.planwords import back_words
from quarterdeck.widgets.cells import UNICODE, Cell
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.verbs import Verb

CURRENT = "current"
"""What names to a plan that a failure goes back to what runs now."""
MOST = 3
Option = tuple[str, str]
"""How the choice is called, and what names it to a plan."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the dialog is asked about, before there is a plan. `guarded` has the name typed; `closed` says why a place
    is read-only: starting opens it with the reason, for this release alone; `shut` why it cannot be opened."""

    verb: Verb
    service: str
    environment: str
    word: str
    guarded: bool = False
    closed: str = ""
    shut: str = ""
    backs: tuple[Option, ...] = ()


def back_options(points: Sequence[tuple[str, str, bool]]) -> tuple[Option, ...]:
    """The choices from (name, value, proven): the newest three."""
    return tuple((_label(*point), point[1]) for point in points[:MOST])


def _label(name: str, value: str, proven: bool) -> str:
    known = f"{UNICODE.ok}proven" if proven else "unproven"
    return f"{name} runs now, {known}" if value == CURRENT else f"{name} {known}"


def offered(plan: Plan, backs: Sequence[Option]) -> list[Option]:
    """What this plan goes back to by itself, first and with an empty value, then the other choices."""
    known, label = {value: label for label, value in backs}, back_words(plan)
    value = ""
    if plan.back is not None:
        runs = plan.before is not None and plan.back.same(plan.before)
        value = CURRENT if runs else plan.back.digest or plan.back.image_id
        label = known.get(value, f"{label} runs now" if runs else label)
    others = [each for each in backs if each[1] != value]
    if plan.before is not None and CURRENT not in (value, *known):
        others.append((f"{plan.before.short} runs now", CURRENT))
    return [(label, ""), *others[: MOST - 1]]


def how_cells(*, in_field: bool, copies: str) -> list[Cell]:
    """The keys that count where the keyboard is; `copies` is the one that copies the command."""
    keys = [("Enter", "goes on"), ("Tab", "leaves the field: c v p n and y count there"), ("Esc", "cancels")]
    if not in_field:
        keys = [
            ("c", "commits"), ("v", "config"), ("p", "plan"), ("n", "dry-run"), (copies, "command"), ("Tab", "next"),
            ("Esc", "cancels"),
        ]  # fmt: skip
    return [cell for key, word in keys for cell in (Cell(key, "accent"), Cell(f" {word}  ", "dim"))]
