"""Where things are: the API's address, the repositories, and what a ref's id names. Pure.

A run is `owner/repo/RUN`, a job `owner/repo/RUN/JOB`, a pull request `owner/repo/NUMBER`, a deployment `owner/repo/ID`.
https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from quarterdeck_lifecycle.records import Ref

API = "https://api.github.com"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}")
_ID = re.compile(r"(?P<slug>[^/]+/[^/]+)/(?P<number>[1-9]\d{0,18})(?:/(?P<job>[1-9]\d{0,18}))?")


class Place(NamedTuple):
    """What a ref names: a repository, the number (of a run, deployment or pull request), and the job's id."""

    slug: str
    number: int
    job: int = 0

    @property
    def root(self) -> str:
        """The path of the repository."""
        return f"/repos/{self.slug}"

    @property
    def run(self) -> str:
        """The path of the run."""
        return f"{self.root}/actions/runs/{self.number}"

    @property
    def pull(self) -> str:
        """The path of the pull request."""
        return f"{self.root}/pulls/{self.number}"

    @property
    def deployment(self) -> str:
        """The path of the deployment."""
        return f"{self.root}/deployments/{self.number}"

    @property
    def the_job(self) -> str:
        """The path of the job."""
        return f"{self.root}/actions/jobs/{self.job}"


def api_address(url: str | None) -> str:
    """The API's base for a configured url: github.com's own pages are at another host than its API."""
    address = (url or API).rstrip("/")
    return API if urlsplit(address).hostname in ("github.com", "www.github.com") else address


def web_host(api: str) -> str:
    """The host whose pages and remotes an API is for: `api.github.com` is github.com's."""
    netloc = urlsplit(api).netloc.rpartition("@")[2].lower()
    return netloc.removeprefix("api.") if netloc.endswith((".github.com", ".ghe.com")) else netloc


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
    return None if slug is None else Place(slug, int(match["number"]), int(match["job"] or 0))
