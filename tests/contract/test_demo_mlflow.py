"""The practice MLflow server, held to the real one: one transcript of requests, the same answers from both."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import yaml

from quarterdeck_demo.mlflow import MlflowAuth, MlflowServer
from quarterdeck_demo.mlflow.state import Metric
from quarterdeck_demo.mlflow.tracking import sampled
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story

NOW = 1_795_412_000.0
T0 = 1_795_412_000_000
API = "/api/2.0/mlflow/"
HISTORY = "metrics/get-history"
BULK = "metrics/get-history-bulk-interval"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return build_story(7, NOW, tmp_path_factory.mktemp("story") / "s")


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


@pytest.fixture
async def practice() -> AsyncIterator[Client]:
    async with served(None) as client:
        yield client


class served:
    """A client of a practice server in this process."""

    def __init__(self, story: Story | None, clock: Any = time.time, auth: MlflowAuth | None = None) -> None:
        self.app = MlflowServer(story, clock, auth=auth)
        self.server = Server(self.app.handler)

    async def __aenter__(self) -> Client:
        url = f"http://127.0.0.1:{await self.server.start_tcp()}"
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=60)
        return Client(self.http)

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self.server.stop()
        assert self.server.errors == []


@pytest.fixture(params=["practice", pytest.param("real", marks=pytest.mark.real("mlflow"))])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    if request.param == "practice":
        async with served(None) as client:
            yield client
    else:
        part = request.getfixturevalue("mlflow")
        async with httpx.AsyncClient(base_url=part.url, trust_env=False, timeout=60) as http:
            yield Client(http)


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


@pytest.mark.real("mlflow")
async def test_every_answer_is_that_of_the_real_server(practice: Client, request: pytest.FixtureRequest) -> None:
    part = request.getfixturevalue("mlflow")
    async with httpx.AsyncClient(base_url=part.url, trust_env=False, timeout=60) as http:
        theirs = await transcript(Client(http))
    ours = await transcript(practice)
    assert [what for what, _ in ours] == [what for what, _ in theirs]
    wrong = [(what, mine, real) for (what, mine), (_, real) in zip(ours, theirs, strict=True) if mine != real]
    assert wrong == []


async def test_an_alias_is_set_over_another_without_a_question(client: Client) -> None:
    _, _, _, name = await seed(client)
    alias = {"name": name, "alias": "champion"}
    for version in ("1", "2"):
        assert (await client.send("POST", "registered-models/alias", json={**alias, "version": version})).json() == {}
        told = (await client.send("GET", "registered-models/alias", alias)).json()["model_version"]
        assert (told["version"], told["aliases"]) == (version, ["champion"])
    listed = (await client.send("GET", "model-versions/search", {"filter": f"name='{name}'"})).json()["model_versions"]
    assert all("aliases" not in version for version in listed)
    assert (await client.send("DELETE", "registered-models/alias", json=alias)).json() == {}
    gone = await client.send("GET", "registered-models/alias", alias)
    assert (gone.status_code, gone.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_pages_overlap_when_a_version_is_added(client: Client) -> None:
    _, _, logged, name = await seed(client)
    query = {"filter": f"name='{name}'", "max_results": 1}
    first = (await client.send("GET", "model-versions/search", query)).json()
    source = {"name": name, "source": f"models:/{logged}", "model_id": logged}
    await client.send("POST", "model-versions/create", json=source)
    query["page_token"] = first["next_page_token"]
    second = (await client.send("GET", "model-versions/search", query)).json()
    assert second["model_versions"][0]["version"] == first["model_versions"][0]["version"] == "2"


async def test_nan_is_a_string_and_infinity_the_largest_float(client: Client) -> None:
    _, run, _, _ = await seed(client)
    told = (await client.send("GET", "runs/get", {"run_id": run})).json()["run"]["data"]["metrics"]
    values = {metric["key"]: metric["value"] for metric in told}
    assert values == {"loss": 0.5, "bad": "NaN", "inf": 1.7976931348623157e308, "ninf": -1.7976931348623157e308}


async def test_the_running_training_run_grows_with_the_clock_and_ends(story: Story) -> None:
    live = next(run for run in story.training if run.status == "RUNNING")
    now = NOW

    async def told() -> tuple[str, int, int]:
        run = (await client.send("GET", "runs/get", {"run_id": live.id})).json()["run"]
        loss = next(metric for metric in run["data"]["metrics"] if metric["key"] == "loss")
        history = (await client.send("GET", HISTORY, {"run_id": live.id, "metric_key": "loss"})).json()["metrics"]
        assert {name: history[-1][name] for name in ("value", "step")} == {n: loss[n] for n in ("value", "step")}
        return run["info"]["status"], loss["step"], run["info"].get("end_time", 0)

    async with served(story, lambda: now) as client:
        assert await told() == ("RUNNING", 41, 0)
        now += 3 * live.curves["loss"].seconds
        assert await told() == ("RUNNING", 44, 0)
        now = live.ends_at + 1
        assert await told() == ("FINISHED", 60, int(live.ends_at * 1000))


async def test_a_run_that_the_operator_ends_logs_no_more(story: Story) -> None:
    live = next(run for run in story.training if run.status == "RUNNING")
    now = NOW
    async with served(story, lambda: now) as client:
        body = {"run_id": live.id, "status": "KILLED", "end_time": int(NOW * 1000)}
        assert (await client.send("POST", "runs/update", json=body)).json()["run_info"]["status"] == "KILLED"
        now += 3600
        run = (await client.send("GET", "runs/get", {"run_id": live.id})).json()["run"]
        assert run["info"]["status"] == "KILLED"
        assert next(m for m in run["data"]["metrics"] if m["key"] == "loss")["step"] == 41


async def test_the_story_is_in_the_practice_server(story: Story) -> None:
    async with served(story, lambda: NOW) as client:
        models = (await client.send("GET", "registered-models/search")).json()["registered_models"]
        assert [model["name"] for model in models] == sorted(model.name for model in story.models)
        fraud = (await client.send("GET", "registered-models/get", {"name": "fraud"})).json()["registered_model"]
        assert {a["alias"]: a["version"] for a in fraud["aliases"]} == {"champion": "17", "challenger": "18"}
        query = {"name": "fraud", "version": "17"}
        version = (await client.send("GET", "model-versions/get", query)).json()["model_version"]
        run = (await client.send("GET", "runs/get", {"run_id": version["run_id"]})).json()["run"]
        tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
        assert tags["mlflow.source.git.commit"] in story.repositories["acme/fraud-model"].commits
        assert [f"models:/{one['model_id']}" for one in run["outputs"]["model_outputs"]] == [version["source"]]
        raw = await client.send("GET", "/model-versions/get-artifact", {**query, "path": "MLmodel"})
        described = yaml.safe_load(raw.text)
        inputs = [column["name"] for column in json.loads(described["signature"]["inputs"])]
        assert (raw.headers["content-type"], inputs) == ("text/plain", ["amount", "merchant", "hour"])
        broken = next(run for run in story.training if run.name == "velocity-2")
        query = {"run_ids": broken.id, "metric_key": "loss", "max_results": "200"}
        points = (await client.send("GET", BULK, query)).json()["metrics"]
        assert (len(points), points[-1]["value"]) == (200, "NaN")


def test_samples_are_the_first_of_each_bucket_and_the_last_point() -> None:
    points = [Metric("m", float(step), step, step) for step in range(11)]
    assert [point.step for point in sampled(points, 5)] == [0, 3, 5, 7, 10]
    assert [point.step for point in sampled(points, 1)] == [10]
    assert sampled(points, 11) == sampled(points, 2500) == points
    assert math.isnan(Metric("m", math.nan, 0, 0).value)


@pytest.mark.parametrize(
    ("auth", "right", "challenge"),
    [
        (MlflowAuth(users={"oper": "s3cret"}), {"auth": ("oper", "s3cret")}, 'Basic realm="mlflow"'),
        (MlflowAuth(token="t0ken"), {"headers": {"Authorization": "Bearer t0ken"}}, "Bearer"),
    ],
)
async def test_without_the_right_credentials_it_is_a_401(
    auth: MlflowAuth, right: dict[str, Any], challenge: str
) -> None:
    async with served(None, auth=auth) as client:
        wrongs: tuple[dict[str, Any], ...] = ({}, {"auth": ("oper", "no")}, {"headers": {"Authorization": "Bearer no"}})
        for wrong in wrongs:
            denied = await client.send("GET", "registered-models/search", **wrong)
            assert (denied.status_code, denied.headers["www-authenticate"]) == (401, challenge)
            assert denied.text.startswith("You are not authenticated.")
        assert (await client.send("GET", "/health")).status_code == 200
        assert (await client.send("GET", "registered-models/search", **right)).json() == {}


async def test_a_reader_may_not_write(story: Story) -> None:
    auth = MlflowAuth(users={"eve": "x"}, readers=frozenset({"eve"}))
    async with served(story, lambda: NOW, auth=auth) as client:
        body = {"name": "fraud", "alias": "champion", "version": "18"}
        denied = await client.send("POST", "registered-models/alias", json=body, auth=("eve", "x"))
        assert (denied.status_code, denied.text) == (403, "Permission denied")
        found = await client.send("POST", "runs/search", json={"experiment_ids": ["1"]}, auth=("eve", "x"))
        assert found.status_code == 200
