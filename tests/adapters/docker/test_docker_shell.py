"""A shell in a container on a real terminal, without the docker command."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable

import pytest

from parts.pty import Pty
from quarterdeck_adapters.docker import shell
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.records import Ref

from .conftest import Rig, make_source

CALM = "trap 'exit 0' TERM; while true; do sleep 0.05; done"


def open_shell(open_pty: Callable[..., Pty], rig: Rig, ref: Ref) -> Pty:
    session = rig.source.shell(ref)
    return open_pty(list(session.argv), env=dict(session.env), width=90, height=30)


@pytest.mark.real("docker.io", "busybox-static")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_a_shell_with_its_size_its_exit_code_and_the_terminal_restored(
    rig: Rig, open_pty: Callable[..., Pty]
) -> None:
    rig.subject.run("app", CALM)
    pty = open_shell(open_pty, rig, (await rig.row("app")).ref)
    pty.wait_for("#")
    pty.write("echo in-$((40+2)); stty size\r")
    pty.wait_for("in-42")
    pty.wait_for("30 90")
    pty.resize(70, 20)
    pty.write("stty size\r")
    pty.wait_for("20 70")
    assert "OCI runtime" not in pty.screen()
    pty.write("\x03")
    pty.write("exit 7\r")
    assert pty.wait_exit() == 7


@pytest.mark.real("docker.io", "busybox-static")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_a_container_without_a_shell_and_one_that_is_gone(rig: Rig, open_pty: Callable[..., Pty]) -> None:
    rig.subject.run("bare", "rm /bin/sh; exec sleep 1000")
    ref = (await rig.row("bare")).ref
    pty = open_shell(open_pty, rig, ref)
    assert pty.wait_exit() in (shell.NOT_FOUND, shell.CANNOT_RUN)
    assert "neither bash nor sh" in pty.screen()
    rig.subject.api.remove_container("bare", force=True)
    pty = open_shell(open_pty, rig, ref)
    assert pty.wait_exit() == shell.UNAVAILABLE
    assert "No such container" in pty.screen().replace("\n", "")


async def test_the_session_names_the_container_and_keeps_the_address_out_of_the_arguments() -> None:
    source = make_source("ssh://ops:secret@edge-7")
    ref = Ref("local", "container", "abc")
    session = source.shell(ref)
    assert session.argv[1:] == ("-I", "-m", "quarterdeck_adapters.docker.shell", "local", "abc")
    assert json.loads(session.env[shell.ENDPOINT])["scheme"] == "ssh"
    assert "edge-7" not in " ".join(session.argv)
    with pytest.raises(Unsupported):
        source.shell(Ref("local", "image", "abc"))
    control = source.engine().endpoint.control
    assert stat.S_IMODE(os.stat(control).st_mode) == 0o700
    await source.close()
    assert not os.path.exists(control)


def test_without_a_terminal_it_refuses() -> None:
    session = make_source("unix:///none").shell(Ref("local", "container", "abc"))
    done = subprocess.run(
        session.argv, env={**os.environ, **session.env}, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, b"a shell needs a terminal\n")
