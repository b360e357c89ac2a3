"""Alerting and recording rules of the practice Prometheus, and the alerts that they raise at a moment."""

from __future__ import annotations

from typing import Any, NamedTuple

from quarterdeck_demo.prometheus.encode import nanoseconds, scientific
from quarterdeck_demo.prometheus.scrape import INTERVAL_MS
from quarterdeck_demo.story import Alert, Story

__all__ = ["Raised", "groups", "raised"]

RECORDED = "service:http_request_duration_seconds:p95"
RECORDING = "histogram_quantile(0.95, sum by (service, env, le) (rate(http_request_duration_seconds_bucket[5m])))"
TOOK = 0.000412


class Raised(NamedTuple):
    """An alert that is pending or firing."""

    alert: Alert
    labels: dict[str, str]
    state: str
    since: float
    value: float

    @property
    def payload(self) -> dict[str, Any]:
        return {
            "labels": self.labels,
            "annotations": dict(sorted(self.alert.annotations.items())),
            "state": self.state,
            "activeAt": nanoseconds(self.since),
            "value": scientific(self.value),
        }


def evaluated_at(now: float) -> float:
    """When the rules were last evaluated."""
    return now - now % (INTERVAL_MS / 1000)


def raised(story: Story, now: float) -> list[Raised]:
    """Every alert that is not inactive, in the order of the rules."""
    at = evaluated_at(now)
    found = []
    for alert in story.alerts:
        since = alert.active_since(at, story.timeline)
        if since is None:
            continue
        labels = {"alertname": alert.name, **alert.series.labels, **alert.labels}
        state = "firing" if at - since >= alert.hold else "pending"
        value = alert.series.value(at, story.timeline)
        found.append(Raised(alert, dict(sorted(labels.items())), state, since, value))
    return found


def groups(story: Story, now: float, kind: str) -> list[dict[str, Any]]:
    """/api/v1/rules; `kind` is alert, record or empty for both."""
    at = nanoseconds(evaluated_at(now))
    timing = {"evaluationTime": TOOK, "lastEvaluation": at}
    alerts = raised(story, now)
    alerting = []
    for alert in story.alerts:
        mine = [one for one in alerts if one.alert.name == alert.name]
        alerting.append(
            {
                "state": mine[0].state if mine else "inactive",
                "name": alert.name,
                "query": alert.expr,
                "duration": int(alert.hold),
                "keepFiringFor": 0,
                "labels": dict(sorted(alert.labels.items())),
                "annotations": dict(sorted(alert.annotations.items())),
                "alerts": [one.payload for one in mine],
                "health": "ok",
                **timing,
                "type": "alerting",
            }
        )
    recording = {"name": RECORDED, "query": RECORDING, "health": "ok", **timing, "type": "recording"}
    found = []
    for name, rules, of in (("alerts", alerting, "alert"), ("recorded", [recording], "record")):
        if kind in ("", of):
            head = {"name": name, "file": f"/etc/prometheus/{name}.yml", "rules": rules}
            found.append({**head, "interval": INTERVAL_MS // 1000, "limit": 0, **timing})
    return found
