"""A Prometheus server as a source of series, alerts, rules and scrape targets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.prometheus.alertmanager import Alertmanagers
from quarterdeck_adapters.prometheus.alerts import alerts, rules, targets
from quarterdeck_adapters.prometheus.api import Api
from quarterdeck_adapters.prometheus.completing import Completer
from quarterdeck_adapters.prometheus.describe import describe
from quarterdeck_adapters.prometheus.query import answer_of, checked
from quarterdeck_adapters.prometheus.series import DOWN, SeriesList, down_text
from quarterdeck_adapters.prometheus.values import mapping, text
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.ports import Listing, Probe, Section, SeriesAnswer
from quarterdeck_lifecycle.records import Record, Ref

SPAN_S, STEP_S = 3600.0, 30.0
REST_S = {"series": 15.0, "alert": 15.0, "rule": 30.0, "target": 30.0}


class PrometheusSource:
    """One server that speaks Prometheus' HTTP API.

    `options`: `alertmanager` (a URL or several), `window` and `step` (seconds of the series pane).
    """

    system = "prometheus"
    kinds = ("series", "alert", "rule", "target")

    def __init__(self, config: SourceConfig, context: Context) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self._config = config
        self._context = context
        self._api = Api(config, context)
        self.address = self._api.url
        self._alertmanagers = Alertmanagers(self._api, config)
        self._completer = Completer(self._api)
        step = self._option("step", STEP_S, 1.0, 3600.0)
        span = self._option("window", SPAN_S, step, 86_400.0)
        self._series = SeriesList(self._api, config, self.environment, max(span, step), max(step, span / 2000))

    def _option(self, name: str, default: float, least: float, most: float) -> float:
        value = self._config.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise Conflict(
                f"the option {name} is {value}", source=self.name, why=f"it is no number from {least:g} to {most:g}",
                mend="correct it under options: of this source",
            )  # fmt: skip
        return float(value)

    async def probe(self) -> Probe:
        """Version, and what is wrong with its targets and its Alertmanager. Raises QuarterdeckError."""
        now = self._context.now()
        try:
            build = mapping(await self._api.data("status/buildinfo"))
        except (NotFound, Conflict):
            build = {}
        matrix, _ = await asyncio.gather(self._api.query(DOWN, now), self._alertmanagers.silenced(now))
        trouble = [down_text(matrix), *matrix.warnings, self._alertmanagers.trouble]
        if self._config.insecure:
            trouble.append("its certificate is not verified (insecure: true)")
        version = text(build.get("version"))
        return Probe(
            version=version,
            identity=f"Prometheus {version}" if version else "an API of Prometheus without a version",
            evidence=f"{self.address} answered {'/api/v1/status/buildinfo' if build else '/api/v1/query'}",
            warnings=tuple(line for line in trouble if line),
        )

    async def list(self, kind: str) -> Listing:
        """All rows of a kind. Raises QuarterdeckError."""
        if kind == "series":
            return await self._series.listing(self._context.now())
        if kind == "alert":
            payload, silenced = await asyncio.gather(
                self._api.data("alerts"), self._alertmanagers.silenced(self._context.now())
            )
            made = alerts(payload, self.name, self.environment, f"{self.address}/alerts", silenced)
            return Listing(rows=[alert for alert, _ in made])
        if kind == "rule":
            payload = await self._api.data("rules")
            return Listing(rows=[rule for rule, _ in rules(payload, self.name, self.environment)])
        if kind == "target":
            payload = await self._api.data("targets", {"state": "active"})
            return Listing(rows=[target for target, _ in targets(payload, self.name, self.environment)])
        raise Unsupported(f"no {kind} in a Prometheus", source=self.name)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:  # noqa: ARG002 - part of the port
        """Seconds to the next poll."""
        return self._config.interval or REST_S.get(kind, 60.0)

    async def query(self, expr: str, start: float, end: float, step: float) -> SeriesAnswer:
        """Points from `start` to `end` (epoch seconds), `step` seconds apart or as many more as keep an answer
        below 11,000 points a series. At most 50 series. Raises Conflict for an expression that is none.
        """
        first, last, pace = checked(start, end, step, self.name)
        matrix = await self._api.query_range(expr, first, last, pace)
        return await answer_of(matrix, self.name, self.environment, expr, first, last, pace)

    async def complete(self, prefix: str) -> Sequence[str]:
        """Whole texts that continue `prefix`: metrics, functions, labels and their values. Raises QuarterdeckError."""
        return await self._completer.complete(prefix, self._context.now())

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing. Raises QuarterdeckError."""
        if ref.source != self.name:
            raise NotFound(f"{ref} is not of this Prometheus", source=self.name)
        if ref.kind == "series":
            if ref not in self._series.rows:
                await self.list("series")
            series = self._series.rows.get(ref)
            if series is None:
                raise NotFound(f"the series {ref.id} is gone", source=self.name)
            return describe(series, {}, None)
        now = self._context.now()
        if ref.kind == "alert":
            payload, rule_payload, silenced = await asyncio.gather(
                self._api.data("alerts"), self._rules(), self._alertmanagers.silenced(now)
            )
            made = alerts(payload, self.name, self.environment, f"{self.address}/alerts", silenced)
            pairs: Sequence[tuple[Record, dict[str, object]]] = list(made)
        elif ref.kind == "rule":
            rule_payload = await self._rules()
            pairs = list(rules(rule_payload, self.name, self.environment))
        elif ref.kind == "target":
            rule_payload = None
            payload = await self._api.data("targets", {"state": "active"})
            pairs = list(targets(payload, self.name, self.environment))
        else:
            raise Unsupported(f"no {ref.kind} in a Prometheus", source=self.name)
        for record, found in pairs:
            if record.ref == ref:
                return describe(record, found, rule_payload)
        raise NotFound(f"the {ref.kind} {ref.id} is gone", source=self.name)

    async def _rules(self) -> object:
        return await self._api.data("rules")

    async def close(self) -> None:
        """Let go of every connection."""
        await asyncio.gather(self._api.close(), self._alertmanagers.close())
