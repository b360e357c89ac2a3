from typing import Any

import pytest
from rich.cells import cell_len

from quarterdeck.widgets.chart import Chart, ChartMark, ChartSeries, Sample

NOW = 1_700_000_040.0
"""22:14:00 UTC."""


def samples(*values: float | None, step: float = 10.0) -> list[Sample]:
    """One value every step, the last one now."""
    return [Sample(NOW - (len(values) - 1 - place) * step, value) for place, value in enumerate(values)]


def show(chart: Chart, *series: ChartSeries, marks: tuple[ChartMark, ...] = (), end: float = NOW) -> None:
    chart.set_data(series, end=end, window=400, step=10, marks=marks)


@pytest.fixture
def chart() -> Chart:
    chart = Chart("p95", "ms", threshold=300)
    chart.styles.height = 6
    return chart


async def test_title_scale_threshold_marks_and_times(app_of: Any, screen_text: Any, chart: Chart) -> None:
    app = app_of(chart)
    async with app.run_test(size=(27, 6)):
        show(
            chart,
            ChartSeries("p95", samples(*[100.0] * 20, *[412.0] * 20)),
            marks=(ChartMark(NOW - 200, "v41"), ChartMark(NOW - 9000, "old")),
        )
        assert screen_text(app).splitlines() == [
            "p95           412 ms ▲ high",
            "   500│         ┆⣀⣀⣀⣀⣀⣀⣀⣀⣀⡀",
            "  300┄│┄┄┄┄┄┄┄┄┄┆⣿⣿⣿⣿⣿⣿⣿⣿⣿⡇",
            "      │         ┆⣿⣿⣿⣿⣿⣿⣿⣿⣿⡇",
            "     0│⣿⣿⣿⣿⣿⣿⣿⣿⣿┆⣿⣿⣿⣿⣿⣿⣿⣿⣿⡇",
            "       22:07    ┆v41  22:14",
        ]


async def test_the_cursor_reads_an_instant_and_goes_behind_the_end(app_of: Any, screen_text: Any, chart: Chart) -> None:
    heard: list[float | None] = []

    def hook(message: object) -> None:
        if isinstance(message, Chart.CursorMoved) and (not heard or heard[-1] != message.at):
            heard.append(message.at)

    app = app_of(chart)
    async with app.run_test(size=(27, 6), message_hook=hook) as pilot:
        show(chart, ChartSeries("p95", samples(*range(41))))
        assert screen_text(app).splitlines()[0].endswith("40 ms")
        await pilot.press("left", "left")
        assert chart.cursor_at == NOW - 40
        lines = screen_text(app).splitlines()
        assert lines[0].endswith("22:13  37 ms")
        assert [line[24] for line in lines[1:5]] == ["│"] * 4
        await pilot.press("right", "right")
        assert chart.cursor_at is None
        assert "22:13" not in screen_text(app).splitlines()[0]
        await pilot.press("left", "end", "right")
        assert chart.cursor_at is None
        assert heard == [NOW - 20, NOW - 40, NOW - 20, None, NOW - 20, None]
        chart.set_cursor(NOW - 1e9)
        assert chart.cursor_at == NOW - 400


async def test_a_gap_is_a_gap_and_no_data_says_so(app_of: Any, screen_text: Any, chart: Chart) -> None:
    app = app_of(chart)
    async with app.run_test(size=(27, 6)):
        chart.set_empty("no [samples] of p95")
        show(chart, ChartSeries("p95", []))
        text = screen_text(app)
        assert "? no [samples] of p…" in text
        assert text.splitlines()[0].rstrip().endswith("?")
        show(chart, ChartSeries("p95", samples(*[400.0] * 10, *[None] * 20, *[400.0] * 10)))
        bottom = screen_text(app).splitlines()[4][7:]
        assert " " * 9 in bottom
        assert bottom[-4:] == "⣿⣿⣿⡇"
        assert "?" not in screen_text(app)
        show(chart, ChartSeries("p95", samples(*[400.0] * 10, *[None] * 20)))
        assert screen_text(app).splitlines()[0].endswith("?")


