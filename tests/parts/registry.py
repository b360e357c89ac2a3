"""A private OCI registry (Debian's docker-registry; configuration: https://distribution.github.io/distribution/)."""

from __future__ import annotations

import ctypes
import json
import shutil
from collections.abc import Mapping

import httpx

from parts.needs import missing, program
from parts.process import LEAN_GO, Part, Process, clean_env, scratch


class Registry(Part):
    """docker-registry on loopback, at the same address after a restart. `users` (name to password) turns basic auth on.

    An engine on this machine pushes to `address` without TLS, because the address is 127.0.0.1.
    """

    def __init__(self, users: Mapping[str, str] | None = None) -> None:
        self.folder = scratch("qd-registry-")
        self.users = dict(users or {})
        self.port = 0
        self._config = self.folder / "config.json"
        self.process = Process(
            [program("docker-registry"), "serve", str(self._config)], self.folder / "log",
            clean_env(self.folder, LEAN_GO),
        )  # fmt: skip

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return missing("docker-registry")

    @property
    def address(self) -> str:
        """Host and port, as an image name starts."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start the registry and wait until it answers."""
        if self.process.alive:
            return
        self._config.write_text(json.dumps(self._settings()))
        self.process.start()
        self.port = self.process.wait_port()
        self.process.wait_ready(self._answers, "it answered")

    def close(self) -> None:
        """End it and remove its storage."""
        self.stop()
        shutil.rmtree(self.folder)

    def leftovers(self) -> list[str]:
        """What is still there after `close`."""
        return super().leftovers() + ([f"folder {self.folder}"] if self.folder.exists() else [])

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v2/", trust_env=False, verify=False).status_code in (200, 401)
        except httpx.TransportError:
            return False

    def _settings(self) -> dict[str, object]:
        # A YAML document may be JSON.
        settings: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "storage")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.address, "secret": "tests only"},
        }
        if self.users:
            htpasswd = self.folder / "htpasswd"
            htpasswd.write_text("".join(f"{name}:{bcrypt(word)}\n" for name, word in self.users.items()))
            settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(htpasswd)}}
        return settings


def bcrypt(password: str) -> str:
    """The bcrypt hash of a password, by the system's libcrypt (crypt(5)), the only kind that the registry takes."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.argtypes, crypt.restype = (ctypes.c_char_p, ctypes.c_char_p), ctypes.c_char_p
    hashed: bytes | None = crypt(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu")
    if not hashed or not hashed.startswith(b"$2b$"):
        raise RuntimeError("libcrypt here knows no bcrypt")
    return hashed.decode()
