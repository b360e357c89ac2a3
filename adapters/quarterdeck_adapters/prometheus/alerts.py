"""Alerts, rules and scrape targets as the server tells them, made into records. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from quarterdeck_adapters.prometheus.api import number
from quarterdeck_adapters.prometheus.series import links
from quarterdeck_adapters.prometheus.values import (
    SEPARATOR,
    identity,
    labels,
    mapping,
    moment,
    rows,
    seconds,
    shown,
    text,
)  # fmt: skip
from quarterdeck_lifecycle.kinds import Alert, MonitorTarget, Rule
from quarterdeck_lifecycle.records import Ref, Status

Json = dict[str, Any]
Silenced = Callable[[dict[str, str]], str]
RUNBOOKS = ("runbook_url", "runbook", "runbook_link")
ALERT = {"firing": Status.BAD, "pending": Status.LOOK, "inactive": Status.OK}


def web(value: str) -> str:
    """An http or https address without control characters, or an empty string."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.hostname and value.isprintable() else ""


def value_text(value: Any) -> str:
    """An alert's value as people read it; as it was sent when it is no number."""
    found = number(text(value))
    return text(value)[:40] if found is None else shown(found)


def alert_id(found: Json) -> str:
    """What identifies an alert: its name and labels."""
    known = labels(found.get("labels"))
    return identity(known.get("alertname", ""), known)


def alerts(payload: Any, source: str, environment: str, url: str, silenced: Silenced) -> Iterator[tuple[Alert, Json]]:
    """Alerts of `/api/v1/alerts` with what they were made of."""
    for found in rows(mapping(payload).get("alerts")):
        known, notes = labels(found.get("labels")), labels(found.get("annotations"))
        state = text(found.get("state"))
        by = silenced(known)
        status = ALERT.get(state, Status.UNKNOWN)
        if status is Status.BAD and by and not by.startswith("unknown"):
            status = Status.LOOK
        at = moment(found.get("activeAt"))
        yield (
            Alert(
                ref=Ref(source, "alert", alert_id(found)),
                name=known.get("alertname") or "(no name)",
                status=status,
                state=state,
                updated_at=at,
                environment=environment,
                url=url,
                note=notes.get("summary") or notes.get("description") or notes.get("message") or "",
                links=links(known),
                labels=known,
                annotations=notes,
                severity=known.get("severity", ""),
                value=value_text(found.get("value")),
                active_at=at,
                silenced_by=by,
                runbook=next((web(notes[name]) for name in RUNBOOKS if web(notes.get(name, ""))), ""),
            ),
            found,
        )


def rules(payload: Any, source: str, environment: str) -> Iterator[tuple[Rule, Json]]:
    """Rules of `/api/v1/rules` with what they were made of."""
    seen: Counter[str] = Counter()
    for group in rows(mapping(payload).get("groups")):
        for found in rows(group.get("rules")):
            known = labels(found.get("labels"))
            kind, health = text(found.get("type")), text(found.get("health"))
            state = text(found.get("state")) if kind == "alerting" else health
            parts = (text(group.get("file")), text(group.get("name")))
            key = identity(text(found.get("name")), known, *parts)
            seen[key] += 1
            yield (
                Rule(
                    ref=Ref(source, "rule", key + (f"{SEPARATOR}{seen[key]}" if seen[key] > 1 else "")),
                    name=text(found.get("name")) or "(no name)",
                    status=rule_status(health, state, kind),
                    state=state,
                    environment=environment,
                    links=links(known),
                    group=text(group.get("name")),
                    expr=text(found.get("query")),
                    rule_type=kind,
                    for_s=seconds(found.get("duration")),
                    labels=known,
                    last_error=text(found.get("lastError")),
                ),
                found,
            )


def rule_status(health: str, state: str, kind: str) -> Status:
    """A rule that cannot be evaluated is bad; an alerting one is as its alerts are."""
    if health == "err":
        return Status.BAD
    if kind == "alerting":
        return ALERT.get(state, Status.UNKNOWN)
    return Status.OK if health == "ok" else Status.UNKNOWN


def targets(payload: Any, source: str, environment: str) -> Iterator[tuple[MonitorTarget, Json]]:
    """Active targets of `/api/v1/targets` with what they were made of."""
    seen: Counter[str] = Counter()
    for found in rows(mapping(payload).get("activeTargets")):
        known, health = labels(found.get("labels")), text(found.get("health"))
        job, instance = known.get("job") or text(found.get("scrapePool")), known.get("instance", "")
        url = text(found.get("scrapeUrl"))
        key = identity(text(found.get("scrapePool")), known, url)
        seen[key] += 1
        yield (
            MonitorTarget(
                ref=Ref(source, "target", key + (f"{SEPARATOR}{seen[key]}" if seen[key] > 1 else "")),
                name=f"{job}/{instance}" if instance else job or url,
                status={"up": Status.OK, "down": Status.BAD}.get(health, Status.UNKNOWN),
                state=health,
                environment=environment,
                note=text(found.get("lastError")),
                links=links(known),
                job=job,
                address=instance or url,
                labels=known,
                last_error=text(found.get("lastError")),
                scraped_at=moment(found.get("lastScrape")),
            ),
            found,
        )
