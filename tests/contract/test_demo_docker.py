"""The practice engine, held to Docker Engine 20.10: the same tests against both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from contract.docker_subjects import Subject, differences, engine_time, portrait, shape
from parts.process import wait_until

RECORD = Path(__file__).with_name("docker_shapes.json")
CGROUP_BOUND = ("stats", "exited stats", "info")


def test_the_answers_have_the_recorded_keys_and_types(dockerd: Subject) -> None:
    dockerd.api.remove_network("test-net")
    found = {name: shape(answer) for name, answer in portrait(dockerd).items()}
    wanted = json.loads(RECORD.read_text())
    if dockerd.real and dockerd.api.info()["CgroupVersion"] != "1":
        wanted = {name: answer for name, answer in wanted.items() if name not in CGROUP_BOUND}
    assert differences(wanted, found) == []


NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm'
    " and try again."
)
REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/containers/nope/json", None, 404, "No such container: nope"),
    ("POST", "/containers/nope/start", None, 404, "No such container: nope"),
    ("POST", "/containers/nope/wait", None, 404, "No such container: nope"),
    ("DELETE", "/containers/up", None, 409, "You cannot remove a running container ID. Stop the container before"
     " attempting removal or force remove"),
    ("POST", "/containers/create?name=up", {"Image": "test/box:1"}, 409, 'Conflict. The container name "/up" is already'
     ' in use by container "ID". You have to remove (or rename) that container to be able to reuse that name.'),
    ("POST", "/containers/create?name=a", {"Image": "nope:1"}, 404, "No such image: nope:1"),
    ("POST", "/containers/create?name=a!2", {"Image": "test/box:1"}, 400, "Invalid container name (a!2), only"
     " [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
    ("POST", "/containers/create?name=a1", {}, 400, "Config cannot be empty in order to create a container"),
    ("POST", "/containers/up/rename?name=down", None, 409, 'Error when allocating new name: Conflict. The container'
     ' name "/down" is already in use by container "ID". You have to remove (or rename) that container to be able to'
     " reuse that name."),
    ("POST", "/containers/up/rename", None, 400, "Neither old nor new names may be empty"),
    ("POST", "/containers/up/rename?name=up", None, 400, "Renaming a container with the same name as its current name"),
    ("POST", "/containers/up/kill?signal=FOO", None, 400, "Invalid signal: FOO"),
    ("POST", "/containers/down/kill", None, 409, "Cannot kill container: down: Container ID is not running"),
    ("POST", "/containers/down/pause", None, 409, "Container ID is not running"),
    ("POST", "/containers/up/unpause", None, 500, "Container ID is not paused"),
    ("GET", "/containers/up/logs", None, 400, "Bad parameters: you must choose at least one stream"),
    ("GET", "/containers/up/logs?stdout=1&since=abc", None, 500, 'strconv.ParseInt: parsing "abc": invalid syntax'),
    ("GET", "/containers/down/top", None, 409, "Container ID is not running"),
    ("POST", "/containers/up/exec", {}, 400, "No exec command specified"),
    ("POST", "/containers/down/exec", {"Cmd": ["ls"]}, 409, "Container ID is not running"),
    ("GET", "/exec/abc/json", None, 404, "No such exec instance: abc"),
    ("GET", "/images/nope/json", None, 404, "no such image: nope: No such image: nope:latest"),
    ("DELETE", "/images/nope", None, 404, "No such image: nope:latest"),
    ("DELETE", "/images/test/box:1", None, 409, 'conflict: unable to remove repository reference "test/box:1" (must'
     " force) - container SHORT is using its referenced image SHORT"),
    ("POST", "/images/nope/tag?repo=x", None, 404, "No such image: nope:latest"),
    ("POST", "/images/test/box:1/tag?repo=X", None, 500, "invalid reference format: repository name must be lowercase"),
    ("POST", "/images/create?fromImage=UPPER/x&tag=2", None, 400, "invalid reference format: repository name must be"
     " lowercase"),
    ("GET", "/volumes/nope", None, 404, "get nope: no such volume"),
    ("GET", "/networks/nope", None, 404, "network nope not found"),
    ("POST", "/networks/create", {"Name": "test-net", "CheckDuplicate": True}, 409,
     "network with name test-net already exists"),
    ("POST", "/networks/test-net/connect", {"Container": "up"}, 403,
     "endpoint with name up already exists in network test-net"),
    ("DELETE", "/networks/host", None, 403, "host is a pre-defined network and cannot be removed"),
    ("DELETE", "/networks/test-net", None, 403, "error while removing network: network test-net id ID has active"
     " endpoints"),
    ("GET", '/containers/json?filters={"foo":["x"]}', None, 400, "Invalid filter 'foo'"),
    ("GET", "/containers/json?filters=xx", None, 500, "invalid character 'x' looking for beginning of value"),
    ("GET", '/containers/json?filters={"status":["x"]}', None, 400, "Invalid filter 'status=x'"),
    ("GET", "/events?since=10&until=5", None, 400, "`since` time (10) cannot be after `until` time (5)"),
    ("GET", "/nonesuch", None, 404, "page not found"),
    ("GET", "/services", None, 503, NO_SWARM),
    ("GET", "/tasks", None, 503, NO_SWARM),
]  # fmt: skip


def test_refusals_have_the_engines_status_and_words(dockerd: Subject) -> None:
    dockerd.run("up")
    dockerd.run("down", start=False)
    found = []
    for method, path, body, _, _ in REFUSED:
        answer = dockerd.raw(method, path, body)
        words = re.sub(r"\b[0-9a-f]{64}\b", "ID", answer.json()["message"])
        found.append((method, path, body, answer.status_code, re.sub(r"\b[0-9a-f]{12}\b", "SHORT", words)))
    assert found == REFUSED


def test_a_version_out_of_range_is_refused(dockerd: Subject) -> None:
    newest = dockerd.api.version()["ApiVersion"]
    answer = dockerd.raw("GET", "/info", version="v1.99")
    assert answer.status_code == 400
    assert answer.json()["message"] == f"client version 1.99 is too new. Maximum supported API version is {newest}"
    assert dockerd.raw("GET", "/info", version="v1.5").status_code == 400
    assert dockerd.api.get("http+docker://localhost/_ping").headers["Api-Version"] == newest
    assert dockerd.api.head("http+docker://localhost/_ping").status_code == 200


def test_start_and_stop_are_idempotent_and_the_exit_code_is_kept(dockerd: Subject) -> None:
    dockerd.run("one")
    wait_until(lambda: dockerd.output("one"), "the trap to be set")
    assert dockerd.raw("POST", "/containers/one/start").status_code == 304
    assert dockerd.raw("POST", "/containers/one/stop?t=5").status_code == 204
    assert dockerd.raw("POST", "/containers/one/stop").status_code == 304
    state = dockerd.state("one")
    assert (state["Status"], state["ExitCode"], state["Pid"], state["Running"]) == ("exited", 7, 0, False)
    assert state["FinishedAt"] > state["StartedAt"]
    assert dockerd.api.wait("one") == {"StatusCode": 7, "Error": None}


def test_pid_one_ignores_a_signal_that_it_does_not_handle(dockerd: Subject) -> None:
    dockerd.run("deaf", "sleep 1000")
    dockerd.api.kill("deaf", "TERM")
    assert dockerd.state("deaf")["Running"]
    dockerd.api.stop("deaf", timeout=0)
    assert dockerd.state("deaf")["ExitCode"] == 137


def test_every_step_of_a_life_is_an_event(dockerd: Subject) -> None:
    began = engine_time(dockerd.api)
    dockerd.run("one")
    wait_until(lambda: dockerd.output("one"), "the trap to be set")
    dockerd.api.pause("one")
    assert dockerd.state("one")["Status"] == "paused"
    dockerd.api.unpause("one")
    dockerd.api.rename("one", "two")
    dockerd.api.update_container("two", cpu_shares=512)
    wait_until(lambda: dockerd.state("two")["Health"]["Status"] == "healthy", "health")
    dockerd.api.restart("two", timeout=5)
    dockerd.api.kill("two")
    dockerd.until("two", "exited")
    dockerd.api.remove_container("two")
    wait_until(lambda: dockerd.actions(began, engine_time(dockerd.api), event="destroy"), "the last event")
    connect, disconnect = ("network", "connect"), ("network", "disconnect")
    container = [("container", name) for name in ("pause", "unpause", "rename", "update")]
    end = [("container", "kill"), ("container", "die"), disconnect]
    seen, healthy = dockerd.actions(began, engine_time(dockerd.api)), ("container", "health_status: healthy")
    assert healthy in seen  # between which of the others depends on when the check ran
    assert [each for each in seen if each != healthy] == [
        ("container", "create"), connect, ("container", "start"), *container,
        *end, ("container", "stop"), connect, ("container", "start"), ("container", "restart"),
        *end, ("container", "destroy"),
    ]  # fmt: skip


def test_a_force_removal_kills_first_and_takes_anonymous_volumes_along(dockerd: Subject) -> None:
    dockerd.api.create_volume("test-kept")
    began = engine_time(dockerd.api)
    options = {"Volumes": {"/scratch": {}}, "host": {"Binds": ["test-kept:/data"]}}
    container = dockerd.run("gone", **options)
    mounts = {mount["Destination"]: mount["Name"] for mount in dockerd.api.inspect_container("gone")["Mounts"]}
    dockerd.api.remove_container("gone", force=True, v=True)
    assert [volume["Name"] for volume in dockerd.api.volumes()["Volumes"]] == ["test-kept"]
    events = list(dockerd.api.events(since=began, until=engine_time(dockerd.api), decode=True))
    ends = [(e["Type"], e["Action"]) for e in events if e["Action"] in ("kill", "die", "destroy", "unmount")]
    assert ends[:2] == [("container", "kill"), ("container", "die")]
    assert ends[-2:] == [("volume", "destroy"), ("container", "destroy")]
    assert next(e for e in events if e["Action"] == "die")["Actor"]["Attributes"]["exitCode"] == "137"
    assert mounts["/scratch"] in {e["Actor"]["ID"] for e in events if e["Action"] == "destroy"}
    assert container in {e["Actor"]["ID"] for e in events if e["Action"] == "destroy"}


def test_a_taken_port_is_a_500_and_leaves_the_container_created(dockerd: Subject) -> None:
    ports = {"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18478"}]}}
    dockerd.run("first", host=ports)
    dockerd.run("second", start=False, host=ports)
    answer = dockerd.raw("POST", "/containers/second/start")
    assert answer.status_code == 500
    assert answer.json()["message"].endswith("Bind for 127.0.0.1:18478 failed: port is already allocated")
    state = dockerd.state("second")
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("created", 128, answer.json()["message"])
    listed = {c["Names"][0]: c for c in dockerd.api.containers(all=True)}
    assert listed["/first"]["Ports"] == [{"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 18478, "Type": "tcp"}]
    assert (listed["/second"]["Ports"], listed["/second"]["Status"]) == ([], "Created")


def test_the_restart_policy_counts_and_gives_up(dockerd: Subject) -> None:
    policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    dockerd.run("loop", "exit 3", host=policy)
    state = dockerd.until("loop", "exited")
    details = dockerd.api.inspect_container("loop")
    assert (details["RestartCount"], state["ExitCode"]) == (2, 3)
    began = engine_time(dockerd.api)
    dockerd.api.start("loop")
    wait_until(lambda: dockerd.api.inspect_container("loop")["RestartCount"] == 2, "two more tries")
    dockerd.until("loop", "exited")
    actions = dockerd.actions(began, engine_time(dockerd.api), type="container")
    assert [action for _, action in actions] == ["start", "die"] * 3


def test_prune_takes_what_is_not_used_and_says_what_it_was(dockerd: Subject) -> None:
    dockerd.run("kept")
    gone = dockerd.run("gone", start=False)
    dockerd.api.create_volume("test-unused")
    dockerd.api.create_network("test-unused")
    assert dockerd.api.prune_containers()["ContainersDeleted"] == [gone]
    assert dockerd.api.prune_volumes()["VolumesDeleted"] == ["test-unused"]
    assert dockerd.api.prune_networks()["NetworksDeleted"] == ["test-unused"]
    dangling = dockerd.image("test/other:1", ["LABEL a=b"])
    dockerd.image("test/other:1", ["LABEL a=c"])
    deleted = [item.get("Deleted") for item in dockerd.api.prune_images()["ImagesDeleted"]]
    assert dangling in deleted
    assert dockerd.api.prune_images()["ImagesDeleted"] is None


def test_filters_choose_containers(dockerd: Subject) -> None:
    first = dockerd.run("first", Labels={"service": "fraud", "tier": "1"})
    second = dockerd.run("second", start=False, Labels={"service": "etl"})

    def ids(**filters: Any) -> list[str]:
        return [c["Id"] for c in dockerd.api.containers(all=True, filters=filters)]

    assert ids(label="service=fraud") == [first]
    assert ids(label=["service", "tier"]) == [first]
    assert ids(status="created") == [second]
    assert ids(name="^/sec") == [second]
    assert ids(id=first[:12]) == [first]
    assert ids(network="test-net") == [second, first]
    assert ids(ancestor="test/box:1", status="running") == [first]
    assert [c["Id"] for c in dockerd.api.containers()] == [first]
    assert [c["Id"] for c in dockerd.api.containers(limit=1)] == [second]


def test_a_container_joins_and_leaves_networks(dockerd: Subject) -> None:
    container = dockerd.run("node")
    made = dockerd.api.create_network("test-second", labels={"a": "b"})
    dockerd.api.connect_container_to_network("node", "test-second", aliases=["other"])
    inside = dockerd.api.inspect_network("test-second")["Containers"]
    assert list(inside) == [container]
    endpoint = dockerd.api.inspect_container("node")["NetworkSettings"]["Networks"]["test-second"]
    assert endpoint["NetworkID"] == made["Id"]
    assert "other" in endpoint["Aliases"]
    assert inside[container]["IPv4Address"] == f"{endpoint['IPAddress']}/{endpoint['IPPrefixLen']}"
    dockerd.api.disconnect_container_from_network("node", "test-second")
    assert dockerd.api.inspect_network("test-second")["Containers"] == {}
    dockerd.api.remove_network("test-second")


def test_a_tag_moves_and_the_last_one_takes_the_image_along(dockerd: Subject) -> None:
    first = dockerd.image("test/moving:1", ["LABEL n=1"])
    second = dockerd.image("test/moving:1", ["LABEL n=2"])
    tags = {image["Id"]: image["RepoTags"] for image in dockerd.api.images()}
    assert (tags[first], tags[second]) == (["<none>:<none>"], ["test/moving:1"])
    dockerd.api.tag("test/moving:1", "test/copy", "2")
    assert dockerd.api.remove_image("test/moving:1") == [{"Untagged": "test/moving:1"}]
    gone = dockerd.api.remove_image("test/copy:2")
    assert gone[0] == {"Untagged": "test/copy:2"}
    assert {"Deleted": second} in gone
