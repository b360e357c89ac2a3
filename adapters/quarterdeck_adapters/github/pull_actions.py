"""Approve and merge. Both name the head that the operator saw, so that a push in between is not approved or merged.

https://docs.github.com/en/rest/pulls/reviews?apiVersion=2022-11-28#create-a-review-for-a-pull-request
https://docs.github.com/en/rest/pulls/pulls?apiVersion=2022-11-28#merge-a-pull-request
"""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck_adapters.ci.values import Json, login, section, shown, text
from quarterdeck_adapters.github import pull_mapping
from quarterdeck_adapters.github.acting import SETTLE_S, GithubAction
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.pulls import head_of
from quarterdeck_lifecycle.errors import Conflict, Malformed, Refused
from quarterdeck_lifecycle.kinds import PullRequest
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

METHODS = {"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}
_BLOCKED = "the rules of the base branch ask for more: reviews or checks"


class OnPull(GithubAction):
    """What both verbs share. The token is the head commit."""

    kind = "pull_request"

    async def read(self, ref: Ref) -> tuple[Place, Json, PullRequest]:
        """The pull request as it is now. Raises Conflict when it is not open."""
        place = self.place(ref)
        pull = await self.source.pulls.read(place)
        record = await self.source.pulls.record(pull, place)
        if text(pull.get("state")) != "open" or pull.get("merged") is True:
            state = "merged" if pull.get("merged") is True else text(pull.get("state"))
            raise Conflict(f"{record.name} is {state}", source=self.source.name, mend="look again")
        if not head_of(pull):
            raise Malformed(f"{record.name} names no head commit", source=self.source.name)
        return place, pull, record

    async def compare(self, preview: Preview) -> Place:
        """Raise Conflict when the head is not the one that the operator saw."""
        place, pull, _ = await self.read(preview.ref)
        if head_of(pull) != preview.token:
            raise self.moved(f"at {preview.token[:10]}", f"at {head_of(pull)[:10]}")
        return place


class Approve(OnPull):
    """`pull_request.approve`: an approving review of the head that was seen. `args`: comment."""

    verb = "pull_request.approve"

    def refusal(self, record: Record) -> str | None:
        """GitHub takes no approval of one's own."""
        viewer = self.source.pulls.known_viewer
        if isinstance(record, PullRequest) and viewer and record.author == viewer:
            return "it is your own: GitHub takes no approval from its author"
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict for one's own, for a closed one, and for one that is approved already."""
        await self.source.pulls.viewer()
        place, pull, record = await self.read(ref)
        title = f"approve {record.name}"
        self.checked(record, title)
        sha = head_of(pull)
        if await self._mine(place, sha):
            raise Conflict(f"{title} was not sent", source=self.source.name, why=f"you approved {sha[:10]} already")
        comment = args.get("comment", "").strip()
        words = ("pr", "review", str(place.number), "--approve", *(("--body", comment) if comment else ()))
        checks = " · ".join(f"{count} {word}" for word, count in record.checks.items())
        warnings = [f"checks: {checks}"] if record.checks.get("failed") else []
        if record.draft:
            warnings.append("it is a draft")
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"comment": comment} if comment else {}, title=title,
            steps=(self.step("POST", f"{place.pull}/reviews", self._body(sha, comment)),),
            impact=(f"{shown(pull.get('title'))} by {shown(login(pull))}, head {sha[:10]}",),
            warnings=tuple(warnings), before=f"review: {record.review or 'none'}", after="approved by you",
            token=sha, why_no_inverse="a review is dismissed on its page, with a reason",
            command=self.command(*words, place=place),
        )  # fmt: skip

    def _body(self, sha: str, comment: str) -> dict[str, str]:
        return {"event": "APPROVE", "commit_id": sha, **({"body": comment} if comment else {})}

    async def _mine(self, place: Place, sha: str) -> bool:
        viewer = await self.source.pulls.viewer()
        found, _ = await self.api.all(f"{place.pull}/reviews")
        mine = [r for r in found if login(r) == viewer and r.get("state") in pull_mapping.DECIDING]
        return bool(viewer and mine and mine[-1].get("state") == "APPROVED" and mine[-1].get("commit_id") == sha)

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once."""
        place = await self.compare(preview)
        body = self._body(preview.token, preview.args.get("comment", ""))
        answer = await self.api.write("POST", f"{place.pull}/reviews", body)
        return f"GitHub accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """Our newest review approves that commit."""
        place, sha = self.place(preview.ref), preview.token

        async def listed() -> bool | None:
            return await self._mine(place, sha) or None

        await self.until(listed, preview, "no approval of yours is listed")
        return Outcome(verified=True, message=f"you approved {sha[:10]}", observed="APPROVED")


class Merge(OnPull):
    """`pull_request.merge`. `args`: method (merge, squash, rebase)."""

    verb = "pull_request.merge"

    def refusal(self, record: Record) -> str | None:
        """Drafts and conflicts."""
        if not isinstance(record, PullRequest):
            return "not a pull request"
        if record.draft:
            return "it is a draft"
        if record.mergeable == "conflicts":
            return f"it conflicts with {record.base}"
        return None

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Conflict where it cannot be merged, Refused for a method that is not allowed."""
        method = args.get("method") or "merge"
        if method not in METHODS:
            raise Refused(f"{shown(method)} is no way to merge", source=self.source.name, mend=", ".join(METHODS))
        place, pull, record = await self.read(ref)
        title = f"merge {record.name} into {record.base}"
        self.checked(record, title)
        pull = await self._worked_out(place, pull)
        if pull.get("mergeable") is False:
            raise Conflict(f"{title} was not sent", source=self.source.name, why=f"it conflicts with {record.base}")
        about = await self.api.object(place.root, etag=True)
        if about.get(METHODS[method]) is False:
            allowed = ", ".join(name for name, key in METHODS.items() if about.get(key) is not False)
            raise Refused(f"{place.slug} does not merge by {method}", source=self.source.name, mend=f"use {allowed}")
        sha = head_of(pull)
        changed = f"+{text(pull.get('additions'))} -{text(pull.get('deletions'))} in {text(pull.get('changed_files'))}"
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"method": method}, title=title,
            steps=(self.step("PUT", f"{place.pull}/merge", {"sha": sha, "merge_method": method}),),
            impact=(
                f"{shown(pull.get('title'))} by {shown(login(pull))}",
                f"{text(pull.get('commits'))} commits, {changed} files, head {sha[:10]}",
                f"workflows that a push to {record.base} starts will run",
            ),
            warnings=self._warnings(pull, record), before=f"open at {sha[:10]}", after="merged", token=sha,
            why_no_inverse="a merge is undone by a commit that reverts it",
            command=self.command(
                "pr", "merge", str(place.number), f"--{method}", "--match-head-commit", sha, place=place
            ),
        )  # fmt: skip

    def _warnings(self, pull: Json, record: PullRequest) -> tuple[str, ...]:
        state = pull_mapping.mergeable_word(pull)
        found = []
        if pull.get("mergeable") is None:
            found.append("GitHub has not worked out yet whether it can be merged")
        if state == "blocked":
            found.append(_BLOCKED)
        if state == "behind":
            found.append(f"it is behind {record.base}")
        if record.checks.get("failed") or state == "unstable":
            found.append(f"{record.checks.get('failed') or 'some'} checks failed or have not ended")
        if record.review == "changes requested":
            found.append("changes are requested")
        return tuple(found)

    async def _worked_out(self, place: Place, pull: Json) -> Json:
        """Whether it can be merged is worked out when it is first asked for."""
        for pause in SETTLE_S[:4]:
            if pull.get("mergeable") is not None:
                break
            await self.source.sleep(pause)
            pull = await self.source.pulls.read(place)
        return pull

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once; GitHub compares the head again."""
        place = await self.compare(preview)
        body = {"sha": preview.token, "merge_method": preview.args["method"]}
        answer = await self.api.write("PUT", f"{place.pull}/merge", body)
        return f"GitHub accepted it ({answer.status})"

    async def verify(self, preview: Preview) -> Outcome:
        """It is merged."""
        place = self.place(preview.ref)

        async def merged() -> Json | None:
            pull = await self.source.pulls.read(place)
            return pull if pull.get("merged") is True or text(pull.get("state")) == "closed" else None

        pull = await self.until(merged, preview, "it is still open")
        if pull.get("merged") is not True:
            return Outcome(verified=False, message="it is closed and not merged", observed="closed")
        sha = text(pull.get("merge_commit_sha"))
        base = shown(section(pull, "base").get("ref"))
        return Outcome(verified=True, message=f"merged into {base} as {sha[:10]}", observed=sha)
