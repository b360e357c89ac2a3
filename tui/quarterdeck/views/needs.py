"""What needs the operator as cells: the deck's second line, the header's counts, the rows of the `0` screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from quarterdeck.views.fmt import STYLES, age, duration, glyph, one_line
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.mutes import Mute
from quarterdeck_lifecycle.need import HARM_WORDS, Need
from quarterdeck_lifecycle.records import Status

COLUMNS = (
    Column("status", "", 1),
    Column("environment", "CTX", 8, flex=1, min_width=7, priority=1),
    Column("text", "WHAT", 24, flex=2, min_width=14),
    Column("word", "STATE", 18, flex=1, min_width=17),
    Column("since", "FOR", 5, "right"),
    Column("why", "WHY", 40, flex=5, min_width=12, priority=2),
)
WITH_MUTED = (*COLUMNS, Column("mute", "MUTED", 12, priority=3))
"""While something is muted: an empty column would take the others' room."""
COUNTED = (Status.BAD, Status.LOOK, Status.WAITING)
SHOWN = 6
"""The most needs that the line names, however wide it is: more are read on their own screen."""


def harm_lines() -> list[str]:
    """The order, in words, for the help."""
    lines = ["What needs me, the worst first:"]
    lines += [f"  {place}. {words}" for place, words in enumerate(HARM_WORDS.values(), 1)]
    return [*lines, "Within each: protected and live places first, then the newest."]


def count_cells(needs: Sequence[Need], words: bool) -> list[Cell]:
    """`✗3 ▲2 ‖1`, with `words` how many they are before it."""
    counts: dict[Status, int] = {}
    for need in needs:
        counts[need.status] = counts.get(need.status, 0) + 1
    if not counts:
        return [Cell("✓ ", "ok")]
    cells = [Cell(f"needs you {len(needs)}: ", "dim")] if words else []
    return cells + [Cell(f"{glyph(s).text}{counts[s]} ", glyph(s).style) for s in COUNTED if s in counts]


def need_words(need: Need, now: float) -> str:
    """`FraudP95High prod 4m`, `run#1841 unit-tests 5m`, `run#98 waits for you`."""
    parts = [need.text]
    if need.word not in ("firing", "failed"):
        parts.append(need.word)
    if need.environment:
        parts.append(need.environment)
    if need.since is not None and need.status is not Status.WAITING:
        parts.append(age(need.since, now))
    return one_line(" ".join(parts))[:60]


def line_cells(needs: Sequence[Need], width: int, now: float) -> tuple[list[Cell], list[Cell]]:
    """The deck's second line: the worst ones, as many as fit in `width` cells; nothing when nothing needs anybody."""
    if not needs:
        return [], []
    cells, used = [Cell("! ", "warn")], 2
    told = 0
    for need in needs[:SHOWN]:
        sign = glyph(need.status)
        text = f"{sign.text}{need_words(need, now)}  "
        rest = len(needs) - told - 1
        if told and used + cell_len(text.rstrip()) + len(_more(rest)) > width:
            break
        cells.append(Cell(text, sign.style))
        used += cell_len(text)
        told += 1
    more = len(needs) - told
    return cells, [Cell(_more(more), "warn" if more else "dim")]


def _more(count: int) -> str:
    return f" +{count} [0]all" if count else " [0]all"


def need_row(need: Need, now: float, colours: Mapping[str, str], mute: Mute | None = None) -> Row:
    """One need, by its environment or else its source; a muted one says for how long."""
    place = need.environment
    style = "dim" if mute is not None else ""
    return Row(
        need.key,
        (
            glyph(need.status),
            Cell(place or need.ref.source, f"env:{colours[place]}" if place in colours else "dim"),
            Cell(need.text, style),
            Cell(need.word, style or STYLES[need.status]),
            Cell(age(need.since, now), "dim"),
            Cell(one_line(need.why), "dim"),
            Cell("" if mute is None else left_words(mute, now), "info"),
        ),
    )


def idle_row(mute: Mute, now: float) -> Row:
    """A mute whose need is not there now."""
    return Row(
        mute.key,
        (
            Cell("·", "dim"), Cell(mute.environment, "dim"), Cell(mute.text, "dim"), Cell("not now", "dim"),
            Cell("-", "dim"), Cell(f"it was {mute.word} when it was muted", "dim"),
            Cell(left_words(mute, now), "info"),
        ),
    )  # fmt: skip


def left_words(mute: Mute, now: float) -> str:
    """How long it stays muted, in steps of five minutes."""
    if mute.until is None:
        return "till change"
    left = max(0.0, mute.until - now)
    return f"{duration(-(-left // 300) * 300)} left"


def need_text(need: Need) -> str:
    """What the filter looks through."""
    return " ".join((need.text, need.word, need.environment, need.why, need.ref.source, need.ref.kind, need.status))
