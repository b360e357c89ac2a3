"""Metric series, alerting rules and what ran when."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck_demo.story.code import DAY, HOUR, MINUTE
from quarterdeck_demo.story.curves import Alert, Series, Timeline
from quarterdeck_demo.story.records import Container, Release

BUCKETS: tuple[tuple[str, float, float], ...] = (
    ("0.05", 0.55, 0.12), ("0.1", 0.90, 0.30), ("0.25", 0.97, 0.62), ("0.5", 0.995, 0.97),
    ("1", 0.999, 0.995), ("+Inf", 1.0, 1.0),
)  # fmt: skip
"""Bound in seconds, share of requests below it when well, and in full trouble."""
SINCE = 40 * DAY


def timeline(containers: Sequence[Container], released: Sequence[Release]) -> Timeline:
    """What ran until now: each container's release, and in production the one before it."""
    line = Timeline()
    for container in containers:
        if container.release is None or container.state == "created" or container.number > 1:
            continue
        line.deployed(container.created_at, container.service, container.environment,
                      container.release.version, broken=container.release.broken)  # fmt: skip
    for release in released:
        if release.service == "fraud-api" and release.version in ("v38", "v39", "v40"):
            at = release.created_at + HOUR
            line.deployed(at, release.service, "prod", release.version, broken=release.broken)
    return line


def _api(now: float, instance: int, environment: str, rate: float) -> list[Series]:
    labels = {"job": "fraud-api", "service": "fraud-api", "env": environment,
              "instance": f"{environment}-{instance}:8080"}  # fmt: skip
    made = [Series("up", labels, "gauge", "Whether the target answered", 1.0, since=now - SINCE)]

    def counter(name: str, more: dict[str, str], help: str, share: float, hurt: float) -> None:
        made.append(
            Series(name, {**labels, **more}, "counter", help, rate * share, rate * share * 0.28, hurt=rate * hurt,
                   since=now - SINCE, service="fraud-api", environment=environment)
        )  # fmt: skip

    for code, share, hurt in (("200", 0.985, -0.0055), ("404", 0.0135, 0.0), ("500", 0.0015, 0.0055)):
        counter("http_requests_total", {"code": code, "method": "POST"}, "Requests answered", share, hurt)
    name = "http_request_duration_seconds"
    for bound, well, ill in BUCKETS:
        counter(f"{name}_bucket", {"le": bound}, "Time to answer", well, ill - well)
    counter(f"{name}_count", {}, "Time to answer", 1.0, 0.0)
    counter(f"{name}_sum", {}, "Time to answer", 0.062, 0.14)
    return made


def series(now: float, containers: Sequence[Container], releases: Sequence[Release]) -> tuple[Series, ...]:
    """Every series that the Prometheus of the practice world scrapes."""
    made: list[Series] = []
    start = now - SINCE
    for number in (1, 2, 3):
        made += _api(now, number, "prod", 14.0)
    made += _api(now, 1, "staging", 0.6)
    for environment, base, hurt in (("prod", 0.12, 0.292), ("staging", 0.11, 0.292)):
        labels = {"service": "fraud-api", "env": environment}
        made.append(
            Series("service:http_request_duration_seconds:p95", labels, "gauge", "p95 of the time to answer",
                   base, 0.015, 0.012, hurt, since=start, service="fraud-api", environment=environment)
        )  # fmt: skip
    made += [
        Series("service_build_info", {"job": r.service, "service": r.service, "env": environment,
               "version": r.version, "revision": r.sha}, "gauge", "The version that runs", 1.0, since=start,
               service=r.service, environment=environment, version=r.version)
        for r in releases for environment in ("prod", "staging", "dev")
    ]  # fmt: skip
    for environment, version in (("prod", "17"), ("staging", "18")):
        labels = {"job": "scorer", "service": "scorer", "env": environment, "model": "fraud"}
        made.append(Series("model_version_info", {**labels, "version": version}, "gauge",
                           "The model version that is served", 1.0, since=start))  # fmt: skip
        made.append(Series("model_predictions_total", {**labels, "version": version}, "counter", "Predictions",
                           38.0 if environment == "prod" else 0.6, 9.0, since=start))  # fmt: skip
    for feature, psi in (("amount", 0.31), ("merchant", 0.06), ("hour", 0.02)):
        made.append(Series("model_feature_psi", {"model": "fraud", "version": "17", "env": "prod",
                           "feature": feature}, "gauge", "Population stability index", psi, wobble=0.01,
                           since=start))  # fmt: skip
    made.append(Series("up", {"job": "scorer", "env": "prod", "instance": "scorer-2:8080"}, "gauge",
                       "Whether the target answered", 0.0, since=start))  # fmt: skip
    made.append(Series("etl_lag_seconds", {"job": "etl", "service": "etl", "env": "staging"}, "gauge",
                       "Age of the newest feature", 20.0, slope=1.0, since=now - 14 * MINUTE))  # fmt: skip
    return (*made, *_containers(containers), *_hosts(now))


