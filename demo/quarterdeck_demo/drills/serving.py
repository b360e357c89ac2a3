"""The scorer of production as a program that asks the registry once, when it starts, which version to serve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quarterdeck_demo.docker.services import ServiceLife
from quarterdeck_demo.docker.state import Container
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.story import Series, Story

MODEL, ALIAS, PLACE = "fraud", "champion", "prod"
SERVED = "fraud-served"
"""The service of the timeline whose versions are those of the model that is served."""
FIRST = "17"
METRICS = ("model_version_info", "model_predictions_total", "model_feature_psi")


def with_versions(story: Story, extra: Iterable[Series] = ()) -> Story:
    """Each version of the model has its series, while it is served. `extra` are series that belong to it."""
    kept = [
        series for series in story.series
        if not (series.name in METRICS and series.labels.get("env") == PLACE)
    ]  # fmt: skip
    labels = {"job": "scorer", "service": "scorer", "env": PLACE, "model": MODEL}
    since = story.now - 40 * 86_400.0
    for version in next(model for model in story.models if model.name == MODEL).versions:
        own = {"service": SERVED, "environment": PLACE, "version": str(version.version), "since": since}
        named = {**labels, "version": str(version.version)}
        kept += [
            Series("model_version_info", named, "gauge", "The model version that is served", 1.0, **own),  # type: ignore[arg-type]
            Series("model_predictions_total", named, "counter", "Predictions", 38.0, 9.0, **own),  # type: ignore[arg-type]
        ]
    story.timeline.deployed(story.now - 9 * 86_400.0, SERVED, PLACE, FIRST, broken=False)
    return replace(story, series=(*kept, *extra))


def alias(stage: Stage) -> str:
    """The version that the alias names now; empty when it is gone."""
    return str(stage.mlflow.state.models[MODEL].aliases.get(ALIAS, ""))


def served(stage: Stage) -> str:
    """The version that production serves now."""
    return stage.story.timeline.version(SERVED, PLACE, stage.clock())


def move(stage: Stage, version: str) -> None:
    """Somebody moves the alias."""
    model = stage.mlflow.state.models[MODEL]
    model.aliases[ALIAS] = int(version)
    model.updated = int(stage.clock() * 1000)


def resolve_at_start(stage: Stage, bad: frozenset[str] = frozenset()) -> None:
    """From now on the scorer serves what the alias names when it starts; `bad` versions do harm."""

    def started(container: Container, action: str) -> None:
        life = container.life
        if action != "start" or not isinstance(life, ServiceLife):
            return
        if (life.spec.service, life.spec.environment) == ("scorer", PLACE) and (named := alias(stage)):
            stage.story.timeline.deployed(stage.clock(), SERVED, PLACE, named, broken=named in bad)

    stage.docker.world.watchers.append(started)
