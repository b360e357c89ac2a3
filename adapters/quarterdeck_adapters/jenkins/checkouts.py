"""Of a build's actions: the commit, the branch, who caused it, its parameters, and what ties it to other systems. Pure.

https://javadoc.jenkins.io/plugin/git/hudson/plugins/git/util/BuildData.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, section, sha_of, shown, text
from quarterdeck_adapters.git.urls import normalised
from quarterdeck_lifecycle.records import Link, LinkKind

_DIGEST = re.compile(r"(?<![0-9a-f])sha256:[0-9a-f]{64}(?![0-9a-f])")
_VERSION = re.compile(r"\bmodel ([A-Za-z0-9][\w.-]{0,100})/(?:v(?:ersion )?)?(\d{1,9})\b")
_TRAINING = re.compile(r"\brun ([0-9a-f]{32})\b")
_NAMED: Mapping[str, LinkKind] = {
    "IMAGE": "image", "DOCKER_IMAGE": "image", "MODEL_VERSION": "version", "MLFLOW_RUN_ID": "training_run",
}  # fmt: skip
_EVENTS = (
    ("RestartDeclarative", "restart"), ("ReplayCause", "replay"), ("BranchEvent", "push"), ("BranchIndexing", "push"),
    ("SCMTrigger", "push"), ("GitHubPush", "push"), ("Upstream", "upstream"), ("TimerTriggerCause", "schedule"),
    ("RemoteCause", "remote"), ("UserIdCause", "manual"),
)  # fmt: skip
"""Words for causes, the telling ones first: a restart is by a user, too."""


class Checkout(NamedTuple):
    """What was built: `repository` as the remotes of its clones name it, `host/owner/name`."""

    sha: str = ""
    branch: str = ""
    repository: str = ""

    @property
    def slug(self) -> str:
        """The repository without its host."""
        return self.repository.partition("/")[2]


def _branch(name: str) -> str:
    return re.sub(r"^(refs/)?(remotes|heads)/", "", name).removeprefix("origin/") or name


def checkout(actions: Sequence[Json], project: str, branch: str) -> Checkout:
    """What the build is of, where it has checked out several repositories: shared libraries are among them.

    That of the project's own name and branch counts, else the last one.
    """
    best, score = Checkout(), -1
    for action in actions:
        revision = section(action, "lastBuiltRevision")
        sha = sha_of(revision.get("SHA1"))
        if not sha:
            continue
        heads = [text(each.get("name")) for each in rows(revision, "branch")]
        urls = action.get("remoteUrls")
        named = [normalised(url) for url in urls if isinstance(url, str)] if isinstance(urls, list) else []
        where = next((each for each in named if each), "")
        fits = 4 * (where.rpartition("/")[2].lower() == project.rpartition("/")[2].lower())
        fits += 2 * (branch in heads) + (branch in map(_branch, heads))
        if fits >= score:
            head = _branch(heads[0]) if heads and heads[0] != "detached" else ""
            best, score = Checkout(sha, head, where), fits
    return best


def causes(actions: Sequence[Json]) -> list[Json]:
    """Why it was made."""
    return [cause for action in actions for cause in rows(action, "causes")]


def event(actions: Sequence[Json]) -> str:
    """The most telling cause in a word."""
    kinds = [text(cause.get("_class")) for cause in causes(actions)]
    return next((word for part, word in _EVENTS if any(part in kind for kind in kinds)), "")


def actor(actions: Sequence[Json]) -> str:
    """The account that caused it, or an empty string."""
    return next((text(c.get("userId")) for c in causes(actions) if c.get("userId")), "")


def parameters(actions: Sequence[Json]) -> dict[str, str | None]:
    """The values that it was given; None for a secret, which Jenkins does not tell."""
    found: dict[str, str | None] = {}
    for each in (each for action in actions for each in rows(action, "parameters")):
        value, name = each.get("value"), text(each.get("name"))
        if name:
            hidden = "Password" in text(each.get("_class")) or "value" not in each
            spoken = str(value).lower() if isinstance(value, bool) else text(value)
            found[name] = None if hidden else spoken
    return found


def links(built: Checkout, given: Mapping[str, str | None], description: str, pull: str, branch: str) -> list[Link]:
    """What ties a build to the commit, the change request, images and model versions, each with its evidence."""
    found = []
    if built.repository:
        found.append(Link(kind="repository", value=built.repository, evidence="remoteUrls of the checkout"))
    if built.sha:
        found.append(Link(kind="commit", value=built.sha, evidence="lastBuiltRevision"))
    if branch and not pull:
        found.append(Link(kind="branch", value=branch, evidence="branch of the checkout"))
    if pull:
        found.append(Link(kind="pull_request", value=pull, evidence="name of the job in its multibranch project"))
    spoken = [(f"parameter {name}", value) for name, value in given.items() if value]
    for name, kind in _NAMED.items():
        if value := given.get(name):
            found.append(Link(kind=kind, value=shown(value), evidence=f"parameter {name}"))
    for evidence, value in (*spoken, ("description of the build", description[:4000])):
        found += [Link(kind="digest", value=each, evidence=evidence) for each in _DIGEST.findall(value or "")]
    for name, number in _VERSION.findall(description[:4000]):
        found.append(Link(kind="version", value=f"{name}/{number}", evidence="description of the build"))
    for run in _TRAINING.findall(description[:4000]):
        found.append(Link(kind="training_run", value=run, evidence="description of the build"))
    return list({(link.kind, link.value): link for link in reversed(found)}.values())[::-1]
