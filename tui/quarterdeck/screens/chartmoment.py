"""The metrics screen and the one instant: taking it from the read-out, standing there, and before against after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from quarterdeck.views import beforeafter as view
from quarterdeck.widgets.chart import Chart, ChartMark
from quarterdeck_lifecycle.beforeafter import Compared, compared, width
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.instant import Instant, words
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import QueriesSeries
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.screens.metrics import MetricsScreen

DEADLINE_S = 20.0
SAMPLES = 240
"""Samples asked for on each side of the instant, at the most."""
MOST_CHANGES = 200
MARKED = "(what = 'new' AND kind = 'container') OR what = 'image' OR what = 'image_id' OR what LIKE 'alias %'"
"""Which changes are marked on a chart, as the database is asked."""


class ChartMoment:
    """Handlers `do_<verb>` of the metrics screen's verbs of time."""

    @property
    def _screen(self) -> MetricsScreen:
        return cast("MetricsScreen", self)

    def _read_out(self) -> float | None:
        """What the read-out stands on, in epoch seconds; None while it reads now."""
        return next((chart.cursor_at for chart in self._screen.charts() if chart.cursor_at is not None), None)

    def do_chart_take(self) -> None:
        """The read-out's instant becomes the deck's."""
        screen, at = self._screen, self._read_out()
        if at is None:
            screen.app.say(f"move the read-out first, with {screen.key_of('chart.left')}", "warning")
        else:
            screen.app.moment.put(Instant(at, "chart"))

    def do_instant_take(self) -> None:
        """As Enter."""
        self.do_chart_take()

    def do_chart_now(self) -> None:
        """Live again."""
        screen = self._screen
        for chart in screen.charts():
            chart.set_cursor(None)
        screen.app.moment.live()

    def stand(self, chart: Chart) -> None:
        """Put a chart's read-out on the deck's instant."""
        at = self._screen.app.moment.at
        if at is not None:
            chart.set_cursor(at)

    def do_chart_compare(self) -> None:
        """Before against after, in a screen of its own."""
        screen = self._screen
        at = self._read_out()
        at = screen.app.moment.at if at is None else at
        if at is None:
            screen.app.say(f"compare with what? move the read-out first, with {screen.key_of('chart.left')}", "warning")
            return
        try:
            seconds = width(at, screen.window, screen.app.now())
        except ValueError as error:
            screen.app.say(str(error), "warning")
            return
        screen.app.work(self._compare(at, seconds), "before and after")

    async def seen(self, end: float) -> list[ChangeRow]:
        """The changes in the window that ends then, newest first."""
        if self._screen.app.moment.at is None:
            return [c for c in self._screen.app.recent if c.at.timestamp() >= end - self._screen.window]
        since, until = (datetime.fromtimestamp(at, UTC) for at in (end - self._screen.window, end))
        try:
            return (await self._screen.app.boot.changelog.that(MARKED, since, until))[::-1]
        except StateError:
            return []

    async def _compare(self, at: float, seconds: float) -> None:
        from quarterdeck.screens.text import TextScreen

        screen = self._screen
        found: list[Compared] = []
        failed: list[tuple[str, str]] = []
        asks = list(screen.asks())
        answers = await asyncio.gather(
            *(self._ask(source, name, expr, at, seconds) for name, source, expr, _ in asks), return_exceptions=True
        )
        for (name, _, _, naming), answer in zip(asks, answers, strict=True):
            if isinstance(answer, QuarterdeckError):
                failed.append((name, answer.short))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += _compared(name, answer, naming, at, seconds)
        since, until = (datetime.fromtimestamp(at + side, UTC) for side in (-seconds, seconds))
        changes = await screen.app.boot.changelog.recent(since, MOST_CHANGES + 1, until=until)
        more = len(changes) > MOST_CHANGES
        text = view.lines(found, failed, changes[:MOST_CHANGES], at, seconds, more)
        screen.app.push_screen(TextScreen(f"before and after {words(at, screen.app.now())}", text))

    async def _ask(
        self, source: QueriesSeries, name: str, expr: str, at: float, seconds: float
    ) -> Sequence[Series]:
        step = max(1.0, seconds / SAMPLES)
        asked = source.query(expr, at - seconds, at + seconds, step)
        answer = await self._screen.app.boot.bounded(asked, DEADLINE_S, name, getattr(source, "name", ""))
        return [row for row in answer.rows if isinstance(row, Series)]


def _compared(
    name: str, rows: Sequence[Series], naming: Callable[[Series], str], at: float, seconds: float
) -> list[Compared]:
    """Each series that a query answered; of several, by their labels too."""
    found = []
    for row in rows:
        own = f"{name} {naming(row)}" if len(rows) > 1 else name
        one = compared(own, row.points, at, seconds)
        if one.before.samples or one.after.samples:
            found.append(one)
    return found


def marks_of(moves: Sequence[ChangeRow]) -> list[ChartMark]:
    """Releases and alias moves that were seen in the window."""
    named = {(c.ref, c.at) for c in moves if c.what == "image"}
    marks = []
    made: set[str] = set()
    for change in moves:
        if change.what == "image" or (change.what == "image_id" and (change.ref, change.at) not in named):
            marks.append(ChartMark(change.at.timestamp(), f"{_tag(change.after)} {change.name}"))
        elif change.what == "new" and change.kind == "container" and change.after not in made:
            made.add(change.after)  # of several replicas the newest one is marked
            marks.append(ChartMark(change.at.timestamp(), f"{_tag(change.after)} {change.name}"))
        elif change.what.startswith("alias "):
            after = f"v{change.after}" if change.after.isdigit() else change.after
            marks.append(ChartMark(change.at.timestamp(), f"@{change.what[6:]} {after or 'none'}"))
    return marks[:10]


def _tag(image: str) -> str:
    """The tag of an image's reference, or the beginning of its digest."""
    name, _, tag = image.rpartition(":")
    return tag[:8] if name and "/" not in tag else image.rpartition("/")[2]
