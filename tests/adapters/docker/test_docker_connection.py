"""Where engines are, what is found by itself, and what a broken address says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from quarterdeck_adapters.base import Context
from quarterdeck_adapters.docker import endpoint
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.discovery import discover
from quarterdeck_adapters.docker.endpoint import Endpoint
from quarterdeck_adapters.docker.faults import translate
from quarterdeck_config.schema import Config
from quarterdeck_demo import faults
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Forbidden, Malformed, NotFound, Timeout, Unavailable

from .conftest import Rig, make_source, until


def context(**env: str) -> Context:
    return Context(secret=lambda _: "", env=env, config=Config(), project="/")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, for sockets."""
    made = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def write_context(home: Path, name: str, host: str, tls: bool = False) -> None:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / digest
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    if tls:
        files = home / ".docker/contexts/tls" / digest / "docker"
        files.mkdir(parents=True)
        for part in ("ca", "cert", "key"):
            (files / f"{part}.pem").write_text("x")
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


@pytest.mark.parametrize(
    ("url", "env", "scheme", "address"),
    [
        ("unix:///run/d.sock", {}, "unix", "/run/d.sock"),
        ("/run/d.sock", {}, "unix", "/run/d.sock"),
        ("tcp://edge-7:2375", {}, "http", "http://edge-7:2375"),
        ("tcp://edge-7", {"DOCKER_TLS_VERIFY": "1"}, "https", "https://edge-7:2376"),
        ("https://edge-7", {}, "https", "https://edge-7:2376"),
        ("ssh://ops@edge-7:2222", {}, "ssh", "ssh://ops@edge-7:2222"),
    ],
)
def test_addresses_as_the_docker_command_reads_them(url: str, env: dict[str, str], scheme: str, address: str) -> None:
    found = endpoint.endpoint_of(url, env, source="x")
    assert (found.scheme, found.path or found.url) == (scheme, address)


@pytest.mark.parametrize("url", ["", "ftp://x", "tcp://", "ssh://", "edge-7"])
def test_what_is_no_address_says_what_one_is(url: str) -> None:
    with pytest.raises(Unavailable, match="unix:///path"):
        endpoint.endpoint_of(url, {}, source="x")


def test_a_docker_context_with_its_certificates(tmp_path: Path) -> None:
    write_context(tmp_path, "edge", "tcp://edge-7:2376", tls=True)
    env = {"HOME": str(tmp_path)}
    found = endpoint.resolve(make_source("")._config, env)
    assert (found.url, found.scheme, found.verify) == ("https://edge-7:2376", "https", True)
    assert found.cert.endswith("/docker/cert.pem")
    assert found.evidence == "docker context edge"
    assert endpoint.resolve(make_source("edge")._config, env) == found
    with pytest.raises(NotFound, match="no docker context"):
        endpoint.resolve(make_source("nowhere")._config, env)


def test_an_untrusted_source_gets_no_ssh_key_and_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="not trusted"):
        endpoint.resolve(make_source("ssh://ops@edge-7", credentials=False)._config, {})
    config = make_source("https://edge-7", credentials=False, cert_file="/c.pem", key_file="/k.pem")._config
    assert endpoint.resolve(config, {}).cert == ""


def test_ssh_is_called_without_a_shell_and_without_prompts() -> None:
    found = endpoint.ssh_argv(Endpoint(scheme="ssh", url="ssh://-oProxyCommand=x@-oevil:22", control="/tmp/c"))
    assert found[found.index("--") + 1] == "-oevil"
    assert found[found.index("-l") + 1] == "-oProxyCommand=x"
    assert "BatchMode=yes" in found
    assert "ControlPath=/tmp/c/%C" in found
    assert found[-1] == "docker system dial-stdio"
    path = endpoint.ssh_argv(Endpoint(scheme="ssh", url="ssh://h/run/x;id.sock"))
    assert path[-1] == "docker --host 'unix:///run/x;id.sock' system dial-stdio"


async def test_what_answers_is_found_with_its_evidence(rig: Rig, tmp_path: Path) -> None:
    found = await discover(context(DOCKER_HOST=rig.subject.url, HOME=str(tmp_path)))
    first = found[0]
    assert (first.source.name, first.source.url, first.answered) == ("local", rig.subject.url, True)
    assert first.evidence.startswith("DOCKER_HOST: /")
    assert first.why.startswith("Docker ")
    write_context(tmp_path, "mine", rig.subject.url)
    found = await discover(context(HOME=str(tmp_path)))
    assert (found[0].source.name, found[0].answered) == ("mine", True)
    runtime = Path(rig.subject.url.removeprefix("unix://")).parent
    shutil.rmtree(tmp_path / ".docker")
    if not rig.real:
        (runtime / "docker.sock").symlink_to(runtime / "d.sock")
        found = await discover(context(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(runtime)))
        (runtime / "docker.sock").unlink()
        assert [(each.source.name, each.answered) for each in found if each.source.name == "rootless"] == [
            ("rootless", True)
        ]


