"""The practice Prometheus, held to the real one: same samples and queries, same answers."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from parts.needs import program
from parts.prom import Prometheus
from quarterdeck_demo.prometheus import AlertmanagerServer, PrometheusServer, WebAuth
from quarterdeck_demo.prometheus.encode import number, scientific
from quarterdeck_demo.prometheus.scrape import Scraped
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story

NOW = float(int(time.time()) - 7200)
SPAN_MS = 2_400_000
QUERIES = (
    "up",
    'up{job="fraud-api",env!="staging"}',
    'up{instance=~"prod-.*:8080"} == 1',
    'up{instance!~"prod-.*"}',
    "sum(up) / count(up)",
    "avg without (instance) (up)",
    "sum by (code) (rate(http_requests_total[5m]))",
    'sum(rate(http_requests_total{code=~"5.."}[1m])) / sum(rate(http_requests_total[1m]))',
    "sum by (service, env) (increase(http_requests_total[10m]))",
    'irate(http_requests_total{env="prod",code="200"}[2m])',
    "histogram_quantile(0.95, sum by (le, env) (rate(http_request_duration_seconds_bucket[5m])))",
    "histogram_quantile(0.5, rate(http_request_duration_seconds_bucket[5m]))",
    "histogram_quantile(1.5, rate(http_request_duration_seconds_bucket[5m]))",
    "rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])",
    "rate(http_request_duration_seconds_sum[5m]) / ignoring(job) rate(http_request_duration_seconds_count[5m])",
    "1000 * service:http_request_duration_seconds:p95",
    'service:http_request_duration_seconds:p95{env="prod"} > 0.3',
    'service:http_request_duration_seconds:p95{env="prod"} > bool 0.3',
    "100 * (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)",
    "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.1",
    '100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100',
    "max(DCGM_FI_DEV_GPU_UTIL) - min(DCGM_FI_DEV_GPU_UTIL)",
    "topk(2, node_filesystem_avail_bytes)",
    "bottomk by (env) (1, container_memory_usage_bytes)",
    "quantile(0.9, container_memory_usage_bytes)",
    "stddev by (env) (container_memory_usage_bytes)",
    "sort_desc(container_memory_usage_bytes)",
    "rate(container_cpu_usage_seconds_total[5m]) and container_cpu_usage_seconds_total",
    'up{job="node"} or up{job="dcgm"} unless up{instance="gpu-1:9400"}',
    "max_over_time(DCGM_FI_DEV_GPU_UTIL[5m]) - min_over_time(DCGM_FI_DEV_GPU_UTIL[5m])",
    "avg_over_time(model_feature_psi[5m]) + stddev_over_time(model_feature_psi[5m])",
    "quantile_over_time(0.9, model_feature_psi[5m]) * on (feature) model_feature_psi",
    "predict_linear(node_filesystem_avail_bytes[10m], 3600) < 0",
    "deriv(node_filesystem_avail_bytes[10m])",
    "delta(DCGM_FI_DEV_GPU_UTIL[5m])",
    "changes(DCGM_FI_DEV_FB_USED[2m]) + resets(DCGM_FI_DEV_FB_USED[2m]) + count_over_time(DCGM_FI_DEV_FB_USED[2m])",
    "round(model_feature_psi, 0.1)",
    "clamp(model_feature_psi, 0.05, 0.2)",
    "up offset 5m",
    'absent(up{job="nope"})',
    "nothing_of_this_name",
    "sum(nothing_of_this_name)",
    "timestamp(up) - time()",
    "-up",
    "-2 ^ 2",
    "2 * 3 + 4 % 3 - 10 / 4",
    "up / 0",
    "0 / 0",
    "1 > bool 2",
    "vector(1)",
    "scalar(nothing_of_this_name)",
    '"text"',
    "abs(-model_feature_psi) ^ 2",
)
RANGES = tuple(query for query in QUERIES if not query.startswith(('"', "sort", "bottomk", "topk")))
REFUSED = (
    "", "sum(", "up{", "up{job", "up{job}", "up{job=prom}", 'up{job="prom"', "{}", '{a=""}', "up)", "up +", "rate(up)",
    "rate(5)", "nofunc(up)", "histogram_quantile(0.9)", "topk(1)", "sum by (job)", "1 > 2", "rate(up[1x])", "up[0s]",
    "1e400", "up[5s] * 2", '"a" + 1', "up and 1", "up + bool up",
)  # fmt: skip
UNPAIRED = ("up + on() up", "sum(up) + on() up", "up / on(region) up")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return build_story(7, NOW, tmp_path_factory.mktemp("story") / "s")


@pytest.fixture(scope="module")
def loaded(story: Story) -> Iterator[Prometheus]:
    """A real Prometheus whose blocks hold 40 minutes of the practice world's samples."""
    part = Prometheus()
    samples = part.folder / "samples.txt"
    samples.write_text(open_metrics(PrometheusServer(story, lambda: NOW)))
    argv = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(part.folder / "data")]
    subprocess.run([program(argv[0]), *argv[1:]], check=True, capture_output=True, timeout=120)
    with part:
        yield part


