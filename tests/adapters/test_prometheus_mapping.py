"""The pure parts of the Prometheus adapter: windows, judgements, names, silences, what is read from payloads."""

from __future__ import annotations

import math

import msgspec
import pytest

from quarterdeck_adapters.prometheus.alertmanager import base, joined
from quarterdeck_adapters.prometheus.alerts import alerts, rules, targets, web
from quarterdeck_adapters.prometheus.api import Found, Matrix, read_matrix
from quarterdeck_adapters.prometheus.completing import continued, last_word
from quarterdeck_adapters.prometheus.defaults import Named, grouping, latency, requests
from quarterdeck_adapters.prometheus.query import checked, filled
from quarterdeck_adapters.prometheus.series import Answered, down_text, judged, row, telling
from quarterdeck_adapters.prometheus.values import identity, moment
from quarterdeck_adapters.prometheus.window import MOST_KEPT, Window
from quarterdeck_lifecycle.errors import Conflict, Unavailable
from quarterdeck_lifecycle.records import Status

LIMITED = Named(name="p95", query="q", unit="s", maximum=0.3)


def found(*values: tuple[float, float | None], **labels: str) -> Found:
    return Found(labels, list(values))


def test_a_window_asks_for_all_then_for_what_is_new_and_once_more_for_the_newest() -> None:
    window = Window(120, 30)
    assert window.wanted(1000) == (29, 33)
    window.add([found((870, 1.0), (990, 2.0), job="a")], 29, 33)
    assert window.wanted(1005) is None
    assert window.wanted(1020) == (32, 34)
    window.add([found((960, 7.0), (1020, 3.0), job="a")], 32, 34)
    assert list(window) == [({"job": "a"}, ((900, None), (930, None), (960, 7.0), (990, None), (1020, 3.0)))]
    window.partial = True
    assert window.wanted(1021) == (33, 34)
    assert window.wanted(5000) == (162, 166)
    assert window.wanted(500) == (12, 16)


def test_a_series_that_is_gone_stays_until_its_last_sample_leaves_the_window() -> None:
    window = Window(60, 30)
    window.add([found((60, 1.0), (120, 2.0), job="a")], 2, 4)
    window.add([found((150, 5.0), job="b")], 4, 5)
    assert [(labels, [value for _, value in points]) for labels, points in window] == [
        ({"job": "b"}, [None, None, 5.0])
    ]
    window.add([found((180, None), job="c")], 5, 6)
    assert [labels["job"] for labels, _ in window] == ["c"]


def test_a_window_is_bounded_and_knows_how_many_there_were() -> None:
    window = Window(60, 30)
    window.add([found((120, 1.0), job=f"{n:03}") for n in range(80)], 2, 4)
    assert (window.total, len(list(window))) == (80, MOST_KEPT)
    window.add([found((150, 1.0), job=f"{n:03}") for n in range(80)], 4, 5)
    assert (window.total, len(list(window))) == (80, MOST_KEPT)


@pytest.mark.parametrize(
    ("value", "limits", "warnings", "status"),
    [
        (0.2, {"maximum": 0.3}, (), Status.OK),
        (0.28, {"maximum": 0.3}, (), Status.LOOK),
        (0.3, {"maximum": 0.3}, (), Status.LOOK),
        (0.31, {"maximum": 0.3}, (), Status.BAD),
        (math.inf, {"maximum": 0.3}, (), Status.BAD),
        (0.0, {"maximum": 0.0}, (), Status.OK),
        (0.1, {"maximum": 0.0}, (), Status.BAD),
        (10.5, {"minimum": 10}, (), Status.LOOK),
        (9.0, {"minimum": 10}, (), Status.BAD),
        (20.0, {"minimum": 10}, (), Status.OK),
        (100.0, {"minimum": 100, "near": False}, (), Status.OK),
        (-12.0, {"maximum": -10}, (), Status.OK),
        (-10.5, {"maximum": -10}, (), Status.LOOK),
        (1.0, {}, ("partial",), Status.LOOK),
        (1.0, {}, (), Status.OK),
        (None, {"maximum": 0.3}, ("partial",), Status.UNKNOWN),
    ],
)
def test_a_value_is_judged_by_its_limits(
    value: float | None, limits: dict[str, float], warnings: tuple[str, ...], status: Status
) -> None:
    assert judged(value, Named(name="x", query="x", **limits), warnings) is status  # type: ignore[arg-type]


def test_a_row_says_why_it_has_no_value() -> None:
    def made(*points: tuple[float, float | None], **answered: object) -> object:
        return row("prom", "prod", LIMITED, {"job": "a"}, points, "a", Answered(**answered))  # type: ignore[arg-type]

    stale = made((0, 1.0), (30, None))
    assert (stale.value, stale.note) == (None, "no sample since 1970-01-01T00:00:00Z")  # type: ignore[attr-defined]
    infinite = made((0, math.inf))
    assert (infinite.value, infinite.status, infinite.note) == (None, Status.BAD, "+Inf over 0.3s")  # type: ignore[attr-defined]
    assert infinite.points == ((0, None),)  # type: ignore[attr-defined]
    lost = made((0, 0.1), error=Unavailable("x", why="503 busy"))
    assert (lost.value, lost.status, lost.note) == (0.1, Status.LOOK, "not asked anew: down: 503 busy")  # type: ignore[attr-defined]
    warned = made((0, 0.1), warnings=("half the data",))
    assert (warned.status, warned.warnings, warned.environment) == (Status.LOOK, ("half the data",), "prod")  # type: ignore[attr-defined]


