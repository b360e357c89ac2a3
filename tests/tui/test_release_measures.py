"""Guards read from Prometheus: what counts as a value, what is no data, and which of several series decides."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from adapters.promrig import NOW, PracticeRig, make_source, make_story
from parts.prom import Exporter, Prometheus
from quarterdeck.releasing.measures import HubMeasures
from quarterdeck_config.schema import Series as SeriesConfig
from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Conflict, Unavailable
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import SeriesAnswer
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.release.gate import Soak
from quarterdeck_lifecycle.release.model import GateRule, GuardRule
from quarterdeck_lifecycle.release.ports import Measures, Reading, Sample

Points = Sequence[tuple[float, float | None]]


def one(points: Points, **labels: str) -> Series:
    """A row as the Prometheus adapter makes it."""
    last = points[-1][1]
    return Series(
        ref=Ref("prom", "series", str(sorted(labels.items()))), name="x", labels=labels,
        state="" if last is None else "live", value=last if last is not None and math.isfinite(last) else None,
        points=tuple((at, value if value is not None and math.isfinite(value) else None) for at, value in points),
    )  # fmt: skip


class Scripted:
    """A source of series that answers what it was told, by expression."""

    name, system, environment, address = "prom", "prometheus", "", ""
    kinds: tuple[str, ...] = ()

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, float, float, float]] = []

    async def query(self, expr: str, start: float, end: float, step: float) -> SeriesAnswer:
        self.asked.append((expr, start, end, step))
        answer = self.answers.get(expr, Conflict("no vector"))
        if isinstance(answer, Exception):
            raise answer
        if answer == "hang":
            await asyncio.Event().wait()
        return answer if isinstance(answer, SeriesAnswer) else SeriesAnswer(rows=tuple(answer))

    async def complete(self, prefix: str) -> Sequence[str]:
        return ()

    async def probe(self) -> Any: ...

    async def list(self, kind: str) -> Any: ...

    def interval(self, kind: str, rows: Any) -> float:
        return 60

    async def close(self) -> None: ...


async def read(answers: dict[str, Any], since: float = 100.0, now: float = 130.0, **guard: Any) -> Reading:
    rule = GuardRule(source="prom", **{"query": "q", "max": 1.0, **guard})
    return await HubMeasures(Hub([Scripted(answers)]), now=lambda: now, deadline=5).read(rule, since)


def test_it_measures() -> None:
    measures: Measures = HubMeasures(Hub([]))
    assert measures


async def test_one_value() -> None:
    reading = await read({"q": [one([(130, 0.5)], job="a")]})
    assert (reading.value, reading.samples, reading.said) == (0.5, 1, "job=a")


async def test_what_was_sampled_before_the_switch_is_no_data() -> None:
    answers = {"q": [one([(130, 0.5)], __name__="q", job="a")], "timestamp(q)": [one([(130, 99.0)], job="a")]}
    assert await read(answers) == Reading(value=None, said="q: no value since the switch")
    answers["timestamp(q)"] = [one([(130, 100.5)], job="a")]
    assert (await read(answers)).value == 0.5
    assert (await read({"q": [one([(130, 0.5)])]}, since=130)).value is None


async def test_points_since_the_switch_are_counted_and_none_twice() -> None:
    points = [(100.0, 0.1), (115.0, 0.2), (130.0, 0.3), (145.0, 0.4)]
    answers: dict[str, Any] = {"q": [one(points)]}
    assert (await read(answers, since=100, now=145, min_samples=3)).samples == 3
    answers["timestamp(q)"] = [one([(100, 99.0), (115, 114.0), (130, 114.0), (145, 140.0)])]
    reading = await read(answers, since=100, now=145, min_samples=3)
    assert (reading.value, reading.samples) == (0.4, 2)


async def test_what_is_asked_for() -> None:
    source = Scripted({"q": [one([(145, 0.4)])], "n": [one([(145, 70.0)]), one([(145, 50.9)])]})
    measures = HubMeasures(Hub([source]), now=lambda: 150.0)
    rule = GuardRule(source="prom", query="q", max=1, min_samples=30)
    await measures.read(rule, 100.0)
    assert source.asked == [("q", 105.0, 150.0, 15.0), ("timestamp(q)", 105.0, 150.0, 15.0)]
    source.asked.clear()
    reading = await measures.read(GuardRule(source="prom", query="q", max=1, min_samples=30, samples="n"), 100.0)
    assert reading.samples == 50
    assert source.asked == [(expr, 150.0, 150.0, 15.0) for expr in ("q", "timestamp(q)", "n")]


async def test_names_of_configured_series() -> None:
    source = Scripted({"sum(errors)": [one([(130, 0.5)])], "sum(requests)": [one([(130, 40.0)])]})
    config = SourceConfig(
        name="prom", system="prometheus",
        series={"errors": SeriesConfig(query="sum(errors)"), "requests": SeriesConfig(query="sum(requests)")},
    )  # fmt: skip
    measures = HubMeasures(Hub([source]), {"prom": config}, now=lambda: 130.0)
    reading = await measures.read(GuardRule(source="prom", query="errors", samples="requests", max=1), 100.0)
    assert (reading.value, reading.samples) == (0.5, 40)


LIVE = [(115.0, 0.1), (130.0, 0.2)]
WORST = [
    ("the highest for a maximum", {"max": 1.0}, [0.2, 0.7, 0.5], 0.7),
    ("the lowest for a minimum", {"max": None, "min": 0.1}, [0.2, 0.7, 0.5], 0.2),
    ("the farthest beyond", {"max": 1.0, "min": 0.0}, [1.5, -2.0, 0.5], -2.0),
    ("the nearest within", {"max": 1.0, "min": 0.0}, [0.5, 0.9, 0.2], 0.9),
]


@pytest.mark.parametrize(("limits", "values", "value"), [each[1:] for each in WORST], ids=[each[0] for each in WORST])
async def test_the_worst_decides(limits: dict[str, Any], values: list[float], value: float) -> None:
    rows = [one([(130, each)], pod=str(number)) for number, each in enumerate(values)]
    reading = await read({"q": rows}, **limits)
    assert reading.value == value
    assert reading.said == f"the worst of 3 series: pod={values.index(value)}"


async def test_one_with_too_few_points_holds_unless_another_is_beyond() -> None:
    old, young = one([(115, 0.1), (130, 0.2)], pod="old"), one([(115, None), (130, 0.1)], pod="young")
    reading = await read({"q": [old, young]}, min_samples=2)
    assert (reading.value, reading.samples) == (0.1, 1)
    bad = one([(115, 0.1), (130, 7.0)], pod="bad")
    reading = await read({"q": [old, young, bad]}, min_samples=2)
    assert (reading.value, reading.samples) == (7.0, 2)


async def test_what_ended_is_left_out() -> None:
    ended, live = one([(115, 9.0), (130, None)], pod="before"), one([(115, None), (130, 0.2)], pod="after")
    assert (await read({"q": [ended, live]})).value == 0.2
    assert (await read({"q": [ended]})).value is None


async def test_an_infinite_one_is_no_data_but_a_breach_beside_it_counts() -> None:
    infinite = one([(130, math.inf)], pod="a")
    reading = await read({"q": [infinite, one([(130, 0.2)], pod="b")]})
    assert (reading.value, reading.said) == (None, "an infinite value; the worst of 2 series: pod=a")
    assert (await read({"q": [infinite, one([(130, 2.0)], pod="b")]})).value == 2.0


NO_DATA: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"q": []}, {}, "q: no value"),
    (
        {"q": SeriesAnswer(rows=(one(LIVE),), warnings=("1 shard is down",))},
        {},
        "the answer is partial: 1 shard is down",
    ),
    ({"q": Unavailable("GET /api/v1/query_range", source="prom", why="refused")}, {}, "refused"),
    ({"q": RuntimeError("odd")}, {}, "RuntimeError: odd"),
    ({"q": [one(LIVE)], "timestamp(q)": SeriesAnswer(warnings=("half",))}, {}, "partial"),
    ({"q": [one(LIVE)], "n": SeriesAnswer(warnings=("half",))}, {"samples": "n"}, "the number of samples is partial"),
    ({"q": [one(LIVE)], "n": Conflict("no query")}, {"samples": "n"}, "no query"),
    ({}, {"source": "gone"}, "there is no source gone"),
]


@pytest.mark.parametrize(("answers", "guard", "said"), NO_DATA)
async def test_no_data(answers: dict[str, Any], guard: dict[str, Any], said: str) -> None:
    rule = GuardRule(**{"source": "prom", "query": "q", "max": 1.0, **guard})
    reading = await HubMeasures(Hub([Scripted(answers)]), now=lambda: 130.0).read(rule, 100.0)
    assert reading.value is None
    assert said in reading.said


async def test_no_number_of_samples_is_none() -> None:
    reading = await read({"q": [one(LIVE)], "n": []}, samples="n", min_samples=5)
    assert (reading.value, reading.samples) == (0.2, 0)


async def test_a_source_that_hangs_or_has_no_series() -> None:
    hanging = HubMeasures(Hub([Scripted({"q": "hang"})]), now=lambda: 130.0, deadline=0.1)
    rule = GuardRule(source="prom", query="q", max=1)
    assert (await hanging.read(rule, 100.0)).said == "prom gave no answer within 0.1 s"

    class Without:
        name, system, environment, address, kinds = "prom", "docker", "", "", ()

    measures = HubMeasures(Hub([Without()]))  # type: ignore[list-item]
    assert (await measures.read(rule, 100.0)).said == "prom (docker) has no series"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return make_story(tmp_path_factory.mktemp("measures"))


@pytest.fixture
async def practice(story: Story) -> AsyncIterator[PracticeRig]:
    made = await PracticeRig().start(story)
    try:
        yield made
    finally:
        await made.close()


async def test_the_practice_server(practice: PracticeRig) -> None:
    measures = HubMeasures(Hub([practice.source()]), now=practice.now)
    up = GuardRule(source="prom", query="up", min=1, min_samples=3)
    reading = await measures.read(up, NOW - 120)
    assert reading.value == 0.0
    assert reading.samples == 8
    assert "instance=scorer-2:8080" in reading.said
    assert (await measures.read(up, NOW)).said == "up: no value since the switch"
    scalar = GuardRule(source="prom", query="1 + 1", max=1)
    assert (await measures.read(scalar, NOW - 60)).value == 2.0
    broken = await measures.read(GuardRule(source="prom", query="up{", max=1), NOW - 60)
    assert (broken.value, "parse error" in broken.said) == (None, True)
    counted = GuardRule(source="prom", query="sum(up)", max=1, min_samples=9, samples="count(up)")
    assert (await measures.read(counted, NOW - 60)).samples == 15


async def test_samples_older_than_the_switch_in_the_practice_server(practice: PracticeRig) -> None:
    measures = HubMeasures(Hub([practice.source()]), now=practice.now)
    (sampled,) = (await practice.source().query('timestamp(up{job="etl"})', NOW, NOW, 15)).rows[:1]
    assert isinstance(sampled, Series)
    assert sampled.value is not None
    assert sampled.value < NOW
    rule = GuardRule(source="prom", query='up{job="etl"}', min=0)
    assert (await measures.read(rule, sampled.value)).value is None
    assert (await measures.read(rule, sampled.value - 0.001)).value is not None


@pytest.fixture(scope="module")
def scraped(prometheus: Prometheus) -> Iterator[tuple[Prometheus, Exporter]]:
    with Exporter() as exporter:
        exporter.set("model_score_mean", 0.42, {"service": "fraud-api"})
        exporter.set("model_predictions_total", 7, {"service": "fraud-api"})
        prometheus.configure({"fraud-api": [exporter.address]})
        prometheus.wait_for("model_predictions_total")
        yield prometheus, exporter
        prometheus.configure({})


@pytest.mark.real("prometheus")
async def test_model_metrics_of_a_real_server_decide_a_soak(scraped: tuple[Prometheus, Exporter]) -> None:
    prometheus, exporter = scraped
    source = make_source(prometheus.url)
    measures = HubMeasures(Hub([source]))
    rule = GuardRule(
        source="prom", query="model_score_mean", name="score mean", min=0.2, max=0.8, min_samples=100,
        samples="sum(model_predictions_total)",
    )  # fmt: skip
    soak = Soak(GateRule(soak_s=10, within_s=600), 0.0, [rule], ())
    soak.feed(Sample(verdict="pass", said="200"), 0.0)
    since = time.time()
    try:
        # The next value may be there already: none is from a switch that is still to come.
        first = await measures.read(rule, since + 60)
        assert (first.value, first.said) == (None, "model_score_mean: no value since the switch")
        reading = await asyncio.wait_for(until(measures, rule, since, 7), 60)
        soak.guard(0, reading, 11.0)
        assert soak.verdict(11.0) == "hold"
        assert "no data for score mean: 7 of 100 samples" in soak.said
        exporter.set("model_predictions_total", 250, {"service": "fraud-api"})
        soak.guard(0, await asyncio.wait_for(until(measures, rule, since, 250), 60), 12.0)
        assert soak.verdict(12.0) == "keep"
    finally:
        await source.close()


async def until(measures: HubMeasures, rule: GuardRule, since: float, samples: int) -> Reading:
    """The first reading with a value and that many observations."""
    while True:
        reading = await measures.read(rule, since)
        if reading.value is not None and reading.samples == samples:
            return reading
        await asyncio.sleep(0.05)
