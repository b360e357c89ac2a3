"""Output, samples, commands and progress: the same tests against the practice engine and a real one."""

from __future__ import annotations

import re
import socket
import subprocess
from datetime import datetime
from pathlib import Path

import docker
import pytest

from contract.docker_subjects import LOOP, Subject, frames
from parts.process import wait_until

RECORD = Path(__file__).with_name("docker_shapes.json")
CGROUP_BOUND = ("stats", "exited stats", "info")


def test_logs_are_framed_and_cut_as_asked(dockerd: Subject) -> None:
    dockerd.run("talk", "echo one; echo two; echo three >&2; sleep 0.4; echo four; sleep 1000")
    wait_until(lambda: b"four" in dockerd.output("talk"), "the last line")
    raw = dockerd.raw("GET", "/containers/talk/logs?stdout=1&stderr=1").content
    assert sorted(frames(raw)) == [(1, b"four\n"), (1, b"one\n"), (1, b"two\n"), (2, b"three\n")]
    assert dockerd.output("talk", stdout=False) == b"three\n"
    assert dockerd.output("talk", tail=1) == b"four\n"
    assert dockerd.output("talk", tail=0) == b""
    stamped = dockerd.output("talk", stderr=False, timestamps=True).decode().splitlines()
    times = [line.split(" ")[0] for line in stamped]
    assert [line.split(" ")[1] for line in stamped] == ["one", "two", "four"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamp) for stamp in times)
    whole, _, fraction = times[-1].rstrip("Z").partition(".")
    exact = f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{fraction}"
    assert frames(dockerd.raw("GET", f"/containers/talk/logs?stdout=1&since={exact}").content) == [(1, b"four\n")]
    later = f"{exact[:-1]}9" if exact[-1] < "9" else f"{float(exact) + 0.001:.9f}"
    assert dockerd.raw("GET", f"/containers/talk/logs?stdout=1&since={later}").content == b""


def test_a_followed_log_ends_with_the_container_and_has_no_frames_on_a_terminal(dockerd: Subject) -> None:
    dockerd.run("talk", "echo one; sleep 0.3; echo two; exit 0")
    assert b"".join(dockerd.api.logs("talk", stream=True, follow=True)) == b"one\ntwo\n"
    dockerd.run("screen", "echo one; sleep 1000", Tty=True)
    wait_until(lambda: dockerd.raw("GET", "/containers/screen/logs?stdout=1").content == b"one\r\n", "raw output")


def test_the_first_sample_has_none_before_it_and_a_stopped_container_only_zeros(dockerd: Subject) -> None:
    dockerd.run("busy")
    samples = dockerd.api.stats("busy", stream=True, decode=True)
    first, second = next(samples), next(samples)
    assert first["preread"] == "0001-01-01T00:00:00Z"
    assert "system_cpu_usage" not in first["precpu_stats"]
    assert second["preread"] == first["read"]
    assert second["precpu_stats"] == first["cpu_stats"]
    assert second["cpu_stats"]["cpu_usage"]["total_usage"] >= first["cpu_stats"]["cpu_usage"]["total_usage"]
    assert second["cpu_stats"]["system_cpu_usage"] > first["cpu_stats"]["system_cpu_usage"]
    whole = dockerd.api.stats("busy", stream=False)
    assert whole["precpu_stats"]["system_cpu_usage"] > 0
    assert dockerd.api.stats("busy", stream=False, one_shot=True)["preread"] == "0001-01-01T00:00:00Z"
    dockerd.api.stop("busy", timeout=5)
    stopped = dockerd.api.stats("busy", stream=False)
    assert (stopped["read"], stopped["memory_stats"]) == ("0001-01-01T00:00:00Z", {})