def open_metrics(app: PrometheusServer) -> str:
    end = int(NOW * 1000)
    lines, named = [], ""
    for series in app.storage.series:
        assert isinstance(series, Scraped)
        if series.series.version:  # it ends in the window, and a text file has no staleness marker
            continue
        labels = dict(series.labels)
        name = labels.pop("__name__")
        if name != named:
            lines.append(f"# TYPE {name} unknown")
            named = name
        inside = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        lines += [f"{name}{{{inside}}} {value!r} {at / 1000}" for at, value in series.between(end - SPAN_MS, end)]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture
async def practice(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    app = PrometheusServer(story, lambda: NOW)
    server = Server(app.handler, clock=lambda: NOW)
    port = await server.start_tcp()
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=60) as client:
        yield client
    await server.stop()
    assert server.errors == []


async def ask(client: httpx.AsyncClient, path: str, **query: Any) -> httpx.Response:
    return await client.get(f"/api/v1/{path}", params=query)


def rows(body: dict[str, Any], ordered: bool) -> Any:
    """A result with its numbers as floats, sorted by labels where the order means nothing."""
    found = body["data"]["result"]
    if body["data"]["resultType"] in ("scalar", "string"):
        return body["data"]["resultType"], found[0], found[1]
    told = [
        (sorted(row["metric"].items()), [(at, float(v)) for at, v in row.get("values") or [row["value"]]])
        for row in found
    ]
    return told if ordered else sorted(told, key=lambda row: row[0])


def assert_alike(ours: Any, theirs: Any, what: str) -> None:
    if isinstance(ours, tuple):
        assert ours == theirs, what
        return
    assert [labels for labels, _ in ours] == [labels for labels, _ in theirs], what
    for (labels, mine), (_, real) in zip(ours, theirs, strict=True):
        assert [at for at, _ in mine] == [at for at, _ in real], (what, labels)
        for (at, a), (_, b) in zip(mine, real, strict=True):
            same = (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-8, abs_tol=1e-9)
            assert same, (what, labels, at, a, b)


@pytest.mark.real("prometheus")
async def test_queries_answer_as_the_real_prometheus_does_on_the_same_samples(
    practice: httpx.AsyncClient, loaded: Prometheus
) -> None:
    async with httpx.AsyncClient(base_url=loaded.url, trust_env=False, verify=False, timeout=60) as real:
        for query in QUERIES:
            for at in (NOW, NOW - 433.25):
                ours, theirs = [await ask(one, "query", query=query, time=at) for one in (practice, real)]
                assert ours.status_code == theirs.status_code == 200, (query, ours.text, theirs.text)
                ordered = query.startswith("sort")
                assert_alike(rows(ours.json(), ordered), rows(theirs.json(), ordered), query)
        for query in RANGES:
            span = {"query": query, "start": NOW - 1200, "end": NOW, "step": "47500ms"}
            ours, theirs = [await ask(one, "query_range", **span) for one in (practice, real)]
            assert ours.status_code == theirs.status_code == 200, (query, ours.text, theirs.text)
            assert_alike(rows(ours.json(), False), rows(theirs.json(), False), query)


