"""Approve and merge. Both name the head that the operator saw, so that a push in between is not approved or merged.

https://docs.gitlab.com/api/merge_request_approvals/#approve-merge-request
https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck_adapters.ci.values import Json, section, shown, text
from quarterdeck_adapters.gitlab.acting import GitlabAction
from quarterdeck_adapters.gitlab.merge_mapping import head_of
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Forbidden, Malformed, Refused
from quarterdeck_lifecycle.kinds import PullRequest
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

METHODS = ("merge", "squash")


class OnMerge(GitlabAction):
    """What both verbs share. The token is the head commit."""

    kind = "pull_request"

    async def read(self, ref: Ref) -> tuple[Place, Json, PullRequest]:
        """The merge request as it is now. Raises Conflict when it is not open."""
        place = self.place(ref)
        merge = await self.source.merges.read(place)
        record = await self.source.merges.record(merge, place)
        if text(merge.get("state")) != "opened":
            raise Conflict(f"{record.name} is {shown(merge.get('state'))}", source=self.source.name, mend="look again")
        if not head_of(merge):
            raise Malformed(f"{record.name} names no head commit", source=self.source.name)
        return place, merge, record

    async def compare(self, preview: Preview) -> Place:
        """Raise Conflict when the head is not the one that the operator saw."""
        place, merge, _ = await self.read(preview.ref)
        if head_of(merge) != preview.token:
            raise self.moved(f"at {preview.token[:10]}", f"at {head_of(merge)[:10]}")
        return place


class Approve(OnMerge):
    """`pull_request.approve`: an approval of the head that was seen."""

    verb = "pull_request.approve"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict for a closed one and for one that is approved already."""
        place, merge, record = await self.read(ref)
        title = f"approve {record.name}"
        self.checked(record, title)
        reviews = await self.source.merges.reviews(place, merge)
        if reviews.mine:
            raise Conflict(f"{title} was not sent", source=self.source.name, why="you approved it already")
        if reviews.can is False:
            own = record.author == await self.source.projects.viewer()
            why = "it is your own" if own else "the approval rules of the project do not name you"
            raise Refused(f"{title} was not sent", source=self.source.name, why=why)
        sha = head_of(merge)
        checks = " · ".join(f"{count} {word}" for word, count in record.checks.items())
        warnings = [f"checks: {checks}"] if record.checks.get("failed") else []
        warnings += ["it is a draft"] if record.draft else []
        if args.get("comment", "").strip():
            warnings.append("GitLab keeps no comment with an approval: it is not sent")
        path = f"{place.merge}/approve"
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title, steps=(self.step("POST", path, {"sha": sha}),),
            impact=(f"{shown(merge.get('title'))} by {shown(record.author)}, head {sha[:10]}",),
            warnings=tuple(warnings), before=f"review: {record.review or 'none'}", after="approved by you", token=sha,
            why_no_inverse="an approval is taken back on its page", command=self.command("POST", path, {"sha": sha}),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. GitLab compares the head again, and answers 401 to who may not approve."""
        place = await self.compare(preview)
        try:
            answer = await self.api.write("POST", f"{place.merge}/approve", {"sha": preview.token})
        except AuthFailed as error:
            raise Forbidden(
                preview.title, source=self.source.name, why=f"GitLab does not let you approve it ({error.why})",
                mend="its approval rules decide who may; an author may not unless the project allows it",
            ) from error  # fmt: skip
        return f"GitLab accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """We are among those who approved, and the head is the same."""
        place = self.place(preview.ref)

        async def mine() -> Json | None:
            merge = await self.source.merges.read(place)
            return merge if (await self.source.merges.reviews(place, merge)).mine else None

        merge = await self.until(mine, preview, "no approval of yours is listed")
        same = head_of(merge) == preview.token
        words = f"you approved {preview.token[:10]}" + ("" if same else ", and its head moved")
        return Outcome(verified=same, message=words, observed=head_of(merge))


class Merge(OnMerge):
    """`pull_request.merge`. `args`: method (merge, squash); rebasing is the project's own setting."""

    verb = "pull_request.merge"

    def refusal(self, record: Record) -> str | None:
        """Drafts and conflicts."""
        if not isinstance(record, PullRequest):
            return "not a merge request"
        if record.draft:
            return "it is a draft"
        return f"it conflicts with {record.base}" if record.mergeable == "conflicts" else None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict where it cannot be merged, Refused for a method that is not allowed."""
        method = args.get("method") or "merge"
        if method not in METHODS:
            raise Refused(
                f"{shown(method)} is no way to merge here", source=self.source.name,
                why="how the branch comes in is a setting of the project; only squashing is chosen",
                mend="merge, squash",
            )  # fmt: skip
        place, merge, record = await self.read(ref)
        title = f"merge {record.name} into {record.base}"
        self.checked(record, title)
        about = await self.source.projects.read(place.path)
        squash = text(about.get("squash_option"))
        if method == "squash" and squash == "never":
            raise Refused(f"{place.path} does not squash", source=self.source.name, mend="use merge")
        if section(merge, "user").get("can_merge") is False:
            raise Refused(f"{title} was not sent", source=self.source.name, why="your role may not merge into it")
        sha, path = head_of(merge), f"{place.merge}/merge"
        body = self._body(sha, method)
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"method": method}, title=title,
            steps=(self.step("PUT", path, body),),
            impact=(f"{shown(merge.get('title'))} by {shown(record.author)}",
                    f"{text(merge.get('changes_count'))} files, head {sha[:10]}",
                    f"the pipeline of a push to {record.base} will run"),
            warnings=self._warnings(merge, record, about, method), before=f"open at {sha[:10]}", after="merged",
            token=sha, why_no_inverse="a merge is undone by a commit that reverts it",
            command=self.command("PUT", path, {key: str(value).lower() for key, value in body.items()}),
        )  # fmt: skip

    def _body(self, sha: str, method: str) -> dict[str, Any]:
        return {"sha": sha, **({"squash": True} if method == "squash" else {})}

    def _warnings(self, merge: Json, record: PullRequest, about: Json, method: str) -> tuple[str, ...]:
        found = []
        status = text(merge.get("detailed_merge_status"))
        if record.mergeable not in ("clean", ""):
            found.append(f"GitLab says: {shown(status, 60).replace('_', ' ')}")
        elif status in ("checking", "unchecked", "preparing"):
            found.append("GitLab has not worked out yet whether it can be merged")
        if record.checks.get("failed"):
            found.append(f"{record.checks['failed']} jobs of its pipeline failed")
        if text(about.get("squash_option")) == "always" and method == "merge":
            found.append("the project squashes always")
        if (way := text(about.get("merge_method"))) in ("ff", "rebase_merge"):
            found.append("the project " + ("fast-forwards only" if way == "ff" else "merges with a linear history"))
        return tuple(found)

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once; GitLab compares the head again."""
        place = await self.compare(preview)
        answer = await self.api.write(
            "PUT", f"{place.merge}/merge", self._body(preview.token, preview.args["method"])
        )
        return f"GitLab accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """It is merged."""
        place = self.place(preview.ref)

        async def ended() -> Json | None:
            merge = await self.source.merges.read(place)
            return merge if text(merge.get("state")) in ("merged", "closed") else None

        merge = await self.until(ended, preview, "it is still open")
        if text(merge.get("state")) != "merged":
            return Outcome(verified=False, message="it is closed and not merged", observed="closed")
        sha = text(merge.get("merge_commit_sha")) or text(merge.get("squash_commit_sha")) or head_of(merge)
        base = shown(merge.get("target_branch"))
        return Outcome(verified=True, message=f"merged into {base} as {sha[:10]}", observed=sha)
