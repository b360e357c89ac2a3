"""The practice engine's own world: what an operator does changes it, and what each client version sees."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from contract.docker_world import MINUTE, NOW, DockerWorld
from contract.swagger import Description
from parts.process import wait_until
from quarterdeck_demo.faults import Status
from quarterdeck_demo.oci import build_image

DESCRIBED: list[tuple[str, str, Callable[[docker.APIClient], str]]] = [
    ("/containers/json", "get", lambda api: "/containers/json?all=1&size=1"),
    ("/containers/{id}/json", "get", lambda api: "/containers/fraud-api-2/json?size=1"),
    ("/containers/{id}/json", "get", lambda api: "/containers/etl/json"),
    ("/containers/{id}/top", "get", lambda api: "/containers/redis/top"),
    ("/containers/prune", "post", lambda api: "/containers/prune"),
    ("/images/json", "get", lambda api: "/images/json"),
    ("/images/{name}/json", "get", lambda api: "/images/redis:7.2/json"),
    ("/images/{name}/history", "get", lambda api: "/images/redis:7.2/history"),
    ("/images/prune", "post", lambda api: "/images/prune"),
    ("/volumes", "get", lambda api: "/volumes"),
    ("/volumes/{name}", "get", lambda api: "/volumes/fraud-dev_db"),
    ("/volumes/prune", "post", lambda api: "/volumes/prune"),
    ("/networks", "get", lambda api: "/networks"),
    ("/networks/{id}", "get", lambda api: "/networks/fraud-prod_default"),
    ("/networks/prune", "post", lambda api: "/networks/prune"),
    ("/exec/{id}/json", "get", lambda api: f"/exec/{api.exec_create('redis', 'ls')['Id']}/json"),
    ("/version", "get", lambda api: "/version"),
    ("/info", "get", lambda api: "/info"),
    ("/system/df", "get", lambda api: "/system/df"),
    ("/distribution/{name}/json", "get", lambda api: "/distribution/127.0.0.1:5000/team/scorer:2.3.0/json"),
]


LEGACY = ("status", "id", "from")
"""Fields of an event that engines send and the description leaves out."""


def test_answers_are_as_the_vendor_describes_them(docker_world: DockerWorld) -> None:
    description = Description(json.loads(Path(__file__).with_name("docker_openapi.json").read_text()))
    docker_world.live(20, 5.0)
    offences = []
    for path, method, where in DESCRIBED:
        answer = docker_world.api.request(method, f"http+docker://localhost/v1.47{where(docker_world.api)}")
        assert answer.status_code == 200, answer.text
        offences += description.offences(path, method, 200, answer.json())
    for event in docker_world.events():
        offences += description.offences("/events", "get", 200, {k: v for k, v in event.items() if k not in LEGACY})
    assert not offences, "\n".join(sorted(set(offences)))


def test_an_old_client_gets_the_old_fields_and_a_new_one_does_not(docker_world: DockerWorld) -> None:
    old = docker_world.client("1.41")
    assert "VirtualSize" in old.inspect_image("redis:7.2")
    assert "VirtualSize" not in docker_world.api.inspect_image("redis:7.2")
    assert "ContainerConfig" in old.inspect_image("redis:7.2")
    assert "ContainerConfig" not in docker_world.api.inspect_image("redis:7.2")
    assert "KernelMemory" in old.inspect_container("redis")["HostConfig"]
    assert "KernelMemory" not in docker_world.api.inspect_container("redis")["HostConfig"]
    networks = docker_world.api.inspect_container("redis")["NetworkSettings"]["Networks"]["fraud-prod_default"]
    assert networks["DNSNames"][0] == "redis"
    assert ["<none>:<none>"] in [image["RepoTags"] for image in old.images()]
    assert [] in [image["RepoTags"] for image in docker_world.api.images()]


def test_a_prune_of_volumes_keeps_those_with_a_name(docker_world: DockerWorld) -> None:
    names = {volume["Name"] for volume in docker_world.api.volumes()["Volumes"]}
    deleted = docker_world.api.prune_volumes()
    assert len(deleted["VolumesDeleted"]) == 1
    assert deleted["SpaceReclaimed"] > 0
    left = {volume["Name"] for volume in docker_world.api.volumes()["Volumes"]}
    assert names - left == set(deleted["VolumesDeleted"])
    assert "fraud-dev_notebooks" in left
    assert docker_world.client("1.41").prune_volumes()["VolumesDeleted"] == ["fraud-dev_notebooks"]


def test_a_release_is_what_its_image_is(docker_world: DockerWorld) -> None:
    """Replacing the broken containers by the version before ends the trouble."""
    timeline = docker_world.story.timeline
    assert timeline.trouble("fraud-api", "prod", docker_world.clock.now) == 1.0
    for name in ("fraud-api-1", "fraud-api-2", "fraud-api-3"):
        details = docker_world.api.inspect_container(name)
        docker_world.api.stop(name, timeout=1)
        docker_world.api.rename(name, f"{name}-previous")
        made = docker_world.api.create_container_from_config(
            {
                "Image": "127.0.0.1:5000/team/fraud-api:v40",
                "Labels": details["Config"]["Labels"],
                "Env": ["ENVIRONMENT=prod"],
                "HostConfig": details["HostConfig"],
            },
            name,
        )
        docker_world.api.start(made["Id"])
    assert timeline.version("fraud-api", "prod", docker_world.clock.now) == "v40"
    docker_world.live(3 * MINUTE, 5.0)
    assert timeline.trouble("fraud-api", "prod", docker_world.clock.now) == 0.0
    assert docker_world.api.inspect_container("fraud-api-3")["State"]["Health"]["Status"] == "healthy"
    assert b"INFO  starting fraud-api v40" in docker_world.api.logs("fraud-api-3")
    assert b"ERROR" not in docker_world.api.logs("fraud-api-3")


def test_a_pull_brings_what_was_pushed_to_the_registry(docker_world: DockerWorld) -> None:
    store = docker_world.engine.docker.supply.store
    fresh = build_image("team/fraud-api", ["v43"], created=NOW, layers=[{"bin/x": b"x" * 5000}], cmd=["python"])
    docker_world.engine.do(lambda: store.push(fresh))
    name = "127.0.0.1:5000/team/fraud-api"
    lines = list(docker_world.api.pull(name, "v43", stream=True, decode=True))
    assert lines[0] == {"status": "Pulling from team/fraud-api", "id": "v43"}
    assert "Downloading" in {line["status"] for line in lines}
    assert lines[-1]["status"] == f"Status: Downloaded newer image for {name}:v43"
    assert docker_world.api.inspect_image(f"{name}:v43")["Id"] == fresh.id
    assert docker_world.api.inspect_image(f"{name}:v43")["RepoDigests"] == [f"{name}@{fresh.digest}"]
    again = list(docker_world.api.pull(name, "v43", stream=True, decode=True))
    assert again[-1]["status"] == f"Status: Image is up to date for {name}:v43"
    assert [event["Actor"]["ID"] for event in docker_world.events(event="pull")] == [f"{name}:v43"] * 2
    made = docker_world.api.create_container(f"{name}:v43", name="fresh")
    docker_world.api.start(made["Id"])
    docker_world.live(30)
    assert docker_world.api.inspect_container("fresh")["State"]["Running"]
    assert b"starting fraud-api" in docker_world.api.logs("fresh")
    docker_world.api.tag(f"{name}:v43", name, "again")
    sent = list(docker_world.api.push(name, "again", stream=True, decode=True))
    assert sent[-1]["aux"]["Digest"] == fresh.manifest.digest
    assert store.repository("team/fraud-api").tags["again"] == fresh.manifest.digest
    assert docker_world.api.inspect_distribution(f"{name}:again")["Descriptor"]["digest"] == fresh.digest


def test_a_pull_fails_before_or_inside_its_answer(docker_world: DockerWorld) -> None:
    name = "127.0.0.1:5000/team/fraud-api"
    with pytest.raises(docker.errors.NotFound, match="manifest unknown"):
        docker_world.api.pull(name, "v99")
    with pytest.raises(docker.errors.APIError, match="no such host"):
        docker_world.api.pull("ghcr.io/acme/other", "1")
    docker_world.api.remove_image(f"{name}:1.40.0", force=True)
    docker_world.api.remove_container("dev-fraud-api-1", force=True)
    docker_world.api.remove_image(f"{name}:v40", force=True)
    docker_world.engine.docker.pull_failures[f"{name}:v40"] = "write /var/lib/docker: no space left on device"
    lines = list(docker_world.api.pull(name, "v40", stream=True, decode=True))
    assert lines[-1]["error"] == "write /var/lib/docker: no space left on device"
    assert docker_world.api.images(name=f"{name}:v40") == []


def test_a_restart_of_the_engine_ends_streams_and_brings_back_what_may_come_back(docker_world: DockerWorld) -> None:
    ended: dict[str, list[Any]] = {}

    def follow(what: str, stream: Any) -> threading.Thread:
        thread = threading.Thread(target=lambda: ended.update({what: list(stream)}), daemon=True)
        thread.start()
        return thread

    client, other = docker_world.client(), docker_world.client()
    threads = [
        follow("events", client.events(decode=True)),
        follow("logs", other.logs("redis", stream=True, follow=True, tail=1)),
    ]
    listeners = docker_world.engine.docker.world.listeners
    wait_until(lambda: bool(listeners), "the event stream")
    wait_until(lambda: any(s.path.endswith("/logs") for s in docker_world.engine.server.requests), "the log stream")
    docker_world.api.stop("fraud-api-1", timeout=1)
    docker_world.engine.do(docker_world.engine.docker.engine_restarted)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(ended["logs"]) == 1
    docker_world.engine.restart()
    states = {c["Names"][0][1:]: c["State"] for c in docker_world.client().containers(all=True)}
    assert states["redis"] == "running"
    assert states["fraud-api-1"] == "exited"
    assert states["fraud-api-next"] == "created"


def test_faults_strike_the_engine_too(docker_world: DockerWorld) -> None:
    docker_world.engine.docker.faults.add(Status(code=500), path="/containers/json", count=1)
    with pytest.raises(docker.errors.APIError, match="injected fault"):
        docker_world.api.containers()
    assert docker_world.api.containers()


def test_old_events_are_forgotten_as_an_engine_forgets_them(docker_world: DockerWorld) -> None:
    for _ in range(300):
        docker_world.api.rename("redis", "cache")
        docker_world.api.rename("cache", "redis")
    kept = docker_world.events()
    assert len(kept) == 256
    assert sorted({event["timeNano"] for event in kept}) == [event["timeNano"] for event in kept]
