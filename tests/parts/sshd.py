"""A private OpenSSH server as a plain process on loopback (sshd_config(5)), for the user who runs the tests."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from parts.needs import missing, program
from parts.process import Part, Process, clean_env, free_port

SEPARATION = Path("/run/sshd")
START_TRIES = 5


class Sshd(Part):
    """sshd with its own host key, one authorised key and a known_hosts file. `settings` are lines of sshd_config."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qd-sshd-"))
        self.user = getpass.getuser()
        self.port = 0
        self.host_key = self.folder / "host_key"
        self.identity = self.folder / "identity"
        self.known_hosts = self.folder / "known_hosts"
        self.config = self.folder / "ssh_config"
        self._settings = list(settings)
        self._made_separation = False
        for path in (self.host_key, self.identity):
            self._keygen(path)
        shutil.copyfile(f"{self.identity}.pub", self.folder / "authorized_keys")
        self.process = Process([], self.folder / "log", clean_env(self.folder))

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return missing("openssh-server")

    @property
    def url(self) -> str:
        """The address as ssh and docker write it."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it sends its banner. The first start tries another port when one is taken."""
        if self.process.alive:
            return
        self._make_separation()
        fixed = self.port != 0
        for attempt in range(START_TRIES):
            self.port = self.port if fixed else free_port()
            self._write()
            if not fixed:
                self._trust()
            self.process.argv = [program("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.process.start()
            try:
                self.process.wait_ready(self._banner, "it sent its banner")
                return
            except RuntimeError:
                self.process.stop()
                if fixed or attempt == START_TRIES - 1:
                    raise

    def renew_host_key(self) -> None:
        """Another host key from the next start on, as a machine in the middle has; known_hosts keeps the old one."""
        self.host_key.unlink()
        self._keygen(self.host_key)

    def command(self, *arguments: str) -> list[str]:
        """An ssh command line to this server that reads no other configuration and asks nothing."""
        return ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", f"{self.user}@127.0.0.1", *arguments]

    def close(self) -> None:
        """End it with its sessions, and remove its folder."""
        self.stop()
        if self._made_separation:
            with contextlib.suppress(OSError):
                SEPARATION.rmdir()
        shutil.rmtree(self.folder)

    def leftovers(self) -> list[str]:
        """What is still there after `close`."""
        return super().leftovers() + ([f"folder {self.folder}"] if self.folder.exists() else [])

    def _make_separation(self) -> None:
        # Only sshd started as root wants this folder; Debian's service makes it, and here no service runs.
        if os.geteuid() == 0 and not SEPARATION.exists():
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
            self._made_separation = True

    def _keygen(self, path: Path) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(path)],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )

    def _write(self) -> None:
        lines = [
            *(f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.host_key}", "PidFile none"),
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            *("StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"),
            *("PermitRootLogin prohibit-password", f"AllowUsers {self.user}", "UseDNS no", "LogLevel VERBOSE"),
            *("AcceptEnv QUARTERDECK_* TERM COLORTERM", *self._settings),
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        self.config.write_text(
            f"Host 127.0.0.1\n  Port {self.port}\n  User {self.user}\n  IdentityFile {self.identity}\n"
            f"  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {self.known_hosts}\n"
            "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
        )

    def _trust(self) -> None:
        kind, key = Path(f"{self.host_key}.pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def _banner(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False
