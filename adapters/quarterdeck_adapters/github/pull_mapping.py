"""Pull requests, their checks and their reviews: payloads to records. Pure.

https://docs.github.com/en/rest/pulls/pulls?apiVersion=2022-11-28
https://docs.github.com/en/rest/checks/runs?apiVersion=2022-11-28
https://docs.github.com/en/rest/pulls/reviews?apiVersion=2022-11-28
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from quarterdeck_adapters.ci.values import Json, epoch, login, rows, section, shown, text, whole
from quarterdeck_adapters.github.mapping import Home, job_record, status_of, word
from quarterdeck_lifecycle.kinds import Job, PullRequest
from quarterdeck_lifecycle.records import Link, Status

_OUTCOME = {
    "success": "passed", "neutral": "passed", "skipped": "skipped", "running": "running", "queued": "waiting",
    "waiting": "waiting", "action required": "waiting", "pending": "running", "unknown": "waiting",
}  # fmt: skip
_JOB_PAGE = re.compile(r"https?://[^/]+/(?P<slug>[^/]+/[^/]+)/actions/runs/(?P<run>\d{1,19})/job/(?P<job>\d{1,19})/?")
DECIDING = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
"""States of reviews that take the place of the same reviewer's earlier one."""
_MERGEABLE = {"dirty": "conflicts", "has_hooks": "clean"}


class Checks(NamedTuple):
    """The checks of a commit: counts by outcome, and the names of the failed ones."""

    counts: dict[str, int]
    failed: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Whether none is under way."""
        return not (self.counts.get("running") or self.counts.get("waiting"))


class Reviews(NamedTuple):
    """What the reviewers say together, by whom, and the commit of the newest approval."""

    state: str
    by: tuple[str, ...] = ()
    approved_sha: str = ""


class PullFacts(NamedTuple):
    """What a pull request's row needs beyond the listing; absent while it was not asked for."""

    checks: Checks | None = None
    reviews: Reviews | None = None
    mergeable: str = ""


def outcome(payload: Json) -> str:
    """`passed`, `failed`, `running`, `waiting` or `skipped`, for a check run."""
    return _OUTCOME.get(word(payload), "failed")


def count(checks: Sequence[Json], statuses: Sequence[Json]) -> Checks:
    """Check runs, and the statuses that other systems post (`error`, `failure`, `pending`, `success`)."""
    counts: dict[str, int] = {}
    bad = []
    found = [(outcome(check), check.get("name")) for check in checks]
    found += [(_OUTCOME.get(text(each.get("state")), "failed"), each.get("context")) for each in statuses]
    for result, name in found:
        counts[result] = counts.get(result, 0) + 1
        if result == "failed":
            bad.append(shown(name, 60))
    return Checks(counts, tuple(bad))


def reviewed(reviews: Sequence[Json], pull: Json) -> Reviews:
    """The newest word of each reviewer counts; a comment takes none back, a dismissed review is none."""
    last: dict[str, Json] = {}
    for review in reviews:
        who, state = login(review), text(review.get("state"))
        if who and state in DECIDING:
            last[who] = review
    against = tuple(who for who, review in last.items() if review.get("state") == "CHANGES_REQUESTED")
    for_it = [(who, review) for who, review in last.items() if review.get("state") == "APPROVED"]
    if against:
        return Reviews("changes requested", against)
    if for_it:
        return Reviews("approved", tuple(who for who, _ in for_it), text(for_it[-1][1].get("commit_id")))
    asked = tuple(login({"user": each}) for each in rows(pull, "requested_reviewers"))
    asked += tuple(text(each.get("slug")) for each in rows(pull, "requested_teams"))
    return Reviews("review required", asked) if asked else Reviews("")


def mergeable_word(pull: Json) -> str:
    """`clean`, `conflicts`, `blocked`, `behind`, `unstable`, `draft`, or empty while it is worked out."""
    state = text(pull.get("mergeable_state"))
    return "" if state == "unknown" else _MERGEABLE.get(state, state)


