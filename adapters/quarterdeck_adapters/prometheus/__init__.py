"""Prometheus and what speaks its API: series, alerts, rules, targets (https://prometheus.io/docs/prometheus/latest/querying/api/)."""
