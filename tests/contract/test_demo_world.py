"""The practice world as a process: where it says that it listens it does, and it ends with whoever started it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from parts.practice import NOW, Clock
from quarterdeck_config.load import load
from quarterdeck_demo.world import World

END_S = 30


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket's has at most 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="qd-") as made:
        yield Path(made) / "world"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    with ExitStack() as stack:

        def run(*more: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "quarterdeck_demo", "--seed", "3", "--folder", str(folder), *more]
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
            )
            stack.callback(ended, child)
            return child

        yield run


def ended(child: subprocess.Popen[bytes]) -> None:
    with child:
        child.kill()


def endpoints(child: subprocess.Popen[bytes]) -> dict[str, str]:
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, child.stderr.read().decode() if child.stderr else ""
    found: dict[str, str] = json.loads(line)
    return found


def test_it_listens_where_it_says_and_ends_when_its_parent_lets_go(
    start: Callable[..., subprocess.Popen[bytes]], folder: Path
) -> None:
    child = start()
    where = endpoints(child)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    headers = {"Authorization": f"Bearer {where['github_token']}"}
    assert httpx.get(where["github"] + "/user", verify=False, headers=headers).json()["login"] == "oper-a"
    assert "api-version" in {
        name.partition("distribution-")[2] for name in httpx.get(where["registry"] + "/v2/", verify=False).headers
    }
    assert httpx.get(where["prometheus"] + "/-/ready", verify=False).status_code == 200
    assert httpx.get(where["alertmanager"] + "/-/ready", verify=False).status_code == 200
    assert httpx.get(where["mlflow"] + "/version", verify=False).status_code == 200
    pipe = httpx.HTTPTransport(uds=where["docker"].removeprefix("unix://"), verify=False)
    with httpx.Client(transport=pipe) as engine:
        names = {
            name for container in engine.get("http://engine/containers/json").json() for name in container["Names"]
        }
    assert {"/fraud-api-1", "/scorer-1"} <= names
    assert min(path.name for path in Path(where["git"]).iterdir()) == "churn"
    for connection in psutil.Process(child.pid).net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            assert connection.laddr.ip == "127.0.0.1"
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=END_S) == 0
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_on_a_signal(start: Callable[..., subprocess.Popen[bytes]], folder: Path, number: int) -> None:
    child = start()
    endpoints(child)
    child.send_signal(number)
    assert child.wait(timeout=END_S) == 0
    assert not folder.exists()


def test_a_folder_in_use_is_left_alone(start: Callable[..., subprocess.Popen[bytes]], folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    child = start()
    _, errors = child.communicate(timeout=END_S)
    assert (child.returncode, b"is not empty" in errors) == (2, True)
    assert (folder / "mine.txt").read_text() == "keep"


async def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    with pytest.raises(ValueError, match="too long"):
        await World(1, folder).start()
    assert not folder.exists()


async def test_its_configuration_is_a_good_one(folder: Path) -> None:
    world = World(1, folder, Clock(NOW))
    try:
        where = await world.start()
        loaded = load(folder, env={"XDG_CONFIG_HOME": str(folder / "config")})
        assert (loaded.files, loaded.problems) == ((Path(where["config"]),), ())
        assert world.story is not None
        assert set(loaded.config.services) == set(world.story.releases)
        names = {container.name for container in world.story.containers}
        for service in loaded.config.services.values():
            for environment in service.environments.values():
                assert {target.name for target in environment.targets} <= names
        assert {source.url for source in loaded.config.sources} >= {where["github"], where["docker"]}
        assert stat.S_IMODE((folder / "github.token").stat().st_mode) == 0o600
    finally:
        await world.stop()
    assert not folder.exists()


async def test_a_deployment_in_the_engine_shows_in_the_metrics(folder: Path) -> None:
    clock = Clock(NOW)
    world = World(1, folder, clock)
    try:
        where = await world.start()
        query = {"query": 'service_build_info{service="fraud-api",env="prod"}'}
        pipe = httpx.AsyncHTTPTransport(uds=where["docker"].removeprefix("unix://"), verify=False)
        async with httpx.AsyncClient(verify=False) as client, httpx.AsyncClient(transport=pipe) as engine:

            async def version() -> list[str]:
                answer = (await client.get(where["prometheus"] + "/api/v1/query", params=query)).json()
                return [row["metric"]["version"] for row in answer["data"]["result"]]

            assert await version() == ["v41"]
            for number in (1, 2, 3):
                stopped = await engine.post(f"http://engine/containers/fraud-api-{number}/kill")
                assert stopped.status_code == 204, stopped.text
            assert (await engine.post("http://engine/containers/fraud-api-next/start")).status_code == 204
            clock.move(60)
            assert await version() == ["v42"]
    finally:
        await world.stop()
