"""Travis's payloads as records, its addresses, and what its logs tell."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.travis import mapping, parts, places, steps
from quarterdeck_adapters.travis.adapter import TravisSource
from quarterdeck_adapters.travis.mapping import Home
from quarterdeck_adapters.travis.rights import Rights
from quarterdeck_adapters.travis.trigger import body_of
from quarterdeck_config.schema import Config
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.records import Ref, Status

HOME = Home("tr", "", "https://app.travis-ci.com", "github.com", "acme/scorer", "main")
SHA = "ab" * 20
# https://developer.travis-ci.com/resource/build
BUILD: dict[str, Any] = {
    "@type": "build", "id": 86601346, "number": "3", "state": "failed", "duration": 300, "event_type": "push",
    "previous_state": "passed", "pull_request_number": None, "started_at": "2026-11-22T13:00:00Z",
    "finished_at": "2026-11-22T13:02:30Z", "updated_at": "2026-11-22T13:02:30.123Z",
    "branch": {"name": "main"}, "tag": None, "created_by": {"login": "op2"},
    "commit": {"sha": SHA, "ref": "refs/heads/main", "message": "one\n\ntwo",
               "compare_url": "https://github.com/acme/scorer/compare/a...b"},
}  # fmt: skip


def job(state: str, **more: Any) -> dict[str, Any]:
    """A job in a state."""
    config = {"language": "python", "python": "3.12"}
    return {"id": 7, "number": "3.1", "state": state, "queue": "builds.linux", "config": config, **more}


def context() -> Context:
    """A context without anything."""
    return Context(secret=lambda ref: "", env={}, config=Config(), project="/")


def test_a_build_is_a_row_with_its_links() -> None:
    row = mapping.run_record(BUILD, HOME, created_at=5.0)
    assert (row.name, row.state, row.status, row.number) == ("scorer #3", "failed", Status.BAD, "3")
    assert row.duration_s == 150
    assert row.ref == Ref("tr", "run", "acme/scorer/86601346")
    assert row.url == "https://app.travis-ci.com/github/acme/scorer/builds/86601346"
    assert (row.link("repository"), row.link("commit"), row.link("branch")) == ("github.com/acme/scorer", SHA, "main")
    assert (row.actor, row.event, row.workflow, row.created_at) == ("op2", "push", "build", 5.0)
    going = mapping.run_record({**BUILD, "state": "started", "finished_at": None}, HOME)
    assert (going.status, going.duration_s, going.finished_at) == (Status.RUNNING, None, None)
    assert mapping.run_record({**BUILD, "state": "on fire"}, HOME).status is Status.UNKNOWN


def test_a_pull_request_s_build_is_not_one_of_the_branch_it_would_go_into() -> None:
    row = mapping.run_record({**BUILD, "event_type": "pull_request", "pull_request_number": 409}, HOME)
    assert (row.branch, row.workflow, row.link("pull_request")) == ("pull/409", "pull request", "409")
    assert row.link("branch") == ""
    tagged = mapping.run_record({**BUILD, "tag": {"name": "v2"}, "branch": {"name": "v2"}}, HOME)
    assert (tagged.branch, tagged.link("tag"), tagged.link("branch")) == ("v2", "v2", "")


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, True])
def test_fields_of_another_type_count_as_absent(wrong: Any) -> None:
    for key in BUILD:
        row = mapping.run_record({**BUILD, key: wrong}, HOME)
        assert row.system == "travis"
    for key in ("config", "stage", "queue", "state", "number", "started_at", "restarted_by", "commit", "allow_failure"):
        one = {**job("failed"), key: wrong}
        assert mapping.job_record(one, HOME, 1).run == "acme/scorer/1"
        assert isinstance(mapping.spot_of([one, {**job("queued"), key: wrong}]), mapping.Spot)


def test_when_a_build_was_there_is_bounded_by_those_that_came_after_it() -> None:
    # The second was started again later than the first was made.
    times = ["2026-11-22T12:00:00Z", "2026-11-23T09:00:00Z", "2026-11-20T08:00:00Z"]
    found = mapping.made_before([{"started_at": at, "updated_at": at} for at in times])
    assert found[0] == found[1]
    assert found[2] is not None
    assert found[2] < (found[1] or 0)
    assert mapping.made_before([{}, {"started_at": "never"}]) == [None, None]


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"name": "lint", "language": "python"}, "lint"), ({"language": "python", "python": "3.12"}, "Python: 3.12"),
        ({"language": "node_js", "node_js": "22"}, "node_js: 22"), ({"env": "A=1 B=2"}, "A=1 B=2"), ({}, "3.1"),
        ({"os": "osx", "language": "minimal"}, "os: osx"), (None, "3.1"),
    ],
)  # fmt: skip
def test_what_tells_a_job_from_its_siblings(config: Any, name: str) -> None:
    assert mapping.job_name(job("passed", config=config)) == name


def test_where_a_build_stands_by_its_jobs() -> None:
    test, image = {"name": "Test", "number": 1}, {"name": "Image", "number": 2}
    failed = mapping.spot_of([job("passed", stage=test), job("failed", stage=test), job("errored", stage=test)])
    assert failed.note == "Test / Python: 3.12 +1 more"
    assert mapping.spot_of([job("errored")]).note == "Python: 3.12 broke before its script"
    assert mapping.spot_of([job("failed", allow_failure=True)]).note == ""
    assert mapping.spot_of([job("started", stage=test)] * 2).where == "Test / Python: 3.12 +1 more"
    waits = mapping.spot_of([job("created", stage=image), job("queued", stage=test)])
    assert waits.queued == "waits for a worker of builds.linux"
    assert waits.where == "Test / Python: 3.12 waits for a worker of builds.linux"
    assert "limit of concurrent jobs" in mapping.spot_of([job("created")]).queued
    assert mapping.spot_of([]) == mapping.Spot()


def test_a_job_that_may_fail_is_looked_at_and_no_trouble() -> None:
    row = mapping.job_record(job("failed", allow_failure=True), HOME, 3)
    assert (row.status, row.note) == (Status.LOOK, "allowed to fail")
    again = mapping.job_record(job("queued", restarted_by={"login": "op2"}), HOME, 3)
    assert again.note == "waits for a worker of builds.linux, restarted by op2"
    assert again.ref.id == "acme/scorer/3/7"


def test_variables_that_name_an_image_or_a_model_version_are_links() -> None:
    digest = f"sha256:{'0' * 64}"
    env = ["IMAGE=reg/team/scorer:1", f"BUILT='reg/x@{digest}' MODEL_VERSION=fraud/18", "IMAGES=2", "PASSWORD=[secure]"]
    links = {link.kind: link.value for link in mapping.made_links(job("passed", config={"env": env}))}
    assert links == {"image": "reg/team/scorer:1", "digest": digest, "version": "fraud/18"}
    assert mapping.made_links(job("passed", config={"env": 7, "global_env": [None]})) == []


def test_hostile_words_are_made_safe_in_every_field() -> None:
    for words in HOSTILE:
        build = {**BUILD, "state": words, "branch": {"name": words}, "created_by": {"login": words},
                 "event_type": words, "number": words,
                 "commit": {"sha": words, "compare_url": words, "message": words}}  # fmt: skip
        spot = mapping.spot_of([job("queued", queue=words, config={"name": words})])
        row = mapping.run_record(build, HOME, spot=spot)
        one = mapping.job_record(job(words, config={"name": words}, stage={"name": words}), HOME, 1)
        for each in (row, one):
            for value in msgspec.structs.asdict(each).values():
                text = value if isinstance(value, str) else ""
                assert not any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in text)
                assert not any(char in text for char in "\u202e\u2066\u061c\u200b")
        assert row.link("commit") == ""


def test_addresses_of_travis_and_of_an_enterprise_server() -> None:
    assert places.api_address(None) == "https://api.travis-ci.com"
    assert places.api_address("https://app.travis-ci.com/") == "https://api.travis-ci.com"
    assert places.api_address("https://travis.acme.example/api/") == "https://travis.acme.example/api"
    assert places.web_address("https://api.travis-ci.com") == "https://app.travis-ci.com"
    assert places.web_address("https://travis.acme.example/api") == "https://travis.acme.example"
    assert places.repository_path("acme/a.b") == "/repo/acme%2Fa.b"
    assert places.slugs(["acme/x", "ACME/x.git", "no", "acme/..", "a/b/c"]) == (["acme/x"], ["no", "acme/..", "a/b/c"])
    one = places.place_of(Ref("tr", "job", "acme/x/12/34"), ["acme/x"])
    assert one == ("acme/x", 12, 34)
    for wrong in ("acme/x/12", "acme/y/12/34", "acme/x/0/1", "acme/x/12/34/5", "../x/1/2"):
        assert places.place_of(Ref("tr", "job", wrong), ["acme/x"]) is None


@pytest.mark.parametrize("url", ["https://api.travis-ci.org", "https://travis-ci.org/acme", "http://www.travis-ci.org"])
def test_travis_ci_org_is_said_to_be_no_more(url: str) -> None:
    with pytest.raises(Unsupported, match="ended on 15 June 2021") as raised:
        TravisSource(SourceConfig(name="old", system="travis", url=url, repos=("a/b",)), context())
    assert "leave url: out" in raised.value.mend


@pytest.mark.parametrize("wrong", [0, 201, "many", True, 1.5])
def test_options_are_checked(wrong: Any) -> None:
    with pytest.raises(Unsupported, match="from 1 to 200"):
        TravisSource(SourceConfig(name="t", system="travis", repos=("a/b",), options={"builds": wrong}), context())


def test_rights_are_those_that_travis_tells() -> None:
    rights = Rights(signed_in=True)
    assert rights.denied("run.rerun", "acme/x", "run", 5) is None
    rights.learn("run", {"id": 5, "@permissions": {"restart": False, "cancel": True}})
    assert rights.denied("run.rerun", "acme/x", "run", 5) == (
        "the token may not restart this build (its @permissions say restart: false)"
    )
    assert rights.denied("run.rerun_failed", "acme/x", "run", 5) is not None
    assert rights.denied("run.cancel", "acme/x", "run", 5) is None
    rights.learn_repository("acme/x", {"@permissions": {"create_request": False, "build_cancel": "no"}})
    assert "ask for builds of acme/x" in (rights.denied("run.trigger", "acme/x", "run", 5) or "")
    assert rights.denied("run.cancel", "acme/x", "run", 6) is None
    assert "no token" in (Rights(signed_in=False).denied("run.cancel", "acme/x") or "")


LOG = (
    "travis_fold:start:install\r\x1b[0Ktravis_time:start:0a\r\x1b[0K$ pip install -r requirements.txt\r\n"
    "travis_time:end:0a:start=1000000000,finish=19000000000,duration=18000000000,event=install\r\x1b[0K"
    "travis_fold:end:install\r\x1b[0K\r\ntravis_time:start:0b\r\x1b[0K$ pytest -q\r\n$HOME is set\r\n"
    "travis_time:end:0b:start=19000000000,finish=20500000000,duration=1,event=script\r\x1b[0K\r\n"
    '\x1b[31;1mThe command "pytest -q" exited with 1.\x1b[0m\r\n$ after\r\n'
)


def test_the_commands_of_a_log_with_their_times_and_ends() -> None:
    told = steps.read(LOG)
    assert told.ran == (
        steps.Ran("pip install -r requirements.txt", 0, 18.0), steps.Ran("pytest -q", 1, 1.5), steps.Ran("after"),
    )  # fmt: skip
    assert told.broke == "pytest -q"
    assert [ran.state for ran in told.ran] == ["passed", "exited with 1", ""]
    assert steps.read("No output has been received in the last 10m0s\n").broke.startswith("No output")
    early = steps.read('The command "pip install x" failed and exited with 1 during install.\n')
    assert early.broke == "pip install x"
    assert steps.read("") == steps.Told(())
    assert len(steps.read("$ x\n" * 5000).ran) == steps.MOST


def test_parts_are_taken_in_order_and_only_as_far_as_there_is_no_gap() -> None:
    def log(*given: tuple[int, str, bool]) -> dict[str, Any]:
        return {"content": "whole", "log_parts": [{"number": n, "content": c, "final": f} for n, c, f in given]}

    assert parts.body_of(log((1, "b", False), (0, "a", False))) == (b"ab", False, None)
    assert parts.body_of(log((0, "a", False), (2, "c", True))) == (b"a", False, 1)
    assert parts.body_of(log((0, "a", False), (2, "c", True)), despite_gap=True) == (b"ac", True, 1)
    assert parts.body_of(log((0, "all", True))) == (b"all", True, None)
    assert parts.body_of({"content": "text", "log_parts": []}) == (b"text", False, None)
    assert parts.body_of({"content": None, "log_parts": [{"number": "x"}, 7]}) == (b"", False, None)


def test_what_is_asked_for_carries_variables_as_they_are() -> None:
    assert body_of("main", {}) == {"request": {"branch": "main"}}
    made = body_of("x", {"message": "try it", "A": "b c", "B": "$(reboot)"})["request"]
    assert made["message"] == "try it"
    assert made["config"]["env"]["global"] == ["A='b c'", "B='$(reboot)'"]
    assert made["merge_mode"] == "deep_merge_append"
