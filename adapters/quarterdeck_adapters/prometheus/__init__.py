"""Prometheus and what speaks its API: series, alerts, rules, targets (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from quarterdeck_adapters.prometheus.discovery import discover
from quarterdeck_adapters.prometheus.source import PrometheusSource

__all__ = ["PrometheusSource", "discover"]
