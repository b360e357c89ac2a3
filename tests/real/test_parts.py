"""Each real part starts, answers, dies, comes back, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
import requests

from parts.buildbot_server import PASSES, BuildbotServer
from parts.engine import Engine
from parts.mlflow_server import MlflowServer
from parts.needs import PROGRAMS
from parts.process import Part, is_private, wait_until
from parts.prom import Alertmanager, Exporter, Prometheus
from parts.pty import Pty
from parts.registry import Registry
from parts.sshd import Sshd
from parts.terminal import Terminal


def test_installer_and_tests_know_the_same_packages() -> None:
    script = Path(__file__).with_name("install.sh")
    listed = subprocess.run(
        ["bash", script, "--list"], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert {package: program for program, package in (line.split() for line in listed.stdout.splitlines())} == PROGRAMS


def test_nothing_of_the_developers_reaches_a_test(isolated_home: Path) -> None:
    assert Path.home() == isolated_home
    set_here = {"QUARTERDECK_STATE", "GIT_CONFIG_NOSYSTEM", *(name for name in os.environ if name.startswith("XDG_"))}
    assert {name for name in os.environ if is_private(name)} == set_here
    assert all(os.environ[name].startswith(str(isolated_home)) for name in set_here - {"GIT_CONFIG_NOSYSTEM"})


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("GITHUB_TOKEN", True),
        ("MY_REGISTRY_PASSWORD", True),
        ("aws_secret_access_key", True),
        ("DOCKER_HOST", True),
        ("KUBECONFIG", True),
        ("SSH_AUTH_SOCK", True),
        ("TMUX", True),
        ("https_proxy", True),
        ("NO_COLOR", True),
        ("PATH", False),
        ("TERM", False),
        ("HOME", False),
        ("PYTEST_CURRENT_TEST", False),
        ("CIRCUMSTANCE", False),
    ],
)
def test_private_variables_are_known(name: str, private: bool) -> None:
    assert is_private(name) is private


@pytest.mark.real("docker.io", "busybox-static")
def test_engine_dies_comes_back_and_leaves_nothing() -> None:
    engine = Engine()
    with engine:
        engine.image("quarterdeck/app:1", {"version": 'a "b" $c'})
        config = engine.api.inspect_image("quarterdeck/app:1")["Config"]
        assert config["Labels"] == {"version": 'a "b" $c'}
        network = engine.network("deck")
        first = engine.run("quarterdeck/app:1", name="first", network="deck")
        engine.kill()
        with pytest.raises(requests.ConnectionError):
            engine.api.ping()
        engine.start()
        names = {name: each["State"] for each in engine.api.containers(all=True) for name in each["Names"]}
        assert names == {"/first": "exited"}
        engine.api.start(first)
        address = engine.api.inspect_container(first)["NetworkSettings"]["Networks"]["deck"]["IPAddress"]
        assert address.startswith(f"{engine.pool}.")
        assert f"br-{network[:12]}" in psutil.net_if_addrs()
        engine.kill()
    assert engine.leftovers() == []
    assert f"br-{network[:12]}" not in psutil.net_if_addrs()


def test_shared_engine_is_empty_for_each_test(fresh_engine: Engine) -> None:
    fresh_engine.load_image("quarterdeck/hostile:1", {"Labels": {"note": "\x1b[2J"}})
    assert fresh_engine.api.inspect_image("quarterdeck/hostile:1")["Config"]["Labels"] == {"note": "\x1b[2J"}
    fresh_engine.run("quarterdeck/hostile:1", ["sh", "-c", "echo out; echo err >&2"], name="talks")
    assert fresh_engine.api.wait("talks")["StatusCode"] == 0
    assert sorted(fresh_engine.api.logs("talks").split()) == [b"err", b"out"]
    fresh_engine.api.create_volume("kept")
    fresh_engine.clear()
    assert fresh_engine.api.containers(all=True) == []
    assert fresh_engine.api.images() == []
    assert not fresh_engine.api.volumes()["Volumes"]


@pytest.mark.real("docker-registry")
def test_engine_pushes_to_a_registry_with_users(fresh_engine: Engine) -> None:
    registry = Registry({"reader": "word"})
    with registry:
        assert httpx.get(f"{registry.url}/v2/", trust_env=False).status_code == 401
        name = f"{registry.address}/team/app"
        fresh_engine.image(f"{name}:1")
        auth = {"username": "reader", "password": "word"}
        pushed = list(fresh_engine.api.push(name, "1", auth_config=auth, stream=True, decode=True))
        assert not [line for line in pushed if "error" in line]
        _dies_and_comes_back(registry)
        tags = httpx.get(f"{registry.url}/v2/team/app/tags/list", auth=("reader", "word"), trust_env=False)
        assert tags.json() == {"name": "team/app", "tags": ["1"]}
    assert registry.leftovers() == []


def test_prometheus_scrapes_and_alerts(prometheus: Prometheus, alertmanager: Alertmanager) -> None:
    with Exporter() as exporter:
        exporter.set("deck_load", 2.5, {"service": 'a"b\\'})
        rule = {"alert": "TooMuch", "expr": "deck_load > 2", "labels": {"severity": "page"}}
        prometheus.configure({"deck": [exporter.address]}, [{"name": "deck", "rules": [rule]}], [alertmanager.address])
        (sample,) = prometheus.wait_for("deck_load")
        assert (sample["metric"]["service"], sample["value"][1]) == ('a"b\\', "2.5")
        exporter.set("deck_load", 7, {"service": 'a"b\\'})
        prometheus.wait_for("deck_load == 7")
        mine = {"filter": 'alertname="TooMuch"'}
        (alert,) = wait_until(lambda: alertmanager.call("GET", "/api/v2/alerts", params=mine).json(), "the alert")
        assert alert["labels"]["alertname"] == "TooMuch"
    for server in (prometheus, alertmanager):
        _dies_and_comes_back(server)
    prometheus.configure({})


def test_mlflow_keeps_its_data_when_it_dies(mlflow: MlflowServer) -> None:
    mlflow.call("POST", "registered-models/create", json={"name": "fraud"})
    _dies_and_comes_back(mlflow)
    assert mlflow.call("GET", "registered-models/get", params={"name": "fraud"})["registered_model"]["name"] == "fraud"
    mlflow.call("DELETE", "registered-models/delete", json={"name": "fraud"})


def test_buildbot_builds_a_commit_and_keeps_the_build_when_it_dies(buildbot: BuildbotServer) -> None:
    sha = buildbot.commit(PASSES, "a commit for the parts")
    buildbot.push(sha)

    def built() -> dict[str, object] | None:
        found = buildbot.get("builds", property="got_revision", complete="true")["builds"]
        return next((each for each in found if each["properties"].get("got_revision", [""])[0] == sha), None)

    build = wait_until(built, "a build of the commit")
    assert build["results"] == 0
    _dies_and_comes_back(buildbot)
    assert built() == build


@pytest.mark.real("openssh-server")
def test_sshd_runs_commands_and_a_changed_key_is_refused() -> None:
    server = Sshd()
    with server:
        told = subprocess.run(server.command("echo", "there"), check=True, capture_output=True, text=True)
        assert told.stdout == "there\n"
        _dies_and_comes_back(server)
        assert subprocess.run(server.command("true"), check=False, capture_output=True).returncode == 0
        server.renew_host_key()
        server.restart()
        refused = subprocess.run(server.command("true"), check=False, capture_output=True, text=True)
        assert refused.returncode == 255
        assert "HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    assert server.leftovers() == []


def test_terminal_shows_keys_size_and_end(open_terminal: Callable[..., Terminal]) -> None:
    script = (
        "trap 'stty size' WINCH; printf '\\033]2;deck\\033\\\\\\033[31mready\\033[0m\\n'; echo $MARK; "
        "while :; do read -r a && echo got:$a; done"
    )
    terminal = open_terminal(["sh", "-c", script], width=70, height=10, env={"MARK": "marked"})
    screen = terminal.wait_for("marked")
    assert screen.splitlines()[0] == "ready"
    assert "\x1b[31mready" in terminal.capture(escapes=True)
    assert terminal.title == "deck"
    terminal.type("Enter;x")
    terminal.send_keys("Enter")
    terminal.wait_for("got:Enter;x")
    terminal.resize(50, 12)
    terminal.send_keys("Enter")
    terminal.wait_for("12 50")
    with pytest.raises(AssertionError, match=r"never on the screen: 'absent'(?s:.)*\|got:Enter;x"):
        terminal.wait_for("absent", deadline=0.1)
    assert terminal.exit_status is None
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.wait_exit() == 137


def test_closing_a_terminal_hangs_up_the_program(open_terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    script = f"trap 'echo hup > {tmp_path}/said; exit 3' HUP; echo ready; while :; do sleep 0.05; done"
    terminal = open_terminal(["sh", "-c", script])
    terminal.wait_for("ready")
    program = psutil.Process(terminal.pid)
    terminal.kill()
    psutil.wait_procs([program], timeout=60)
    assert not program.is_running()
    assert (tmp_path / "said").read_text() == "hup\n"


@pytest.mark.tmux
def test_terminal_leaves_no_process_and_no_folder() -> None:
    terminal = Terminal(["sh", "-c", "trap '' HUP TERM; echo ready; sleep 100000 & wait; wait"])
    terminal.grace = 0.1
    with terminal:
        terminal.wait_for("ready")
        server = psutil.Process(terminal.process.pid)
        family = [server, *server.children(recursive=True)]
        assert len(family) >= 3
    assert [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    assert not terminal.folder.exists()


def test_pty_keeps_every_byte_and_shows_the_screen(open_pty: Callable[..., Pty]) -> None:
    code = (
        "import os,sys,tty; tty.setraw(0)\n"
        "os.write(1, b'\\x1b[>1u\\x1b[?1049h\\x1b[2;3Hhello \\xe2\\x82\\xac')\n"
        "size = os.get_terminal_size(); os.write(1, b'\\r\\n%dx%d' % (size.columns, size.lines))\n"
        "os.write(1, b'\\r\\nkeys ' + os.read(0, 10)); sys.exit(4)"
    )
    pty = open_pty([sys.executable, "-c", code], width=40, height=8)
    pty.wait_for("40x8")
    pty.write("\x1b[A")
    assert pty.wait_exit() == 4
    assert pty.screen().splitlines()[1] == "  hello €"
    assert pty.received.startswith(b"\x1b[>1u\x1b[?1049h\x1b[2;3Hhello \xe2\x82\xac\r\n40x8")
    assert pty.received.endswith(b"keys \x1b[A")


def _dies_and_comes_back(part: Part) -> None:
    before = part.process.pid
    part.kill()
    assert not psutil.pid_exists(before)
    assert not part.process.alive
    part.start()
    assert part.process.pid != before
