"""Credentials of the MLflow adapter, and how servers are found."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from parts.mlflow_lab import Lab, practice
from quarterdeck_adapters.base import Context, Published
from quarterdeck_adapters.mlflow import discovery
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_adapters.mlflow.api import Api
from quarterdeck_adapters.mlflow.discovery import discover
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_demo.faults import Faults, Html, Status
from quarterdeck_demo.messages import Request, Response, json_response, text_response
from quarterdeck_demo.mlflow import MlflowAuth
from quarterdeck_demo.server import Server
from quarterdeck_lifecycle.errors import AuthFailed

AUTH = MlflowAuth(users={"ann": "hunter2"}, token="s3cret")
NAMED = {"MLFLOW_TRACKING_TOKEN": "s3cret"}


@pytest.fixture
async def locked() -> AsyncIterator[Lab]:
    async with practice(auth=AUTH) as lab:
        yield lab


@pytest.fixture(autouse=True)
def no_port_5000(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(discovery, "LOOPBACK", f"http://127.0.0.1:{free.getsockname()[1]}")


def context(env: Mapping[str, str], asked: list[SecretRef] | None = None) -> Context:
    def secret(ref: SecretRef) -> str:
        if asked is not None:
            asked.append(ref)
        return env[ref.env] if ref.env else "s3cret"

    return Context(secret=secret, env=env, config=Config(), project=".")


async def test_a_port_that_an_mlflow_container_publishes_is_asked_and_no_other(locked: Lab) -> None:
    address = locked.url.removeprefix("http://")
    lead = Published(container="tracking", image="ghcr.io/mlflow/mlflow:v3", address=address)
    other = Published(container="redis", image="redis:7", address="127.0.0.1:6379")
    candidates = await discover(msgspec.structs.replace(context({}), published=(lead, other)))
    assert [(c.source.url, c.answered) for c in candidates] == [(locked.url, True), (discovery.LOOPBACK, False)]
    assert "container tracking publishes" in candidates[0].evidence


def configured(lab: Lab, env: Mapping[str, str], asked: list[SecretRef] | None = None, **options: Any) -> MlflowSource:
    return MlflowSource(SourceConfig(name="ml", system="mlflow", url=lab.url, **options), context(env, asked))


@pytest.mark.parametrize(
    "options",
    [{"token": SecretRef(env="T")}, {"username": "ann", "password": SecretRef(env="P")}],
    ids=["bearer", "basic"],
)
async def test_a_configured_credential_opens_the_server(locked: Lab, options: dict[str, Any]) -> None:
    source = configured(locked, {"T": "s3cret", "P": "hunter2"}, **options)
    try:
        assert (await source.probe()).identity.endswith(("token", "basic"))
    finally:
        await source.close()


@pytest.mark.parametrize(
    "options", [{}, {"token": SecretRef(env="T")}, {"token": SecretRef(env="T"), "credentials": False}]
)
async def test_a_wrong_or_missing_one_is_said(locked: Lab, options: dict[str, Any]) -> None:
    source = configured(locked, {"T": "wrong"}, **options)
    try:
        with pytest.raises(AuthFailed) as caught:
            await source.list("model")
        assert "wrong" not in str(caught.value)
        assert caught.value.source == "ml"
    finally:
        await source.close()


async def test_the_environments_credential_goes_to_its_own_host_alone(locked: Lab) -> None:
    async with practice(auth=AUTH) as other:
        env = {**NAMED, "MLFLOW_TRACKING_URI": locked.url + "/"}
        mine, theirs = configured(locked, env), configured(other, env)
        try:
            await mine.list("model")
            with pytest.raises(AuthFailed):
                await theirs.list("model")
            assert other.server is not None
            assert not any("authorization" in seen.headers for seen in other.server.requests)
        finally:
            await mine.close()
            await theirs.close()


async def test_basic_credentials_of_the_environment(locked: Lab) -> None:
    env = {"MLFLOW_TRACKING_URI": locked.url, "MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "hunter2"}
    source = configured(locked, env)
    try:
        await source.list("model")
    finally:
        await source.close()


async def test_a_secret_is_resolved_at_use_and_a_helper_not_at_every_request(locked: Lab) -> None:
    asked: list[SecretRef] = []
    source = configured(locked, {}, asked, token=SecretRef(command=("helper",)))
    try:
        assert asked == []
        await source.list("model")
        await source.list("model")
        assert len(asked) == 1
        locked.faults.add(Status(code=401), count=1)
        with pytest.raises(AuthFailed):
            await source.list("model")
        await source.list("model")
        assert len(asked) == 2
    finally:
        await source.close()


async def test_a_credential_does_not_travel_over_plain_http_to_another_machine() -> None:
    api = Api(SourceConfig(name="ml", system="mlflow", url="http://mlflow.example", token=SecretRef(env="T")),
              context({"T": "x"}))  # fmt: skip
    with pytest.raises(AuthFailed, match="plain http"):
        await api.get("registered-models/search")
    await api.close()


async def found(env: Mapping[str, str]) -> list[tuple[str | None, bool | None, str]]:
    return [(c.source.url, c.answered, c.why) for c in await discover(context(env))]


async def test_loopback_is_taken_by_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with practice() as lab:
        monkeypatch.setattr(discovery, "LOOPBACK", lab.url)
        ((url, answered, why),) = await found({})
        assert (url, answered) == (lab.url, True)
        assert why.endswith("answers")
        assert await found({"MLFLOW_TRACKING_URI": lab.url}) == [(lab.url, True, why)]


async def test_a_locked_server_is_found_without_a_credential(locked: Lab) -> None:
    candidates = await found({"MLFLOW_TRACKING_URI": locked.url})
    assert candidates[0][:2] == (locked.url, True)
    assert "wants a credential" in candidates[0][2]


@pytest.mark.parametrize("uri", ["file:///mlruns", "sqlite:///mlflow.db", "./mlruns", "databricks"])
async def test_a_store_that_is_no_server_is_explained(uri: str) -> None:
    candidates = await found({"MLFLOW_TRACKING_URI": uri})
    assert candidates[0][1] is False
    assert "mlflow server" in candidates[0][2]


async def test_a_named_server_that_is_down_is_shown_and_a_guessed_one_is_not() -> None:
    candidates = await found({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert [each[1] for each in candidates] == [None, False]


async def test_a_password_in_the_address_goes_nowhere(locked: Lab) -> None:
    host = locked.url.removeprefix("http://")
    candidates = await found({"MLFLOW_TRACKING_URI": f"http://ann:hunter2@{host}"})
    assert candidates[0][0] == locked.url
    assert "MLFLOW_TRACKING_USERNAME" in candidates[0][2]
    assert "hunter2" not in str(candidates)
    assert locked.server is not None
    assert not any("authorization" in seen.headers for seen in locked.server.requests)


@pytest.mark.parametrize("kind", ["version only", "html", "404", "json"])
async def test_what_is_no_mlflow_is_left_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(request: Request) -> Response:
        if kind == "json":
            return json_response({})
        return (
            text_response("1.2.3") if request.path == "/version" and kind == "version only" else Html(code=404).made()
        )

    server = Server(other, faults=Faults())
    if kind == "html":
        server.faults.add(Html())
    monkeypatch.setattr(discovery, "LOOPBACK", f"http://127.0.0.1:{await server.start_tcp()}")
    try:
        assert [each[1] for each in await found({})] == [False]
    finally:
        await server.stop()
