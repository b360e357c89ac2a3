"""Deployments and their statuses: payloads to records. Pure.

https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28
https://docs.github.com/en/rest/deployments/statuses?apiVersion=2022-11-28
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.ci.values import Json, epoch, login, rows, section, sha_of, shown, text, whole
from quarterdeck_adapters.github import mapping
from quarterdeck_adapters.github.mapping import Home
from quarterdeck_lifecycle.kinds import Deployment
from quarterdeck_lifecycle.records import Link, Status

IN_FLIGHT = frozenset({"pending", "waiting", "queued", "in_progress"})
_WORDS = {"in_progress": "running", "": "no status"}
_STATUS = {
    "success": Status.OK, "failure": Status.BAD, "error": Status.BAD, "running": Status.RUNNING,
    "queued": Status.QUEUED, "pending": Status.QUEUED, "waiting": Status.WAITING, "inactive": Status.IDLE,
    "no status": Status.IDLE,
}  # fmt: skip
_RUN_KEYS = ("run_id", "workflow_run_id", "run")
_FACTS = (("image", "image"), ("digest", "digest"), ("image_digest", "digest"))


class Told(NamedTuple):
    """What the newest status of a deployment says; `page` is where its log is, `run` and `job` those that it names."""

    state: str = ""
    words: str = ""
    at: float | None = None
    page: str = ""
    run: int = 0
    job: int = 0


class Gate(NamedTuple):
    """What a deployment waits for, in words, and whether its approval is for the operator to give."""

    note: str = ""
    mine: bool = False


def target(deployment: Json) -> str:
    """The environment, in the repository's own words."""
    return shown(deployment.get("environment"), 100) or "no environment"


def page_ids(page: str, slug: str) -> tuple[int, int]:
    """The run and the job that a page of Actions is of; 0 for what it does not name.

    The pages of check runs, `/runs/N`, name a job: a job of Actions has the id of its check run.
    """
    try:
        path = urlsplit(page).path
    except ValueError:
        return 0, 0
    root = f"/{slug}"
    if path[: len(root)].lower() != root.lower():
        return 0, 0
    rest = path[len(root) :]
    found = re.fullmatch(r"/actions/runs/([1-9]\d{0,18})(?:/(?:attempts/\d+/?)?)?(?:/?jobs?/([1-9]\d{0,18}))?/?", rest)
    if found:
        return int(found[1]), int(found[2] or 0)
    check = re.fullmatch(r"/runs/([1-9]\d{0,18})/?", rest)
    return (0, int(check[1])) if check else (0, 0)


def payload(deployment: Json) -> Json:
    """The deployment's payload as an object: it may be a string of JSON."""
    found = deployment.get("payload")
    if isinstance(found, str) and len(found) < 65_536:
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, Mapping) else {}


def told(statuses: object, slug: str) -> Told:
    """What the newest of the statuses says, with the run that any of them names."""
    listed = sorted(rows(statuses), key=lambda each: (epoch(each.get("created_at")) or 0.0, whole(each.get("id")) or 0))
    page, run, job = "", 0, 0
    for each in reversed(listed):
        for address in (text(each.get("log_url")), text(each.get("target_url"))):
            page = page or address
            if not run and not job and any(ids := page_ids(address, slug)):
                page, (run, job) = address, ids
    newest = listed[-1] if listed else {}
    return Told(
        text(newest.get("state")), shown(newest.get("description")), epoch(newest.get("created_at")), page, run, job
    )


def run_named(deployment: Json, last: Told) -> tuple[int, int]:
    """The run and the job that a deployment's statuses or payload name; 0 for what they do not."""
    if last.run or last.job:
        return last.run, last.job
    facts = payload(deployment)
    for key in _RUN_KEYS:
        value = text(facts.get(key))
        if re.fullmatch(r"[1-9]\d{0,18}", value):
            return int(value), 0
    return 0, 0


def gate_of(pending: Iterable[Json], environment: str) -> Gate | None:
    """What the run of a deployment waits for at that environment; None when it does not."""
    mine = [each for each in pending if text(section(each, "environment").get("name")) == environment]
    return Gate(mapping.approval_note(mine), mapping.approvable(mine)) if mine else None


def currents(deployments: Iterable[Json], told_of: Mapping[int, Told]) -> dict[str, int]:
    """Environment to the id of the newest deployment that succeeded. What is not known yet stands in the way."""
    found: dict[str, int] = {}
    for each in sorted(deployments, key=newest_first):
        place, id = text(each.get("environment")), whole(each.get("id")) or 0
        if place in found:
            continue
        last = told_of.get(id)
        if last is None:
            found[place] = 0
        elif last.state == "success":
            found[place] = id
    return {place: id for place, id in found.items() if id}


def newest_first(deployment: Json) -> tuple[float, int]:
    """The order of deployments."""
    return -(epoch(deployment.get("created_at")) or 0.0), -(whole(deployment.get("id")) or 0)


def record(
    deployment: Json, home: Home, last: Told, *, current: bool = False, superseded: bool = False,
    gate: Gate | None = None,
) -> Deployment:  # fmt: skip
    """A deployment as a row. `superseded`: its environment has had a later success."""
    state = _WORDS.get(last.state, shown(last.state, 60).replace("_", " "))
    if gate is not None:
        state = "waiting"
    status = _STATUS.get(state, Status.UNKNOWN)
    if (status is Status.OK and not current) or (status is Status.BAD and superseded):
        status = Status.IDLE
    ref, head, place = shown(deployment.get("ref")), sha_of(deployment.get("sha")), target(deployment)
    branch = "" if sha_of(ref) else ref
    run = run_named(deployment, last)[0]
    creator = section(deployment, "creator")
    # A page of a status may be of any host: that of the account is the forge's own.
    links = [home.link(text(creator.get("html_url")))]
    if head:
        links.append(Link(kind="commit", value=head, evidence="sha of the deployment"))
    if branch:
        links.append(Link(kind="branch", value=branch, evidence="ref of the deployment"))
    if run:
        links.append(Link(kind="run", value=f"{home.slug}/{run}", evidence="log_url of its status, or its payload"))
    facts = payload(deployment)
    for key, kind in _FACTS:
        if isinstance(facts.get(key), str) and facts[key]:
            made = Link(kind=kind, value=facts[key], evidence=f"{key} in the payload")  # type: ignore[arg-type]
            links.append(made)
    return Deployment(
        ref=home.ref("deployment", whole(deployment.get("id")) or 0),
        name=f"{home.short} {branch[:80]}{'@' if branch and head else ''}{head[:7]} to {place}",
        status=status,
        state=state,
        updated_at=last.at or epoch(deployment.get("updated_at")),
        environment=home.environment,
        url=shown(last.page, 500),
        note=gate.note if gate is not None else last.words or shown(deployment.get("description")),
        links=tuple(links),
        system="github",
        repository=home.slug,
        target=place,
        number=text(deployment.get("id")),
        branch=branch,
        head=head,
        actor=shown(login(deployment, "creator")),
        run=f"{home.slug}/{run}" if run else "",
        current=current,
        created_at=epoch(deployment.get("created_at")),
        waits_for_me=gate is not None and gate.mine,
    )
