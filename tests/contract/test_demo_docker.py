"""The practice engine, held to Docker Engine 20.10: the same tests against both."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from contract.docker_subjects import LOOP, Practice, Subject, differences, engine_time, frames, portrait, shape
from parts.engine import ENGINE_PACKAGES
from parts.process import wait_until
from quarterdeck_demo.docker import EngineSettings

RECORD = Path(__file__).with_name("docker_shapes.json")
SUBJECTS = ["practice", pytest.param("real", marks=pytest.mark.real(*ENGINE_PACKAGES))]
CGROUP_BOUND = ("stats", "exited stats", "info")


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    """An empty practice engine on a host like the recorded one."""
    engine = Practice(None, time.time, EngineSettings(cgroup=1, stats_interval=0.1, pull_delay=0.0))
    yield engine
    engine.close()


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """An engine with an image `test/box:1` and a network `test-net`."""
    real = request.param == "real"
    name = "fresh_engine" if real else "practice"
    engine = Subject(request.getfixturevalue(name).url, real)
    try:
        engine.image()
        engine.api.create_network("test-net")
        yield engine
    finally:
        engine.clear()
        engine.close()


def test_the_answers_have_the_recorded_keys_and_types(subject: Subject) -> None:
    subject.api.remove_network("test-net")
    found = {name: shape(answer) for name, answer in portrait(subject).items()}
    wanted = json.loads(RECORD.read_text())
    if subject.real and subject.api.info()["CgroupVersion"] != "1":
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
     ' name "/down" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse'
     " that name."),
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


def test_refusals_have_the_engines_status_and_words(subject: Subject) -> None:
    subject.run("up")
    subject.run("down", start=False)
    found = []
    for method, path, body, _, _ in REFUSED:
        answer = subject.raw(method, path, body)
        words = re.sub(r"\b[0-9a-f]{64}\b", "ID", answer.json()["message"])
        found.append((method, path, body, answer.status_code, re.sub(r"\b[0-9a-f]{12}\b", "SHORT", words)))
    assert found == REFUSED


def test_a_version_out_of_range_is_refused(subject: Subject) -> None:
    newest = subject.api.version()["ApiVersion"]
    answer = subject.raw("GET", "/info", version="v1.99")
    assert answer.status_code == 400
    assert answer.json()["message"] == f"client version 1.99 is too new. Maximum supported API version is {newest}"
    assert subject.raw("GET", "/info", version="v1.5").status_code == 400
    assert subject.api.get("http+docker://localhost/_ping").headers["Api-Version"] == newest
    assert subject.api.head("http+docker://localhost/_ping").status_code == 200


def test_start_and_stop_are_idempotent_and_the_exit_code_is_kept(subject: Subject) -> None:
    subject.run("one")
    wait_until(lambda: subject.output("one"), "the trap to be set")
    assert subject.raw("POST", "/containers/one/start").status_code == 304
    assert subject.raw("POST", "/containers/one/stop?t=5").status_code == 204
    assert subject.raw("POST", "/containers/one/stop").status_code == 304
    state = subject.state("one")
    assert (state["Status"], state["ExitCode"], state["Pid"], state["Running"]) == ("exited", 7, 0, False)
    assert state["FinishedAt"] > state["StartedAt"]
    assert subject.api.wait("one") == {"StatusCode": 7, "Error": None}


def test_pid_one_ignores_a_signal_that_it_does_not_handle(subject: Subject) -> None:
    subject.run("deaf", "sleep 1000")
    subject.api.kill("deaf", "TERM")
    assert subject.state("deaf")["Running"]
    subject.api.stop("deaf", timeout=0)
    assert subject.state("deaf")["ExitCode"] == 137


def test_every_step_of_a_life_is_an_event(subject: Subject) -> None:
    began = engine_time(subject.api)
    subject.run("one")
    wait_until(lambda: subject.output("one"), "the trap to be set")
    subject.api.pause("one")
    assert subject.state("one")["Status"] == "paused"
    subject.api.unpause("one")
    subject.api.rename("one", "two")
    subject.api.update_container("two", cpu_shares=512)
    wait_until(lambda: subject.state("two")["Health"]["Status"] == "healthy", "health")
    subject.api.restart("two", timeout=5)
    subject.api.kill("two")
    subject.until("two", "exited")
    subject.api.remove_container("two")
    wait_until(lambda: subject.actions(began, engine_time(subject.api), event="destroy"), "the last event")
    connect, disconnect = ("network", "connect"), ("network", "disconnect")
    container = [("container", name) for name in ("pause", "unpause", "rename", "update", "health_status: healthy")]
    end = [("container", "kill"), ("container", "die"), disconnect]
    assert subject.actions(began, engine_time(subject.api)) == [
        ("container", "create"), connect, ("container", "start"), *container,
        *end, ("container", "stop"), connect, ("container", "start"), ("container", "restart"),
        *end, ("container", "destroy"),
    ]  # fmt: skip


def test_a_force_removal_kills_first_and_takes_anonymous_volumes_along(subject: Subject) -> None:
    subject.api.create_volume("test-kept")
    began = engine_time(subject.api)
    options = {"Volumes": {"/scratch": {}}, "host": {"Binds": ["test-kept:/data"]}}
    container = subject.run("gone", **options)
    mounts = {mount["Destination"]: mount["Name"] for mount in subject.api.inspect_container("gone")["Mounts"]}
    subject.api.remove_container("gone", force=True, v=True)
    assert [volume["Name"] for volume in subject.api.volumes()["Volumes"]] == ["test-kept"]
    events = list(subject.api.events(since=began, until=engine_time(subject.api), decode=True))
    ends = [(e["Type"], e["Action"]) for e in events if e["Action"] in ("kill", "die", "destroy", "unmount")]
    assert ends[:2] == [("container", "kill"), ("container", "die")]
    assert ends[-2:] == [("volume", "destroy"), ("container", "destroy")]
    assert next(e for e in events if e["Action"] == "die")["Actor"]["Attributes"]["exitCode"] == "137"
    assert mounts["/scratch"] in {e["Actor"]["ID"] for e in events if e["Action"] == "destroy"}
    assert container in {e["Actor"]["ID"] for e in events if e["Action"] == "destroy"}


def test_a_taken_port_is_a_500_and_leaves_the_container_created(subject: Subject) -> None:
    ports = {"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18478"}]}}
    subject.run("first", host=ports)
    subject.run("second", start=False, host=ports)
    answer = subject.raw("POST", "/containers/second/start")
    assert answer.status_code == 500
    assert answer.json()["message"].endswith("Bind for 127.0.0.1:18478 failed: port is already allocated")
    state = subject.state("second")
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("created", 128, answer.json()["message"])
    listed = {c["Names"][0]: c for c in subject.api.containers(all=True)}
    assert listed["/first"]["Ports"] == [
        {"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 18478, "Type": "tcp"}
    ]
    assert (listed["/second"]["Ports"], listed["/second"]["Status"]) == ([], "Created")


def test_the_restart_policy_counts_and_gives_up(subject: Subject) -> None:
    policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    subject.run("loop", "exit 3", host=policy)
    state = subject.until("loop", "exited")
    details = subject.api.inspect_container("loop")
    assert (details["RestartCount"], state["ExitCode"]) == (2, 3)
    began = engine_time(subject.api)
    subject.api.start("loop")
    wait_until(lambda: subject.api.inspect_container("loop")["RestartCount"] == 2, "two more tries")
    subject.until("loop", "exited")
    actions = subject.actions(began, engine_time(subject.api), type="container")
    assert [action for _, action in actions] == ["start", "die"] * 3


def test_logs_are_framed_and_cut_as_asked(subject: Subject) -> None:
    subject.run("talk", "echo one; echo two; echo three >&2; sleep 0.4; echo four; sleep 1000")
    wait_until(lambda: b"four" in subject.output("talk"), "the last line")
    raw = subject.raw("GET", "/containers/talk/logs?stdout=1&stderr=1").content
    assert sorted(frames(raw)) == [(1, b"four\n"), (1, b"one\n"), (1, b"two\n"), (2, b"three\n")]
    assert subject.output("talk", stdout=False) == b"three\n"
    assert subject.output("talk", tail=1) == b"four\n"
    assert subject.output("talk", tail=0) == b""
    stamped = subject.output("talk", stderr=False, timestamps=True).decode().splitlines()
    times = [line.split(" ")[0] for line in stamped]
    assert [line.split(" ")[1] for line in stamped] == ["one", "two", "four"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamp) for stamp in times)
    whole, _, fraction = times[-1].rstrip("Z").partition(".")
    exact = f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{fraction}"
    assert frames(subject.raw("GET", f"/containers/talk/logs?stdout=1&since={exact}").content) == [(1, b"four\n")]
    later = f"{exact[:-1]}9" if exact[-1] < "9" else f"{float(exact) + 0.001:.9f}"
    assert subject.raw("GET", f"/containers/talk/logs?stdout=1&since={later}").content == b""


def test_a_followed_log_ends_with_the_container_and_has_no_frames_on_a_terminal(subject: Subject) -> None:
    subject.run("talk", "echo one; sleep 0.3; echo two; exit 0")
    assert b"".join(subject.api.logs("talk", stream=True, follow=True)) == b"one\ntwo\n"
    subject.run("screen", "echo one; sleep 1000", Tty=True)
    wait_until(lambda: subject.raw("GET", "/containers/screen/logs?stdout=1").content == b"one\r\n", "raw output")


def test_the_first_sample_has_none_before_it_and_a_stopped_container_only_zeros(subject: Subject) -> None:
    subject.run("busy")
    samples = subject.api.stats("busy", stream=True, decode=True)
    first, second = next(samples), next(samples)
    assert first["preread"] == "0001-01-01T00:00:00Z"
    assert "system_cpu_usage" not in first["precpu_stats"]
    assert second["preread"] == first["read"]
    assert second["precpu_stats"] == first["cpu_stats"]
    assert second["cpu_stats"]["cpu_usage"]["total_usage"] >= first["cpu_stats"]["cpu_usage"]["total_usage"]
    assert second["cpu_stats"]["system_cpu_usage"] > first["cpu_stats"]["system_cpu_usage"]
    whole = subject.api.stats("busy", stream=False)
    assert whole["precpu_stats"]["system_cpu_usage"] > 0
    assert subject.api.stats("busy", stream=False, one_shot=True)["preread"] == "0001-01-01T00:00:00Z"
    subject.api.stop("busy", timeout=5)
    stopped = subject.api.stats("busy", stream=False)
    assert (stopped["read"], stopped["memory_stats"]) == ("0001-01-01T00:00:00Z", {})


def test_exec_runs_a_command_and_keeps_its_code(subject: Subject) -> None:
    subject.run("box")
    execution = subject.api.exec_create("box", ["sh", "-c", "echo hi; echo no >&2; exit 3"])["Id"]
    assert subject.api.exec_inspect(execution)["ExitCode"] is None
    out, err = subject.api.exec_start(execution, demux=True)
    assert (out, err) == (b"hi\n", b"no\n")
    details = wait_until(lambda: (d := subject.api.exec_inspect(execution))["ExitCode"] is not None and d, "the code")
    assert (details["ExitCode"], details["Running"]) == (3, False)
    missing = subject.api.exec_create("box", ["nonesuch"])["Id"]
    assert b'exec: "nonesuch": executable file not found in $PATH' in subject.api.exec_start(missing)
    assert wait_until(lambda: subject.api.exec_inspect(missing)["ExitCode"], "the code") in (126, 127)


def test_a_shell_echoes_prompts_and_ends_with_its_code(subject: Subject) -> None:
    subject.run("box")
    execution = subject.api.exec_create("box", ["sh"], tty=True, stdin=True)["Id"]
    held = subject.api.exec_start(execution, tty=True, socket=True)
    sock: socket.socket = held._sock
    sock.settimeout(10)
    seen = b""
    while not seen.rstrip().endswith(b"#") and b"# " not in seen:
        seen += sock.recv(4096)
    subject.api.exec_resize(execution, height=24, width=80)
    sock.sendall(b"echo h''i\n")
    while b"\r\nhi\r\n" not in seen:
        seen += sock.recv(4096)
    assert subject.api.exec_inspect(execution)["Running"]
    sock.sendall(b"exit 4\n")
    while data := sock.recv(4096):
        seen += data
    held.close()
    assert wait_until(lambda: subject.api.exec_inspect(execution)["ExitCode"], "the code") == 4


def test_a_paused_container_takes_no_commands(subject: Subject) -> None:
    subject.run("cold")
    subject.api.pause("cold")
    answer = subject.raw("POST", "/containers/cold/exec", {"Cmd": ["ls"]})
    assert (answer.status_code, answer.json()["message"]) == (
        409, "Container cold is paused, unpause the container before exec",
    )  # fmt: skip
    listed = subject.api.containers()[0]
    assert listed["State"] == "paused"
    assert listed["Status"].endswith("(Paused)")
    subject.api.unpause("cold")


def test_wait_answers_when_the_process_ends(subject: Subject) -> None:
    subject.run("brief", "sleep 0.2; exit 5")
    assert subject.api.wait("brief", timeout=10) == {"Error": None, "StatusCode": 5}
    subject.run("clean", "sleep 0.2", host={"AutoRemove": True})
    assert subject.api.wait("clean", condition="removed")["StatusCode"] == 0
    with pytest.raises(docker.errors.NotFound):
        subject.api.inspect_container("clean")


def test_prune_takes_what_is_not_used_and_says_what_it_was(subject: Subject) -> None:
    subject.run("kept")
    gone = subject.run("gone", start=False)
    subject.api.create_volume("test-unused")
    subject.api.create_network("test-unused")
    assert subject.api.prune_containers()["ContainersDeleted"] == [gone]
    assert subject.api.prune_volumes()["VolumesDeleted"] == ["test-unused"]
    assert subject.api.prune_networks()["NetworksDeleted"] == ["test-unused"]
    dangling = subject.image("test/other:1", ["LABEL a=b"])
    subject.image("test/other:1", ["LABEL a=c"])
    deleted = [item.get("Deleted") for item in subject.api.prune_images()["ImagesDeleted"]]
    assert dangling in deleted
    assert subject.api.prune_images()["ImagesDeleted"] is None


def test_filters_choose_containers(subject: Subject) -> None:
    first = subject.run("first", Labels={"service": "fraud", "tier": "1"})
    second = subject.run("second", start=False, Labels={"service": "etl"})

    def ids(**filters: Any) -> list[str]:
        return [c["Id"] for c in subject.api.containers(all=True, filters=filters)]

    assert ids(label="service=fraud") == [first]
    assert ids(label=["service", "tier"]) == [first]
    assert ids(status="created") == [second]
    assert ids(name="^/sec") == [second]
    assert ids(id=first[:12]) == [first]
    assert ids(network="test-net") == [second, first]
    assert ids(ancestor="test/box:1", status="running") == [first]
    assert [c["Id"] for c in subject.api.containers()] == [first]
    assert [c["Id"] for c in subject.api.containers(limit=1)] == [second]


def test_a_container_joins_and_leaves_networks(subject: Subject) -> None:
    container = subject.run("node")
    made = subject.api.create_network("test-second", labels={"a": "b"})
    subject.api.connect_container_to_network("node", "test-second", aliases=["other"])
    inside = subject.api.inspect_network("test-second")["Containers"]
    assert list(inside) == [container]
    endpoint = subject.api.inspect_container("node")["NetworkSettings"]["Networks"]["test-second"]
    assert endpoint["NetworkID"] == made["Id"]
    assert "other" in endpoint["Aliases"]
    assert inside[container]["IPv4Address"] == f"{endpoint['IPAddress']}/{endpoint['IPPrefixLen']}"
    subject.api.disconnect_container_from_network("node", "test-second")
    assert subject.api.inspect_network("test-second")["Containers"] == {}
    subject.api.remove_network("test-second")


def test_a_tag_moves_and_the_last_one_takes_the_image_along(subject: Subject) -> None:
    first = subject.image("test/moving:1", ["LABEL n=1"])
    second = subject.image("test/moving:1", ["LABEL n=2"])
    tags = {image["Id"]: image["RepoTags"] for image in subject.api.images()}
    assert (tags[first], tags[second]) == (["<none>:<none>"], ["test/moving:1"])
    subject.api.tag("test/moving:1", "test/copy", "2")
    assert subject.api.remove_image("test/moving:1") == [{"Untagged": "test/moving:1"}]
    gone = subject.api.remove_image("test/copy:2")
    assert gone[0] == {"Untagged": "test/copy:2"}
    assert {"Deleted": second} in gone


def test_pull_and_push_without_a_registry_fail_as_the_engine_does(subject: Subject) -> None:
    answer = subject.raw("POST", "/images/create?fromImage=127.0.0.1:1/team/box&tag=2")
    assert answer.status_code == 500
    assert answer.json()["message"].startswith('Get "http')
    subject.api.tag("test/box:1", "127.0.0.1:1/team/box", "2")
    lines = list(subject.api.push("127.0.0.1:1/team/box", "2", stream=True, decode=True))
    assert lines[0] == {"status": "The push refers to repository [127.0.0.1:1/team/box]"}
    assert lines[-1]["error"] == lines[-1]["errorDetail"]["message"]
    lines = list(subject.api.push("test/nothing", "2", stream=True, decode=True))
    assert lines[-1]["error"] == "An image does not exist locally with the tag: test/nothing"


def test_the_docker_command_cannot_tell(subject: Subject, isolated_home: Path) -> None:
    subject.run("box", LOOP, Labels={"service": "fraud"})

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        env = {"DOCKER_HOST": subject.url, "HOME": str(isolated_home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        return subprocess.run(["docker", *words], env=env, capture_output=True, text=True, timeout=30, check=False)

    assert command("ps", "--format", "{{.Names}} {{.Image}} {{.State}}").stdout == "box test/box:1 running\n"
    wait_until(lambda: command("logs", "box").stdout == "up\n", "the first line")
    assert command("logs", "box").stderr == "trouble\n"
    ran = command("exec", "box", "sh", "-c", "echo hi; exit 3")
    assert (ran.stdout, ran.returncode) == ("hi\n", 3)
    assert command("inspect", "box", "--format", "{{.State.Status}}").stdout == "running\n"
    assert command("stats", "--no-stream", "--format", "{{.Name}}", "box").stdout == "box\n"
    assert command("stop", "-t", "5", "box").stdout == "box\n"
    assert command("wait", "box").stdout == "7\n"
    assert "Exited (7)" in command("ps", "-a").stdout
    listed = command("events", "--since", "1h", "--until", "0s", "--filter", "container=box", "--format", "{{.Action}}")
    assert listed.stdout.split()[:1] == ["create"]
    assert command("rm", "box").returncode == 0
