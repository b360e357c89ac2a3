"""Buildbot's payloads as records: pure, on answers of a Buildbot 4.3 and on what is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts.buildbot_recorded import ASKED, BUILD, OTHER, SHA, WORKER
from quarterdeck_adapters.buildbot import fields, mapping, queueing
from quarterdeck_adapters.buildbot.acting import requests_of
from quarterdeck_adapters.buildbot.api import root, words
from quarterdeck_adapters.buildbot.forcing import chosen
from quarterdeck_adapters.buildbot.mapping import Home, Known, repository, revisions, run_record
from quarterdeck_adapters.http import Answer
from quarterdeck_lifecycle.errors import Refused, Unsupported
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.text import clean

HOME = Home("ci", "", "http://ci.example")


def known(build: Any = BUILD, **options: Any) -> Known:
    return Known(5, "fraud-api", 2, build, **options)


def test_a_build_is_a_row_tied_to_its_commit_branch_and_repository() -> None:
    run = run_record(known(asked=ASKED), HOME)
    assert (run.name, run.number, run.state, run.status) == ("fraud-api #2", "2", "failure", Status.BAD)
    assert (run.created_at, run.started_at, run.duration_s) == (1795449752.0, 1795449754.0, 5.0)
    assert {link.kind: link.value for link in run.links} == {
        "repository": "git.example/acme/fraud-api", "commit": SHA, "branch": "main",
    }  # fmt: skip
    assert (run.repository, run.head, run.actor, run.event) == ("acme/fraud-api", SHA, "Ada <ada@example.invalid>",
                                                               "force")  # fmt: skip
    assert run.url == "http://ci.example/#/builders/2/builds/2"
    assert "pw" not in str(run)


@pytest.mark.parametrize(
    ("address", "link", "slug"),
    [
        ("https://github.com/acme/api.git", "github.com/acme/api", "acme/api"),
        ("git@github.com:acme/api.git", "github.com/acme/api", "acme/api"),
        ("ssh://git@Git.Example:2222/acme/api", "git.example/acme/api", "acme/api"),
        ("/srv/git/api.git", "", "api"), ("file:///srv/git/api", "", "api"), ("../api", "", "api"), ("", "", ""),
        ("https://", "", "https:"),
    ],
)  # fmt: skip
def test_the_address_of_a_clone_names_its_repository(address: str, link: str, slug: str) -> None:
    assert repository(address) == (link, slug)


def test_each_codebase_has_a_commit_and_a_version_of_svn_is_none() -> None:
    several = {**BUILD, "properties": {"got_revision": [{"api": SHA, "model": OTHER, "docs": "r42"}, "Git"]}}
    assert [sha for sha, _ in revisions(known(several))] == [SHA, OTHER]
    assert revisions(known({**BUILD, "properties": {"got_revision": ["4242", "SVN"]}})) == []
    asked_for = {**BUILD, "properties": {"revision": [OTHER, "Build"]}}
    assert revisions(known(asked_for, sources=({"revision": SHA},))) == [(OTHER, "revision of the build")]
    waiting = known(None, asked=ASKED, sources=({"revision": OTHER, "branch": "v2", "repository": "/srv/api"},))
    run = run_record(waiting, HOME, queued_for="no worker is connected: away")
    assert (run.head, run.branch, run.repository, run.status) == (OTHER, "v2", "api", Status.QUEUED)
    assert (run.number, run.queued_for) == ("r5", "no worker is connected: away")


def test_what_a_build_made_is_linked() -> None:
    digest = f"sha256:{'a' * 64}"
    made = {"image": ["reg.example/api:1", "SetProperty"], "digest": [f"reg.example/api@{digest}", "SetProperty"],
            "model_version": ["fraud/17", "SetProperty"]}  # fmt: skip
    links = run_record(known({**BUILD, "properties": made}), HOME).links
    assert {link.kind: link.value for link in links} == {
        "image": "reg.example/api:1", "digest": digest, "version": "fraud/17",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "state", "status"),
    [
        ({"results": 0}, "success", Status.OK), ({"results": 1}, "warnings", Status.LOOK),
        ({"results": 3}, "skipped", Status.IDLE), ({"results": 4}, "exception", Status.BAD),
        ({"results": 5}, "retry", Status.IDLE), ({"results": 6}, "cancelled", Status.IDLE),
        ({"results": 9}, "unknown", Status.UNKNOWN), ({"results": "0"}, "unknown", Status.UNKNOWN),
        ({"complete": False, "results": None}, "running", Status.RUNNING),
        ({"complete": False, "started_at": None}, "pending", Status.QUEUED),
    ],
)  # fmt: skip
def test_every_result_has_its_word(change: dict[str, Any], state: str, status: Status) -> None:
    run = run_record(known({**BUILD, **change}), HOME)
    assert (run.state, run.status) == (state, status)


def test_a_request_that_was_merged_into_another_says_so() -> None:
    run = run_record(known(None, asked={**ASKED, "complete": True, "claimed": True, "results": 3}), HOME)
    assert (run.state, run.note) == ("skipped", "Buildbot merged it into another request for the same")
    assert run_record(known(None, asked={**ASKED, "claimed": True}), HOME).state == "starting"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*BUILD, *ASKED, "hidden", "name", "stepid", "urls", "locks_acquired_at"])
ODD = st.dictionaries(FIELDS, JSON, max_size=8)


@settings(max_examples=30)
@given(ODD, ODD, ODD, st.dictionaries(st.sampled_from(mapping.PROPERTIES), JSON, max_size=4))
def test_no_payload_breaks_a_row_and_every_text_passed_the_gate(
    build: dict[str, Any], asked: dict[str, Any], step: dict[str, Any], properties: dict[str, Any]
) -> None:
    odd = known({**BUILD, **build, "properties": properties}, asked={**ASKED, **asked}, sources=(asked,))
    spot = mapping.spot_of({**BUILD, **build}, [step])
    for made in (run_record(odd, HOME, spot=spot), run_record(known(None, asked=asked), HOME),
                 mapping.job_record(step, HOME, odd)):  # fmt: skip
        assert all(not isinstance(each, str) or each == clean(each) for each in msgspec.structs.astuple(made))
    queueing.why(asked, [build, step], {}, 1)


def test_a_hostile_name_is_shown_as_text() -> None:
    evil = {**BUILD, "state_string": "\x1b]52;c;ZXZpbA==\x07\u202etxt", "complete": True, "results": 6}
    run = run_record(Known(5, "api\x1b[2J", 2, evil), HOME)
    assert all(bad not in f"{run.name}{run.note}{run.workflow}" for bad in ("\x1b", "\x07", "\u202e"))


@pytest.mark.parametrize(
    ("change", "building", "ahead", "why"),
    [
        ({"configured_on": []}, {}, 0, "no worker is configured for its builder"),
        ({"connected_to": []}, {}, 0, "no worker is connected: local"),
        ({"paused": True, "pause_reason": "disk full"}, {}, 0, "paused: local (disk full)"),
        ({"graceful": True}, {}, 0, "shutting down: local"),
        ({}, {1: ["train #3", "train #4"]}, 0, "waits for local, which builds train #3 and 1 more"),
        ({}, {9: ["train #3"]}, 1, "waits for its turn: 1 request comes first"),
        ({}, {}, 0, "waits to be taken: a lock, or a rule of its builder"),
    ],
)  # fmt: skip
def test_why_a_request_waits(change: dict[str, Any], building: dict[int, list[str]], ahead: int, why: str) -> None:
    assert queueing.why(ASKED, [{**WORKER, **change}], building, ahead) == why


def field(name: str, type: str, **more: Any) -> dict[str, Any]:
    return {"fullName": name, "name": name, "label": name, "type": type, "default": "", **more}


FORM: dict[str, Any] = {
    "name": "force", "enabled": True, "all_fields": [
        {"type": "nested", "name": "", "fields": [field("reason", "text", default="force build")]},
        {"type": "nested", "name": "api", "fields": [
            {**field("api_branch", "text"), "name": "branch"}, {**field("api_revision", "text"), "name": "revision"},
            {**field("api_repository", "fixed"), "name": "repository"}]},
        field("size", "list", choices=["s", "m"], default="s", strict=True),
        field("worker", "list", choices=["-any-"], strict=False), field("fast", "bool", default=False),
        field("tags", "text", multiple=True, default=["a", "b"]), field("count", "int", default=3, required=True),
        field("patch", "file"), "none", 7, None,
    ],
}  # fmt: skip


def test_a_form_is_read_flat_and_its_values_have_their_types() -> None:
    found = fields.flat(FORM)
    offered = {each.name: each for each in fields.parameters(found)}
    assert set(offered) == {"reason", "size", "worker", "fast", "tags", "count"}
    assert (offered["size"].choices, offered["worker"].choices) == (("s", "m"), ())
    assert (offered["fast"].choices, offered["fast"].default) == (("true", "false"), "false")
    assert (offered["tags"].default, offered["count"].default, offered["count"].required) == ("a,b", "3", True)
    assert fields.values(found, {"fast": "false"}, "ci") == {"fast": False}
    given = {"fast": "true", "tags": "x, y", "count": "4", "size": "m"}
    assert fields.values(found, given, "ci") == {"fast": True, "tags": ["x", "y"], "count": 4, "size": "m"}
    for wrong in ({"fast": "yes"}, {"count": "4.5"}):
        with pytest.raises(Refused):
            fields.values(found, wrong, "ci")
    assert fields.of_ref(found, "v2") == {"api_branch": "v2"}
    assert fields.of_ref(found, SHA) == {"api_revision": SHA}
    for plain in (field("branch", "text"), {"type": "nested", "name": "", "fields": [field("branch", "text")]}):
        assert fields.of_ref(fields.flat({"all_fields": [plain]}), "v2") == {}


def test_the_form_that_starts_a_builder_is_chosen_or_it_is_said_why_there_is_none() -> None:
    night = {**FORM, "name": "night"}
    assert chosen([FORM, night], "", "ci", "api")[::2] == ("force", ("night",))
    assert chosen([FORM, night], "night", "ci", "api")[::2] == ("night", ("force",))
    for found, why in (([], "no force scheduler"), ([{**FORM, "enabled": False}], "switched off")):
        with pytest.raises(Unsupported, match=why):
            chosen(found, "", "ci", "api")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": {"code": -32602, "message": {"size": "zz is no choice"}}}', "size: zz is no choice"),
        (403, b'{"error": {"code": -32600, "message": "you need to have role \'admins\'"}}',
         "you need to have role 'admins'"),
        (400, b'{"error": "invalid origin"}', "invalid origin"), (404, b'{"error": "not found while ..."}', ""),
        (500, b"<html>", ""), (500, b"[1]", ""), (500, b"", ""),
    ],
)  # fmt: skip
def test_a_refusal_is_in_buildbots_words(status: int, body: bytes, said: str) -> None:
    assert words(Answer(source="ci", status=status, headers={}, body=body, url="http://x")) == said


def test_an_answer_names_the_requests_that_were_made() -> None:
    assert requests_of([6, {"2": 7, "3": 8}]) == [7, 8]
    for nothing in (None, [], [6], [6, None], [6, {"2": "7"}], {"2": 7}, "x"):
        assert requests_of(nothing) == []


@pytest.mark.parametrize(
    "pasted", ["http://ci:8010", "http://ci:8010/", "http://ci:8010/#/builders/1", "http://ci:8010/api/v2/builds"]
)
def test_any_address_of_it_is_its_address(pasted: str) -> None:
    assert root(pasted) == "http://ci:8010"
