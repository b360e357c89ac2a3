"""What is only a guess is marked as one, and what could be several things is not chosen among."""

from __future__ import annotations

import msgspec
import pytest

from parts.tracing import (
    box,
    commit,
    digest,
    endpoint,
    image,
    link,
    names,
    pull,
    run,
    service,
    sha,
    tag,
    thread,
    version,
)
from quarterdeck_lifecycle.kinds import RegisteredModel, Repository, Run
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.trace.facts import bare, commit_fact, image_name, repository_of
from quarterdeck_lifecycle.trace.gaps import notes
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import Hop
from quarterdeck_lifecycle.trace.resolve import Several, resolve
from quarterdeck_lifecycle.trace.thread import Thread, walk


def guesses(found: Thread) -> dict[str, bool]:
    return {node.name: node.guess for node in found.nodes}


def test_a_short_sha_in_a_tag_is_a_guess_for_the_only_commit_that_begins_so() -> None:
    made, built = run(1, "c"), tag(f"team/api:main-{sha('c')[:7]}", "i")
    found = thread([made, built], built)
    assert guesses(found) == {sha("c")[:10]: True, "ci #1": True, built.name: False}
    assert any("short sha" in edge.evidence and edge.guess for edge in found.edges)
    assert thread([made, built], made).refs == found.refs


def test_a_short_sha_that_begins_two_commits_is_none_of_them() -> None:
    one = "abcdef1" + "0" * 33
    other = "abcdef1" + "1" * 33
    built = tag("team/api:sha-abcdef1", "i")
    rows = [built, _on(run(1, "a"), one), _on(run(2, "b"), other)]
    found = thread(rows, built)
    assert names(found) == {"image": [built.name]}
    assert notes(found, Graph(rows)) == ("abcdef1 begins 2 commits: too short to say which",)


def _on(record: Run, head: str) -> Run:
    return msgspec.structs.replace(record, head=head, links=(link("commit", head, "head_sha of the run"),))


def test_a_label_with_a_short_sha_is_a_guess_too() -> None:
    built = tag("team/api:v1", "i")
    said = _labelled(built, sha("c")[:8])
    assert guesses(thread([run(1, "c"), said], said))["ci #1"] is True
    assert commit_fact("not-a-sha", "") is None
    assert commit_fact("ABCDEF12", "") == ("short", "abcdef12", "")


def _labelled(record: Record, revision: str) -> Record:
    return msgspec.structs.replace(record, links=(*record.links, link("commit", revision, "label revision")))


def test_a_number_in_a_tag_is_no_sha() -> None:
    built = tag("team/api:20251123", "i")
    assert names(thread([built, run(1, "c")], built)) == {"image": [built.name]}


def test_the_same_tag_name_in_git_is_a_guess_and_never_beside_a_label() -> None:
    tagged = commit("c", refs=("tag: v1",))
    bare_image, labelled = tag("team/api:v1", "i"), tag("team/api:v1", "j", "other")
    found = thread([tagged, bare_image], bare_image)
    assert guesses(found)[sha("c")[:10]] is True
    assert any(edge.evidence.startswith("same tag name api:v1") for edge in found.edges)
    assert sha("c")[:10] not in guesses(thread([tagged, labelled], labelled))


def test_a_subject_that_names_a_change_request_is_a_guess() -> None:
    found = thread([commit("merged", "fix: null (#7)"), pull(7, "head")], bare("commit", sha("merged")))
    assert guesses(found) == {sha("merged")[:10]: False, "#7": True}


def test_an_image_without_a_digest_is_guessed_by_its_name() -> None:
    listed, built_here = tag("team/api:v1", "index"), image("reg:5000/team/api:v1", "id")
    found = thread([listed, built_here], listed)
    assert guesses(found)["reg:5000/team/api:v1"] is True
    assert any(edge.evidence.startswith("same image name") for edge in found.edges)


def test_a_tag_that_moved_is_not_what_runs_and_is_told() -> None:
    listed, ran = tag("team/api:v1", "new"), box("api-1", "id", manifest="old")
    graph = Graph([listed, ran])
    found = walk(graph, ran.ref)
    assert listed.name not in guesses(found)
    assert notes(found, graph) == ("reg:5000/team/api:v1 is another image in tag of reg: the tag was moved",)


def test_an_alias_that_a_container_declares_is_a_guess_by_the_time_it_moved() -> None:
    labels, at = {"MODEL_URI": "models:/fraud@champion"}, "quarterdeck.alias.champion.at"
    early = version("4", aliases=("champion",), tags={at: "1970-01-01T00:01:40+00:00"})
    late = version("4", aliases=("champion",), tags={at: "1970-01-01T01:00:00+00:00"})
    ran = box("scorer", "id", labels=labels, started_at=1000.0)
    assert guesses(thread([ran, early], ran))["fraud v4"] is True
    found = thread([ran, late], ran)
    assert not found.of(Hop.VERSION)
    assert notes(found, Graph([ran, late])) == ("scorer declares fraud@champion, which does not say what it loaded",)


