"""The adapter's pure parts: values, primary metrics, progress, signatures, links."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from quarterdeck_adapters.mlflow import mapping
from quarterdeck_adapters.mlflow.asking import at, in_index
from quarterdeck_adapters.mlflow.moves import Moves
from quarterdeck_adapters.mlflow.primary import Latest, Primary, latest, of_tags, primary
from quarterdeck_adapters.mlflow.progress import KEPT, Point, Track, age_word, broken, points, stalled, thinned
from quarterdeck_adapters.mlflow.signature import parse
from quarterdeck_adapters.mlflow.values import epoch, measured, quoted, text, whole, without_user
from quarterdeck_config.schema import ModelOptions
from quarterdeck_lifecycle.errors import Malformed

MAX = ModelOptions(primary_metric="auc", direction="max")


@pytest.mark.parametrize(
    ("sent", "value"),
    [(0.5, 0.5), (1, 1.0), ("Infinity", math.inf), ("-Infinity", -math.inf), (1.7976931348623157e308, math.inf),
     (-1.7976931348623157e308, -math.inf), ("0.25", 0.25), ("x", None), (None, None), (True, None), ([], None)],
)  # fmt: skip
def test_a_metric_value(sent: Any, value: float | None) -> None:
    assert measured(sent) == value


def test_nan_is_one_and_the_same_object() -> None:
    assert measured("NaN") is measured(float("nan")) is math.nan


def test_numbers_and_times_that_are_none() -> None:
    assert (whole("17"), whole("x"), whole(1e400), whole(True)) == (17, None, None, None)
    assert (epoch(1_500), epoch("1500"), epoch(0), epoch(10**18), epoch("soon")) == (1.5, 1.5, None, None, None)
    assert (text(None), text({}), text(5), text(True)) == ("", "", "5", "")


def test_a_filter_cannot_be_broken_out_of() -> None:
    assert quoted("fraud") == "'fraud'"
    assert quoted("o'brien") == '"o\'brien"'
    assert quoted("' OR \"") is None


def test_addresses_lose_their_password() -> None:
    assert without_user("https://me:pw@h/x") == "https://h/x"
    assert without_user("git@h:x") == "git@h:x"
    assert without_user("https://[bad") == ""


def test_the_config_outranks_the_tags_and_without_a_direction_nothing_is_compared() -> None:
    tags = {"quarterdeck.primary_metric": "loss", "quarterdeck.direction": "MIN"}
    assert primary("fraud", tags, {"fraud": MAX}) == Primary("auc", "max")
    assert primary("fraud", tags, {}) == Primary("loss", "min")
    assert of_tags({"quarterdeck.primary_metric": "loss"}) == Primary("loss", "")
    assert Primary("loss", "").gain(0.1, 0.2) is None


def test_plus_is_better_in_either_direction() -> None:
    assert Primary("auc", "max").gain(0.94, 0.93) == 0.01
    assert Primary("loss", "min").gain(0.1, 0.3) == 0.2
    assert Primary("loss", "min").gain(math.nan, 0.3) is None
    assert Primary("loss", "min").gain(math.inf, 0.3) is None


def test_the_last_value_is_that_of_the_last_step() -> None:
    found = latest([{"key": "a", "value": 1, "step": 5, "timestamp": 2000}, {"key": "a", "value": 2, "step": 4}])
    assert found == {"a": Latest("a", 1.0, 5, 2.0)}


def test_a_step_that_was_logged_twice_counts_once() -> None:
    body = {"metrics": [{"value": 1, "step": 2, "timestamp": 9000}, {"value": 3, "step": 1, "timestamp": 1},
                        {"value": 2, "step": 2, "timestamp": 9500}]}  # fmt: skip
    assert points(body) == [Point(1, 0.001, 3.0), Point(2, 9.5, 2.0)]


def test_a_history_stays_bounded_with_its_ends() -> None:
    track = Track("loss")
    track.begin([Point(n, float(n), 1.0) for n in range(40)], [])
    track.extend([Point(n, float(n), 1.0) for n in range(30, 500)], 7.0)
    assert len(track.points) == KEPT
    assert (track.points[0].step, track.last_step, track.changed_at) == (0, 499, 7.0)
    assert thinned([]) == []


def quiet(seconds: float, usual: float = 1.0, now: float = 1_000_000.0, **options: Any) -> str:
    track = Track("loss")
    track.begin([], [Point(n, now - seconds - (10 - n) * usual, 1.0) for n in range(11)])
    return stalled({"loss": Latest("loss", 1.0, 10, now - seconds)}, now - 90_000, track, now, **options)


@pytest.mark.parametrize(
    ("seconds", "usual", "note"),
    [(299, 1, ""), (300, 1, "stalled: no metric for 5m"), (899, 1, "stalled: no metric for 5m"),
     (3700, 1, "stalled: no metric for 1h"), (3700, 800, ""), (4000, 800, "stalled: no metric for 1h")],
)  # fmt: skip
def test_stalled_by_its_own_habit_and_in_steps(seconds: float, usual: float, note: str) -> None:
    assert quiet(seconds, usual) == note


def test_a_point_that_was_seen_to_arrive_counts_whatever_the_runs_clock_says() -> None:
    now = 1_000_000.0
    behind = {"loss": Latest("loss", 1.0, 10, now - 7200)}
    track = Track("loss")
    assert stalled(behind, now - 90_000, track, now)
    track.extend([Point(11, now - 7190, 1.0)], now - 20)
    assert stalled(behind, now - 90_000, track, now) == ""
    ahead = {"loss": Latest("loss", 1.0, 10, now + 7200)}
    assert stalled(ahead, now - 90_000, track, now) == ""


def test_a_run_without_any_metric_has_an_hour_and_a_parent_all_time() -> None:
    assert stalled({}, 0.0, None, 3599.0) == ""
    assert stalled({}, 0.0, None, 3601.0) == "stalled: no metric since it began 1h ago"
    assert stalled({}, 0.0, None, 9e5, parent=True) == ""


def test_ages_do_not_tick() -> None:
    assert [age_word(s) for s in (10, 60, 899, 900, 3599, 90_000)] == ["", "1m", "5m", "15m", "15m", "1d"]


def test_the_shown_metric_is_named_first_when_several_broke() -> None:
    both = {"a": Latest("a", math.inf, 1, 0), "loss": Latest("loss", math.nan, 2, 0)}
    found = broken(both, "loss")
    assert found is not None
    assert found.name == "loss"


def test_a_signature_is_read_as_text() -> None:
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]
    body = json.dumps({"signature": {"inputs": json.dumps(tensor), "outputs": "{oops"}, "flavors": {"pytorch": 1}})
    found = parse(body.encode(), "ml")
    assert str(found) == "inputs tensor(float32)[-1, 3] · outputs unreadable"
    assert found.flavours == ("pytorch",)
    assert str(parse(b"flavors: {}", "ml")) == ""


@pytest.mark.parametrize("body", [b"!!python/object/apply:os.system ['true']", b"[1, 2]", b"{", b"\x00\x01"])
def test_a_signature_never_runs_anything(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body, "ml")


def test_what_changes_in_a_signature() -> None:
    def made(**columns: str) -> Any:
        listed = [{"name": name, "type": kind, "required": True} for name, kind in columns.items()]
        return parse(json.dumps({"signature": {"inputs": json.dumps(listed)}}).encode(), "ml")

    assert made(a="double").differs(made(a="double")) == ()
    assert made(a="long", b="string").differs(made(a="double", c="long")) == (
        "inputs lose c",
        "inputs a double becomes long",
        "inputs gain b",
    )


def test_links_come_from_tags_with_their_evidence() -> None:
    tags = {"mlflow.source.git.commit": "not a sha", "quarterdeck.digest": "sha256:ab", "image": "u:p@reg/x:1"}
    found = {(link.kind, link.value): link.evidence for link in mapping.run_tagged(tags, "run tag")}
    assert found[("digest", "sha256:ab")] == "run tag quarterdeck.digest"
    assert not [key for key in found if key[0] == "commit"]


def test_a_prompt_is_no_model() -> None:
    assert mapping.is_prompt({"tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})
    assert not mapping.is_prompt({"tags": []})


def test_a_field_of_an_answer() -> None:
    body = {"model": {"version": 17}, "models": [{"version": "v3"}], "n": 4.0}
    assert [at(body, p) for p in ("model.version", "models.0.version", "n", "model.x", "models.9", "model")] == [
        "17", "v3", "4", "", "", ""
    ]  # fmt: skip


def test_the_index_speaks_only_for_one_ready_version() -> None:
    entry = {"name": "fraud", "version": "v17", "state": "READY"}
    evidence = in_index([entry, {**entry, "version": "v16", "state": "UNAVAILABLE"}], "fraud", "h").evidence
    assert evidence is not None
    assert evidence.version == "v17"
    assert "several versions: v16, v17" in in_index([entry, {**entry, "version": "v16"}], "fraud", "h").why
    assert "no model churn" in in_index([entry], "churn", "h").why
    assert "UNAVAILABLE" in in_index([{**entry, "state": "UNAVAILABLE"}], "fraud", "h").why
    assert "no model fraud" in in_index({"error": 1}, "fraud", "h").why


def test_a_move_is_seen_only_between_two_looks() -> None:
    moves = Moves()
    moves.observe({"fraud": {"champion": "16"}}, 1.0)
    assert moves.last("fraud", "champion") is None
    moves.observe({"fraud": {"champion": "17"}}, 9.0)
    move = moves.last("fraud", "champion")
    assert move is not None
    assert (move.origin, move.at) == ("16", 9.0)