def pull_record(pull: Json, home: Home, facts: PullFacts, viewer: str) -> PullRequest:
    """A pull-request-simple, with what else is known of it, as a row."""
    checks, reviews = facts.checks, facts.reviews or Reviews("")
    head, base = section(pull, "head"), section(pull, "base")
    draft = pull.get("draft") is True
    sha, number = text(head.get("sha")), whole(pull.get("number")) or 0
    status, note = _verdict(pull, checks, reviews, facts.mergeable, viewer, sha, draft=draft)
    return PullRequest(
        ref=home.ref("pull_request", number),
        name=f"{home.short} #{number}",
        status=status,
        state="merged" if pull.get("merged_at") else "draft" if draft else text(pull.get("state")) or "open",
        updated_at=epoch(pull.get("updated_at")),
        environment=home.environment,
        url=text(pull.get("html_url")),
        note=note,
        links=(
            home.link(text(pull.get("html_url"))),
            Link(kind="commit", value=sha, evidence="head of the pull request"),
            Link(kind="branch", value=text(head.get("ref")), evidence="head of the pull request"),
            Link(kind="pull_request", value=str(number), evidence="its number"),
        ),
        number=number,
        repository=home.slug,
        title=text(pull.get("title")),
        author=login(pull),
        branch=text(head.get("ref")),
        base=text(base.get("ref")),
        head=sha,
        draft=draft,
        mergeable=facts.mergeable,
        review=reviews.state,
        checks=dict(checks.counts) if checks else {},
        created_at=epoch(pull.get("created_at")),
        asked=tuple(login({"user": each}) for each in rows(pull, "requested_reviewers")),
    )


def _verdict(
    pull: Json, checks: Checks | None, reviews: Reviews, mergeable: str, viewer: str, sha: str, *, draft: bool
) -> tuple[Status, str]:
    counts = checks.counts if checks else {}
    if checks and checks.failed:
        more = f" +{len(checks.failed) - 3} more" if len(checks.failed) > 3 else ""
        return Status.BAD, f"failed: {', '.join(checks.failed[:3])}{more}"
    if mergeable == "conflicts" and not draft:
        return Status.LOOK, f"conflicts with {shown(section(pull, 'base').get('ref'), 60)}"
    if reviews.state == "changes requested":
        return Status.LOOK, f"changes requested by {', '.join(shown(who, 40) for who in reviews.by[:3])}"
    if counts.get("running"):
        return Status.RUNNING, ""
    if counts.get("waiting"):
        return Status.QUEUED, ""
    if draft:
        return Status.IDLE, ""
    if reviews.state == "approved":
        stale = reviews.approved_sha and reviews.approved_sha != sha
        return Status.OK, "approved before the last push" if stale else ""
    if reviews.state == "review required":
        if viewer and viewer in reviews.by:
            return Status.LOOK, "your review is asked for"
        return Status.IDLE, f"waits for {', '.join(shown(who, 40) for who in reviews.by[:3])}"
    return (Status.UNKNOWN if checks is None else Status.IDLE), ""


def check_record(check: Json, home: Home) -> Job:
    """A check run as a job's row: that very job where Actions made it, so that its log opens; else a row to read."""
    match = _JOB_PAGE.fullmatch(text(check.get("details_url")) or text(check.get("html_url")))
    if match is not None and match["slug"].lower() == home.slug.lower():
        return job_record({**check, "id": int(match["job"])}, home, int(match["run"]))
    made = job_record(check, home, 0)
    app = shown(section(check, "app").get("name"))
    title = shown(section(check, "output").get("title"))
    return _foreign(made, f"check-{whole(check.get('id')) or 0}", home, " · ".join(filter(None, (app, title))))


def status_record(status: Json, home: Home) -> Job:
    """A status that another system posted on a commit, as a row to read."""
    at = epoch(status.get("updated_at"))
    as_check: dict[str, Any] = {
        "status": "in_progress" if status.get("state") == "pending" else "completed",
        "conclusion": status.get("state"), "name": status.get("context"), "html_url": status.get("target_url"),
    }  # fmt: skip
    made = job_record(as_check, home, 0)
    record = _foreign(made, f"status-{whole(status.get('id')) or 0}", home, shown(status.get("description")))
    return replace(record, updated_at=at, status=status_of(made.state))


def _foreign(made: Job, id: str, home: Home, note: str) -> Job:
    ref = home.ref("job")
    links = tuple(link for link in made.links if link.kind != "run")
    return replace(made, ref=type(ref)(ref.source, "job", f"{ref.id}/{id}"), run="", note=note, links=links)

