"""Which version an endpoint serves: asked of real HTTP servers, joined with the aliases of the registry."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parts.mlflow_lab import Lab, practice, ref, rows, version_of
from quarterdeck_adapters.mlflow import endpoints
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_demo.faults import BlackHole, Faults
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.server import Server
from quarterdeck_lifecycle.kinds import Endpoint
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref, Status

INDEX: list[dict[str, str]] = [{"name": "other", "version": "v9", "state": "READY"}]
TARGET = {"targets": [{"kind": "container", "source": "engine", "name": "scorer-1"}]}


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with practice() as made:
        yield made


@pytest.fixture
async def model(lab: Lab) -> str:
    name = await lab.model("fraud")
    for _ in range(2):
        await lab.version(name)
    await lab.alias(name, "champion", "2")
    return name


@pytest.fixture
async def serving(model: str) -> AsyncIterator[tuple[str, Server]]:
    """A model server: its health with a version, and the V2 protocol."""

    async def app(request: Request) -> Response:
        if request.path == "/healthz":
            return json_response({"model": {"version": "v1"}})
        if (request.method, request.path) == ("GET", "/v2"):
            return json_response({"name": "mlserver", "extensions": []})
        if (request.method, request.path) == ("POST", "/v2/repository/index"):
            assert json.loads(request.body) == {"ready": True}
            return json_response([*INDEX, {"name": model, "version": "2", "state": "READY"}])
        return json_response({"error": "no"}, 404)

    server = Server(app, faults=Faults())
    port = await server.start_tcp()
    yield f"http://127.0.0.1:{port}", server
    await server.stop()


def service(model: str, **more: Any) -> dict[str, Any]:
    return {"services": {"scorer": {"model": f"{model}@champion", "environments": {"prod": TARGET}, **more}}}


async def only(source: MlflowSource) -> Endpoint:
    (row,) = await rows(source, "endpoint")
    assert isinstance(row, Endpoint)
    return row


async def test_a_declared_field_proves_the_version_and_an_alias_elsewhere_wants_a_look(
    lab: Lab, model: str, serving: tuple[str, Server]
) -> None:
    served = {"http": f"{serving[0]}/healthz", "field": "model.version"}
    source = await lab.source(config=service(model, served=served))
    row = await only(source)
    assert (row.served, row.status, row.note) == ("1", Status.LOOK, "@champion is on v2")
    assert row.proof == f"model.version of {serving[0]}/healthz"
    assert row.link("version") == f"{model}/1"
    assert row.link("container") == "scorer-1"
    assert (await version_of(source, model, "1")).served_by == "prod scorer ✓v1"
    assert (await version_of(source, model, "2")).served_by == ""


async def test_the_v2_index_of_a_server_that_has_one(lab: Lab, model: str, serving: tuple[str, Server]) -> None:
    source = await lab.source(config=service(model, probe={"http": f"{serving[0]}/healthz"}))
    row = await only(source)
    assert (row.served, row.status, row.note) == ("2", Status.OK, "")
    assert "V2 repository index" in row.proof
    assert (await version_of(source, model, "2")).served_by == "prod scorer ✓v2"


async def test_what_is_no_inference_server_is_never_posted_to(lab: Lab, model: str) -> None:
    async def app(request: Request) -> Response:
        return json_response({"status": "ok"})

    server = Server(app, faults=Faults())
    port = await server.start_tcp()
    try:
        source = await lab.source(config=service(model, probe={"http": f"http://127.0.0.1:{port}/"}))
        row = await only(source)
        assert (row.served, row.state, row.status) == ("", "unproven", Status.UNKNOWN)
        assert {seen.method for seen in server.requests} == {"GET"}
    finally:
        await server.stop()


async def test_a_server_that_does_not_answer_is_a_row_that_says_so(
    lab: Lab, model: str, serving: tuple[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck_adapters.mlflow.asking.DEADLINE_S", 0.2)
    serving[1].faults.add(BlackHole())
    served = {"http": f"{serving[0]}/healthz", "field": "model.version"}
    row = await only(await lab.source(config=service(model, served=served)))
    assert (row.state, row.status) == ("down", Status.BAD)
    assert "timeout" in row.proof


async def test_without_any_declaration_it_is_unproven_and_a_known_move_tells_what_is_likely(
    lab: Lab, model: str
) -> None:
    source = await lab.source(config=service(model))
    row = await only(source)
    assert (row.served, row.state, row.note) == ("", "unproven", "")
    action = source.actions["version.set_alias"]
    preview = await action.preview(ref(model, "1"), {"alias": "champion"})
    with permit("ml"):
        await action.execute(preview)
    row = await only(source)
    assert row.note.startswith("@champion moved v2 to v1 at ")
    assert row.note.endswith("started before, it likely still serves v2")


async def test_a_move_made_elsewhere_is_seen_between_two_looks(lab: Lab, model: str) -> None:
    source = await lab.source(config=service(model))
    await source.list("model")
    await lab.alias(model, "champion", "1")
    await source.list("model")
    assert "it likely still serves v2" in (await only(source)).note


async def test_each_environment_is_a_row_unless_one_address_answers_for_all(lab: Lab, model: str) -> None:
    both = {"environments": {"prod": TARGET, "staging": TARGET}}
    source = await lab.source(config=service(model, **both))
    assert [row.ref.id for row in await rows(source, "endpoint")] == ["scorer@prod", "scorer@staging"]
    served = {"http": "http://127.0.0.1:9/x", "field": "v"}
    source = await lab.source(config=service(model, served=served, **both))
    assert [row.ref.id for row in await rows(source, "endpoint")] == ["scorer"]


async def test_a_model_of_another_registry_is_that_ones_row(lab: Lab) -> None:
    config = service("elsewhere")
    assert (await only(await lab.source(config=config))).proof == "no model elsewhere in this registry"
    config["sources"] = [{"name": n, "system": "mlflow", "url": lab.url} for n in ("ml", "ml2")]
    assert await rows(await lab.source(config=config), "endpoint") == []


async def test_an_info_metric_is_asked_where_someone_offers_metrics(lab: Lab, model: str) -> None:
    served = {"source": "prom", "query": "model_info", "label": "version"}
    source = await lab.source(config=service(model, served=served))
    assert "joined where that source is" in (await only(source)).proof

    class Metrics:
        async def label(self, source: str, query: str, label: str) -> str:
            return {("prom", "model_info", "version"): "v2"}[source, query, label]

    source.endpoints = endpoints.Endpoints(
        source.registry, source.context.config, now=time.time, only_source=True, metrics=Metrics()
    )
    row = await only(source)
    assert (row.served, row.status) == ("2", Status.OK)


async def test_its_detail_tells_how_it_is_known(lab: Lab, model: str) -> None:
    source = await lab.source(config=service(model))
    sections = await source.describe(Ref("ml", "endpoint", "scorer@prod"))
    assert dict(sections[0].fields)["how it is known"].startswith("unproven")
    assert [section.title for section in sections] == ["Overview", "Proofs"]
