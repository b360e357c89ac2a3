"""Which workload serves which version, as far as labels say."""

from __future__ import annotations

from quarterdeck_lifecycle.kinds import Container, Endpoint, ModelVersion
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.serving import served_words


def version(number: str, *aliases: str, **tags: str) -> ModelVersion:
    return ModelVersion(
        ref=Ref("ml", "version", f"fraud/{number}"), name=f"fraud v{number}", model="fraud", version=number,
        aliases=aliases, tags=tags,
    )  # fmt: skip


def box(labels: dict[str, str], state: str = "running", started_at: float | None = 1000.0) -> Container:
    return Container(
        ref=Ref("engine", "container", "id"), name="scorer-1", service="scorer", environment="prod", labels=labels,
        state=state, started_at=started_at,
    )  # fmt: skip


def test_a_declared_version_is_shown_as_declared_not_as_seen() -> None:
    words = served_words([version("17", "champion"), box({"MODEL_URI": "models:/fraud/17"})])
    assert words == {("fraud", "17"): "prod scorer-1 likely v17"}


def test_an_alias_that_moved_after_the_start_likely_still_serves_the_old_one() -> None:
    moved = version("17", "champion")
    at, origin = "quarterdeck.alias.champion.at", "quarterdeck.alias.champion.from"
    moved.tags.update({at: "1970-01-01T01:00:00+00:00", origin: "16"})
    words = served_words([moved, version("16"), box({"MODEL_URI": "models:/fraud@champion"})])
    assert words == {("fraud", "16"): "prod scorer-1 likely v16"}


def test_what_an_endpoint_proved_wins_over_a_label() -> None:
    seen = Endpoint(
        ref=Ref("ml", "endpoint", "scorer"), name="scorer", model="fraud", served="18", service="scorer",
        environment="prod",
    )  # fmt: skip
    words = served_words([version("18"), seen, box({"MODEL_URI": "models:/fraud/17"})])
    assert words == {("fraud", "18"): "prod scorer ✓v18"}


def test_what_does_not_run_serves_nothing() -> None:
    assert served_words([version("17"), box({"MODEL_URI": "models:/fraud/17"}, state="exited 0")]) == {}
