"""A live chart: a title with the last value, dots, a scale, a time axis and a cursor that reads values out."""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec.structs import replace
from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from .chartframe import ChartFrame, ChartMark, ChartSeries
from .palette import Palette
from .plot import Run, Sample, render_chart, spark

__all__ = ["Chart", "ChartMark", "ChartSeries", "Sample", "render_chart", "spark"]


class Chart(Widget, can_focus=True, inherit_bindings=False):
    """Draws series over the last ``window`` seconds; an update paints only the lines that differ.

    Columns stand on fixed times, so that a new value changes the last column until the next one begins. A gap
    in the samples, or one of more than two and a half intervals between them, is a gap in the line.
    """

    DEFAULT_CSS = """
    Chart { height: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor_left", show=False),
        Binding("right", "cursor_right", show=False),
        Binding("end", "cursor_now", show=False),
    ]

    class CursorMoved(Message):
        """The cursor reads another instant (seconds since the epoch); None: it is gone, now is shown."""

        def __init__(self, chart: "Chart", at: float | None) -> None:
            super().__init__()
            self.chart = chart
            self.at = at

        @property
        def control(self) -> "Chart":
            """The chart."""
            return self.chart

    def __init__(
        self,
        title: str = "",
        unit: str = "",
        *,
        threshold: float | None = None,
        lo: float | None = None,
        hi: float | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._frame = ChartFrame(title, unit, threshold=threshold, lo=lo, hi=hi)
        self._palette: Palette | None = None
        self._lines: list[list[Run]] = []

    @property
    def cursor_at(self) -> float | None:
        """The instant that the cursor reads, in seconds since the epoch; None while it reads now."""
        return self._frame.cursor

    def set_data(
        self,
        series: Sequence[ChartSeries],
        *,
        end: float,
        window: float,
        step: float,
        marks: Sequence[ChartMark] = (),
    ) -> None:
        """Show these series up to ``end`` (seconds since the epoch), ``window`` seconds wide.

        ``step`` is the time from one sample to the next, in seconds. Raises ValueError unless window and step
        are positive numbers.
        """
        if not (window > 0 and step > 0 and math.isfinite(window + step + end)):
            raise ValueError(f"a chart of {window} seconds every {step} up to {end} cannot be drawn")
        self._change(replace(self._frame, series=tuple(series), marks=tuple(marks), end=end, window=window, step=step))

    def set_threshold(self, threshold: float | None) -> None:
        """Draw a line at this value and mark a last value above it; None draws none."""
        self._change(replace(self._frame, threshold=threshold))

    def set_title(self, title: str, unit: str = "") -> None:
        """What the chart is of, and the unit of its values."""
        self._change(replace(self._frame, title=title, unit=unit))

    def set_empty(self, text: str) -> None:
        """What stands in place of dots while there are none."""
        self._change(replace(self._frame, empty=text))

    def set_format_time(self, format_time: Callable[[float], str]) -> None:
        """How an instant is shown; at first hours and minutes in UTC."""
        self._change(replace(self._frame, format_time=format_time))

    def set_cursor(self, at: float | None) -> None:
        """Read the values of this instant, kept inside the window; None reads the last ones."""
        frame = self._frame
        if at is not None:
            at = min(max(at, frame.end - frame.window), frame.end)
        if at != frame.cursor:
            self._change(replace(self._frame, cursor=at))
            self.post_message(self.CursorMoved(self, at))

    def action_cursor_left(self) -> None:
        """One column back in time."""
        frame = self._frame
        self.set_cursor((frame.end if frame.cursor is None else frame.cursor) - frame.cell_seconds)

    def action_cursor_right(self) -> None:
        """One column on; behind the last one the cursor goes."""
        frame = self._frame
        if frame.cursor is not None:
            at = frame.cursor + frame.cell_seconds
            self.set_cursor(None if at >= frame.end else at)

    def action_cursor_now(self) -> None:
        """Read the last values again."""
        self.set_cursor(None)

    def notify_style_update(self) -> None:
        """Another theme or style: everything is painted anew."""
        super().notify_style_update()
        self._palette = None

    def render_line(self, y: int) -> Strip:
        """The strip of one line: the title, the rows of dots, the axis."""
        palette = self._palette
        if palette is None or self.size != (self._frame.width, self._frame.height):
            palette = self._palette = Palette.of(self.app)
            width, height = self.size
            self._frame = replace(self._frame, width=width, height=height, ascii=palette.ascii)
            self._lines = self._frame.lines()
        base = self.rich_style
        runs = self._lines[y] if y < len(self._lines) else []
        segments = [Segment(text, base + palette.style(style)) for text, style in runs]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _change(self, frame: ChartFrame) -> None:
        """Draw anew and have those lines painted that differ, up to where they do."""
        self._frame = frame
        if self._palette is None or self.size != (self._frame.width, self._frame.height):
            self.refresh()
            return
        old, self._lines = self._lines, self._frame.lines()
        regions = [
            Region(0, y, max(_differs_until(one, other), 1), 1)
            for y, (one, other) in enumerate(zip(old, self._lines, strict=True))
            if one != other
        ]
        if regions:
            self.refresh(*regions)


def _differs_until(one: list[Run], other: list[Run]) -> int:
    """The cell behind the last one in which two lines differ."""
    first, second = ([(char, style) for text, style in line for char in text] for line in (one, other))
    widths = [cell_len("".join(char for char, _ in line)) for line in (first, second)]
    tail = 0
    while first and second and first[-1] == second[-1]:
        tail += cell_len(first.pop()[0])
        second.pop()
    return max(widths) - (tail if widths[0] == widths[1] else 0)
