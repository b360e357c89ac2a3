"""Executions, stages and actions: AWS's answers to records. Pure.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineExecutionSummary.html
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ActionExecutionDetail.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.ci.values import Json, epoch, rows, section, sha_of, shown, text
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Link, Ref, Status

WORDS = {
    "InProgress": "running", "Stopping": "stopping", "Stopped": "stopped", "Succeeded": "succeeded",
    "Superseded": "superseded", "Failed": "failed", "Cancelled": "cancelled", "Abandoned": "abandoned",
    "Skipped": "skipped",
}  # fmt: skip
_STATUS = {
    "running": Status.RUNNING, "stopping": Status.RUNNING, "queued": Status.QUEUED, "waiting": Status.WAITING,
    "held": Status.WAITING, "succeeded": Status.OK, "failed": Status.BAD, "stopped": Status.IDLE,
    "superseded": Status.IDLE, "cancelled": Status.IDLE, "abandoned": Status.IDLE, "skipped": Status.IDLE,
    "not begun": Status.IDLE,
}  # fmt: skip
MOVING = frozenset({"InProgress", "Stopping"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT_URL = re.compile(r"/(?P<slug>[^/\s]+(?:/[^/\s]+)+?)/(?:-/)?commits?/[0-9a-f]{7,64}")
_VERSION = re.compile(r"[^/\s]{1,200}/[0-9]{1,9}")


class Home(NamedTuple):
    """What the records of one pipeline share, from its declaration; empty where that could not be read."""

    source: str
    environment: str
    pipeline: str
    region: str = ""
    endpoint: str = ""
    host: str = ""
    slug: str = ""
    branch: str = ""
    mode: str = ""

    def ref(self, kind: str, *parts: str) -> Ref:
        """The ref of a thing of this pipeline."""
        return Ref(self.source, kind, "/".join((self.pipeline, *parts)))

    def page(self, execution: str) -> str:
        """The console's page of an execution; a server that is not AWS's own has none."""
        if self.endpoint or not self.region:
            return ""
        base = f"https://{self.region}.console.aws.amazon.com/codesuite/codepipeline/pipelines"
        return f"{base}/{self.pipeline}/executions/{execution}/timeline?region={self.region}"


class Spot(NamedTuple):
    """Where a run stands: its stage and action, why it needs a look, and what it waits for."""

    state: str = ""
    where: str = ""
    note: str = ""
    queued_for: str = ""
    mine: bool = False
    links: tuple[Link, ...] = ()


def moment(value: Any) -> float | None:
    """Epoch seconds of what botocore, or a server that is not quite AWS, gives for a time."""
    if isinstance(value, datetime):
        try:
            return value.timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return epoch(value)


def word(status: Any) -> str:
    """A status in one word."""
    return WORDS.get(text(status), shown(status, 60).lower()) or "unknown"


def status_of(state: str) -> Status:
    """How a state is doing."""
    return _STATUS.get(state, Status.UNKNOWN)


def home_of(source: str, environment: str, region: str, endpoint: str, declared: Json) -> Home:
    """What a declaration says of where its source is."""
    mode = text(declared.get("executionMode"))
    made = Home(source, environment, text(declared.get("name")), region, endpoint, mode=mode)
    for action in source_actions(declared):
        settings = section(action, "configuration")
        provider = text(section(action, "actionTypeId").get("provider"))
        branch = shown(settings.get("BranchName") or settings.get("Branch"))
        if provider == "CodeStarSourceConnection":
            return made._replace(slug=shown(settings.get("FullRepositoryId")), branch=branch)
        if provider == "GitHub":
            slug = "/".join((text(settings.get("Owner")), text(settings.get("Repo"))))
            return made._replace(host="github.com", slug=shown(slug), branch=branch)
        if provider == "CodeCommit":
            host = f"git-codecommit.{region}.amazonaws.com"
            return made._replace(host=host, slug=f"v1/repos/{shown(settings.get('RepositoryName'))}", branch=branch)
    return made


def source_actions(declared: Json) -> list[Json]:
    """The actions of a declaration that bring the source."""
    return [
        action for stage in rows(declared, "stages") for action in rows(stage, "actions")
        if section(action, "actionTypeId").get("category") == "Source"
    ]  # fmt: skip


def revision(summary: Json) -> Json:
    """The source revision that is a commit, else the first one."""
    found = rows(summary, "sourceRevisions")
    return next((each for each in found if sha_of(each.get("revisionId"))), found[0] if found else {})


def repository(home: Home, page: str) -> tuple[str, str]:
    """Host and slug of the repository: of the revision's page, else of the declaration."""
    try:
        parts = urlsplit(page)
        host, match = parts.hostname or "", _COMMIT_URL.match(parts.path)
    except ValueError:
        host, match = "", None
    if host and match:
        return host, match["slug"]
    # A connection does not say whose it is: GitHub, unless a revision's page says otherwise.
    return (home.host or "github.com", home.slug) if home.slug else ("", "")


