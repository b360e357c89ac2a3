"""Image references: what an operator names, as a repository with a tag or a digest. Pure.

https://github.com/distribution/reference
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quarterdeck_lifecycle.errors import NotFound

_DOMAIN = r"(?:localhost|\[[0-9a-fA-F:]+\]|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9.-]+(?=:))(?::\d+)?"
_NAME = re.compile(rf"(?:{_DOMAIN}/)?[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Reference(NamedTuple):
    """A repository as the engine lists it (`docker.io/library/` left out), with a tag or a digest."""

    name: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def repository(reference: str) -> str:
    """The repository of a reference, empty for an image's id and for what is no reference."""
    if _DIGEST.fullmatch(reference):
        return ""
    name = reference.partition("@")[0]
    head, colon, last = name.rpartition(":")
    name = head if colon and "/" not in last else name
    for prefix in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(prefix)
    name = name.removeprefix("library/")
    return name if _NAME.fullmatch(name) else ""


def is_digest(text: str) -> bool:
    """Whether it is `sha256:` and 64 digits."""
    return bool(_DIGEST.fullmatch(text))


def read(wanted: str, name: str, *, source: str = "") -> Reference:
    """A tag or digest of the repository `name`, or a whole reference. Raises NotFound for what can be neither."""
    base = repository(name)
    if base and _DIGEST.fullmatch(wanted):
        return Reference(base, "", wanted)
    if base and _TAG.fullmatch(wanted):
        return Reference(base, wanted)
    # A word that is no tag of the repository is none of somebody else's repository either.
    plain = bool(base and wanted) and not any(mark in wanted for mark in "/:@")
    found = None if plain or wanted.startswith("sha256:") else _whole(wanted or name)
    if found is None:
        raise NotFound(
            f"no image {wanted or name}", source=source, why="it is no tag, no digest and no reference of an image",
            mend="name a tag, sha256:..., or repository:tag",
        )  # fmt: skip
    return found


def _whole(text: str) -> Reference | None:
    name = repository(text)
    before, at, digest = text.partition("@")
    if not name or (at and not _DIGEST.fullmatch(digest)):
        return None
    if at:
        return Reference(name, "", digest)
    head, colon, last = before.rpartition(":")
    tag = last if colon and head and "/" not in last else "latest"
    return Reference(name, tag) if _TAG.fullmatch(tag) else None
