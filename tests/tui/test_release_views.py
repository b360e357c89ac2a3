"""How releases are told: steps and their clocks, where a service stands, what it goes back to, whose a change is."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.releasing.belonging import adopted, services_of
from quarterdeck.releasing.desk import Operation as Kept
from quarterdeck.releasing.serviceactions import command_of, until_of
from quarterdeck.releasing.standing import Seen, offered, standing
from quarterdeck.releasing.telling import made_by, operation_record
from quarterdeck.views.history import entries
from quarterdeck.views.plan import labelled
from quarterdeck.views.planwords import whole_lines
from quarterdeck.views.progress import Progress, event_line, head_words, late, said_words, step_row
from quarterdeck.views.releases import running_cells
from quarterdeck.widgets.cells import Cell
from quarterdeck_config.schema import Config, Placement, Service, Target
from quarterdeck_lifecycle.errors import Refused, Unsupported
from quarterdeck_lifecycle.kinds import Tag
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.release.choosing import points
from quarterdeck_lifecycle.release.model import (
    Candidate,
    Change,
    Event,
    Identity,
    Marks,
    Place,
    Plan,
    Step,
    Workload,
    service_ref,
)
from scripted import container

AT = "2026-01-01T00:00:{:02d}Z"
ZERO = 1767225600.0
PLACES = tuple(Place(kind="container", source=source, name="api") for source in ("one", "two"))


def image(digit: str) -> Identity:
    return Identity(kind="image", name="reg/api", digest=f"sha256:{digit * 64}")


def plan(**more: Any) -> Plan:
    steps = tuple(
        Step(id=f"{n:02d} {name}", name=name, title=f"{name} it", phase="whole", deadline_s=10.0)
        for n, name in enumerate(("lease", "gate", "release"), 1)
    )
    back = (Step(id="b01 put-back one/api", name="put-back", title="put back", phase="switch", deadline_s=10.0),)
    changes = tuple(
        Change(place=place, service="api", environment="prod", op="op", mode="stop-start", to=image("b"))
        for place in PLACES
    )
    made = {
        "op": "op-7f2a", "kind": "deploy", "service": "api", "environment": "prod", "actor": "me", "origin": "local",
        "host": "here", "reason": "because", "at": AT.format(0), "to": image("b"), "back": image("a"), "steps": steps,
        "back_steps": back, "changes": changes, "revision": 2,
    }  # fmt: skip
    return Plan(**(made | more))


def event(second: int, step: str, phase: str, message: str, result: str = "") -> Event:
    return Event(op="op", seq=second, at=AT.format(second), step=step, phase=phase, message=message, result=result)


def kept(**more: Any) -> Kept:
    made = {
        "op": "op-7f2a", "kind": "deploy", "service": "api", "environment": "prod", "actor": "me", "user": "me",
        "origin": "local", "host": "here", "reason": "", "created_at": AT.format(0), "state": "running", "result": "",
        "message": "", "step": "", "ended_at": "", "plan": plan(),
    }  # fmt: skip
    return Kept(**(made | more))


def test_steps_go_through_their_states_and_say_since_when_and_how_silent() -> None:
    progress = Progress(plan())
    progress.feed(event(0, "", "plan", "deploy api"))
    progress.feed(event(1, "01 lease", "intent", "lease it"))
    progress.feed(event(2, "01 lease", "outcome", "DONE: lease on one/api"))
    progress.feed(event(3, "02 gate", "intent", "gate it"))
    progress.feed(event(4, "02 gate", "progress", "pass: 200"))
    assert [each.state for each in progress.shown()] == ["done", "running", "waits"]
    gate = progress.current
    assert gate is not None
    assert said_words(gate, ZERO + 5) == "pass: 200"
    assert said_words(gate, ZERO + 36) == "pass: 200  (last output 0:30 ago)"
    assert not late(gate, ZERO + 13)
    assert late(gate, ZERO + 14)
    assert head_words(progress, ZERO + 5) == ("2/3 gate it  0:02 of 0:10", "info")
    assert [cell.text for cell in step_row(gate, ZERO + 5, progress).cells][4:7] == ["running", "0:02", "0:10"]
    progress.feed(event(6, "02 gate", "outcome", "FAILED: never well"))
    progress.feed(event(7, "b01 put-back one/api", "intent", "put back"))
    assert [each.state for each in progress.shown()] == ["done", "failed", "waits", "running"]
    assert head_words(progress, ZERO + 8)[0].startswith("putting back: 1/1")
    progress.feed(event(9, "", "outcome", "put back to v1", "ROLLED_BACK"))
    assert [each.state for each in progress.shown()] == ["done", "failed", "not needed", "unknown"]
    assert head_words(progress, ZERO + 20) == ("ROLLED_BACK: put back to v1", "warn")


def test_a_dead_runner_is_said_and_a_followed_recovery_lives_again() -> None:
    progress = Progress(plan())
    progress.feed(event(1, "02 gate", "intent", "gate it"))
    progress.feed(event(2, "", "dead", "its runner is dead"))
    assert head_words(progress, ZERO) == ("its runner is dead in gate: R recovers it", "bad")
    progress.feed(event(3, "02 gate", "outcome", "DONE: well"))
    assert not progress.dead


def test_a_log_line_names_its_step_once() -> None:
    one, two = {"one/api": ""}, {"one/api": "one", "two/api": "two"}
    assert event_line(event(1, "02 gate one/api", "progress", "pass"), one).text == "02 gate      pass"
    assert event_line(event(1, "02 gate one/api", "intent", "prove it"), two).text == "02 gate one  begins: prove it"
    assert event_line(event(1, "02 gate one/api", "outcome", "DONE: well"), one).text == "02 gate      done: well"
    assert event_line(event(1, "02 gate one/api", "outcome", "FAILED: no"), one).text == "02 gate      ends: FAILED: no"
    assert event_line(event(1, "", "outcome", "all well", "SUCCEEDED"), one).text == "SUCCEEDED: all well"


def seen(place: Place, now: str, *older: Candidate, running: bool = True, **more: Any) -> Seen:
    first = Candidate(target=str(place), identity=image(now), revision=2, proven=True, at=ZERO)
    marks = Marks(op="op", service="api", env="prod", revision=2, actor="ci")
    work = Workload(
        target=str(place), identity=image(now), running=running, state="running" if running else "exited",
        marks=marks, since=ZERO,
    )  # fmt: skip
    return Seen(place=place, workload=work, candidates=(first, *older), **more)


def old(place: Place, **more: Any) -> Candidate:
    return Candidate(target=str(place), identity=image("a"), **{"revision": 1, "proven": True, **more})


def stands(*each: Seen, **more: Any) -> Any:
    config = Service(image="reg/api", probe="none")
    placement = Placement(targets=(Target(kind="container", source="one", name="api"),))
    return standing("api", "prod", config, placement, each, **more)


def test_readiness_counts_every_host_or_says_why_not() -> None:
    one, two = PLACES
    row = stands(seen(one, "b", old(one)), seen(two, "b", old(two)))
    assert (row.ready, row.readiness, row.status, row.revision, row.by) == (True, "✓v1 2/2 hosts", Status.OK, 2, "ci")
    row = stands(seen(one, "b", old(one)), seen(two, "b"))
    assert (row.ready, row.readiness) == (False, "v1 1/2 hosts: two/api does not have it")
    row = stands(seen(one, "b", old(one, ready=False, why_not="image gone")))
    assert row.readiness == "v1 0/1 host: one/api: image gone"
    row = stands(seen(one, "b", old(one, proven=False)))
    assert (row.ready, row.readiness) == (False, "▲v1 1/1 host unproven")
    assert stands(seen(one, "b")).readiness == "nothing is kept"


def test_the_trouble_of_one_target_is_a_note_and_not_that_of_all() -> None:
    one, two = PLACES
    row = stands(seen(one, "b", old(one)), Seen(place=two, trouble="no answer within 6 s"))
    assert (row.status, row.state) == (Status.LOOK, "1/2 seen")
    assert row.note == "two/api: no answer within 6 s"
    assert "two/api no answer" in row.readiness
    assert stands(seen(one, "b"), seen(two, "c")).state == "mixed"
    assert stands(seen(one, "b", running=False), seen(two, "b")).state == "exited 1/2"
    assert stands(Seen(place=one, trouble="refused")).status is Status.UNKNOWN
    assert stands(seen(one, "b"), frozen="frozen by me").state == "frozen"
    assert stands(seen(one, "b"), doing="deploy 2/9", op="op").status is Status.RUNNING


def test_compose_and_swarm_offer_what_the_config_does_not_name() -> None:
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    boxes = [
        container("shop-web-1", labels=compose),
        container("shop-web-2", labels=compose),
        container("api", labels=compose | {"com.docker.compose.service": "api"}),
        container("worker.1.x", labels={"com.docker.swarm.service.name": "worker"}),
        container("qd-lease-api-prod", labels=compose),
        container("plain"),
    ]
    found = offered(boxes, {("local", "api"): ()})
    assert [(row.name, row.targets) for row in found] == [
        ("worker", ("local/worker.1.x",)), ("web", ("local/shop-web-1", "local/shop-web-2")),
    ]  # fmt: skip
    assert all("add it under services:" in row.deployable and row.offered for row in found)


def test_a_tag_belongs_to_the_services_of_its_repository_and_an_ambiguous_one_to_none() -> None:
    placement = Placement(targets=(Target(kind="container", source="one", name="api"),))
    config = Config(services={"api": Service(image="reg:5000/api", environments={"dev": placement, "prod": placement})})
    tag = Tag(ref=Ref("reg", "tag", "api:1"), name="api:1", registry="reg:5000", repository="api", tag="1")
    other = Tag(ref=Ref("reg", "tag", "b:1"), name="b:1", registry="reg:5000", repository="my-api", tag="1")
    assert services_of(config, tag) == [("api", "dev"), ("api", "prod")]
    assert services_of(config, container("api", source="one")) == [("api", "dev"), ("api", "prod")]
    with pytest.raises(Refused, match="several services"):
        adopted(config, "deploy", tag, {})
    assert adopted(config, "deploy", tag, {"environment": "dev"}) == service_ref("api", "dev")
    with pytest.raises(Unsupported, match="belongs to no service"):
        adopted(config, "deploy", other, {})


def test_a_change_is_ours_only_on_our_targets_and_in_our_time() -> None:
    ops = [kept(state="ended", ended_at=AT.format(30), result="SUCCEEDED")]
    ref = Ref("one", "container", "id")
    assert made_by(ops, ref, "api", ZERO + 5) == ("op-7f2a", "me")
    assert made_by(ops, ref, "x-op-7f2a", ZERO + 40) == ("op-7f2a", "me")
    far = Ref("far", "container", "id")
    for where, name, at in ((ref, "redis", 5), (ref, "api", 200), (ref, "api", -1), (far, "api", 5)):
        assert made_by(ops, where, name, ZERO + at) == ("", "")


def test_the_decks_line_tells_step_clock_and_who_and_that_a_runner_is_gone() -> None:
    events = [event(1, "02 gate", "intent", "gate it"), event(2, "02 gate", "progress", "2 of 5 passes")]
    row = operation_record(kept(), events)
    text = "".join(cell.text for cell in running_cells([row], ZERO + 49)[0])
    assert text == "» op 7f2a deploy api→prod  2/3 gate  2 of 5 passes  0:48 of 0:10  by me"
    dead = operation_record(kept(state="dead"), events)
    assert dead.status is Status.BAD
    assert "runner is gone" in "".join(cell.text for cell in running_cells([dead], ZERO)[0])
    assert running_cells([], ZERO) == ([], [])
    ended = operation_record(kept(state="ended", result="FAILED", message="why", ended_at=AT.format(9)))
    assert (ended.status, ended.counts, row.counts) == (Status.BAD, False, True)


def test_history_joins_operations_with_what_is_kept() -> None:
    one = PLACES[0]
    found = points({"one/api": (
        Candidate(target="one/api", identity=image("b"), revision=2, proven=True, at=ZERO),
        old(one), Candidate(target="one/api", identity=image("c"), revision=0, proven=False),
    )})  # fmt: skip
    ops = [
        kept(op="2", state="ended", result="SUCCEEDED", ended_at=AT.format(9)),
        kept(op="1", state="ended", result="SUCCEEDED", plan=plan(to=image("a"), revision=1)),
        kept(op="0", state="ended", result="ROLLED_BACK", plan=plan(to=image("d"), revision=1)),
    ]
    rows = entries(ops, found)
    assert [(row.name, row.result, row.ready, row.why_not) for row in rows] == [
        ("v2", "SUCCEEDED", False, "it runs now"), ("v1", "SUCCEEDED", True, ""),
        ("v1", "ROLLED_BACK", False, "it did not succeed"), ("-", "-", True, ""),
    ]  # fmt: skip


def test_the_command_of_a_plan_quotes_what_a_shell_would_read() -> None:
    said = command_of(plan(reason="$(rm -rf ~)", protected=True))
    digest = image("b").digest
    assert said == f"quarterdeck deploy api {digest} --env prod --reason '$(rm -rf ~)' --confirm api --yes"
    assert command_of(plan(kind="rollback")).startswith(f"quarterdeck rollback api --to {digest} --env prod")


def test_a_freeze_ends_when_it_is_told_to() -> None:
    assert until_of("", ZERO) is None
    assert until_of("90m", ZERO) == ZERO + 5400
    assert until_of("3d", ZERO) == ZERO + 3 * 86400
    assert until_of("2026-01-02T00:00:00Z", ZERO) == ZERO + 86400
    for wrong in ("soon", "-1h", "2025-01-01T00:00:00Z"):
        with pytest.raises(Refused):
            until_of(wrong, ZERO)


def test_no_line_of_a_plan_is_wider_than_there_is_room_and_nothing_of_it_is_lost() -> None:
    words = [Cell("alpha " * 30), Cell("b" * 200), Cell("gamma  ")]
    lines = labelled("plan", words, 40)
    assert all(len("".join(cell.text for cell in line).rstrip()) <= 40 for line in lines)
    text = "".join(cell.text for line in lines for cell in line[1:]).replace(" ", "")
    assert text == "alpha" * 30 + "b" * 200 + "gamma"
    assert all(step.id in "\n".join(whole_lines(plan())) for step in (*plan().steps, *plan().back_steps))
