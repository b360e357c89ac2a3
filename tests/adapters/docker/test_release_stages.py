"""The order of a container's steps: what no plan may do before something else. Pure."""

from __future__ import annotations

import pytest

from quarterdeck_adapters.docker.release.stages import steps
from quarterdeck_lifecycle.release.model import GateRule, Identity, Mode, Place, ProbeRule, Step
from quarterdeck_lifecycle.release.ports import Wanted

PLACE = Place(kind="container", source="local", name="app")


def planned(mode: Mode) -> list[Step]:
    image = Identity(kind="image", name="team/app", digest="sha256:aa")
    wanted = Wanted(
        kind="deploy", op="op-1", service="shop", environment="prod", to=image, back=image, revision=1, actor="ada",
        at="2026-01-02T03:04:05Z", probe=ProbeRule(engine=True), gate=GateRule(), keep=5,
    )  # fmt: skip
    return list(steps(PLACE, mode, wanted, stop_s=10, drain_s=30.0, image="aa"))


def place_of(found: list[Step], name: str, through: str = "") -> int:
    return next(n for n, step in enumerate(found) if step.name == name and through in ("", step.through))


@pytest.mark.parametrize("mode", ["stop-start", "start-first", "overlap"])
def test_all_is_here_before_anything_that_serves_is_touched(mode: Mode) -> None:
    found = planned(mode)
    assert [step.name for step in found if step.phase == "prepare"] == ["pull", "create"]
    assert [step.phase for step in found[:2]] == ["prepare", "prepare"]
    assert all(step.deadline_s > 0 for step in found)


def test_behind_a_proxy_the_old_one_goes_only_after_both_proofs() -> None:
    found = planned("start-first")
    order = [(step.name, step.through) for step in found if step.name in ("gate", "route", "drain", "stop", "start")]
    assert order == [
        ("start", "traffic"), ("gate", "direct"), ("route", "traffic"), ("drain", "traffic"), ("gate", "traffic"),
        ("stop", "traffic"),
    ]  # fmt: skip
    assert found[place_of(found, "stop")].phase == "retire"


def test_of_two_that_answer_one_alias_the_old_one_goes_after_the_proof() -> None:
    found = planned("overlap")
    assert place_of(found, "start") < place_of(found, "gate") < place_of(found, "stop")
