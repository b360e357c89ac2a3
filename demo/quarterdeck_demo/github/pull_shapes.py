"""The API's objects of pull requests: pull-request-simple, pull-request, diff-entry, review.

https://docs.github.com/en/rest/pulls/pulls?apiVersion=2022-11-28
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from quarterdeck_demo.github.shapes import HTML, Shapes, iso, node_id
from quarterdeck_demo.github.state import LivePull, Review
from quarterdeck_demo.story.records import ChangedFile, Person, Repository


def pull_simple(
    shapes: Shapes, repository: dict[str, Any], live: LivePull, sha: str, people: dict[str, Person]
) -> dict[str, Any]:
    """pull-request-simple; `repository` is the shaped repository that head and base are in."""
    pull, slug = live.pull, live.pull.repository
    url = f"{shapes.base}/repos/{slug}/pulls/{pull.number}"
    issue = f"{shapes.base}/repos/{slug}/issues/{pull.number}"
    statuses = f"{shapes.base}/repos/{slug}/statuses/{sha}"
    html = f"{HTML}/{slug}/pull/{pull.number}"
    owner = slug.partition("/")[0]
    asked = [people[login] for login in pull.reviewers if all(r.login != login for r in live.reviews)]
    links = {
        "self": url, "html": html, "issue": issue, "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments", "review_comment": f"{url}/comments{{/number}}",
        "commits": f"{url}/commits", "statuses": statuses,
    }  # fmt: skip
    sides = {
        side: {"label": f"{owner}:{ref}", "ref": ref, "sha": at, "user": repository["owner"], "repo": repository}
        for side, ref, at in (("head", pull.branch, sha), ("base", "main", pull.base_sha))
    }
    return {
        "url": url,
        "id": pull.id,
        "node_id": node_id("PR", pull.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        "number": pull.number,
        "state": "open" if live.merged_at is None else "closed",
        "locked": False,
        "title": pull.title,
        "user": shapes.user(pull.author),
        "body": pull.body,
        "created_at": iso(pull.created_at),
        "updated_at": iso(live.updated_at),
        "closed_at": iso(live.merged_at) if live.merged_at else None,
        "merged_at": iso(live.merged_at) if live.merged_at else None,
        "merge_commit_sha": live.merge_sha or None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [shapes.user(person) for person in asked],
        "requested_teams": [],
        "labels": [_label(shapes, slug, name) for name in pull.labels],
        "milestone": None,
        "draft": pull.draft,
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": f"{url}/comments{{/number}}",
        "comments_url": f"{issue}/comments",
        "statuses_url": statuses,
        **sides,
        "_links": {name: {"href": href} for name, href in links.items()},
        "author_association": "MEMBER",
        "auto_merge": None,
    }


def _label(shapes: Shapes, slug: str, name: str) -> dict[str, Any]:
    identity = zlib.crc32(name.encode())
    return {
        "id": identity, "node_id": node_id("LA", identity), "url": f"{shapes.base}/repos/{slug}/labels/{name}",
        "name": name, "color": f"{identity & 0xFFFFFF:06x}", "default": name == "bug", "description": "",
    }  # fmt: skip


def pull_full(
    simple: dict[str, Any], live: LivePull, merger: dict[str, Any] | None, mergeable: bool | None, *, passing: bool
) -> dict[str, Any]:
    """pull-request: the simple one with counts and the state of its merging."""
    pull = live.pull
    if live.merged_at is not None or mergeable is None:
        state = "unknown"
    elif pull.draft:
        state = "draft"
    elif not mergeable:
        state = "dirty"
    else:
        state = "clean" if passing else "unstable"
    return {
        **simple,
        "merged": live.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": state,
        "merged_by": merger,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": pull.commits,
        "additions": sum(file.additions for file in pull.files),
        "deletions": sum(file.deletions for file in pull.files),
        "changed_files": len(pull.files),
    }


def changed_file(shapes: Shapes, slug: str, sha: str, file: ChangedFile) -> dict[str, Any]:
    """diff-entry."""
    return {
        "sha": hashlib.sha1(file.patch.encode(), usedforsecurity=False).hexdigest(),
        "filename": file.path,
        "status": file.status,
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": f"{HTML}/{slug}/blob/{sha}/{file.path}",
        "raw_url": f"{HTML}/{slug}/raw/{sha}/{file.path}",
        "contents_url": f"{shapes.base}/repos/{slug}/contents/{file.path}?ref={sha}",
        "patch": file.patch,
    }


def review(shapes: Shapes, repository: Repository, number: int, made: Review, author: Person) -> dict[str, Any]:
    """pull-request-review."""
    html = f"{HTML}/{repository.slug}/pull/{number}#pullrequestreview-{made.id}"
    pull = f"{shapes.repository_url(repository)}/pulls/{number}"
    return {
        "id": made.id,
        "node_id": node_id("PRR", made.id),
        "user": shapes.user(author),
        "body": made.body,
        "state": made.state,
        "html_url": html,
        "pull_request_url": pull,
        "author_association": "MEMBER",
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        "submitted_at": iso(made.at),
        "commit_id": made.sha,
    }
