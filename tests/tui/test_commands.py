"""The commands without a screen, as child processes, on a practice world and on nothing."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from parts.deckworld import PracticeWorld, environment, quarterdeck
from parts.process import DEADLINE, wait_until

PANES = ["repositories", "pipelines", "containers", "models", "metrics"]
PANE_KEYS = {"state", "age_s", "error", "rows", "sources"}
SOURCE_KEYS = {"name", "system", "state", "age_s", "error"}
ROW_KEYS = {"ref", "kind", "name", "status", "updated_at"}
STATES = {"LOADING", "FRESH", "STALE", "ERROR", "AUTH", "UNSUPPORTED", "PAUSED", "NONE"}
NO_SCREEN = (
    "import atexit, sys; sys.argv[0] = 'quarterdeck'\n"
    "atexit.register(lambda: print('screen:', 'textual' in sys.modules, file=sys.stderr))\n"
    "from quarterdeck.cli import main\n"
    "main()"
)
WITHOUT_SCREEN = (sys.executable, "-c", NO_SCREEN)


@pytest.fixture(scope="module")
def world() -> Iterator[PracticeWorld]:
    with PracticeWorld() as made:
        yield made


@pytest.fixture
def engine_only(world: PracticeWorld, tmp_path: Path) -> dict[str, str]:
    """The settings of an operator of the world's engine alone: quicker to ask."""
    return settings(tmp_path, {"name": "engine", "system": "docker", "url": world.endpoints["docker"]})


def settings(folder: Path, *sources: dict[str, str]) -> dict[str, str]:
    """The environment of an operator whose config has these sources, and whose state is new."""
    config = folder / "config" / "quarterdeck"
    config.mkdir(parents=True, mode=0o700)
    (config / "config.yaml").write_text(json.dumps({"sources": sources}))
    return {"XDG_CONFIG_HOME": str(folder / "config"), "QUARTERDECK_STATE": str(folder / "state")}


def check_contract(found: dict[str, dict[str, object]]) -> None:
    assert list(found) == PANES
    for pane in found.values():
        assert set(pane) == PANE_KEYS
        assert pane["state"] in STATES
        for row in pane["rows"]:  # type: ignore[attr-defined]
            assert set(row) >= ROW_KEYS
            assert row["ref"].count("/") == 2
            assert row["updated_at"] is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["updated_at"])
        for source in pane["sources"]:  # type: ignore[attr-defined]
            assert set(source) == SOURCE_KEYS
            assert source["state"] in STATES


def test_status_says_every_pane_once_and_needs_no_screen_library(world: PracticeWorld) -> None:
    done = world.run("status", "--json", command=WITHOUT_SCREEN)
    assert "screen: False" in done.err
    found = done.json
    check_contract(found)
    assert done.code == 0, {name: (pane["state"], pane["error"]) for name, pane in found.items()}
    systems = {source["system"] for pane in found.values() for source in pane["sources"]}
    assert systems == {"git", "github", "docker", "registry", "mlflow", "prometheus", "host", "quarterdeck"}
    kinds = {row["kind"] for pane in found.values() for row in pane["rows"]}
    assert kinds >= {
        "repository", "run", "pull_request", "container", "service", "image", "tag", "model", "version", "series",
    }  # fmt: skip
    assert all(pane["state"] == "FRESH" and pane["rows"] for pane in found.values())


