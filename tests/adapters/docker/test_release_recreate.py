"""A container made again on another image: all that its operator said is kept, nothing that the old image said."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from quarterdeck_adapters.docker.release.recreate import recipe
from quarterdeck_adapters.docker.release.subtract import own_config
from quarterdeck_lifecycle.errors import Refused

from .boxcase import PORT, Box

OLD_IMAGE = (
    "ENV FROM_OLD=1 SHARED=old TUNED=image", "LABEL from.old=1", "EXPOSE 9090", "VOLUME /scratch", "WORKDIR /srv",
    "USER nobody", "HEALTHCHECK --interval=3600s CMD true",
)  # fmt: skip
NEW_IMAGE = ("ENV FROM_NEW=1 SHARED=new TUNED=new", "LABEL from.new=1", "EXPOSE 9191", "WORKDIR /tmp")
EVERYTHING: dict[str, Any] = {
    "Tmpfs": {"/run": "size=1m"}, "CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"], "Dns": ["127.0.0.9"],
    "DnsOptions": ["ndots:2"], "DnsSearch": ["example.invalid"], "ExtraHosts": ["db:127.0.0.8"], "GroupAdd": ["65534"],
    "IpcMode": "shareable", "OomScoreAdj": 100, "SecurityOpt": ["no-new-privileges"], "ShmSize": 8388608,
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/hole", "CgroupPermissions": "r"}],
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
}  # fmt: skip


async def test_everything_that_was_set_is_there_again(box: Box, tmp_path: Path) -> None:
    box.image("1", *OLD_IMAGE, keep=True)
    box.image("2", *NEW_IMAGE)
    box.api.create_network("test-two", ipam={"Config": [{"Subnet": "10.251.7.0/24"}]})
    mounts = [{"Type": "volume", "Source": "named", "Target": "/named"}, {"Type": "volume", "Target": "/nameless"}]
    host = EVERYTHING | {"Binds": [f"{tmp_path}:/host:ro", "bound:/bound"], "Mounts": mounts}
    endpoint = {"Aliases": ["shop", "web"]}
    box.start(
        HostConfig=host, Env=["TUNED=mine", "OWN=1"], Labels={"own": "1", "com.docker.compose.project": "p"},
        NetworkingConfig={"EndpointsConfig": {"test-net": endpoint}}, StopTimeout=3, Domainname="example.invalid",
    )  # fmt: skip
    other = {"IPAMConfig": {"IPv4Address": "10.251.7.9"}, "Aliases": ["inner"]}
    connected = box.rig.subject.raw("POST", "/networks/test-two/connect", {"Container": "app", "EndpointConfig": other})
    assert connected.status_code == 200, connected.text
    before = box.inspect()
    target = box.target()
    draft = await box.draft(target, "2")
    assert draft.change.mode == "stop-start"
    await box.release(target, draft)
    after = box.inspect()
    assert after["State"]["Running"]

    old_host, new_host = dict(before["HostConfig"]), dict(after["HostConfig"])
    nameless = {each["Destination"]: each["Name"] for each in before["Mounts"] if each["Type"] == "volume"}
    assert new_host.pop("Binds") == [*old_host.pop("Binds"), f"{nameless['/scratch']}:/scratch"]
    wanted = copy.deepcopy(old_host.pop("Mounts"))
    wanted[1]["Source"] = nameless["/nameless"]
    assert new_host.pop("Mounts") == wanted
    assert new_host == old_host

    said, was = after["Config"], before["Config"]
    assert sorted(said["Env"]) == ["FROM_NEW=1", "OWN=1", "SHARED=new", "TUNED=mine"]
    labels = {key: value for key, value in said["Labels"].items() if not key.startswith("quarterdeck.")}
    assert labels == {"own": "1", "com.docker.compose.project": "p", "from.new": "1", "build": "2"}
    assert (said["WorkingDir"], said["User"]) == ("/tmp", "")
    assert set(said["ExposedPorts"]) == {"8080/tcp", "9191/tcp"}
    assert not said.get("Healthcheck")
    assert said["Hostname"] == after["Id"][:12]
    assert (said["StopTimeout"], said["Domainname"]) == (was["StopTimeout"], "example.invalid")
    volumes = {each["Destination"]: each["Name"] for each in after["Mounts"] if each["Type"] == "volume"}
    assert volumes == nameless

    networks = after["NetworkSettings"]["Networks"]
    assert set(networks) == {"test-net", "test-two"}
    assert networks["test-two"]["IPAddress"] == "10.251.7.9"
    assert set(networks["test-two"]["Aliases"]) == {"inner", after["Id"][:12]}
    assert set(networks["test-net"]["Aliases"]) == {"shop", "web", after["Id"][:12]}
    assert draft.gap_s == 6.0


async def test_a_rollback_brings_the_configuration_of_its_version(box: Box) -> None:
    """The registry is off, and what runs now is broken: the retained container is all that is needed."""
    first = box.image("1", "ENV COLOUR=blue", "VOLUME /scratch", keep=True)
    box.image("2", "ENV COLOUR=red")
    box.start(Env=["OWN=1", "API_TOKEN=hunter22"])
    target = box.target()
    deployed = await box.draft(target, "2")
    await box.release(target, deployed)
    volumes = {each["Name"] for each in box.inspect()["Mounts"]}
    box.api.update_container("app", restart_policy={"Name": "unless-stopped"})
    box.rig.subject.raw("POST", "/containers/app/kill")
    box.off()
    found = await target.candidates("shop", "prod")
    assert [(each.identity.digest == first, each.ready, each.proven, each.op) for each in found] == [
        (False, True, True, "op-1"),
        (True, True, False, ""),
    ]
    back = await box.draft(target, found[1].identity, op="op-2", candidate=found[1].id)
    assert any(check.name == "image" and check.ok is None and not check.blocks for check in back.checks)
    assert "env COLOUR: red -> blue" in back.config
    assert not any("hunter22" in line for line in back.config)
    await target.recheck(back.change)
    await box.release(target, back)
    now = box.inspect()
    assert now["State"]["Running"]
    assert sorted(now["Config"]["Env"]) == ["API_TOKEN=hunter22", "COLOUR=blue", "OWN=1"]
    assert {each["Name"] for each in now["Mounts"]} == volumes
    assert now["Config"]["Labels"]["quarterdeck.op"] == "op-2"
    seen = await target.look()
    assert seen.identity is not None
    assert seen.identity.digest == first
    assert box.names() == ["app", "app-qd-kept-op-1", "app-qd-kept-op-2"]


async def test_differences_are_shown_and_secrets_masked(box: Box) -> None:
    box.image("1", "ENV COLOUR=blue GONE=1", "LABEL a=1", keep=True)
    box.image("2", "ENV COLOUR=red DB_PASSWORD=hunter22", "EXPOSE 9191", keep=True)
    box.start(Env=["OWN=1"])
    lines = (await box.draft(box.target(), "2")).config
    assert {"env COLOUR: blue -> red", "env GONE: no more", "label a: no more", "port 9191/tcp: new"} <= set(lines)
    assert any(line.startswith("env DB_PASSWORD: new") for line in lines)
    assert not any("hunter22" in line or "OWN" in line for line in lines)


def test_an_own_entrypoint_hides_the_images_command() -> None:
    image = {"Entrypoint": ["/run"], "Cmd": ["serve"]}
    same = own_config({"Entrypoint": ["/run"], "Cmd": ["serve"]}, image, "id")
    assert (same["Entrypoint"], same["Cmd"]) == (None, None)
    own_cmd = own_config({"Entrypoint": ["/run"], "Cmd": ["train"]}, image, "id")
    assert (own_cmd["Entrypoint"], own_cmd["Cmd"]) == (None, ["train"])
    own_both = own_config({"Entrypoint": ["/mine"], "Cmd": ["serve"]}, image, "id")
    assert (own_both["Entrypoint"], own_both["Cmd"]) == (["/mine"], ["serve"])
    no_cmd = own_config({"Entrypoint": ["/run"], "Cmd": None}, image, "id")
    assert (no_cmd["Entrypoint"], no_cmd["Cmd"]) == (["/run"], [])


def test_a_health_check_is_told_apart_field_by_field() -> None:
    image = {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 1, "Retries": 3}}
    own = own_config({"Healthcheck": {"Test": ["CMD", "true"], "Interval": 5, "Retries": 3}}, image, "id")
    assert own["Healthcheck"] == {"Interval": 5}
    none = own_config({"Healthcheck": {"Test": ["NONE"]}}, image, "id")
    assert none["Healthcheck"] == {"Test": ["NONE"]}
    assert "Healthcheck" not in own_config(image, image, "id")


def test_links_and_shared_networks_are_said_as_a_create_request_says_them() -> None:
    found: dict[str, Any] = {
        "Id": "f" * 64, "Config": {"Hostname": "other", "Domainname": "d", "Labels": None},
        "HostConfig": {"NetworkMode": "container:abc", "Links": ["/db:/app/database", "/cache:/app/cache"]},
        "NetworkSettings": {"Networks": {}},
    }  # fmt: skip
    made = recipe(found, {}, "image", {})
    assert made.body["HostConfig"]["Links"] == ["db:database", "cache:cache"]
    assert (made.body["Hostname"], made.body["Domainname"]) == ("", "")
    assert "NetworkingConfig" not in made.body
    assert found["HostConfig"]["Links"][0] == "/db:/app/database", "what was read is left as it is"


def test_volumes_of_another_container_stay_its_own() -> None:
    mounts = [
        {"Type": "volume", "Name": name, "Destination": f"/{name}", "RW": name != "ro"} for name in ("a", "b", "ro")
    ]
    found = {
        "Id": "f" * 64, "Config": {"Volumes": {"/a": {}, "/ro": {}}},
        "HostConfig": {"VolumesFrom": ["data"], "NetworkMode": "none"}, "Mounts": mounts,
    }  # fmt: skip
    assert recipe(found, None, "image", {}).body["HostConfig"]["Binds"] == ["a:/a", "ro:/ro:ro"]


async def test_what_could_not_be_put_back_is_refused(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start(HostConfig={"AutoRemove": True, "RestartPolicy": {"Name": ""}})
    with pytest.raises(Refused, match="--rm"):
        await box.draft(box.target(), "2")


async def test_a_port_that_only_the_old_image_exposed_stays_published(box: Box) -> None:
    box.image("1", "EXPOSE 8080", keep=True)
    box.image("2", keep=True)
    box.start(ExposedPorts={})
    assert box.inspect()["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"] == PORT
    target = box.target()
    await box.release(target, await box.draft(target, "2"))
    assert box.inspect()["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"] == PORT
