"""Where things are: jobs by their full names, their paths, and what a ref's id names. Pure.

A run is `folder/job@QUEUE`, by the id that its queue item had and that the build keeps: a row stays the same row when
the item becomes a build. A build that knows no such id is `folder/job#NUMBER`. A stage of it is `RUN/NODE`.
https://www.jenkins.io/doc/book/using/remote-access-api/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from quarterdeck_lifecycle.records import Ref

WHOLE = "build"
"""The node of what has no stages: the one job of such a build."""
_ID = re.compile(r"(?P<job>[^@#]+)(?:@(?P<queue>[1-9]\d{0,17})|#(?P<number>[1-9]\d{0,8}))(?:/(?P<node>\d{1,9}|build))?")
_ITEM = re.compile(r"/queue/item/([1-9]\d{0,17})/?$")


class Place(NamedTuple):
    """What a ref names: a job's full name, and a build by its queue id or number; `node` is that of a stage."""

    job: str
    queue: int = 0
    number: int = 0
    node: str = ""

    @property
    def run(self) -> str:
        """The id of the run."""
        return run_id(self.job, self.queue, self.number)


def run_id(job: str, queue: int, number: int = 0) -> str:
    """The id of a run."""
    return f"{job}@{queue}" if queue > 0 else f"{job}#{number}"


def job_in(id: str) -> str:
    """The full name of the job that the id of a run or stage begins with."""
    return id.partition("@")[0].partition("#")[0]


def path_of(job: str) -> str:
    """The path of a job or folder: `/job/a/job/b`; of the controller itself an empty string."""
    return "".join(f"/job/{quote(name, safe='')}" for name in job.split("/")) if job else ""


def job_of(url: str) -> tuple[str, int]:
    """The full name that an address of Jenkins' own is of, and the number of the build, or 0; ("", 0) for others."""
    try:
        parts = [part for part in urlsplit(url).path.split("/") if part]
    except ValueError:
        return "", 0
    names: list[str] = []
    number = at = 0
    while at < len(parts):
        if parts[at] == "job" and at + 1 < len(parts):
            names.append(unquote(parts[at + 1]))
            at += 2
            continue
        if names and parts[at].isascii() and parts[at].isdigit() and len(parts[at]) < 10:
            number = int(parts[at])
        if names:
            break
        at += 1
    return ("/".join(names), number) if names and proper("/".join(names)) else ("", 0)


def item_of(location: str) -> int:
    """The queue id in a Location header, or 0."""
    found = _ITEM.search(location.partition("?")[0])
    return int(found[1]) if found else 0


def proper(job: str) -> bool:
    """Whether it can be a full name: no part of it leads elsewhere."""
    return bool(job) and len(job) < 1000 and all(part not in ("", ".", "..") for part in job.split("/"))


def roots(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The configured jobs and folders, once each and none inside another one; and the names that are none."""
    good, bad = [], []
    for name in names:
        full = job_of(name)[0] if "://" in name else name.strip().strip("/")
        if proper(full) and not re.search(r"[@#?&]", full):
            good.append(full)
        else:
            bad.append(name)
    kept = [each for each in dict.fromkeys(good) if not any(inside(each, (o,)) for o in good if o != each)]
    return kept, bad


def inside(job: str, names: Iterable[str]) -> bool:
    """Whether a job is one of these, or inside one of these folders."""
    return any(job == name or job.startswith(f"{name}/") for name in names)


def place_of(ref: Ref, names: Iterable[str]) -> Place | None:
    """What a ref names; None when it is malformed or not inside the configured names (none: all are)."""
    match = _ID.fullmatch(ref.id)
    if match is None or (ref.kind == "job") != bool(match["node"]) or not proper(match["job"]):
        return None
    names = tuple(names)
    if names and not inside(match["job"], names):
        return None
    return Place(match["job"], int(match["queue"] or 0), int(match["number"] or 0), match["node"] or "")
