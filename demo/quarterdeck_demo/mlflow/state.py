"""What the server holds: experiments, runs, logged models, registered models and artifacts. Times are epoch ms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quarterdeck_demo.mlflow.wire import missing, number, stamp
from quarterdeck_demo.story import Learning

__all__ = ["Experiment", "LoggedModel", "Metric", "Model", "Run", "State", "Version", "pairs"]


def pairs(entries: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in entries.items()]


def given(payload: dict[str, Any]) -> dict[str, Any]:
    """A message without its empty repeated fields."""
    return {key: value for key, value in payload.items() if value != [] and value is not None}


class Metric(NamedTuple):
    """One logged value."""

    key: str
    value: float
    timestamp: int
    step: int

    @property
    def order(self) -> tuple[int, int, float, bool]:
        """As the SQL store sorts: NaN is kept as 0 with a flag."""
        nan = math.isnan(self.value)
        return self.step, self.timestamp, 0.0 if nan else self.value, nan

    @property
    def payload(self) -> dict[str, Any]:
        return {"key": self.key, "value": number(self.value), "timestamp": self.timestamp, "step": self.step}


@dataclass(slots=True)
class Experiment:
    """An experiment."""

    id: str
    name: str
    created: int
    updated: int
    tags: dict[str, str]

    @property
    def payload(self) -> dict[str, Any]:
        return given(
            {
                "experiment_id": self.id,
                "name": self.name,
                "artifact_location": f"mlflow-artifacts:/{self.id}",
                "lifecycle_stage": "active",
                "last_update_time": self.updated,
                "creation_time": self.created,
                "tags": pairs(self.tags),
                "workspace": "default",
            }
        )


@dataclass(slots=True)
class Run:
    """A run; one of the story logs along its `curves` until it ends, one that a client made what the client logs."""

    id: str
    name: str
    experiment: str
    user: str
    status: str
    started: int
    ended: int | None
    params: dict[str, str]
    tags: dict[str, str]
    logged: dict[str, list[Metric]] = field(default_factory=dict)
    curves: dict[str, Learning] = field(default_factory=dict)
    ends_by_itself: int | None = None
    models: list[str] = field(default_factory=list)

    def status_at(self, now: int) -> str:
        done = self.ends_by_itself is not None and now >= self.ends_by_itself
        return "FINISHED" if self.status == "RUNNING" and done else self.status

    def ended_at(self, now: int) -> int | None:
        return self.ends_by_itself if self.ended is None and self.status_at(now) != "RUNNING" else self.ended

    def keys(self) -> list[str]:
        return list({**self.curves, **self.logged})

    def history(self, key: str, now: int) -> list[Metric]:
        """All values of a metric until `now`, by timestamp, step and value."""
        found = [Metric(key, p.value, stamp(p.at), p.step) for p in self._points(key, now)]
        return sorted([*found, *self.logged.get(key, [])], key=lambda m: (m.timestamp, m.step, m.order[2]))

    def latest(self, key: str, now: int) -> Metric | None:
        """The value with the highest step, then the newest."""
        curve = self.curves.get(key)
        first = 0
        if curve is not None:
            first = max(int((self._until(now) / 1000 - curve.began_at) / curve.seconds), 0)
            first = min(first, curve.steps)
        newest = [Metric(key, p.value, stamp(p.at), p.step) for p in self._points(key, now, first)]
        return max([*newest, *self.logged.get(key, [])], key=lambda m: m.order, default=None)

    def _until(self, now: int) -> int:
        return now if self.ended is None else min(now, self.ended)

    def _points(self, key: str, now: int, first: int = 0) -> Iterable[Any]:
        curve = self.curves.get(key)
        return curve.points(self._until(now) / 1000, first) if curve is not None else ()

    def info(self, now: int) -> dict[str, Any]:
        return given(
            {
                "run_uuid": self.id,
                "experiment_id": self.experiment,
                "run_name": self.name,
                "user_id": self.user,
                "status": self.status_at(now),
                "start_time": self.started,
                "end_time": self.ended_at(now),
                "artifact_uri": f"mlflow-artifacts:/{self.experiment}/{self.id}/artifacts",
                "lifecycle_stage": "active",
                "run_id": self.id,
            }
        )

    def payload(self, now: int) -> dict[str, Any]:
        latest = [metric.payload for key in self.keys() if (metric := self.latest(key, now)) is not None]
        outputs = given({"model_outputs": [{"model_id": model, "step": 0} for model in self.models]})
        data = given({"metrics": latest, "params": pairs(self.params), "tags": pairs(self.tags)})
        return {"info": self.info(now), "data": data, "inputs": {}, "outputs": outputs}


@dataclass(slots=True)
class Version:
    """A version of a registered model."""

    name: str
    version: int
    created: int
    updated: int
    description: str
    source: str
    run_id: str
    tags: dict[str, str]
    stage: str = "None"
    status: str = "READY"
    user: str = ""

    def payload(self, aliases: Iterable[str] = ()) -> dict[str, Any]:
        return given(
            {
                "name": self.name,
                "version": str(self.version),
                "creation_timestamp": self.created,
                "last_updated_timestamp": self.updated,
                "user_id": self.user or None,
                "current_stage": self.stage,
                "description": self.description,
                "source": self.source,
                "run_id": self.run_id,
                "status": self.status,
                "tags": pairs(self.tags),
                "run_link": "",
                "aliases": sorted(aliases),
            }
        )


@dataclass(slots=True)
class Model:
    """A registered model."""

    name: str
    created: int
    updated: int
    description: str | None
    tags: dict[str, str]
    versions: dict[int, Version] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)

    def aliases_of(self, version: int) -> list[str]:
        return [alias for alias, number in self.aliases.items() if number == version]

    def latest(self) -> list[Version]:
        """The newest version of each stage; they carry no aliases."""
        newest = {version.stage: version for _, version in sorted(self.versions.items())}
        return sorted(newest.values(), key=lambda version: version.version)

    @property
    def payload(self) -> dict[str, Any]:
        return given(
            {
                "name": self.name,
                "creation_timestamp": self.created,
                "last_updated_timestamp": self.updated,
                "description": self.description,
                "latest_versions": [version.payload() for version in self.latest()],
                "tags": pairs(self.tags),
                "aliases": [{"alias": a, "version": str(v)} for a, v in sorted(self.aliases.items())],
            }
        )


@dataclass(slots=True)
class LoggedModel:
    """A logged model: in MLflow 3 a thing of its own, not a folder of its run."""

    id: str
    experiment: str
    name: str
    created: int
    updated: int
    status: str
    run_id: str
    params: dict[str, str]
    tags: dict[str, str]

    @property
    def folder(self) -> str:
        return f"{self.experiment}/models/{self.id}/artifacts"

    @property
    def payload(self) -> dict[str, Any]:
        info = {
            "model_id": self.id,
            "experiment_id": self.experiment,
            "name": self.name,
            "creation_timestamp_ms": self.created,
            "last_updated_timestamp_ms": self.updated,
            "artifact_uri": f"mlflow-artifacts:/{self.folder}",
            "status": self.status,
            "model_type": "",
            "source_run_id": self.run_id,
            "tags": pairs(self.tags),
        }
        return {"info": given(info), "data": given({"params": pairs(self.params)})}


@dataclass(slots=True)
class State:
    """Everything, by id or name."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    logged_models: dict[str, LoggedModel] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)

    def run(self, key: str) -> Run:
        if key not in self.runs:
            raise missing(f"Run with id={key} not found")
        return self.runs[key]

    def experiment(self, key: str) -> Experiment:
        if key not in self.experiments:
            raise missing(f"No Experiment with id={key} exists")
        return self.experiments[key]

    def logged_model(self, key: str) -> LoggedModel:
        if key not in self.logged_models:
            raise missing(f"Logged model with ID '{key}' not found.")
        return self.logged_models[key]

    def model(self, name: str) -> Model:
        if name not in self.models:
            raise missing(f"Registered Model with name={name} not found")
        return self.models[name]

    def version(self, name: str, number: int) -> Version:
        model = self.models.get(name)
        if model is None or number not in model.versions:
            raise missing(f"Model Version (name={name}, version={number}) not found")
        return model.versions[number]
