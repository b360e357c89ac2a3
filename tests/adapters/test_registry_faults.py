"""What the registry adapter does when things go wrong, and with answers of other shapes and sizes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.regrig import LABELS, Rig, desk, practice_rig, ref, tags
from quarterdeck_adapters.registry import inventory
from quarterdeck_adapters.registry.reference import (
    digest_of,
)
from quarterdeck_demo import faults as bad
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.oci import OCI_INDEX, OCI_MANIFEST
from quarterdeck_demo.server import Request, Response, Server, json_response
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.text import clean

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = await practice_rig()
    await made.push(made.image("one"), "v1")
    try:
        yield made
    finally:
        await made.close()


def server(rig: Rig) -> Server:
    assert rig.server is not None
    return rig.server


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (bad.Status(code=401), errors.AuthFailed),
        (bad.Status(code=429), errors.RateLimited),
        (bad.Status(code=500), errors.Unavailable),
        (bad.Status(code=502), errors.Unavailable),
        (bad.Reset(), errors.Unavailable),
        (bad.BlackHole(), errors.Timeout),
        (bad.Html(), errors.Malformed),
        (bad.Truncate(), errors.Malformed),
        (bad.Truncate(framed=False), errors.Unavailable),
    ],
)
@pytest.mark.parametrize("repos", [True, False])
async def test_every_fault_is_a_typed_error(rig: Rig, fault: Any, expected: type, repos: bool) -> None:
    source = rig.source(deadline=0.2, **({} if repos else {"repos": ()}))
    server(rig).faults.add(fault)
    with pytest.raises(errors.QuarterdeckError) as caught:
        await source.list("tag")
    assert type(caught.value) is expected
    assert caught.value.source == "reg"
    with suppress(errors.QuarterdeckError):
        await source.probe()


@pytest.mark.parametrize("code", [403, 404])
async def test_a_registry_without_a_catalog_asks_for_repos(rig: Rig, code: int) -> None:
    server(rig).faults.add(bad.Status(code=code), path="_catalog")
    with pytest.raises(errors.Unsupported) as caught:
        await rig.source(repos=()).list("tag")
    assert "repos:" in caught.value.mend
    assert await tags(rig.source())


async def test_a_pause_that_is_asked_for_is_told(rig: Rig) -> None:
    server(rig).faults.add(bad.Status(code=429, retry_after=9), method="HEAD")
    with pytest.raises(errors.RateLimited) as caught:
        await rig.source().list("tag")
    assert caught.value.retry_after == 9


async def test_one_repository_in_trouble_leaves_the_others(rig: Rig) -> None:
    await rig.push(rig.image("one", rig.other), "v1")
    server(rig).faults.add(bad.Status(code=403), path=f"{rig.other}/tags")
    listing = await rig.source(repos=(rig.repository, rig.other)).list("tag")
    assert [row.name for row in listing.rows] == [f"{rig.repository}:v1"]
    assert f"{rig.other}: 403: injected fault" in listing.partial


async def test_one_tag_in_trouble_keeps_its_digest(rig: Rig) -> None:
    await rig.push(rig.image("two"), "v2")
    source = rig.source()
    before = await tags(source)
    server(rig).faults.add(bad.Status(code=500), path="manifests/v2")
    listing = await source.list("tag")
    assert {row.name: row.digest for row in listing.rows} == {name: row.digest for name, row in before.items()}  # type: ignore[attr-defined]
    assert f"{rig.repository}:v2: down: 500" in listing.partial


@pytest.mark.parametrize("fault", [bad.Status(code=500), bad.Truncate(), bad.Html(), bad.Status(code=429)])
async def test_details_that_cannot_be_read_are_said_and_come_later(rig: Rig, fault: Any) -> None:
    source = rig.source()
    server(rig).faults.add(fault, method="GET", path="manifests|blobs")
    listing = await source.list("tag")
    assert [(row.name, row.labels) for row in listing.rows] == [(f"{rig.repository}:v1", {})]  # type: ignore[attr-defined]
    assert listing.partial
    server(rig).faults.clear()
    listing = await source.list("tag")
    assert (listing.partial, listing.rows[0].labels) == ("", LABELS)  # type: ignore[attr-defined]


async def test_each_digest_is_read_once(rig: Rig) -> None:
    source = rig.source()
    first = (await source.list("tag")).rows
    server(rig).requests.clear()
    assert (await source.list("tag")).rows == first
    assert [(seen.method, seen.path.rpartition("/")[2]) for seen in server(rig).requests] == [
        ("GET", "list"),
        ("HEAD", "v1"),
    ]
    assert all(OCI_INDEX in seen.headers["accept"] for seen in server(rig).requests if seen.method == "HEAD")


async def test_bounds_are_kept_and_said(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    image = rig.image("one")
    await rig.push(image, *(f"v{number}" for number in range(2, 13)), "latest")
    for name, value in (("MOST_TAGS", 4), ("MOST_REPOSITORIES", 2), ("MOST_HEADS", 2)):
        monkeypatch.setattr(inventory, name, value)
    for name in ("qdx/a", "qdx/b"):
        await rig.push(rig.image("one", name), "v1")
    source = rig.source()
    listing = await source.list("tag")
    assert [row.name.rpartition(":")[2] for row in listing.rows] == ["latest", "v12"]
    assert listing.partial == f"{rig.repository}: 4 of 13 tags; 2 tags take turns, 2 a round"
    assert listing.total == 13
    assert [row.name.rpartition(":")[2] for row in (await source.list("tag")).rows] == ["latest", "v12", "v11", "v10"]
    assert "the first 2 repositories" in (await rig.source(repos=()).list("tag")).partial


async def test_details_that_take_too_long_come_with_the_next_rounds(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "DETAILS_S", -1.0)
    source = rig.source()
    listing = await source.list("tag")
    assert listing.partial == "1 digests still to be read"
    assert source.interval("tag", listing.rows) == 2.0
    monkeypatch.undo()
    listing = await source.list("tag")
    assert (listing.partial, source.interval("tag", listing.rows)) == ("", 30.0)


@pytest.mark.parametrize("fault", [bad.TokenLoop(), bad.DuplicatePages()])
async def test_pages_that_go_in_circles_end(rig: Rig, fault: Any) -> None:
    assert rig.app is not None
    for number in range(130):
        rig.app.store.push(rig.image("one", f"many/r{number:03}"))
    names, more = await rig.source().client.catalog(200)
    assert (len(names), more) == (131, False)
    server(rig).faults.add(fault)
    server(rig).requests.clear()
    names, _ = await rig.source().client.catalog(200)
    assert len(names) == 131 if isinstance(fault, bad.DuplicatePages) else len(names) >= 100
    assert len(server(rig).requests) <= 3


async def odd(answers: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[Rig, Server]:
    """A registry whose answers to GETs are these objects, by the end of their path."""

    async def app(request: Request) -> Response:
        for end, answer in answers.items():
            if request.path.endswith(end):
                return answer if isinstance(answer, Response) else json_response(answer, headers=headers or {})
        return json_response({}, 404)

    made = Server(app)
    return Rig(f"http://127.0.0.1:{await made.start_tcp()}", server=made), made


@pytest.mark.parametrize("answer", [{"tags": "x"}, {"tags": {"a": 1}}, {}, [], None, "x"])
async def test_other_shapes_of_a_tag_list_are_malformed(answer: Any) -> None:
    rig, _ = await odd({"tags/list": answer})
    with pytest.raises(errors.Malformed):
        await rig.source().list("tag")
    await rig.close()


async def test_null_tags_and_names_that_are_none_are_no_rows() -> None:
    rig, made = await odd(
        {"tags/list": {"tags": None}, "_catalog": {"repositories": ["a/b", "../../etc", "\x1b[2J", 5]}}
    )
    listing = await rig.source(repos=()).list("tag")
    assert listing.rows == []
    assert "2 names left out" in listing.partial
    assert [seen.path for seen in made.requests] == ["/v2/_catalog", "/v2/a/b/tags/list"]
    await rig.close()


async def test_a_next_page_elsewhere_is_asked_for_here() -> None:
    page = Response(200, {"Link": '<http://169.254.169.254/v2/_catalog?last=a>; rel="next"'}, b'{"repositories":["a"]}')
    rig, made = await odd({"_catalog": page})
    names, _ = await rig.source().client.catalog(10)
    assert names == ["a"]
    assert [seen.query for seen in made.requests] == [{"n": ["100"]}, {"last": ["a"]}]
    await rig.close()


async def test_without_a_digest_header_the_manifest_itself_is_hashed() -> None:
    body = b'{"schemaVersion": 2}'
    answer = Response(200, {"Content-Type": OCI_MANIFEST}, body)
    rig, _ = await odd({"tags/list": {"tags": ["v1"]}, "manifests/v1": answer, digest_of(body): answer})
    found = await tags(rig.source())
    assert [row.digest for row in found.values()] == [digest_of(body)]
    await rig.close()


async def test_bytes_that_are_not_those_of_the_digest_are_not_believed() -> None:
    head = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": DIGEST}
    answer = Response(200, head, b'{"schemaVersion": 2}')
    rig, _ = await odd({"tags/list": {"tags": ["v1"]}, "manifests/v1": answer, DIGEST: answer})
    listing = await rig.source().list("tag")
    assert f"{DIGEST[:19]}: bad answer: its bytes are" in listing.partial
    with pytest.raises(errors.Malformed, match="not what its digest says"):
        await rig.source().actions["tag.copy"].preview(ref(rig.repository, "v1"), {"to": "v2"})
    await rig.close()


@pytest.mark.parametrize("everything", [False, True])
async def test_hostile_strings_become_rows_or_typed_errors(rig: Rig, everything: bool, tmp_path: Path) -> None:
    await rig.push_index("multi", rig.image("arm"), rig.image("amd"))
    seen = 0
    for word in HOSTILE:
        image = rig.image("one", rig.other, labels={"a": word, "org.opencontainers.image.revision": word, word: "b"})
        await rig.push(image, "v1")
        source = rig.source(repos=(rig.repository, rig.other))
        for row in (await source.list("tag")).rows:
            seen += 1
            assert row.note == clean(row.note, 1_000_000)
            assert "\x1b" not in str([row, await source.describe(row.ref)])
        server(rig).faults.add(bad.Hostile(strings=(word,), everything=everything))
        for repos in ((), (rig.repository,)):
            spoiled = rig.source(repos=repos)
            with suppress(errors.QuarterdeckError):
                for row in (await spoiled.list("tag")).rows:
                    assert "\x1b" not in str([row.name, row.note, row.links])
            for call in (
                spoiled.describe(ref(rig.repository, "v1")),
                spoiled.describe(ref(word, word)),
                spoiled.probe(),
            ):
                with suppress(errors.QuarterdeckError):
                    await call
        server(rig).faults.clear()
    assert seen > 50


async def test_a_registry_that_refuses_deletes_says_how_to_allow_them(tmp_path: Path) -> None:
    rig = await practice_rig(deletes=False)
    await rig.push(rig.image("one"), "v1")
    source = rig.source()
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.delete", ref(rig.repository, "v1"))
        result = await at.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", errors.Unsupported)
        assert "REGISTRY_STORAGE_DELETE_ENABLED" in result.message
    [row] = (await source.list("tag")).rows
    assert source.actions["tag.delete"].permitted(row) == "this registry does not allow deletes"
    assert (await source.probe()).can == {"tag.delete": "this registry does not allow deletes"}
    await rig.close()


async def test_a_write_whose_answer_is_lost_is_settled_by_reading(rig: Rig, tmp_path: Path) -> None:
    source = rig.source()
    async with desk(source, tmp_path) as at:
        for to, effect, expected in (("v2", True, "SUCCEEDED"), ("v3", False, "FAILED")):
            preview = await at.preview("tag.copy", ref(rig.repository, "v1"), to=to)
            server(rig).faults.add(bad.Reset(effect=effect), method="PUT", count=1)
            result = await at.operator.perform(preview)
            assert result.result == expected, result.message
            assert len([seen for seen in server(rig).requests if seen.method == "PUT" and seen.path.endswith(to)]) == 1
            assert (f"{rig.repository}:{to}" in await tags(source)) is effect
        preview = await at.preview("tag.delete", ref(rig.repository, "v1"))
        server(rig).faults.add(bad.Status(code=502, effect=True), method="DELETE", count=1)
        result = await at.operator.perform(preview)
        assert result.result == "SUCCEEDED", result.message
    assert await tags(source) == {}


async def test_a_registry_that_links_no_blobs_is_not_written_to(rig: Rig, tmp_path: Path) -> None:
    server(rig).faults.add(bad.Status(code=202, headers={"Location": "/v2/x/blobs/uploads/y"}), method="POST")
    async with desk(rig.source(), tmp_path) as at:
        preview = await at.preview("tag.copy", ref(rig.repository, "v1"), to=f"{rig.other}:v1")
        result = await at.operator.perform(preview)
    assert (result.result, type(result.error)) == ("FAILED", errors.Unsupported)
    assert "skopeo" in result.message
    assert "PUT" not in {seen.method for seen in server(rig).requests if rig.other in seen.path}
