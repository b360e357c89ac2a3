"""Which version is served, by the order of proofs; and what env and labels declare."""

from __future__ import annotations

import pytest

from quarterdeck_lifecycle.served import AliasMove, Declared, Evidence, Served, declared, move_told, served_by

HTTP, METRIC = Evidence("http", version="v17", detail="model.version of http://x"), Evidence("metric", version="16")
INDEX = Evidence("index", version="15")
BY_ALIAS = Evidence("declared", alias="champion", started_at=1000.0, detail="env MODEL_URI")
ALIASES = {"champion": "5"}


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ([INDEX, METRIC, HTTP], "17"),
        ([INDEX, METRIC], "16"),
        ([BY_ALIAS, INDEX], "15"),
        ([Evidence("http"), INDEX], "15"),
    ],
)
def test_the_best_proof_wins(said: list[Evidence], version: str) -> None:
    found = served_by(said, ALIASES, {})
    assert (found.version, found.certain) == (version, True)


def test_nothing_said_is_unproven() -> None:
    assert served_by([], ALIASES, {}) == Served("", "unproven", certain=False)


def test_a_declared_version_is_not_a_proof() -> None:
    found = served_by([Evidence("declared", version="v4", detail="label x")], {}, {})
    assert (found.version, found.certain) == ("4", False)
    assert "not confirmed" in found.proof


@pytest.mark.parametrize(
    ("move", "version", "proof"),
    [
        (AliasMove("4", 2000.0), "4", "likely still serves v4"),
        (AliasMove("", 2000.0), "", "from an unknown version"),
        (AliasMove("4", 500.0), "5", "was on v5 when it started"),
        (None, "", "unseen"),
    ],
)
def test_an_alias_counts_as_it_was_when_the_server_started(move: AliasMove | None, version: str, proof: str) -> None:
    found = served_by([BY_ALIAS], ALIASES, {"champion": move})
    assert (found.version, found.certain) == (version, False)
    assert proof in found.proof


def test_an_alias_or_a_start_that_nobody_knows_proves_nothing() -> None:
    assert "on no version" in served_by([BY_ALIAS], {}, {}).proof
    unknown = Evidence("declared", alias="champion")
    assert "when the server started is unknown" in served_by([unknown], ALIASES, {}).proof
    stage = Evidence("declared", version="Production", detail="env MODEL_URI")
    assert served_by([stage], ALIASES, {}).version == ""


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"MODEL_URI": "models:/fraud/17"}, [Declared("fraud", "17", "", "env MODEL_URI")]),
        ({"MODEL_URI": "models:/fraud@champion"}, [Declared("fraud", "", "champion", "env MODEL_URI")]),
        ({"MODEL_URI": "models:/a%20b/v3"}, [Declared("a b", "3", "", "env MODEL_URI")]),
        ({"MODEL_URI": "s3://bucket/x"}, []),
        ({"MODEL_NAME": "fraud", "MODEL_VERSION": "3"}, [Declared("fraud", "3", "", "env MODEL_NAME")]),
        ({"MODEL_NAME": "fraud"}, []),
        ({"quarterdeck.model": "fraud", "quarterdeck.model_alias": "champion"},
         [Declared("fraud", "", "champion", "env quarterdeck.model")]),
    ],
)  # fmt: skip
def test_what_env_and_labels_declare(values: dict[str, str], found: list[Declared]) -> None:
    assert declared(values, "env") == found


def test_a_move_is_read_from_the_tags_of_the_one_who_made_it() -> None:
    tags = {
        "quarterdeck.alias.champion.at": "2026-11-23T05:00:00Z", "quarterdeck.alias.champion.from": "v16",
        "quarterdeck.alias.champion.by": "op2@bast-1",
    }  # fmt: skip
    assert move_told("champion", tags) == AliasMove("16", 1795410000.0, "op2@bast-1")
    assert move_told("champion", {**tags, "quarterdeck.alias.champion.from": "none"}) == AliasMove(
        "", 1795410000.0, "op2@bast-1"
    )
    assert move_told("challenger", tags) is None
    assert move_told("champion", {"quarterdeck.alias.champion.at": "yesterday"}) is None


def test_the_words_tell_a_proof_from_a_likelihood() -> None:
    assert Served("17", "x", certain=True).words("prod scorer") == "prod scorer ✓v17"
    assert Served("4", "x").words("prod churn") == "prod churn likely v4"
    assert Served().words("prod churn") == "prod churn ?unproven"
