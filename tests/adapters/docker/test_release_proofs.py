"""Checks before, proofs and evidence after, and what a plan says of compose, ports and sidecars."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quarterdeck_adapters.docker.release import checks, images
from quarterdeck_adapters.docker.release.calls import Calls
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.release.model import Draft, ProbeRule

from .boxcase import PORT, Box

EXEC = ProbeRule(exec=("sh", "-c", "echo well"), timeout_s=5.0)


def check(draft: Draft, name: str) -> Any:
    return next(each for each in draft.checks if each.name == name)


async def test_a_program_inside_proves_the_new_one_and_later_the_old_one(box: Box) -> None:
    box.image("1", "ENV VERSION=1", keep=True)
    box.image("2", "ENV VERSION=2", keep=True)
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    await box.release(target, draft, "start")
    says = ProbeRule(exec=("sh", "-c", "echo it is $VERSION"), body="is 2", timeout_s=5.0)
    sample = await target.probe(draft.change, says, "traffic")
    assert (sample.verdict, "it is 2" in sample.said) == ("pass", True), sample
    fails = await target.probe(draft.change, ProbeRule(exec=("sh", "-c", "echo bad; exit 3"), timeout_s=5.0), "traffic")
    assert (fails.verdict, fails.said) == ("fail", "sh: exit code 3, bad")
    await box.put_back(target, draft.change)
    sample = await target.probe(draft.change, says, "traffic")
    assert (sample.verdict, "does not match" in sample.said) == ("fail", True), sample
    box.api.stop("app", timeout=5)
    assert (await target.probe(draft.change, EXEC, "traffic")).verdict == "fail"


async def test_a_program_that_hangs_is_given_up(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    sample = await target.probe(draft.change, ProbeRule(exec=("sleep", "60"), timeout_s=0.2), "traffic")
    assert (sample.verdict, sample.said) == ("fail", "sleep did not end within 0.2 s")
    assert (await target.probe(draft.change, EXEC, "traffic")).verdict == "pass"


async def test_arguments_reach_the_program_as_they_are(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    hostile = "$(reboot); `id` \"'\\ --help"
    sample = await target.probe(draft.change, ProbeRule(exec=("echo", hostile), timeout_s=5.0), "traffic")
    assert sample.verdict == "pass"
    assert hostile in sample.said


async def test_the_engines_own_health_check(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", "HEALTHCHECK --interval=100ms --retries=1 CMD echo well", keep=True)
    box.image("3", "HEALTHCHECK --interval=100ms --retries=1 CMD echo broken; exit 1", keep=True)
    box.start()
    target, rule = box.target(), ProbeRule(engine=True)
    draft = await box.draft(target, "2")
    sample = await target.probe(draft.change, rule, "traffic")
    assert (sample.verdict, "no health check" in sample.said) == ("unknown", True)
    assert (await target.probe(draft.change, ProbeRule(), "direct")).verdict == "pass"
    await box.release(target, draft, "start")
    sample = await box.sampled(target, draft.change, rule, "pass")
    assert "well" in sample.said
    await box.put_back(target, draft.change)
    draft = await box.draft(target, "3", op="op-3")
    await box.release(target, draft, "start")
    sample = await box.sampled(target, draft.change, rule, "fail")
    assert sample.said.startswith("unhealthy")
    assert "broken" in sample.said
    assert (await target.probe(draft.change, ProbeRule(), "direct")).verdict == "fail"


async def test_what_crashed_leaves_its_last_words(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", 'CMD ["sh", "-c", "echo first; echo the model file is missing; exit 7"]', keep=True)
    old = box.start(Env=["API_TOKEN=hunter22", "PLAIN=1"], HostConfig={"RestartPolicy": {"Name": "no"}})
    target = box.target()
    draft = await box.draft(target, "2")
    with pytest.raises(NotFound):
        await target.evidence(draft.change, "new", 50)
    await box.release(target, draft, "start")
    box.rig.subject.until("app", "exited")
    sample = await target.probe(draft.change, EXEC, "traffic")
    assert (sample.verdict, sample.said) == ("fail", "exited, exit code 7")
    found = await target.evidence(draft.change, "new", 50)
    assert (found.exit_code, found.log) == (7, ("first", "the model file is missing"))
    assert "exit code 7" in found.state
    inspected = json.loads(found.inspect)
    assert "PLAIN=1" in inspected["Config"]["Env"]
    assert "hunter22" not in found.inspect
    assert (await target.evidence(draft.change, "old", 1)).log == ("up",)
    seen = await target.look()
    assert (seen.running, "exit code 7" in seen.detail) == (False, True)
    said = await box.put_back(target, draft.change)
    assert "exit code 7" in said
    assert "the model file is missing" in box.said
    assert box.inspect()["Id"] == old


async def test_a_port_that_another_holds_is_found_before_and_survived_after(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    old = box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    assert check(draft, "port").ok
    await box.release(target, draft, "stop")
    box.start(name="thief", HostConfig={"RestartPolicy": {"Name": "no"}})
    with pytest.raises(Conflict, match="already allocated"):
        await box.do(target, draft.change, draft.steps[3])
    with pytest.raises(Conflict, match="already allocated"):
        await box.put_back(target, draft.change)
    box.api.remove_container("thief", force=True)
    await box.put_back(target, draft.change)
    box.as_before(old)
    box.api.stop("app", timeout=5)
    box.start(name="thief", HostConfig={"RestartPolicy": {"Name": "no"}})
    draft = await box.draft(target, "2", op="op-2")
    assert check(draft, "port").ok is False
    assert check(draft, "port").said == f"{PORT} is held by thief"


async def test_what_ran_not_is_not_started_by_the_way_back(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    old = box.start()
    box.api.stop("app", timeout=5)
    target = box.target()
    draft = await box.draft(target, "2")
    assert draft.gap_s == 0.0
    await box.release(target, draft, "start")
    await box.put_back(target, draft.change)
    found = box.inspect()
    assert (found["Id"], found["State"]["Running"]) == (old, False)
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    box.api.start("app")
    with pytest.raises(Conflict, match="moved since the plan"):
        await target.recheck(draft.change)


async def test_the_gap_is_forecast_from_the_last_one(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start()
    target = box.target()
    said = await box.release(target, await box.draft(target, "2"))
    measured = float(said[3].partition(", ")[2].split(" ")[0])
    again = await box.draft(target, "1", op="op-2")
    assert again.gap_s == pytest.approx(measured, abs=0.02)


async def test_a_compose_container_stays_one_and_the_plan_says_what_undoes_it(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    labels = {
        "com.docker.compose.project": "shop", "com.docker.compose.service": "api",
        "com.docker.compose.project.working_dir": "/srv/shop", "com.docker.compose.config-hash": "abc",
        "com.docker.compose.project.config_files": "/srv/shop/compose.yml",
    }  # fmt: skip
    box.start(Labels=labels)
    target = box.target()
    draft = await box.draft(target, "2")
    warned = " ".join(draft.warnings)
    assert "the next docker compose up in /srv/shop undoes this release" in warned
    assert f"/srv/shop/compose.yml names {box.repository}:1" in warned
    await box.release(target, draft)
    assert labels.items() <= box.inspect()["Config"]["Labels"].items()


async def test_a_sidecar_in_its_network_forbids_the_release(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    id = box.start()
    box.start(name="sidecar", HostConfig={"NetworkMode": f"container:{id}", "PortBindings": {}}, ExposedPorts={})
    with pytest.raises(Refused, match="sidecar lives in its network"):
        await box.draft(box.target(), "2")
    box.api.remove_container("sidecar", force=True)
    box.api.pause("app")
    with pytest.raises(Refused, match="paused"):
        await box.draft(box.target(), "2")


async def test_the_disk_must_hold_what_comes(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.image("1", keep=True)
    box.image("2")
    box.start()
    target = box.target()
    usage = checks.shutil.disk_usage
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: usage("/")._replace(free=10))
    monkeypatch.setattr(checks.os.path, "isdir", lambda path: True)
    disk = check(await box.draft(target, "2"), "disk")
    assert disk.ok is False
    assert "10 B free on /" in disk.said
    assert check(await box.draft(target, "1", op="op-2"), "disk").ok


async def test_a_full_disk_is_named(box: Box) -> None:
    error = await images.disk_full(Calls(box.source), "mkdir /x: no space left on device", "creating")
    assert error is not None
    root = box.api.info()["DockerRootDir"]
    assert f"the disk of {root} is full" in error.why
    assert await images.disk_full(Calls(box.source), "no such image", "creating") is None


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_an_image_for_another_machine_is_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.image("1", keep=True)
    box.image("2")
    box.start()
    monkeypatch.setitem(checks.MACHINES, "x86_64", "riscv64")
    found = check(await box.draft(box.target(), "2"), "architecture")
    assert (found.ok, found.said) == (False, "amd64 on a riscv64 engine")
