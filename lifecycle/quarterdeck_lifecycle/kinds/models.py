"""What the models pane shows."""

from __future__ import annotations

from typing import ClassVar

from quarterdeck_lifecycle.records import Record


class RegisteredModel(Record, frozen=True, kw_only=True):
    """A registered model; `aliases` maps alias to version number."""

    kind: ClassVar[str] = "model"
    pane: ClassVar[str] = "models"
    watched: ClassVar[tuple[str, ...]] = ("aliases", "latest_version")

    aliases: dict[str, str] = {}
    latest_version: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    created_at: float | None = None
    primary_metric: str = ""


class ModelVersion(Record, frozen=True, kw_only=True):
    """A version of a registered model. `metric` is the configured primary one; `delta` is against the champion."""

    kind: ClassVar[str] = "version"
    pane: ClassVar[str] = "models"
    watched: ClassVar[tuple[str, ...]] = ("state",)

    model: str
    version: str
    aliases: tuple[str, ...] = ()
    run_id: str = ""
    model_source: str = ""
    stage: str = ""
    tags: dict[str, str] = {}
    metric_name: str = ""
    metric: float | None = None
    delta: float | None = None
    served_by: str = ""
    signature: str = ""
    created_at: float | None = None


class TrainingRun(Record, frozen=True, kw_only=True):
    """A training run with its live metric: last value, its step, steps a second, and whether it stalled."""

    kind: ClassVar[str] = "training_run"
    pane: ClassVar[str] = "models"

    experiment: str = ""
    run_id: str = ""
    user: str = ""
    metric_name: str = ""
    metric: float | None = None
    step: int | None = None
    rate: float | None = None
    params: dict[str, str] = {}
    metrics: dict[str, float | str] = {}
    tags: dict[str, str] = {}
    history: tuple[float | None, ...] = ()
    started_at: float | None = None
    finished_at: float | None = None


class Endpoint(Record, frozen=True, kw_only=True):
    """Something that serves a model. `served` is the version and `proof` how it is known, or why it is not."""

    kind: ClassVar[str] = "endpoint"
    pane: ClassVar[str] = "models"
    watched: ClassVar[tuple[str, ...]] = ("served",)

    model: str = ""
    served: str = ""
    proof: str = ""
    address: str = ""
    service: str = ""
