"""Prometheus and Alertmanager over the story."""

from quarterdeck_demo.prometheus.alertmanager import AlertmanagerServer
from quarterdeck_demo.prometheus.auth import WebAuth
from quarterdeck_demo.prometheus.server import PrometheusServer

__all__ = ["AlertmanagerServer", "PrometheusServer", "WebAuth"]
