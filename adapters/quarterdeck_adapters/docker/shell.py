"""A shell inside a container, on the operator's own terminal, without the docker command.

`python -I -m quarterdeck_adapters.docker.shell` opens an exec with a TTY, carries bytes both ways with the terminal in
raw mode, follows its size, and ends with the shell's own exit code. What the shell prints is not gated: it is the
operator's terminal session. https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Exec
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from quarterdeck_adapters.docker.endpoint import Endpoint
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.ports import Session
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.transport import Client

ENDPOINT = "QUARTERDECK_DOCKER_ENDPOINT"
FAILED = b"OCI runtime exec failed"
SHELLS = (["bash"], ["sh"])
NOT_FOUND, CANNOT_RUN, UNAVAILABLE = 127, 126, 4


def session(endpoint: Endpoint, source: str, ref: Ref) -> Session:
    """The program to run with the terminal handed over. The address goes by the environment, not by the arguments."""
    return Session(
        argv=(sys.executable, "-I", "-m", "quarterdeck_adapters.docker.shell", source, ref.id),
        env={ENDPOINT: msgspec.json.encode(endpoint).decode()},
        title=f"a shell in container {ref.id[:12]}",
    )


def run(client: Client, container: str, terminal: int, output: int) -> int:
    """Try bash, then sh, on this terminal; the exit code of the shell that ran, 126 or 127 when none could."""
    code = NOT_FOUND
    for argv in SHELLS:
        made = client.exec_create(container, argv, stdin=True, tty=True, environment={"TERM": _term()})
        code = _carry(client, made["Id"], terminal, output)
        if code not in (CANNOT_RUN, NOT_FOUND):
            return code
    return code


def _term() -> str:
    return os.environ.get("TERM", "xterm")


def _carry(client: Client, exec_id: str, terminal: int, output: int) -> int:
    """Join the terminal and one exec until it ends."""
    answer = client.exec_start(exec_id, tty=True, socket=True)
    sock = getattr(answer, "_sock", answer)
    sock.settimeout(None)
    saved = termios.tcgetattr(terminal)
    woken, wake = os.pipe()
    before = signal.signal(signal.SIGWINCH, lambda *_: os.write(wake, b"w"))
    held = bytearray()
    try:
        tty.setraw(terminal)
        _resize(client, exec_id, output)
        ready = False
        while True:
            readable, _, _ = select.select([sock, terminal, woken], [], [])
            if woken in readable:
                os.read(woken, 64)
                _resize(client, exec_id, output)
            if sock in readable:
                data = sock.recv(65536)
                if not data:
                    break
                # The runtime reports a missing shell on the stream: it is held until the shell is known to run.
                held += data
                ready = ready or not (held.startswith(FAILED) or FAILED.startswith(held))
                if ready:
                    _write(output, bytes(held))
                    held.clear()
            if terminal in readable:
                typed = os.read(terminal, 65536)
                if not typed:
                    break
                sock.sendall(typed)
    except OSError:
        pass
    finally:
        signal.signal(signal.SIGWINCH, before)
        termios.tcsetattr(terminal, termios.TCSADRAIN, saved)
        os.close(woken)
        os.close(wake)
    code = _exit_code(client, exec_id)
    if held and code not in (CANNOT_RUN, NOT_FOUND):
        _write(output, bytes(held))
    return code


def _write(output: int, data: bytes) -> None:
    while data:
        data = data[os.write(output, data) :]


def _resize(client: Client, exec_id: str, output: int) -> None:
    import docker.errors

    with suppress(OSError, ValueError, docker.errors.DockerException):
        size = os.get_terminal_size(output) if os.isatty(output) else shutil.get_terminal_size()
        client.exec_resize(exec_id, height=size.lines, width=size.columns)


def _exit_code(client: Client, exec_id: str) -> int:
    found: dict[str, Any] = client.exec_inspect(exec_id)
    code = found.get("ExitCode")
    # Left by the operator's terminal going away: the shell gets its hang-up from the engine.
    return int(code) if isinstance(code, int) else 128 + signal.SIGHUP


def main(argv: list[str]) -> int:
    """Run the session that the environment and the arguments name."""
    from quarterdeck_adapters.docker.faults import translate
    from quarterdeck_adapters.docker.transport import Client

    source, container = argv
    endpoint = msgspec.convert(json.loads(os.environ.pop(ENDPOINT)), Endpoint)
    address = endpoint.path or endpoint.url
    if not os.isatty(0) or not os.isatty(1):
        sys.stderr.write("a shell needs a terminal\n")
        return 2
    try:
        # The operator asked for this session by its verb, which asked whether it may be opened.
        with permit(source):
            client = Client(source, endpoint, seconds=10)
            code = run(client, container, 0, 1)
    except Exception as error:
        failure = translate(error, source=source, what="opening a shell", address=address)
        sys.stderr.write(f"{failure}\n")
        return UNAVAILABLE if isinstance(failure, QuarterdeckError) else 1
    if code in (NOT_FOUND, CANNOT_RUN):
        sys.stderr.write(f"{source}: there is neither bash nor sh in container {container[:12]}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
