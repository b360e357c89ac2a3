"""The metrics pane: beneath its table, where there is room, the chart of the series under the cursor."""

from __future__ import annotations

from quarterdeck.panes.pane import Pane
from quarterdeck.widgets.chart import Chart, ChartSeries
from quarterdeck.widgets.plot import Sample
from quarterdeck_lifecycle.kinds import Series

ROOM = 16
CHART = 9
HOUR = 3600.0


class MetricsPane(Pane):
    """A pane with a chart."""

    _chart: Chart | None = None
    _charted: Series | None = None

    def show(self) -> None:
        """Bring the chart up to date too."""
        super().show()
        if self.is_mounted:
            self.show_chart()

    def show_chart(self) -> None:
        """The series under the cursor, when the pane is tall enough for both."""
        record = self.record
        shown = isinstance(record, Series) and not self.collapsed and self.size.height >= ROOM
        if self._chart is None and shown:
            self._chart = Chart()
            self._chart.can_focus = False
            self._chart.styles.height = CHART
            self._chart.display = True
            self.mount(self._chart, after=self.table)
        chart = self._chart
        if chart is None:
            return
        if chart.display is not shown:
            chart.display = shown
        if not shown or not isinstance(record, Series):
            return
        if record is not self._charted:
            self._draw(chart, record)
        at = self.until
        ends = [point for point, _ in record.points[:1] + record.points[-1:]]
        chart.set_cursor(at if at is not None and ends and ends[0] <= at <= ends[-1] else None)

    def _draw(self, chart: Chart, record: Series) -> None:
        self._charted = record
        chart.set_title(record.label or record.name, record.unit)
        chart.set_threshold(record.maximum)
        points = [Sample(at, value) for at, value in record.points]
        if points:
            step = (points[-1].at - points[0].at) / max(1, len(points) - 1) or 30.0
            line = ChartSeries(record.label or record.name, points, "info")
            chart.set_data([line], end=points[-1].at, window=HOUR, step=step)

    def on_resize(self) -> None:
        """Another size may have room for the chart, or none."""
        self.call_after_refresh(self.show_chart)
