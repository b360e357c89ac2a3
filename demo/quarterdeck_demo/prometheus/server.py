"""Prometheus' HTTP API over the story, in the words of Prometheus 2.42.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/ .
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response, text_response
from quarterdeck_demo.prometheus import encode
from quarterdeck_demo.prometheus.auth import WebAuth, plain
from quarterdeck_demo.prometheus.evaluate import evaluate, matrix_of
from quarterdeck_demo.prometheus.parse import kind_of, parse
from quarterdeck_demo.prometheus.rules import groups, raised
from quarterdeck_demo.prometheus.scrape import INTERVAL_MS, Scraped, Target, storage, targets
from quarterdeck_demo.prometheus.syntax import ExecutionError, QueryError, Selector
from quarterdeck_demo.prometheus.values import Labels
from quarterdeck_demo.story import Story

__all__ = ["PrometheusServer"]

MAX_POINTS = 11_000
SCALARS = ("scalar", "instant vector")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
BUILD = {
    "version": "2.53.1",
    "revision": "14cfec3f6048b735e08c1e9c64c8d4211d32bab4",
    "branch": "HEAD",
    "buildUser": "practice",
    "buildDate": "20240710-10:14:57",
    "goVersion": "go1.22.5",
}
BOTH = frozenset({"query", "query_range", "series", "labels"})
"""What takes a POST form beside GET."""


class BadParameter(ValueError):
    """A request parameter that Prometheus refuses as `bad_data`."""


class PrometheusServer:
    """Reads the story at the clock's time; a deployment on the story's timeline changes what it answers.

    `warnings` are added to every query's answer, as when part of the data is missing.
    """

    def __init__(
        self,
        story: Story,
        clock: Callable[[], float],
        faults: Faults | None = None,
        *,
        auth: WebAuth | None = None,
        alertmanagers: tuple[str, ...] = (),
    ) -> None:
        self.story = story
        self.clock = clock
        self.faults = faults or Faults()
        self.auth = auth
        self.alertmanagers = alertmanagers
        self.warnings: list[str] = []
        self.storage = storage(story.series, story.timeline)
        self.routes: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "query": self.query,
            "query_range": self.query_range,
            "series": self.series,
            "labels": self.labels,
            "metadata": self.metadata,
            "targets": self.targets,
            "rules": self.rules,
            "alerts": self.alerts,
            "alertmanagers": self.notified,
            "status/buildinfo": self.build,
        }

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        if self.auth is not None and (refusal := self.auth.refusal(request)) is not None:
            return refusal
        path = request.path
        if path in ("/-/ready", "/-/healthy"):
            return text_response(f"Prometheus Server is {path[3:].capitalize()}.\n")
        if path == "/":
            return Response(302, {"Content-Type": "text/html; charset=utf-8", "Location": "/graph"})
        name = path.removeprefix("/api/v1/")
        values = re.fullmatch(r"label/([^/]+)/values", name)
        route = self.routes.get(name) if path.startswith("/api/v1/") else None
        if values is not None:
            request, route = request._replace(match={"name": values[1]}), self.label_values
        if route is None:
            return plain("404 page not found", 404)
        allowed = ("GET", "OPTIONS", "POST") if name in BOTH else ("GET", "OPTIONS")
        if request.method == "OPTIONS":
            return Response(204)
        if request.method not in allowed:
            return plain("Method Not Allowed", 405, Allow=", ".join(allowed))
        if request.method == "POST":
            request = with_form(request)
        try:
            return await route(request)
        except BadParameter as error:
            return encode.failure(str(error))
        except QueryError as error:
            return encode.failure(f'invalid parameter "query": {error}')
        except ExecutionError as error:
            return encode.failure(str(error), "execution", 422)

    async def query(self, request: Request) -> Response:
        time = self.moment(request, "time")
        parameter(request, "timeout", encode.parse_seconds, 0)
        expr = parse(request.arg("query"))
        if kind_of(expr) == "range vector":
            return self.answer(encode.matrix(matrix_of(expr, self.storage, time)))
        value = evaluate(expr, self.storage, time)
        if isinstance(value, list):
            return self.answer(encode.vector(value, time))
        return self.answer(encode.scalar(value, time))

    async def query_range(self, request: Request) -> Response:
        start = parameter(request, "start", encode.parse_time)
        end = parameter(request, "end", encode.parse_time)
        if end < start:
            raise BadParameter('invalid parameter "end": end timestamp must not be before start time')
        step = parameter(request, "step", encode.parse_seconds)
        if step <= 0:
            problem = "zero or negative query resolution step widths are not accepted. Try a positive integer"
            raise BadParameter(f'invalid parameter "step": {problem}')
        if (end - start) // step > MAX_POINTS:
            limit = "exceeded maximum resolution of 11,000 points per timeseries."
            raise BadParameter(f"{limit} Try decreasing the query resolution (?step=XX)")
        expr = parse(request.arg("query"))
        if kind_of(expr) not in SCALARS:
            problem = f'invalid expression type "{kind_of(expr)}" for range query'
            raise BadParameter(f"{problem}, must be Scalar or instant Vector")
        found: dict[Labels, list[tuple[int, float]]] = {}
        for time in range(start, end + 1, step):
            value = evaluate(expr, self.storage, time)
            if isinstance(value, float):
                found.setdefault((), []).append((time, value))
            elif isinstance(value, list):
                for sample in value:
                    found.setdefault(sample.labels, []).append((time, sample.value))
        return self.answer(encode.matrix(sorted(found.items(), key=lambda row: row[0])))

    async def series(self, request: Request) -> Response:
        if not request.query.get("match[]"):
            raise BadParameter("no match[] parameter provided")
        return encode.success([dict(one.labels) for one in self.matched(request)])

    async def labels(self, request: Request) -> Response:
        return encode.success(sorted({name for one in self.matched(request) for name, _ in one.labels}))

    async def label_values(self, request: Request) -> Response:
        name = request.match["name"]
        if not LABEL.fullmatch(name):
            raise BadParameter(f'invalid label name: "{name}"')
        found = {dict(one.labels).get(name) for one in self.matched(request)}
        return encode.success(sorted(value for value in found if value is not None))

    async def metadata(self, request: Request) -> Response:
        limit = request.arg("limit", "-1")
        if not re.fullmatch(r"[-+]?\d+", limit):
            raise BadParameter("limit must be a number")
        named = {s.name: [{"type": s.kind, "help": s.help, "unit": ""}] for s in self.story.series if s.help}
        wanted = request.arg("metric")
        kept = {name: entry for name, entry in sorted(named.items()) if wanted in ("", name)}
        count = int(limit)
        return encode.success(dict(list(kept.items())[:count]) if count >= 0 else kept)

    async def targets(self, request: Request) -> Response:
        state = request.arg("state").lower()
        active = [self.target(one) for one in targets(self.story.series)] if state in ("", "any", "active") else []
        return encode.success({"activeTargets": active, "droppedTargets": []})

    async def rules(self, request: Request) -> Response:
        kind = request.arg("type").lower()
        if kind not in ("", "alert", "record"):
            raise BadParameter(f'invalid parameter "type": not supported value "{kind}"')
        return encode.success({"groups": groups(self.story, self.clock(), kind)})

    async def alerts(self, _: Request) -> Response:
        return encode.success({"alerts": [one.payload for one in raised(self.story, self.clock())]})

    async def notified(self, _: Request) -> Response:
        active = [{"url": f"{url}/api/v2/alerts"} for url in self.alertmanagers]
        return encode.success({"activeAlertmanagers": active, "droppedAlertmanagers": []})

    async def build(self, _: Request) -> Response:
        return encode.success(BUILD)

    def answer(self, data: str) -> Response:
        return encode.success(data, self.warnings)

    def moment(self, request: Request, name: str, default: float | None = None) -> int:
        text = request.arg(name)
        if not text:
            return round((self.clock() if default is None else default) * 1000)
        try:
            return encode.parse_time(text)
        except ValueError as error:
            problem = f"Invalid time value for '{name}': {error}"
            raise BadParameter(f'invalid parameter "{name}": {problem}') from None

    def matched(self, request: Request) -> list[Scraped]:
        """The series that fit any `match[]` and have a sample from `start` to `end`."""
        end = self.moment(request, "end")
        start = self.moment(request, "start", min((s.since for s in self.story.series), default=0.0))
        wanted = []
        for text in request.query.get("match[]", []):
            try:
                expr = parse(text)
                if not isinstance(expr, Selector) or expr.range_ms is not None:
                    raise QueryError("1:1: parse error: a plain selector is expected")
            except QueryError as error:
                raise BadParameter(f'invalid parameter "match[]": {error}') from None
            wanted.append(expr.matchers)
        found = [self.storage.select(matchers) for matchers in wanted] if wanted else [self.storage.series]
        unique = {one.labels: one for group in found for one in group if isinstance(one, Scraped)}
        return [one for _, one in sorted(unique.items()) if one.alive(start, end)]

    def target(self, one: Target) -> dict[str, Any]:
        now = round(self.clock() * 1000)
        last = now - (now - one.phase) % INTERVAL_MS
        url = f"http://{one.instance}/metrics"
        interval = f"{INTERVAL_MS // 1000}s"
        return {
            "discoveredLabels": {
                "__address__": one.instance,
                "__metrics_path__": "/metrics",
                "__scheme__": "http",
                "__scrape_interval__": interval,
                "__scrape_timeout__": "10s",
                "job": one.job,
            },
            "labels": one.labels,
            "scrapePool": one.job,
            "scrapeUrl": url,
            "globalUrl": url,
            "lastError": "" if one.up else f'Get "{url}": context deadline exceeded',
            "lastScrape": encode.nanoseconds(last / 1000),
            "lastScrapeDuration": 0.004 + one.phase / 4_000_000 if one.up else 10.0,
            "health": "up" if one.up else "down",
            "scrapeInterval": interval,
            "scrapeTimeout": "10s",
        }


def parameter(request: Request, name: str, read: Callable[[str], int], default: int | None = None) -> int:
    text = request.arg(name)
    if default is not None and not text:
        return default
    try:
        return read(text)
    except ValueError as error:
        raise BadParameter(f'invalid parameter "{name}": {error}') from None


def with_form(request: Request) -> Request:
    """The form of a POST before the query of its URL, as Go's r.FormValue reads them."""
    if request.header("content-type").split(";")[0].strip() != "application/x-www-form-urlencoded":
        return request
    form = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    merged = {name: form.get(name, []) + request.query.get(name, []) for name in form | request.query}
    return request._replace(query=merged)
