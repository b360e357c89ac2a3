"""Experiments, runs, metric histories and logged models.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html#create-experiment and what follows it there; the
sampling of get-history-bulk-interval is that of MLflow 3.17's SQL store.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.mlflow.filters import Lookup, Value, fits_all, parse_filter, sorted_by
from quarterdeck_demo.mlflow.models import bad_clause, tags_of
from quarterdeck_demo.mlflow.state import Experiment, LoggedModel, Metric, Run, State
from quarterdeck_demo.mlflow.wire import (
    Field,
    MlflowError,
    found,
    invalid,
    missing,
    page,
    parameters,
    reply,
    safe_float,
    stamp,
)

__all__ = ["Tracking", "sampled"]

RUN, METRIC = Field("run_id", required=True), Field("metric_key", required=True)
MAX_SAMPLES = 2500
SAMPLES = Field(
    "max_results", "int", most=MAX_SAMPLES, least=1, told=f"max_results must be between 1 and {MAX_SAMPLES}."
)
SHAPE = "Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01')."


class Tracking:
    """The tracking endpoints on a state."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self.state, self.clock = state, clock
        self.routes: dict[str, dict[str, Callable[[Request], Response]]] = {
            "experiments/create": {"POST": self.create_experiment},
            "experiments/search": {"GET": self.search_experiments, "POST": self.search_experiments},
            "experiments/get": {"GET": self.get_experiment},
            "experiments/get-by-name": {"GET": self.get_experiment_by_name},
            "runs/create": {"POST": self.create_run},
            "runs/get": {"GET": self.get_run},
            "runs/search": {"POST": self.search_runs},
            "runs/update": {"POST": self.update_run},
            "runs/log-metric": {"POST": self.log_metric},
            "runs/log-batch": {"POST": self.log_batch},
            "runs/set-tag": {"POST": self.set_tag},
            "runs/outputs": {"POST": self.log_outputs},
            "metrics/get-history": {"GET": self.history},
            "metrics/get-history-bulk-interval": {"GET": self.history_sampled},
            "logged-models": {"POST": self.create_logged_model},
            "logged-models/search": {"POST": self.search_logged_models},
            "logged-models/{id}": {"GET": self.get_logged_model, "PATCH": self.finish_logged_model},
        }

    def now(self) -> int:
        return stamp(self.clock())

    def create_experiment(self, request: Request) -> Response:
        asked = parameters(request, (Field("name", required=True), Field("tags", "array")))
        if any(one.name == asked["name"] for one in self.state.experiments.values()):
            raise MlflowError("RESOURCE_ALREADY_EXISTS", f"Experiment(name={asked['name']}) already exists.")
        key, now = str(1 + max(map(int, self.state.experiments), default=0)), self.now()
        self.state.experiments[key] = Experiment(key, asked["name"], now, now, tags_of(asked))
        return reply({"experiment_id": key})

    def search_experiments(self, request: Request) -> Response:
        fields = (Field("max_results", "int"), Field("order_by", "array"), Field("filter"), Field("page_token"))
        asked = parameters(request, fields)
        count = asked.get("max_results", 0)
        if count < 1:
            problem = "It must be a positive integer"
            raise invalid(f"Invalid value {count} for parameter 'max_results' supplied. {problem}")
        clauses = parse_filter(asked.get("filter", ""), bad_clause)
        rows = sorted(self.state.experiments.values(), key=lambda one: (-one.updated, one.id))
        rows = [one for one in rows if fits_all(clauses, experiment_lookup(one))]
        rows = sorted_by(rows, asked.get("order_by", []), experiment_lookup)
        kept, following = page(rows, count, asked.get("page_token", ""))
        return reply(found("experiments", [one.payload for one in kept], following))

    def get_experiment(self, request: Request) -> Response:
        asked = parameters(request, (Field("experiment_id", required=True),))
        return reply({"experiment": self.state.experiment(asked["experiment_id"]).payload})

    def get_experiment_by_name(self, request: Request) -> Response:
        name = parameters(request, (Field("experiment_name", required=True),))["experiment_name"]
        for one in self.state.experiments.values():
            if one.name == name:
                return reply({"experiment": one.payload})
        raise missing(f"Could not find experiment with name '{name}'")

    def create_run(self, request: Request) -> Response:
        fields = (Field("experiment_id"), Field("start_time", "int"), Field("run_name"), Field("user_id"))
        asked = parameters(request, (*fields, Field("tags", "array")))
        key = uuid.uuid4().hex
        experiment = self.state.experiment(asked.get("experiment_id", "0")).id
        tags = tags_of(asked)
        name = asked.get("run_name") or tags.get("mlflow.runName") or f"bold-crane-{int(key[:3], 16)}"
        tags.setdefault("mlflow.runName", name)
        started = asked.get("start_time", self.now())
        user = asked.get("user_id", "")
        self.state.runs[key] = Run(key, name, experiment, user, "RUNNING", started, None, {}, tags)
        told = self.state.runs[key].payload(self.now())
        del told["outputs"]
        return reply({"run": told})

    def get_run(self, request: Request) -> Response:
        if "run_id" not in request.query and "run_uuid" in request.query:
            request.query["run_id"] = request.query["run_uuid"]
        return reply({"run": self.state.run(parameters(request, (RUN,))["run_id"]).payload(self.now())})

    def search_runs(self, request: Request) -> Response:
        fields = (Field("experiment_ids", "array"), Field("filter"), Field("max_results", "int", most=50_000))
        asked = parameters(request, (*fields, Field("order_by", "array"), Field("page_token")))
        clauses = parse_filter(asked.get("filter", ""), lambda text: bad_clause(f"'{text}'"))
        wanted, now = set(asked.get("experiment_ids", [])), self.now()

        def lookup(run: Run) -> Lookup:
            return run_lookup(run, now)

        rows = [one for one in self.state.runs.values() if one.experiment in wanted and fits_all(clauses, lookup(one))]
        rows.sort(key=lambda one: (-one.started, one.id))
        rows = sorted_by(rows, asked.get("order_by", []), lookup)
        kept, following = page(rows, asked.get("max_results", 1000), asked.get("page_token", ""))
        return reply(found("runs", [one.payload(now) for one in kept], following))

    def update_run(self, request: Request) -> Response:
        fields = (RUN, Field("status"), Field("end_time", "int"), Field("run_name"))
        asked = parameters(request, fields)
        run = self.state.run(asked["run_id"])
        run.status = asked.get("status", run.status)
        run.ended = asked.get("end_time", run.ended)
        if asked.get("run_name"):
            run.name = run.tags["mlflow.runName"] = asked["run_name"]
        return reply({"run_info": run.info(self.now())})

    def log_metric(self, request: Request) -> Response:
        value, at = Field("value", "float", required=True), Field("timestamp", "int", required=True)
        asked = parameters(request, (RUN, Field("key", required=True), value, at, Field("step", "int")))
        self.log(self.state.run(asked["run_id"]), asked)
        return reply({})

    def log_batch(self, request: Request) -> Response:
        arrays = [Field(name, "array") for name in ("metrics", "params", "tags")]
        asked = parameters(request, (RUN, *arrays))
        run = self.state.run(asked["run_id"])
        for metric in asked.get("metrics", []):
            self.log(run, metric)
        run.params |= tags_of({"tags": asked.get("params", [])})
        run.tags |= tags_of(asked)
        return reply({})

    def log(self, run: Run, raw: dict[str, Any]) -> None:
        made = Metric(raw["key"], safe_float(raw["value"]), int(raw["timestamp"]), int(raw.get("step", 0)))
        run.logged.setdefault(made.key, []).append(made)

    def set_tag(self, request: Request) -> Response:
        asked = parameters(request, (RUN, Field("key", required=True), Field("value")))
        self.state.run(asked["run_id"]).tags[asked["key"]] = asked.get("value", "")
        return reply({})

    def log_outputs(self, request: Request) -> Response:
        asked = parameters(request, (RUN, Field("models", "array")))
        self.state.run(asked["run_id"]).models += [one["model_id"] for one in asked.get("models", [])]
        return reply({})

    def history(self, request: Request) -> Response:
        asked = parameters(request, (RUN, METRIC, Field("max_results", "int"), Field("page_token")))
        count = asked.get("max_results")
        if count is not None and count < 1:
            problem = "It must be a positive integer."
            raise invalid(f"Invalid value {count} for parameter 'max_results' supplied. {problem}")
        run = self.state.runs.get(asked["run_id"])
        rows = run.history(asked["metric_key"], self.now()) if run else []
        kept, following = page(rows, count or len(rows), asked.get("page_token", ""))
        return reply(found("metrics", [one.payload for one in kept], following))

    def history_sampled(self, request: Request) -> Response:
        bounds = (Field("start_step", "int"), Field("end_step", "int"), SAMPLES)
        asked = parameters(request, (Field("run_ids", "array", required=True), METRIC, *bounds))
        first, last = asked.get("start_step"), asked.get("end_step")
        if (first is None) != (last is None):
            raise invalid("If either start step or end step are specified, both must be specified.")
        if first is not None and last is not None and first > last:
            told = f"Found start_step={first} and end_step={last}."
            raise invalid(f"end_step must be greater than start_step. {told}")
        count, now, rows = asked.get("max_results", MAX_SAMPLES), self.now(), []
        for key in asked["run_ids"]:
            run = self.state.runs.get(key)
            points = sorted(run.history(asked["metric_key"], now), key=lambda m: m.order) if run else []
            if first is not None and last is not None:
                points = [one for one in points if first <= one.step <= last]
            rows += [{**one.payload, "run_id": key} for one in sampled(points, count)]
        return reply(found("metrics", rows))

    def create_logged_model(self, request: Request) -> Response:
        fields = (Field("experiment_id", required=True), Field("name"), Field("source_run_id"))
        asked = parameters(request, (*fields, Field("params", "array"), Field("tags", "array")))
        key, now = "m-" + uuid.uuid4().hex, self.now()
        made = LoggedModel(
            key, self.state.experiment(asked["experiment_id"]).id, asked.get("name", "model"), now, now,
            "LOGGED_MODEL_PENDING", asked.get("source_run_id", ""), tags_of({"tags": asked.get("params", [])}),
            tags_of(asked),
        )  # fmt: skip
        self.state.logged_models[key] = made
        return reply({"model": made.payload})

    def finish_logged_model(self, request: Request) -> Response:
        model = self.state.logged_model(request.match["id"])
        asked = parameters(request, (Field("status", required=True),))
        model.status, model.updated = asked["status"], self.now()
        return reply({"model": model.payload})

    def get_logged_model(self, request: Request) -> Response:
        return reply({"model": self.told(self.state.logged_model(request.match["id"]))})

    def search_logged_models(self, request: Request) -> Response:
        fields = (Field("experiment_ids", "array", required=True), Field("filter"), Field("max_results", "int"))
        asked = parameters(request, (*fields, Field("order_by", "array"), Field("page_token")))
        text = asked.get("filter", "")
        clauses = parse_filter(text, lambda _: invalid(f"Invalid filter string: {text!r}. {SHAPE}"))
        rows = [one for one in self.state.logged_models.values() if one.experiment in asked["experiment_ids"]]
        rows = [one for one in rows if fits_all(clauses, logged_lookup(one))]
        rows.sort(key=lambda one: (-one.created, one.id))
        kept, following = page(rows, asked.get("max_results", 50), asked.get("page_token", ""))
        return reply(found("models", [self.told(one) for one in kept], following))

    def told(self, model: LoggedModel) -> dict[str, Any]:
        """A logged model with the registered versions made of it."""
        source = f"models:/{model.id}"
        versions = [
            {"name": version.name, "version": version.version}
            for registered in self.state.models.values()
            for _, version in sorted(registered.versions.items())
            if version.source == source
        ]
        if versions:
            model.tags["mlflow.modelVersions"] = json.dumps(versions)
        return model.payload


