"""How the Prometheus adapter signs in, where nothing is sent, and how a server is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.promrig import PracticeRig, make_source, make_story
from quarterdeck_adapters.base import Context
from quarterdeck_adapters.prometheus.discovery import discover
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_demo.prometheus import WebAuth
from quarterdeck_demo.server import Response, Server
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle import errors


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return make_story(tmp_path_factory.mktemp("prom"))


@pytest.fixture
async def rig(story: Story) -> AsyncIterator[PracticeRig]:
    made = await PracticeRig().start(story)
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize(
    ("auth", "config"),
    [
        (WebAuth(token="s3cret-token"), {"token": SecretRef(env="T")}),
        (WebAuth(users={"op": "s3cret-token"}), {"username": "op", "password": SecretRef(env="T")}),
    ],
)
async def test_a_credential_is_resolved_when_needed_and_not_sent_when_forbidden(
    rig: PracticeRig, auth: WebAuth, config: dict[str, Any]
) -> None:
    asked: list[SecretRef] = []

    def secret(ref: SecretRef) -> str:
        asked.append(ref)
        return "s3cret-token"

    rig.prometheus.auth = auth
    source = rig.source(secret=secret, **config)
    assert asked == []
    assert (await source.probe()).version
    assert len(asked) == 1
    assert not any("authorization" in seen.headers for seen in rig.alerts_server.requests)
    shut = rig.source(secret=secret, credentials=False, **config)
    rig.server.requests.clear()
    with pytest.raises(errors.AuthFailed):
        await shut.list("alert")
    assert len(asked) == 1
    assert not any("authorization" in seen.headers for seen in rig.server.requests)


async def test_a_refused_credential_is_resolved_anew(rig: PracticeRig) -> None:
    rig.prometheus.auth = WebAuth(token="new-token")
    secrets = iter(["old-token", "new-token"])
    source = rig.source(secret=lambda _: next(secrets), token=SecretRef(env="T"))
    with pytest.raises(errors.AuthFailed):
        await source.list("rule")
    assert (await source.list("rule")).rows


async def test_a_secret_that_cannot_be_had_is_an_auth_error_of_this_source(rig: PracticeRig) -> None:
    def secret(ref: SecretRef) -> str:
        raise errors.AuthFailed("a secret could not be resolved", why="the variable T is not set")

    with pytest.raises(errors.AuthFailed) as caught:
        await rig.source(secret=secret, token=SecretRef(env="T")).list("alert")
    assert caught.value.source == "prom"


async def test_a_credential_does_not_travel_in_the_clear() -> None:
    source = make_source("http://prometheus.invalid:9090", secret=lambda _: "x" * 9, token=SecretRef(env="T"))
    with pytest.raises(errors.AuthFailed, match="plain http"):
        await source.list("alert")
    await source.close()


async def test_options_are_checked() -> None:
    for options in ({"step": 0}, {"step": "fast"}, {"window": True}, {"window": 1e9}):
        with pytest.raises(errors.Conflict, match="option"):
            make_source("http://127.0.0.1:9", options=options)


def context(**env: str) -> Context:
    return Context(secret=lambda _: "", env=env, config=Config(), project="/")


async def test_discovery_takes_what_answers_as_prometheus(rig: PracticeRig) -> None:
    found = await discover(context(PROMETHEUS_URL=f"{rig.url}/"), [rig.url, rig.alerts_url, "http://127.0.0.1:9"])
    assert [(one.answered, one.source.url) for one in found] == [
        (True, rig.url), (True, rig.url), (False, rig.alerts_url), (False, "http://127.0.0.1:9")
    ]  # fmt: skip
    assert "PROMETHEUS_URL" in found[0].evidence
    assert found[0].why == "Prometheus 2.53.1"


async def test_discovery_shows_a_named_one_that_is_down_and_uses_no_password_of_an_address(rig: PracticeRig) -> None:
    [down] = await discover(context(PROMETHEUS_URL="http://127.0.0.1:9"), ())
    assert (down.answered, down.source.url) == (None, "http://127.0.0.1:9")
    [held] = await discover(context(PROMETHEUS_URL=rig.url.replace("//", "//op:pw@")), ())
    assert held.answered is True
    assert held.source.url == rig.url
    assert not any("authorization" in seen.headers for seen in rig.server.requests)
    [nothing] = await discover(context(PROMETHEUS_URL="prom:\x1b[2J"), ())
    assert nothing.answered is False


async def test_discovery_is_not_fooled_by_another_json_server() -> None:
    async def other(_: object) -> Response:
        return Response(200, {"Content-Type": "application/json"}, b'{"data": {"name": "x"}}')

    server = Server(other)
    url = f"http://127.0.0.1:{await server.start_tcp()}"
    [found] = await discover(context(), [url])
    assert found.answered is False
    await server.stop()
