"""Where rows are looked at in a browser, and which addresses are never handed on."""

from __future__ import annotations

import pytest

from quarterdeck_lifecycle.kinds import Container, Host, Image, Repository, Rule, Series, Tag
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.webaddress import addresses, hosts_of

SOURCES = {"local": "unix:///run/docker.sock", "far": "ssh://ops@prod-1", "prom": "https://prom.example:9090/p",
           "reg": "http://reg.example:5000", "gh": "https://api.github.com"}  # fmt: skip
HOSTS = hosts_of(SOURCES.values(), ["https://gitlab.example/a/b"])


def found(record: Record, *owners: Record) -> list[str]:
    return [address.url for address in addresses(record, owners, SOURCES, HOSTS) if not address.why_not]


def box(source: str = "local", **more: object) -> Container:
    return Container(ref=Ref(source, "container", "1"), name="c", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (box(ports=("127.0.0.1:8080->80/tcp", "0.0.0.0:5432->5432/tcp", "53->53/udp")), ["http://127.0.0.1:8080/"]),
        (box("far", ports=("0.0.0.0:8443->8443/tcp", "127.0.0.1:8080->80/tcp")), ["https://prod-1:8443/"]),
        (box(image="ghcr.io/acme/api:v1"), ["https://ghcr.io/acme/api"]),
        (box(image="redis:7"), ["https://hub.docker.com/_/redis"]),
        (box(image="127.0.0.1:5000/team/api:v1"), []),
        (box(image="sha256:" + "ab" * 32), []),
        (Image(ref=Ref("local", "image", "1"), name="i", tags=("quay.io/a/b:1", "a/b:1")),
         ["https://quay.io/repository/a/b", "https://hub.docker.com/r/a/b"]),
        (Tag(ref=Ref("reg", "tag", "1"), name="t", registry="ghcr.io", repository="a/b", tag="1"),
         ["https://ghcr.io/a/b"]),
        (Series(ref=Ref("prom", "series", "1"), name="s", expr='up{a="b"} > 0'),
         ["https://prom.example:9090/p/graph?g0.expr=up%7Ba%3D%22b%22%7D%20%3E%200&g0.tab=0"]),
        (Rule(ref=Ref("prom", "rule", "1"), name="r"), ["https://prom.example:9090/p/rules"]),
        (Host(ref=Ref("host", "host", "1"), name="h"), []),
        (Repository(ref=Ref("git", "repository", "/r"), name="r", path="/r", url="https://gitlab.example/a/b"),
         ["https://gitlab.example/a/b"]),
    ],
)  # fmt: skip
def test_each_kind_has_the_pages_that_there_are(record: Record, expected: list[str]) -> None:
    assert found(record) == expected


def test_a_row_without_a_page_has_those_of_its_owners() -> None:
    repo = Repository(ref=Ref("git", "repository", "/r"), name="r", path="/r", url="https://github.com/a/b")
    assert found(box(image="reg.example:5000/a:1"), repo) == ["https://github.com/a/b"]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "https://evil.example/", "https://github.com@evil.example/",
     "https://github.com\\@evil.example/", "http://[bad", "https://github.com/a b", "//github.com/a", "https:///x",
     "https://user:pw@github.com/"],
)  # fmt: skip
def test_an_address_of_another_host_or_form_is_told_and_not_handed_on(url: str) -> None:
    told = addresses(box(url=url), (), SOURCES, HOSTS)
    assert [address.url for address in told] == [url]
    assert told[0].why_not
