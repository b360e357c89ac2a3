"""Series, alerts, hosts, GPUs, rules and scrape targets as rows."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.fmt import age, duration, glyph, number, one_line, size
from quarterdeck.views.model import Look, View, by_name, counted, newest_first, trouble_first, worst
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.plot import spark
from quarterdeck_lifecycle.kinds import Alert, Gpu, Host, MonitorTarget, Rule, Series
from quarterdeck_lifecycle.records import TROUBLE, Record, Status

SERIES_COLUMNS = (
    Column("status", "", 1),
    Column("name", "SERIES", 20, flex=2, min_width=16),
    Column("value", "NOW", 9, "right"),
    Column("history", "LAST HOUR", 16),
    Column("limit", "LIMIT", 9, "right", priority=1),
    Column("source", "SOURCE", 10, flex=1, min_width=8, priority=3),
    Column("note", "NOTE", 20, flex=2, min_width=6, priority=2),
)


def series_row(series: Series, look: Look) -> Row:
    """One live series as a line of its own chart."""
    values = [value for _, value in series.points]
    limit = "-" if series.maximum is None else f"≤{number(series.maximum)}"
    if series.minimum is not None:
        limit = f"≥{number(series.minimum)}"
    return Row(
        series.ref,
        (
            glyph(series.status),
            Cell(series.label or series.name),
            Cell(f"{number(series.value)}{series.unit}", "bad" if series.status is Status.BAD else ""),
            Cell(spark(values, 16), "warn" if series.status in (Status.BAD, Status.LOOK) else "info"),
            Cell(limit, "dim"),
            Cell(series.ref.source, "dim"),
            Cell(one_line(series.note or " ".join(series.warnings)), "warn" if series.warnings else "dim"),
        ),
    )


def series_line(rows: Sequence[Series], look: Look) -> str:
    """The collapsed pane: the first few series with their last points."""
    parts = []
    for series in sorted(rows, key=lambda s: TROUBLE[s.status])[:3]:
        mark = "▲" if series.status in (Status.BAD, Status.LOOK) else ""
        values = [value for _, value in series.points]
        parts.append(f"{series.label or series.name} {spark(values, 7)} {number(series.value)}{series.unit}{mark}")
    return "   ".join(parts) or "no series"


ALERT_COLUMNS = (
    Column("status", "", 1),
    Column("name", "ALERT", 20, flex=2, min_width=10),
    Column("where", "WHERE", 20, flex=2, min_width=8),
    Column("state", "STATE", 8),
    Column("for", "SINCE", 5, "right", priority=1),
    Column("value", "VALUE", 9, "right", priority=2),
    Column("silenced", "SILENCED", 12, flex=1, min_width=6, priority=3),
    Column("note", "SUMMARY", 24, flex=3, min_width=8, priority=2),
)


def alert_row(alert: Alert, look: Look) -> Row:
    """One alert."""
    place = " ".join(alert.labels[key] for key in ("env", "environment", "service", "instance") if key in alert.labels)
    return Row(
        alert.ref,
        (
            glyph(alert.status),
            Cell(alert.name),
            Cell(place or alert.labels.get("job", "-"), "dim"),
            Cell(alert.state, "bad" if alert.status is Status.BAD else "warn"),
            Cell(age(alert.active_at, look.now), "dim"),
            Cell(alert.value, "dim"),
            Cell(alert.silenced_by or "no", "dim"),
            Cell(one_line(alert.annotations.get("summary", alert.note)), "dim"),
        ),
    )


def alert_line(alerts: Sequence[Alert], look: Look) -> str:
    """The collapsed pane when alerts are on top."""
    first = worst(alerts)
    return "no alert" if first is None else f"{first.name} {first.state} · {counted(alerts)}"


HOST_COLUMNS = (
    Column("status", "", 1),
    Column("name", "HOST", 16, flex=1, min_width=8),
    Column("cpu", "CPU%", 5, "right"),
    Column("history", "", 16, priority=2),
    Column("load", "LOAD", 14, priority=3),
    Column("memory", "MEMORY", 13, "right"),
    Column("disk", "DISK", 12, flex=1, min_width=8),
    Column("net", "NET ↓ ↑", 13, "right", priority=1),
)


def host_row(host: Host, look: Look) -> Row:
    """One machine."""
    disk = max(host.disks.items(), key=lambda item: item[1], default=None)
    full = disk is not None and disk[1] >= 90
    return Row(
        host.ref,
        (
            glyph(host.status),
            Cell(host.name),
            Cell("-" if host.cpu_percent is None else f"{host.cpu_percent:.0f}"),
            Cell(spark(host.history, 16), "info"),
            Cell(" ".join(f"{value:.1f}" for value in host.load), "dim"),
            Cell(f"{size(host.memory)} of {size(host.memory_total)}", "dim"),
            Cell("-" if disk is None else f"{disk[1]:.0f}% {disk[0]}", "warn" if full else "dim"),
            Cell(f"{size(host.rx_s)} {size(host.tx_s)}", "dim"),
        ),
    )


def host_line(hosts: Sequence[Host], look: Look) -> str:
    """The collapsed pane when hosts are on top."""
    first = worst(hosts)
    if first is None:
        return "no host"
    return f"{first.name} cpu {number(first.cpu_percent)}% mem {size(first.memory)}"


GPU_COLUMNS = (
    Column("status", "", 1),
    Column("name", "GPU", 24, flex=2, min_width=10),
    Column("use", "USE%", 5, "right"),
    Column("history", "", 16, priority=1),
    Column("memory", "MEMORY", 13, "right"),
    Column("temperature", "TEMP", 5, "right"),
    Column("power", "POWER", 6, "right"),
)


def gpu_row(gpu: Gpu, look: Look) -> Row:
    """One GPU."""
    return Row(
        gpu.ref,
        (
            glyph(gpu.status),
            Cell(gpu.name),
            Cell("-" if gpu.use_percent is None else f"{gpu.use_percent:.0f}"),
            Cell(spark(gpu.history, 16), "info"),
            Cell(f"{size(gpu.memory)} of {size(gpu.memory_total)}", "dim"),
            Cell("-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f}C", "dim"),
            Cell("-" if gpu.power_w is None else f"{gpu.power_w:.0f}W", "dim"),
        ),
    )


def gpu_line(gpus: Sequence[Gpu], look: Look) -> str:
    """The collapsed pane when GPUs are on top."""
    return "no gpu" if not gpus else " ".join(f"{gpu.name} {number(gpu.use_percent)}%" for gpu in gpus[:4])


RULE_COLUMNS = (
    Column("status", "", 1),
    Column("name", "RULE", 22, flex=1, min_width=10),
    Column("group", "GROUP", 14, flex=1, min_width=6, priority=2),
    Column("type", "TYPE", 9, priority=1),
    Column("state", "STATE", 8),
    Column("for", "FOR", 5, "right", priority=3),
    Column("expr", "EXPRESSION", 40, flex=3, min_width=10),
)


def rule_row(rule: Rule, look: Look) -> Row:
    """One rule."""
    return Row(
        rule.ref,
        (
            glyph(rule.status),
            Cell(rule.name),
            Cell(rule.group, "dim"),
            Cell(rule.rule_type, "dim"),
            Cell(rule.state),
            Cell(duration(rule.for_s), "dim"),
            Cell(one_line(rule.last_error or rule.expr), "bad" if rule.last_error else "dim"),
        ),
    )


TARGET_COLUMNS = (
    Column("status", "", 1),
    Column("name", "TARGET", 30, flex=2, min_width=12),
    Column("job", "JOB", 14, flex=1, min_width=6),
    Column("state", "STATE", 8),
    Column("error", "LAST ERROR", 40, flex=3, min_width=10),
)


def target_row(target: MonitorTarget, look: Look) -> Row:
    """One scrape target."""
    return Row(
        target.ref,
        (
            glyph(target.status),
            Cell(target.address or target.name),
            Cell(target.job, "dim"),
            Cell(target.state),
            Cell(one_line(target.last_error), "bad" if target.last_error else "dim"),
        ),
    )


def count_line(rows: Sequence[Record], look: Look) -> str:
    """A collapsed line that only counts."""
    return f"{len(rows)} · {counted(rows)}"


VIEWS = (
    View("series", "Metrics", SERIES_COLUMNS, series_row, {"given": lambda s: 0, "trouble": trouble_first,
         "name": by_name}, series_line),
    View("alert", "Alerts", ALERT_COLUMNS, alert_row, {"trouble": trouble_first, "newest": newest_first}, alert_line),
    View("host", "Hosts", HOST_COLUMNS, host_row, {"name": by_name}, host_line),
    View("gpu", "GPUs", GPU_COLUMNS, gpu_row, {"name": by_name}, gpu_line),
    View("rule", "Rules", RULE_COLUMNS, rule_row, {"trouble": trouble_first, "name": by_name}, count_line),
    View("target", "Targets", TARGET_COLUMNS, target_row, {"trouble": trouble_first, "name": by_name}, count_line),
)  # fmt: skip
