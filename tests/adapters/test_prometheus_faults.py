"""What the Prometheus adapter does when things go wrong: typed errors, old rows kept, credentials where they belong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from adapters.promrig import NOW, PracticeRig, make_story, rows
from quarterdeck_adapters.prometheus.source import PrometheusSource
from quarterdeck_config.schema import Series as SeriesConfig
from quarterdeck_demo import faults as bad
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.text import clean

KINDS = PrometheusSource.kinds


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return make_story(tmp_path_factory.mktemp("prom"))


@pytest.fixture
async def rig(story: Story) -> AsyncIterator[PracticeRig]:
    made = await PracticeRig().start(story)
    try:
        yield made
    finally:
        await made.close()


async def every(source: PrometheusSource) -> list[type]:
    """The type of error that each call ends in."""
    found = []
    for call in (
        *(lambda kind=kind: source.list(kind) for kind in KINDS), source.probe,
        lambda: source.query("up", NOW - 60, NOW, 15), lambda: source.complete("http_"),
    ):  # fmt: skip
        with pytest.raises(errors.QuarterdeckError) as caught:
            await call()
        found.append(type(caught.value))
        assert caught.value.source == "prom"
    return found


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (bad.Status(code=401), errors.AuthFailed),
        (bad.Status(code=403), errors.Forbidden),
        (bad.Status(code=429), errors.RateLimited),
        (bad.Status(code=500), errors.Unavailable),
        (bad.Status(code=503), errors.Unavailable),
        (bad.Reset(), errors.Unavailable),
        (bad.BlackHole(), errors.Timeout),
        (bad.Truncate(), errors.Malformed),
        (bad.Truncate(framed=False), errors.Unavailable),
        (bad.Html(), errors.Malformed),
    ],
)
async def test_every_fault_is_a_typed_error(rig: PracticeRig, fault: Any, expected: type) -> None:
    source = rig.source(series={"up": SeriesConfig(query="up")}, deadline=0.2)
    rig.server.faults.add(fault)
    assert set(await every(source)) == {expected}


async def test_a_missing_api_is_not_found_with_a_hint(rig: PracticeRig) -> None:
    source = rig.source()
    rig.server.faults.add(bad.Status(code=404))
    with pytest.raises(errors.NotFound) as caught:
        await source.list("alert")
    assert "path prefix" in caught.value.mend


async def test_a_pause_that_is_asked_for_is_told(rig: PracticeRig) -> None:
    source = rig.source()
    rig.server.faults.add(bad.Status(code=429, retry_after=7))
    with pytest.raises(errors.RateLimited) as caught:
        await source.list("series")
    assert caught.value.retry_after == 7


async def test_one_query_that_fails_keeps_its_points_and_says_so(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)"), "two": SeriesConfig(query="count(up)")})
    before = await rows(source, "series")
    assert before["one"].status is Status.OK
    rig.clock += 30
    rig.server.faults.add(bad.Status(code=503), path="query_range", count=1)
    after = await rows(source, "series")
    lost = [row for row in after.values() if "not asked anew: down: 503" in row.note]
    assert [(row.status, row.value, row.points) for row in lost] == [
        (Status.LOOK, before[lost[0].name].value, before[lost[0].name].points)
    ]
    healed = await rows(source, "series")
    assert {row.note for row in healed.values()} == {""}
    assert {row.points[-1][0] for row in healed.values()} == {NOW // 30 * 30 + 30}


async def test_only_what_is_new_is_asked_for(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)")})
    first = await source.list("series")
    asked = [seen.query for seen in rig.server.requests if seen.path.endswith("query_range")]
    assert float(asked[0]["end"][0]) - float(asked[0]["start"][0]) == 3600
    rig.server.requests.clear()
    again = await source.list("series")
    assert [seen.path for seen in rig.server.requests] == ["/api/v1/query"]
    assert again.rows == first.rows
    rig.clock += 30
    rig.server.requests.clear()
    await source.list("series")
    asked = [seen.query for seen in rig.server.requests if seen.path.endswith("query_range")]
    assert float(asked[0]["end"][0]) - float(asked[0]["start"][0]) == 60
    row = (await source.list("series")).rows[0]
    assert isinstance(row, Series)
    assert len(row.points) == 121
    assert None not in [value for _, value in row.points]


async def test_a_server_that_died_is_noticed_though_no_step_is_new(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)")})
    await source.list("series")
    rig.server.faults.add(bad.Reset())
    with pytest.raises(errors.Unavailable):
        await source.list("series")


async def test_warnings_are_said_and_asked_for_again(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)")})
    rig.prometheus.warnings = ["2 of 3 stores answered"]
    listing = await source.list("series")
    assert "one: 2 of 3 stores answered" in listing.partial
    assert (listing.rows[0].status, listing.rows[0].warnings) == (Status.LOOK, ("2 of 3 stores answered",))  # type: ignore[attr-defined]
    assert "one: 2 of 3 stores answered" in (await source.list("series")).partial
    answer = await source.query("up", NOW - 60, NOW, 15)
    assert answer.warnings == ("2 of 3 stores answered",)
    rig.prometheus.warnings = []
    assert (await source.list("series")).rows[0].status is Status.OK


async def test_a_long_query_travels_as_a_form_without_a_permit(rig: PracticeRig) -> None:
    source = rig.source(series={"long": SeriesConfig(query="0 * (" + " + ".join(["count(up)"] * 200) + ")")})
    assert (await source.list("series")).rows[0].status is Status.OK
    assert [seen.method for seen in rig.server.requests if seen.path.endswith("query_range")] == ["POST"]


async def test_many_series_are_cut_and_said(rig: PracticeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck_adapters.prometheus.query.MOST_SERIES", 4)
    answer = await rig.source().query("up", NOW - 60, NOW, 15)
    assert len(answer.rows) == 4
    assert answer.warnings == ("4 of 15 series shown; aggregate, or use topk()",)


async def test_large_answers_are_read_off_the_loop(rig: PracticeRig) -> None:
    answer = await rig.source().query("up", NOW - 86_400, NOW, 15)
    assert len(answer.rows) == 15
    assert all(len(row.points) > 1000 for row in answer.rows)  # type: ignore[attr-defined]


async def test_alerts_do_not_wait_for_a_dead_alertmanager_each_time(rig: PracticeRig) -> None:
    source = rig.source(deadline=0.3)
    rule = rig.alerts_server.faults.add(bad.BlackHole())
    firing = (await rows(source, "alert"))["FraudP95High"]
    assert firing.silenced_by == "unknown: Alertmanager does not answer"
    assert firing.status is Status.BAD
    assert (await source.list("alert")).partial == ""
    assert rule.hits == 1
    assert any("silences are unknown" in line for line in (await source.probe()).warnings)
    rig.alerts_server.faults.clear()
    rig.clock += 31
    assert (await rows(source, "alert"))["FraudP95High"].silenced_by == ""


async def test_a_configured_alertmanager_goes_before_the_discovered_one(rig: PracticeRig) -> None:
    await rig.silence("FraudP95High")
    rig.prometheus.alertmanagers = ("http://127.0.0.1:9",)
    source = rig.source(options={"alertmanager": rig.alerts_url + "/"})
    assert (await rows(source, "alert"))["FraudP95High"].silenced_by == "op1: known, on it"


@pytest.mark.parametrize("everything", [False, True])
async def test_hostile_strings_become_rows_or_typed_errors(rig: PracticeRig, everything: bool) -> None:
    chosen, seen = rig.source(), 0
    named = rig.source(series={"one": SeriesConfig(query="up")})
    for number, word in enumerate(HOSTILE):
        source = named if number % 5 else chosen
        for faults in (rig.server.faults, rig.alerts_server.faults):
            faults.clear()
            faults.add(bad.Hostile(strings=(word,), everything=everything))
        for kind in ("alert", "rule", "target", "series"):
            try:
                listing = await source.list(kind)
            except errors.QuarterdeckError:
                continue
            for row in listing.rows[:2]:
                seen += 1
                assert row.name == clean(row.name, 1_000_000)
                sections = await source.describe(row.ref)
                assert "\x1b" not in str(sections)
        for ask in (source.complete(word), source.query(word, NOW - 60, NOW, 15)):
            with suppress(errors.QuarterdeckError):
                await ask
    assert seen > 50
