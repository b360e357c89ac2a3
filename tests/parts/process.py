"""Processes that a test starts: a log each, a deadline for each wait, ended by pid with everything below them."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import psutil

from parts.needs import SBIN

T = TypeVar("T")
DEADLINE = 60.0
# A Go program looks for garbage when it holds nine times what it needs, and not at twice: what starts often never does.
LEAN_GO = {"GOGC": "800"}
MEMORY, MEMORY_FREE = Path("/dev/shm"), 4 << 30
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|CREDENTIAL|_AUTH$|_PAT$", re.IGNORECASE)
_OURS = re.compile(
    r"^(ALERTMANAGER|AWS|BUILDKIT|CI|CIRCLE|COMPOSE|CONTAINER|CONTAINERD|DOCKER|GH|GIT|GITHUB|GITLAB|GRAFANA|HF|JENKINS|"
    r"KUBE|KUBECONFIG|LESS|MLFLOW|OTEL|PROMETHEUS|QUARTERDECK|REGISTRY|SAGEMAKER|SLACK|SPLUNK|SSH|SUDO|TEXTUAL|TF|TMUX|"
    r"TRAVIS|VAULT|VISUAL|XDG)(_|$)|^(EDITOR|PAGER|NO_COLOR|FORCE_COLOR|COLORTERM|COLUMNS|LINES|NOTIFY_SOCKET)$|"
    r"_proxy$",
    re.IGNORECASE,
)


def is_private(name: str) -> bool:
    """Whether a variable tells of the developer (a token, a host, a preference) and must not reach a test."""
    return bool(_SECRET.search(name) or _OURS.search(name))


def clean_env(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment with nothing of the developer's in it, with its home in `home`."""
    env = {name: value for name, value in os.environ.items() if not is_private(name)}
    env["PATH"] = f"{env.get('PATH', os.defpath)}:{SBIN}"
    env.update({"HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    env.update(extra or {})
    return env


def wait_until(probe: Callable[[], T | None], what: str, deadline: float = DEADLINE) -> T:
    """Call `probe` until its answer is true, at most `deadline` seconds. Raises TimeoutError naming `what`.

    What takes long is asked less often.
    """
    begun = time.monotonic()
    while True:
        answer = probe()
        if answer:
            return answer
        waited = time.monotonic() - begun
        if waited > deadline:
            raise TimeoutError(f"waited {deadline:g} s for {what}")
        time.sleep(min(max(0.02, waited / 20), 0.05))


def scratch(prefix: str) -> Path:
    """A new folder with a short path for what syncs often: in memory where there is enough of it, or on the disk."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if _has_memory() else "/tmp"))


def _has_memory() -> bool:
    try:
        folder = os.statvfs(MEMORY)
    except OSError:
        return False
    free = min(folder.f_bavail * folder.f_frsize, psutil.virtual_memory().available)
    forbidden = os.ST_NOEXEC | os.ST_RDONLY
    return free > MEMORY_FREE and not folder.f_flag & forbidden and os.access(MEMORY, os.W_OK)


def free_port() -> int:
    """A TCP port on loopback that was free just now, for programs that cannot be told to choose one."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def quiet_port() -> int:
    """As `free_port`, and outside the range that the system gives away by itself: it stays free when it is let go."""
    while True:
        port = random.randint(11_000, 31_000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def listening_port(pid: int) -> int | None:
    """The TCP port on which process `pid` or one of its children listens; None before it does."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            for connection in each.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    return int(connection.laddr.port)
    return None


class Process:
    """One program with its log. Starts in a session of its own and gets SIGTERM when the thread that started it ends.

    Start it from the main thread: the parent-death signal follows the starting thread, not the process.
    """

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path | None = None) -> None:
        self.argv, self.log, self.env, self.cwd = list(argv), log, dict(env), cwd
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; one that runs already is left alone."""
        if self.alive:
            return
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start a part from the main thread: it would end with this thread")
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the program runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError before the first start."""
        if self._child is None:
            raise RuntimeError(f"{self.argv[0]} was not started")
        return self._child.pid

    def wait_ready(self, probe: Callable[[], T | None], what: str, deadline: float = DEADLINE) -> T:
        """Wait until `probe` answers true. Raises RuntimeError with the log's tail when the program ends or is late."""

        def alive_probe() -> T | None:
            if not self.alive:
                raise RuntimeError(f"{self.argv[0]} ended before {what}:\n{self.tail()}")
            return probe()

        try:
            return wait_until(alive_probe, what, deadline)
        except TimeoutError as error:
            raise RuntimeError(f"{self.argv[0]}: {error}\n{self.tail()}") from error

    def wait_port(self) -> int:
        """The port on which the program listens, once it does."""
        return self.wait_ready(lambda: listening_port(self.pid), "it listened")

    def stop(self, grace: float = 15.0) -> None:
        """End the program with SIGTERM, after `grace` seconds with SIGKILL, and whatever it started with it."""
        self._end(signal.SIGTERM, grace)

    def kill(self) -> None:
        """End the program and what it started with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL, 0)

    def tail(self, lines: int = 30) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, first: signal.Signals, grace: float) -> None:
        if self._child is None:
            return
        below = descendants(self._child.pid)
        if self._child.poll() is None:
            self._child.send_signal(first)
            try:
                self._child.wait(grace or DEADLINE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(DEADLINE)
        end_all(below)


def descendants(pid: int) -> list[psutil.Process]:
    """The processes below `pid`, at this moment."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def end_all(processes: Sequence[psutil.Process]) -> None:
    """End these processes and wait until they are gone (psutil compares start times: a reused pid is left alone)."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=DEADLINE)


class Part:
    """A server with a folder of its own, which a subclass starts. A context manager ends it on the way out."""

    process: Process

    def start(self) -> None:
        """Start the server and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the server in the orderly way."""
        self.process.stop()

    def kill(self) -> None:
        """End the server as a crash would; its address stays the same for the next start."""
        self.process.kill()

    def restart(self) -> None:
        """Stop and start at the same address."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop and remove everything that it left."""
        self.stop()

    def leftovers(self) -> list[str]:
        """What is still there after `close`: processes, mounts, interfaces, folders. Empty when all is well."""
        return [f"process {self.process.pid}"] if self.process.alive else []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
