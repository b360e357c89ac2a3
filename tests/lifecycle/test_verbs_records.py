"""The registry of verbs, refs and records."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_lifecycle.kinds import Container, Series
from quarterdeck_lifecycle.records import Link, Ref, Status, pane_of, record_types, row_json
from quarterdeck_lifecycle.verbs import Registry, Verb, VerbKind, built_in
from quarterdeck_lifecycle.verbs.registry import RESERVED

LOOKS = set("123459 0zldtwcyoeup/@\\:?=nNgG")


def test_no_two_verbs_share_a_key_in_one_place() -> None:
    assert Registry(built_in()).conflicts() == []


def test_a_conflict_is_found() -> None:
    extra = Verb(id="extra", key="z", title="extra", kind=VerbKind.VIEW)
    assert Registry([*built_in(), extra]).conflicts()
    reserved = Verb(id="mine", key="y", title="mine", kind=VerbKind.VIEW)
    assert any("kept for copy" in line for line in Registry([*built_in(), reserved]).conflicts())


@pytest.mark.parametrize("verb", [v for v in built_in() if v.kind is VerbKind.MUTATION], ids=lambda v: v.id)
def test_mutations_are_capitals_and_never_confirmed_by_their_own_key(verb: Verb) -> None:
    assert all(key.isupper() for key in verb.key.split(",") if key)
    assert verb.applies_to
    assert "y" not in verb.key


@pytest.mark.parametrize("verb", [v for v in built_in() if v.kind is VerbKind.VIEW], ids=lambda v: v.id)
def test_looking_is_lower_case(verb: Verb) -> None:
    assert all(not key.isupper() or key in ("N", "G") for key in verb.key.split(",") if len(key) == 1)


def test_the_keys_of_the_contract_stand_or_are_kept_free() -> None:
    registry = Registry(built_in())
    bound = {key for verb in registry.screen("deck") for key in registry.keys(verb.id)}
    words = "enter escape backspace z l d t w c y o e u p slash colon question_mark equals_sign n N space g G at"
    assert {*words.split(), "backslash", *"0123459"} <= bound
    assert set("RXKSAMTFPWDBU") <= bound
    assert set(RESERVED) <= bound


@given(st.text(min_size=1), st.text(min_size=1), st.binary(min_size=1))
def test_refs_survive_being_written_down(source: str, kind: str, raw: bytes) -> None:
    ref = Ref(
        source.encode("utf-8", "replace").decode(), kind.encode("utf-8", "replace").decode(),
        raw.decode("utf-8", "surrogateescape"),
    )  # fmt: skip
    text = str(ref)
    assert text.isascii()
    assert text.isprintable()
    assert Ref.parse(text) == ref


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/c/d", "/b/c", "a//c"])
def test_what_is_no_ref_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a ref"):
        Ref.parse(text)


def test_every_string_of_a_record_passed_the_gate() -> None:
    bad = "x\x1b[2Jy\x9b\u202e\n"
    row = Container(
        ref=Ref("s", "container", "raw\x1b"), name=bad, state=bad, note=bad, labels={bad: bad}, ports=(bad,), image=bad,
        links=(Link(kind="commit", value=bad, evidence=bad),),
    )  # fmt: skip
    for value in (row.name, row.state, row.note, *row.labels, *row.labels.values(), *row.ports, row.links[0].value):
        assert "\x1b" not in value
        assert "\x9b" not in value
        assert "\u202e" not in value
    assert row.ref.id == "raw\x1b"


def test_a_row_in_json_has_the_fields_of_the_contract() -> None:
    row = Container(ref=Ref("s", "container", "a b/c"), name="n", status=Status.OK, updated_at=0.0, labels={"k": "v"})
    found = json.loads(json.dumps(row_json(row)))
    assert found["ref"] == "s/container/a%20b%2Fc"
    assert (found["kind"], found["name"], found["status"], found["updated_at"]) == (
        "container", "n", "ok", "1970-01-01T00:00:00Z",
    )  # fmt: skip
    assert found["labels"] == {"k": "v"}


def test_points_of_a_series_are_json() -> None:
    row = Series(ref=Ref("p", "series", "x"), name="x", points=((1.0, None), (2.0, 3.5)))
    assert json.loads(json.dumps(row_json(row)))["points"] == [[1.0, None], [2.0, 3.5]]


def test_every_kind_has_a_pane() -> None:
    for record in record_types():
        assert record.kind
        if record.kind == "operation":
            continue  # it has a screen of its own, and a line on the deck while it runs
        assert pane_of(record.kind) in ("repositories", "pipelines", "containers", "models", "metrics")