def sampled(points: list[Metric], count: int) -> list[Metric]:
    """The first of each of `count` equal buckets, and the very last point in place of the last of them."""
    if len(points) <= count:
        return points
    size, larger = divmod(len(points), count)
    starts = [bucket * size + min(bucket, larger) for bucket in range(count)]
    return [points[start] for start in starts[:-1]] + [points[-1]]


def experiment_lookup(one: Experiment) -> Lookup:
    attributes: dict[str, Value] = {"name": one.name, "creation_time": one.created, "last_update_time": one.updated}
    return lambda kind, key: one.tags.get(key) if kind == "tag" else attributes.get(key)


def run_lookup(run: Run, now: int) -> Lookup:
    def lookup(kind: str, key: str) -> str | float | None:
        if kind == "metric":
            latest = run.latest(key, now)
            return None if latest is None else latest.value
        if kind in ("param", "tag"):
            return (run.params if kind == "param" else run.tags).get(key)
        value = run.info(now).get({"created": "start_time", "Created": "start_time"}.get(key, key))
        return value if isinstance(value, str | int) else None

    return lookup


def logged_lookup(model: LoggedModel) -> Lookup:
    attributes: dict[str, Value] = {
        "name": model.name, "model_id": model.id, "status": model.status, "source_run_id": model.run_id,
        "creation_time": model.created, "creation_timestamp": model.created,
    }  # fmt: skip

    def lookup(kind: str, key: str) -> Value:
        if kind in ("tag", "param"):
            return (model.tags if kind == "tag" else model.params).get(key)
        return attributes.get(key)

    return lookup
