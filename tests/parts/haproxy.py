"""A private haproxy (Debian's haproxy; https://docs.haproxy.org/2.6/configuration.html) with its runtime API."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from parts.needs import missing, program
from parts.process import Part, Process, clean_env, free_port

SLOTS = "server-template slot 1-2 free.invalid:80 init-addr last,0.0.0.0 check disabled"
"""Two free slots, for a backend's lines, that keep their address over a reload."""
PLAIN_SLOTS = "server-template plain 1-2 0.0.0.0:0 check disabled"
CHECKED = ("option httpchk GET /", "default-server inter 200ms fastinter 100ms downinter 100ms fall 2 rise 1")


class Haproxy(Part):
    """haproxy with a frontend on loopback for each backend: `backends` maps a backend's name to lines of its section.

    `url(backend)` is where its traffic goes in; `socket` is the runtime API with the level admin, as the config names
    it; `weak_socket` the same with the level operator, `tcp_socket` over TCP. A restart takes up the addresses that
    `save_state` wrote before it, as a reload does.
    """

    def __init__(self, backends: Mapping[str, Sequence[str]], defaults: Sequence[str] = ()) -> None:
        # A unix socket's path has at most 107 bytes, so the folder's name is short.
        self.folder = Path(tempfile.mkdtemp(prefix="qd-hap-", dir="/tmp"))
        self.ports = {name: free_port() for name in backends}
        self.config = self.folder / "haproxy.cfg"
        self._admin, self._weak, self._tcp = self.folder / "admin.sock", self.folder / "weak.sock", free_port()
        self.config.write_text(self._settings(backends, defaults))
        self.process = Process(
            [program("haproxy"), "-db", "-f", str(self.config)], self.folder / "log", clean_env(self.folder)
        )

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return missing("haproxy")

    @property
    def socket(self) -> str:
        """The runtime API with the level admin."""
        return f"unix://{self._admin}"

    @property
    def weak_socket(self) -> str:
        """The runtime API with the level operator."""
        return f"unix://{self._weak}"

    @property
    def tcp_socket(self) -> str:
        """The runtime API over TCP, with the level admin."""
        return f"tcp://127.0.0.1:{self._tcp}"

    def url(self, backend: str, path: str = "/") -> str:
        """Where the traffic of a backend goes in."""
        return f"http://127.0.0.1:{self.ports[backend]}{path}"

    def start(self) -> None:
        """Start haproxy and wait until its runtime API answers."""
        self.process.start()
        self.process.wait_ready(self._answers, "it answered")

    def command(self, text: str) -> str:
        """The answer to a command of the runtime API."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self._admin))
            sock.sendall(text.encode() + b"\n")
            answer = b""
            while piece := sock.recv(65_536):
                answer += piece
        return answer.decode().strip()

    def save_state(self) -> None:
        """Write the servers' state where the next start reads it (server-state-file)."""
        (self.folder / "state").write_text(self.command("show servers state") + "\n")

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def leftovers(self) -> list[str]:
        """What is still there after `close`."""
        return super().leftovers() + ([f"folder {self.folder}"] if self.folder.exists() else [])

    def _answers(self) -> bool:
        try:
            return "Uptime" in self.command("show info")
        except OSError:
            return False

    def _settings(self, backends: Mapping[str, Sequence[str]], defaults: Sequence[str]) -> str:
        lines = [
            "global",
            f"  stats socket unix@{self._admin} mode 600 level admin",
            f"  stats socket unix@{self._weak} mode 600 level operator",
            f"  stats socket ipv4@127.0.0.1:{self._tcp} level admin",
            "  nbthread 1",
            f"  server-state-file {self.folder / 'state'}",
            "defaults",
            "  load-server-state-from-file global",
            *(f"  {line}" for line in ("mode http", "timeout connect 2s", "timeout client 60s", "timeout server 60s")),
            *(f"  {line}" for line in defaults),
        ]
        for name, body in backends.items():
            lines += [f"frontend in-{name}", f"  bind 127.0.0.1:{self.ports[name]}", f"  default_backend {name}"]
            lines += [f"backend {name}", *(f"  {line}" for line in body)]
        return "\n".join(lines) + "\n"
