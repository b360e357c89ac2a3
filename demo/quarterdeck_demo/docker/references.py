"""Image references as the engine reads them: https://github.com/distribution/reference."""

from __future__ import annotations

import re
from typing import NamedTuple

from quarterdeck_demo.docker.wire import EngineError

_DOMAIN = r"(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9.-]+(?=:))(?::\d+)?"
_NAME = re.compile(rf"(?:{_DOMAIN}/)?[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_TAG = re.compile(r"[\w][\w.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Reference(NamedTuple):
    """A familiar name (`docker.io/library/` left out) with a tag or a digest."""

    name: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def domain(self) -> str:
        """The registry's host, `docker.io` when the name has none."""
        first, slash, _ = self.name.partition("/")
        return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"

    @property
    def path(self) -> str:
        """The repository inside its registry."""
        if self.domain != "docker.io":
            return self.name.partition("/")[2]
        return self.name if "/" in self.name else f"library/{self.name}"


def parse(text: str, tag: str = "", *, default_tag: str = "latest") -> Reference:
    """`NAME[:TAG][@DIGEST]`, where `tag` (a tag or a digest) wins over the one in the text.

    Raises EngineError 400 when it is no reference.
    """
    name, at, digest = text.partition("@")
    head, colon, last = name.rpartition(":")
    inner = ""
    if colon and "/" not in last:
        name, inner = head, last
    if tag.startswith("sha256:"):
        digest, at, tag = tag, "@", ""
    for prefix in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(prefix)
    name = name.removeprefix("library/")
    if not _NAME.fullmatch(name):
        lower = name.lower() != name and _NAME.fullmatch(name.lower())
        raise EngineError(400, "invalid reference format" + (": repository name must be lowercase" if lower else ""))
    if at and not _DIGEST.fullmatch(digest):
        raise EngineError(400, "invalid reference format")
    if digest:
        return Reference(name, "", digest)
    chosen = tag or inner or default_tag
    if chosen and not _TAG.fullmatch(chosen):
        raise EngineError(400, "invalid tag format" if tag else "invalid reference format")
    return Reference(name, chosen)
