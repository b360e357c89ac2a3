"""Commands of the program without their imports: a process that has made them forks, and the child is the command.

Most tests ask what a command does, and most of what its process costs is imports. The child has the arguments, the
environment, the folder and the streams that were asked for, and ends as a program ends. Tests of the start itself, of
terminals and of processes that are killed start the program as users do.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from parts.process import clean_env

STARTS = ("LANG", "LC_", "LD_", "PYTHON")
"""Beginnings of the variables that an interpreter reads as it starts."""
USED = (
    "anyio._backends._asyncio", "docker", "httpx", "quarterdeck.boot", "quarterdeck.grammar",
    "quarterdeck.releasing.desk", "quarterdeck.releasing.launch", "quarterdeck.releasing.servicesource",
    "quarterdeck_adapters.docker.transport",
)  # fmt: skip
WITH_A_SCREEN = ("quarterdeck.commands.deck", "quarterdeck.commands.demo", "quarterdeck.commands.screenshot")
NUMBER = struct.Struct("i")


class Warm:
    """The process that forks, for one set of the variables that a start reads. `run` may be called by any thread."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "parts.warm", str(theirs.fileno())], env=dict(env), pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[1], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.close)

    def close(self) -> None:
        """End the process; commands that run go on."""
        self._control.close()
        self._process.wait()

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, deadline: float
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end and that of its streams. Raises subprocess.TimeoutExpired after `deadline` seconds."""
        empty, nothing = os.pipe()
        os.close(nothing)
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        answers, its_answers = socket.socketpair()
        asked = json.dumps({"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}).encode()
        with its_answers, self._lock:
            socket.send_fds(self._control, [asked], [empty, its_out, its_err, its_answers.fileno()])
        for given in (empty, its_out, its_err):
            os.close(given)
        end, read = time.monotonic() + deadline, {out: bytearray(), err: bytearray()}
        with answers, selectors.DefaultSelector() as selector:
            [pid] = NUMBER.unpack(answers.recv(NUMBER.size))
            for each in (out, err, answers):
                selector.register(each, selectors.EVENT_READ)
            try:
                while selector.get_map():
                    ready = selector.select(end - time.monotonic())
                    if time.monotonic() > end:
                        os.kill(pid, 9)
                        raise subprocess.TimeoutExpired(list(arguments), deadline, bytes(read[out]), bytes(read[err]))
                    for key, _ in ready:
                        if key.fileobj is answers:
                            [status] = NUMBER.unpack(answers.recv(NUMBER.size))
                        elif piece := os.read(key.fd, 1 << 16):
                            read[key.fd] += piece
                            continue
                        selector.unregister(key.fileobj)
            finally:
                os.close(out)
                os.close(err)
        code = os.waitstatus_to_exitcode(status)
        texts = (bytes(read[each]).decode().replace("\r\n", "\n") for each in (out, err))
        return subprocess.CompletedProcess(list(arguments), code, *texts)


def warm(env: Mapping[str, str]) -> Warm:
    """The process for an environment like this one."""
    return _warm(tuple(sorted((name, value) for name, value in env.items() if name.startswith(STARTS))))


@cache
def _warm(starts: tuple[tuple[str, str], ...]) -> Warm:
    return Warm({**clean_env(Path("/nonexistent")), **dict(starts)})


def _prepare() -> None:
    """Import what commands import. No thread may run and nothing of a command be made when it forks."""
    import quarterdeck.commands
    from quarterdeck_adapters import catalog

    for module in USED:
        importlib.import_module(module)
    for found in pkgutil.iter_modules(quarterdeck.commands.__path__, "quarterdeck.commands."):
        if found.name not in WITH_A_SCREEN:
            importlib.import_module(found.name)
    for entry in catalog.BUILT_IN:
        catalog.load(entry.system)
        catalog.discoverer(entry)
    if "textual" in sys.modules or threading.active_count() > 1:
        raise RuntimeError("a command would find a screen library, or lose a thread")
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket) -> None:
    """Fork for each request and tell its pid and, at its end, its status. Returns in the children only."""
    running: dict[int, tuple[int, socket.socket]] = {}
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is control:
                message, given, _, _ = socket.recv_fds(control, 1 << 20, 4)
                if not message:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    for each in (control, *(answers for _, answers in running.values())):
                        each.detach()
                    _become(json.loads(message), given)
                    return
                for stream in given[:3]:
                    os.close(stream)
                answers = socket.socket(fileno=given[3])
                answers.sendall(NUMBER.pack(pid))
                ended = os.pidfd_open(pid)
                running[ended] = (pid, answers)
                selector.register(ended, selectors.EVENT_READ)
            else:
                selector.unregister(key.fd)
                pid, answers = running.pop(key.fd)
                os.close(key.fd)
                with answers:
                    answers.sendall(NUMBER.pack(os.waitpid(pid, 0)[1]))


def _become(asked: dict[str, object], given: Sequence[int]) -> None:
    for number, each in enumerate(given[:3]):
        os.dup2(each, number)
    os.closerange(3, 1 << 16)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    time.tzset()
    sys.path[0] = os.getcwd()
    sys.argv = ["quarterdeck", *asked["arguments"]]  # type: ignore[misc]


if __name__ == "__main__":
    _prepare()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    from quarterdeck.cli import main

    main()
