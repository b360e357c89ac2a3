"""Discovery joins the config without doubling a server or taking a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.merge import Candidate, Finding, merge_sources, normal_url
from quarterdeck_config.schema import SecretRef, Source


def source(name: str, system: str = "docker", url: str | None = None, **more: object) -> Source:
    return Source(name=name, system=system, url=url, **more)  # type: ignore[arg-type]


def found(name: str, system: str, url: str | None, answered: bool | None = True, **more: object) -> Candidate:
    return Candidate(source(name, system, url, **more), f"seen {name}", answered)


def test_configured_wins_over_the_same_endpoint() -> None:
    mine = source("ml", "mlflow", "http://localhost:5000/", token=SecretRef(env="T"), read_only=True)
    sources, report = merge_sources([mine], [found("mlflow", "mlflow", "http://127.0.0.1:5000")])
    assert sources == (mine,)
    assert report == (
        Finding("ml", "mlflow", "http://localhost:5000/", "configured", True),
        Finding("ml", "mlflow", "http://127.0.0.1:5000", "seen mlflow", False, "the same endpoint as ml"),
    )


def test_names_are_made_unique() -> None:
    mine = source("docker", "docker", "ssh://prod")
    sources, _ = merge_sources([mine], [found("docker", "docker", "unix:///a"), found("docker", "docker", "unix:///b")])
    assert [(s.name, s.url) for s in sources] == [
        ("docker", "ssh://prod"),
        ("docker-2", "unix:///a"),
        ("docker-3", "unix:///b"),
    ]


def test_the_answer_decides() -> None:
    sources, report = merge_sources(
        [],
        [
            Candidate(source("reg", "registry", "http://127.0.0.1:5000"), "port 5000", False, "no /v2/"),
            found("mlflow", "mlflow", "http://127.0.0.1:5000"),
            found("prom", "prometheus", "http://prom:9090", answered=None),
        ],
    )
    assert [s.name for s in sources] == ["mlflow", "prom"]
    assert [(f.name, f.used, f.why) for f in report] == [
        ("reg", False, "no /v2/"),
        ("mlflow", True, ""),
        ("prom", True, ""),
    ]


def test_candidates_of_one_endpoint_share_their_repositories() -> None:
    one = found("gh", "github", None, repos=("a/b",))
    other = found("gh", "github", "https://api.github.com", repos=("c/d", "a/b"))
    defaults = {"github": "https://api.github.com"}
    sources, _ = merge_sources([], [one, other], defaults)
    assert [(s.name, s.repos) for s in sources] == [("gh", ("a/b", "c/d"))]
    configured = source("gh", "github", repos=("a/b",))
    sources, _ = merge_sources([configured], [other], defaults)
    assert sources == (configured,), "a configured source is never changed"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://H:80/", "http://h", True),
        ("https://h", "https://h:443", True),
        ("http://localhost:5000", "http://[::1]:5000/", True),
        ("unix:///var/run/../run/docker.sock", "unix:///var/run/docker.sock", True),
        ("http://u@h", "http://h", True),
        ("http://h", "https://h", False),
        ("http://h/a", "http://h/b", False),
        ("ssh://a@h", "ssh://b@h", False),
        ("ssh://localhost", "ssh://127.0.0.1", False),
        ("http://h:1", "http://h:2", False),
    ],
)
def test_same_url(one: str, other: str, same: bool) -> None:
    assert (normal_url(one) == normal_url(other)) is same


_SOURCES = st.builds(
    source,
    st.sampled_from(["a", "b", "docker"]),
    st.sampled_from(["docker", "mlflow"]),
    st.sampled_from([None, "http://h", "http://h:80/", "http://k", "unix:///s"]),
)
_CANDIDATES = st.lists(st.builds(Candidate, _SOURCES, st.just("x"), st.sampled_from([True, False, None])), max_size=8)


@given(st.lists(_SOURCES, max_size=4, unique_by=lambda s: s.name), _CANDIDATES)
def test_rules_hold_for_any_input(configured: list[Source], candidates: list[Candidate]) -> None:
    sources, report = merge_sources(configured, candidates)
    assert list(sources[: len(configured)]) == configured
    names = [s.name for s in sources]
    assert len(set(names)) == len(names)
    added = [(s.system, normal_url(s.url or "")) for s in sources[len(configured) :]]
    assert len(set(added)) == len(added)
    assert not set(added) & {(s.system, normal_url(s.url or "")) for s in configured}
    assert len(report) == len(configured) + len(candidates)
    assert [f.name for f in report if f.used] == names
    for candidate in candidates:
        if candidate.answered is not False:
            wanted = (candidate.source.system, normal_url(candidate.source.url or ""))
            assert wanted in {(s.system, normal_url(s.url or "")) for s in sources}


@given(st.text(max_size=30))
def test_no_url_breaks_it(url: str) -> None:
    assert normal_url(normal_url(url)) == normal_url(url)
