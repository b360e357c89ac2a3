"""What the Prometheus adapter shows of a server: the same of the practice one and of a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.promrig import RUNBOOK, PracticeRig, RealRig, Rig, make_story, rows
from parts.prom import Alertmanager, Exporter, Prometheus
from quarterdeck_config.schema import Series as SeriesConfig
from quarterdeck_config.schema import Threshold
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ports import Describes, QueriesSeries, Source
from quarterdeck_lifecycle.records import Ref, Status


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return make_story(tmp_path_factory.mktemp("prom"))


@pytest.fixture(scope="module")
def prepared(prometheus: Prometheus, alertmanager: Alertmanager) -> Iterator[tuple[Prometheus, Alertmanager]]:
    with Exporter() as exporter:
        RealRig.prepare(prometheus, alertmanager, exporter)
        yield prometheus, alertmanager
        prometheus.configure({})


REAL = pytest.param("real", marks=pytest.mark.real("prometheus", "prometheus-alertmanager"))


@pytest.fixture(params=["practice", REAL])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "practice":
        made: Rig = await PracticeRig().start(request.getfixturevalue("story"))
    else:
        made = RealRig(*request.getfixturevalue("prepared"))
    try:
        yield made
    finally:
        await made.close()


async def test_named_series_have_points_limits_and_what_is_wrong_with_them(rig: Rig) -> None:
    source = rig.source(
        series={
            "alive": SeriesConfig(query="sum(up)", unit=" up", label="targets", min=1000),
            "each": SeriesConfig(query="up"),
            "nothing": SeriesConfig(query="no_such_metric"),
            "broken": SeriesConfig(query="sum("),
        },
        thresholds={"each": Threshold(max=100)},
    )
    listing = await source.list("series")
    found = {row.name: row for row in listing.rows if isinstance(row, Series)}
    alive = found["alive"]
    assert (alive.label, alive.status, alive.unit, alive.minimum) == ("targets", Status.BAD, " up", 1000)
    assert (alive.note, alive.value) == ("under 1000 up", alive.points[-1][1])
    steps = {round(b[0] - a[0], 3) for a, b in zip(alive.points, alive.points[1:], strict=False)}
    assert steps == ({1.0} if rig.real else {30.0})
    each = [row for name, row in found.items() if name.startswith("each ")]
    assert len(each) == (2 if rig.real else 8)
    assert {row.maximum for row in each} == {100}
    assert len({row.ref for row in each}) == len(each)
    assert (found["nothing"].status, found["nothing"].note) == (Status.UNKNOWN, "no data in the window")
    assert "parse error" in found["broken"].note
    assert f"targets down: {rig.down}" in listing.partial
    assert ("each: 8 of 15 series shown" in listing.partial) is not rig.real
    again = await source.list("series")
    assert [row.ref for row in again.rows] == [row.ref for row in listing.rows]


async def test_without_config_the_series_are_those_that_the_server_has(rig: Rig) -> None:
    source = rig.source()
    found = [row for row in (await source.list("series")).rows if isinstance(row, Series)]
    kinds = {row.ref.id.partition("\x1f")[0] for row in found}
    assert {"requests", "errors", "p95", "memory", "up"} <= kinds
    assert len(found) <= 12
    up = [row for row in found if row.ref.id.startswith("up\x1f")]
    assert rig.down.partition("/")[0] in " ".join(row.name for row in up)
    assert Status.BAD in {row.status for row in up}
    assert all("fraud-api" in row.name for row in found if row.ref.id.startswith("requests"))
    if rig.real:
        assert next(row for row in found if row.ref.id.startswith("memory")).value == pytest.approx(98)


async def test_alerts_are_firing_pending_and_silenced(rig: Rig) -> None:
    source = rig.source()
    found = await rows(source, "alert")
    firing, pending = found[rig.firing], found[rig.pending]
    assert (firing.status, firing.state, firing.severity) == (Status.BAD, "firing", "critical")
    assert (firing.value, firing.note) == ("0.4268", "p95 of fraud-api over 300 ms")
    assert firing.runbook == RUNBOOK + "fraud-p95"
    assert firing.active_at is not None
    assert abs(rig.now() - firing.active_at) < 86_400
    assert (firing.link("service"), firing.link("environment")) == ("fraud-api", "prod")
    assert (pending.status, pending.state, pending.value) == (Status.LOOK, "pending", "855")
    assert (firing.silenced_by, pending.silenced_by) == ("", "")
    await rig.silence(rig.firing)
    muted = (await rows(source, "alert"))[rig.firing]
    assert (muted.silenced_by, muted.status, muted.state) == ("op1: known, on it", Status.LOOK, "firing")
    assert muted.ref == firing.ref


async def test_rules_and_targets(rig: Rig) -> None:
    source = rig.source()
    found = await rows(source, "rule")
    assert (found[rig.firing].status, found[rig.firing].state) == (Status.BAD, "firing")
    assert (found[rig.pending].state, found[rig.pending].for_s) == ("pending", 3600.0 if rig.real else 1800.0)
    recording = next(rule for rule in found.values() if rule.rule_type == "recording")
    assert (recording.status, recording.state) == (Status.OK, "ok")
    targets = await rows(source, "target")
    down = targets[rig.down]
    assert (down.status, down.state) == (Status.BAD, "down")
    assert down.last_error
    assert {row.status for row in targets.values()} == {Status.OK, Status.BAD}


async def test_a_query_answers_rows_and_refuses_what_is_none(rig: Rig) -> None:
    source = rig.source()
    assert isinstance(source, QueriesSeries)
    now = rig.now()
    answer = await source.query("up", now - 30, now, 5)
    assert len(answer.rows) == (2 if rig.real else 15)
    assert {type(row) for row in answer.rows} == {Series}
    scalar = await source.query("1 + 1", now - 30, now, 5)
    assert [row.value for row in scalar.rows if isinstance(row, Series)] == [2.0]
    with pytest.raises(Conflict, match="parse error"):
        await source.query("up{", now - 30, now, 5)
    with pytest.raises(Conflict, match="no window"):
        await source.query("up", now, now - 30, 5)
    long = "sum(up) + 0 * (" + " + ".join(["count(up)"] * 200) + ")"
    assert len((await source.query(long, now - 30, now, 5)).rows) == 1
    fine = await source.query("vector(1)", now - 86_400, now, 0.001)
    points = [row.points for row in fine.rows if isinstance(row, Series)]
    assert 10_000 < len(points[0]) <= 11_000


async def test_completion_knows_functions_metrics_labels_and_values(rig: Rig) -> None:
    source = rig.source()
    assert "rate" in await source.complete("ra")
    assert "sum(rate(http_requests_total" in await source.complete("sum(rate(http_req")
    assert await source.complete("http_requests_total{serv") == ["http_requests_total{service"]
    assert 'up{job="fraud-api' in await source.complete('up{job="fra')
    assert "sum by (code" in await source.complete("sum by (co")
    assert await source.complete("") == []
    assert all(word.startswith("http") for word in await source.complete("http"))


async def test_each_kind_has_its_details(rig: Rig) -> None:
    source = rig.source(series={"alive": SeriesConfig(query="sum(up)", max=3)})
    assert isinstance(source, Source)
    assert isinstance(source, Describes)
    series = Ref("prom", "series", "alive\x1f")
    sections = {section.title: dict(section.fields) for section in await source.describe(series)}
    assert sections["Overview"]["expression"] == "sum(up)"
    assert sections["Overview"]["maximum"] == ("1" if rig.real else "14")
    assert sections["Limits"] == {"above is bad": "3"}
    alert = (await rows(source, "alert"))[rig.firing]
    sections = {section.title: dict(section.fields) for section in await source.describe(alert.ref)}
    assert sections["Annotations"]["runbook_url"] == RUNBOOK + "fraud-p95"
    assert sections["Overview"]["expression"]
    rule = (await rows(source, "rule"))[rig.firing]
    tabs = await source.describe(rule.ref)
    assert [tab.title for tab in tabs] == ["Overview", "Labels", "Annotations", "Alerts"]
    assert tabs[3].table[1][0] == "firing"
    target = (await rows(source, "target"))[rig.down]
    sections = {section.title: dict(section.fields) for section in await source.describe(target.ref)}
    assert sections["Overview"]["health"] == "down"
    assert sections["Discovered"]["__metrics_path__"] == "/metrics"
    for gone in (Ref("prom", "alert", "x"), Ref("prom", "series", "x"), Ref("other", "alert", "x")):
        with pytest.raises(NotFound):
            await source.describe(gone)
    with pytest.raises(Unsupported):
        await source.describe(Ref("prom", "model", "x"))


async def test_the_probe_names_the_version_and_what_is_down(rig: Rig) -> None:
    probe = await rig.source().probe()
    assert probe.version.startswith("2.")
    assert probe.identity == f"Prometheus {probe.version}"
    assert [rig.down in line for line in probe.warnings] == [True]
    with pytest.raises(Unsupported):
        await rig.source().list("model")
