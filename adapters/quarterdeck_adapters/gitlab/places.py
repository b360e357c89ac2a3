"""Where things are: the API's address, the projects, and what a ref's id names. Pure.

A run is `group/project/PIPELINE`, a job `group/project/PIPELINE/JOB`, a merge request `group/project/IID`, a
deployment `group/project/ID`; groups may lie in groups. https://docs.gitlab.com/api/rest/#namespaced-paths
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from quarterdeck_lifecycle.records import Ref

HOST = "https://gitlab.com"
API = "/api/v4"
_PATH = re.compile(r"[A-Za-z0-9_.][\w.-]*(?:/[A-Za-z0-9_.][\w.-]*){1,20}", re.ASCII)
_ID = re.compile(r"(?P<path>.+)/(?P<number>[1-9]\d{0,18})")
_JOB = re.compile(r"(?P<path>.+)/(?P<number>[1-9]\d{0,18})/(?P<job>[1-9]\d{0,18})")


class Place(NamedTuple):
    """What a ref names: a project, the number of the thing in it, and the job's id."""

    path: str
    number: int
    job: int = 0

    @property
    def root(self) -> str:
        """The path of the project."""
        return root_of(self.path)

    @property
    def pipeline(self) -> str:
        """The path of the pipeline."""
        return f"{self.root}/pipelines/{self.number}"

    @property
    def the_job(self) -> str:
        """The path of the job."""
        return f"{self.root}/jobs/{self.job}"

    @property
    def merge(self) -> str:
        """The path of the merge request."""
        return f"{self.root}/merge_requests/{self.number}"

    @property
    def deployment(self) -> str:
        """The path of the deployment."""
        return f"{self.root}/deployments/{self.number}"


def root_of(path: str) -> str:
    """The API's path of a project."""
    return f"/projects/{quote(path, safe='')}"


def api_address(url: str | None) -> str:
    """The API's base for a configured url, with or without its path."""
    address = (url or HOST).rstrip("/")
    return address if address.endswith(API) else address + API


def web_host(api: str) -> str:
    """The host whose pages and remotes an API is for."""
    return urlsplit(api).netloc.rpartition("@")[2].lower()


def paths(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The projects, once each whatever the case, and the names that are none."""
    good: dict[str, str] = {}
    bad = []
    for name in names:
        path = name.strip().strip("/").removesuffix(".git")
        if _PATH.fullmatch(path) and not {".", ".."} & set(path.split("/")) and len(path) <= 255:
            good.setdefault(path.lower(), path)
        else:
            bad.append(name)
    return list(good.values()), bad


def place_of(ref: Ref, projects: Iterable[str]) -> Place | None:
    """What a ref names; None when it is malformed or not of these projects."""
    match = (_JOB if ref.kind == "job" else _ID).fullmatch(ref.id)
    if match is None:
        return None
    path = next((each for each in projects if each.lower() == match["path"].lower()), None)
    if path is None:
        return None
    return Place(path, int(match["number"]), int(match["job"]) if ref.kind == "job" else 0)
