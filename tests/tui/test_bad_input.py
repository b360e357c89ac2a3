"""What is broken, missing, hostile or slow outside: the deck paints, says it where one looks, and loses nothing."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from parts import gitrepo
from parts.deckworld import COMMAND, PracticeWorld, environment, quarterdeck
from parts.engine import Engine
from parts.pty import Pty
from quarterdeck_demo.faults import Html, Status, Truncate

MEGABYTES = 100


@pytest.fixture(scope="module")
def world() -> Iterator[PracticeWorld]:
    with PracticeWorld() as made:
        yield made


@contextmanager
def black_hole() -> Iterator[str]:
    """A port that takes connections and says nothing; answers host:port."""
    held: list[socket.socket] = []

    def swallow() -> None:
        try:
            while True:
                held.append(listener.accept()[0])
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=swallow, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    for connection in held:
        connection.close()


def leave(pty: Pty) -> None:
    pty.write("q")
    assert pty.wait_exit() == 0
    assert b"Traceback" not in pty.received


def test_nothing_here_says_what_was_looked_for_and_how_to_go_on(
    open_pty: Callable[..., Pty], isolated_home: Path
) -> None:
    empty = isolated_home / "empty"
    empty.mkdir()
    env = environment(isolated_home, {"DOCKER_HOST": f"unix://{empty}/no.sock"})
    pty = open_pty(COMMAND, 160, 45, env=env, cwd=empty)
    for words in ("no source of repos", "no source of runs", "no source of models", "quarterdeck.yaml"):
        pty.wait_for(words)
    screen = pty.wait_for("there is no ")
    assert "nothing is in trouble" not in screen
    leave(pty)


def test_a_broken_head_stands_beside_whole_repositories(open_pty: Callable[..., Pty], isolated_home: Path) -> None:
    place = isolated_home / "src"
    gitrepo.repository(place / "whole")
    broken = gitrepo.repository(place / "broken")
    (broken / ".git" / "HEAD").write_text("ref: refs/heads/\x1b]0;owned\x07\n")
    pty = open_pty(COMMAND, 160, 45, env=environment(isolated_home), cwd=place)
    screen = pty.wait_for(lambda screen: re.search(r"✗ broken", screen) and re.search(r"✓ whole +main", screen))
    assert re.search(r"! ✗broken \S", screen), "and above, with the reason"
    leave(pty)


UNKNOWN_KEY = "sources:\n  - {name: ml, system: mlflow, ulr: 'http://127.0.0.1:1'}\n"
UNTRUSTED = "sources:\n  - {name: ml, system: mlflow, url: 'http://192.0.2.1:1', token: {env: T}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (UNKNOWN_KEY, r"quarterdeck\.yaml:2.*ulr"),
        ("sources: [\n", r"quarterdeck\.yaml:\d"),
        (UNTRUSTED, r"quarterdeck trust"),
    ],
    ids=["unknown-key", "no-yaml", "untrusted"],
)
def test_a_config_that_cannot_be_used_is_named_and_the_rest_works(
    open_pty: Callable[..., Pty], isolated_home: Path, text: str, said: str
) -> None:
    place = gitrepo.repository(isolated_home / "project")
    (place / "quarterdeck.yaml").write_text(text)
    pty = open_pty(COMMAND, 120, 36, env=environment(isolated_home), cwd=place)
    screen = pty.wait_for(re.compile(said))
    assert re.search(said, screen.splitlines()[1]), "in the line under the title"
    pty.wait_for(re.compile("project +main"))
    leave(pty)


def test_the_deck_is_there_while_nothing_answers(open_pty: Callable[..., Pty], isolated_home: Path) -> None:
    with black_hole() as place:
        http = dict.fromkeys(("MLFLOW_TRACKING_URI", "PROMETHEUS_URL"), f"http://{place}")
        env = environment(isolated_home, {"DOCKER_HOST": f"tcp://{place}", **http})
        pty = open_pty(COMMAND, 120, 40, env=env, cwd=gitrepo.repository(isolated_home / "p"))
        pty.wait_for(lambda screen: all(f"{number} " in screen for number in range(1, 6)))
        pty.write("?")
        pty.wait_for("on a container")
        pty.write("\x1b")
        pty.wait_for(re.compile(r"p +main"))
        # The systems that say nothing are named as being asked, or as late: never as empty.
        pty.wait_for(lambda screen: re.search(r"asking|no answer|timeout|late", screen) and "mlflow" in screen)
        leave(pty)


@pytest.mark.parametrize(
    ("server", "pane", "fault", "said"),
    [
        ("github", "pipelines", Status(code=401, body={"message": "Bad credentials"}), r"401|expired|credential|token"),
        ("mlflow", "models", Status(code=429, retry_after=120), r"too many requests: asked again in 120 s"),
        ("prometheus", "metrics", Truncate(), r"cut|broken|JSON|answer"),
        ("registry", "containers", Html(), r"answer|registry"),
    ],
    ids=["expired-token", "too-many-requests", "truncated", "a-proxy's-page"],
)
def test_a_system_in_trouble_is_named_with_its_reason_and_the_others_are_well(
    world: PracticeWorld, server: str, pane: str, fault: Status | Truncate | Html, said: str
) -> None:
    try:
        world.fault(server, fault)
        done = world.run("status", "--json")
    finally:
        world.well()
    assert done.code == 4
    found = done.json
    (source,) = [source for source in found[pane]["sources"] if source["name"] == server]
    assert source["state"] == ("AUTH" if server == "github" else "ERROR")
    assert re.search(said, source["error"], re.IGNORECASE), source["error"]
    others = [each for each in done.json.values() for each in each["sources"] if each["name"] != server]
    # What serves a model is known from Prometheus too, so MLflow's endpoints may name it as what is missing.
    assert all(each["error"] is None or each["error"].startswith(f"{server}: ") for each in others)


def test_a_container_that_is_gone_by_now_is_no_success(world: PracticeWorld) -> None:
    rows = world.status()["containers"]["rows"]
    ref = next(row["ref"] for row in rows if row["kind"] == "container" and row["name"] == "dev-redis")
    path = world.endpoints["docker"].removeprefix("unix://")
    with httpx.Client(transport=httpx.HTTPTransport(uds=path, verify=False), base_url="http://engine") as engine:
        engine.delete(f"/containers/{ref.rpartition('/')[2]}?force=1").raise_for_status()
    done = world.run("do", "container.stop", ref, "--yes")
    assert done.code in (1, 2, 3)
    assert re.search(r"gone|no such|not there|not found", done.err, re.IGNORECASE), done.err
    assert "Traceback" not in done.err


@pytest.mark.real("docker.io")
def test_a_line_of_a_hundred_megabytes_is_bounded_and_what_follows_is_there(
    fresh_engine: Engine, open_pty: Callable[..., Pty], isolated_home: Path
) -> None:
    image = fresh_engine.image()
    script = f"dd if=/dev/zero bs=1000000 count={MEGABYTES} 2>/dev/null | tr '\\0' x; echo; echo after; sleep 1000"
    fresh_engine.run(image, ["sh", "-c", script], name="long")
    env = {**fresh_engine.env, "XDG_CONFIG_HOME": str(isolated_home)}
    pty = open_pty(COMMAND, 100, 30, env=environment(isolated_home, env), cwd=isolated_home)
    pty.wait_for("long")
    pty.write("3l")
    screen = pty.wait_for(lambda screen: re.search(r"^(\d\d:\S+ )?after", screen, re.MULTILINE), 120)
    assert "xxxx" in screen
    pty.write("\x1b")
    pty.wait_for("Containers")
    leave(pty)
    assert len(pty.received) < 1_000_000
    line = quarterdeck("logs", "long", "--tail", "2", "--json", home=isolated_home, env=env).lines
    assert line[-1]["text"] == "after"
    assert all(len(json.dumps(each)) < 1_000_000 for each in line)
