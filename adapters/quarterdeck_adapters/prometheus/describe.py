"""The tabs of a series, an alert, a rule and a target. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck_adapters.prometheus.alerts import value_text
from quarterdeck_adapters.prometheus.values import labels, mapping, moment, rows, shown, text
from quarterdeck_config.secrets import mask_mapping
from quarterdeck_lifecycle.kinds import Alert, MonitorTarget, Rule, Series
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Record, utc

Fields = tuple[tuple[str, str], ...]


def given(*pairs: tuple[str, str | None]) -> Fields:
    """Only the fields that have a value."""
    return tuple((name, value) for name, value in pairs if value)


def label_fields(found: dict[str, str]) -> Fields:
    """Labels, secrets masked."""
    return tuple(sorted(mask_mapping(found).items()))


def describe(record: Record, found: dict[str, Any], rule_payload: object) -> list[Section]:
    """The tabs of a row. `found` is what it was made of, `rule_payload` the answer of `/api/v1/rules`."""
    if isinstance(record, Series):
        return series(record)
    if isinstance(record, Alert):
        return alert(record, rule_payload)
    if isinstance(record, Rule):
        return rule(record, found)
    if isinstance(record, MonitorTarget):
        return target(record, found)
    return []


def series(record: Series) -> list[Section]:
    """A series with the numbers of its window."""
    known = [value for _, value in record.points if value is not None]
    unit = record.unit

    def with_unit(value: float | None) -> str:
        return "-" if value is None else f"{shown(value)}{unit}"

    numbers = (
        ("now", with_unit(record.value)),
        ("minimum", with_unit(min(known, default=None))),
        ("average", with_unit(sum(known) / len(known) if known else None)),
        ("maximum", with_unit(max(known, default=None))),
        ("samples", f"{len(known)} of {len(record.points)} steps"),
    )
    limits = given(
        ("above is bad", with_unit(record.maximum) if record.maximum is not None else None),
        ("below is bad", with_unit(record.minimum) if record.minimum is not None else None),
    )
    window = given(
        ("from", utc(record.points[0][0]) if record.points else None),
        ("to", utc(record.points[-1][0]) if record.points else None),
        ("note", record.note),
        ("warnings", "\n".join(record.warnings)),
    )
    made = [
        Section(title="Overview", fields=(("name", record.name), ("expression", record.expr), *numbers, *window)),
        Section(title="Labels", fields=label_fields(record.labels)),
    ]
    return [*made, Section(title="Limits", fields=limits)] if limits else made


def alert(record: Alert, rule_payload: object) -> list[Section]:
    """An alert and the rule that raised it."""
    raised_by = rule_of(record.labels, rule_payload)
    overview = given(
        ("alert", record.name), ("state", record.state), ("severity", record.severity), ("value", record.value),
        ("since", utc(record.active_at)), ("silenced by", record.silenced_by), ("summary", record.note),
        ("runbook", record.runbook), ("expression", text(raised_by.get("query"))),
        ("for", f"{raised_by['duration']:g} s" if isinstance(raised_by.get("duration"), int | float) else None),
    )  # fmt: skip
    return [
        Section(title="Overview", fields=overview),
        Section(title="Labels", fields=label_fields(record.labels)),
        Section(title="Annotations", fields=label_fields(record.annotations)),
    ]


def rule_of(known: dict[str, str], rule_payload: object) -> dict[str, Any]:
    """The alerting rule with an alert of exactly these labels; an empty one when there is none."""
    for group in rows(mapping(rule_payload).get("groups")):
        for found in rows(group.get("rules")):
            if any(labels(one.get("labels")) == known for one in rows(found.get("alerts"))):
                return found
    return {}


def rule(record: Rule, found: dict[str, Any]) -> list[Section]:
    """A rule, its labels and annotations, and the alerts it has raised."""
    took = found.get("evaluationTime")
    overview = given(
        ("rule", record.name), ("group", record.group), ("type", record.rule_type), ("state", record.state),
        ("health", text(found.get("health"))), ("last error", record.last_error), ("expression", record.expr),
        ("for", f"{record.for_s:g} s" if record.for_s else None),
        ("evaluated", utc(moment(found.get("lastEvaluation")))),
        ("took", f"{took * 1000:.3g} ms" if isinstance(took, int | float) else None),
    )  # fmt: skip
    made = [Section(title="Overview", fields=overview), Section(title="Labels", fields=label_fields(record.labels))]
    notes = labels(found.get("annotations"))
    if notes:
        made.append(Section(title="Annotations", fields=label_fields(notes)))
    raised = rows(found.get("alerts"))
    if raised:
        lines = tuple(
            (
                text(one.get("state")), value_text(one.get("value")), utc(moment(one.get("activeAt"))) or "",
                " ".join(f"{name}={value}" for name, value in label_fields(labels(one.get("labels")))),
            )
            for one in raised[:200]
        )  # fmt: skip
        note = f"200 of {len(raised)}" if len(raised) > 200 else ""
        table = (("STATE", "VALUE", "SINCE", "LABELS"), *lines)
        made.append(Section(title="Alerts", shape="table", table=table, note=note))
    return made


def target(record: MonitorTarget, found: dict[str, Any]) -> list[Section]:
    """A scrape target: how its last scrape went, and what it was found as."""
    took = found.get("lastScrapeDuration")
    overview = given(
        ("target", record.name), ("job", record.job), ("health", record.state), ("last error", record.last_error),
        ("url", text(found.get("scrapeUrl"))), ("scraped", utc(record.scraped_at)),
        ("took", f"{took * 1000:.3g} ms" if isinstance(took, int | float) else None),
        ("interval", text(found.get("scrapeInterval"))), ("timeout", text(found.get("scrapeTimeout"))),
    )  # fmt: skip
    return [
        Section(title="Overview", fields=overview),
        Section(title="Labels", fields=label_fields(record.labels)),
        Section(title="Discovered", fields=label_fields(labels(found.get("discoveredLabels")))),
    ]