def links_of(home: Home, summary: Json) -> tuple[Link, ...]:
    """What an execution's source says: repository, commit, branch, image."""
    found = revision(summary)
    host, slug = repository(home, text(found.get("revisionUrl")))
    made: list[Link] = []
    if slug:
        told = "revisionUrl of the execution" if text(found.get("revisionUrl")) else "the pipeline's source action"
        made.append(Link(kind="repository", value=f"{host}/{slug}", evidence=told))
    if head := sha_of(found.get("revisionId")):
        made.append(Link(kind="commit", value=head, evidence="sourceRevisions of the execution"))
        if home.branch:
            made.append(Link(kind="branch", value=home.branch, evidence="the pipeline's source action"))
    made += [
        Link(kind="digest", value=match[0], evidence="sourceRevisions of the execution")
        for each in rows(summary, "sourceRevisions") if (match := _DIGEST.search(text(each.get("revisionId"))))
    ]  # fmt: skip
    return tuple(made)


def output_links(variables: Mapping[str, Any], action: str) -> tuple[Link, ...]:
    """What an action put out as variables: an image, its digest, a model's version."""
    made: list[Link] = []
    for name, raw in list(variables.items())[:50]:
        value, told = text(raw), f"output variable {shown(name, 60)} of {action}"
        if match := _DIGEST.search(value):
            made.append(Link(kind="digest", value=match[0], evidence=told))
        elif "IMAGE" in name.upper() and ("/" in value or ":" in value) and len(value) < 300:
            made.append(Link(kind="image", value=value, evidence=told))
        elif "MODEL" in name.upper() and _VERSION.fullmatch(value):
            made.append(Link(kind="version", value=value, evidence=told))
    return tuple(made)


def run_record(summary: Json, home: Home, *, spot: Spot = Spot()) -> Run:  # noqa: B008
    """A PipelineExecutionSummary as a row."""
    id = text(summary.get("pipelineExecutionId"))
    moving = text(summary.get("status")) in MOVING
    state = (spot.state if moving else "") or word(summary.get("status"))
    started, updated = moment(summary.get("startTime")), moment(summary.get("lastUpdateTime"))
    found, trigger = revision(summary), section(summary, "trigger")
    detail = text(trigger.get("triggerDetail"))
    event = shown(trigger.get("triggerType"), 60)
    took = updated - started if not moving and started is not None and updated is not None else None
    back = shown(section(summary, "rollbackMetadata").get("rollbackTargetPipelineExecutionId"))[:8]
    note = spot.note or (shown(summary.get("statusSummary")) if state != "succeeded" else "")
    if state in ("stopping", "stopped"):
        note = shown(section(summary, "stopTrigger").get("reason")) or note
    return Run(
        ref=home.ref("run", id),
        name=f"{home.pipeline} #{id[:8]}",
        status=status_of(state),
        state=state,
        updated_at=updated,
        environment=home.environment,
        url=home.page(id),
        note=note or (f"back to {back}" if back else ""),
        links=(*links_of(home, summary), *spot.links),
        system="codepipeline",
        repository=repository(home, text(found.get("revisionUrl")))[1] or home.pipeline,
        number=id[:8],
        workflow=home.pipeline,
        branch=home.branch,
        head=sha_of(found.get("revisionId")),
        event=f"{event} (rollback)" if summary.get("executionType") == "ROLLBACK" else event,
        actor=detail.rpartition("/")[2] if detail.startswith("arn:") and ":user/" in detail else "",
        where=spot.where,
        created_at=started,
        started_at=started,
        finished_at=None if moving else updated,
        duration_s=None if took is None or took < 0 else took,
        default_branch=home.branch,
        waits_for_me=spot.mine,
        queued_for=spot.queued_for,
    )


def newest_actions(details: Sequence[Json]) -> dict[tuple[str, str], list[Json]]:
    """The attempts of each action of an execution, by stage and name, the newest first."""
    made: dict[tuple[str, str], list[Json]] = {}
    seen: set[str] = set()
    for each in sorted(details, key=lambda each: moment(each.get("startTime")) or 0.0, reverse=True):
        id = text(each.get("actionExecutionId"))
        if id in seen:
            continue
        seen.add(id)
        made.setdefault((text(each.get("stageName")), text(each.get("actionName"))), []).append(each)
    return made
