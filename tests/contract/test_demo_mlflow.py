"""The practice MLflow server, held to the real one: one transcript of requests, the same answers from both."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import yaml

from contract.mlflow_transcript import BULK, HISTORY, Client, seed, transcript
from quarterdeck_demo.mlflow import MlflowAuth, MlflowServer
from quarterdeck_demo.mlflow.state import Metric
from quarterdeck_demo.mlflow.tracking import sampled
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story

NOW = 1_795_412_000.0


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return build_story(7, NOW, tmp_path_factory.mktemp("story") / "s")


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
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=60)
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
        async with httpx.AsyncClient(base_url=part.url, trust_env=False, verify=False, timeout=60) as http:
            yield Client(http)


@pytest.mark.real("mlflow")
async def test_every_answer_is_that_of_the_real_server(practice: Client, request: pytest.FixtureRequest) -> None:
    part = request.getfixturevalue("mlflow")
    async with httpx.AsyncClient(base_url=part.url, trust_env=False, verify=False, timeout=60) as http:
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
