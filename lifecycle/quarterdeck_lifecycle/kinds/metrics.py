"""What the metrics pane shows."""

from __future__ import annotations

from typing import ClassVar

from quarterdeck_lifecycle.records import Record


class Series(Record, frozen=True, kw_only=True):
    """A live series: points as (epoch seconds, value or None for a gap), oldest first."""

    kind: ClassVar[str] = "series"
    pane: ClassVar[str] = "metrics"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    label: str = ""
    unit: str = ""
    expr: str = ""
    labels: dict[str, str] = {}
    points: tuple[tuple[float, float | None], ...] = ()
    value: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    warnings: tuple[str, ...] = ()


class Alert(Record, frozen=True, kw_only=True):
    """An alert, firing or pending. `silenced_by` names the silence and who made it."""

    kind: ClassVar[str] = "alert"
    pane: ClassVar[str] = "metrics"

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    severity: str = ""
    value: str = ""
    active_at: float | None = None
    silenced_by: str = ""
    runbook: str = ""


class Rule(Record, frozen=True, kw_only=True):
    """An alerting or recording rule as the monitoring system evaluates it."""

    kind: ClassVar[str] = "rule"
    pane: ClassVar[str] = "metrics"

    group: str = ""
    expr: str = ""
    rule_type: str = ""
    for_s: float | None = None
    labels: dict[str, str] = {}
    last_error: str = ""


class MonitorTarget(Record, frozen=True, kw_only=True):
    """What a monitoring system scrapes; one that is down makes its series partial."""

    kind: ClassVar[str] = "target"
    pane: ClassVar[str] = "metrics"

    job: str = ""
    address: str = ""
    labels: dict[str, str] = {}
    last_error: str = ""
    scraped_at: float | None = None


class Host(Record, frozen=True, kw_only=True):
    """A machine: percentages of CPU, memory and disk, load averages, rates in bytes a second."""

    kind: ClassVar[str] = "host"
    pane: ClassVar[str] = "metrics"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    cpu_percent: float | None = None
    cores: int | None = None
    load: tuple[float, ...] = ()
    memory: int | None = None
    memory_total: int | None = None
    swap: int | None = None
    disks: dict[str, float] = {}
    rx_s: float | None = None
    tx_s: float | None = None
    booted_at: float | None = None
    history: tuple[float | None, ...] = ()


class Gpu(Record, frozen=True, kw_only=True):
    """A GPU: use in percent, memory in bytes, temperature in degrees Celsius, power in watts."""

    kind: ClassVar[str] = "gpu"
    pane: ClassVar[str] = "metrics"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    use_percent: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    history: tuple[float | None, ...] = ()