def test_exec_runs_a_command_and_keeps_its_code(dockerd: Subject) -> None:
    dockerd.run("box")
    execution = dockerd.api.exec_create("box", ["sh", "-c", "echo hi; echo no >&2; exit 3"])["Id"]
    assert dockerd.api.exec_inspect(execution)["ExitCode"] is None
    out, err = dockerd.api.exec_start(execution, demux=True)
    assert (out, err) == (b"hi\n", b"no\n")
    details = wait_until(lambda: (d := dockerd.api.exec_inspect(execution))["ExitCode"] is not None and d, "the code")
    assert (details["ExitCode"], details["Running"]) == (3, False)
    missing = dockerd.api.exec_create("box", ["nonesuch"])["Id"]
    assert b'exec: "nonesuch": executable file not found in $PATH' in dockerd.api.exec_start(missing)
    assert wait_until(lambda: dockerd.api.exec_inspect(missing)["ExitCode"], "the code") in (126, 127)


def test_a_shell_echoes_prompts_and_ends_with_its_code(dockerd: Subject) -> None:
    dockerd.run("box")
    execution = dockerd.api.exec_create("box", ["sh"], tty=True, stdin=True)["Id"]
    held = dockerd.api.exec_start(execution, tty=True, socket=True)
    sock: socket.socket = held._sock
    sock.settimeout(10)
    seen = b""
    while not seen.rstrip().endswith(b"#") and b"# " not in seen:
        seen += sock.recv(4096)
    dockerd.api.exec_resize(execution, height=24, width=80)
    sock.sendall(b"echo h''i\n")
    while b"\r\nhi\r\n" not in seen:
        seen += sock.recv(4096)
    assert dockerd.api.exec_inspect(execution)["Running"]
    sock.sendall(b"exit 4\n")
    while data := sock.recv(4096):
        seen += data
    held.close()
    assert wait_until(lambda: dockerd.api.exec_inspect(execution)["ExitCode"], "the code") == 4


def test_a_paused_container_takes_no_commands(dockerd: Subject) -> None:
    dockerd.run("cold")
    dockerd.api.pause("cold")
    answer = dockerd.raw("POST", "/containers/cold/exec", {"Cmd": ["ls"]})
    assert (answer.status_code, answer.json()["message"]) == (
        409, "Container cold is paused, unpause the container before exec",
    )  # fmt: skip
    listed = dockerd.api.containers()[0]
    assert listed["State"] == "paused"
    assert listed["Status"].endswith("(Paused)")
    dockerd.api.unpause("cold")


def test_wait_answers_when_the_process_ends(dockerd: Subject) -> None:
    dockerd.run("brief", "sleep 0.2; exit 5")
    assert dockerd.api.wait("brief", timeout=10) == {"Error": None, "StatusCode": 5}
    dockerd.run("clean", "sleep 0.2", host={"AutoRemove": True})
    assert dockerd.api.wait("clean", condition="removed")["StatusCode"] == 0
    with pytest.raises(docker.errors.NotFound):
        dockerd.api.inspect_container("clean")


def test_pull_and_push_without_a_registry_fail_as_the_engine_does(dockerd: Subject) -> None:
    answer = dockerd.raw("POST", "/images/create?fromImage=127.0.0.1:1/team/box&tag=2")
    assert answer.status_code == 500
    assert answer.json()["message"].startswith('Get "http')
    dockerd.api.tag("test/box:1", "127.0.0.1:1/team/box", "2")
    lines = list(dockerd.api.push("127.0.0.1:1/team/box", "2", stream=True, decode=True))
    assert lines[0] == {"status": "The push refers to repository [127.0.0.1:1/team/box]"}
    assert lines[-1]["error"] == lines[-1]["errorDetail"]["message"]
    lines = list(dockerd.api.push("test/nothing", "2", stream=True, decode=True))
    assert lines[-1]["error"] == "An image does not exist locally with the tag: test/nothing"


def test_the_docker_command_cannot_tell(dockerd: Subject, isolated_home: Path) -> None:
    dockerd.run("box", LOOP, Labels={"service": "fraud"})

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        env = {"DOCKER_HOST": dockerd.url, "HOME": str(isolated_home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
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
    words = ("events", "--since", "1h", "--until", "0s", "--filter", "container=box", "--format", "{{.Action}}")
    # Once, on a busy machine, the command ended without a word of what was there.
    wait_until(lambda: command(*words).stdout.split()[:1] == ["create"], "the events")
    assert command("rm", "box").returncode == 0
