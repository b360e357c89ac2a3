"""What is written into a service's spec and taken out again, names, deadlines, summaries: without an engine."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from quarterdeck_adapters.docker.release import swarm_planning, swarm_roll, swarm_spec
from quarterdeck_adapters.docker.release.swarm_configs import config_name
from quarterdeck_adapters.docker.release.swarm_diff import differences
from quarterdeck_adapters.docker.release.swarm_proof import health_of
from quarterdeck_adapters.docker.release.swarm_state import State, Task, read_state, workload
from quarterdeck_lifecycle.errors import Conflict, Timeout
from quarterdeck_lifecycle.release.model import Change, Identity, Place

OLD, NEW = "reg:5000/team/app@sha256:" + "a" * 64, "reg:5000/team/app@sha256:" + "b" * 64
SPEC: dict[str, Any] = {
    "Name": "web", "Labels": {"team": "fraud", "quarterdeck.op": "op-1"},
    "TaskTemplate": {
        "ContainerSpec": {"Image": OLD, "Env": ["A=1", "API_TOKEN=hush"], "Labels": {"quarterdeck.op": "op-1"}},
        "Networks": [{"Target": "n1"}], "ForceUpdate": 4,
    },
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {"Parallelism": 1, "FailureAction": "continue", "Order": "start-first"},
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def change(**fields: Any) -> Change:
    digest = "sha256:" + "b" * 64
    made: dict[str, Any] = {
        "place": Place(kind="swarm", source="local", name="web"), "service": "shop", "environment": "prod",
        "op": "op-2", "mode": "rolling", "to": Identity(kind="image", name="reg:5000/team/app", digest=digest),
        "revision": 2,
        "facts": {"image": OLD, "before": OLD, "marks": '{"quarterdeck.op": "op-1"}', "action": "continue",
                  "inner_marks": '{"quarterdeck.op": "op-1"}', "whole": "yes"},
    }  # fmt: skip
    return Change(**{**made, **fields})


def test_an_update_changes_the_image_the_marks_and_a_failure_action_that_goes_on() -> None:
    before = copy.deepcopy(SPEC)
    written = swarm_spec.forward(SPEC, change())
    assert before == SPEC, "what was read is left alone"
    assert swarm_spec.token(written) == (NEW, "op-2", 4)
    assert written["Labels"] == {"team": "fraud", **change().marks().labels()}
    assert written["UpdateConfig"] == {**SPEC["UpdateConfig"], "FailureAction": "pause"}
    for spec in (written, before):
        spec["Labels"] = spec["UpdateConfig"] = None
        spec["TaskTemplate"]["ContainerSpec"].update(Image="", Labels=None)
    assert written == before
    assert swarm_spec.forward(SPEC, change(restart_only=True))["TaskTemplate"]["ForceUpdate"] == 5


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_written_is_taken_out_and_what_others_wrote_stays(kept: bool) -> None:
    written = swarm_spec.forward(SPEC, change())
    spec = SPEC if kept else None
    assert swarm_planning.unwritten(written, change(), spec, spec) == SPEC
    written["Labels"]["theirs"] = "1"
    written["Mode"]["Replicated"]["Replicas"] = 9
    written["TaskTemplate"]["ContainerSpec"]["Env"] = ["A=3"]
    back = swarm_planning.unwritten(written, change(), spec, spec)
    assert back["Labels"] == {"team": "fraud", "quarterdeck.op": "op-1", "theirs": "1"}
    assert (back["Mode"]["Replicated"]["Replicas"], swarm_spec.image_of(back)) == (9, OLD)
    assert back["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=3"]


@given(OBJECTS, OBJECTS, OBJECTS)
def test_a_merge_undoes_ours_alone(written: Any, back: Any, current: Any) -> None:
    assert swarm_spec.merged(written, back, copy.deepcopy(written)) == back
    assert swarm_spec.merged(written, copy.deepcopy(written), current) == current
    made = swarm_spec.merged(written, back, current)
    assert made == json.loads(json.dumps(made))
    gone = object()
    for key in "abcd":
        was, wanted, there = (each.get(key, gone) for each in (written, back, current))
        if was == wanted:
            assert made.get(key, gone) == there
        elif was == there or not all(isinstance(each, dict) for each in (was, wanted, there)):
            assert made.get(key, gone) == wanted


def test_a_kept_version_brings_its_tasks_and_leaves_how_many_run() -> None:
    now = swarm_spec.forward(SPEC, change())
    now["Mode"]["Replicated"]["Replicas"] = 9
    now["Labels"]["theirs"] = "1"
    back = swarm_planning.onto(now, SPEC)
    assert back["TaskTemplate"] == SPEC["TaskTemplate"]
    assert back["Mode"] == {"Replicated": {"Replicas": 9}}
    assert back["Labels"] == {"team": "fraud", "theirs": "1", "quarterdeck.op": "op-1"}


def test_differences_name_what_changes_and_mask_what_is_secret() -> None:
    other = swarm_spec.forward(SPEC, change())
    other["TaskTemplate"]["ContainerSpec"]["Env"] = ["A=2", "API_TOKEN=other", "B="]
    other["TaskTemplate"]["ContainerSpec"]["Args"] = ["serve", "--password", "hunter2"]
    lines = differences(SPEC, other)
    assert f"ContainerSpec.Image: {OLD} -> {NEW}" in lines
    assert "ContainerSpec.Env.A: 1 -> 2" in lines
    assert "ContainerSpec.Env.B: not set -> " in lines
    assert "UpdateConfig.FailureAction: continue -> pause" in lines
    assert any(line.startswith("ContainerSpec.Env.API_TOKEN") and "its value changes" in line for line in lines)
    assert not re.search("hush|other|hunter2|quarterdeck", "\n".join(lines))


@given(st.lists(st.text(max_size=70), min_size=1, max_size=3), st.lists(st.text(max_size=70), min_size=1, max_size=3))
def test_names_of_configs_are_valid_and_never_shared(one: list[str], other: list[str]) -> None:
    names = [config_name("qd-lease", *parts) for parts in (one, other)]
    for name in names:
        assert re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?", name), name
        assert len(name) <= 64
    assert (names[0] == names[1]) == (one == other)


@pytest.mark.parametrize(
    ("image", "name", "digest", "image_id"),
    [
        (OLD, "reg:5000/team/app", "sha256:" + "a" * 64, ""),
        ("app:1@sha256:" + "c" * 64, "app", "sha256:" + "c" * 64, ""),
        ("reg:5000/app", "reg:5000/app", "", ""),
        ("app:1", "app", "", ""),
        ("sha256:" + "d" * 64, "", "", "sha256:" + "d" * 64),
        ("", "", "", ""),
    ],
)
def test_images_are_read_as_swarm_writes_them(image: str, name: str, digest: str, image_id: str) -> None:
    found = swarm_spec.identity_of(image)
    assert (found.name, found.digest, found.image_id) == (name, digest, image_id)


def state(*tasks: tuple[str, str, str, str], status: str = "", replicas: int | None = 2) -> State:
    """Tasks as image, operation, state, wanted; the newest first."""
    spec = swarm_spec.forward(SPEC, change())
    spec["Mode"] = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    made = tuple(
        Task(id=str(number), token=(image, op, 4), state=is_, wanted=wanted, node=f"n{number}", error="no such image")
        for number, (image, op, is_, wanted) in enumerate(tasks)
    )
    return State(id="s", name="web", version=1, spec=spec, status=status, said="stopped", tasks=made)


GOOD, GONE = (NEW, "op-2", "running", "running"), (OLD, "op-1", "running", "shutdown")
OTHER = (OLD, "op-1", "running", "running")


@pytest.mark.parametrize(
    ("found", "running", "word", "detail"),
    [
        (state(GOOD, GOOD), True, "running", "2 of 2 tasks run: 2 on bbbbbbbbbbbb"),
        (state(GOOD, GOOD, GONE), True, "running", "1 stopping"),
        (state(GOOD, GOOD, replicas=None), True, "running", "2 of 2"),
        (state(GOOD, GOOD, status="updating"), False, "updating", "2 of 2"),
        (state(GOOD), False, "running", "1 of 2"),
        (state(GOOD, OTHER), False, "mixed", "1 on bbbbbbbbbbbb, 1 on aaaaaaaaaaaa; the service says bbbbbbbbbbbb"),
        (
            state(OTHER, OTHER, status="paused"),
            False,
            "paused",
            "2 on aaaaaaaaaaaa; the service says bbbbbbbbbbbb; stopped",
        ),
        (state((NEW, "op-1", "running", "running"), GOOD), False, "running", "the service says"),
        (state((NEW, "op-2", "rejected", "shutdown"), GOOD), False, "running", "rejected: no such image"),
        (state(), False, "down", "0 of 2 tasks run"),
    ],
)
def test_success_is_all_tasks_on_what_the_service_says(found: State, running: bool, word: str, detail: str) -> None:
    seen = workload(found, "local/web")
    assert (seen.running, seen.state) == (running, word)
    assert detail in seen.detail
    assert seen.identity is not None
    assert seen.identity.reference == NEW
    assert seen.marks == change().marks()


def test_a_service_is_read_from_its_rows() -> None:
    row = {"ID": "s", "Version": {"Index": 7}, "Spec": SPEC, "UpdateStatus": {"State": "paused", "Message": "stopped"}}
    task = {
        "ID": "t", "CreatedAt": "2026-11-23T09:00:00.123456789Z", "Slot": 1, "NodeID": "n", "DesiredState": "shutdown",
        "Spec": SPEC["TaskTemplate"], "Status": {"State": "failed", "Err": "task: non-zero exit (3)",
                                                 "ContainerStatus": {"ContainerID": "c", "ExitCode": 3}},
    }  # fmt: skip
    found = read_state(row, [task, {"ID": "bare"}])
    assert (found.version, found.status, found.said, found.previous) == (7, "paused", "stopped", None)
    assert found.trouble == ("failed: task: non-zero exit (3)",)
    assert (found.tasks[0].exit_code, found.tasks[0].token) == (3, swarm_spec.token(SPEC))
    assert found.summary() == "0 of 2 tasks run"


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ({"Replicated": {"Replicas": 0}}, "scaled to 0"),
        ({"ReplicatedJob": {}}, "a job"),
        ({"Replicated": {"Replicas": 1}}, ""),
        ({"Replicated": {}}, ""),
        ({"Global": {}}, ""),
    ],
)
def test_services_that_cannot_be_rolled_are_refused(mode: dict[str, Any], why: str) -> None:
    assert why in swarm_spec.unfit({**SPEC, "Mode": mode})
    assert bool(why) == bool(swarm_spec.unfit({**SPEC, "Mode": mode}))
    assert swarm_spec.unfit({**SPEC, "TaskTemplate": {"PluginSpec": {}}})


def test_deadlines_grow_with_the_batches() -> None:
    slow = {**SPEC, "UpdateConfig": {"Parallelism": 2, "Delay": 30 * 10**9, "Monitor": 20 * 10**9}}
    assert swarm_spec.deadline_s(slow, 6) == 3 * (60 + 10 + 20 + 30)
    assert swarm_spec.deadline_s(SPEC, 1) == 120
    assert swarm_spec.deadline_s(SPEC, 10_000) == 3600
    assert swarm_spec.deadline_s({**SPEC, "UpdateConfig": {"Parallelism": 0}}, 6) == 120


def test_the_plan_says_what_swarm_does_by_itself() -> None:
    assert "when one fails Swarm pauses" in swarm_planning.behaviour(SPEC)
    rolling = {**SPEC, "UpdateConfig": {"FailureAction": "rollback", "Parallelism": 0}}
    assert "stop-first, all at a time" in swarm_planning.behaviour(rolling)
    assert "Swarm rolls back by itself (stop-first)" in swarm_planning.behaviour(rolling)


def test_no_gap_is_promised_only_where_health_is_proven_first() -> None:
    assert swarm_planning.gap_of(state(GOOD), True) == (0.0, ())
    gap, words = swarm_planning.gap_of(state(GOOD), False)
    assert (gap, "without a health check" in words[0]) == (None, True)


def test_a_fingerprint_tells_specs_apart_and_no_secret() -> None:
    other = copy.deepcopy(SPEC)
    other["TaskTemplate"]["ContainerSpec"]["Env"] = ["API_TOKEN=other", "A=9"]
    other["TaskTemplate"]["ContainerSpec"]["Args"] = ["--password", "hunter2"]
    assert swarm_spec.fingerprint(other) == swarm_spec.fingerprint(SPEC)
    for changed in ({"Labels": {}}, {"Mode": {"Global": {}}}, {"TaskTemplate": {"ContainerSpec": {"Image": NEW}}}):
        assert swarm_spec.fingerprint({**SPEC, **changed}) != swarm_spec.fingerprint(SPEC)
    assert SPEC["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=1", "API_TOKEN=hush"]


async def waited(*states: State, image: str = NEW, op: str = "op-2") -> State:
    """What `settle` makes of what is seen, one after the other, the last one for ever."""
    seen = iter(states)
    last = states[-1]

    async def read() -> State:
        return next(seen, last)

    async def say(line: str) -> None:
        assert line

    return await swarm_roll.settle(read, image, op, 0.5, say)


def failed(*ids: str) -> State:
    good = state(GOOD)
    tasks = tuple(replace(good.tasks[0], id=id, state="failed", wanted="shutdown") for id in ids)
    return replace(good, tasks=tasks, spec={**good.spec, "Mode": {"Replicated": {"Replicas": 1}}})


async def test_waiting_ends_with_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_roll, "POLL_S", 0.001)
    whole = state(GOOD, GOOD)
    other = replace(whole, tasks=tuple(replace(task, id=f"new {task.id}") for task in whole.tasks))
    assert await waited(state(GOOD, OTHER, status="updating"), whole, other, whole, whole) is whole
    assert (await waited(state(GOOD, GOOD, status="paused"))).whole, "a pause that came to nothing"
    surplus, coming = state(GOOD, GOOD, GOOD), state(GOOD, GOOD, (NEW, "op-2", "ready", "ready"))
    assert await waited(surplus, surplus, coming, coming, whole, whole) is whole
    monkeypatch.setattr(swarm_roll, "SURPLUS_S", 0.01)
    assert await waited(surplus) is surplus
    with pytest.raises(Conflict, match="stopped rolling"):
        await waited(state(GOOD, OTHER, status="updating"), state(GOOD, OTHER, status="paused"))
    with pytest.raises(Conflict, match="by itself"):
        await waited(state(GOOD, OTHER, status="rollback_started"), state(status="rollback_completed"), image=OLD)
    with pytest.raises(Conflict, match="somebody else"):
        await waited(whole, image=OLD)
    with pytest.raises(Timeout, match="did not settle"):
        await waited(state(GOOD))
    with pytest.raises(Conflict, match=r"keep failing.*no such image"):
        await waited(failed(), failed("a"), failed("a", "b"), failed("a", "b", "c"))
    with pytest.raises(Timeout):
        await waited(failed("long", "ago", "it failed"))


def test_the_last_words_of_a_health_check_outlive_the_one_that_was_cut_off() -> None:
    log = [{"ExitCode": 1, "Output": "can't connect\n"}, {"ExitCode": -1, "Output": ""}]
    assert health_of({"State": {"Health": {"Status": "unhealthy", "Log": log}}}) == (
        "; health check: unhealthy: can't connect"
    )
    assert health_of({"State": {"Health": {"Status": "unhealthy", "Log": None}}}) == "; health check: unhealthy"
    assert health_of({"State": {"Health": {"Status": "healthy", "Log": log}}}) == health_of(None) == ""
