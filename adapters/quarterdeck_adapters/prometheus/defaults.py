"""Series worth watching when the config names none: chosen by the metrics that the server really has.

Names and labels are those of the client libraries' HTTP middlewares, OpenTelemetry's semantic conventions
(https://opentelemetry.io/docs/specs/semconv/http/http-metrics/) and the node exporter.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from quarterdeck_adapters.prometheus.api import Api
from quarterdeck_adapters.prometheus.values import texts
from quarterdeck_lifecycle.errors import Conflict, NotFound

MOST = 12
"""Series on the screen by default, over all queries."""
KEPT_S = 600.0
REQUESTS = (
    "http_requests_total", "http_server_requests_total", "http_server_requests_seconds_count",
    "http_server_request_duration_seconds_count", "http_request_duration_seconds_count",
)  # fmt: skip
BUCKETS = (
    "http_request_duration_seconds_bucket", "http_server_requests_seconds_bucket",
    "http_server_request_duration_seconds_bucket",
)  # fmt: skip
CODES = ("code", "status", "status_code", "http_status_code", "http_response_status_code")
PLACES = ("service", "env", "environment")
CPU, MEMORY, MEMORY_TOTAL = "node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"
DISK, DISK_TOTAL = "node_filesystem_avail_bytes", "node_filesystem_size_bytes"
KNOWN = (*REQUESTS, *BUCKETS, CPU, MEMORY, MEMORY_TOTAL, DISK, DISK_TOTAL, "up")
REAL_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|devtmpfs"'


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A query under a name, with its unit and limits in that unit."""

    name: str
    query: str
    unit: str = ""
    label: str = ""
    maximum: float | None = None
    minimum: float | None = None
    near: bool = True
    """Whether a value near a limit deserves a look before it passes it."""


def grouping(labels: Collection[str]) -> str:
    """By what a service is told from another: its own labels, else the job."""
    found = [name for name in PLACES if name in labels]
    return ", ".join(found if "service" in found else ["job", *found])


def requests(metric: str, labels: Collection[str]) -> list[Named]:
    """Rate, and the share of errors where the status code is known."""
    by = grouping(labels)
    rate = f"sum by ({by}) (rate({metric}[5m]))"
    made = [Named(name="requests", query=rate, unit="/s", label="requests")]
    code = next((name for name in CODES if name in labels), "")
    if code:
        errors = f'sum by ({by}) (rate({metric}{{{code}=~"5.."}}[5m]))'
        made.append(Named(name="errors", query=f"100 * ({errors} or 0 * {rate}) / {rate}", unit="%", label="errors"))
    return made


def latency(metric: str, labels: Collection[str]) -> Named:
    """The 95th percentile, in seconds."""
    query = f"histogram_quantile(0.95, sum by (le, {grouping(labels)}) (rate({metric}[5m])))"
    return Named(name="p95", query=query, unit="s", label="p95")


def hosts(names: Collection[str]) -> list[Named]:
    """CPU, memory and the fullest disk of each machine with a node exporter, in percent."""
    made = []
    if CPU in names:
        idle = f'avg by (instance) (rate({CPU}{{mode="idle"}}[5m]))'
        made.append(Named(name="cpu", query=f"100 - 100 * {idle}", unit="%", label="cpu"))
    if MEMORY in names and MEMORY_TOTAL in names:
        used = f"100 * (1 - {MEMORY} / {MEMORY_TOTAL})"
        made.append(Named(name="memory", query=used, unit="%", label="memory", maximum=95))
    if DISK in names and DISK_TOTAL in names:
        free = f"{DISK}{{{REAL_DISKS}}} / {DISK_TOTAL}{{{REAL_DISKS}}}"
        used = f"100 * max by (instance) (1 - {free})"
        made.append(Named(name="disk", query=used, unit="%", label="disk", maximum=90))
    return made


class Defaults:
    """The default queries of one server, looked for once in ten minutes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: tuple[float, list[Named]] | None = None

    async def named(self, now: float) -> list[Named]:
        """The queries. Raises QuarterdeckError."""
        if self._kept is None or not 0 <= now - self._kept[0] < (KEPT_S if self._kept[1] else 60.0):
            self._kept = (now, await self._look(now))
        return self._kept[1]

    async def _look(self, now: float) -> list[Named]:
        window = {"start": f"{now - 3600:.3f}", "end": f"{now:.3f}"}
        matcher = f'{{__name__=~"{"|".join(map(re.escape, KNOWN))}"}}'
        try:
            found = await self._api.data("label/__name__/values", {"match[]": matcher, **window})
            names = set(texts(found))
            made: list[Named] = []
            metric = next((name for name in REQUESTS if name in names), "")
            if metric:
                made += requests(metric, await self._labels(metric, window))
            metric = next((name for name in BUCKETS if name in names), "")
            if metric:
                made.append(latency(metric, await self._labels(metric, window)))
        except (Conflict, NotFound):
            names, made = {"up"}, []
        made += hosts(names)
        if "up" in names:
            made.append(Named(name="up", query="100 * avg by (job) (up)", unit="%", label="up", minimum=100,
                              near=False))  # fmt: skip
        return made

    async def _labels(self, metric: str, window: dict[str, str]) -> set[str]:
        return set(texts(await self._api.data("labels", {"match[]": metric, **window})))
