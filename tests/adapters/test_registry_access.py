"""How the registry adapter signs in: basic, tokens, Docker's own logins and helpers; and where nothing is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.regrig import Rig, auth_of, desk, docker, make_source, practice_rig, ref, tags
from parts.registry import Registry
from quarterdeck_adapters.registry.auth import Challenge
from quarterdeck_config.schema import SecretRef
from quarterdeck_demo.registry import BasicAuth, TokenAuth
from quarterdeck_demo.server import Request, Response, Server, json_response
from quarterdeck_lifecycle import errors

USERS = {"op": "correct-horse"}
LOGIN = {"username": "op", "password": SecretRef(env="P"), "secret": lambda _: "correct-horse"}


class Times:
    """A clock for tokens."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def guarded() -> Iterator[Registry]:
    with Registry(USERS) as part:
        yield part


@pytest.fixture(params=["basic", "token", pytest.param("real", marks=pytest.mark.real("docker-registry"))])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A registry that wants a login, with one tag; its pusher signs in by basic."""
    if request.param == "real":
        made = Rig(request.getfixturevalue("guarded").url)
        made.http.auth = ("op", "correct-horse")
        await made.push(made.image("one"), "v1")
    else:
        made = await practice_rig()
        await made.push(made.image("one"), "v1")
        assert made.app is not None
        made.app.auth = BasicAuth(USERS) if request.param == "basic" else TokenAuth(USERS, Times())
        assert made.server is not None
        made.server.requests.clear()
    try:
        yield made
    finally:
        await made.close()


def sent(server: Server | None) -> list[str]:
    """The Authorization headers that a practice server got."""
    return (
        [seen.headers["authorization"] for seen in server.requests if "authorization" in seen.headers] if server else []
    )


def helper(folder: Path, name: str, script: str) -> None:
    """A credential helper in a folder."""
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def test_a_configured_login_reads_and_writes(rig: Rig, tmp_path: Path) -> None:
    source = rig.source(**LOGIN)
    assert (await source.probe()).version == "registry/2.0"
    found = await tags(source)
    assert set(found) == {f"{rig.repository}:v1"}
    assert found[f"{rig.repository}:v1"].labels
    async with desk(source, tmp_path) as at:
        for to in ("v2", f"{rig.other}:v1"):
            result = await at.operator.perform(await at.preview("tag.copy", ref(rig.repository, "v1"), to=to))
            assert result.result == "SUCCEEDED", result.message
        result = await at.operator.perform(await at.preview("tag.delete", ref(rig.repository, "v2")))
        assert result.result == "SUCCEEDED", result.message
    assert await tags(source) == {}


async def test_a_wrong_login_is_an_auth_error_that_says_what_to_do(rig: Rig) -> None:
    for config in ({}, {**LOGIN, "secret": lambda _: "wrong-horse"}):
        source = rig.source(**config)
        for call in (source.probe(), source.list("tag"), source.describe(ref(rig.repository, "v1"))):
            with pytest.raises(errors.AuthFailed) as caught:
                await call
            assert f"docker login {rig.host}" in caught.value.mend
            assert "wrong-horse" not in str(caught.value)


async def test_without_leave_no_credential_is_sent(rig: Rig, tmp_path: Path) -> None:
    env = docker(tmp_path, auths={rig.host: auth_of("op", "correct-horse")}, credsStore="spy")
    helper(tmp_path, "spy", f"echo asked >> {tmp_path}/asked; exit 1")
    source = rig.source(credentials=False, env=env, **{**LOGIN, "secret": lambda _: pytest.fail("resolved")})
    with pytest.raises(errors.AuthFailed):
        await source.list("tag")
    assert not any(header.startswith("Basic") for header in sent(rig.server))
    assert not (tmp_path / "asked").exists()


async def test_nothing_is_sent_before_the_registry_asks(rig: Rig) -> None:
    await rig.source(**LOGIN).probe()
    if rig.server is not None:
        assert "authorization" not in rig.server.requests[0].headers


@pytest.mark.parametrize("key", ["{host}", "http://{host}/v1/", "https://{host}"])
async def test_dockers_own_login_is_used_for_its_host(rig: Rig, tmp_path: Path, key: str) -> None:
    env = docker(tmp_path, auths={key.format(host=rig.host): auth_of("op", "correct-horse")})
    assert set(await tags(rig.source(env=env))) == {f"{rig.repository}:v1"}


async def test_dockers_login_of_another_host_stays_there(rig: Rig, tmp_path: Path) -> None:
    port = rig.host.rpartition(":")[2]
    env = docker(
        tmp_path, auths={"127.0.0.1": auth_of("op", "correct-horse"), f"localhost:{port}1": auth_of("op", "x")}
    )
    with pytest.raises(errors.AuthFailed):
        await rig.source(env=env).list("tag")
    assert not any(header.startswith("Basic") for header in sent(rig.server))


@pytest.mark.parametrize("section", ["credsStore", "credHelpers"])
async def test_a_helper_is_asked_for_the_host_without_a_terminal(rig: Rig, tmp_path: Path, section: str) -> None:
    config: Any = {"credsStore": "spy"} if section == "credsStore" else {"credHelpers": {rig.host: "spy"}}
    env = {**docker(tmp_path, **config), "DISPLAY": ":0", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    answer = json.dumps({"ServerURL": rig.host, "Username": "op", "Secret": "correct-horse"})
    helper(tmp_path, "spy", f"echo \"$1 $(cat) <$DISPLAY>\" >> {tmp_path}/asked; echo '{answer}'")
    assert set(await tags(rig.source(env=env))) == {f"{rig.repository}:v1"}
    assert (tmp_path / "asked").read_text() == f"get {rig.host} <>\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo secret-in-complaint >&2; exit 1", "exit code 1"),
        ("echo nonsense", "something else"),
        ("sleep 60", "not finished within"),
        (None, "not installed"),
    ],
)
async def test_a_helper_that_fails_is_an_auth_error(
    tmp_path: Path, script: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck_adapters.registry.dockerconfig.HELPER_S", 1.0 if script != "sleep 60" else 0.2)
    rig = await practice_rig(auth=BasicAuth(USERS))
    env = {**docker(tmp_path, credsStore="bad"), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    if script:
        helper(tmp_path, "bad", script)
    with pytest.raises(errors.AuthFailed) as caught:
        await rig.source(env=env).list("tag")
    assert why in caught.value.why
    assert "secret-in-complaint" not in str(caught.value)
    await rig.close()


async def test_a_helper_that_knows_nothing_leaves_us_anonymous(tmp_path: Path) -> None:
    rig = await practice_rig()
    await rig.push(rig.image("one"), "v1")
    assert rig.app is not None
    rig.app.auth = TokenAuth(USERS, Times(), public=True)
    env = {**docker(tmp_path, credsStore="empty"), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    helper(tmp_path, "empty", "echo credentials not found in native keychain; exit 1")
    assert set(await tags(rig.source(env=env))) == {f"{rig.repository}:v1"}
    assert not any(header.startswith("Basic") for header in sent(rig.server))
    await rig.close()


async def test_a_token_is_kept_until_it_ends_and_asked_for_once() -> None:
    rig = await practice_rig()
    for number in range(12):
        await rig.push(rig.image(str(number)), f"v{number}")
    clock = Times()
    assert rig.app is not None
    assert rig.server is not None
    rig.app.auth = TokenAuth(USERS, clock)
    source = rig.source(**LOGIN)
    for expected in (1, 1, 2):
        assert len(await tags(source)) == 12
        assert len([seen for seen in rig.server.requests if seen.path == "/token"]) == expected
        if expected == 1 and clock.now == 1000.0:
            clock.now += 1
        else:
            clock.now += 400
    await rig.close()


async def test_an_identity_token_is_exchanged_and_a_token_of_the_config_is_sent_as_it_is(tmp_path: Path) -> None:
    forms: list[str] = []

    async def app(request: Request) -> Response:
        if request.path == "/token":
            forms.append(request.body.decode())
            return json_response({"access_token": "minted", "expires_in": 300})
        if request.header("authorization") not in ("Bearer minted", "Bearer given-token"):
            realm = f'Bearer realm="http://{request.header("host")}/token",service="s"'
            return Response(401, {"WWW-Authenticate": realm}, b"")
        return Response(200, {"Docker-Distribution-Api-Version": "registry/2.0"}, b"{}")

    server = Server(app)
    host = f"127.0.0.1:{await server.start_tcp()}"
    env = docker(tmp_path, auths={host: {**auth_of("<token>", "x"), "identitytoken": "refresh-me"}})
    source = make_source(f"http://{host}", env=env)
    await source.probe()
    assert "grant_type=refresh_token" in forms[0]
    assert "refresh_token=refresh-me" in forms[0]
    await source.close()
    given = make_source(f"http://{host}", token=SecretRef(env="T"), secret=lambda _: "given-token")
    await given.probe()
    await given.probe()
    assert len(forms) == 1
    assert [seen.headers.get("authorization") for seen in list(server.requests)[-3:]] == [
        None,
        *["Bearer given-token"] * 2,
    ]
    await given.close()
    await server.stop()


@pytest.mark.parametrize("realm", ["http://tokens.invalid/token", "ftp://127.0.0.1/t", "", "http://[", "javascript:x"])
async def test_a_login_goes_to_no_token_server_in_the_clear_elsewhere(realm: str) -> None:
    async def app(_: Request) -> Response:
        return Response(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="x"'}, b"")

    server = Server(app)
    source = make_source(f"http://127.0.0.1:{await server.start_tcp()}", **LOGIN)
    with pytest.raises(errors.AuthFailed, match="was not sent"):
        await source.probe()
    await source.close()
    await server.stop()
    assert sent(server) == []


async def test_a_redirected_blob_takes_no_login_along() -> None:
    """Registries send blobs from another host: a storage service would refuse or keep the header."""
    rig = await practice_rig()
    image = rig.image("one")
    await rig.push(image, "v1")
    assert rig.app is not None
    assert rig.server is not None
    rig.app.auth = BasicAuth(USERS)

    async def store(_: Request) -> Response:
        return Response(200, {"Content-Type": "application/octet-stream"}, image.config.data)

    async def front(request: Request) -> Response:
        if "/blobs/" in request.path and request.header("authorization"):
            return Response(307, {"Location": f"http://127.0.0.1:{port}/bucket/x"}, b"")
        return await rig.app.handler(request)  # type: ignore[union-attr]

    storage, gate = Server(store), Server(front)
    port = await storage.start_tcp()
    source = make_source(f"http://127.0.0.1:{await gate.start_tcp()}", repos=(rig.repository,), **LOGIN)
    found = await tags(source)
    assert found[f"{rig.repository}:v1"].labels
    assert storage.requests
    assert sent(storage) == []
    assert sent(gate)
    await source.close()
    for server in (storage, gate):
        await server.stop()
    await rig.close()


async def test_a_login_does_not_travel_in_the_clear() -> None:
    for plain_http, expected in ((False, errors.AuthFailed), (True, errors.Unavailable)):
        source = make_source("http://registry.invalid:5000", plain_http=plain_http, **LOGIN)
        proof = await source.client.auth.answer(Challenge("basic", "R"), "")
        assert proof.startswith("Basic ")
        with pytest.raises(expected):
            await source.probe()
        await source.close()
