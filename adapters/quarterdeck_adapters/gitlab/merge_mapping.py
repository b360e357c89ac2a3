"""Merge requests, their pipelines as checks, and their approvals: payloads to records. Pure.

https://docs.gitlab.com/api/merge_requests/ https://docs.gitlab.com/api/merge_request_approvals/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, epoch, rows, section, shown, text, whole
from quarterdeck_adapters.gitlab import mapping
from quarterdeck_adapters.gitlab.mapping import Home
from quarterdeck_lifecycle.kinds import PullRequest
from quarterdeck_lifecycle.records import Link, Status

_OUTCOME = {
    "success": "passed", "failed": "failed", "running": "running", "canceling": "running", "skipped": "skipped",
    "canceled": "skipped",
}  # fmt: skip
_MERGEABLE = {
    "mergeable": "clean", "conflict": "conflicts", "draft_status": "draft", "need_rebase": "behind",
    "ci_must_pass": "blocked", "ci_still_running": "blocked", "not_approved": "blocked", "requested_changes": "blocked",
    "discussions_not_resolved": "blocked", "blocked_status": "blocked", "external_status_checks": "blocked",
    "checking": "", "unchecked": "", "preparing": "", "approvals_syncing": "",
}  # fmt: skip


class Reviews(NamedTuple):
    """What the approvals say together, and who gave them. `left` is None where GitLab does not count them."""

    state: str = ""
    by: tuple[str, ...] = ()
    left: int | None = None
    mine: bool = False
    can: bool | None = None


class MergeFacts(NamedTuple):
    """What a merge request's row needs beyond the listing; absent while it was not asked for."""

    checks: dict[str, int] | None = None
    failed: tuple[str, ...] = ()
    reviews: Reviews = Reviews()


def checks_of(jobs: Sequence[Json]) -> tuple[dict[str, int], tuple[str, ...]]:
    """The newest attempts of the jobs of the head's pipeline, counted by outcome, and the names of the failed ones.

    A job that may fail or need not be started counts as skipped then.
    """
    counts: dict[str, int] = {}
    bad = []
    for job in mapping.newest(jobs):
        state = mapping.word(job)
        result = _OUTCOME.get(state, "waiting")
        if job.get("allow_failure") is True and state in ("failed", "manual"):
            result = "skipped"
        counts[result] = counts.get(result, 0) + 1
        if result == "failed":
            bad.append(shown(job.get("name"), 60))
    return counts, tuple(bad)


def reviews_of(approvals: Json, merge: Json) -> Reviews:
    """Who approved, and whether enough did."""
    by = tuple(text(section(each, "user").get("username")) for each in rows(approvals, "approved_by"))
    left = whole(approvals.get("approvals_left"))
    can = approvals.get("user_can_approve")
    mine = approvals.get("user_has_approved") is True
    asked = tuple(text(each.get("username")) for each in rows(merge, "reviewers"))
    if text(merge.get("detailed_merge_status")) == "requested_changes":
        state = "changes requested"
    elif by and not left:
        state = "approved"
    else:
        state = "review required" if asked or left else ""
    return Reviews(state, by, left, mine, can if isinstance(can, bool) else None)


def mergeable_word(merge: Json) -> str:
    """`clean`, `conflicts`, `blocked`, `behind`, `draft`, or empty while it is worked out."""
    if merge.get("has_conflicts") is True:
        return "conflicts"
    status = text(merge.get("detailed_merge_status"))
    return _MERGEABLE.get(status, shown(status, 60).replace("_", " "))


def head_of(merge: Json) -> str:
    """The commit that it proposes."""
    return text(merge.get("sha"))


def record(merge: Json, home: Home, facts: MergeFacts, viewer: str) -> PullRequest:
    """A merge request as a row."""
    number, sha = whole(merge.get("iid")) or 0, head_of(merge)
    draft = merge.get("draft") is True
    asked = tuple(text(each.get("username")) for each in rows(merge, "reviewers"))
    mergeable = mergeable_word(merge)
    status, note = _verdict(merge, facts, mergeable, asked, viewer, draft=draft)
    state = text(merge.get("state"))
    return PullRequest(
        ref=home.ref("pull_request", number),
        name=f"{home.short} !{number}",
        status=status,
        state="draft" if draft and state == "opened" else "open" if state == "opened" else state,
        updated_at=epoch(merge.get("updated_at")),
        environment=home.environment,
        url=text(merge.get("web_url")),
        note=note,
        links=(
            home.link(text(merge.get("web_url"))),
            Link(kind="commit", value=sha, evidence="head of the merge request"),
            Link(kind="branch", value=text(merge.get("source_branch")), evidence="source_branch"),
            Link(kind="pull_request", value=str(number), evidence="its number"),
        ),
        number=number,
        repository=home.path,
        title=text(merge.get("title")),
        author=text(section(merge, "author").get("username")),
        branch=text(merge.get("source_branch")),
        base=text(merge.get("target_branch")),
        head=sha,
        draft=draft,
        mergeable=mergeable,
        review=facts.reviews.state,
        checks=dict(facts.checks or {}),
        created_at=epoch(merge.get("created_at")),
        asked=asked,
    )


def _verdict(
    merge: Json, facts: MergeFacts, mergeable: str, asked: Sequence[str], viewer: str, *, draft: bool
) -> tuple[Status, str]:
    counts = facts.checks or {}
    if facts.failed:
        more = f" +{len(facts.failed) - 3} more" if len(facts.failed) > 3 else ""
        return Status.BAD, f"failed: {', '.join(facts.failed[:3])}{more}"
    if mergeable == "conflicts" and not draft:
        return Status.LOOK, f"conflicts with {shown(merge.get('target_branch'), 60)}"
    if facts.reviews.state == "changes requested":
        return Status.LOOK, "changes requested"
    if counts.get("running"):
        return Status.RUNNING, ""
    if counts.get("waiting"):
        return Status.QUEUED, ""
    if draft:
        return Status.IDLE, ""
    if facts.reviews.state == "approved":
        return Status.OK, ""
    if facts.reviews.state == "review required":
        if viewer and viewer in asked and not facts.reviews.mine:
            return Status.LOOK, "your review is asked for"
        left = f"{facts.reviews.left} approvals left" if facts.reviews.left else ""
        return Status.IDLE, f"waits for {', '.join(shown(who, 40) for who in asked[:3])}" if asked else left
    return (Status.UNKNOWN if facts.checks is None else Status.IDLE), ""