def _containers(containers: Sequence[Container]) -> list[Series]:
    made = []
    for container in containers:
        if container.state != "running":
            continue
        labels = {"job": "cadvisor", "name": container.name, "env": container.environment}
        made += [
            Series("container_cpu_usage_seconds_total", labels, "counter", "CPU time",
                   container.cpu / 100, container.cpu / 500, since=container.started_at),
            Series("container_memory_usage_bytes", labels, "gauge", "Memory in use", container.memory,
                   wobble=container.memory / 50, since=container.started_at),
        ]  # fmt: skip
    return made


def _hosts(now: float) -> list[Series]:
    made = []
    start = now - SINCE
    for host, busy in (("prod-1", 0.35), ("prod-2", 0.42), ("gpu-1", 0.2)):
        labels = {"job": "node", "instance": f"{host}:9100"}
        for mode, share in (("idle", 1 - busy), ("user", busy * 0.8), ("system", busy * 0.2)):
            made.append(Series("node_cpu_seconds_total", {**labels, "cpu": "0", "mode": mode}, "counter",
                               "CPU time by mode", share, share * 0.1, since=start))  # fmt: skip
        disk = {**labels, "mountpoint": "/var", "fstype": "ext4", "device": "/dev/vda1"}
        size = 100 * 1024.0**3
        filling = host == "prod-2"
        made += [
            Series("node_filesystem_size_bytes", disk, "gauge", "Size of the filesystem", size, since=start),
            Series("node_filesystem_avail_bytes", disk, "gauge", "Space left",
                   size * (0.10 if filling else 0.55), slope=-size * 0.03 / HOUR if filling else 0.0,
                   since=now - 20 * MINUTE if filling else start),
            Series("node_memory_MemAvailable_bytes", labels, "gauge", "Memory left", 9.5e9, 1e9, 2e8, since=start),
            Series("node_memory_MemTotal_bytes", labels, "gauge", "Memory", 16e9, since=start),
        ]  # fmt: skip
    gpu = {"job": "dcgm", "gpu": "0", "instance": "gpu-1:9400", "modelName": "H100"}
    made += [
        Series("DCGM_FI_DEV_GPU_UTIL", gpu, "gauge", "GPU busy, percent", 71.0, 3.0, 6.0, since=start, high=100.0),
        Series("DCGM_FI_DEV_FB_USED", gpu, "gauge", "GPU memory in use, MiB", 48_000.0, wobble=900.0, since=start),
    ]
    return made


def alerts(every: Sequence[Series]) -> tuple[Alert, ...]:
    """The alerting rules: one fires from the incident, one from a disk, one is pending, one is quiet."""

    def find(name: str, **labels: str) -> Series:
        return next(s for s in every if s.name == name and labels.items() <= s.labels.items())

    p95 = find("service:http_request_duration_seconds:p95", env="prod")
    disk = find("node_filesystem_avail_bytes", instance="prod-2:9100")
    book = "https://runbooks.acme.example/"
    return (
        Alert("FraudP95High", 'service:http_request_duration_seconds:p95{env="prod"} > 0.3', 240.0,
              {"severity": "critical", "service": "fraud-api", "env": "prod"},
              {"summary": "p95 of fraud-api over 300 ms", "runbook_url": book + "fraud-p95"}, p95, 0.3),
        Alert("DiskWillFill", 'node_filesystem_avail_bytes{mountpoint="/var"} < 10.5e9', 600.0,
              {"severity": "warning", "instance": "prod-2:9100", "mountpoint": "/var"},
              {"summary": "/var of prod-2 is over 90 % full", "runbook_url": book + "disk"}, disk, 1.075e10,
              above=False),
        Alert("EtlLag", 'etl_lag_seconds{env="staging"} > 300', 1800.0,
              {"severity": "warning", "service": "etl", "env": "staging"},
              {"summary": "features are older than 5 minutes", "runbook_url": book + "etl"},
              find("etl_lag_seconds"), 300.0),
        Alert("ScorerDriftHigh", 'model_feature_psi{feature="merchant"} > 0.25', 600.0,
              {"severity": "warning", "service": "scorer", "env": "prod"},
              {"summary": "a feature drifts", "runbook_url": book + "drift"},
              find("model_feature_psi", feature="merchant"), 0.25),
    )  # fmt: skip
