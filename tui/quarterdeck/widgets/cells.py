"""Rows of cells, and the pure arithmetic that keeps them aligned; a width is in terminal cells.

Widths follow ``rich.cells``, which the painting side measures with too. Nothing here knows a widget.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from rich.cells import cell_len, get_character_cell_size, set_cell_size

Align = Literal["left", "right"]

MAX_COMBINING = 4
"""Marks kept on one base character: more is decoration that costs bytes and leaves its line."""


class Cell(NamedTuple):
    """One field of a row: its text, and the semantic name of its style (see ``palette``)."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """How one column is laid out; every width is in terminal cells.

    ``width`` is wanted; a column with ``flex`` > 0 may shrink to ``min_width`` and shares what is left over.
    In a table too narrow for all, the column with the highest ``priority`` number goes first (of equals the
    rightmost). ``gap`` is the blank space after the column.
    """

    key: str
    title: str
    width: int
    align: Align = "left"
    flex: int = 0
    min_width: int = 3
    priority: int = 0
    gap: int = 1


class Row(NamedTuple):
    """One record as it is shown; ``key`` is its identity and outlives any order of the rows.

    By convention the first cell holds the state's glyph: a ghost shows its own in that place.
    """

    key: Hashable
    cells: Sequence[Cell]
    style: str = ""


class Glyphs(NamedTuple):
    """The signs of the deck, one cell wide each; colour and a word always stand beside a state's sign."""

    ok: str = "✓"
    look: str = "▲"
    bad: str = "✗"
    running: str = "▸"
    waits: str = "‖"
    queued: str = "◌"
    ghost: str = "░"
    unknown: str = "?"
    live: str = "●"
    polled: str = "○"
    stale: str = "◐"
    partial: str = "…"
    changed: str = "△"
    op: str = "»"
    cursor: str = ">"
    marked: str = "•"
    cursor_marked: str = "◆"
    watched: str = "◎"
    cursor_watched: str = "◉"
    ascending: str = "↑"
    descending: str = "↓"


UNICODE = Glyphs()
ASCII = Glyphs(
    ok="+",
    look="!",
    bad="x",
    running="r",
    waits="=",
    queued="q",
    ghost=":",
    unknown="?",
    live="*",
    polled="o",
    stale="%",
    partial="~",
    changed="^",
    op="#",
    cursor=">",
    marked="*",
    cursor_marked="&",
    watched="w",
    cursor_watched="W",
    ascending="/",
    descending="\\",
)
"""The twins for a terminal without UTF-8."""

_TWINS = dict(zip(UNICODE, ASCII, strict=True)) | {
    "│": "|",
    "─": "-",
    "┄": "-",
    "┆": ":",
    "┼": "+",
    "┌": "+",
    "┏": "#",
    "▌": "|",
    "·": ".",
    "→": ">",
    "←": "<",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "–": "-",
    "—": "-",
    "Δ": "d",
    "±": "~",
    "▼": "v",
    "▰": "#",
    "▱": ".",
    "└": "`",
    "␛": "^",
}


def literal(text: str) -> str:
    """The text with nothing in it that a terminal obeys or that moves what follows.

    A control becomes its picture (``␛``, ``␊``), a blank of any kind one space, any other character that does
    not print ``�``. Variation selectors go: terminals disagree about the width they give. At most
    ``MAX_COMBINING`` marks stay on one base, and a leading mark gets a space to stand on.
    """
    if text.isprintable() and text.isascii():
        return text
    return _literal(text) if len(text) < 512 else "".join(literal_parts(text))


@lru_cache(maxsize=4096)
def _literal(text: str) -> str:
    return "".join(literal_parts(text))


def literal_parts(text: str, tab: int = 1) -> list[str]:
    """For each character what stands in its place (perhaps nothing), so that positions can be followed.

    ``tab`` is the distance of tab stops in cells.
    """
    parts: list[str] = []
    column = marks = 0
    for char in text:
        shown, width = _shown(char)
        if char == "\t":
            width = tab - column % tab
            shown = " " * width
        if width:
            marks = 0
        elif shown:
            marks += 1
            if column == 0:
                shown, width = " " + shown, 1
            elif marks > MAX_COMBINING:
                shown = ""
        parts.append(shown)
        column += width
    return parts


@lru_cache(maxsize=4096)
def _shown(char: str) -> tuple[str, int]:
    """What stands for one character, and its width in cells."""
    code = ord(char)
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return "", 0
    if char.isprintable():
        return char, get_character_cell_size(char)
    if code < 0x20:
        return chr(0x2400 + code), 1
    if code == 0x7F:
        return "␡", 1
    if char.isspace() and not 0x80 <= code < 0xA0 and code not in (0x2028, 0x2029):
        return " ", 1
    return "�", 1


def ascii_twin(text: str) -> str:
    """The text in ASCII, cell for cell: signs by their twins, anything else ``?``; the width stays."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else _TWINS.get(char, "?" * get_character_cell_size(char)) for char in text)


def fit_text(text: str, width: int, align: Align = "left", ellipsis: str = "…") -> str:
    """The text made literal and exactly ``width`` cells wide: padded, or cut with an ellipsis.

    A column of one or two cells is cut without one. A wide character that would straddle the edge becomes a
    blank.
    """
    if width <= 0:
        return ""
    text = literal(text[: width * (MAX_COMBINING + 2) + 16])
    size = len(text) if text.isascii() else cell_len(text)
    if size > width:
        return set_cell_size(text, width) if width < 3 else set_cell_size(text, width - 1) + ellipsis
    pad = " " * (width - size)
    return pad + text if align == "right" else text + pad


def fit_columns(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """The width of each column in a line of ``width`` cells; 0 means that the column is dropped.

    The shown widths and the gaps between them never add up to more than ``width``.
    """
    shown = list(range(len(columns)))
    while len(shown) > 1 and _least(columns, shown) > width:
        shown.remove(max(shown, key=lambda index: (columns[index].priority, index)))
    widths = [0] * len(columns)
    for index in shown:
        widths[index] = _minimum(columns[index])
    spare = width - _least(columns, shown)
    if spare < 0:
        for index in shown:
            widths[index] = max(width, 0)
        return tuple(widths)
    wishes = {index: max(columns[index].width - widths[index], 0) for index in shown}
    spare -= _share(widths, wishes, min(spare, sum(wishes.values())))
    _share(widths, {index: columns[index].flex for index in shown}, spare)
    return tuple(widths)


def _minimum(column: Column) -> int:
    return max(column.min_width if column.flex else column.width, 1)


def _least(columns: Sequence[Column], shown: list[int]) -> int:
    """The cells that the shown columns need at the least, with the gaps between them."""
    return sum(_minimum(columns[index]) for index in shown) + sum(columns[index].gap for index in shown[:-1])


def _share(widths: list[int], weights: dict[int, int], amount: int) -> int:
    """Add ``amount`` cells to the widths in proportion to the weights; returns the cells given out."""
    total = sum(weights.values())
    if not total or amount <= 0:
        return 0
    given = weighed = 0
    for index, weight in weights.items():
        weighed += weight
        upto = amount * weighed // total
        widths[index] += upto - given
        given = upto
    return given
