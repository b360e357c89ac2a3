"""The metrics screen: several charts on one time axis, a read-out, a window, and any query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input

from quarterdeck.screens.base import VerbScreen
from quarterdeck.screens.chartmoment import ChartMoment, marks_of
from quarterdeck.views.fmt import duration
from quarterdeck.widgets.cells import Cell
from quarterdeck.widgets.chart import Chart, ChartSeries
from quarterdeck.widgets.plot import Sample
from quarterdeck.widgets.prompt import PromptBar
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.instant import right_edge
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import QueriesSeries
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

WINDOWS = (300.0, 900.0, 3600.0, 3 * 3600.0, 12 * 3600.0, 86400.0, 7 * 86400.0)
STYLES = ("info", "accent", "ok", "warn", "bad", "")
MOST = 6
LINES = 8
LEAST_HEIGHT = 6
POINTS = 240


class MetricsScreen(ChartMoment, VerbScreen):
    """Charts of the configured series, the chosen one first; or of one query."""

    place = "metrics"
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("help", "keys"), ("chart.left", "earlier"), ("chart.right", "later"), ("chart.shorter", "shorter"),
        ("chart.longer", "longer"), ("chart.take", "this moment"), ("chart.compare", "before/after"),
        ("chart.now", "now"), ("chart.query", "query"), ("chart.again", "ask again"),
    )  # fmt: skip

    def __init__(self, boot: Boot, ref: Ref | None, expression: str = "") -> None:
        super().__init__("metrics")
        self._boot = boot
        self._ref = ref
        self._expression = expression
        self._window = 2
        self._reader: asyncio.Task[None] | None = None
        self._moves: list[ChangeRow] = []
        self._warnings: dict[str, None] = {}
        self._found = ""

    def body(self) -> ComposeResult:
        """Charts, and a prompt for queries."""
        with VerticalScroll(id="charts", can_focus=False):
            for place in range(MOST):
                yield Chart(id=f"chart-{place}")
        yield PromptBar()

    def on_mount(self) -> None:
        """Begin to draw."""
        super().on_mount()
        wanted = self.app.viewing.window
        self._window = min(range(len(WINDOWS)), key=lambda place: abs(WINDOWS[place] - wanted))
        self._unfollow = self.app.moment.listen(self.start)
        for chart in self.query(Chart):
            chart.display = False
        self.start()
        if self._ref is None and not self._expression:
            self.do_chart_query()

    def on_unmount(self) -> None:
        """Stop."""
        self._unfollow()
        if self._reader is not None:
            self._reader.cancel()

    @property
    def end(self) -> float:
        """The right edge of the charts, in epoch seconds: now, or about the deck's instant."""
        return right_edge(self.app.moment.at, self.window, self.app.now())

    @property
    def window(self) -> float:
        """Seconds across."""
        return WINDOWS[self._window]

    def start(self) -> None:
        """Draw anew, and go on with each interval."""
        if self._reader is not None:
            self._reader.cancel()
        self._reader = asyncio.create_task(self._live(), name="charts")

    async def _live(self) -> None:
        while True:
            with self.app.busy.work("charts"):
                await self._draw()
            if self.end < self.app.now():
                return  # what is past stays as it was drawn
            await asyncio.sleep(max(5.0, self.window / POINTS))

    def _wanted(self) -> list[Series]:
        shown = self._boot.hub.shown
        rows = [row for snap in shown.snapshots("series") for row in shown.rows(snap) if isinstance(row, Series)]
        rows.sort(key=lambda row: row.ref != self._ref)
        return rows[:MOST]

    async def _draw(self) -> None:
        now, step = self.end, max(1.0, self.window / POINTS)
        self._moves = await self.seen(now)
        self._warnings, self._found = {}, ""
        if self._expression:
            sources = self._askable()
            if not sources:
                self.app.say("no source here answers queries; name one under sources: in the config", "warning")
                return
            await self._draw_query(*sources[0], now, step)
        elif self._ref is not None:
            await asyncio.gather(
                *(self._draw_one(place, row, now, step) for place, row in enumerate(self._wanted())),
            )
        if self.is_running:
            where = self._expression or "configured series"
            right = [Cell(f" {self._found} ", "dim")] if self._found else []
            right += [Cell(f" {duration(self.window)} window ", "dim")]
            right += [Cell(f"… partial: {'; '.join(self._warnings)} ", "warn")] if self._warnings else []
            self.entitle(f"metrics: {where}", right)
            self.fit()

    def fit(self) -> None:
        """Share the height among the charts that are shown; none becomes too low to read."""
        charts = self.charts()
        room = self.query_one("#charts").size.height // max(len(charts), 1)
        for chart in charts:
            chart.styles.height = max(LEAST_HEIGHT, room)

    def on_resize(self) -> None:
        """Another size, another share."""
        self.call_after_refresh(self.fit)

    def _askable(self) -> list[tuple[str, QueriesSeries]]:
        return [(name, found) for name, found in self._boot.hub.sources.items() if isinstance(found, QueriesSeries)]

    async def _draw_one(self, place: int, row: Series, now: float, step: float) -> None:
        source = self._boot.hub.sources.get(row.ref.source)
        title = row.label or row.name
        if not isinstance(source, QueriesSeries) or not row.expr:
            self._show(place, title, row.unit, [row], now, step, row.maximum)
            return
        try:
            answer = await self._boot.bounded(
                source.query(row.expr, now - self.window, now, step), 20, row.name, row.ref.source
            )
        except QuarterdeckError as error:
            self._fail(place, title, error)
            return
        self._warnings |= dict.fromkeys(answer.warnings)
        series = [found for found in answer.rows if isinstance(found, Series)]
        self._show(place, title, row.unit, series, now, step, row.maximum)

    async def _draw_query(self, name: str, source: QueriesSeries, now: float, step: float) -> None:
        try:
            answer = await self._boot.bounded(
                source.query(self._expression, now - self.window, now, step), 20, "the query", name
            )
        except QuarterdeckError as error:
            self._fail(0, self._expression, error)
            return
        self._warnings |= dict.fromkeys(answer.warnings)
        series = [found for found in answer.rows if isinstance(found, Series)]
        self._found = f"{len(series)} series" + (f", the first {LINES} drawn" if len(series) > LINES else "")
        self._show(0, self._expression, "", series, now, step, None)

    def _fail(self, place: int, title: str, error: QuarterdeckError) -> None:
        if self.is_running:
            chart = self.query_one(f"#chart-{place}", Chart)
            chart.display = True
            chart.set_empty(error.short)
            chart.set_title(title)
            chart.set_data((), end=self.end, window=self.window, step=max(1.0, self.window / POINTS))

    def _show(
        self, place: int, title: str, unit: str, series: Sequence[Series], now: float, step: float,
        limit: float | None,
    ) -> None:  # fmt: skip
        if not self.is_running:
            return
        chart = self.query_one(f"#chart-{place}", Chart)
        chart.display = True
        chart.set_title(title, unit)
        chart.set_empty("no data in this window")
        chart.set_threshold(limit)
        drawn = [
            ChartSeries(_name(one), [Sample(at, value) for at, value in one.points], STYLES[n % len(STYLES)])
            for n, one in enumerate(series[:LINES])
        ]
        chart.set_data(drawn, end=now, window=self.window, step=step, marks=marks_of(self._moves))
        self.stand(chart)

    @on(Chart.CursorMoved)
    def read_out(self, event: Chart.CursorMoved) -> None:
        """All charts read the same instant."""
        for chart in self.charts():
            if chart is not event.chart and chart.cursor_at != event.at:
                chart.set_cursor(event.at)

    def asks(self) -> Iterator[tuple[str, QueriesSeries, str, Callable[[Series], str]]]:
        """What is drawn: name, source, expression, and how one of several series is told from the others."""
        if self._expression:
            for _, found in self._askable()[:1]:
                yield self._expression, found, self._expression, _name
            return
        for row in self._wanted():
            source = self._boot.hub.sources.get(row.ref.source)
            if isinstance(source, QueriesSeries) and row.expr:
                yield row.label or row.name, source, row.expr, _name

    def charts(self) -> list[Chart]:
        """Those that are shown, the first one first."""
        return [chart for chart in self.query(Chart) if chart.display]

    def do_chart_left(self) -> None:
        """Earlier."""
        for chart in self.charts()[:1]:
            chart.action_cursor_left()

    def do_chart_right(self) -> None:
        """Later."""
        for chart in self.charts()[:1]:
            chart.action_cursor_right()

    def do_chart_shorter(self) -> None:
        """A shorter window."""
        self._choose_window(max(0, self._window - 1))

    def do_chart_longer(self) -> None:
        """A longer window."""
        self._choose_window(min(len(WINDOWS) - 1, self._window + 1))

    def _choose_window(self, place: int) -> None:
        self._window = place
        self.app.viewing.window = self.window
        self.start()

    def do_down(self) -> None:
        """To the charts below."""
        self.query_one("#charts").scroll_relative(y=LEAST_HEIGHT, animate=False)

    def do_up(self) -> None:
        """To the charts above."""
        self.query_one("#charts").scroll_relative(y=-LEAST_HEIGHT, animate=False)

    def do_chart_again(self) -> None:
        """Ask now."""
        self.start()

    def do_chart_query(self) -> None:
        """Type a query; Tab completes."""
        self.query_one(PromptBar).open("query", self._expression)

    @on(Input.Changed, "#prompt")
    def complete(self, event: Input.Changed) -> None:
        """Offer what continues the text."""
        prompt = self.query_one(PromptBar)
        prompt.offer(event.value, [])
        if prompt.is_open and event.value != self._expression and (sources := self._askable()):
            self.app.work(self._complete(*sources[0], event.value), "completion")

    async def _complete(self, name: str, source: QueriesSeries, text: str) -> None:
        try:
            found = await self._boot.bounded(source.complete(text), 5, "completion", name)
        except QuarterdeckError:
            return
        if self.is_running and self.query_one(PromptBar).is_open:
            self.query_one(PromptBar).offer(text, list(found))

    @on(PromptBar.Closed)
    def asked(self, event: PromptBar.Closed) -> None:
        """Draw it."""
        if event.kept and event.value.strip():
            self._expression = event.value.strip()
            self.app.remember(f"query {self._expression}")
            for chart in self.charts():
                chart.display = False
            self.start()
        elif not self._expression and self._ref is None:
            self.dismiss()
        self.set_focus(None)


def _name(series: Series) -> str:
    """The labels that tell one series of a query from the others."""
    skip = ("__name__", "job")
    words = [f"{k}={v}" for k, v in series.labels.items() if k not in skip]
    return ",".join(words)[:40] or series.label or series.name
