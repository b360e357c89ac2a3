"""One instant on the deck by keys: taken from a chart, a change, a log line and a run; live again by n."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from deckcase import Deck, deck
from quarterdeck.screens.logs import LogScreen
from quarterdeck.screens.metrics import MetricsScreen
from quarterdeck.timing import InstantBar
from quarterdeck.widgets.chart import Chart
from quarterdeck.widgets.logview import LogView
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.instant import Instant
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import SeriesAnswer
from quarterdeck_lifecycle.records import Ref, Status
from scripted import Charts, Logs, Scripted, container, series, timed

NOW = float(int(time.time()))
AT = NOW - 7200


def clock(at: float) -> str:
    """As the deck writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")


def prom() -> Charts:
    """A series whose values double at the instant."""
    made = Charts(rows=[series("p95", label="p95")])
    points = [(AT + 15.0 * n, 200.0 if n < 0 else 400.0) for n in range(-480, 480)]
    made.answers = {"p95": SeriesAnswer(rows=(series("p95", points),))}
    return made


def runs() -> Scripted:
    """Runs that began three hours, two hours and one hour ago; the second one failed at the instant."""
    ended = [(1, NOW - 3 * 3600, "success"), (2, AT, "failure"), (3, NOW - 3600, "success")]
    rows = [
        Run(ref=Ref("gh", "run", str(n)), name=f"api ci #{n}", state=state, system="github", repository="acme/api",
            status=Status.IDLE, number=str(n), branch="main",
            started_at=at - 60, finished_at=at, updated_at=at)
        for n, at, state in ended
    ]  # fmt: skip
    return Scripted("gh", rows, kind="run", system="github")


def change(number: int, at: float, **more: str) -> ChangeRow:
    fields = {
        "source": "local", "system": "docker", "kind": "container", "ref": f"local/container/{number}",
        "name": f"c{number}", "environment": "", "what": "image", "before": "a", "after": "b", **more,
    }  # fmt: skip
    return ChangeRow(f"{number:04}", datetime.fromtimestamp(at, UTC), **fields)  # type: ignore[arg-type]


def banner(d: Deck) -> str:
    bar = d.app.deck.query_one(InstantBar)
    return bar.text if bar.has_class("-shown") else ""


async def test_an_instant_of_a_chart_moves_logs_changes_and_runs_and_n_makes_all_live() -> None:
    api = Logs(rows=[container("api")], kept=timed(NOW - 4 * 3600, *(f"line {n}" for n in range(240)), step=60))
    metrics = prom()
    async with deck([api, metrics, runs()], size=(100, 30)) as d:
        d.app.now = lambda: NOW
        await d.app.boot.changelog.add([change(n, NOW - n * 60) for n in range(1, 600)])
        await d.press("5", "enter")
        assert isinstance(d.app.screen, MetricsScreen)
        await d.press("enter")
        assert any("move the read-out first" in toast for toast in d.toasts)
        for _ in range(3):
            await d.press("]")
        chart = next(chart for chart in d.app.screen.query(Chart) if chart.display)
        chart.set_cursor(AT)
        await d.press("enter")
        assert d.app.moment.instant == Instant(AT, "chart")
        assert f"at {clock(AT)} (n live again)" in d.text
        _, start, end, _ = metrics.asked[-1]
        assert start < AT < end <= NOW
        assert chart.cursor_at == AT
        text = await d.press("escape", "2")
        assert f"at {clock(AT)} (n live again)" in banner(d)
        assert f"up to {clock(AT)}" in text
        assert "#2" in text
        assert "#3" not in text
        await d.press("3", "l")
        assert isinstance(d.app.screen, LogScreen)
        assert (api.asked[-1].since, api.asked[-1].until) == (AT - 900, AT + 900)
        assert "line 120" in d.text
        assert "line 104" not in d.text
        assert d.app.screen.view.state.kept == 31
        assert f"at {clock(AT)} (n live again)" in d.text
        await d.press("escape", "c")
        table = d.app.screen.query_one(RecordTable)
        assert table.cursor_key == "0120"
        text = await d.press("n")
        assert "live again" not in text
        assert d.app.moment.at is None
        assert table.cursor_key == "0001"
        await d.press("escape", "2")
        assert banner(d) == ""
        assert "#3" in d.text


