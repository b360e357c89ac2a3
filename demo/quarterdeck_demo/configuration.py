"""The configuration that an operator of the practice world would have: its systems, environments and services."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quarterdeck_demo.story import Story

P95 = 'service:http_request_duration_seconds:p95{env="prod"}'
ERRORS = 'sum(rate(http_requests_total{env="prod",code=~"5.."}[1m])) / sum(rate(http_requests_total{env="prod"}[1m]))'
SERVED = 'model_version_info{service="scorer",env="$environment"}'
TRIAL = "fraud-trial"
"""The compose project of a container that no service has as its target."""


def configuration(story: Story, endpoints: Mapping[str, str], token_file: Path) -> dict[str, Any]:
    """What the config holds; `endpoints` as `World.start` returns them."""
    return {
        "environments": {
            "prod": {"protected": True, "color": "red"},
            "staging": {"color": "yellow"},
            "dev": {"color": "green"},
        },
        "repositories": [str(repository.path) for repository in story.repositories.values()],
        "sources": _sources(story, endpoints, token_file),
        "services": {service: _service(story, service) for service in story.releases},
        "models": {"fraud": {"primary_metric": "auc", "direction": "max"}},
        "views": {"night": {"environments": ["prod"], "filter": {"containers": "fraud|etl"}}},
    }


def _sources(story: Story, endpoints: Mapping[str, str], token_file: Path) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {
            "name": "github",
            "system": "github",
            "url": endpoints["github"],
            "repos": list(story.repositories),
            "token": {"file": str(token_file)},
        },
        {"name": "engine", "system": "docker", "url": endpoints["docker"]},
        {"name": "registry", "system": "registry", "url": endpoints["registry"]},
        {"name": "mlflow", "system": "mlflow", "url": endpoints["mlflow"]},
        {
            "name": "prometheus",
            "system": "prometheus",
            "url": endpoints["prometheus"],
            "series": {
                "p95": {"query": P95, "unit": "s", "label": "p95 of fraud-api", "max": 0.3},
                "errors": {"query": ERRORS, "label": "errors of fraud-api", "max": 0.01},
                "requests": {"query": 'sum(rate(http_requests_total{env="prod"}[1m]))', "unit": "/s"},
                "gpu0": {"query": 'DCGM_FI_DEV_GPU_UTIL{gpu="0"}', "unit": "%"},
            },
        },
    ]
    return made


def _service(story: Story, service: str) -> dict[str, Any]:
    environments: dict[str, Any] = {}
    for container in story.containers:
        if container.service == service and container.project != TRIAL:
            place = environments.setdefault(container.environment, {"targets": []})
            place["targets"].append({"kind": "container", "source": "engine", "name": container.name})
    if "prod" in environments:
        environments["prod"]["on_failure"] = "rollback"
    repository = next(r for r in story.repositories.values() if r.name == service)
    made: dict[str, Any] = {
        "repository": str(repository.path),
        "image": f"{story.registry}/team/{service}",
        "keep": 5,
        "environments": environments,
        "probe": {"engine": True, "timeout": "2s", "interval": "1s"},
        "gate": {"passes": 3, "within": "60s", "soak": "20s"},
    }
    if service == "fraud-api":
        made["guards"] = [{"source": "prometheus", "query": "errors", "max": 0.01, "no_data": "hold"}]
    if service in ("fraud-api", "scorer"):
        made["model"] = "fraud@champion"
    if service == "scorer":
        made["served"] = {"source": "prometheus", "query": SERVED, "label": "version"}
    return made