def test_status_is_4_when_a_source_is_down_and_says_which(world: PracticeWorld, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    env = settings(
        tmp_path,
        {"name": "ml", "system": "mlflow", "url": f"http://127.0.0.1:{port}"},
        {"name": "unwritten", "system": "mlflow"},
        {"name": "ci", "system": "no-such-system", "url": "http://127.0.0.1:1"},
    )
    found = world.run("status", "--json", env=env)
    assert found.code == 4
    models = found.json["models"]
    assert models["state"] == "ERROR"
    assert [(source["name"], source["state"]) for source in models["sources"]] == [
        ("ml", "ERROR"), ("unwritten", "ERROR"),
    ]  # fmt: skip
    assert str(port) in models["sources"][0]["error"]
    assert "its url is missing" in models["sources"][1]["error"]
    assert "no adapter for the system 'no-such-system'" in found.err
    text = world.run("status", env=env)
    assert text.code == 4
    assert re.search(rf"ml \(mlflow\).*127\.0\.0\.1:{port}", text.out), text.out
    assert "its url is missing" in text.out
    line = world.run("status", "--line", "--timeout", "10", env=env)
    assert (line.code, len(line.out.splitlines())) == (4, 1)
    assert "models 0 ERROR" in line.out


@pytest.mark.parametrize("loopback", ["up", "down"])
def test_the_practice_world_prints_once_without_a_network(tmp_path: Path, loopback: str) -> None:
    done = quarterdeck("demo", "--once", "--json", home=tmp_path, command=_offline(WITHOUT_SCREEN, loopback))
    assert "screen: False" in done.err
    check_contract(done.json)
    assert done.code == 0, {name: (pane["state"], pane["error"]) for name, pane in done.json.items()}
    assert all(pane["rows"] for pane in done.json.values())
    assert not (tmp_path / "state").exists(), "the practice world keeps its own state"


def test_a_loopback_that_stays_down_is_said(tmp_path: Path) -> None:
    dropped = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    command = _offline((*dropped, *WITHOUT_SCREEN), "down")
    if command[0] != "unshare":
        pytest.skip("needs a network namespace, which this machine does not allow")
    done = quarterdeck("demo", "--once", home=tmp_path, command=command)
    assert done.code == 1
    assert "the loopback is down here (Operation not permitted): ip link set lo up" in done.err


def _offline(command: tuple[str, ...], loopback: str) -> tuple[str, ...]:
    """A network of its own with a loopback and nothing else, where the machine allows one."""
    script = f'ip link set lo {loopback} && exec "$@"'
    unshare = ("unshare", "--net", "--map-root-user", "sh", "-c", script, "offline")
    try:
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:
            return (*unshare, *command)
    except FileNotFoundError:
        pass
    return command


def test_keys_are_those_of_the_contract(tmp_path: Path) -> None:
    done = quarterdeck("keys", "--json", home=tmp_path, command=WITHOUT_SCREEN)
    assert done.code == 0
    assert "screen: False" in done.err
    rows = done.json
    assert all(set(row) >= {"id", "key", "screen", "applies_to", "kind", "risk", "confirm"} for row in rows)
    assert {row["kind"] for row in rows} <= {"view", "local", "session", "mutation"}
    assert {row["confirm"] for row in rows} <= {"none", "key", "typed"}
    deck = {key: row["id"] for row in rows if row["screen"] in ("deck", "*") for key in row["key"].split(",") if key}
    looking = {"enter", "escape", "backspace", *"12345zldcyoeupnNgG", "slash", "colon", "question_mark", "space"}
    assert looking <= set(deck)
    capitals = {row["key"] for row in rows if row["kind"] == "mutation" and row["key"]}
    assert all(key.isupper() for key in capitals), capitals
    assert {"R", "X", "K", "F", "P", "A", "M", "T"} <= capitals


def test_version_and_an_unknown_command(tmp_path: Path) -> None:
    done = quarterdeck("--version", home=tmp_path)
    assert done.code == 0
    assert re.fullmatch(r"quarterdeck, version \d+\.\d+\.\d+\S*\n", done.out)
    wrong = quarterdeck("statsu", home=tmp_path)
    assert wrong.code == 2
    assert "No such command 'statsu'" in wrong.err


def test_the_config_is_checked_shown_trusted_and_described(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    assert quarterdeck("config", "check", home=tmp_path, cwd=project).code == 0
    assert quarterdeck("trust", home=tmp_path, cwd=project).code == 2
    file = project / "quarterdeck.yaml"
    file.write_text("sources:\n  - {name: ml, system: mlflow, url: 'http://10.0.0.1:5000', token: {env: ML_TOKEN}}\n")
    untrusted = quarterdeck("config", "check", home=tmp_path, cwd=project)
    assert "quarterdeck trust" in untrusted.err
    refused = quarterdeck("trust", home=tmp_path, cwd=project)
    assert (refused.code, "trust --yes" in refused.err) == (3, True)
    assert quarterdeck("trust", "--yes", home=tmp_path, cwd=project).code == 0
    assert quarterdeck("config", "check", home=tmp_path, cwd=project).err == ""
    shown = quarterdeck("config", "show", home=tmp_path, cwd=project, env={"ML_TOKEN": "s3cret-value"})
    assert shown.code == 0
    assert shown.json["sources"][0]["token"]["env"] == "ML_TOKEN"
    assert "s3cret-value" not in shown.out
    file.write_text("sources:\n  - {name: ml, system: mlflow, ulr: 'http://10.0.0.1:5000'}\n")
    broken = quarterdeck("config", "check", home=tmp_path, cwd=project)
    assert broken.code == 2
    assert re.search(r"quarterdeck\.yaml:2.*ulr", broken.err), broken.err
    schema = quarterdeck("config", "schema", home=tmp_path, cwd=project).json
    assert {"sources", "environments", "services"} <= set(schema["$defs"]["Config"]["properties"])


def test_init_writes_what_was_found_and_never_over_a_file(world: PracticeWorld, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "none"), "MLFLOW_TRACKING_URI": world.endpoints["mlflow"]}
    done = world.run("init", cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    text = (tmp_path / "quarterdeck.yaml").read_text()
    assert world.endpoints["docker"] in text
    assert world.endpoints["mlflow"] in text
    assert world.run("config", "check", cwd=tmp_path, env=env).code == 0
    again = world.run("init", cwd=tmp_path, env=env)
    assert (again.code, "--force" in again.err) == (2, True)
    assert (tmp_path / "quarterdeck.yaml").read_text() == text


def test_a_verb_is_previewed_refused_done_and_kept(world: PracticeWorld, engine_only: dict[str, str]) -> None:
    stop = ("do", "container.stop", "dev-redis")
    dry = world.run(*stop, "--dry-run", "--json", env=engine_only)
    assert dry.code == 0, dry.err
    assert re.search(r"^POST /containers/.*/stop", dry.json["steps"][0][0])
    assert (dry.json["before"], dry.json["after"]) == ("running", "exited")
    asked = world.run(*stop, env=engine_only)
    assert (asked.code, "--yes" in asked.err) == (3, True)
    shut = world.run("--read-only", *stop, "--yes", "--reason", "trial", env=engine_only)
    assert (shut.code, "--read-only" in shut.err) == (3, True)
    done = world.run(*stop, "--yes", "--json", env=engine_only)
    assert (done.code, done.json["result"]) == (0, "SUCCEEDED"), done.err
    again = world.run(*stop, "--yes", env=engine_only)
    assert (again.code, "does not run" in again.err) == (3, True)
    rows = world.run("ledger", "--json", env=engine_only).lines
    phases = [(row["action"], row["phase"]) for row in rows]
    assert phases.count(("container.stop", "refused")) == 3
    assert phases.count(("container.stop", "intent")) == phases.count(("container.stop", "outcome")) == 1
    text = world.run("ledger", env=engine_only).out
    assert "SUCCEEDED" in text
    assert "--read-only" in text, "a refused verb says why"
    verified = world.run("ledger", "--verify", env=engine_only)
    assert (verified.code, "the chain of 5 rows is whole" in verified.out) == (0, True)


def test_words_that_name_nothing_or_too_much_end_with_2(world: PracticeWorld, engine_only: dict[str, str]) -> None:
    nothing = world.run("do", "container.stop", "no-such-thing", "--yes", env=engine_only)
    assert (nothing.code, "no-such-thing" in nothing.err) == (2, True)
    many = world.run("do", "repository.fetch", "git:main", "--yes")
    assert many.code == 2
    candidates = [line.strip() for line in many.err.splitlines()[1:] if line.strip()]
    assert len(candidates) > 1
    assert all(candidate.startswith("git/repository/") for candidate in candidates)
    assert world.run("do", "no.such.verb", "dev-redis", env=engine_only).code == 2
    argument = world.run("do", "container.stop", "dev-redis", "--arg", "seconds=3", env=engine_only)
    assert (argument.code, "timeout" in argument.err) == (2, True)


def test_a_verb_on_an_engine_that_is_down_ends_with_4(world: PracticeWorld, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = world.run("do", "container.stop", "redis", "--yes", env=env)
    assert done.code == 4, done.err
    assert "none.sock" in done.err


def test_logs_of_one_and_of_several(world: PracticeWorld, engine_only: dict[str, str]) -> None:
    one = world.run("logs", "etl", "--tail", "5", env=engine_only)
    assert one.code == 0, one.err
    assert len(one.out.splitlines()) == 5
    two = world.run("logs", "etl", "redis", "--tail", "4", "--json", env=engine_only)
    assert {line["source"] for line in two.lines} == {"etl", "redis"}
    stamps = [line["at"] for line in two.lines]
    assert stamps == sorted(stamps)


def test_changes_are_empty_at_first(world: PracticeWorld, tmp_path: Path) -> None:
    done = world.run("changes", "--json", env={"QUARTERDECK_STATE": str(tmp_path / "fresh")})
    assert (done.code, done.out) == (0, "")


def test_doctor_ends_soon_beside_a_black_hole_and_says_on_what_evidence(world: PracticeWorld, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        held: list[socket.socket] = []
        threading.Thread(target=_swallow, args=(hole, held), daemon=True).start()
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        env = {"XDG_CONFIG_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": url, "PROMETHEUS_URL": url}
        # A deadline and not a budget: the black hole never answers, so what ends here gave up by itself.
        done = world.run("doctor", "--json", env=env, deadline=DEADLINE)
    assert done.code == 4, done.err
    sources = {source["system"]: source for source in done.json["sources"]}
    assert sources["mlflow"]["evidence"].startswith("MLFLOW_TRACKING_URI")
    assert sources["prometheus"]["evidence"].startswith("PROMETHEUS_URL")
    for system in ("mlflow", "prometheus"):
        assert not sources[system]["answers"]
        assert re.search(r"no answer|time", sources[system]["why"]), sources[system]
    assert sources["docker"]["answers"]
    assert sources["docker"]["evidence"].startswith("DOCKER_HOST")
    assert done.json["terminal"]["refused"].startswith("the standard input is not a terminal")


def _swallow(hole: socket.socket, held: list[socket.socket]) -> None:
    try:
        while True:
            held.append(hole.accept()[0])
    except OSError:
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("arguments", "instead"), [((), "quarterdeck status"), (("demo",), "quarterdeck demo --once")], ids=["deck", "demo"]
)
def test_a_pipe_for_a_terminal_is_refused_and_the_plain_command_named(
    tmp_path: Path, arguments: tuple[str, ...], instead: str
) -> None:
    done = quarterdeck(*arguments, home=tmp_path, command=WITHOUT_SCREEN)
    assert done.code == 2
    assert "is not a terminal" in done.err
    assert f"`{instead}`" in done.err
    assert "screen: False" in done.err
    assert done.out == ""


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m quarterdeck keys --json | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], env=environment(tmp_path), capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.strip() in ("[0", "[141")


@pytest.mark.parametrize("arguments", ["keys --json", "status --line", "--help"])
def test_a_full_disk_for_the_output_is_said_in_one_line(tmp_path: Path, arguments: str) -> None:
    command = f"'{sys.executable}' -m quarterdeck {arguments} >/dev/full"
    done = subprocess.run(
        ["bash", "-c", command],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.stderr == "Error: No space left on device\n"
    assert done.returncode == 1


def test_an_answer_without_buffers_survives_a_stop(tmp_path: Path) -> None:
    env = environment(tmp_path, {"PYTHONUNBUFFERED": "1"})
    program = [sys.executable, "-m", "quarterdeck", "man"]
    whole = subprocess.run(program, env=env, capture_output=True, timeout=DEADLINE, check=True).stdout
    with subprocess.Popen(program, env=env, stdout=subprocess.PIPE) as asked:
        assert asked.stdout is not None
        room = fcntl.fcntl(asked.stdout, fcntl.F_SETPIPE_SZ, 4096)
        wait_until(lambda: _unread(asked.stdout) == room, "the pipe to be full")
        asked.send_signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(asked.pid).status() == psutil.STATUS_STOPPED, "the stop")
        asked.send_signal(signal.SIGCONT)
        assert asked.stdout.read() == whole
        assert len(whole) > 2 * room
    assert asked.returncode == 0


def _unread(stream: IO[bytes]) -> int:
    return int.from_bytes(fcntl.ioctl(stream, termios.FIONREAD, bytes(4)), sys.byteorder)
