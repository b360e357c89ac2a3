"""Charts of braille dots as pure functions: values in, lines of styled text out."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

Run = tuple[str, str]
"""Text and the semantic name of its style."""

Values = Sequence[float | None]
"""Evenly spaced in time, the newest last; None (or one that is not finite) is a gap."""

_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bits of a braille cell: left and right column, each from the bottom up."""
_LOWER = _DOTS[0][0] | _DOTS[0][1] | _DOTS[1][0] | _DOTS[1][1]
_SPARK_ASCII = "_-=#"


class Series(NamedTuple):
    """One line of a chart, in the units of its axis."""

    name: str
    values: Values
    style: str = "info"


class Sample(NamedTuple):
    """A value at a time, in seconds since the epoch; ``value`` None says that there was none."""

    at: float
    value: float | None


def finite(values: Iterable[float | None]) -> list[float]:
    """The values that can be drawn."""
    return [value for value in values if value is not None and math.isfinite(value)]


def nice_bounds(values: Iterable[float | None], *also: float | None) -> tuple[float, float]:
    """A lower and an upper end of a scale that holds all values: 0, or 1, 2, 2.5, 4, 5 or 8 times a power of ten.

    The ends stay as they are while values wander, so that a chart does not jump with every one.
    """
    known = finite([*values, *also])
    low, high = min(known, default=0.0), max(known, default=0.0)
    low, high = (-_nice(-low) if low < 0 else 0.0), (_nice(high) if high > 0 else 0.0)
    return (low, high) if low < high else (0.0, 1.0)


def _nice(value: float) -> float:
    exponent = math.floor(math.log10(value))
    power = 10.0**exponent if exponent > -300 else value
    for step in (1, 2, 2.5, 4, 5, 8, 10):
        if value <= step * power * (1 + 1e-9):
            return step * power
    return value


