"""MLflow for the adapter's tests: one way to fill a server, the practice one and the real one, and sources on it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_config.schema import Config
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.mlflow import MlflowAuth, MlflowServer
from quarterdeck_demo.server import Server
from quarterdeck_lifecycle.kinds import ModelVersion, TrainingRun
from quarterdeck_lifecycle.records import Record, Ref

SIGNATURE = {
    "inputs": json.dumps([{"type": "double", "name": "amount", "required": True}]),
    "outputs": json.dumps([{"type": "double", "required": True}]),
    "params": None,
}


def ml_model(signature: Mapping[str, Any] = SIGNATURE) -> bytes:
    """An MLmodel file; JSON is YAML."""
    return json.dumps({"flavors": {"sklearn": {}}, "mlflow_version": "3.4.0", "signature": signature}).encode()


class Lab:
    """A server to fill by its own REST API, in an experiment of the lab's own."""

    def __init__(self, url: str, server: Server | None = None, mlflow: MlflowServer | None = None) -> None:
        self.url = url
        self.server = server
        self.mlflow = mlflow
        self.tag = uuid.uuid4().hex[:8]
        self._experiment = ""
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=60)
        self._sources: list[MlflowSource] = []

    @property
    def faults(self) -> Faults:
        """The practice server's faults."""
        assert self.server is not None
        return self.server.faults

    def asked(self, path: str) -> int:
        """How often the practice server was asked for something that contains `path`."""
        assert self.server is not None
        return sum(path in seen.path for seen in self.server.requests)

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call below the base path."""
        answer = await self._client.request(method, f"/api/2.0/mlflow/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def experiment(self, tags: Mapping[str, str] | None = None) -> str:
        """The lab's experiment."""
        if not self._experiment:
            body = {"name": f"lab-{self.tag}", "tags": listed(tags or {})}
            self._experiment = str((await self.call("POST", "experiments/create", body))["experiment_id"])
        return self._experiment

    async def run(
        self, name: str, metrics: Iterable[tuple[str, float | str, float, int]] = (), *, status: str = "RUNNING",
        tags: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None, started: float | None = None,
    ) -> str:  # fmt: skip
        """A run with metrics (name, value, epoch seconds, step)."""
        began = int((started or time.time()) * 1000)
        body = {"experiment_id": await self.experiment(), "run_name": name, "start_time": began,
                "tags": listed(tags or {})}  # fmt: skip
        id = str((await self.call("POST", "runs/create", body))["run"]["info"]["run_id"])
        await self.log(id, metrics)
        await self.call("POST", "runs/log-batch", {"run_id": id, "params": listed(params or {})})
        if status != "RUNNING":
            await self.call("POST", "runs/update", {"run_id": id, "status": status, "end_time": began + 60_000})
        return id

    async def log(self, run_id: str, metrics: Iterable[tuple[str, float | str, float, int]]) -> None:
        """Log metrics (name, value, epoch seconds, step)."""
        logged = [{"key": k, "value": v, "timestamp": int(at * 1000), "step": step} for k, v, at, step in metrics]
        for start in range(0, len(logged), 500):
            await self.call("POST", "runs/log-batch", {"run_id": run_id, "metrics": logged[start : start + 500]})

    async def model(self, name: str, **tags: str) -> str:
        """A registered model of the lab's own."""
        full = f"{name}-{self.tag}"
        named = {key.replace("__", "."): value for key, value in tags.items()}
        await self.call("POST", "registered-models/create", {"name": full, "tags": listed(named)})
        return full

    async def version(self, model: str, run_id: str = "", *, mlmodel: bytes = b"", **tags: str) -> str:
        """A version of a logged model; of a run and with an MLmodel file where they are given."""
        body: dict[str, Any] = {"experiment_id": await self.experiment(), "name": "model"}
        logged = (await self.call("POST", "logged-models", body))["model"]["info"]
        if mlmodel:
            place = f"{logged['experiment_id']}/models/{logged['model_id']}/artifacts/MLmodel"
            answer = await self._client.put(f"/api/2.0/mlflow-artifacts/artifacts/{place}", content=mlmodel)
            assert answer.status_code == 200, answer.text
        body = {"name": model, "model_id": logged["model_id"], "source": f"models:/{logged['model_id']}"}
        body["tags"] = listed(tags)
        body |= {"run_id": run_id} if run_id else {}
        made = await self.call("POST", "model-versions/create", body)
        return str(made["model_version"]["version"])

    async def alias(self, model: str, alias: str, version: str) -> None:
        """Move an alias, as someone else would."""
        await self.call("POST", "registered-models/alias", {"name": model, "alias": alias, "version": version})

    async def where(self, model: str, alias: str) -> str:
        """Where an alias is."""
        found = (await self.call("GET", f"registered-models/get?name={model}"))["registered_model"].get("aliases", [])
        return next((str(each["version"]) for each in found if each["alias"] == alias), "")

    async def tags(self, model: str, version: str) -> dict[str, str]:
        """The tags of a version."""
        raw = await self.call("GET", f"model-versions/get?name={model}&version={version}")
        return {each["key"]: each["value"] for each in raw["model_version"].get("tags", [])}

    async def source(
        self, *, config: Mapping[str, Any] | None = None, now: Callable[[], float] = time.time,
        env: Mapping[str, str] | None = None, **options: Any,
    ) -> MlflowSource:  # fmt: skip
        """The adapter on this server."""
        import msgspec

        made = MlflowSource(
            SourceConfig(name="ml", system="mlflow", url=self.url, **options),
            Context(
                secret=lambda ref: (env or {})[ref.env or ""], env=env or {}, now=now, project=".",
                config=msgspec.convert(config or {}, Config),
            ),
        )  # fmt: skip
        self._sources.append(made)
        return made

    async def close(self) -> None:
        """Close every source and the client."""
        for source in self._sources:
            await source.close()
        await self._client.aclose()


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as MLflow writes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


@asynccontextmanager
async def practice(now: Callable[[], float] = time.time, auth: MlflowAuth | None = None) -> AsyncIterator[Lab]:
    """A lab on an empty practice server."""
    mlflow = MlflowServer(None, now, auth=auth)
    server = Server(mlflow.handler, faults=Faults(), clock=now)
    port = await server.start_tcp()
    lab = Lab(f"http://127.0.0.1:{port}", server, mlflow)
    try:
        yield lab
        assert not server.errors, server.errors
    finally:
        await lab.close()
        await server.stop()


async def version_of(source: MlflowSource, model: str, number: str) -> ModelVersion:
    """The row of a version."""
    return next(r for r in await rows(source, "version") if isinstance(r, ModelVersion) and
                (r.model, r.version) == (model, number))  # fmt: skip


async def run_of(source: MlflowSource, id: str) -> TrainingRun:
    """The row of a training run."""
    return next(r for r in await rows(source, "training_run") if isinstance(r, TrainingRun) and r.run_id == id)


async def rows(source: MlflowSource, kind: str) -> list[Record]:
    """The rows of a kind."""
    return list((await source.list(kind)).rows)


def ref(model: str, number: str) -> Ref:
    """The ref of a version."""
    return Ref("ml", "version", f"{model}/{number}")