async def test_a_change_a_log_line_and_a_run_set_it_too() -> None:
    api = Logs(rows=[container("api")], kept=timed(AT, *(f"line {n}" for n in range(200))))
    async with deck([api, runs()], size=(100, 24)) as d:
        d.app.now = lambda: NOW
        await d.app.boot.changelog.add([change(1, NOW - 60), change(2, AT)])
        await d.press("c", "j", "i")
        assert d.app.moment.instant == Instant(AT, "change", "c2")
        await d.press("escape", "n")
        assert d.app.moment.at is None
        await d.press("l", "g", "/")
        await d.burst("line 77", "enter", "i")
        assert d.app.moment.instant == Instant(AT + 77, "log line")
        assert "line 77" in d.text
        await d.press("escape", "2", "j")
        assert d.app.deck.record is not None
        wanted = d.app.deck.record
        await d.press("i")
        assert d.app.moment.instant == Instant(wanted.finished_at, "run", wanted.name)  # type: ignore[attr-defined]


async def test_a_time_is_typed_on_the_command_line() -> None:
    async with deck([runs()], size=(100, 24)) as d:
        d.app.now = lambda: NOW
        await d.press(":")
        await d.burst("instant.set", "enter")
        await d.burst("-2h", "enter")
        assert d.app.moment.instant == Instant(AT, "time")
        await d.press(":")
        await d.burst("instant.set", "enter")
        await d.burst("soon", "enter")
        assert any("not a time: soon" in toast for toast in d.toasts)
        await d.press(":")
        await d.burst("instant.live", "enter")
        assert d.app.moment.at is None


async def test_before_and_after_are_compared_with_counts_and_what_changed_between() -> None:
    async with deck([prom()], size=(120, 30)) as d:
        d.app.now = lambda: NOW
        await d.app.boot.changelog.add([
            change(1, AT + 30, name="fraud-api", before="v40", after="v41"), change(2, AT - 30, name="redis"),
            change(3, AT - 9000, name="long-before"),
        ])  # fmt: skip
        await d.press("5", "enter", "=")
        assert any("compare with what" in toast for toast in d.toasts)
        d.app.moment.put(Instant(AT, "time"))
        await d.rest()
        text = await d.press("=")
        line = next(line for line in text.split("\n") if line.startswith("p95"))
        assert line.split() == ["p95", "200", "240", "400", "240", "+100", "%", "200..200,", "400..400"]
        assert "2 changes from" in text
        before, after = text.index("redis"), text.index("fraud-api image v40→v41")
        assert before < text.index("── 20") < after
        assert "long-before" not in text
        d.app.moment.put(Instant(NOW - 10, "time"))
        await d.press("escape", "=")
        assert any("60 s after it are needed" in toast for toast in d.toasts)


async def test_a_clock_that_jumps_back_leaves_the_instant_where_it_is() -> None:
    metrics = prom()
    async with deck([metrics], size=(100, 24)) as d:
        d.app.now = lambda: NOW
        d.app.moment.put(Instant(AT, "time"))
        d.app.now = lambda: AT - 86400
        await d.press("5", "enter")
        assert "ahead of this clock (n live again)" in d.text
        assert metrics.asked[-1][2] == AT
        await d.press("n")
        assert metrics.asked[-1][2] == AT - 86400


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_an_instant_costs_nothing_while_nothing_happens(size: tuple[int, int]) -> None:
    metrics = prom()
    async with deck([metrics], size=size) as d:
        d.app.now = lambda: NOW
        d.app.moment.put(Instant(AT, "time"))
        await d.press("5", "enter")
        asked = len(metrics.asked)
        assert d.app.screen._reader.done()  # type: ignore[attr-defined]
        await d.rest()
        assert len(metrics.asked) == asked
        assert not d.app.screen.query(LogView)