def compact(value: float | None) -> str:
    """A value in seven characters at the most: ``412``, ``0.83``, ``1.9k``, ``12M``; ``?`` for one that is none."""
    if value is None or not math.isfinite(value):
        return "?"
    size = abs(value)
    for limit, unit in ((1e15, ""), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return f"{value:.0e}" if not unit else _short(value / (limit if unit != "k" else 1e3)) + unit
    return f"{value:.0e}" if 0 < size < 0.001 else _short(value)


def _short(value: float) -> str:
    size = abs(value)
    text = f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else ""
    text = text or f"{value:.3f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def resample(samples: Sequence[Sample], start: float, step: float, count: int, gap: float) -> list[float | None]:
    """Samples in the order of time as ``count`` evenly spaced values, ``step`` seconds each, from ``start`` on.

    Of several samples in one step the highest stays: a peak is never lost. Between two samples at most ``gap``
    seconds apart the line is straight; where they are further apart, or None lies between, nothing is drawn.
    """
    values: list[float | None] = [None] * count
    before: tuple[float, float] | None = None
    for at, value in samples[max(bisect_right(samples, start - gap, key=itemgetter(0)) - 1, 0) :]:
        place = math.floor((at - start) / step)
        if value is None or not math.isfinite(value):
            before = None
            continue
        if before is not None and at - before[0] <= gap:
            first = math.floor((before[0] - start) / step)
            for between in range(max(first + 1, 0), min(place, count)):
                share = (between - first) / (place - first)
                values[between] = before[1] + (value - before[1]) * share
        if 0 <= place < count:
            known = values[place]
            values[place] = value if known is None else max(known, value)
        before = (at, value)
    return values


def stretch(values: Values, count: int) -> list[float | None]:
    """Evenly spaced values as ``count`` of them over the same time; the highest of those that fall together."""
    if len(values) == count:
        return list(values)
    if not values or count <= 0:
        return [None] * max(count, 0)
    if len(values) == 1:
        return [None] * (count - 1) + [values[0]]
    scale = (count - 1) / (len(values) - 1)
    samples = [Sample(place * scale + 0.5, value) for place, value in enumerate(values)]
    return resample(samples, 0.0, 1.0, count, scale * 1.001)


def render_chart(
    series: Sequence[Series],
    width: int,
    height: int,
    *,
    lo: float | None = None,
    hi: float | None = None,
    threshold: float | None = None,
    marks: Iterable[int] = (),
    cursor: int | None = None,
    fill: bool | None = None,
    ascii: bool = False,
) -> list[list[Run]]:
    """``height`` lines, the top one first, each of runs that make ``width`` cells.

    Without ``lo`` and ``hi`` the scale is ``nice_bounds`` of the values and the threshold. ``marks`` and
    ``cursor`` are columns; a value outside the scale is drawn at its end. A single series is filled down to
    the bottom unless ``fill`` says otherwise; of several that meet in a cell the first gives the colour.
    """
    if width <= 0 or height <= 0:
        return [[] for _ in range(max(height, 0))]
    low, high = nice_bounds((value for one in series for value in one.values), threshold)
    low, high = low if lo is None else lo, high if hi is None else hi
    scale = _Scale(low, high, height * 4)
    bits = [[0] * width for _ in range(height)]
    styles = [[""] * width for _ in range(height)]
    for one in series:
        _draw(one, bits, styles, scale, len(series) == 1 if fill is None else fill)
    row = None if threshold is None else height - 1 - scale.level(threshold) // 4
    columns = set(marks)
    return [_line(bits[y], styles[y], columns, cursor, "-" if ascii else "┄", y == row, ascii) for y in range(height)]


class _Scale(NamedTuple):
    low: float
    high: float
    levels: int

    def level(self, value: float) -> int:
        """The dot that shows a value, counted from the bottom."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(max(0.0, min(share, 1.0)) * (self.levels - 1))


def _draw(one: Series, bits: list[list[int]], styles: list[list[str]], scale: _Scale, fill: bool) -> None:
    height, width = len(bits), len(bits[0])
    before: int | None = None
    for column, value in enumerate(stretch(one.values, width * 2)):
        if value is None or not math.isfinite(value):
            before = None
            continue
        level = scale.level(value)
        first = last = level
        if fill:
            first = 0
        elif before is not None and before < level:
            first = before + 1
        elif before is not None and before > level:
            last = before - 1
        for dot in range(first, last + 1):
            y, x = height - 1 - dot // 4, column // 2
            bits[y][x] |= _DOTS[column % 2][dot % 4]
            styles[y][x] = styles[y][x] or one.style
        before = level


def _line(
    bits: list[int],
    styles: list[str],
    marks: set[int],
    cursor: int | None,
    dash: str,
    on_threshold: bool,
    ascii: bool,
) -> list[Run]:
    cells: list[Run] = []
    for x, (dots, style) in enumerate(zip(bits, styles, strict=True)):
        if x == cursor:
            cells.append(("|" if ascii else "│", "head"))
        elif x in marks:
            cells.append((":" if ascii else "┆", "accent"))
        elif dots:
            cells.append((_ascii_dots(dots) if ascii else chr(0x2800 + dots), style))
        else:
            cells.append((dash, "warn") if on_threshold else (" ", ""))
    return join_runs(cells)


def _ascii_dots(dots: int) -> str:
    if dots == 0xFF:
        return "#"
    lower, upper = dots & _LOWER, dots & ~_LOWER
    return ":" if lower and upper else "." if lower else "'"


def join_runs(runs: Iterable[Run]) -> list[Run]:
    """The same text with neighbours of one style in one run."""
    return [("".join(text for text, _ in group), style) for style, group in groupby(runs, key=itemgetter(1))]


def spark(values: Values, width: int, *, lo: float | None = None, hi: float | None = None, ascii: bool = False) -> str:
    """The values as one line of ``width`` cells; blank where there is a gap.

    Without ``lo`` and ``hi`` the scale is ``nice_bounds`` of the values.
    """
    if width <= 0:
        return ""
    if not ascii:
        return "".join(text for text, _ in render_chart([Series("", values)], width, 1, lo=lo, hi=hi)[0])
    low, high = nice_bounds(values)
    scale = _Scale(low if lo is None else lo, high if hi is None else hi, len(_SPARK_ASCII))
    known = (value if value is not None and math.isfinite(value) else None for value in stretch(values, width))
    return "".join(" " if value is None else _SPARK_ASCII[scale.level(value)] for value in known)