def test_what_a_fact_also_leads_to_is_no_guess() -> None:
    built = tag(f"team/api:{sha('c')[:7]}", "i")
    ran = box("api-1", "id", manifest="i", seed="c")
    found = thread([run(1, "c"), built, ran], ran)
    assert guesses(found)["ci #1"] is False


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/Acme/API.git", "github.com/acme/api"),
        ("git@github.com:acme/api.git", "github.com/acme/api"),
        ("ssh://git@host:22/acme/api", "host/acme/api"), ("github.com/acme/api/", "github.com/acme/api"),
        ("https://me:secret@host/a/b", "host/a/b"), ("/srv/git/api", ""), ("file:///srv/api", ""),
    ],
)  # fmt: skip
def test_a_repository_has_one_name(address: str, name: str) -> None:
    assert repository_of(address) == name


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("redis", "docker.io/library/redis:latest"), ("team/api:v1", "docker.io/team/api:v1"),
        ("reg:5000/team/api", "reg:5000/team/api:latest"), ("localhost/api:v1", "localhost/api:v1"),
        ("index.docker.io/team/api:v1", "docker.io/team/api:v1"), (f"reg:5000/api@{digest('x')}", ""),
        (f"reg:5000/api:v1@{digest('x')}", "reg:5000/api:v1"), (digest("x"), ""),
    ],
)  # fmt: skip
def test_an_image_has_one_name(reference: str, name: str) -> None:
    assert image_name(reference) == name


def rows() -> list[Record]:
    model = RegisteredModel(ref=Ref("ml", "model", "fraud"), name="fraud", aliases={"champion": "3"})
    work = Repository(ref=Ref("git", "repository", "/src/api"), name="api", path="/src/api", branch="main",
                      head=sha("c"), tag="v1", links=(link("commit", sha("c"), "HEAD"), link("tag", "v1")))  # fmt: skip
    return [
        work, run(1, "c", branch="main"), run(2, "old", branch="fix"), pull(7, "c"),
        pull(7, "d", "https://github.com/acme/other"), tag("team/api:v1", "index", "c"), tag("team/api:v2", "two"),
        image("reg:5000/team/api:v1", "id", "index"), version("3", aliases=("champion",)), model,
        box("api-1", "id", manifest="index"), service("scorer", "prod"), endpoint("scorer2", "prod", "9"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (f"git:{sha('c')[:7]}", [sha("c")]), (sha("c"), [sha("c")]), ("git:v1", [sha("c")]), ("git:main", [sha("c")]),
        ("git:api:main", [sha("c")]), ("git:fix", [sha("old")]), ("pr:acme/api#7", ["acme/api/7"]),
        ("image:team/api:v1", ["team/api:v1", digest("id")]), ("image:reg:5000/team/api:v2", ["team/api:v2"]),
        (f"image:team/api@{digest('two')}", ["team/api:v2"]), (digest("two")[:19], ["team/api:v2"]),
        ("model:fraud/3", ["fraud/3"]), ("model:fraud@champion", ["fraud/3"]), ("model:fraud", ["fraud"]),
        ("model:fraud/9", ["fraud/9"]), ("api-1", ["engine-api-1"]), ("v2", ["team/api:v2"]), ("fraud/3", ["fraud/3"]),
        ("gh/run/acme%2Fapi%2F1", ["acme/api/1"]), ("#1", ["acme/api/1"]), ("-/commit/" + sha("c"), [sha("c")]),
    ],
)  # fmt: skip
def test_words_name_one_thing(words: str, ids: list[str]) -> None:
    assert sorted(ref.id for ref in resolve(words, Graph(rows()))) == sorted(ids)


@pytest.mark.parametrize("words", ["pr:7", "image:team/api", "git:abcdef1"])
def test_words_that_name_several_are_told_so_with_each(words: str) -> None:
    ambiguous = [_on(run(8, "x"), "abcdef1" + "0" * 33), _on(run(9, "y"), "abcdef1" + "1" * 33)]
    with pytest.raises(Several) as told:
        resolve(words, Graph([*rows(), *ambiguous]))
    assert len(told.value.candidates) == 2
    for candidate in told.value.candidates:
        assert resolve(str(candidate), Graph([*rows(), *ambiguous])) == (candidate,)


@pytest.mark.parametrize(
    "words",
    ["git:0123456789", "pr:8", "image:nobody/x", "sha256:0123", "model:fraud/8", "gh/run/none", "nothing", "abc"],
)
def test_words_that_name_nothing_are_told_so(words: str) -> None:
    with pytest.raises(LookupError, match="nothing here is called"):
        resolve(words, Graph(rows()))