@pytest.mark.real("prometheus")
async def test_refusals_and_plain_answers_are_byte_for_byte_those_of_the_real_one(
    practice: httpx.AsyncClient, loaded: Prometheus
) -> None:
    span = {"start": NOW - 60, "end": NOW, "step": 15}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "query", {"query": query, "time": NOW}) for query in (*REFUSED, *UNPAIRED, "up", "time()", '"<&>"')
    ]
    asked += [
        ("GET", "query", {"query": "up", "time": "abc"}),
        ("GET", "query", {"query": "up", "time": NOW + 0.5}),
        ("GET", "query", {"query": "time()", "time": NOW + 0.25}),
        ("GET", "query", {"query": 'up{instance="prod-1:8080"}[1m]', "time": NOW}),
        ("GET", "query", {"query": "1", "time": "2026-01-02T03:04:05.25Z"}),
        ("GET", "query", {"query": "1", "timeout": "x"}),
        ("POST", "query", {"query": "up", "time": NOW}),
        ("POST", "query_range", {"query": "sum(up)", **span}),
        ("GET", "query_range", {"query": "1", **span}),
        ("GET", "query_range", {"query": "up", **span, "step": 0.5}),
        ("GET", "query_range", {"query": "up", **span, "start": 1}),
        ("GET", "query_range", {"query": "up", **span, "step": 0}),
        ("GET", "query_range", {"query": "up", **span, "step": "x"}),
        ("GET", "query_range", {"query": "up", **span, "start": NOW + 1}),
        ("GET", "query_range", {"query": "up", **span, "end": "x"}),
        ("GET", "query_range", {"query": "up[1m]", **span}),
        ("GET", "query_range", {"query": '"x"', **span}),
        ("GET", "query_range", {"query": "up"}),
        ("GET", "series", {}),
        ("GET", "series", {"match[]": "up", "start": NOW - 600, "end": NOW}),
        ("GET", "series", {"match[]": ["up", 'up{env="prod"}'], "start": NOW - 600, "end": NOW}),
        ("GET", "series", {"match[]": "up{"}),
        ("GET", "labels", {"match[]": "up", "start": NOW - 600, "end": NOW}),
        ("GET", "labels", {"start": "x"}),
        ("GET", "label/job/values", {"match[]": "up", "start": NOW - 600, "end": NOW}),
        ("GET", "label/nope/values", {}),
        ("GET", "label/no-t/values", {}),
        ("GET", "metadata", {"limit": "x"}),
        ("GET", "rules", {"type": "x"}),
        ("GET", "nope", {}),
        ("DELETE", "query", {}),
        ("POST", "targets", {}),
    ]
    async with httpx.AsyncClient(base_url=loaded.url, trust_env=False, verify=False, timeout=60) as real:
        wrong = []
        for method, path, query in asked:
            where = {"data": query} if method == "POST" else {"params": query}
            ours, theirs = [await one.request(method, f"/api/v1/{path}", **where) for one in (practice, real)]
            told = [(one.status_code, one.text, one.headers.get("content-type"), one.headers.get("allow"))
                    for one in (ours, theirs)]  # fmt: skip
            if told[0] != told[1]:
                wrong.append(((method, path, query), *told))
        assert wrong == []
        for path in ("/-/ready", "/-/healthy", "/nope"):
            ours, theirs = [await one.get(path) for one in (practice, real)]
            assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)


