"""Two things side by side; only what differs, unless all is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from quarterdeck.screens.text import TextScreen, plain
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Describes
from quarterdeck_lifecycle.records import Record, row_json
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

MOST_LINES = 40


class CompareScreen(TextScreen):
    """The fields of two records, and of their details."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "all", show=False)]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (("a", "all or differences"), ("/", "search"), ("y", "copy"))

    def __init__(self, boot: Boot, one: Record, two: Record) -> None:
        super().__init__(f"{one.name} = {two.name}", [])
        self._boot = boot
        self._records = (one, two)
        self._facts: list[dict[str, str]] = [facts(one), facts(two)]
        self._all = False

    def on_mount(self) -> None:
        """Show what is known, ask for the rest."""
        super().on_mount()
        self.show_lines()
        self.app.work(self._ask(), "compare")

    async def _ask(self) -> None:
        for place, record in enumerate(self._records):
            source = self._boot.hub.sources.get(record.ref.source)
            if not isinstance(source, Describes):
                continue
            try:
                sections = await self._boot.bounded(source.describe(record.ref), 30, "its detail", record.ref.source)
            except QuarterdeckError as error:
                self.app.say(str(error), "error")
                continue
            for section in sections:
                if section.shape == "fields":
                    self._facts[place] |= {f"{section.title}: {name}": value for name, value in section.fields}
        if self.is_running:
            self.show_lines()

    def action_all(self) -> None:
        """All fields, or only those that differ."""
        self._all = not self._all
        self.show_lines()

    def show_lines(self) -> None:
        """The table."""
        self.fill(compared(*self._records, *self._facts, everything=self._all, width=self.app.size.width))


def facts(record: Record) -> dict[str, str]:
    """A record's fields, mappings opened."""
    found: dict[str, str] = {}
    for key, value in row_json(record).items():
        if key in ("ref", "links", "points", "history"):
            continue
        if isinstance(value, dict):
            found |= {f"{key} {name}": str(item) for name, item in value.items()}
        else:
            found[key] = "" if value is None else str(value)
    return found


def compared(
    one: Record,
    two: Record,
    left: Mapping[str, str],
    right: Mapping[str, str],
    *,
    everything: bool,
    width: int = 100,
) -> list[LogLine]:
    """Lines of `field  left  right` in `width` cells; long values go on below, those that differ stand out."""
    keys = [key for key in dict.fromkeys([*left, *right]) if everything or left.get(key, "") != right.get(key, "")]
    if not keys:
        return plain(["no difference in anything that is known of them"], "dim")
    name = min(34, width // 3, max(len(key) for key in keys))
    half = max(12, (width - name - 5) // 2)
    head = f"{'':{name}}  {one.name[:half]:{half}}  {two.name[:half]}"
    lines = [LogLine(head, ((0, len(head), "bold"),))]
    for key in keys:
        differs = left.get(key, "") != right.get(key, "")
        sides = [_pieces(side.get(key, ""), half) for side in (left, right)]
        for place, (a, b) in enumerate(zip_longest(*sides, fillvalue="")):
            text = f"{'' if place else key[:name]:{name}}  {a:{half}}  {b}"
            spans = ((0, name, "cyan"), (name + 2, len(text), "yellow")) if differs else ((0, name, "cyan"),)
            lines.append(LogLine(text, spans))
    return lines


def _pieces(value: str, width: int) -> list[str]:
    """A value in pieces of at most `width` characters, by its lines; `-` for none."""
    lines = value.splitlines() or [""]
    cut = [line[at : at + width] for line in lines[: MOST_LINES + 1] for at in range(0, max(len(line), 1), width)]
    cut = cut[:MOST_LINES] + ([f"… {len(value):,} characters"] if len(cut) > MOST_LINES else [])
    return cut if any(cut) else ["-"]
