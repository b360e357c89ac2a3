"""The pure parts of the registry adapter: names, targets of a copy, what manifests say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.regrig import auth_of
from quarterdeck_adapters.registry.auth import Challenge, read_challenge
from quarterdeck_adapters.registry.client import Manifest
from quarterdeck_adapters.registry.content import children, chosen, image_detail, index_detail, links, moment, parse
from quarterdeck_adapters.registry.dockerconfig import entry, plain_login
from quarterdeck_adapters.registry.reference import (
    digest_of,
    is_digest,
    is_name,
    is_tag,
    newest_first,
    split_id,
    target_of,
)
from quarterdeck_demo.oci import OCI_INDEX, OCI_MANIFEST

DIGEST = "sha256:" + "a" * 64


def test_names_tags_and_digests_are_told_apart() -> None:
    assert all(map(is_name, ("a", "team/api", "a.b_c__d-e--f/g")))
    assert not any(map(is_name, ("", "A", "a//b", "/a", "a/", "../a", "a..b", "a b", "a\n", "a" * 256)))
    assert all(map(is_tag, ("latest", "V1.2_3-x", "_", "a" * 128)))
    assert not any(map(is_tag, ("", ".a", "-a", "a/b", "a:b", "a" * 129, "é", "a\n")))
    assert is_digest(DIGEST)
    assert not any(map(is_digest, ("sha256:" + "A" * 64, "sha256:12", "md5:" + "0" * 32, DIGEST + "\n")))
    assert split_id("team/api:v1") == ("team/api", "v1")
    assert newest_first(["v9", "v10", "latest", "v10-rc1", "edge"]) == ["latest", "v10-rc1", "v10", "v9", "edge"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v2", ("team/api", "v2")), ("other:v2", ("other", "v2")), ("a/b:v2", ("a/b", "v2")),
        ("reg:5000/a/b:v2", ("a/b", "v2")), ("reg:5000/a:v2", ("a", "v2")), (" v2 ", ("team/api", "v2")),
    ],
)  # fmt: skip
def test_a_target_is_a_tag_or_a_repository_with_one(text: str, expected: tuple[str, str]) -> None:
    assert target_of(text, "reg:5000", "team/api", "reg") == expected


def test_manifests_of_every_kind_have_a_detail() -> None:
    def manifest(media_type: str, **body: Any) -> Manifest:
        data = json.dumps(body).encode()
        return Manifest(digest_of(data), media_type, data)

    helm, created = "application/vnd.cncf.helm.config.v1+json", "2026-01-02T03:04:05Z"
    config = {"mediaType": helm, "digest": DIGEST, "size": 5}
    notes = {"org.opencontainers.image.created": created}
    layers = [{"digest": DIGEST, "size": 7}]
    chart = image_detail(manifest(OCI_MANIFEST, config=config, layers=layers, annotations=notes), {})
    assert (chart.kind, chart.size, chart.note) == ("artifact", 12, f"an artefact of type {helm}")
    assert chart.created_at == moment(created)
    assert chart.created_at is not None
    old = image_detail(manifest("application/vnd.docker.distribution.manifest.v1+prettyjws", fsLayers=[]), {})
    assert (old.kind, old.size) == ("old manifest", None)
    attestation = {"digest": "sha256:" + "b" * 64, "platform": {"os": "unknown", "architecture": "unknown"}}
    arm = {"digest": DIGEST, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    body = manifest(OCI_INDEX, manifests=[attestation, arm, {"digest": "x"}, 5])
    one = chosen(children(parse(body.data)))
    assert one is not None
    assert one.platform == "linux/arm64/v8"
    assert index_detail(body, None).platforms == ("linux/arm64/v8",)
    assert chosen(children({"manifests": [attestation]})) is None
    for data in (b"[]", b"<html>", b"\xff", b""):
        assert parse(data) == {}
    assert [link.kind for link in links("h/a:b", DIGEST, {})] == ["image", "digest"]


def test_challenges_are_read() -> None:
    header = 'Bearer realm="https://a/t?x=1,2",service="s",scope="repository:a/b:pull,push",error="x"'
    assert read_challenge(header) == Challenge("bearer", "https://a/t?x=1,2", "s", "repository:a/b:pull,push")
    assert read_challenge('Basic realm="R"') == Challenge("basic", "R")
    assert read_challenge("basic") == Challenge("basic")
    assert read_challenge("") == read_challenge("!") == Challenge("")


def test_dockers_config_is_read_with_care() -> None:
    assert plain_login({"auth": "no base64!"}) is plain_login({"auth": 5}) is plain_login([]) is plain_login({}) is None
    assert plain_login(auth_of("op", "a:b")) == plain_login(auth_of("op", "a:b\0"))
    assert repr(plain_login(auth_of("op", "hidden"))) == "Login(op)"
    assert entry({"auths": {"https://h:1/v1/": 1}}, "auths", "h:1") == ("https://h:1/v1/", 1)
    assert entry({"auths": "x"}, "auths", "h") == ("", None)
