"""A Prometheus with an Alertmanager for the adapter's tests: the practice ones, or real ones, behind the same face."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from parts.process import wait_until
from parts.prom import Alertmanager, Exporter, Prometheus
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.prometheus.source import PrometheusSource
from quarterdeck_config.schema import Config
from quarterdeck_demo.prometheus import AlertmanagerServer, PrometheusServer
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story
from quarterdeck_lifecycle.records import Record

NOW = 1_795_412_000.0
RUNBOOK = "https://runbooks.acme.example/"


class Rig:
    """Where it is, what fires there, and how to silence it."""

    firing = "FraudP95High"
    pending = "EtlLag"

    def __init__(self, url: str, down: str, now: Callable[[], float], real: bool) -> None:
        self.url, self.down, self.now, self.real = url, down, now, real
        self.made: list[PrometheusSource] = []

    def source(self, **config: Any) -> PrometheusSource:
        """A source on it, with steps of a second where time is real."""
        options = {"step": 1, "window": 60, **config.pop("options", {})} if self.real else config.pop("options", {})
        made = make_source(self.url, now=self.now, options=options, **config)
        self.made.append(made)
        return made

    def silence_of(self, alert: str) -> dict[str, Any]:
        """A silence as Alertmanager takes it."""
        at = self.now()
        return {
            "matchers": [{"name": "alertname", "value": alert, "isRegex": False, "isEqual": True}],
            "startsAt": _time(at - 60), "endsAt": _time(at + 3600), "createdBy": "op1", "comment": "known, on it",
        }  # fmt: skip

    async def silence(self, alert: str) -> str:
        """Silence an alert and return the silence's id."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close what was made here."""
        for source in self.made:
            await source.close()


class PracticeRig(Rig):
    """The practice servers, at a time that stands still."""

    def __init__(self) -> None:
        self.clock = NOW
        super().__init__("", "scorer/scorer-2:8080", lambda: self.clock, real=False)

    async def start(self, story: Story) -> PracticeRig:
        """Serve the story."""
        self.alertmanager = AlertmanagerServer(story, self.now)
        self.alerts_server = Server(self.alertmanager.handler, clock=self.now)
        self.alerts_url = f"http://127.0.0.1:{await self.alerts_server.start_tcp()}"
        self.prometheus = PrometheusServer(story, self.now, alertmanagers=(self.alerts_url,))
        self.server = Server(self.prometheus.handler, clock=self.now)
        self.url = f"http://127.0.0.1:{await self.server.start_tcp()}"
        return self

    async def silence(self, alert: str) -> str:
        """Silence by the API."""
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            sent = await client.post(f"{self.alerts_url}/api/v2/silences", json=self.silence_of(alert))
            return str(sent.raise_for_status().json()["silenceID"])

    async def close(self) -> None:
        """Close the servers too."""
        await super().close()
        await self.server.stop()
        await self.alerts_server.stop()
        assert self.server.errors == self.alerts_server.errors == []


class RealRig(Rig):
    """Real servers, which scrape an exporter of the test's own and a port where nothing listens."""

    GROUPS: Sequence[dict[str, Any]] = (
        {
            "name": "alerts",
            "rules": [
                {
                    "alert": Rig.firing, "expr": "vector(0.4268) and on () (armed == 1)", "for": "0s",
                    "labels": {"severity": "critical", "service": "fraud-api", "env": "prod"},
                    "annotations": {"summary": "p95 of fraud-api over 300 ms", "runbook_url": RUNBOOK + "fraud-p95"},
                },
                {"alert": Rig.pending, "expr": "vector(855)", "for": "1h", "labels": {"severity": "warning"}},
            ],
        },
        {"name": "records", "rules": [{"record": "job:up:avg", "expr": "avg by (job) (up)"}]},
    )  # fmt: skip

    def __init__(self, prometheus: Prometheus, alertmanager: Alertmanager) -> None:
        super().__init__(prometheus.url, "dead/127.0.0.1:9", time.time, real=True)
        self.alertmanager = alertmanager
        self.silences: list[str] = []

    @classmethod
    def prepare(cls, prometheus: Prometheus, alertmanager: Alertmanager, exporter: Exporter) -> None:
        """Have the servers scrape and alert, and wait until they do. Once for a run of tests: it takes seconds."""
        for code, count in (("200", 90.0), ("500", 10.0)):
            exporter.set("http_requests_total", count, {"service": "fraud-api", "code": code})
        for bound, count in (("0.1", 50.0), ("1", 90.0), ("+Inf", 100.0)):
            exporter.set("http_request_duration_seconds_bucket", count, {"service": "fraud-api", "le": bound})
        exporter.set("node_memory_MemAvailable_bytes", 2.0)
        exporter.set("node_memory_MemTotal_bytes", 100.0)
        targets = {"fraud-api": [exporter.address], "dead": ["127.0.0.1:9"]}
        prometheus.configure(targets, cls.GROUPS, [alertmanager.address])
        # An alert that fires before the Alertmanager is known is sent a minute later, so it waits for this metric.
        known = lambda: prometheus.call("GET", "/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]  # noqa: E731
        wait_until(known, "the Alertmanager to be known")
        exporter.set("armed", 1)
        prometheus.wait_for("count_over_time(http_requests_total[1m]) >= 8")
        prometheus.wait_for(f'up{{instance="127.0.0.1:9"}} == 0 and on () ALERTS{{alertname="{cls.firing}"}}')
        wait_until(lambda: alertmanager.call("GET", "/api/v2/alerts").json(), "the alert at the Alertmanager")

    async def silence(self, alert: str) -> str:
        """Silence by the API, until the test ends."""
        sent = self.alertmanager.call("POST", "/api/v2/silences", json=self.silence_of(alert))
        self.silences.append(str(sent.json()["silenceID"]))
        return self.silences[-1]

    async def close(self) -> None:
        """Take the silences back too."""
        await super().close()
        for each in self.silences:
            self.alertmanager.call("DELETE", f"/api/v2/silence/{each}")


def make_source(url: str, *, now: Callable[[], float] = time.time, **config: Any) -> PrometheusSource:
    """A source on an address; `secret` and `env` go to its context."""
    secret, env = config.pop("secret", lambda _: ""), config.pop("env", {})
    context = Context(secret=secret, env=env, config=Config(), project="/", now=now)
    return PrometheusSource(SourceConfig(name="prom", system="prometheus", url=url, **config), context)


def make_story(folder: Path) -> Story:
    """The story at the tests' time."""
    return build_story(3, NOW, folder / "story")


async def rows(source: PrometheusSource, kind: str) -> dict[str, Any]:
    """The rows of a kind by name."""
    found: Sequence[Record] = (await source.list(kind)).rows
    return {row.name: row for row in found}


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
