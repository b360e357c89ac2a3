"""The tabs of every pane."""

from __future__ import annotations

from quarterdeck.views import containers, metrics, models, pipelines, releases, repositories
from quarterdeck.views.model import View

TABS: dict[str, tuple[View, ...]] = {
    "repositories": repositories.VIEWS,
    "pipelines": pipelines.VIEWS,
    "containers": (containers.VIEWS[0], releases.SERVICES, *containers.VIEWS[1:]),
    "models": models.VIEWS,
    "metrics": metrics.VIEWS,
}

TITLES = {
    "repositories": "Repos",
    "pipelines": "Pipelines",
    "containers": "Containers",
    "models": "Models",
    "metrics": "Metrics",
}


def view_of(kind: str) -> View | None:
    """The view that shows a kind of record."""
    return next((view for views in TABS.values() for view in views if view.kind == kind), None)
