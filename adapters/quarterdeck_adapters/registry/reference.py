"""Names of repositories, tags and digests, and what an operator may write for a target of a copy. Pure.

Grammar: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
"""

from __future__ import annotations

import hashlib
import re

from quarterdeck_lifecycle.errors import Conflict, Unsupported

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?|\[[0-9A-Fa-f:]+\](?::\d{1,5})?")
_NUMBERS = re.compile(r"(\d+)")
MOST_NAME = 255


def is_name(text: str) -> bool:
    """Whether it may name a repository."""
    return len(text) <= MOST_NAME and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether it may be a tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether it is a digest of an algorithm that can be checked here."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes, like: str = "sha256:") -> str:
    """The digest of bytes, by the algorithm of another digest."""
    algorithm = "sha512" if like.startswith("sha512:") else "sha256"
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def tag_order(tag: str) -> tuple[bool, list[tuple[int, int, str]]]:
    """The order of tags by their numbers, so that v42 is after v9; `latest` after all."""
    parts = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in _NUMBERS.split(tag) if part]
    return tag == "latest", parts


def newest_first(tags: list[str]) -> list[str]:
    """`latest`, then by the numbers in the tags, the highest first."""
    return sorted(tags, key=tag_order, reverse=True)


def split_id(id: str) -> tuple[str, str]:
    """Repository and tag of a row's id. Raises ValueError when it is none."""
    repository, _, tag = id.rpartition(":")
    if not is_name(repository) or not is_tag(tag):
        raise ValueError(id)
    return repository, tag


def target_of(text: str, host: str, repository: str, source: str) -> tuple[str, str]:
    """Repository and tag that a copy goes to: `TAG`, `REPOSITORY:TAG`, either with this registry's host before it.

    Raises Conflict for what is no reference, Unsupported for another registry.
    """
    text = text.strip()
    rest = text
    first, slash, more = text.partition("/")
    if slash and _HOST.fullmatch(first) and ("." in first or ":" in first or first == "localhost"):
        if first != host:
            raise Unsupported(
                f"no copy to {first}", source=source,
                why="another registry: every blob would have to travel through this machine",
                mend=f"use `skopeo copy` or `crane copy` between {host} and {first}",
            )  # fmt: skip
        rest = more
    name, colon, tag = rest.rpartition(":")
    if not colon:
        name, tag = ("", rest) if "/" not in rest and not slash else (rest, "")
    name = name or repository
    if "@" in text or not is_name(name) or not is_tag(tag):
        raise Conflict(
            "the copy was not sent", source=source, why=f"{text[:200]!r} is neither a tag nor repository:tag",
            mend="letters, digits, '_', '.' and '-'; a repository in lower case",
        )  # fmt: skip
    return name, tag