def shape(value: Any) -> Any:
    """Keys and types; a list as the shapes that its items have."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(item)) for item in value})
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.real("prometheus")
async def test_targets_rules_and_build_have_the_shape_of_the_real_ones(practice: httpx.AsyncClient) -> None:
    alert = {"alert": "A", "expr": "vector(1)", "labels": {"severity": "x"}, "annotations": {"summary": "s"}}
    groups = [{"name": "g", "rules": [alert]}, {"name": "r", "rules": [{"record": "a:b", "expr": "up"}]}]
    with Prometheus({"self": ["127.0.0.1:9"]}, groups) as part:
        part.wait_for("up")
        part.wait_for("ALERTS")
        async with httpx.AsyncClient(base_url=part.url, trust_env=False, verify=False, timeout=60) as real:
            for path in ("targets", "rules", "alerts", "status/buildinfo", "alertmanagers"):
                ours, theirs = [(await ask(one, path)).json()["data"] for one in (practice, real)]
                if path == "targets":
                    assert shape(ours["activeTargets"]) == shape(theirs["activeTargets"])
                    keys = [list(one["activeTargets"][0]) for one in (ours, theirs)]
                    assert keys[0] == keys[1]
                elif path == "rules":
                    for mine, real_group in zip(ours["groups"], theirs["groups"], strict=True):
                        assert list(mine) == list(real_group)
                        fired = next((r for r in mine["rules"] if r.get("alerts")), mine["rules"][0])
                        assert list(fired) == list(real_group["rules"][0])
                elif path == "alerts":
                    assert list(ours["alerts"][0]) == list(theirs["alerts"][0])
                else:
                    assert shape(ours) == shape(theirs)


async def test_p95_rises_after_v41_and_falls_when_it_is_replaced(story: Story) -> None:
    at = NOW
    app = PrometheusServer(story, lambda: at)
    query = 'service:http_request_duration_seconds:p95{env="prod"}'

    def p95() -> float:
        sample = next(s for s in app.storage.series if dict(s.labels)["__name__"] == query.partition("{")[0])
        value = sample.at(round(at * 1000))
        assert value is not None
        return value

    deployed = next(e.at for e in story.timeline.entries if (e.environment, e.version) == ("prod", "v41"))
    assert p95() > 0.3
    at = deployed - 60
    assert p95() < 0.2
    at = NOW + 900
    entries = len(story.timeline.entries)
    try:
        story.timeline.deployed(NOW, "fraud-api", "prod", "v40", broken=False)
        assert p95() < 0.2
    finally:
        story.timeline.entries[:] = [e for e in story.timeline.entries if (e.at, e.version) != (NOW, "v40")]
    assert len(story.timeline.entries) == entries
    assert p95() > 0.3


@pytest.mark.parametrize(
    "query", ["rate(up[5m:1m])", "up @ 5", "up * on(job) group_left up", 'label_replace(up, "a", "b", "c", "d")']
)
async def test_what_is_not_evaluated_is_a_400_that_names_the_limit(practice: httpx.AsyncClient, query: str) -> None:
    answer = await ask(practice, "query", query=query)
    assert answer.status_code == 400
    assert answer.json()["errorType"] == "bad_data"
    assert "the practice server does not evaluate" in answer.json()["error"]


def test_a_series_of_a_version_is_alive_only_where_that_version_ran(story: Story) -> None:
    app = PrometheusServer(story, lambda: NOW)
    old, new = [e for e in story.timeline.entries if (e.service, e.environment) == ("fraud-api", "prod")][-2:]
    service = {"service": "fraud-api", "env": "prod"}.items()
    found = [s for s in app.storage.series if isinstance(s, Scraped) and s.series.version]
    found = [s for s in found if service <= dict(s.labels).items()]
    switch, now = round(new.at * 1000), round(NOW * 1000)
    for start, end, expected in (
        (switch - 600_000, now, {old.version, new.version}),
        (switch + 60_000, now, {new.version}),
        (switch - 600_000, switch - 60_000, {old.version}),
        (now, now - 1, set()),
    ):
        assert {series.series.version for series in found if series.alive(start, end)} == expected
        assert {series.series.version for series in found if series.between(start, end)} == expected


async def test_warnings_stand_beside_the_data(story: Story) -> None:
    app = PrometheusServer(story, lambda: NOW)
    app.warnings.append("remote read: prod-3 did not answer")
    server = Server(app.handler)
    port = await server.start_tcp()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False) as client:
        body = (await ask(client, "query", query="1")).json()
    await server.stop()
    assert list(body) == ["status", "data", "warnings"]
    assert body["warnings"] == ["remote read: prod-3 did not answer"]


@pytest.mark.parametrize(
    ("auth", "right", "challenge"),
    [
        (WebAuth(users={"oper": "s3cret"}), {"auth": ("oper", "s3cret")}, "Basic"),
        (WebAuth(token="t0ken"), {"headers": {"Authorization": "Bearer t0ken"}}, "Bearer"),
    ],
)
async def test_without_the_right_credentials_it_is_a_401(
    story: Story, auth: WebAuth, right: dict[str, Any], challenge: str
) -> None:
    for app in (PrometheusServer(story, lambda: NOW, auth=auth), AlertmanagerServer(story, lambda: NOW, auth=auth)):
        server = Server(app.handler)
        port = await server.start_tcp()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False) as client:
            for wrong in ({}, {"auth": ("oper", "no")}, {"headers": {"Authorization": "Bearer no"}}):
                denied = await client.get("/-/ready", **wrong)  # type: ignore[arg-type]
                assert (denied.status_code, denied.text) == (401, "Unauthorized\n")
                assert denied.headers["www-authenticate"] == challenge
            assert (await client.get("/-/ready", **right)).status_code == 200
        await server.stop()


@pytest.mark.parametrize(
    ("value", "plain", "e"),
    [
        (1.0, "1", "1e+00"),
        (0.0, "0", "0e+00"),
        (412.5, "412.5", "4.125e+02"),
        (-1.5e-7, "-0.00000015", "-1.5e-07"),
        (1e21, "1000000000000000000000", "1e+21"),
        (math.nan, "NaN", "NaN"),
        (-math.inf, "-Inf", "-Inf"),
    ],
)
def test_numbers_are_written_as_go_writes_them(value: float, plain: str, e: str) -> None:
    assert (number(value), scientific(value)) == (plain, e)


async def test_the_story_fires_in_both(practice: httpx.AsyncClient, story: Story) -> None:
    states = {a["labels"]["alertname"]: a["state"] for a in (await ask(practice, "alerts")).json()["data"]["alerts"]}
    assert states["FraudP95High"] == "firing"
    app = AlertmanagerServer(story, lambda: NOW)
    held = {one.labels["alertname"] for one in app.held(NOW)}
    assert held == {name for name, state in states.items() if state == "firing"}
