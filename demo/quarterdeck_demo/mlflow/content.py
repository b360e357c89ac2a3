"""The story as the server holds it at the start."""

from __future__ import annotations

import json

import yaml

from quarterdeck_demo.mlflow.state import Experiment, LoggedModel, Model, Run, State, Version
from quarterdeck_demo.mlflow.wire import stamp
from quarterdeck_demo.story import ModelVersion, Story

__all__ = ["stock"]


def stock(story: Story) -> State:
    """Experiments, runs, registered models, and a logged model with its files for each version."""
    state = State()
    for one in story.experiments:
        created = stamp(one.created_at)
        state.experiments[one.id] = Experiment(one.id, one.name, created, created, dict(one.tags))
    for run in story.training:
        state.runs[run.id] = Run(
            run.id, run.name, run.experiment, run.user, run.status, stamp(run.started_at),
            None if run.ended_at is None else stamp(run.ended_at), dict(run.params), dict(run.tags),
            curves=run.curves, ends_by_itself=stamp(run.ends_at),
        )  # fmt: skip
    for model in story.models:
        held = state.models[model.name] = Model(
            model.name, stamp(model.created_at), stamp(model.updated_at), model.description or None, dict(model.tags)
        )
        held.aliases.update(model.aliases)
        for version in model.versions:
            held.versions[version.version] = Version(
                version.model, version.version, stamp(version.created_at), stamp(version.updated_at),
                version.description, f"models:/{version.logged_model}", version.run_id, dict(version.tags),
                status=version.status, user=version.user,
            )  # fmt: skip
            log_model(state, version)
    return state


def log_model(state: State, version: ModelVersion) -> None:
    run = state.runs[version.run_id]
    created = stamp(version.created_at)
    named = json.dumps([{"name": version.model, "version": version.version}])
    made = LoggedModel(
        version.logged_model, run.experiment, "model", created, created, "LOGGED_MODEL_READY", run.id,
        dict(run.params), {"mlflow.user": version.user, "mlflow.modelVersions": named},
    )  # fmt: skip
    state.logged_models[made.id] = made
    run.models.append(made.id)
    for name, data in files(version, created).items():
        state.artifacts[f"{made.folder}/{name}"] = data


def files(version: ModelVersion, created: int) -> dict[str, bytes]:
    """The files of a model; only MLmodel is ever read, the pickle is noise that nothing may load."""
    inputs = [
        {"type": kind, "name": name, "required": True}
        for name, _, kind in (column.partition(":") for column in version.tags.get("signature", "").split(","))
        if name
    ]
    described = {
        "artifact_path": f"mlflow-artifacts:/models/{version.logged_model}",
        "flavors": {
            "python_function": {
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.sklearn",
                "model_path": "model.pkl",
                "predict_fn": "predict",
                "python_version": "3.12.8",
            },
            "sklearn": {
                "pickled_model": "model.pkl",
                "serialization_format": "cloudpickle",
                "sklearn_version": "1.7.2",
            },
        },
        "mlflow_version": "3.4.0",
        "model_id": version.logged_model,
        "model_size_bytes": 2048,
        "run_id": version.run_id,
        "signature": {
            "inputs": json.dumps(inputs),
            "outputs": json.dumps([{"type": "double", "name": "score", "required": True}]),
            "params": None,
        },
        "utc_time_created": str(created),
    }
    return {
        "MLmodel": yaml.safe_dump(described, sort_keys=True).encode(),
        "conda.yaml": b"name: mlflow-env\ndependencies:\n- python=3.12.8\n",
        "model.pkl": bytes(range(256)) * 8,
        "requirements.txt": b"mlflow==3.4.0\nscikit-learn==1.7.2\n",
    }
