"""Where things are: the API's address, the repositories, and what a ref's id names. Pure.

A run is `owner/repo/BUILD`, a job `owner/repo/BUILD/JOB`, by Travis's ids.
https://developer.travis-ci.com/resource/build
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from quarterdeck_lifecycle.records import Ref

API = "https://api.travis-ci.com"
WEB = "https://app.travis-ci.com"
_OWN = frozenset({"travis-ci.com", "www.travis-ci.com", "app.travis-ci.com", "api.travis-ci.com"})
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}")
_ID = re.compile(r"(?P<slug>[^/]+/[^/]+)/(?P<build>[1-9]\d{0,18})(?:/(?P<job>[1-9]\d{0,18}))?")


class Place(NamedTuple):
    """What a ref names: a repository, the build's id, and the job's id."""

    slug: str
    number: int
    job: int = 0

    @property
    def repository(self) -> str:
        """The path of the repository: its slug is one segment."""
        return repository_path(self.slug)

    @property
    def build(self) -> str:
        """The path of the build."""
        return f"/build/{self.number}"

    @property
    def the_job(self) -> str:
        """The path of the job."""
        return f"/job/{self.job}"


def repository_path(slug: str) -> str:
    """The path of a repository."""
    return f"/repo/{quote(slug, safe='')}"


def api_address(url: str | None) -> str:
    """The API's base for a configured url; the pages of travis-ci.com are at another host than its API."""
    address = (url or API).rstrip("/")
    return API if urlsplit(address).hostname in _OWN else address


def is_dead(address: str) -> bool:
    """Whether an address is of travis-ci.org, which ended on 15 June 2021."""
    host = urlsplit(address).hostname or ""
    return host == "travis-ci.org" or host.endswith(".travis-ci.org")


def web_address(api: str) -> str:
    """The base of the pages for people; an Enterprise server has its API under /api."""
    return WEB if api == API else api.removesuffix("/api")


def slugs(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The repositories, once each whatever the case, and the names that are none."""
    good: dict[str, str] = {}
    bad = []
    for name in names:
        slug = name.strip().removesuffix(".git")
        if _SLUG.fullmatch(slug) and slug.partition("/")[2] not in (".", ".."):
            good.setdefault(slug.lower(), slug)
        else:
            bad.append(name)
    return list(good.values()), bad


def place_of(ref: Ref, repositories: Iterable[str]) -> Place | None:
    """What a ref names; None when it is malformed or not of these repositories."""
    match = _ID.fullmatch(ref.id)
    if match is None or (ref.kind == "job") != bool(match["job"]):
        return None
    slug = next((each for each in repositories if each.lower() == match["slug"].lower()), None)
    return None if slug is None else Place(slug, int(match["build"]), int(match["job"] or 0))