async def test_several_series_have_their_names_and_colours(app_of: Any, screen_text: Any, chart: Chart) -> None:
    app = app_of(chart)
    async with app.run_test(size=(60, 8)):
        chart.set_title("latency", "ms")
        show(
            chart,
            ChartSeries("p50", samples(*[100.0] * 40), "ok"),
            ChartSeries("p95", samples(*[290.0] * 40), "warn"),
        )
        title, *body = screen_text(app).splitlines()
        assert title.startswith("latency")
        assert title.endswith("p50 100 ms  p95 290 ms")
        assert sum("⠒" in line or "⠤" in line or "⠉" in line or "⣀" in line for line in body) == 2
        colours = {
            segment.style.color for y in range(1, 7) for segment in chart.render_line(y) if segment.text[:1] > "\u2800"
        }
        assert len(colours) == 2


async def test_an_update_paints_the_lines_that_differ(
    app_of: Any, wire: list[str], settle: Any, chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(chart)
    history = [100.0, 200.0] * 20
    async with app.run_test(size=(60, 12)) as pilot:
        chart.styles.height = 12
        show(chart, ChartSeries("p95", samples(*history)))
        await settle(pilot)
        painted: list[int] = []
        render_line = chart.render_line
        monkeypatch.setattr(chart, "render_line", lambda y: painted.append(y) or render_line(y))
        wire.clear()
        show(chart, ChartSeries("p95", samples(*history)))
        await settle(pilot)
        assert (painted, wire) == ([], [])
        show(chart, ChartSeries("p95", samples(*history[:-1], 190.0)))
        await settle(pilot)
        assert sorted(painted) == [0, 5]
        assert len("".join(wire).encode()) < 1024


async def test_columns_stand_still_until_the_next_one_begins(app_of: Any, screen_text: Any, chart: Chart) -> None:
    app = app_of(chart)
    rising = [Sample(NOW - 400 + at, at / 2) for at in range(0, 420, 10)]
    async with app.run_test(size=(47, 6)):
        show(chart, ChartSeries("p95", rising[:-1]))
        before = [line[7:45] for line in screen_text(app).splitlines()[1:5]]
        show(chart, ChartSeries("p95", rising), end=NOW + 5)
        assert [line[7:45] for line in screen_text(app).splitlines()[1:5]] == before


async def test_hostile_names_are_literal_and_every_size_is_drawn(
    app_of: Any, screen_text: Any, chart: Chart, hostile: list[str]
) -> None:
    app = app_of(chart)
    async with app.run_test(size=(40, 8)) as pilot:
        for text in hostile:
            chart.set_title(text, text[:30])
            show(
                chart,
                ChartSeries(text[:30], samples(1.0, 2.0)),
                ChartSeries("b", samples(1.0)),
                marks=(ChartMark(NOW - 200, text),),
            )
            chart.set_cursor(NOW - 10)
            for line in screen_text(app).splitlines():
                assert line.isprintable()
                assert cell_len(line) <= 40
        for width, height in ((1, 1), (3, 2), (8, 3), (9, 4), (200, 50)):
            await pilot.resize_terminal(width, height)
            chart.styles.height = height
            await pilot.pause()
            assert all(cell_len(line) <= width for line in screen_text(app).splitlines())
        app.ascii_glyphs = True
        chart.notify_style_update()
        chart.refresh()
        assert screen_text(app).isascii()


def test_what_cannot_be_drawn_is_refused(chart: Chart) -> None:
    for window, step, end in ((0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan")), (float("inf"), 1.0, 1.0)):
        with pytest.raises(ValueError, match="cannot be drawn"):
            chart.set_data([], end=end, window=window, step=step)
