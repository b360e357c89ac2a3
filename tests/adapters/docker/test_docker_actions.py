"""Mutations: previewed, permitted, sent once, read back; on the practice engine and on a real one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from quarterdeck_demo import faults
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, NotFound, Refused, Unavailable, Unsupported
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Ref

from .conftest import Rig, make_source

CALM = "trap 'exit 0' TERM; while true; do sleep 0.05; done"
ENGINE = Ref("local", "source", "local")


async def do(rig: Rig, verb: str, ref: Ref, **args: str) -> tuple[Preview, Outcome]:
    action = rig.source.actions[verb]
    preview = await action.preview(ref, args)
    with permit("local"):
        await action.execute(preview)
    return preview, await action.verify(preview)


async def test_every_change_of_state_and_its_inverse(rig: Rig) -> None:
    id = rig.subject.run("app", CALM)
    ref = Ref("local", "container", id)
    for verb, state in (
        ("container.pause", "paused"),
        ("container.unpause", "running"),
        ("container.restart", "running"),
        ("container.stop", "exited"),
        ("container.start", "running"),
        ("container.kill", "exited"),
    ):
        args = {"timeout": "5"} if verb.endswith(("stop", "restart")) else {}
        preview, outcome = await do(rig, verb, ref, **args)
        word = verb.partition(".")[2]
        assert outcome.verified, (verb, outcome)
        assert rig.subject.state("app")["Status"] == state
        assert preview.steps[0].call.startswith(f"POST /containers/{id}/{word}")
        assert preview.command.startswith(f"docker --host {rig.subject.url} {word}")
        assert preview.record is not None
        assert (preview.inverse is None) == (verb == "container.restart")
        assert bool(preview.why_no_inverse) == (verb == "container.restart")
    assert preview.inverse == ("container.start", {})


async def test_a_signal_that_ends_nothing_is_verified_as_sent(rig: Rig) -> None:
    id = rig.subject.run("app", "trap 'exit 0' TERM; trap : HUP; while true; do sleep 0.05; done")
    preview, outcome = await do(rig, "container.kill", Ref("local", "container", id), signal="hup")
    assert preview.steps[0].call.endswith("/kill?signal=SIGHUP")
    assert (outcome.verified, preview.inverse) == (True, None)
    with pytest.raises(Conflict, match="no signal"):
        await rig.source.actions["container.kill"].preview(preview.ref, {"signal": "KILL; rm"})


async def test_nothing_is_sent_without_a_permit(rig: Rig) -> None:
    id = rig.subject.run("app", CALM)
    ref = Ref("local", "container", id)
    stop = rig.source.actions["container.stop"]
    preview = await stop.preview(ref, {})
    with pytest.raises(Refused, match=f"POST /containers/{id}/stop"):
        await stop.execute(preview)
    with permit("another"), pytest.raises(Refused):
        await stop.execute(preview)
    assert rig.subject.state("app")["Running"]
    engine = rig.source.engine()
    for call in (
        lambda c: c.remove_container(id, force=True),
        lambda c: c.pull("x/y", tag="1"),
        lambda c: c.exec_create(id, ["sh"]),
        lambda c: c.put_archive(id, "/", b""),
        lambda c: c.rename(id, "other"),
    ):
        with pytest.raises(Refused):
            await engine.call(call, what="a write")
    assert rig.subject.state("app")["Running"]


async def test_what_moved_since_the_preview_is_a_conflict(rig: Rig) -> None:
    ref = Ref("local", "container", rig.subject.run("app", CALM))
    stop = rig.source.actions["container.stop"]
    preview = await stop.preview(ref, {})
    rig.subject.raw("POST", "/containers/app/restart?t=1")
    with permit("local"), pytest.raises(Conflict, match="changed since"):
        await stop.execute(preview)
    assert rig.subject.state("app")["Running"]


async def test_a_key_is_greyed_with_its_reason(rig: Rig) -> None:
    rig.subject.run("up", CALM)
    rig.subject.run("never", CALM, start=False)
    rig.subject.run("bad", "exit 3")
    rig.subject.until("bad", "exited")
    actions = rig.source.actions
    up, never, bad = [await rig.row(name) for name in ("up", "never", "bad")]
    assert actions["container.start"].permitted(up) == "it runs already"
    assert actions["container.stop"].permitted(up) is None
    assert actions["container.stop"].permitted(never) == "it was never started"
    assert actions["container.start"].permitted(never) is None
    assert actions["container.start"].permitted(bad) is None
    assert actions["container.unpause"].permitted(up) == "it runs already"
    image = await rig.row("test/box:1", "image")
    assert actions["container.stop"].permitted(image) == "not for this kind of thing: image"
    assert "used by" in str(actions["image.remove"].permitted(image))
    with pytest.raises(Conflict, match="runs already"):
        await actions["container.start"].preview(up.ref, {})


async def test_removing_keeps_volumes_and_says_so(rig: Rig) -> None:
    host = {"Binds": ["data:/data"]}
    id = rig.subject.run("app", CALM, host=host, Volumes={"/scratch": {}})
    ref = Ref("local", "container", id)
    with pytest.raises(Conflict, match="running"):
        await rig.source.actions["container.remove"].preview(ref, {})
    preview, outcome = await do(rig, "container.remove", ref, force="true")
    assert outcome.verified
    assert preview.steps[0].call == f"DELETE /containers/{id}?force=1&v=0"
    assert "kept: volume data (/data)" in preview.impact
    assert preview.why_no_inverse
    volumes = {volume["Name"] for volume in rig.subject.api.volumes()["Volumes"]}
    assert "data" in volumes
    assert len(volumes) == 2


async def test_prune_removes_what_was_shown_and_nothing_else(rig: Rig) -> None:
    api = rig.subject.api
    api.create_volume("named")
    rig.subject.run("uses", "exit 0", Volumes={"/scratch": {}})
    rig.subject.run("runs", CALM)
    rig.subject.run("kept-for-rollback", "exit 0", Labels={"quarterdeck.service": "fraud-api"})
    rig.subject.until("uses", "exited")
    rig.subject.until("kept-for-rollback", "exited")
    preview, outcome = await do(rig, "container.prune", ENGINE)
    assert outcome.verified
    assert [step.detail for step in preview.steps] == ["uses"]
    assert preview.impact[0].startswith("kept: every volume")
    assert "kept: kept-for-rollback (retained for fraud-api)" in preview.impact
    assert {row.name for row in (await rig.source.list("container")).rows} == {"runs", "kept-for-rollback"}

    preview, outcome = await do(rig, "volume.prune", ENGINE)
    assert outcome.verified
    assert preview.impact[0] == "kept: named (named)"
    assert len(preview.steps) == 1
    assert [volume["Name"] for volume in api.volumes()["Volumes"]] == ["named"]
    with pytest.raises(Conflict, match="1 are kept"):
        await rig.source.actions["volume.prune"].preview(ENGINE, {})

    api.create_network("test-unused", driver="bridge")
    preview, outcome = await do(rig, "network.prune", ENGINE)
    assert (outcome.verified, [step.detail for step in preview.steps]) == (True, ["test-unused"])

    rig.subject.image("test/spare:1", changes=("LABEL spare=1",))
    api.tag("test/box:1", "test/spare", "1")
    preview, outcome = await do(rig, "image.prune", ENGINE)
    assert outcome.verified
    assert len(preview.steps) == 1
    assert "kept: test/box:1 (used by 2)" in preview.impact


async def test_a_thing_that_came_into_use_stops_the_prune(rig: Rig) -> None:
    rig.subject.run("idle", CALM, start=False)
    prune = rig.source.actions["container.prune"]
    preview = await prune.preview(ENGINE, {})
    rig.subject.raw("POST", "/containers/idle/start")
    with permit("local"), pytest.raises(Conflict, match="used or gone"):
        await prune.execute(preview)
    assert rig.subject.state("idle")["Running"]


async def test_an_image_goes_with_all_its_tags(rig: Rig) -> None:
    rig.subject.image("test/old:1", changes=("LABEL old=1",))
    rig.subject.api.tag("test/old:1", "test/old", "2")
    row = await rig.row("test/old:1", "image")
    preview, outcome = await do(rig, "image.remove", row.ref)
    assert outcome.verified
    assert [step.call for step in preview.steps] == [
        "DELETE /images/test/old:1?force=0",
        "DELETE /images/test/old:2?force=0",
    ]
    assert preview.why_no_inverse
    rig.subject.run("app", CALM)
    with pytest.raises(Conflict, match="used by 1"):
        await rig.source.actions["image.remove"].preview((await rig.row("test/box:1", "image")).ref, {})


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_an_error_inside_the_200_of_a_pull_is_an_error(rig: Rig) -> None:
    assert rig.practice is not None
    row = await rig.row("test/box:1", "image")
    pull = rig.source.actions["image.pull"]
    preview = await pull.preview(row.ref, {"reference": "127.0.0.1:5000/team/fraud-api:1"})
    assert preview.steps[0].call == "POST /images/create?fromImage=127.0.0.1:5000/team/fraud-api&tag=1"
    line = {"error": "toomanyrequests: try later", "errorDetail": {"message": "toomanyrequests: try later"}}
    rig.practice.docker.faults.add(faults.Status(code=200, body=line), method="POST", path="/images/create")
    with permit("local"), pytest.raises(Unavailable, match="toomanyrequests"):
        await pull.execute(preview)
    assert not (await pull.verify(preview)).verified


@pytest.mark.real("docker.io", "busybox-static", "docker-registry")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_pull_from_a_real_registry(rig: Rig, registry: Any) -> None:
    repository = f"127.0.0.1:{registry.port}/team/box"
    api = rig.subject.api
    api.tag("test/box:1", repository, "1")
    for line in api.push(repository, tag="1", stream=True, decode=True):
        assert "error" not in line
    api.remove_image(f"{repository}:1")
    row = await rig.row("test/box:1", "image")
    preview, outcome = await do(rig, "image.pull", row.ref, reference=f"{repository}:1")
    assert (outcome.verified, outcome.message) == (True, "a new image")
    assert preview.before == ""
    rows = (await rig.source.list("image")).rows
    assert next(image for image in rows if image.name == f"{repository}:1").digests
    pull = rig.source.actions["image.pull"]
    missing = await pull.preview(row.ref, {"reference": f"{repository}:none"})
    with permit("local"), pytest.raises(NotFound):
        await pull.execute(missing)


def test_the_errors_of_a_pull_have_their_kind() -> None:
    from quarterdeck_adapters.docker.image_actions import pull_failure, split

    assert isinstance(pull_failure("unauthorized: authentication required", source="", what=""), AuthFailed)
    assert isinstance(pull_failure("manifest for x:1 not found", source="", what=""), NotFound)
    assert isinstance(pull_failure("EOF", source="", what=""), Unavailable)
    assert split("127.0.0.1:5000/a/b") == ("127.0.0.1:5000/a/b", "latest")
    assert split("a@sha256:ab") == ("a", "sha256:ab")


FAKE_COMPOSE = """#!/bin/sh
printf '%s\\n' "$@" >> "$COMPOSE_CALLS"
case "$*" in
*version*) echo 2.30.0;;
*fail*) echo "no such service" >&2; exit 14;;
esac
"""


async def test_compose_runs_the_plugin_with_the_projects_own_files(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin itself is in no package of Debian 12: a program of its name writes down how it is called."""
    calls = tmp_path / "calls"
    (tmp_path / "docker").write_text(FAKE_COMPOSE)
    (tmp_path / "docker").chmod(0o755)
    file = tmp_path / "compose.yml"
    labels = {
        "com.docker.compose.project": "fraud",
        "com.docker.compose.service": "api",
        "com.docker.compose.project.working_dir": str(tmp_path),
        "com.docker.compose.project.config_files": str(file),
    }
    rig.subject.run("fraud-api-1", CALM, Labels=labels, host={"Binds": ["data:/data"]})
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COMPOSE_CALLS": str(calls)}
    monkeypatch.setenv("PATH", env["PATH"])
    source = make_source(rig.subject.url, env)
    ref = Ref("local", "project", "fraud")
    down, up = source.actions["project.down"], source.actions["project.up"]
    with pytest.raises(Unsupported, match="not on this machine"):
        await up.preview(ref, {})
    file.write_text("services: {}\n")
    preview = await down.preview(ref, {})
    assert "kept: volume data" in preview.impact
    assert any("fraud-api-1" in line for line in preview.impact)
    assert preview.inverse == ("project.up", {"working_dir": str(tmp_path), "config_files": str(file)})
    with pytest.raises(Refused):
        await down.execute(preview)
    with permit("local"):
        await down.execute(preview)
    assert not (await down.verify(preview)).verified
    wanted = ["--host", rig.subject.url, "compose", "--project-name", "fraud", "--project-directory", str(tmp_path)]
    assert calls.read_text().splitlines()[-10:] == [*wanted, "--file", str(file), "down"]
    assert "-v" not in calls.read_text().splitlines()
    preview = await up.preview(ref, {})
    with permit("local"):
        await up.execute(preview)
    assert (await up.verify(preview)).verified
    with pytest.raises(NotFound, match="name its files"):
        await up.preview(Ref("local", "project", "other"), {})
    await source.close()


async def test_without_the_plugin_compose_is_unsupported(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    source = make_source(rig.subject.url, {"PATH": str(tmp_path)})
    probe = await source.probe()
    assert "docker compose plugin" in str(probe.can["project.up"])
    await source.close()
