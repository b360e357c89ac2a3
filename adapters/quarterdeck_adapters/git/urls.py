"""Addresses of remotes: without credentials, in one spelling, and as a page of the web. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SCHEME = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]+)(?::\d*)?/(?P<path>.*)", re.DOTALL
)
_SCP = re.compile(r"(?:[^/@:]*@)?(?P<host>[^/:@]+):(?P<path>(?!//).*)", re.DOTALL)
_FORGES = re.compile(r"(^|[.-])(github|gitlab|bitbucket|codeberg|gitea|forgejo)([.-]|$)", re.IGNORECASE)


def is_folder(url: str) -> bool:
    """Whether git takes the address for a folder of this machine (git-clone(1), "GIT URLS")."""
    if url.startswith("file://"):
        return True
    return "://" not in url and ("/" in url.partition(":")[0] or ":" not in url)


def folder_of(url: str) -> str:
    """The folder that such an address names."""
    return url.removeprefix("file://")


def normalised(url: str) -> str:
    """`github.com/acme/fraud-api` for every way to write it; empty for a folder or what is no address."""
    if is_folder(url):
        return ""
    found = _SCHEME.fullmatch(url) or _SCP.fullmatch(url)
    if found is None:
        return ""
    path = re.split(r"[?#]", found["path"])[0].strip("/").removesuffix(".git").strip("/")
    return f"{found['host'].lower()}/{path}" if path else ""


def shown(url: str) -> str:
    """The address without user and password, and without a query that may hold a token."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/@]*@", r"\1", url).partition("?")[0]


def web(url: str) -> str:
    """The remote's page (https) when its host is a known kind of forge, else an empty string."""
    name = normalised(url)
    host = name.partition("/")[0]
    if not name or "/" not in name or not _FORGES.search(host) or not re.fullmatch(r"[\w./~+-]+", name):
        return ""
    return f"https://{name}"


def rewritten(url: str, rules: Iterable[tuple[str, str]], *, push: bool = False) -> str:
    """The address after `url.<base>.insteadOf` and, for a push, `pushInsteadOf`; the longest match counts."""
    for name in ("pushinsteadof", "insteadof") if push else ("insteadof",):
        matches = [
            (len(value), key[len("url.") : -len(name) - 1])
            for key, value in rules
            if key.endswith(f".{name}") and value and url.startswith(value)
        ]
        if matches:
            length, base = max(matches)
            return base + url[length:]
    return url
