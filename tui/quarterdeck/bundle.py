"""`doctor --bundle`: what somebody who helps needs to see, in one private archive, without a secret."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import tarfile
import time
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import msgspec

from quarterdeck.boot import Boot
from quarterdeck.ownlog import tail
from quarterdeck_config.masking import looks_secret, mask_args
from quarterdeck_config.redact import MASK
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.statefolder import own_path

PACKAGES = ("textual", "rich", "httpx", "h11", "docker", "gitpython", "pyyaml", "psutil", "msgspec", "click")
CRASHES = 3
MOST = 512 * 1024
_ARGVS = frozenset({"argv", "command", "exec"})


def write_bundle(boot: Boot, found: dict[str, Any]) -> Path:
    """Write the archive, 0600, into the state folder; answers its path. Blocks on the disk. Raises OSError."""
    names = boot.loaded.config.secret_names
    parts = {
        "doctor.json": json.dumps(found, indent=1, ensure_ascii=False),
        "versions.txt": versions(),
        "config.json": json.dumps(masked(msgspec.to_builtins(boot.loaded.config), names), indent=1, default=str),
        "environment.txt": "\n".join(sorted(boot.env)) + "\n",
        "quarterdeck.log": tail(boot.env),
    }
    for number, text in enumerate(_crashes(boot), 1):
        parts[f"crash-{number}.txt"] = text
    folder = Path(own_path("bundles", boot.env))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = time.strftime("quarterdeck-%Y%m%dT%H%M%SZ", time.gmtime())
    path = folder / f"{stem}-{os.getpid()}.tar.gz"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in parts.items():
            data = redact(text).encode("utf-8", "replace")[-MOST:]
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return path


def versions() -> str:
    """Of the program, of Python, of the system and of the libraries."""
    known = {d.metadata["Name"].lower(): d.version for d in distributions() if d.metadata["Name"]}
    lines = [
        f"quarterdeck {version('quarterdeck')}", f"python {sys.version.split()[0]}", f"system {platform.platform()}",
        *(f"{name} {known.get(name, 'missing')}" for name in PACKAGES),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def masked(value: Any, names: tuple[str, ...] = (), key: str = "") -> Any:
    """A config as data without what may be a secret: by the name of its key, in an argv, in an address."""
    if isinstance(value, dict):
        reference = set(value) <= {"env", "file", "command", "keyring"}
        return {k: masked(v, names, "" if reference else str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        if key in _ARGVS and all(isinstance(item, str) for item in value):
            return list(mask_args(value, names))
        return [masked(item, names, key) for item in value]
    if isinstance(value, str) and value and key and looks_secret(key, names):
        return MASK
    return redact(value) if isinstance(value, str) else value


def _crashes(boot: Boot) -> list[str]:
    from quarterdeck_lifecycle.state import state_folder

    try:
        files = sorted((state_folder(boot.env) / "crashes").glob("*.txt"))[-CRASHES:]
        return [file.read_text("utf-8", "replace") for file in files if file.stat().st_uid == os.geteuid()]
    except OSError:
        return []
