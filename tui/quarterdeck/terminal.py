"""What the terminal can do: UTF-8, a slow link, a clipboard."""

from __future__ import annotations

import asyncio
import locale
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal


def speaks_utf8(env: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal takes UTF-8."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := env.get(name):
            return "utf-8" in value.lower() or "utf8" in value.lower()
    return "utf" in (locale.getpreferredencoding(False) or "").lower()


def slow_link(wanted: bool | Literal["auto"], env: Mapping[str, str]) -> bool:
    """Whether to save bytes: said so in the config, else when the session came over SSH."""
    return bool(env.get("SSH_CONNECTION")) if wanted == "auto" else wanted


def refusal(env: Mapping[str, str], stdin_tty: bool, stdout_tty: bool) -> str:
    """Why no screen can be drawn here, with the command that works instead; empty when one can."""
    if not stdin_tty or not stdout_tty:
        which = "input" if not stdin_tty else "output"
        return f"the standard {which} is not a terminal; `quarterdeck status` prints the same without a screen"
    if env.get("TERM", "") in ("", "dumb"):
        return "TERM is dumb, so no screen can be drawn; `quarterdeck status` prints the same without one"
    return ""


async def copy_text(text: str, env: Mapping[str, str], osc52: Callable[[str], None]) -> str:
    """Copy, and answer by which way: tmux's buffer (which passes it on), OSC 52, or a private file."""
    if env.get("TMUX") and shutil.which("tmux"):
        with suppress(OSError, TimeoutError):
            process = await asyncio.create_subprocess_exec(
                "tmux", "load-buffer", "-w", "-",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                env=dict(env),
            )  # fmt: skip
            async with asyncio.timeout(2):
                await process.communicate(text.encode())
            if process.returncode == 0:
                return "tmux"
    if len(text) <= 74_000 and env.get("TERM") != "linux":
        osc52(text)
        return "OSC 52"
    handle, path = tempfile.mkstemp(prefix="quarterdeck-copy-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return f"file {path}"


def save_private(folder: Path, name: str, text: str) -> str:
    """Write text to a new file of 0600 in a folder of 0700; answers its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:60].lstrip(".-") or "text"
    handle, path = tempfile.mkstemp(prefix=f"{stem}-", suffix=".log", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return path
