"""The practice registry, held to docker-registry 2.8.2: one transcript of requests, the same answers from both."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from parts.registry import Registry
from quarterdeck_demo.oci import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    build_image,
    build_index,
    digest,
)
from quarterdeck_demo.registry import BasicAuth, RegistryServer, TokenAuth
from quarterdeck_demo.registry.auth import Auth
from quarterdeck_demo.registry.schema1 import schema1
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story, build_story

NOW = 1_795_412_000.0
NEW = ", ".join((DOCKER_MANIFEST, DOCKER_INDEX, OCI_MANIFEST, OCI_INDEX))
LAYERS = [{"bin/one": b"one"}, {"srv/two": b"two"}]
IMAGE = build_image(
    "team/api", ["v1"], created=NOW, layers=LAYERS, env=["A=<1>"], labels={"org.opencontainers.image.revision": "abc"},
    docker=True,
)  # fmt: skip
OCI = build_image("team/api", ["oci"], created=NOW, layers=LAYERS, cmd=["run"])
LIST = build_index([(IMAGE.manifest, "amd64")], docker=True)
INDEX = build_index([(OCI.manifest, "amd64"), (OCI.manifest, "arm64")])
ZEROS = "sha256:" + "0" * 64


@dataclass
class Client:
    """Requests with exactly the headers given, and pushes as a Docker client makes them."""

    http: httpx.AsyncClient

    async def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> httpx.Response:
        request = self.http.build_request(method, path, content=body)
        del request.headers["accept"]
        request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return await self.http.send(request)

    async def push_blob(self, repository: str, data: bytes) -> None:
        started = await self.send("POST", f"/v2/{repository}/blobs/uploads/")
        location = started.headers["location"]
        done = await self.send("PUT", f"{location}&digest={digest(data)}", data)
        assert done.status_code == 201, done.text

    async def push(self, repository: str, reference: str, media_type: str, data: bytes) -> httpx.Response:
        return await self.send("PUT", f"/v2/{repository}/manifests/{reference}", data, content_type=media_type)

    async def push_all(self) -> None:
        for blob in (IMAGE.config, OCI.config, *IMAGE.layers, *OCI.layers):
            await self.push_blob("team/api", blob.data)
        for reference, blob in (
            ("v1", IMAGE.manifest), ("v1.0", IMAGE.manifest), ("list", LIST), ("oci", OCI.manifest), ("index", INDEX),
        ):  # fmt: skip
            answer = await self.push("team/api", reference, blob.media_type, blob.data)
            assert answer.status_code == 201, answer.text

    async def tags(self, repository: str = "team/api") -> list[str] | None:
        found: list[str] | None = (await self.send("GET", f"/v2/{repository}/tags/list")).json()["tags"]
        return None if found is None else sorted(found)


async def served(auth: Auth | None = None, story: Story | None = None, **options: Any) -> tuple[Server, Client]:
    app = RegistryServer(story, lambda: NOW, auth=auth, **options)
    server = Server(app.handler, clock=lambda: NOW)
    port = await server.start_tcp()
    http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, timeout=30)
    return server, Client(http)


@pytest.fixture
def fresh_registry() -> Iterator[Registry]:
    """A real registry that no other test has pushed to."""
    with Registry() as part:
        yield part


@pytest.fixture
async def practice() -> AsyncIterator[Client]:
    server, client = await served()
    async with client.http:
        yield client
    await server.stop()
    assert server.errors == []


@pytest.fixture(params=["practice", pytest.param("real", marks=pytest.mark.real("docker-registry"))])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    if request.param == "practice":
        server, client = await served()
        async with client.http:
            yield client
        await server.stop()
        assert server.errors == []
    else:
        part = request.getfixturevalue("fresh_registry")
        async with httpx.AsyncClient(base_url=part.url, trust_env=False, verify=False, timeout=30) as http:
            yield Client(http)


def plain(response: httpx.Response) -> tuple[Any, ...]:
    """An answer without what differs by nature: dates, the address, upload ids, a signature."""
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "connection")}
    if "docker-upload-uuid" in headers:
        headers["docker-upload-uuid"] = "UUID"
    if "location" in headers:
        path = urlsplit(headers["location"]).path
        headers["location"] = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", path)
    body = re.sub(r'(?s),\n   "signatures": .*', "", response.text)
    return response.status_code, headers, body


async def transcript(client: Client) -> list[tuple[str, tuple[Any, ...]]]:
    """Every kind of request, wrong ones too; each with its plain answer."""
    await client.push_all()
    answers: list[tuple[str, tuple[Any, ...]]] = []

    async def note(method: str, path: str, body: bytes | None = None, **headers: str) -> httpx.Response:
        response = await client.send(method, path, body, **headers)
        told = plain(response)
        if path.startswith("/v2/team/api/tags/list") and response.status_code == 200:
            told = (*told[:2], sorted(response.json()["tags"] or ["none"]))
        named = re.sub(r"(http://[^/]+)?(.*/)[0-9a-f]{8}-[0-9a-f-]{27}.*", r"\2UUID", path)
        answers.append((f"{method} {named} {headers}", told))
        return response

    for path in ("/", "/v2", "/v2/", "/nope", "/v2/UPPER/tags/list", "/v2/team/api/referrers/" + ZEROS):
        await note("GET", path)
    await note("POST", "/v2/")
    for query in ("", "?n=1", "?n=0", "?n=-1", "?n=x", "?n=1001", "?n=1&last=aaa", "?last=zzz"):
        await note("GET", "/v2/_catalog" + query)
    await note("GET", "/v2/team/api/tags/list?n=1")
    await note("GET", "/v2/no/such/tags/list")
    for reference in ("v1", "list", "oci", "index", "nope", IMAGE.digest, OCI.digest, LIST.digest, INDEX.digest):
        for accept in ("*/*", DOCKER_MANIFEST, DOCKER_INDEX, OCI_MANIFEST, OCI_INDEX, NEW, f"{OCI_INDEX};q=0.5"):
            await note("GET", f"/v2/team/api/manifests/{reference}", accept=accept)
        await note("GET", f"/v2/team/api/manifests/{reference}")
        await note("HEAD", f"/v2/team/api/manifests/{reference}", accept=NEW)
    await note("GET", "/v2/team/api/manifests/v1", accept=NEW, if_none_match=f'"{IMAGE.digest}"')
    for reference in ("sha256:abc", "-bad", "x" * 129, ZEROS):
        await note("GET", f"/v2/team/api/manifests/{reference}", accept=NEW)
    config = IMAGE.config.digest
    for method in ("GET", "HEAD", "PUT"):
        for name in (config, ZEROS, "zzz", "sha256:abc"):
            await note(method, f"/v2/team/api/blobs/{name}")
    await note("GET", f"/v2/team/api/blobs/{config}", range="bytes=0-9")
    await note("GET", f"/v2/team/api/blobs/{config}", if_none_match=f'"{config}"')
    await note("GET", f"/v2/team/other/blobs/{config}")
    for query in (f"mount={ZEROS}&from=team/api", "mount=bad&from=team/api", f"mount={config}&from=team/api"):
        await note("POST", f"/v2/team/copy/blobs/uploads/?{query}")
    for media_type, body in (
        (DOCKER_MANIFEST, IMAGE.manifest.data), (DOCKER_MANIFEST, b"{"), (DOCKER_MANIFEST, b""),
        (DOCKER_MANIFEST, b"{}"),
        ("text/plain", IMAGE.manifest.data), (OCI_INDEX, INDEX.data), (DOCKER_INDEX, IMAGE.manifest.data),
    ):  # fmt: skip
        await note("PUT", "/v2/team/copy/manifests/new", body, content_type=media_type)
    await note("PUT", f"/v2/team/api/manifests/{ZEROS}", IMAGE.manifest.data, content_type=DOCKER_MANIFEST)
    started = await note("POST", "/v2/team/up/blobs/uploads/")
    location = started.headers["location"]
    step = await note("PATCH", location, b"abc", content_type="application/octet-stream")
    location = step.headers["location"]
    await note("GET", location)
    for claimed in ("", "&digest=bad", f"&digest={ZEROS}", "&digest=" + digest(b"abc"), "&digest=" + digest(b"abc")):
        await note("PUT", location + claimed)
    await note("GET", "/v2/team/up/tags/list")
    started = await note("POST", "/v2/team/up/blobs/uploads/")
    for _ in range(2):
        await note("DELETE", started.headers["location"])
    await note("PATCH", "/v2/team/up/blobs/uploads/11111111-1111-1111-1111-111111111111", b"x")
    for method, path in (
        ("PUT", "/v2/_catalog"), ("POST", "/v2/team/api/tags/list"), ("HEAD", "/v2/_catalog"),
        ("PATCH", "/v2/team/api/manifests/v1"), ("PUT", "/v2/team/up/blobs/uploads/"),
        ("POST", "/v2/team/up/blobs/uploads/x"),
    ):  # fmt: skip
        await note(method, path)
    for reference in ("v1", "sha256:abc", ZEROS, IMAGE.digest, IMAGE.digest):
        await note("DELETE", f"/v2/team/api/manifests/{reference}")
    await note("GET", "/v2/team/api/tags/list")
    await note("GET", "/v2/team/api/manifests/v1.0", accept=NEW)
    for blob in (LIST, OCI.manifest, INDEX):
        await note("DELETE", f"/v2/team/api/manifests/{blob.digest}")
    await note("GET", "/v2/team/api/tags/list")
    for _ in range(2):
        await note("DELETE", f"/v2/team/api/blobs/{config}")
    await note("GET", "/v2/_catalog")
    return answers


@pytest.mark.real("docker-registry")
async def test_every_answer_is_that_of_the_real_registry(practice: Client) -> None:
    # Of its own: the shared one holds what other tests pushed.
    with Registry() as part:
        async with httpx.AsyncClient(base_url=part.url, trust_env=False, verify=False, timeout=30) as http:
            theirs = await transcript(Client(http))
    ours = await transcript(practice)
    assert [line for line, _ in ours] == [line for line, _ in theirs]
    for (line, answer), (_, expected) in zip(ours, theirs, strict=True):
        assert answer == expected, line


async def test_without_accept_the_manifest_has_another_digest(client: Client) -> None:
    await client.push_all()
    old = await client.send("GET", "/v2/team/api/manifests/v1")
    new = await client.send("GET", "/v2/team/api/manifests/v1", accept=NEW)
    assert old.headers["content-type"].endswith("v1+prettyjws")
    assert new.headers["docker-content-digest"] == IMAGE.digest == digest(new.content)
    assert old.headers["docker-content-digest"] != IMAGE.digest
    assert json.loads(json.loads(old.text)["history"][0]["v1Compatibility"])["config"]["Env"] == ["A=<1>"]


async def test_an_index_names_its_platforms(client: Client) -> None:
    await client.push_all()
    index = (await client.send("GET", "/v2/team/api/manifests/index", accept=NEW)).json()
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]


async def test_delete_by_digest_drops_every_tag_on_it(client: Client) -> None:
    await client.push_all()
    assert await client.tags() == ["index", "list", "oci", "v1", "v1.0"]
    by_tag = await client.send("DELETE", "/v2/team/api/manifests/v1")
    assert (by_tag.status_code, by_tag.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert (await client.send("DELETE", f"/v2/team/api/manifests/{IMAGE.digest}")).status_code == 202
    assert await client.tags() == ["index", "list", "oci"]


async def test_a_tag_is_copied_to_another_repository_by_mounts(client: Client) -> None:
    await client.push_all()
    refused = await client.push("mirror/api", "v1", DOCKER_MANIFEST, IMAGE.manifest.data)
    missing = [error["detail"] for error in refused.json()["errors"]]
    assert missing == [IMAGE.config.digest, *(layer.digest for layer in IMAGE.layers)]
    for key in missing:
        mounted = await client.send("POST", f"/v2/mirror/api/blobs/uploads/?mount={key}&from=team/api")
        assert mounted.status_code == 201
    copied = await client.push("mirror/api", "v1", DOCKER_MANIFEST, IMAGE.manifest.data)
    assert copied.headers["docker-content-digest"] == IMAGE.digest
    assert await client.tags("mirror/api") == ["v1"]


async def test_the_catalog_pages_by_link(client: Client) -> None:
    for name in ("c", "a/b", "b"):
        await client.push_blob(name, b"x")
    found: list[str] = []
    path = "/v2/_catalog?n=2"
    while path:
        page = await client.send("GET", path)
        found += page.json()["repositories"]
        path = page.links["next"]["url"] if "next" in page.links else ""
    assert {"a/b", "b", "c"} <= set(found)
    assert found == sorted(found)


async def test_the_story_is_in_the_practice_registry(tmp_path: Path) -> None:
    story = build_story(7, NOW, tmp_path / "story")
    server, client = await served(story=story)
    async with client.http:
        names = (await client.send("GET", "/v2/_catalog")).json()["repositories"]
        assert {"team/fraud-api", "team/scorer", "library/python", "team/notebook"} <= set(names)
        for release in story.releases["fraud-api"]:
            path = f"/v2/team/fraud-api/manifests/{release.version}"
            answer = await client.send("HEAD", path, accept=NEW)
            assert answer.headers["docker-content-digest"] == release.image.digest
        for name, tag, platforms in (("library/postgres", "16", 3), ("library/busybox", "latest", 3)):
            index = (await client.send("GET", f"/v2/{name}/manifests/{tag}", accept=NEW)).json()
            assert len(index["manifests"]) == platforms
            for entry in index["manifests"]:
                path = f"/v2/{name}/manifests/{entry['digest']}"
                manifest = (await client.send("GET", path, accept=NEW)).json()
                config = await client.send("GET", f"/v2/{name}/blobs/{manifest['config']['digest']}")
                assert config.json()["architecture"] == entry["platform"]["architecture"]
    await server.stop()
    assert server.errors == []


async def test_deletes_can_be_off() -> None:
    server, client = await served(deletes=False)
    async with client.http:
        answer = await client.send("DELETE", f"/v2/team/api/manifests/{ZEROS}")
    await server.stop()
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (405, "UNSUPPORTED")


async def test_basic_auth_challenges_and_lets_in() -> None:
    server, client = await served(BasicAuth({"oper": "s3cret"}))
    async with client.http:
        denied = await client.send("GET", "/v2/a/b/manifests/x")
        word = base64.b64encode(b"oper:s3cret").decode()
        allowed = await client.send("GET", "/v2/_catalog", authorization=f"Basic {word}")
        wrong = await client.send("GET", "/v2/", authorization="Basic !!!")
    await server.stop()
    assert denied.status_code == wrong.status_code == 401
    assert denied.headers["www-authenticate"] == 'Basic realm="Registry Realm"'
    detail = [{"Type": "repository", "Class": "", "Name": "a/b", "Action": "pull"}]
    assert denied.json()["errors"] == [{"code": "UNAUTHORIZED", "message": "authentication required", "detail": detail}]
    assert wrong.json()["errors"][0]["detail"] is None
    assert allowed.json() == {"repositories": []}


async def test_token_auth_names_realm_service_and_scope() -> None:
    now = NOW
    server, client = await served(TokenAuth({"oper": "s3cret"}, lambda: now))
    async with client.http:
        denied = await client.send("PUT", "/v2/a/b/manifests/x", b"{}")
        challenge = denied.headers["www-authenticate"]
        found = re.fullmatch(r'Bearer realm="([^"]+)",service="([^"]+)",scope="([^"]+)"', challenge)
        assert found is not None
        assert found[3] == "repository:a/b:pull,push"
        nobody = await client.http.get(found[1], params={"service": found[2], "scope": found[3]})
        assert nobody.status_code == 401
        pull = {"service": found[2], "scope": "repository:a/b:pull"}
        grant = await client.http.get(found[1], params=pull, auth=("oper", "s3cret"))
        bearer = f"Bearer {grant.json()['token']}"
        listed = await client.send("GET", "/v2/a/b/tags/list", authorization=bearer)
        assert listed.status_code == 404
        narrow = await client.send("PUT", "/v2/a/b/manifests/x", b"{}", authorization=bearer)
        assert narrow.headers["www-authenticate"].endswith(',error="insufficient_scope"')
        now += grant.json()["expires_in"]
        late = await client.send("GET", "/v2/a/b/tags/list", authorization=bearer)
        assert late.headers["www-authenticate"].endswith(',error="invalid_token"')
    await server.stop()


async def test_a_public_repository_can_be_read_by_anybody() -> None:
    server, client = await served(TokenAuth({}, lambda: NOW, public=True))
    async with client.http:
        grant = await client.http.get("/token", params={"scope": "repository:a/b:pull,push"})
        bearer = f"Bearer {grant.json()['access_token']}"
        assert (await client.send("GET", "/v2/a/b/tags/list", authorization=bearer)).status_code == 404
        assert (await client.send("PUT", "/v2/a/b/manifests/x", b"", authorization=bearer)).status_code == 401
    await server.stop()


def test_a_schema_1_digest_is_that_of_the_payload_without_its_signature() -> None:
    signed, key = schema1("n", "t", json.loads(IMAGE.manifest.data), IMAGE.config.data, NOW)
    block = json.loads(signed)["signatures"][0]
    protected = json.loads(base64.urlsafe_b64decode(block["protected"] + "=="))
    tail = base64.urlsafe_b64decode(protected["formatTail"] + "==")
    payload = signed[: protected["formatLength"]] + tail
    assert "sha256:" + hashlib.sha256(payload).hexdigest() == key
