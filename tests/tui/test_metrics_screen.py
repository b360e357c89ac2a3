"""The metrics screen by its keys, on series that a test answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from deckcase import Deck, deck
from quarterdeck.screens.metrics import MetricsScreen
from quarterdeck.widgets.chart import Chart
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import Malformed, Unavailable
from quarterdeck_lifecycle.ports import SeriesAnswer
from scripted import Charts, Scripted, container, series

NOW = 1_714_529_671.0
"""2024-05-01 02:14:31 UTC."""


def ramp(name: str, first: float, *, start: float = NOW - 3600, **more: object) -> SeriesAnswer:
    """An hour of a series that grows by one a quarter of a minute."""
    points = [(start + 15.0 * n, first + n) for n in range(241) if start + 15.0 * n <= NOW]
    return SeriesAnswer(rows=(series(name, points, **more),))


def prom() -> Charts:
    """Two configured series that answer."""
    made = Charts(rows=[series("errors", label="errors", unit="/s"), series("latency", label="p95", maximum=100.0)])
    made.answers = {"errors": ramp("errors", 0), "latency": ramp("latency", 1000)}
    made.names = ("http_requests_total", "http_errors_total", "up")
    return made


@contextlib.asynccontextmanager
async def metrics(*sources: Scripted, size: tuple[int, int] = (100, 30), key: str = "enter") -> AsyncIterator[Deck]:
    """A deck at a fixed time whose metrics screen is open."""
    async with deck(sources, size=size) as d:
        d.app.now = lambda: NOW
        await d.press("5", key)
        yield d


def charts(d: Deck) -> list[list[str]]:
    """The lines of every chart that is shown, the title first."""
    lines = d.text.split("\n")
    shown = [chart.region for chart in d.app.screen.query(Chart) if chart.display]
    return [[line.rstrip() for line in lines[region.y : region.bottom]] for region in shown]


async def test_every_configured_series_has_its_chart_the_chosen_one_first() -> None:
    source = prom()
    async with metrics(source) as d:
        assert isinstance(d.app.screen, MetricsScreen)
        one, two = charts(d)
        assert one[0].startswith("errors")
        assert one[0].endswith("240 /s")
        assert two[0].startswith("p95")
        assert "▲ high" in two[0]
        assert "100┄" in "\n".join(two)
        assert {asked[0] for asked in source.asked} == {"errors", "latency"}
        assert all(end - start == 3600 for _, start, end, _ in source.asked)
        assert "1h00 window" in d.text
        await d.press("escape", "j", "enter")
        assert [chart[0].split(" ")[0] for chart in charts(d)] == ["p95", "errors"]


async def test_more_charts_than_fit_are_scrolled_and_fewer_fill_the_screen() -> None:
    source = Charts(rows=[series(f"s{n}", label=f"chart {n}") for n in range(7)])
    source.answers = {f"s{n}": ramp(f"s{n}", n) for n in range(7)}
    async with metrics(source, size=(80, 24)) as d:
        assert "chart 0" in d.text
        assert "chart 5" not in d.text
        assert "chart 5" in await d.press("j", "j", "j")
        assert "chart 0" in await d.press("k", "k", "k")
    async with metrics(prom(), size=(80, 24)) as d:
        assert [len(chart) for chart in charts(d)] == [11, 11]


async def test_the_read_out_moves_all_charts_and_n_is_now() -> None:
    async with metrics(prom()) as d:
        await d.press("left", "left")
        read = [chart.cursor_at for chart in d.app.screen.query(Chart) if chart.display]
        assert read[0] == read[1]
        assert read[0] is not None
        assert NOW - 120 < read[0] < NOW
        at = datetime.fromtimestamp(read[0], UTC).strftime("%H:%M")
        assert all(at in chart[0] for chart in charts(d))
        assert not charts(d)[0][0].endswith("240 /s")
        await d.press("right")
        assert all(chart.cursor_at != read[0] for chart in d.app.screen.query(Chart) if chart.display)
        await d.press("left", "n")
        assert all(chart.cursor_at is None for chart in d.app.screen.query(Chart) if chart.display)
        assert charts(d)[0][0].endswith("240 /s")


async def test_the_window_grows_and_shrinks_and_stops_at_its_ends() -> None:
    source = prom()
    async with metrics(source) as d:
        for key, seconds, word in (("]", 10800, "3h00"), ("[", 3600, "1h00"), ("[", 900, "15m00"), ("[", 300, "5m00")):
            source.asked.clear()
            await d.press(key)
            assert {end - start for _, start, end, _ in source.asked} == {seconds}
            assert f"{word} window" in d.text
        await d.press("[")
        assert "5m00 window" in d.text
        await d.press(*"]]]]]]]")
        assert "7d window" in d.text
        source.asked.clear()
        await d.press("r")
        assert len(source.asked) == 2


async def test_a_query_is_completed_drawn_and_remembered() -> None:
    source = prom()
    source.answers["http_requests_total"] = SeriesAnswer(
        rows=tuple(series(f"s{n}", [(NOW - 30, 1.0), (NOW - 15, n)], labels={"code": str(n)}) for n in range(10))
    )
    async with metrics(source) as d:
        await d.press(":")
        await d.burst("http_")
        assert source.prefixes[-1] == "http_"
        assert "Tab: http_requests_total  http_errors_total" in d.text
        await d.press("tab")
        assert d.app.screen.query_one(PromptInput).value == "http_requests_total"
        await d.press(*["backspace"] * len("http_requests_total"))
        assert isinstance(d.app.screen, MetricsScreen)
        await d.burst("sum(rate(http_e")
        assert "Tab: http_errors_total" in d.text
        assert d.app.screen.query_one(PromptInput).size.width >= 30
        await d.press("tab")
        assert d.app.screen.query_one(PromptInput).value == "sum(rate(http_errors_total"
        await d.press("escape", ":")
        await d.burst("http_requests_total")
        await d.press("enter")
        assert "metrics: http_requests_total" in d.text.split("\n")[0]
        (drawn,) = charts(d)
        assert "10 series, the first 8 drawn" in d.text.split("\n")[0]
        assert drawn[0].startswith("http_requests_total")
        assert drawn[0].count("code=") == 8
        assert d.app.history == ["query http_requests_total"]
        asked = len(source.asked)
        await d.press("[")
        assert source.asked[asked][0] == "http_requests_total"
        assert "15m00 window" in d.text
        await d.press(":", "escape")
        assert isinstance(d.app.screen, MetricsScreen)
        assert "metrics: http_requests_total" in d.text.split("\n")[0]
        await d.press("escape")
        assert d.app.screen is d.app.deck


async def test_a_bad_query_says_why_on_its_chart_and_goes_on_asking() -> None:
    source = prom()
    source.answers["sum("] = Malformed("the query", source="prom", why='parse error: unclosed "(" [x](y)')
    source.answers["up"] = SeriesAnswer()
    async with metrics(source) as d:
        await d.press(":")
        await d.burst("sum(", "enter")
        (drawn,) = charts(d)
        assert drawn[0].startswith("sum(")
        assert 'parse error: unclosed "(" [x](y)' in "\n".join(drawn)
        await d.press(":")
        await d.burst("up", "enter")
        (drawn,) = charts(d)
        assert "parse error" not in d.text
        assert "no data in this window" in "\n".join(drawn)


async def test_a_failing_series_says_so_while_the_others_are_drawn() -> None:
    source = prom()
    source.answers["latency"] = Unavailable("the query", source="prom", why="connection refused")
    async with metrics(source) as d:
        one, two = charts(d)
        assert one[0].endswith("240 /s")
        assert "down: connection refused" in "\n".join(two)
        source.answers["latency"] = ramp("latency", 5)
        await d.press("r")
        assert "connection refused" not in d.text


async def test_warnings_are_partial_data_until_they_are_over() -> None:
    source = prom()
    whole = source.answers["errors"]
    assert isinstance(whole, SeriesAnswer)
    source.answers["errors"] = SeriesAnswer(rows=whole.rows, warnings=("1 of 3 shards [x] failed",))
    async with metrics(source) as d:
        assert "… partial: 1 of 3 shards [x] failed" in d.text.split("\n")[0]
        source.answers["errors"] = whole
        await d.press("r")
        assert "partial" not in d.text


async def test_images_and_aliases_that_moved_are_marks() -> None:
    def moved(what: str, name: str, after: str, ago: float) -> ChangeRow:
        return ChangeRow(
            id=f"{what}{name}{ago}", at=datetime.fromtimestamp(NOW - ago, UTC), source="local", system="docker",
            kind="container", ref=f"local/container/{name}", name=name, environment="", what=what, before="x",
            after=after,
        )  # fmt: skip

    async with metrics(prom(), size=(120, 30)) as d:
        d.app.recent.extend(
            [
                moved("image", "api", "registry.local:5000/team/api:1.42", 1800),
                moved("image_id", "api", "sha256:" + "ff" * 32, 1800),
                moved("alias champion", "fraud", "17", 900),
                moved("state", "api", "exited", 600),
                moved("image", "old", "team/old:v1", 7200),
            ]
        )
        await d.press("r")
        axis = charts(d)[0][-1]
        assert axis.count("┆") == 2
        assert "┆1.42 api" in axis
        assert "┆@champion v17" in axis
        assert all("┆" in line for line in charts(d)[0][1:-1])


async def test_an_alias_that_is_moved_from_outside_becomes_a_mark() -> None:
    from quarterdeck_lifecycle.kinds import RegisteredModel
    from quarterdeck_lifecycle.records import Ref

    def model(version: str) -> RegisteredModel:
        return RegisteredModel(ref=Ref("ml", "model", "fraud"), name="fraud", aliases={"champion": version})

    mlflow = Scripted("ml", [model("16")], kind="model", system="mlflow")
    async with metrics(prom(), mlflow) as d:
        mlflow.rows = [model("17")]
        d.app.boot.hub.poke("ml")
        await d.until(lambda: d.app.recent)
        assert d.app.recent[0].what == "alias champion"
        d.app.now = lambda: d.app.recent[0].at.timestamp() + 1800
        await d.press("r")
        assert any("┆@champion v17" in line for chart in charts(d) for line in chart)


async def test_a_gap_is_a_gap_and_its_read_out_is_unknown() -> None:
    source = prom()
    points = [(NOW - 3600 + 15.0 * n, None if 100 <= n < 200 else 5.0) for n in range(241)]
    source.answers["errors"] = SeriesAnswer(rows=(series("errors", points),))
    async with metrics(source) as d:
        bottom = charts(d)[0][-2][7:]
        third = len(bottom) // 3
        assert "⣿" in bottom[:third]
        assert bottom[third + 8 : 2 * third].strip() == ""
        for _ in range(30):
            await d.press("left")
            if "?" in charts(d)[0][0]:
                break
        assert charts(d)[0][0].endswith("?")


async def test_series_without_a_query_of_their_own_show_their_points() -> None:
    host = Scripted("host", [series("load", [(NOW - 60, 1.0), (NOW - 30, 2.5)])], kind="series", system="host")
    async with metrics(host) as d:
        (drawn,) = charts(d)
        assert drawn[0].startswith("load")
        assert drawn[0].endswith("2.5")


async def test_a_query_from_the_command_line_opens_its_chart_or_says_that_nobody_answers() -> None:
    source = prom()
    async with deck([source], size=(100, 30)) as d:
        d.app.now = lambda: NOW
        await d.press(":")
        await d.burst("query errors", "enter")
        assert isinstance(d.app.screen, MetricsScreen)
        assert charts(d)[0][0].startswith("errors")
        assert "1 series" in d.text.split("\n")[0]
        await d.press("escape", ":")
        await d.burst("query", "enter")
        assert "query" in d.text.split("\n")[-2]
        await d.press("escape")
        assert d.app.screen is d.app.deck
    async with deck([Scripted(rows=[container("api")])]) as d:
        await d.press(":")
        await d.burst("query up", "enter")
        assert "no source here answers queries" in d.toasts[-1]


async def test_help_lists_the_keys_of_the_charts() -> None:
    async with metrics(prom()) as d:
        assert "← earlier" in d.text.split("\n")[-1]
        text = await d.press("?")
        for words in ("shorter window", "ask again", "a chart of any expression"):
            assert words in text
        assert "filter" not in text
