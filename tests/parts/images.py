"""Images made from busybox-static, without a network (the archive is `docker save`'s, image specification v1.2)."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from parts.needs import program

APPLETS = (
    *("cat", "chmod", "cp", "date", "dd", "echo", "env", "false", "grep", "head", "hostname", "httpd", "id", "kill"),
    *("ln", "ls", "mkdir", "nc", "printf", "ps", "rm", "sed", "seq", "sh", "sleep", "stty", "tail", "tee", "test"),
    *("touch", "tr", "true", "tty", "wc", "wget", "yes"),
)


@cache
def _busybox() -> bytes:
    return Path(program("busybox")).read_bytes()


def busybox_tar(files: Mapping[str, str] | None = None) -> bytes:
    """A root file system: busybox with its applets, users, a temp folder, and `files` (absolute path to content)."""
    return _root(files) if files else _bare_root()


@cache
def _bare_root() -> bytes:
    return _root({})


def _root(files: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("srv", 0o755), ("data", 0o755)):
            _add(tar, folder, tarfile.DIRTYPE, mode)
        _add(tar, "bin/busybox", tarfile.REGTYPE, 0o755, _busybox())
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        base = {"/etc/passwd": "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"}
        for path, content in (base | dict(files)).items():
            _add(tar, path.lstrip("/"), tarfile.REGTYPE, 0o755, content.encode())
    return stream.getvalue()


def archive(reference: str, config: Mapping[str, Any], created: str) -> bytes:
    """A `docker load` archive of one layer of busybox with the image configuration taken as it is."""
    layer = busybox_tar()
    body = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["sleep", "100000"], **config},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": created, "created_by": "busybox"}],
    }
    raw = json.dumps(body).encode()
    name = f"{hashlib.sha256(raw).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        _add(tar, name, tarfile.REGTYPE, 0o644, raw)
        _add(tar, "layer.tar", tarfile.REGTYPE, 0o644, layer)
        _add(tar, "manifest.json", tarfile.REGTYPE, 0o644, json.dumps(manifest).encode())
    return stream.getvalue()


def quote(text: str) -> str:
    """A word of a Dockerfile instruction, quoted. Raises ValueError for control characters: see `archive`."""
    if not text.isprintable():
        raise ValueError(f"a Dockerfile cannot hold {text!r}; use load_image")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _add(tar: tarfile.TarFile, name: str, kind: bytes, mode: int, content: bytes = b"") -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(content)
    tar.addfile(info, io.BytesIO(content))