def test_names_tell_series_of_one_query_apart() -> None:
    assert telling([{"job": "a"}]) == [""]
    assert telling([{"job": "a", "env": "x"}, {"job": "b", "env": "x"}]) == ["a", "b"]
    assert telling([{"job": "a", "env": "x"}, {"job": "b"}]) == ["env=x job=a", "job=b"]
    assert telling([{"job": "a"}, {}]) == ["a", "-"]
    assert identity("p95", {"b": "2", "a": "1"}) == identity("p95", {"a": "1", "b": "2"}) == "p95\x1fa=1,b=2"


def test_default_queries_follow_the_labels_that_are_there() -> None:
    assert grouping(["job", "env", "service"]) == "service, env"
    assert grouping(["job", "env"]) == "job, env"
    rate, errors = requests("http_requests_total", ["job", "status"])
    assert rate.query == "sum by (job) (rate(http_requests_total[5m]))"
    assert 'status=~"5.."' in errors.query
    assert len(requests("http_requests_total", ["job"])) == 1
    assert "sum by (le, job)" in latency("x_bucket", []).query


def test_samples_are_read_as_prometheus_writes_them() -> None:
    body = (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"b":"1","a":"2"},"values":'
        b'[[1,"1e3"],[2,"NaN"],[3,"+Inf"],[4,"no"]]}]},"warnings":["w"]}'
    )
    matrix = read_matrix(body)
    assert matrix.series == [Found({"a": "2", "b": "1"}, [(1, 1000.0), (2, None), (3, math.inf), (4, None)])]
    assert matrix.warnings == ("w",)
    vector = read_matrix(b'{"data":{"resultType":"vector","result":[{"metric":{},"value":[1.5,"2"]}]}}')
    assert vector.series == [Found({}, [(1.5, 2.0)])]
    native = read_matrix(b'{"data":{"result":[{"metric":{},"histograms":[[1,{"count":"1"}]]}]}}')
    assert native.series == []
    assert "native histograms" in native.warnings[0]
    for wrong in (b"[]", b'{"data":{"result":{}}}', b'{"data":{"result":[{"values":[["x","1"]]}]}}', b"<html>"):
        with pytest.raises(msgspec.DecodeError):
            read_matrix(wrong)


def test_targets_that_are_down_are_counted_and_named() -> None:
    many = [found((1, 0.0), job="j", instance=f"h{n}") for n in range(5)]
    assert down_text(Matrix([found((1, 9.0)), *many], ())) == "5 of 9 targets down: j/h0, j/h1, j/h2 and 2 more"
    assert down_text(Matrix([found((1, 9.0))], ())) == ""
    assert down_text(Matrix([], ())) == ""


def test_an_alert_is_silenced_when_all_shared_labels_agree() -> None:
    muted = [({"alertname": "A", "host": "x", "cluster": "c"}, "op: x"), ({"alertname": "A"}, "op: any")]
    silenced = joined(muted)
    assert silenced({"alertname": "A", "host": "x"}) == "op: x"
    assert silenced({"alertname": "A", "host": "y"}) == "op: any"
    assert silenced({"alertname": "B", "host": "x"}) == ""
    assert silenced({}) == ""
    assert base("http://am:9093/x/api/v2/alerts") == "http://am:9093/x"
    assert base("file:///etc") == base("javascript:alert(1)") == base("http://[") == ""


def test_only_web_addresses_are_runbooks_and_times_may_be_none() -> None:
    assert web("https://x/y") == "https://x/y"
    assert web("javascript:x") == web("http://x/\x1b[2J") == web("//x") == web("") == ""
    assert moment("0001-01-01T00:00:00Z") is moment("soon") is moment(None) is moment("2026-01-01T00:00:00") is None
    assert moment("1970-01-01T00:00:01.123456789Z") == pytest.approx(1.123456)


@pytest.mark.parametrize(
    "payload", [None, [], "x", {"alerts": 1}, {"groups": [1, {"rules": [None]}]}, {"activeTargets": [[]]}]
)
def test_other_shapes_are_no_rows(payload: object) -> None:
    assert [*alerts(payload, "p", "", "", lambda _: ""), *rules(payload, "p", ""), *targets(payload, "p", "")] == []


def test_rules_of_one_name_have_their_own_identity() -> None:
    rule = {"name": "A", "query": "x", "type": "alerting", "health": "ok", "state": "firing", "labels": {}}
    broken = {**rule, "health": "err", "lastError": "boom", "labels": {"severity": "high"}}
    made = [
        found for found, _ in rules({"groups": [{"name": "g", "file": "f", "rules": [rule, rule, broken]}]}, "p", "")
    ]
    assert len({one.ref for one in made}) == 3
    assert [one.status for one in made] == [Status.BAD, Status.BAD, Status.BAD]
    assert made[2].last_error == "boom"


def test_a_window_of_a_query_is_checked_and_filled() -> None:
    assert checked(0, 100, 5, "p") == (0, 100, 5)
    _, _, step = checked(0, 86_400, 1, "p")
    assert 86_400 / step < 11_000
    for wrong in ((0, math.nan, 1), (5, 0, 1), (0, 5, 0), (0, math.inf, 1)):
        with pytest.raises(Conflict):
            checked(*wrong, "p")
    assert list(filled([(20, 1.0), (40, 2.0)], 0, 50, 10)) == [(20, 1.0), (30, None), (40, 2.0), (50, None)]
    assert list(filled([], 0, 50, 10)) == []


def test_completion_continues_the_last_word() -> None:
    assert last_word("sum(rate(http_re") == "http_re"
    assert last_word("x{") == ""
    assert continued("sum(ra", "ra", ["rate", "rank", "up", "rate"]) == ["sum(rate", "sum(rank"]
