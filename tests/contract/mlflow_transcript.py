"""Requests of every kind to an MLflow server, and its answers without what differs by nature."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

T0 = 1_795_412_000_000
API = "/api/2.0/mlflow/"
HISTORY = "metrics/get-history"
BULK = "metrics/get-history-bulk-interval"


@dataclass
class Client:
    """Requests, and their answers without what differs by nature: ids, times, names made up for this run."""

    http: httpx.AsyncClient
    prefix: str = field(default_factory=lambda: "t" + uuid.uuid4().hex[:8])
    named: dict[str, str] = field(default_factory=dict)
    notes: list[tuple[str, Any]] = field(default_factory=list)

    async def send(self, method: str, path: str, query: Any = None, **options: Any) -> httpx.Response:
        url = path if path.startswith("/") else API + path
        return await self.http.request(method, url, params=query, **options)

    async def note(self, method: str, path: str, query: Any = None, **options: Any) -> httpx.Response:
        response = await self.send(method, path, query, **options)
        kind = response.headers.get("content-type")
        what = self.plain(f"{method} {path} {query} {options}")
        if response.status_code == 405:
            assert response.headers["allow"]
        self.notes.append((what, (response.status_code, kind, self.body(response))))
        return response

    def body(self, response: httpx.Response) -> Any:
        text = self.plain(response.text)
        if response.headers.get("content-type") != "application/json" or not text:
            return text
        return json.dumps(by_key(json.loads(re.sub(r": TIME", ': "TIME"', text))))

    def plain(self, text: str) -> str:
        for name, word in {**self.named, self.prefix: "PREFIX", self.prefix.upper(): "PREFIX"}.items():
            text = text.replace(name, word)
        return re.sub(r"\b(?!17954120)1\d{12}\b", "TIME", text)


def by_key(value: Any) -> Any:
    """Lists of key and value pairs and of metrics in the order of their keys, which no server promises."""
    if isinstance(value, dict):
        return {name: by_key(item) for name, item in value.items()}
    if isinstance(value, list):
        items = [by_key(item) for item in value]
        if all(isinstance(item, dict) and item.keys() >= {"key", "value"} for item in items):
            items.sort(key=lambda item: item["key"])
        return items
    return value


async def seed(client: Client) -> tuple[str, str, str, str]:
    """An experiment, a run with metrics, a logged model and a registered model of two versions."""
    post = client.note
    body: dict[str, Any] = {"name": f"{client.prefix}-exp", "tags": [{"key": "a", "value": "b"}]}
    experiment = (await client.send("POST", "experiments/create", json=body)).json()["experiment_id"]
    for shape in (
        '"experiment_id": "{}"',
        "'experiment_id': '{}'",
        "mlflow-artifacts:/{}",
        "artifacts/{}/",
        "'{}/",
        "['{}']",
    ):
        client.named[shape.format(experiment)] = shape.format("E")
    tags = [{"key": "mlflow.source.git.commit", "value": "abc"}, {"key": "mlflow.user", "value": "op"}]
    body = {"experiment_id": experiment, "run_name": "velocity-1", "start_time": T0, "user_id": "op", "tags": tags}
    raw = await client.send("POST", "runs/create", json=body)
    run = raw.json()["run"]["info"]["run_id"]
    client.named[run] = "RUN"
    client.notes.append(("created", client.body(raw)))
    metrics = [{"key": "loss", "value": 1 / (i + 1), "timestamp": T0 + i * 1000, "step": i} for i in range(10)]
    for key, value in (("bad", "NaN"), ("inf", "Infinity"), ("ninf", "-Infinity")):
        metrics.append({"key": key, "value": value, "timestamp": T0, "step": 0})
    batch = {
        "run_id": run,
        "metrics": metrics,
        "params": [{"key": "lr", "value": "0.1"}],
        "tags": [{"key": "z", "value": "1"}],
    }
    await post("POST", "runs/log-batch", json=batch)
    again = {"run_id": run, "key": "loss", "value": 0.5, "timestamp": T0 + 9500, "step": 9}
    await post("POST", "runs/log-metric", json=again)
    body = {
        "experiment_id": experiment,
        "name": "model",
        "source_run_id": run,
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "k", "value": "v"}],
    }
    logged = (await client.send("POST", "logged-models", json=body)).json()["model"]["info"]["model_id"]
    client.named[logged] = "MODEL"
    await post("PATCH", f"logged-models/{logged}", json={"model_id": logged, "status": "LOGGED_MODEL_READY"})
    name = f"{client.prefix}-fraud"
    await post(
        "POST",
        "registered-models/create",
        json={"name": name, "description": "d", "tags": [{"key": "team", "value": "x"}]},
    )
    await post("POST", "registered-models/create", json={"name": name})
    await post("POST", "registered-models/create", json={"name": f"{client.prefix}-churn"})
    source = {"name": name, "source": f"models:/{logged}", "model_id": logged}
    await post(
        "POST",
        "model-versions/create",
        json={**source, "run_id": run, "description": "one", "tags": [{"key": "a", "value": "b"}]},
    )
    await asyncio.sleep(0.002)  # versions are ordered by their milliseconds
    await post("POST", "model-versions/create", json=source)
    return experiment, run, logged, name


async def transcript(client: Client) -> list[tuple[str, Any]]:
    """Every kind of request, wrong ones too; each with its plain answer."""
    experiment, run, logged, name = await seed(client)
    note = client.note
    churn, like = f"{client.prefix}-churn", {"filter": f"name LIKE '{client.prefix}%'"}
    for path in ("/health", "/version", "/nope", API + "nope", "/ajax-api/2.0/mlflow/nope"):
        await note("GET", path)
    for method, path in (
        ("POST", "registered-models/search"),
        ("PUT", "registered-models/get"),
        ("GET", "runs/search"),
    ):
        await note(method, path)
    await note("POST", "registered-models/set-tag", headers={"Origin": "http://evil.example"}, json={})
    for path in ("/health", "registered-models/get", "/nope"):
        await note("GET", path, headers={"Host": "evil.example"})
        await note("GET", path, headers={"Host": "localhost:1"})
    # experiments
    for query in (
        None,
        {"max_results": "x"},
        {"max_results": 5, "filter": f"name = '{client.prefix}-exp'"},
        {"max_results": 5, "page_token": "zzz"},
        {"max_results": 5, "filter": "bad"},
    ):
        await note("GET", "experiments/search", query)
    await note("POST", "experiments/search", json={})
    await note("GET", "experiments/get-by-name", {"experiment_name": f"{client.prefix}-exp"})
    await note("GET", "experiments/get-by-name", {"experiment_name": "nope"})
    await note("GET", "experiments/get-by-name")
    await note("GET", "experiments/get", {"experiment_id": experiment})
    await note("GET", "experiments/get", {"experiment_id": "99999"})
    # runs
    for query in ({"run_id": run}, {"run_uuid": run}, {"run_id": "nope"}, None):
        await note("GET", "runs/get", query)
    mine = {"experiment_ids": [experiment]}
    for body in (
        mine,
        {**mine, "max_results": 1},
        {"experiment_ids": []},
        {},
        {"experiment_ids": ["99999"]},
        {**mine, "filter": "bad bad"},
        {**mine, "filter": "attributes.status = 'RUNNING'"},
        {**mine, "filter": "attributes.status = 'FAILED'"},
        {**mine, "max_results": 50_001},
        {**mine, "page_token": "x"},
        {**mine, "order_by": ["attributes.start_time DESC"]},
        {**mine, "order_by": ["metrics.loss ASC", "params.lr"]},
        {**mine, "filter": "metrics.loss < 1 and params.lr = '0.1' AND tags.z != '2'"},
        {**mine, "filter": "metrics.loss > 0.5"},
        {**mine, "filter": f"attributes.run_id IN ('{run}')"},
        {**mine, "filter": "tags.`mlflow.user` LIKE 'o%'"},
        {**mine, "filter": "params.lr ILIKE '0.%'"},
        {**mine, "filter": "metrics.nope > 1"},
        {**mine, "filter": "start_time > 5"},
    ):
        await note("POST", "runs/search", json=body)
    for query in (
        {"run_id": run, "metric_key": "loss"},
        {"run_id": run, "metric_key": "loss", "max_results": 4},
        {"run_id": run, "metric_key": "loss", "max_results": 4, "page_token": "eyJvZmZzZXQiOiA4fQ=="},
        {"run_id": run, "metric_key": "bad"},
        {"run_id": run, "metric_key": "inf"},
        {"run_id": run, "metric_key": "nope"},
        {"run_id": "nope", "metric_key": "loss"},
        {"run_id": run},
        {"run_id": run, "metric_key": "loss", "max_results": 0},
    ):
        await note("GET", HISTORY, query)
    for prefix in ("", "/ajax-api/2.0/mlflow/"):
        for query in (
            {"run_ids": run, "metric_key": "loss"},
            *({"run_ids": run, "metric_key": "loss", "max_results": n} for n in (1, 2, 3, 5, 7, 10)),
            {"run_ids": run, "metric_key": "loss", "start_step": 2, "end_step": 5},
            {"run_ids": run, "metric_key": "bad"},
            {"run_ids": run, "metric_key": "loss", "start_step": 5},
            {"run_ids": run, "metric_key": "loss", "start_step": 5, "end_step": 2},
            {"metric_key": "loss"},
            {"run_ids": run},
            {"run_ids": "nope", "metric_key": "loss"},
            {"run_ids": run, "metric_key": "loss", "max_results": 3000},
            {"run_ids": run, "metric_key": "loss", "max_results": "x"},
        ):
            await note("GET", prefix + BULK, query)
    # registered models
    for query in (
        like,
        {**like, "max_results": 1},
        {**like, "max_results": 1, "page_token": "eyJvZmZzZXQiOiAxfQ=="},
        {"page_token": "zzz"},
        {"max_results": 1001},
        {"max_results": "x"},
        {"filter": "bad"},
        {**like, "order_by": "name DESC"},
        {"filter": f"name = '{churn}'"},
        {**like, "filter": f"name ILIKE '{client.prefix.upper()}-F%'"},
        {**like, "max_results": 0},
    ):
        await note("GET", "registered-models/search", query)
    for query in ({"name": name}, {"name": "nope"}, None):
        await note("GET", "registered-models/get", query)
    for alias, version in (("champion", "1"), ("challenger", "2"), ("v1a", "1"), ("9", "1")):
        await note("POST", "registered-models/alias", json={"name": name, "alias": alias, "version": version})
    for alias in ("latest", "LATEST", "v1", "V12", "a b", "x/y", "", "a" * 300):
        await note("POST", "registered-models/alias", json={"name": name, "alias": alias, "version": "1"})
    for body in (
        {"name": name, "alias": "x", "version": "99"},
        {"name": "nope", "alias": "x", "version": "1"},
        {"name": name, "alias": "x"},
        {"name": name, "alias": "x", "version": 1},
        {"name": name, "alias": "x", "version": "abc"},
    ):
        await note("POST", "registered-models/alias", json=body)
    await note("POST", "registered-models/alias", content=b"{")
    await note("POST", "registered-models/alias", content=b"{", headers={"Content-Type": "application/json"})
    await note("POST", "registered-models/alias", data={"name": "x"})
    for query in (
        {"name": name, "alias": "champion"},
        {"name": name, "alias": "nope"},
        {"name": "nope", "alias": "x"},
        {"name": name},
        {"alias": "x"},
        {"name": name, "alias": "latest"},
        {"name": name, "alias": "v1"},
    ):
        await note("GET", "registered-models/alias", query)
    await note("GET", "registered-models/get", {"name": name})
    await note("GET", "registered-models/search", like)
    for body in (
        {"name": name, "alias": "9"},
        {"name": name, "alias": "9"},
        {"name": "nope", "alias": "x"},
        {"name": name},
    ):
        await note("DELETE", "registered-models/alias", json=body)
    await note("DELETE", "registered-models/alias", {"name": name, "alias": "champion"})
    # versions
    for query in (
        {"name": name, "version": "1"},
        {"name": name, "version": "9"},
        {"name": name},
        {"name": name, "version": "abc"},
    ):
        await note("GET", "model-versions/get", query)
    this = {"filter": f"name='{name}'"}
    for query in (
        this,
        {**this, "max_results": 1},
        {**this, "max_results": 1, "page_token": "eyJvZmZzZXQiOiAxfQ=="},
        {**this, "max_results": 0},
        {**this, "page_token": "%%"},
        {"max_results": 200_001},
        {"filter": "bad"},
        {"filter": f"run_id='{run}'", "max_results": 1},
        {"filter": f"name='{name}' and tags.a='b'"},
        {"filter": f'name="{name}" and version_number > 1'},
        {**this, "order_by": "version_number ASC"},
        {"filter": "name='nope'"},
    ):
        await note("GET", "model-versions/search", query)
    for kind, which in (("registered-models", {"name": name}), ("model-versions", {"name": name, "version": "1"})):
        for body in (
            {**which, "key": "t", "value": "1"},
            {**which, "value": "1"},
            {**which, "key": "u"},
            {**which, "name": "nope", "key": "t"},
        ):
            await note("POST", f"{kind}/set-tag", json=body)
        await note("GET", f"{kind}/get", which)
        for body in ({**which, "key": "t"}, {**which, "key": "t"}, {**which, "name": "nope", "key": "t"}, which):
            await note("DELETE", f"{kind}/delete-tag", json=body)
        await note("PATCH", f"{kind}/update", json={**which, "description": "new"})
        await note("PATCH", f"{kind}/update", json={**which, "name": "nope", "description": "new"})
        await note("POST", f"{kind}/update", json={})
    one, two = {"name": name, "version": "1"}, {"name": name, "version": "2"}
    for body in (
        {**one, "stage": "Staging", "archive_existing_versions": False},
        {**one, "stage": "bad", "archive_existing_versions": False},
        {**two, "stage": "staging", "archive_existing_versions": True},
        {**one, "stage": "Production"},
        {**two, "stage": "None", "archive_existing_versions": True},
        {**one, "version": "9", "stage": "Production"},
        one,
    ):
        await note("POST", "model-versions/transition-stage", json=body)
    await note("GET", "registered-models/get", {"name": name})
    for version in ("1", "9"):
        await note("GET", "model-versions/get-download-uri", {"name": name, "version": version})
    # logged models and artifacts
    for key in (logged, "m-nope"):
        await note("GET", f"logged-models/{key}")
        await note("GET", f"logged-models/{key}/artifacts/directories")
    for body in (
        mine,
        {**mine, "max_results": 1},
        {},
        {**mine, "filter": f"source_run_id='{run}'"},
        {**mine, "filter": "bad"},
        {**mine, "filter": "name = 'other'"},
        {"experiment_ids": ["99999"]},
    ):
        await note("POST", "logged-models/search", json=body)
    text = b"flavors:\n  sklearn: {}\n"
    await note(
        "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/models/{logged}/artifacts/MLmodel", content=text
    )
    await note(
        "PUT",
        f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/models/{logged}/artifacts/data/model.pkl",
        content=b"\0",
    )
    for path in ("", "data"):
        await note(
            "GET", f"logged-models/{logged}/artifacts/directories", {"artifact_directory_path": path} if path else None
        )
    await note("GET", "artifacts/list", {"run_id": run})
    for path, query in (
        ("/get-artifact", {"path": "MLmodel", "run_uuid": run}),
        ("/get-artifact", {"run_uuid": run}),
        ("/get-artifact", {"path": "x"}),
        ("/get-artifact", {"path": "../../x", "run_uuid": run}),
        ("/model-versions/get-artifact", {**one, "path": "MLmodel"}),
        ("/model-versions/get-artifact", {**one, "path": "data/model.pkl"}),
        ("/model-versions/get-artifact", {**one, "path": "nope"}),
        ("/model-versions/get-artifact", {"name": name, "version": "9", "path": "MLmodel"}),
        ("/model-versions/get-artifact", one),
        ("/model-versions/get-artifact", {"name": name, "path": "MLmodel"}),
        (f"/ajax-api/2.0/mlflow/logged-models/{logged}/artifacts/files", {"artifact_file_path": "MLmodel"}),
        (f"logged-models/{logged}/artifacts/files", {"artifact_file_path": "MLmodel"}),
    ):
        await note("GET", path, query)
    await note("POST", "runs/outputs", json={"run_id": run, "models": [{"model_id": logged, "step": 0}]})
    await note("POST", "runs/set-tag", json={"run_id": run, "key": "note", "value": "<b>"})
    await note("POST", "runs/update", json={"run_id": run, "status": "FINISHED", "end_time": T0 + 60_000})
    await note("GET", "runs/get", {"run_id": run})
    await note("DELETE", "model-versions/delete", json=two)
    await note("GET", "registered-models/get", {"name": name})
    await note("DELETE", "registered-models/delete", json={"name": name})
    await note("GET", "registered-models/get", {"name": name})
    return client.notes