async def test_a_named_engine_that_is_down_is_shown_with_its_reason(tmp_path: Path) -> None:
    found = (await discover(context(DOCKER_HOST=f"unix://{tmp_path}/none.sock", HOME=str(tmp_path))))[0]
    assert found.answered is None
    assert "there is no" in found.why
    found = (await discover(context(DOCKER_HOST="ssh://ops@edge-7", HOME=str(tmp_path))))[0]
    assert (found.answered, found.source.name) == (None, "edge-7")


async def listen(path: Path, answer: bytes | None) -> asyncio.Server:
    """A server that answers every request with these bytes, or with nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
            writer.close()

    return await asyncio.start_unix_server(serve, path)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (None, Timeout, "no answer"),
        (b"", Unavailable, "closed|ended"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", Malformed, "did not answer as a Docker engine"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", Malformed, "another shape|Docker engine"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", Unavailable, "ended its answer|closed"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Forbidden, "403"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", AuthFailed, "401"),
    ],
)
async def test_what_is_no_engine_says_what_it_is(folder: Path, answer: bytes | None, error: type, said: str) -> None:
    server = await listen(folder / "s", answer)
    source = make_source(f"unix://{folder}/s", deadline=0.3)
    try:
        with pytest.raises(error, match=said) as caught:
            await source.list("container")
        assert str(folder / "s") in str(caught.value) or error in (Forbidden, AuthFailed)
        with pytest.raises(error):
            await anext(source.watch("container"))  # type: ignore[arg-type]
    finally:
        await source.close()
        server.close()


async def test_no_socket_and_no_permission_say_how_to_mend_it(folder: Path) -> None:
    source = make_source(f"unix://{folder}/none")
    with pytest.raises(Unavailable, match=r"there is no .*none.*start the engine"):
        await source.list("container")
    await source.close()
    denied = translate(PermissionError(13, "Permission denied"), source="x", what="listing", address="/run/d.sock")
    assert isinstance(denied, AuthFailed)
    assert "group docker" in denied.mend


async def test_closing_wakes_every_thread(folder: Path) -> None:
    server = await listen(folder / "s", None)
    source = make_source(f"unix://{folder}/s", deadline=60)
    asked = asyncio.create_task(source.list("container"))
    watched = asyncio.create_task(anext(source.watch("container")))  # type: ignore[arg-type]

    def ours() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name.startswith("local: ")]

    async def both_ask() -> bool:
        return len(ours()) == 2

    await until(both_ask, "two threads that wait")
    threads = ours()
    await source.close()
    for task in (asked, watched):
        task.cancel()
        with suppress(asyncio.CancelledError, Unavailable):
            await task
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
    server.close()
    with pytest.raises(Unavailable, match="closed"):
        await source.list("container")


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_a_failure_of_the_engine_keeps_its_kind_and_its_words(rig: Rig) -> None:
    assert rig.practice is not None
    ref = (await rig.source.actions["container.start"].preview(await made(rig), {})).ref
    rules = rig.practice.docker.faults
    for code, error in ((500, Unavailable), (503, Unavailable), (404, NotFound), (409, Conflict)):
        rules.add(
            faults.Status(code=code, body={"message": "because of \x1b[31mthat"}), path="/containers/json", count=1
        )
        with pytest.raises(error, match="because of ␛that"):
            await rig.source.inventory()._engine.call(lambda c: c.containers(), what="listing")
    assert (await rig.source.list("container")).rows[0].ref == ref


async def made(rig: Rig) -> Any:
    rig.subject.run("app", "exit 0", start=False)
    return (await rig.row("app")).ref


def test_opening_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, quarterdeck_adapters.docker\n"
        "print([name for name in ('docker', 'requests', 'urllib3', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.real("docker.io", "busybox-static", "openssh-server")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_over_ssh_with_one_login(rig: Rig, sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = tmp_path / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {sshd.config} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    socket = rig.subject.url.removeprefix("unix://")
    source = make_source(f"{sshd.url}{socket}")
    rig.subject.run("far", "trap 'exit 0' TERM; while true; do sleep 0.05; done")
    logins = sshd.process.log.read_text().count("Accepted publickey")
    try:
        rows = (await source.list("container")).rows
        assert [row.name for row in rows] == ["far"]
        assert (await source.probe()).version
        changes = source.watch("container")
        await anext(changes)  # type: ignore[arg-type]
        rig.subject.api.pause("far")
        async with asyncio.timeout(20):
            await anext(changes)  # type: ignore[arg-type]
        await changes.aclose()  # type: ignore[attr-defined]
        assert sshd.process.log.read_text().count("Accepted publickey") == logins + 1
    finally:
        control = source.engine().endpoint.control
        await source.close()
    assert not Path(control).exists()
    bad = make_source(re.sub(r"//[^@]+@", "//nobody@", sshd.url) + socket)
    with pytest.raises(AuthFailed, match="without a prompt"):
        await bad.list("container")
    await bad.close()


async def test_the_32nd_stream_is_the_last(folder: Path) -> None:
    engine = Engine("x", Endpoint(scheme="unix", url="unix:///x", path="/x"))
    engine.open_streams = 32
    with pytest.raises(Unavailable, match="32 streams"):
        async for _ in engine.stream(lambda _: iter([1]), what="a log"):
            pass
