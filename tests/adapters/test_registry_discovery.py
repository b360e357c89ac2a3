"""Where registries are looked for, and what is taken for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.regrig import Rig, docker, practice_rig
from quarterdeck_adapters.base import Context
from quarterdeck_adapters.registry.discovery import discover
from quarterdeck_config.schema import Config
from quarterdeck_demo.registry import BasicAuth
from quarterdeck_demo.server import Request, Response, Server, json_response


def context(env: dict[str, str]) -> Context:
    return Context(secret=lambda _: "", env=env, config=Config(), project="/")


@pytest.fixture(params=[False, True])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A practice registry, open or behind a login."""
    made = await practice_rig(auth=BasicAuth({"op": "correct-horse"}) if request.param else None)
    try:
        yield made
    finally:
        await made.close()


async def test_discovery_takes_what_says_that_it_is_a_registry(rig: Rig, tmp_path: Path) -> None:
    async def other(_: Request) -> Response:
        return json_response({})

    server = Server(other)
    stranger = f"127.0.0.1:{await server.start_tcp()}"
    env = docker(tmp_path, auths={rig.host: {}, "https://index.docker.io/v1/": {}, "ghcr.io": {}})
    env["QUARTERDECK_REGISTRIES"] = f" {stranger} , bad host, 127.0.0.1:9,"
    found = await discover(context(env), (rig.host, stranger))
    answered = {one.source.url: one.answered for one in found if one.source.url}
    assert answered == {f"http://{stranger}": None, "http://127.0.0.1:9": None, rig.url: True}
    assert [one.answered for one in found if not one.source.url] == [False]
    assert next(one for one in found if one.answered).evidence.startswith("a login in Docker's config")
    [silent] = await discover(context({}), (stranger,))
    assert (silent.answered, "without Docker-Distribution-Api-Version" in silent.why) == (False, True)
    await server.stop()
    assert rig.server is not None
    assert not any("authorization" in seen.headers for seen in rig.server.requests)
