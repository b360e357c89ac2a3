"""What an operation outlives on this host: the SSH link, the logout, a reboot. Asked of logind, never assumed."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

SYSTEMD = Path("/run/systemd/system")
LINGER = Path("/var/lib/systemd/linger")
_CONFIGS = ("/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d")
_ASK_S = 2.0
_YES = ("yes", "true", "1", "on")


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about logind here. `scope` says that a scope of the user's own can be made."""

    systemd: bool = False
    kills: bool = False
    linger: bool = False
    scope: bool = False

    @property
    def logout(self) -> bool:
        """Whether a runner outlives its user's last logout."""
        return not self.kills or (self.scope and self.linger)


def this_host(env: Mapping[str, str], root: Path = Path("/")) -> Host:
    """Look at this host. Blocks for at most a few seconds. `root` is where its files are."""
    if not _under(root, SYSTEMD).is_dir():
        return Host()
    user = pwd.getpwuid(os.getuid()).pw_name
    kills = _kills(root)
    return Host(
        systemd=True, kills=kills, linger=_under(root, LINGER / user).exists(),
        scope=kills and bool(env.get("XDG_RUNTIME_DIR")) and shutil.which("systemd-run") is not None,
    )  # fmt: skip


def outlives(host: Host) -> tuple[str, ...]:
    """For the dialog and the preflight: a line each for the link, the logout and the reboot."""
    if not host.systemd:
        logout = "outlives your logout: nothing here ends a user's programs"
    elif not host.kills:
        logout = "outlives your logout: logind keeps programs (KillUserProcesses=no)"
    elif host.logout:
        logout = "outlives your logout: a scope of its own (linger ✓)"
    else:
        logout = "does NOT outlive your last logout: logind ends your programs; loginctl enable-linger mends that"
    return ("outlives your SSH link and this terminal", logout, "does not outlive a reboot: quarterdeck recover then")


def prefix(host: Host, op: str) -> list[str]:
    """What goes before the runner's own command, so that logind does not end it with the login."""
    if not (host.kills and host.scope):
        return []
    unit = f"--unit=quarterdeck-{op}-{os.getpid()}"
    return ["systemd-run", "--user", "--scope", "--quiet", "--collect", unit, "--"]


def _kills(root: Path) -> bool:
    """Whether logind ends a user's processes at logout: its own answer, else its files, else its default."""
    if root == Path("/"):
        answer: Literal[True, False] | None = _asked()
        if answer is not None:
            return answer
    said = ""
    for path in _config_files(root):
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        for value in re.findall(r"^\s*KillUserProcesses\s*=\s*(\S+)\s*$", text, re.MULTILINE):
            said = value
    return said.lower() in _YES


def _asked() -> bool | None:
    name, path = "org.freedesktop.login1", "/org/freedesktop/login1"
    argv = ["busctl", "get-property", name, path, f"{name}.Manager", "KillUserProcesses"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_ASK_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"b true": True, "b false": False}.get(done.stdout.strip())


def _config_files(root: Path) -> list[Path]:
    found = [_under(root, Path("/etc/systemd/logind.conf"))]
    drops = {path.name: path for folder in _CONFIGS for path in sorted(_under(root, Path(folder)).glob("*.conf"))}
    return found + [drops[name] for name in sorted(drops)]


def _under(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
