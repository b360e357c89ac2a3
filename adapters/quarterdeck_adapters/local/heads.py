"""What is checked out, read from the files that say so (gitrepository-layout(5)). Starts no git, imports little."""

from __future__ import annotations

import os

LIMIT = 8 * 1024 * 1024


def head_of(git_dir: str, common_dir: str) -> tuple[str, str]:
    """Branch and commit of HEAD; an empty text for each that these files do not tell (a reftable, no commit yet)."""
    head = _read(os.path.join(git_dir, "HEAD")).strip()
    if not head.startswith("ref: "):
        return "", head
    ref = head.removeprefix("ref: ")
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""
    if ".." in ref.split("/") or ref == "refs/heads/.invalid":
        return "", ""
    sha = _read(os.path.join(git_dir, ref)).strip() or _read(os.path.join(common_dir, ref)).strip()
    return branch, sha or _packed(common_dir, ref)


def _packed(common_dir: str, ref: str) -> str:
    for line in _read(os.path.join(common_dir, "packed-refs")).splitlines():
        sha, _, name = line.partition(" ")
        if name == ref:
            return sha
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(LIMIT)
    except OSError:
        return ""
