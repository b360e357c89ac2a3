"""What a chart shows at one moment, as lines of styled text; pure."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple

import msgspec
from rich.cells import cell_len

from .cells import UNICODE, ascii_twin, fit_text, literal
from .plot import Run, Sample, Series, compact, join_runs, nice_bounds, render_chart, resample

_LABELS = 6
"""Cells of the scale's labels."""


class ChartSeries(NamedTuple):
    """One line of a chart: its samples in the order of time."""

    name: str
    samples: Sequence[Sample]
    style: str = "info"


class ChartMark(NamedTuple):
    """Something that happened at a time (seconds since the epoch), such as a release."""

    at: float
    label: str


def utc_minutes(at: float) -> str:
    """Hours and minutes of a time in seconds since the epoch, in UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%H:%M")
    except (OverflowError, OSError, ValueError):
        return "--:--"


class ChartFrame(msgspec.Struct, frozen=True):
    """All that a chart is drawn from; times are seconds since the epoch, sizes are cells."""

    title: str = ""
    unit: str = ""
    series: tuple[ChartSeries, ...] = ()
    marks: tuple[ChartMark, ...] = ()
    threshold: float | None = None
    lo: float | None = None
    hi: float | None = None
    end: float = 0.0
    window: float = 3600.0
    step: float = 15.0
    """Seconds from one sample to the next."""
    cursor: float | None = None
    width: int = 0
    height: int = 0
    empty: str = "no data"
    ascii: bool = False
    format_time: Callable[[float], str] = utc_minutes

    @property
    def columns(self) -> int:
        """The cells that dots are drawn in, across."""
        return max(self.width - _LABELS - 1, 1)

    @property
    def cell_seconds(self) -> float:
        """The time that one column of cells stands for."""
        return self.window / self.columns

    def lines(self) -> list[list[Run]]:
        """The title, the rows of dots, and below them the times where there is room for all three."""
        axis = self.height >= 4
        rows = self.height - 1 - axis
        lines = [self._title_line()]
        if rows > 0:
            lines += self._plot(rows)
        if axis:
            lines.append(self._axis())
        if self.ascii:
            lines = [[(ascii_twin(text), style) for text, style in line] for line in lines]
        return lines

    def _plot(self, rows: int) -> list[list[Run]]:
        columns, step, start = self.columns, self.cell_seconds / 2, self._plot_start
        drawn = [
            Series(one.name, resample(one.samples, start, step, columns * 2, self.step * 2.5), one.style)
            for one in self.series
        ]
        low, high = nice_bounds((value for one in drawn for value in one.values), self.threshold)
        low = low if self.lo is None else self.lo
        high = high if self.hi is None else self.hi
        body = render_chart(
            drawn,
            columns,
            rows,
            lo=low,
            hi=high,
            threshold=self.threshold,
            marks=[place for mark in self.marks if (place := self.column_of(mark.at)) is not None],
            cursor=None if self.cursor is None else self.column_of(self.cursor),
            ascii=self.ascii,
        )
        if all(value is None for one in drawn for value in one.values):
            body[rows // 2] = [(fit_text(f"? {self.empty}", columns), "dim")]
        labels = {0: compact(high), rows - 1: compact(low)} if rows > 1 else {0: compact(high)}
        ruler = "│"
        if self.threshold is not None and high > low:
            share = max(0.0, min((self.threshold - low) / (high - low), 1.0))
            labels[rows - 1 - round(share * (rows * 4 - 1)) // 4] = f"{compact(self.threshold)}┄"
        return [[(fit_text(labels.get(y, ""), _LABELS, "right") + ruler, "dim"), *line] for y, line in enumerate(body)]

    @property
    def _plot_start(self) -> float:
        """When the first column begins: columns stand on whole multiples of the time that they stand for."""
        cell = self.cell_seconds
        return (math.floor(self.end / cell) + 1 - self.columns) * cell

    def column_of(self, at: float) -> int | None:
        """The column of cells that an instant falls into; None if it is out of the window."""
        place = math.floor((at - self._plot_start) / self.cell_seconds)
        return place if 0 <= place < self.columns else None

    def _title_line(self) -> list[Run]:
        right: list[Run] = []
        if self.cursor is not None:
            right.append((self.format_time(self.cursor), "accent"))
        for one in self.series:
            value = self.read(one)
            above = self.threshold is not None and value is not None and value > self.threshold
            name = f"{literal(one.name)} " if len(self.series) > 1 else ""
            unit = f" {literal(self.unit)}" if self.unit and value is not None else ""
            right += [("  " if right else "", ""), (name, one.style)]
            right.append((f"{compact(value)}{unit}", "warn" if above else "head"))
            right.append((f" {UNICODE.look} high" if above else "", "warn"))
        used = sum(cell_len(text) for text, _ in right)
        left = fit_text(self.title, max(self.width - used - 1, 0))
        return _cropped([(left, "dim"), (" " if left else "", ""), *right], self.width)

    def read(self, one: ChartSeries) -> float | None:
        """The value of a series at the cursor, or its last one; None in a gap."""
        at = self.end if self.cursor is None else self.cursor + self.cell_seconds / 2
        place = bisect_right(one.samples, at, key=itemgetter(0)) - 1
        if place < 0 or at - one.samples[place].at > self.step * 2.5 + self.cell_seconds:
            return None
        value = one.samples[place].value
        return value if value is not None and math.isfinite(value) else None

    def _axis(self) -> list[Run]:
        """The times at both ends, and the names of marks where there is room between them."""
        width = self.width
        line = [" "] * (_LABELS + 1) + [" "] * self.columns
        first, last = self.format_time(self.end - self.window), self.format_time(self.end)
        taken = [(0, 0), (width - len(last), width)]
        _write(line, _LABELS + 1, first, taken)
        line[width - len(last) : width] = list(last) if len(last) <= width else []
        for mark in sorted(self.marks, reverse=True):
            place = self.column_of(mark.at)
            if place is not None:
                label = fit_text(mark.label, min(cell_len(literal(mark.label)), 16))
                _write(line, _LABELS + 1 + place, f"┆{label}", taken)
        return _cropped([("".join(line), "dim")], width)


def _write(line: list[str], place: int, text: str, taken: list[tuple[int, int]]) -> None:
    """Put a text into a line of cells unless it would touch what stands there."""
    size = cell_len(text)
    end = place + size
    if end > len(line) or any(place < stop + 1 and start - 1 < end for start, stop in taken if stop):
        return
    line[place:end] = [text, *[""] * (size - 1)]
    taken.append((place, end))


def _cropped(runs: list[Run], width: int) -> list[Run]:
    """The runs, cut to ``width`` cells at the end."""
    cut: list[Run] = []
    for text, style in runs:
        room = width - sum(cell_len(one) for one, _ in cut)
        size = min(cell_len(text), room)
        if size > 0:
            cut.append((fit_text(text, size), style))
    return join_runs(cut)
